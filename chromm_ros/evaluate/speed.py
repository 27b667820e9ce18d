"""`eval speed`: what all metrics of a sequence cost, by default of 10,000 frames of 10 people."""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64

from chromm_ros.evaluate import bodies, motion


def metrics_of(
    found: Float64[np.ndarray, "T P J 3"], truth: Float64[np.ndarray, "T P J 3"]
) -> dict[str, Callable[[], Float64[np.ndarray, "..."]]]:
    """Every metric of sequences of joints, by name; foot sliding takes the four joints of ankles and feet."""
    feet = (7, 8, 10, 11)
    return {
        "WA-MPJPE": lambda: motion.wa_mpjpe(found, truth),
        "W-MPJPE": lambda: motion.w_mpjpe(found, truth),
        "RTE": lambda: motion.rte(found[:, :, 0], truth[:, :, 0]),
        "MPJPE": lambda: bodies.mpjpe(found, truth),
        "PA-MPJPE": lambda: bodies.pa_mpjpe(found, truth),
        "acceleration": lambda: bodies.acceleration_error(found, truth),
        "jitter": lambda: motion.jitter(found),
        "foot sliding": lambda: motion.foot_sliding(found[:, :, feet], truth[:, :, feet]),
    }


def measure(frames: int, people: int, repeats: int = 3) -> dict[str, float]:
    """Seconds of each metric, the least of some calls."""
    rng = np.random.default_rng(0)
    way = np.cumsum(rng.normal(0.0, 0.02, (frames, people, 1, 3)), axis=0)
    truth = way + rng.normal(0.0, 0.3, (people, 24, 3))
    found = truth + rng.normal(0.0, 0.05, truth.shape)
    return {name: min(_once(call) for _ in range(repeats)) for name, call in metrics_of(found, truth).items()}


def _once(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def add_parser(subparsers: Any) -> None:
    """`eval speed`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("speed", help="what the metrics themselves cost")
    parser.add_argument("--frames", type=int, default=10_000, help="of the sequence (default: 10000)")
    parser.add_argument("--people", type=int, default=10, help="in it (default: 10)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    spent = measure(arguments.frames, arguments.people)
    names, values = " | ".join(spent), " | ".join(f"{value:.3f}" for value in spent.values())
    sys.stdout.write(f"Seconds for {arguments.frames} frames of {arguments.people} people, 24 joints\n\n")
    sys.stdout.write(f"| {names} | all |\n{'|---' * (len(spent) + 1)}|\n| {values} | {sum(spent.values()):.3f} |\n")
    return 0
