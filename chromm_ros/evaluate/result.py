"""`eval result RESULT --truth BAG`: scores of recorded results, whoever made them: the node, `eval bag`, `ros2 bag record`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from chromm_ros.errors import InputError
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.found import Results, read_results
from chromm_ros.evaluate.judged import Judged, pair
from chromm_ros.evaluate.outcome import Outcome
from chromm_ros.evaluate.shown import views

NODE_LATENCY = "Latency is the node's: from the arrival of the newest images to the last topic of the result."


def judge(path: Path, sequence: BagSequence, latency_ms: Float[np.ndarray, "N"], latency: str, about: dict[str, Any]) -> Outcome:
    """Score a recording of results against the truth of the recording that they are of.

    Args:
        path: of the results.
        sequence: with the truth; without any, nothing but the latency is told.
        latency_ms: of each result; empty: what the results' own status says.
        latency: sentence on what the latency is.
        about: `config`, `weights`, `device`, `precision` and `revision` of the outcome.

    Raises:
        ChrommError: if results or truth cannot be read or compared.
    """
    from chromm_ros.evaluate import runtime

    results = read_results(path)
    spent = latency_ms if len(latency_ms) else results.latency_ms
    known = {
        "title": f"{sequence.name}, {len(results.moments)} results",
        "latency_ms": np.asarray(spent, np.float64),
        "runtime": runtime.latency(spent),
        **about,
    }
    if not sequence.truth_frame:
        return Outcome(notes=(f"{sequence.name} has no truth: nothing is scored.", latency), **known)
    same_world = results.frame == sequence.truth_frame
    check_names(results, sequence)
    moments = list(pair(results.moments, sequence.truth(), sequence.cameras, same_world=same_world))
    judged = Judged(sequence.name, moments, sequence.cameras, same_world)
    return Outcome(
        scores=judged.scores(),
        notes=(*judged.notes(), latency),
        series=judged.series(),
        joint_set=judged.joint_set,
        per_joint_mm=judged.per_joint_mm(),
        tracks=judged.tracks(),
        cameras=judged.camera_tracks(),
        views=views(sequence, judged),
        **known,
    )


def check_names(results: Results, sequence: BagSequence) -> None:
    """Cameras are told apart by name.

    Raises:
        InputError: if results and recording have none in common.
    """
    said = {
        name for moment in results.moments for name in (*moment.world_from_cam, *(n for names in moment.seen_by for n in names))
    }
    if said and not said & set(sequence.cameras):
        raise InputError(
            f"the results are of the cameras {', '.join(sorted(said))} and {sequence.path} has {', '.join(sequence.cameras)}, "
            "expected the same names: is it the recording that was played?"
        )


def recorded_about(path: Path) -> dict[str, Any]:
    """What recorded results say of how they were made; their settings are not among it."""
    from chromm_ros.evaluate import runtime

    results = read_results(path)
    return {
        "config": {"results": str(path)},
        "weights": results.weights or "not told",
        "device": results.device or "not told",
        "precision": "not told",
        "revision": f"{runtime.revision()}, which scored",
    }


def add_parser(subparsers: Any) -> None:
    """`eval result`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("result", help="recorded results against a recording's truth")
    parser.add_argument("result", type=Path, help="a rosbag2 of a node's outputs")
    parser.add_argument("--truth", type=Path, required=True, metavar="BAG", help="the recording with the truth")
    parser.add_argument("--out", type=Path, default=Path("out/eval"), metavar="FOLDER", help="of the report (default: out/eval)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, write and print.

    Raises:
        ChrommError: if a recording cannot be read, or they cannot be compared.
    """
    from chromm_ros.evaluate.bag import finish

    sequence = BagSequence(arguments.truth)
    if not sequence.truth_frame:
        raise InputError(f"{arguments.truth} has no /truth/bodies: name a recording with truth, as docs/recordings.md says")
    about = recorded_about(arguments.result)
    finish(judge(arguments.result, sequence, np.zeros(0), NODE_LATENCY, about), arguments.out)
    return 0
