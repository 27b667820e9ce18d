"""Segments and single moments as outcomes: scores, errors over time, ways, and sentences on how they came about.

A score is the mean over all people and frames of all sequences that have a value, so longer sequences count more, as in the field's code.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.evaluate import bodies, scenes
from chromm_ros.evaluate.identity import DetectionCounts
from chromm_ros.evaluate.judged import ATE, NO_TRUTH, PART, UNKNOWN, people
from chromm_ros.evaluate.outcome import CameraTrack, Score1, Series, Track, summary
from chromm_ros.evaluate.protocols.joints import Joints
from chromm_ros.evaluate.protocols.pictured import MOST
from chromm_ros.evaluate.protocols.segments import Cut, Segment
from chromm_ros.evaluate.protocols.steps import Step
from chromm_ros.geometry.sim3 import Similarity

NOBODY = "nobody was found"
NO_POSE = "no camera has a found and a true pose, and nobody could be matched"
REASONS = {
    "WA-MPJPE": PART,
    "W-MPJPE": PART,
    "RTE": "nobody was found who goes anywhere",
    "W-MPJPE-dagger by centres": "two cameras, or cameras on one line, leave a turn free",
    "GA-MPJPE": "one person alone: it would be PA-MPJPE",
}
THIN = 10
"""Every how many-th pose of a camera in a segment is kept for the view from above."""


def of_segments(parts: Sequence[Segment], cut: Cut) -> dict[str, Any]:
    """`scores`, `notes` and what else of an `Outcome` segments tell.

    Args:
        parts: of all sequences, at least one; in order within each.
        cut: how they were cut.
    """
    return {
        "scores": (*_errors(parts), *_camera_ways(parts), *people(_counts(parts), _nobody(parts))),
        "notes": (*_segment_notes(parts, cut), *_joint_notes(parts)),
        "series": tuple(_series(parts)),
        "views": tuple(view for part in parts for view in part.views)[:MOST],
        "joint_set": parts[0].joint_set,
        "per_joint_mm": {"MPJPE": _per_joint(parts)},
        "tracks": tuple(_tracks(parts)),
        "cameras": tuple(_cameras(parts)),
    }


def of_steps(parts: Sequence[Step]) -> dict[str, Any]:
    """The same of single moments.

    Args:
        parts: of all sequences, at least one.
    """
    angles = [part.camera_errors() for part in parts]
    cameras = [
        summary(name, np.concatenate([each[name, unit] for each in angles]), unit, scenes.FEW[3 if name.startswith("s-") else 2])
        for name, unit in angles[0]
    ]
    return {
        "scores": (*_errors(parts), *cameras, *people(_counts(parts), _nobody(parts))),
        "notes": (*_step_notes(parts), *_joint_notes(parts)),
        "series": tuple(_series(parts)),
        "views": tuple(view for part in parts for view in part.views)[:MOST],
        "joint_set": parts[0].joint_set,
        "per_joint_mm": {"MPJPE": _per_joint(parts)},
        "tracks": tuple(_tracks(parts)),
        "cameras": tuple(_cameras(parts)),
    }


def _errors(parts: Sequence[Segment] | Sequence[Step]) -> Iterator[Score1]:
    """By joint set, that of the tables first and without its name; all have one root, so RTE stands there once."""
    for place, joints in enumerate(parts[0].sets):
        each = [part.errors(part.sets[place]) for part in parts]
        for name, unit in each[0]:
            if place and name == "RTE":
                continue
            values = np.concatenate([errors[name, unit].reshape(-1) for errors in each])
            yield summary(f"{name}, {joints.name}" if place else name, values, unit, _why(parts, name))


def _why(parts: Sequence[Segment] | Sequence[Step], metric: str) -> str:
    """Why there may be no number of it."""
    total = _counts(parts)
    if not total.there:
        return _nobody(parts)
    if not total.tp:
        told = any(np.isfinite(part.to_truth.translation).all() for part in parts)
        return NOBODY if told else NO_POSE
    return REASONS.get(metric, "the truth knows too few joints of those who were found")


def _counts(parts: Sequence[Segment] | Sequence[Step]) -> DetectionCounts:
    return sum((part.counts for part in parts), DetectionCounts())


def _nobody(parts: Sequence[Segment] | Sequence[Step]) -> str:
    """Why nobody had to be found."""
    return UNKNOWN if any(part.unknown for part in parts) else NO_TRUTH


def _camera_ways(parts: Sequence[Segment]) -> Iterator[Score1]:
    """ATE of cameras that move, each laid on its true way by a similarity, and by a rigid motion, segment by segment."""
    ways = [
        (found, true)
        for part in parts
        for found, true in zip(
            *(np.moveaxis(poses[..., :3, 3], 1, 0) for poses in (part.found_cameras, part.true_cameras)), strict=True
        )
        if scenes.moves(true)
    ]
    for name, scale in ATE:
        values = [scenes.trajectory_error(found, true, with_scale=scale) for found, true in ways]
        yield summary(name, np.concatenate([np.zeros(0), *values]), "m", "no camera moves")


def _series(parts: Sequence[Segment] | Sequence[Step]) -> Iterator[Series]:
    """Of the first joint set, by person of a sequence."""
    gathered: dict[tuple[str, str, str, int], list[tuple[Int64[np.ndarray, "N"], Float64[np.ndarray, "N"]]]] = defaultdict(list)
    for part in parts:
        stamps = _stamps(part)
        for (metric, unit), errors in part.errors(part.sets[0]).items():
            for person, values in zip(part.ids, errors.reshape(len(stamps), -1).T, strict=True):
                gathered[metric, unit, part.sequence, int(person)].append((stamps, values))
    for (metric, unit, sequence, person), pieces in gathered.items():
        stamps, values = (np.concatenate(each) for each in zip(*pieces, strict=True))
        yield Series(metric, unit, sequence, person, stamps, values)


def _per_joint(parts: Sequence[Segment] | Sequence[Step]) -> Float64[np.ndarray, "J"]:
    """Of each joint of the first set, bodies turned by the cameras and laid on one another by their hips, mm."""
    joints = parts[0].sets[0]
    off = np.concatenate([_off(part.said, part.true, part.to_truth, joints) for part in parts])
    return bodies.by_joint(off, joints.hips, joints.truth)


def _off(said: np.ndarray, true: np.ndarray, to_truth: Similarity, joints: Joints) -> Float64[np.ndarray, "N J 3"]:
    off = said[..., joints.found, :] @ to_truth.rotation.T - true[..., joints.truth, :]
    return np.asarray(off.reshape(-1, *off.shape[-2:]))


def _stamps(part: Segment | Step) -> Int64[np.ndarray, "T"]:
    return part.stamps_ns if isinstance(part, Segment) else np.array([part.stamp_ns], np.int64)


def _over_time(values: Float64[np.ndarray, "*B K J n"], part: Segment | Step) -> Float64[np.ndarray, "T K J n"]:
    """A step is one moment."""
    return np.asarray(values.reshape(len(_stamps(part)), *values.shape[-3:]))


def _tracks(parts: Sequence[Segment] | Sequence[Step]) -> Iterator[Track]:
    """Ways of roots, each segment or step laid on the truth by its cameras, scale free."""
    gathered: dict[tuple[str, int], list[tuple[np.ndarray, ...]]] = defaultdict(list)
    for part in parts:
        joints = part.sets[0]
        said, true = _over_time(part.said, part), _over_time(part.true, part)
        found = part.to_truth.apply(said[:, :, joints.found][:, :, joints.root].mean(axis=2))
        roots = true[:, :, joints.truth][:, :, joints.root].mean(axis=2)
        for column, person in enumerate(part.ids):
            gathered[part.sequence, int(person)].append((_stamps(part), found[:, column], roots[:, column]))
    for (sequence, person), pieces in gathered.items():
        yield Track(sequence, person, *(np.concatenate(each) for each in zip(*pieces, strict=True)))


def _cameras(parts: Sequence[Segment] | Sequence[Step]) -> Iterator[CameraTrack]:
    gathered: dict[tuple[str, int], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for part in parts:
        poses, truth = _over_time(part.found_cameras, part)[::THIN], _over_time(part.true_cameras, part)[::THIN]
        for view in range(truth.shape[1]):
            gathered[part.sequence, view].append((part.to_truth.apply_to_poses(poses[:, view]), truth[:, view]))
    names = {part.sequence: part.cameras for part in parts}
    for (sequence, view), pieces in gathered.items():
        yield CameraTrack(sequence, names[sequence][view], *(np.concatenate(each) for each in zip(*pieces, strict=True)))


def _segment_notes(parts: Sequence[Segment], cut: Cut) -> Iterator[str]:
    long = {
        "wham": f"up to {cut.segment} frames each",
        "tram": f"{cut.segment} frames each, the last of a sequence with what is left but for the final frame (TRAM's rule)",
    }
    yield (
        f"{_count(parts, 'segment')}, {long[cut.rule]}, each in a world of its own: RTE is of a segment's way, where others have the whole "
        "sequence's."
    )
    if cut.chunk < cut.segment:
        yield f"Segments are joined of chunks of {cut.chunk} frames, each a closed set, by a similarity on the poses of their cameras."
    yield (
        "People are matched in the image, nearest first, boxes overlapping by 0.05 (Human3R)."
        if all(part.true_cameras.shape[1] == 1 for part in parts)
        else "People are matched in the world after a similarity on camera poses, least sum of distances, no limit."
    )
    yield "Who was not found has no error: see recall. Frames in which nobody was found are left out before anything is fitted."


def _step_notes(parts: Sequence[Step]) -> Iterator[str]:
    yield f"{_count(parts, 'single moment')}, each a closed set."
    yield (
        "Gauges of W-MPJPE-dagger: by the cameras' centres (HSfM's; the table's), and by their rotations first; both rigid, no scale. "
        "GA and PA free the scale."
    )
    yield "People are matched in the world after a similarity on camera poses, least sum of distances, no limit; see recall for the missed."


def _joint_notes(parts: Sequence[Segment] | Sequence[Step]) -> Iterator[str]:
    yield from (joints.note for joints in parts[0].sets)


def _count(parts: Sequence[Segment] | Sequence[Step], what: str) -> str:
    sequences = len({part.sequence for part in parts})
    return f"{len(parts)} {what}{'s' if len(parts) > 1 else ''} of {sequences} sequence{'s' if sequences > 1 else ''}"
