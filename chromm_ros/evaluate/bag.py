"""`eval bag BAG`: the node's own chain over a recording without DDS, every window in order; results, scores and a report.

The same recording and the same settings give the same bytes of results. What a clock measures (latency) is in the report alone.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chromm_ros.config import ChrommConfig, load_config
from chromm_ros.data.progress import Progress
from chromm_ros.data.result_writer import ResultWriter
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.evaluate import place
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.beforehand import check
from chromm_ros.evaluate.outcome import Outcome
from chromm_ros.evaluate.replayed import windows
from chromm_ros.evaluate.result import add_chunks, judge
from chromm_ros.evaluate.told import KNOWN
from chromm_ros.records import Reconstruction, Window
from chromm_ros.settings import assignments, merged

RESULT = "results"
"""Folder of the recording of results, in the folder of the report; that of the demo and `eval live` has the same name."""
WORLD = "chromm_world"
"""Frame of results where nobody tells the poses of the cameras: the node's default."""


KNOWN_HELP = (
    "of what the recording tells of its cameras: poses (and intrinsics), intrinsics, or nothing: then images are taken as they come, not "
    "rectified, and pictures reproject by the estimated cameras (default: poses)"
)
Chain = Callable[[Window], Reconstruction]
"""What is asked of a `pipeline.Pipeline`."""


def run_chain(
    sequence: BagSequence, config: ChrommConfig, chain: Chain, writer: ResultWriter, tell: Callable[[int], None]
) -> list[float]:
    """Run every window of a recording and write what comes out; one window is held at a time.

    Args:
        sequence: the recording.
        config: how frames are put in step and gathered.
        chain: windows to reconstructions.
        writer: takes the results.
        tell: called with the (recorded) time of each result, nanoseconds.

    Returns:
        Milliseconds from each window to its result.
    """
    spent = []
    for window in windows(sequence.frames(), sequence.cameras, config):
        begun = time.perf_counter()
        result = chain(window)
        spent.append(1e3 * (time.perf_counter() - begun))
        writer.write(result, window)
        tell(window.sets[-1].ready_ns)
    return spent


def evaluate(
    sequence: BagSequence,
    config: ChrommConfig,
    out: Path,
    chain: Any = None,
    say: Callable[[str], None] = lambda _: None,
    *,
    rule: str = "wham",
) -> Outcome:
    """Run a recording, write its results to `out / RESULT`, and score them where there is a truth.

    Args:
        sequence: the recording.
        config: all settings.
        out: folder of everything; results and report of an earlier run in it go once the recording is known to fit.
        chain: a `Pipeline` that is loaded already and has run nothing; None loads the one that the settings name.
        say: takes lines of progress.
        rule: that cuts chunks, as `Judged` has it.

    Raises:
        ChrommError: if the recording, the settings or the folder cannot be used.
    """
    import torch

    from chromm_ros.evaluate import runtime
    from chromm_ros.pipeline import Pipeline

    check(sequence, sequence.rig_frame or WORLD)
    result = room(out)
    pipeline = Pipeline(config) if chain is None else chain
    pipeline.warm_up(len(sequence.cameras))  # as the node does: its latency has no cold start either
    about = runtime.about(pipeline)
    writer = ResultWriter(
        result,
        sequence.rig_frame or WORLD,
        gender=pipeline.body.gender,
        body_file=pipeline.body.kind,
        made_with={name: about[name] for name in ("weights", "device", "precision", "revision")},
    )
    with torch.inference_mode(), writer, _bar(sequence, say) as tell:
        spent = run_chain(sequence, config, pipeline, writer, tell)
        scene = runtime.one_scene(pipeline, repeats=1)
    return judge(result, sequence, np.array(spent), LATENCY, about, scene, rule=rule)


LATENCY = (
    "Latency is the chain's own: from a window that is whole to its result, warm as the node's, without the wait for images and "
    "without ROS."
)


def room(out: Path) -> Path:
    """The folder of results; results and report of an earlier run are removed, and nothing else.

    Raises:
        FileError: if something else is in the way, or the folder cannot be written.
    """
    result = place.folder(out) / RESULT
    if result.exists():
        if not (result / "metadata.yaml").exists() and list(result.iterdir()) and not list(result.glob("*.mcap")):
            raise FileError(f"'{result}' exists and is no recording of an earlier run: move it away, or choose another --out")
        shutil.rmtree(result)
    place.clear(out)
    return result


@contextmanager
def _bar(sequence: BagSequence, say: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    progress, count = Progress(say), 0
    begin_ns, end_ns = sequence.span_ns

    def tell(now_ns: int) -> None:
        nonlocal count
        count += 1
        share = min(1.0, max(0.0, (now_ns - begin_ns) / max(1, end_ns - begin_ns)))
        progress.show(time.monotonic(), share, f"{count} windows")

    yield tell
    progress.show(float("inf"), 1.0, f"{count} windows")
    progress.end()


def add_parser(subparsers: Any) -> None:
    """`eval bag`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("bag", help="the node's chain over a recording, without DDS")
    add_bag_arguments(parser)
    parser.set_defaults(run=run)


def add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    """What `eval bag` and `eval live` have in common."""
    add = parser.add_argument
    add("bag", type=Path, help="a rosbag2")
    add("--truth", type=Path, metavar="BAG", help="another recording with the truth (default: the same)")
    add("--config", type=Path, metavar="FILE", help="YAML of settings, groups as in the table of parameters")
    add("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="single settings, for example window.length=8")
    add("--depth", nargs="+", default=[], metavar="CAMERA=TOPIC", help="topics of depth images that are registered to a camera's")
    add("--cameras", nargs="+", default=[], metavar="NAME", help="of the recording (default: all)")
    add("--known", choices=tuple(KNOWN), default="poses", help=KNOWN_HELP)
    add_chunks(parser)
    add("--out", type=Path, default=Path("out/eval"), metavar="FOLDER", help="of results and report (default: out/eval)")


def depth_topics(given: Sequence[str]) -> dict[str, str]:
    """What `--depth` says.

    Raises:
        ConfigError: if a text is not CAMERA=TOPIC.
    """
    parts = [text.partition("=") for text in given]
    for text, (camera, _, topic) in zip(given, parts, strict=True):
        if not camera or not topic:
            raise ConfigError(f"--depth {text}: expected CAMERA=TOPIC, for example left=/left/depth/image_raw")
    return {camera: topic for camera, _, topic in parts}


def settings(arguments: argparse.Namespace) -> ChrommConfig:
    """What `--config` and `--set` say.

    Raises:
        ChrommError: if a file cannot be read, or a setting is wrong.
    """
    base = load_config(arguments.config) if arguments.config else ChrommConfig()
    return merged(base, assignments(arguments.set, "window.length=8"))


def recording(arguments: argparse.Namespace, config: ChrommConfig) -> BagSequence:
    """The recording, with as much of it as the chain is to know.

    Raises:
        ChrommError: if it cannot be read, or has not what is asked for.
    """
    known = KNOWN[arguments.known]
    if arguments.depth and not known.intrinsics:
        raise ConfigError(
            "--known nothing and --depth contradict one another: depths in metres tell more of cameras than intrinsics do"
        )
    return BagSequence(
        arguments.bag,
        truth=arguments.truth,
        cameras=arguments.cameras,
        intrinsics=known.intrinsics,
        poses=known.poses,
        depths=depth_topics(arguments.depth),
        sync=config.sync,
        say=Complaints(),
    )


def run(arguments: argparse.Namespace) -> int:
    """Run, score, write and print.

    Raises:
        ChrommError: if anything that was named cannot be used.
    """
    config = settings(arguments)
    sequence = recording(arguments, config)
    finish(evaluate(sequence, config, arguments.out, say=_say, rule=arguments.chunks), arguments.out)
    return 0


class Complaints:
    """Sentences about what was refused, each kind once, on stderr."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, sentence: str) -> None:
        """Say it, unless it has been said."""
        if sentence not in self._said:
            self._said.add(sentence)
            _say(sentence)


def finish(outcome: Outcome, out: Path) -> None:
    """Write the report in the place of an earlier one and print its table.

    Raises:
        ChrommError: if it cannot be written.
    """
    from chromm_ros.evaluate.report import made_with, table

    outcome.write(place.clear(out))
    notes = "\n".join(f"- {note}" for note in outcome.notes)
    sys.stdout.write(
        f"{made_with(outcome)}.\n\n{table(outcome.scores)}\n\n{notes}\n\n{table(outcome.runtime)}\n\nreport: {out}\n"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
