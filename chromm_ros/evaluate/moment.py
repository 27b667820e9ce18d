"""One stamp that results and truth both have, with everybody matched and laid in the truth's world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chromm_ros.data.truth import Truth
from chromm_ros.evaluate import bodies, scenes
from chromm_ros.evaluate.found import Found
from chromm_ros.evaluate.recording import LIMIT_M, match
from chromm_ros.geometry.sim3 import Similarity

BODY = tuple(range(22))


class Shared(NamedTuple):
    """Joints that ours and a truth's set have in common."""

    joints: tuple[int, ...]
    """Ours."""
    places: tuple[int, ...]
    """The same ones in the truth's order."""
    hips: tuple[int, int]
    """Which two of them are the hips."""


COMMON = {
    "smplx": Shared(BODY, BODY, (1, 2)),
    "smpl": Shared(BODY, BODY, (1, 2)),
    "coco": Shared((16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8), tuple(range(5, 17)), (6, 7)),
}
"""By the truth's joint set."""


@dataclass(frozen=True, eq=False)
class Moment:
    """One stamp that both have."""

    found: Found
    truth: Truth
    said: Float64[np.ndarray, "A J 3"]
    """Joints of the results as they are, those that both sets have."""
    placed: Float64[np.ndarray, "A J 3"]
    """The same in the truth's world."""
    true: Float64[np.ndarray, "B J 3"]
    """Joints of the true people."""
    owner: Int64[np.ndarray, "A"]
    """Index of the true person that each result is, -1 for nobody."""
    wanted: Bool[np.ndarray, "B"]
    """Who had to be found: who counts, a camera in use sees, and the truth knows a joint of. Somebody else's result counts neither way."""
    distance: Float64[np.ndarray, "A B"]
    """Mean distance of joints in the truth's world, metres."""
    cameras: Float64[np.ndarray, "V 4 4"]
    """As found, NaN where not."""
    to_truth: Similarity
    unknown: int
    """People who would have had to be found if the truth knew a joint of them."""


def pair(
    found: Sequence[Found], truths: Iterable[Truth], cameras: Sequence[str], *, same_world: bool, limit_m: float = LIMIT_M
) -> Iterator[Moment]:
    """Moments that both have, at equal stamps, with everybody matched.

    Args:
        found: results.
        truths: of the recording.
        cameras: names of those in use, in the order of the truth's poses; whom others alone see need not be found.
        same_world: whether results stand in the truth's world.
        limit_m: mean distance of joints from which on a result is nobody.
    """
    by_stamp = {entry.stamp_ns: entry for entry in found}
    for truth in truths:
        if truth.stamp_ns in by_stamp:
            yield _moment(by_stamp[truth.stamp_ns], truth, cameras, same_world=same_world, limit_m=limit_m)


def _moment(found: Found, truth: Truth, cameras: Sequence[str], *, same_world: bool, limit_m: float) -> Moment:
    ours, theirs, _ = COMMON[truth.joint_set]
    poses = np.stack([found.world_from_cam.get(name, np.full((4, 4), np.nan)) for name in cameras])
    to_truth = Similarity.identity() if same_world else scenes.gauge(poses, truth.world_from_cam, "rotations")
    said, true = found.joints[:, ours].astype(np.float64), truth.joints[:, theirs]
    placed = to_truth.apply(said)
    distance = bodies.distances(*np.broadcast_arrays(placed[:, None], true[None])) / bodies.MM
    distance = np.where(np.isfinite(distance), distance, np.inf)
    counts, known = truth.counted & seen_in(truth, cameras), has_joints(truth)
    owner = match(np.minimum(distance, 1e6), limit_m).astype(np.int64)
    unknown = int((counts & ~known).sum())
    return Moment(found, truth, said, placed, true, owner, counts & known, distance, poses, to_truth, unknown)


def seen_in(truth: Truth, cameras: Iterable[str]) -> Bool[np.ndarray, "B"]:
    """Whom at least one of these cameras sees; everybody where the truth does not tell."""
    if truth.seen_by is None:
        return np.ones(len(truth.ids), bool)
    return np.array([not set(names).isdisjoint(cameras) for names in truth.seen_by], bool)


def has_joints(truth: Truth) -> Bool[np.ndarray, "B"]:
    """Of whom the truth knows a joint that is compared: of the others it does not say where they are."""
    return np.asarray(np.isfinite(truth.joints[:, COMMON[truth.joint_set].places]).all(axis=-1).any(axis=-1))
