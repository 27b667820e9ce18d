"""`eval {emdb2,rich,egohumans,egoexo4d} ROOT`: a data set by the paper's protocol, its row beside those that others published."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromm_ros.errors import ConfigError, InputError
from chromm_ros.evaluate.told import KNOWN
from chromm_ros.settings import assignments, merged

if TYPE_CHECKING:
    from chromm_ros.data.truth import LabelledSequence
    from chromm_ros.evaluate.outcome import Outcome
    from chromm_ros.evaluate.protocols.closed import Runner
    from chromm_ros.pipeline import Pipeline

VIEWS = 4
"""Cameras of the multi-view protocols."""
FILE = "published.md"
"""Our row beside the published ones, in the folder of the report."""


@dataclass(frozen=True)
class Protocol:
    """How one data set is evaluated."""

    dataset: str
    """Key of `datasets.catalog.DATASETS`."""
    ways: tuple[str, ...]
    """`mono`, `multi` (segments) or `steps` (single moments); the first is the default."""
    joints: str
    """Joint set of the truth."""
    up: str
    """Axis of its world that points up, as `Outcome.up`."""
    most: int | None = None
    """Moments of a sequence where these are single; None: all that are there."""
    every: int = 0
    """Which of a sequence's frames are read at all: each so many-th; 0: the data set offers no choice."""


PROTOCOLS = {
    "emdb2": Protocol("emdb2", ("mono",), "smpl", "z"),
    "rich": Protocol("rich", ("multi", "mono"), "smpl", "z"),
    # The frames of the tables are not told; an early version of HSfM's code had 1, 51, 101 and so on.
    "egohumans": Protocol("egohumans", ("steps",), "smpl", "z", every=50),
    # One annotated frame of each take (GHOST); which one is not told: the first.
    "egoexo4d": Protocol("egoexo4d", ("steps",), "coco", "z", most=1),
}


def evaluate(
    sequences: Iterator[LabelledSequence],
    run: Runner,
    way: str,
    *,
    most: int | None = None,
    rule: str = "wham",
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Run labelled sequences by a protocol.

    Args:
        sequences: one after the other.
        run: the chain.
        way: `mono`, `multi` or `steps`.
        most: moments of each sequence where these are single; None: all.
        rule: that cuts segments, as `Cut` has it.
        tell: called with a line for each sequence that is done.

    Returns:
        Fields of an `Outcome`: scores, notes, series and the like.

    Raises:
        InputError: if nothing was labelled in any of them, or a sequence does not fit the protocol.
    """
    from chromm_ros.evaluate.protocols.outcomes import of_segments, of_steps
    from chromm_ros.evaluate.protocols.pictured import MOST
    from chromm_ros.evaluate.protocols.segments import MONO, MULTI, segments
    from chromm_ros.evaluate.protocols.steps import steps

    assert way in {"mono", "multi", "steps"}, way
    cut, parts = replace(MONO if way == "mono" else MULTI, rule=rule), list[Any]()
    for sequence in sequences:
        before, shown = len(parts), sum(len(part.views) for part in parts) < MOST
        parts += steps(sequence, run, most, shown=shown) if way == "steps" else segments(sequence, run, cut, shown=shown)
        tell(f"{sequence.name}: {len(parts) - before} {'moments' if way == 'steps' else 'segments'}")
    if not parts and rule == "tram":
        raise InputError(
            f"no sequence has more than {cut.segment} images with a truth, expected that by TRAM's rule: leave out --chunks tram, or see "
            "that the data set is whole"
        )
    if not parts:
        raise InputError("no sequence has an image with a truth, expected equal stamps of both: is the data set whole?")
    return of_steps(parts) if way == "steps" else of_segments(parts, cut)


def add_parser(subparsers: Any) -> None:
    """All four."""
    from chromm_ros.datasets.catalog import DATASETS
    from chromm_ros.evaluate.result import add_chunks

    for name, protocol in PROTOCOLS.items():
        title = DATASETS[protocol.dataset].title
        parser: argparse.ArgumentParser = subparsers.add_parser(name, help=f"{title} by the paper's protocol")
        add = parser.add_argument
        add("root", type=Path, help=f"folder of {title}")
        add("--sequences", nargs="+", metavar="NAME", help="(default: those of the field's tables)")
        add("--body-models", type=Path, metavar="FOLDER", help="licensed SMPL and SMPL-X, of which the truth's joints are made")
        add("--known", choices=tuple(KNOWN), default="nothing", help="what the chain is told of the cameras (default: nothing)")
        add("--weights", default="nano", help="of the whole network, a file or a name (default: nano)")
        add("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="single settings, as model.device=cpu")
        add("--out", type=Path, metavar="FOLDER", help="write the report there")
        if len(protocol.ways) > 1:
            way = parser.add_mutually_exclusive_group()
            for choice in protocol.ways:
                told = " (default)" if choice == protocol.ways[0] else ""
                way.add_argument(f"--{choice}", dest="way", action="store_const", const=choice, help=HELP[choice] + told)
        if protocol.every:
            add("--every", type=int, default=protocol.every, help=f"each so many-th labelled frame (default: {protocol.every})")
        parser.set_defaults(run=run, protocol=name, way=protocol.ways[0], chunks=None)
        if "steps" not in protocol.ways:
            add_chunks(parser)


HELP = {"mono": "each camera alone", "multi": f"up to {VIEWS} cameras together"}


def run(arguments: argparse.Namespace) -> int:
    """Run, write and print.

    Raises:
        ChrommError: if the data set, the weights or the settings cannot be used.
    """
    import torch

    from chromm_ros.config import ChrommConfig
    from chromm_ros.evaluate import place, published
    from chromm_ros.evaluate.protocols.closed import SETTINGS, Runner
    from chromm_ros.evaluate.report import made_with, table
    from chromm_ros.pipeline import Pipeline

    names = _names(arguments)
    if arguments.out:
        place.folder(arguments.out)
    weights = {"model": {"checkpoint": arguments.weights}}
    config = merged(ChrommConfig(), SETTINGS, weights, assignments(arguments.set, "model.device=cpu"))
    pipeline = Pipeline(config)
    runner = Runner(pipeline, KNOWN[arguments.known], _ours(arguments, pipeline))
    protocol = PROTOCOLS[arguments.protocol]
    with torch.inference_mode():
        rule = arguments.chunks or "wham"  # single moments are not cut
        told = evaluate(_opened(arguments, names), runner, arguments.way, most=protocol.most, rule=rule, tell=_say)
    outcome = _outcome(arguments, pipeline, runner, told, len(names))
    key = arguments.protocol if len(protocol.ways) == 1 else f"{arguments.protocol} {arguments.way}"
    joints = runner.ours.sets(outcome.joint_set)[0].name
    beside = published.beside(key, f"chromm_ros, {outcome.weights}", outcome.scores, joints, outcome.title)
    notes = "\n".join(f"- {note}" for note in outcome.notes)
    parts = (f"{made_with(outcome)}.", beside, table(outcome.scores), notes, table(outcome.runtime))
    sys.stdout.write("\n\n".join(parts) + "\n")
    if arguments.out:
        outcome.write(place.clear(arguments.out))
        place.write(arguments.out / FILE, f"{beside}\n")
    return 0


def _names(arguments: argparse.Namespace) -> list[str]:
    from chromm_ros.datasets.catalog import dataset

    if getattr(arguments, "every", 1) < 1:
        raise ConfigError(f"--every is {arguments.every}, expected at least 1")
    return arguments.sequences or dataset(PROTOCOLS[arguments.protocol].dataset).sequences(arguments.root)


def _opened(arguments: argparse.Namespace, names: Sequence[str]) -> Iterator[LabelledSequence]:
    """Each sequence with the cameras of the protocol; each camera by itself in the mono one."""
    from chromm_ros.datasets.catalog import dataset

    protocol = PROTOCOLS[arguments.protocol]
    opened: Callable[..., LabelledSequence] = partial(dataset(protocol.dataset).open, body_models=arguments.body_models)
    if protocol.every:
        opened = partial(opened, every=arguments.every)
    for name in names:
        sequence = opened(arguments.root, name)
        if arguments.way != "mono":
            yield opened(arguments.root, name, sequence.cameras[:VIEWS]) if len(sequence.cameras) > VIEWS else sequence
        elif len(sequence.cameras) == 1:
            yield sequence
        else:
            yield from (Named(opened(arguments.root, name, (camera,)), f"{name} {camera}") for camera in sequence.cameras)


class Named:
    """A sequence under another name: one of several cameras of the same scene."""

    def __init__(self, sequence: LabelledSequence, name: str) -> None:
        self.name, self.cameras = name, sequence.cameras
        self.frames, self.truth = sequence.frames, sequence.truth


def _ours(arguments: argparse.Namespace, pipeline: Pipeline) -> Any:
    """SMPL's joints from the surface where both bodies are the licensed ones."""
    from chromm_ros.datasets.body_models import TRANSFER_FILE
    from chromm_ros.evaluate.protocols.joints import Ours

    models = arguments.body_models
    surface = models is not None and (models / TRANSFER_FILE).is_file() and pipeline.body.kind == "smplx"
    if not surface or PROTOCOLS[arguments.protocol].joints != "smpl":
        return Ours()
    from chromm_ros.datasets.smpl_from_smplx import SmplFromSmplx

    return Ours(SmplFromSmplx(models))


def _outcome(arguments: argparse.Namespace, pipeline: Pipeline, runner: Runner, told: dict[str, Any], count: int) -> Outcome:
    import numpy as np

    from chromm_ros.datasets.catalog import dataset
    from chromm_ros.evaluate import runtime
    from chromm_ros.evaluate.outcome import Outcome, summary

    protocol = PROTOCOLS[arguments.protocol]
    about = runtime.about(pipeline)
    said = {
        "dataset": protocol.dataset,
        "way": arguments.way,
        "known": arguments.known,
        "sequences": arguments.sequences or "those of the tables",
    }
    said |= {"every": arguments.every} if protocol.every else {}
    said |= {"chunks": arguments.chunks} if arguments.chunks else {}
    about["config"] = {**about["config"], "protocol": said}
    if arguments.known == "poses":
        told = {
            **told,
            "notes": (*told["notes"], "The chain was told where the cameras are: errors of cameras and gauges say little."),
        }
    spent = np.array(runner.spent_ms)
    sequences = f"{count} sequence{'s' if count != 1 else ''}"
    return Outcome(
        title=f"{dataset(protocol.dataset).title} ({arguments.way}), {sequences}, {arguments.known} known of the cameras",
        up=protocol.up,
        runtime=(summary("each closed set, images in memory", spent, "ms"), *runtime.one_scene(pipeline, repeats=1)),
        latency_ms=spent,
        **told,
        **about,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
