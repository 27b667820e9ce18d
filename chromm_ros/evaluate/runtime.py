"""How long it takes, for every report: the paper's protocol and the stream's latency, with what computed.

The paper (section 1.4 of its supplement, after HSfM and HAMSt3R) times one scene: 3 people, 4 views, 1 time step, on one V100, where
CHROMM takes 4 s, HAMSt3R 32 s and HSfM 118 s. Ours is a take of the synthetic world; the network is warm, every frame is new to it.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from chromm_ros.config import ChrommConfig
from chromm_ros.evaluate.outcome import Outcome, Score1, summary
from chromm_ros.evaluate.takes import window_of
from chromm_ros.evaluate.told import Told
from chromm_ros.made_with import MadeWith
from chromm_ros.pipeline import Pipeline
from chromm_ros.settings import to_mapping
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.world.take import TakeOptions

VIEWS, PEOPLE = 4, 3
"""Of the paper's scene, at one time step."""
PERCENTILES = (50, 95, 99)
SCENE = TakeOptions(views=VIEWS, people_min=PEOPLE, people_max=PEOPLE, width=640, height=480, photo=False, rig="room")
SEED = 7
PAPER = (
    "Quoted, not measured here: on one V100 CHROMM takes 4 s, HAMSt3R 32 s, HSfM 118 s for such a scene (CHROMM's supplement)."
)


def about(pipeline: Pipeline) -> dict[str, Any]:
    """`config`, `weights`, `device`, `precision` and `revision` of an `Outcome`."""
    return {"config": to_mapping(pipeline.config), **vars(made(pipeline))}


def made(pipeline: Pipeline) -> MadeWith:
    """What a pipeline computes with."""
    predictor = pipeline.predictor
    return MadeWith.of(predictor.weights, predictor.device, pipeline.config.model.precision)


def scene() -> Clip:
    """The paper's scene: one moment."""
    return clip(SEED, SCENE, 1, 0.1)


def one_scene(pipeline: Pipeline, repeats: int = 5, moments: Clip | None = None) -> tuple[Score1, ...]:
    """The paper's protocol: images in memory to fused people in the world; nothing is known of the cameras.

    Args:
        pipeline: loaded; it is warmed with one call that is not counted, and what it knew of a world is forgotten.
        repeats: measured calls.
        moments: another scene than `scene()`.

    Returns:
        Medians: the whole and its parts, and how many people were found in it (untrained weights find nobody, which is quicker).
    """
    moments = scene() if moments is None else moments
    spent, parts, found = [], [], []
    for index in range(repeats + 1):
        window = window_of(moments, Told(intrinsics=False, poses=False), -1 - index)  # an epoch and frames of their own
        begin = time.perf_counter()
        result = pipeline(window)
        spent.append(time.perf_counter() - begin)
        parts.append(result.timings_ms)
        found.append(len(result.people))
    what = f"one scene, {len(moments[0].images)} views, {len(moments)} step, {len(moments[0].ids)} people, warm"
    each = [Score1(f"of it {name}", statistics.median(part[name] for part in parts[1:]), "ms", repeats) for name in parts[0]]
    whole = Score1(what, statistics.median(spent[1:]), "s", repeats)
    return (whole, *each, Score1("people found in it", float(found[-1]), "", 1))


def timed(pipeline: Pipeline) -> tuple[Score1, ...]:
    """`one_scene`, measured once, for reports of what a pipeline has done; what it knew of a world is forgotten."""
    with torch.inference_mode():
        return one_scene(pipeline, repeats=1)


def scene_with(config: ChrommConfig) -> tuple[Score1, ...]:
    """`timed` of a chain that is loaded for it, for reports of a node, whose own chain lives in another process."""
    return timed(Pipeline(config))


def latency(latency_ms: Float[np.ndarray, "N"]) -> tuple[Score1, ...]:
    """Percentiles of the stream's latency, and the longest."""
    values = latency_ms[np.isfinite(latency_ms)]
    if not len(values):
        return (summary("latency", values, "ms", "no result has a time"),)
    told = [Score1(f"latency, {p} %", float(np.percentile(values, p)), "ms", len(values)) for p in PERCENTILES]
    return (*told, Score1("latency, longest", float(values.max()), "ms", len(values)))


def add_parser(subparsers: Any) -> None:
    """`eval runtime`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "runtime", help="the paper's timing: one scene, 4 views, 1 step, 3 people"
    )
    parser.add_argument("--weights", default="nano", help="of the whole network, a file or a name (default: nano)")
    parser.add_argument("--device", default="auto", help="as `model.device` (default: auto)")
    parser.add_argument("--repeats", type=int, default=5, help="measured calls after one that warms (default: 5)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the report there, too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        ChrommError: for weights or a device that cannot be used.
    """
    from chromm_ros.evaluate.report import made_with, table

    config = ChrommConfig.from_mapping({"model": {"checkpoint": arguments.weights, "device": arguments.device}})
    pipeline = Pipeline(config)
    outcome = Outcome(title="Runtime", runtime=one_scene(pipeline, max(arguments.repeats, 1)), notes=(PAPER,), **about(pipeline))
    sys.stdout.write(f"{made_with(outcome)}.\n\n{table(outcome.runtime)}\n\n{PAPER}\n")
    if arguments.out:
        outcome.write(arguments.out)
    return 0
