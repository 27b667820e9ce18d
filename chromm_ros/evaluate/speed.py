"""`eval speed`: what all metrics of a sequence cost, by default of 10,000 frames of 10 people."""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64

from chromm_ros.evaluate import bodies, identity, motion, scenes
from chromm_ros.geometry import se3

VIEWS = 4
"""Cameras, all of which see everybody."""
FEET = (7, 8, 10, 11)
"""Ankles and feet of SMPL."""


def metrics_of(
    found: Float64[np.ndarray, "T P J 3"],
    truth: Float64[np.ndarray, "T P J 3"],
    cameras: Float64[np.ndarray, "T V 4 4"],
    true_cameras: Float64[np.ndarray, "T V 4 4"],
) -> dict[str, Callable[[], object]]:
    """Every metric by name, but PVE, which is MPJPE of thousands of vertices and whose bodies nobody holds for a whole recording."""
    frames, people = found.shape[:2]
    time, person = np.divmod(np.arange(frames * people), people)
    said = np.where(time % 97 == 0, people, 0) + person  # now and then somebody has another's id
    seen = [np.tile(values, VIEWS) for values in (time, said, person)]
    view = np.repeat(np.arange(VIEWS), len(time))
    return {
        "WA-MPJPE": lambda: motion.wa_mpjpe(found, truth),
        "W-MPJPE": lambda: motion.w_mpjpe(found, truth),
        "RTE": lambda: motion.rte(found[:, :, 0], truth[:, :, 0]),
        "MPJPE": lambda: bodies.mpjpe(found, truth),
        "PA-MPJPE": lambda: bodies.pa_mpjpe(found, truth),
        "acceleration": lambda: bodies.acceleration_error(found, truth),
        "jitter": lambda: motion.jitter(found),
        "foot sliding": lambda: motion.foot_sliding(found[:, :, FEET], truth[:, :, FEET]),
        "GA-MPJPE": lambda: scenes.ga_mpjpe(found, truth),
        "W-MPJPE-dagger": lambda: [scenes.w_mpjpe_dagger(cameras, true_cameras, found, truth, by) for by in scenes.GAUGES],
        "TE, s-TE, AE": lambda: (
            scenes.translation_error(cameras, true_cameras),
            scenes.translation_error(cameras, true_cameras, with_scale=True),
            scenes.angle_error(cameras, true_cameras),
        ),
        "CCA, s-CCA": lambda: [
            scenes.camera_centre_accuracy(cameras, true_cameras, 10.0, with_scale=scale) for scale in (False, True)
        ],
        "camera ATE": lambda: scenes.trajectory_error(cameras[:, 0, :3, 3], true_cameras[:, 0, :3, 3]),
        "association": lambda: identity.association(seen[0], view, seen[1], seen[2]),
        "IDF1": lambda: identity.idf1(time, said, time, person, person),
        "switches": lambda: identity.switches(time, said, person),
    }


def measure(frames: int, people: int, repeats: int = 3) -> dict[str, float]:
    """Seconds of the CPU for each metric, the least of some calls."""
    rng = np.random.default_rng(0)
    way = np.cumsum(rng.normal(0.0, 0.02, (frames, people, 1, 3)), axis=0)
    truth = way + rng.normal(0.0, 0.3, (people, 24, 3))
    found = truth + rng.normal(0.0, 0.05, truth.shape)
    rig = se3.compose(np.broadcast_to(np.eye(3), (VIEWS, 3, 3)), rng.normal(0.0, 3.0, (VIEWS, 3)))
    true_cameras = np.broadcast_to(rig, (frames, VIEWS, 4, 4))
    cameras = true_cameras.copy()
    cameras[..., :3, 3] += rng.normal(0.0, 0.1, (frames, VIEWS, 3))
    calls = metrics_of(found, truth, cameras, true_cameras)
    return {name: min(_once(call) for _ in range(repeats)) for name, call in calls.items()}


def _once(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def add_parser(subparsers: Any) -> None:
    """`eval speed`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("speed", help="what the metrics themselves cost")
    parser.add_argument("--frames", type=int, default=10_000, help="of the sequence (default: 10000)")
    parser.add_argument("--people", type=int, default=10, help="in it (default: 10)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    spent = measure(arguments.frames, arguments.people)
    sys.stdout.write(
        f"Seconds of the CPU for {arguments.frames} frames of {arguments.people} people, 24 joints, {VIEWS} cameras\n\n"
    )
    rows = [*spent.items(), ("all", sum(spent.values()))]
    sys.stdout.write("| metric | s |\n|---|---:|\n" + "".join(f"| {name} | {value:.3f} |\n" for name, value in rows))
    return 0
