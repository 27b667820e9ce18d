"""`eval live BAG`: the node over DDS, the replay in step with it, and the recorder; then the scores of `eval bag`.

It lives here because it starts processes as the demo does; `evaluate` knows no ROS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chromm_ros.config import ChrommConfig
from chromm_ros.evaluate import place
from chromm_ros.evaluate.bag import WORLD, add_bag_arguments, finish, recording, settings
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.beforehand import check
from chromm_ros.evaluate.outcome import Outcome
from chromm_ros.evaluate.result import NODE_LATENCY, judge
from chromm_ros.settings import describe, to_mapping

NOWHERE = "/not_told"
"""Topics below it stand where a calibration is kept from the node: nobody publishes them."""


def add_parser(subparsers: Any) -> None:
    """`eval live`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("live", help="the same over ROS 2: the node, in step with a replay")
    add_bag_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play, record, score, write and print.

    Raises:
        ChrommError: if anything that was named cannot be used, or the node or the replay ends with an error.
    """
    config = settings(arguments)
    sequence = recording(arguments, config)
    finish(live(sequence, config, arguments.out, arguments.chunks), arguments.out)
    return 0


def live(sequence: BagSequence, config: ChrommConfig, out: Path, rule: str = "wham") -> Outcome:
    """Play a recording through the node and score what comes out.

    Args:
        sequence: the recording; the node gets its cameras, and of them what it tells: not their calibrations where it tells no intrinsics.
        config: the node's settings; `worker.policy` is `all`, whatever they say, so that nothing is lost.
        out: folder of everything.
        rule: that cuts chunks, as `Judged` has it.

    Raises:
        ChrommError: if the node or the replay ends with an error, or the results cannot be scored.
    """
    from chromm_ros.demo.run import Demo, play  # loads ROS
    from chromm_ros.evaluate import runtime  # loads torch

    check(sequence, sequence.rig_frame or WORLD)
    place.folder(out)
    parameters = [*_parameters(config), *(f"{camera}.depth_topic:={topic}" for camera, topic in sequence.depths.items())]
    if not sequence.intrinsics:
        parameters += [f"{camera}.info_topic:={NOWHERE}/{camera}" for camera in sequence.cameras]
    demo = Demo(sequence.path, sequence.topics, out, sequence.rig_frame, step=True, parameters=parameters)
    place.clear(out)
    play(demo, _say)
    _say("timing the paper's scene")
    about = {"config": to_mapping(config)}
    return judge(demo.results, sequence, np.zeros(0), NODE_LATENCY, about, runtime.scene_with(config), rule=rule)


def _parameters(config: ChrommConfig) -> Iterator[str]:
    """What differs from the defaults, as the node's parameters."""
    defaults = {item.name: item.default for item in describe(type(config)())}
    for item in describe(config):
        if item.default != defaults[item.name] and item.name != "worker.policy":
            yield f"{item.name}:={_plain(item.default)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'"  # YAML would read `off`, or a number
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, tuple) else str(value)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
