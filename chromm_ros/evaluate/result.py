"""`eval result RESULT --truth BAG`: scores of recorded results, whoever made them: the node, `eval bag`, `ros2 bag record`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from chromm_ros.data.bag import BagReader
from chromm_ros.errors import InputError
from chromm_ros.evaluate import place, surface
from chromm_ros.evaluate.bags import BagSequence, told
from chromm_ros.evaluate.beforehand import check_stamps
from chromm_ros.evaluate.found import Results, cameras_of, last_cloud, read_results
from chromm_ros.evaluate.judged import Judged
from chromm_ros.evaluate.moment import pair
from chromm_ros.evaluate.outcome import Outcome, Score1
from chromm_ros.evaluate.shown import views
from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.made_with import revision

TIED_M, TIED_DEG = 1e-3, 0.05
"""Nearer than that to the truth no camera is estimated, and farther none is whose pose was told, whatever rounds on the way."""
ESTIMATED = (
    "Nothing of the cameras was known: images are as they were recorded, and pictures reproject everybody, the true ones too, by the "
    "estimated cameras."
)
NO_SCENE = Score1(
    "one scene, 4 views, 1 step, 3 people, warm", None, "s", 0, "nothing was computed here: `eval bag` and `eval live` time it"
)
OUT = Path("out/eval_result")
"""Another folder than that of `eval bag` and `eval live`: no report stands beside results that it is not of."""
POINTS = "/truth/points"
NODE_LATENCY = "Latency is the node's: from the arrival of the newest images to the last topic of the result."


def judge(
    path: Path,
    sequence: BagSequence,
    latency_ms: Float[np.ndarray, "N"],
    latency: str,
    about: dict[str, Any],
    scene: Sequence[Score1] = (),
    *,
    rule: str = "wham",
) -> Outcome:
    """Score a recording of results against the truth of the recording that they are of.

    Args:
        path: of the results.
        sequence: with the truth; without any, nothing but the latency is told.
        latency_ms: of each result; empty: what the results' own status says.
        latency: sentence on what the latency is.
        scene: times of the paper's scene (`runtime.one_scene`) on the machine that computed.
        about: fields of the outcome: `config`, and what else is known better than the results tell it.
        rule: that cuts chunks, as `Judged` has it.

    Raises:
        ChrommError: if results or truth cannot be read or compared.
    """
    from chromm_ros.evaluate import runtime

    results = read_results(path)
    spent = latency_ms if len(latency_ms) else results.latency_ms
    known = {
        "title": f"{sequence.name}, {len(results.moments)} results",
        "latency_ms": np.asarray(spent, np.float64),
        "runtime": (*runtime.latency(spent), *scene),
        **{name: said or "not told" for name, said in vars(results.made_with).items()},
        **about,
        "config": {**about["config"], "recording": told(sequence), "chunks": rule},
    }
    if not sequence.truth_frame:
        return Outcome(notes=(f"{sequence.name} has no truth: nothing is scored.", latency), **known)
    check_names(results, sequence)
    check_stamps(
        f"the results {path}",
        {moment.stamp_ns for moment in results.moments},
        f"the truth of {sequence.truth_path}",
        {truth.stamp_ns for truth in sequence.truth()},
    )
    same_world, gauge = one_world(results, sequence)
    moments = pair(results.moments, sequence.truth(), sequence.cameras, same_world=same_world)
    judged = Judged(sequence.name, moments, sequence.cameras, same_world, rule=rule)
    with BagReader(sequence.truth_path) as bag:
        surface_points = last_cloud(bag, POINTS, sequence.truth_frame)
    return Outcome(
        scores=(*judged.scores(), *surface.scores(results.points, surface_points, same_world=same_world)),
        notes=(*judged.notes(), gauge, *([] if sequence.intrinsics else [ESTIMATED]), latency),
        series=judged.series(),
        joint_set=judged.joint_set,
        per_joint_mm=judged.per_joint_mm(),
        tracks=judged.tracks(),
        cameras=tuple(camera.shortened() for camera in judged.camera_tracks()),
        views=views(sequence, judged, results.intrinsics),
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


def one_world(results: Results, sequence: BagSequence) -> tuple[bool, str]:
    """Whether results stand in the truth's world, and the sentence that says by what it was decided.

    Names of frames do not tell it: two worlds may both be `world`. Whoever is told the poses of cameras answers with these very poses, so
    a camera that stands where the truth has it ties the worlds; an estimate never does to the millimetre. It is asked at every moment,
    of the camera that is nearest to its true pose: those of cameras that move are true at the moment's own stamp alone. Half of the moments are
    asked for, as some images may have come before their poses.
    """
    cameras = sequence.cameras
    found = {moment.stamp_ns: moment.world_from_cam for moment in results.moments}
    off = []
    for truth in sequence.truth():
        poses = found.get(truth.stamp_ns, {})
        pairs = [(pose, truth.world_from_cam[cameras.index(name)]) for name, pose in poses.items() if name in cameras]
        off += [min(known)] if (known := [apart(a, b) for a, b in pairs if np.isfinite(b).all()]) else []
    if not off:
        same, names = results.frame == sequence.truth_frame, f"'{results.frame}' and '{sequence.truth_frame}'"
        return (
            same,
            f"No camera has a found and a true pose: whether the worlds are one was decided by the names of their frames, {names}.",
        )
    metres, degrees = np.array(off).T
    tied = (metres < TIED_M) & (degrees < TIED_DEG)
    near = f"within {1e3 * TIED_M:g} mm and {TIED_DEG:g} deg of its true pose at {tied.sum()} of {len(off)} moments"
    if 2 * tied.sum() >= len(off):
        return True, f"The worlds are one: a camera is {near}."
    middle = f"the nearest is {np.median(metres):.3g} m and {np.median(degrees):.3g} deg away in the middle"
    return False, f"The worlds are two, whatever their frames are called: a camera is {near}, {middle}."


def apart(a: Float[np.ndarray, "4 4"], b: Float[np.ndarray, "4 4"]) -> tuple[float, float]:
    """How far two poses are from one another, metres and degrees."""
    turn = geodesic_angle(a[:3, :3].astype(np.float64), b[:3, :3].astype(np.float64))
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(np.degrees(turn))


def add_parser(subparsers: Any) -> None:
    """`eval result`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("result", help="recorded results against a recording's truth")
    parser.add_argument("result", type=Path, help="a rosbag2 of a node's outputs")
    parser.add_argument("--truth", type=Path, required=True, metavar="BAG", help="the recording with the truth")
    parser.add_argument(
        "--cameras", nargs="+", default=[], metavar="NAME", help="that are scored (default: those of the results)"
    )
    add_chunks(parser)
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help=f"of the report (default: {OUT})")
    parser.set_defaults(run=run)


def add_chunks(parser: argparse.ArgumentParser) -> None:
    """`--chunks`, of every verb that scores ways in the world."""
    what = (
        "whose rule cuts the 100 frames of W- and WA-MPJPE: TRAM joins the rest to the last ones, WHAM does not (default: wham)"
    )
    parser.add_argument("--chunks", choices=("wham", "tram"), default="wham", help=what)


def run(arguments: argparse.Namespace) -> int:
    """Score, write and print.

    Raises:
        ChrommError: if a recording cannot be read, or they cannot be compared.
    """
    from chromm_ros.evaluate.bag import finish

    place.folder(arguments.out)
    sequence = BagSequence(arguments.truth, cameras=arguments.cameras or _cameras(arguments.result, arguments.truth))
    if not sequence.truth_frame:
        raise InputError(f"{arguments.truth} has no /truth/bodies: name a recording with truth, as docs/recordings.md says")
    about = {"config": {"results": str(arguments.result), "scored by": revision()}}
    outcome = judge(arguments.result, sequence, np.zeros(0), NODE_LATENCY, about, [NO_SCENE], rule=arguments.chunks)
    finish(outcome, arguments.out)
    return 0


def _cameras(result: Path, truth: Path) -> list[str]:
    """Cameras of the results that the truth's recording has, in its order; a camera that nobody was asked about has no error."""
    said = cameras_of(result)
    with BagReader(truth) as bag:
        return [camera.name for camera in bag.camera_topics() if camera.name in said]
