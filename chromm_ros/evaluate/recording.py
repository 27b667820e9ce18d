"""Recorded bodies against a recording's truth, both as chromm_ros/SmplxBodyArray (`synthetic/recording.py` says what a truth holds)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from chromm_ros.body.skeleton import BODY_JOINTS, JOINTS
from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import stamp_ns
from chromm_ros.errors import InputError
from chromm_ros.evaluate import bodies
from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, association

TRUTH = "/truth/bodies"
LIMIT_M = 1.0
"""Mean distance of joints in the world from which on a body is nobody's."""
NOBODY = -1


@dataclass(frozen=True)
class Score:
    """Bodies against the truth, over all moments that both have."""

    moments: int = 0
    """Stamps that were compared."""
    people: DetectionCounts = field(default_factory=DetectionCounts)
    """Bodies at single moments: matched, nobody's, missed."""
    pairs: PairCounts = field(default_factory=PairCounts)
    """Who is who across cameras, see `sights`."""
    w_mpjpe_mm: Float[np.ndarray, "N"] = field(default_factory=lambda: np.empty(0))
    """Of every matched body: mean distance of its 22 joints in the world, nothing aligned."""
    mpjpe_mm: Float[np.ndarray, "N"] = field(default_factory=lambda: np.empty(0))
    """The same with the pelvises laid on one another."""
    pa_mpjpe_mm: Float[np.ndarray, "N"] = field(default_factory=lambda: np.empty(0))
    """The same after the best similarity of each body."""

    def __add__(self, other: "Score") -> "Score":
        errors = (
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("w_mpjpe_mm", "mpjpe_mm", "pa_mpjpe_mm")
        )
        return Score(self.moments + other.moments, self.people + other.people, self.pairs + other.pairs, *errors)


def read_bodies(recording: Path, topic: str = TRUTH) -> dict[int, Any]:
    """Every chromm_ros/SmplxBodyArray of a topic by its stamp in nanoseconds; none where the recording has no such topic.

    Raises:
        FileError: if it cannot be read.
    """
    with BagReader(recording) as bag:
        messages = map(bag.deserialize, bag.messages([topic])) if topic in bag.topics else ()
        return {stamp_ns(message.header.stamp): message for message in messages}


def score(found: Mapping[int, Any], truth: Mapping[int, Any], limit_m: float = LIMIT_M) -> Score:
    """Compare bodies with the truth at equal stamps.

    Nothing is aligned: both must be in one frame, so the results those of a chain that knew the poses of its cameras in it. Bodies
    that no camera saw at their stamp (`seen_by`) are left out, as they stand where they were seen last. True people whom no camera
    sees well enough need not be found; a body that is theirs counts neither way. Those of whom the truth knows no joint are as if they were
    not there, as it does not say where they are.

    Args:
        found: results by stamp.
        truth: the same of the truth.
        limit_m: mean distance of joints from which on a body is nobody's; infinity matches whoever is there.

    Raises:
        InputError: if no stamp is in both, or they are in different frames.
    """
    common = sorted(found.keys() & truth.keys())
    if not common:
        raise InputError(f"none of {len(found)} results has the stamp of one of {len(truth)} truths, expected equal stamps")
    frames = [{messages[stamp].header.frame_id for stamp in common} for messages in (found, truth)]
    if frames[0] != frames[1] or len(frames[0]) != 1:
        said, true = (" and ".join(f"'{name}'" for name in sorted(names)) for names in frames)
        raise InputError(
            f"the results are in {said} and the truth in {true}, expected one frame: let the node know the cameras' poses"
        )
    return sum((_moment(found[stamp], truth[stamp], limit_m) for stamp in common), Score())


def _moment(found: Any, truth: Any, limit_m: float) -> Score:
    said, b = [body for body in found.bodies if body.seen_by], _joints(truth.bodies)
    known = np.isfinite(b).all(axis=-1).any(axis=-1)
    a, b, true = _joints(said), b[known], [body for body, there in zip(truth.bodies, known, strict=True) if there]
    distance = bodies.distances(*np.broadcast_arrays(a[:, None], b[None])) / bodies.MM
    owner = match(distance, limit_m)
    wanted = np.array([bool(person.seen_by) for person in true], bool)
    mine = np.flatnonzero(owner >= 0)
    mine = mine[wanted[owner[mine]]]
    theirs = owner[mine]
    counts = DetectionCounts(len(mine), int((owner == NOBODY).sum()), int(wanted.sum()) - len(mine))
    view, who, person = sights(said, true, owner, distance, limit_m)
    return Score(
        1, counts, association(np.zeros_like(view), view, who, person),
        bodies.distances(a[mine], b[theirs]), bodies.mpjpe(a[mine], b[theirs]), bodies.pa_mpjpe(a[mine], b[theirs]),
    )  # fmt: skip  # counts, then errors


def match(distance: Float[np.ndarray, "A B"], limit: float) -> Int[np.ndarray, "A"]:
    """Index of the true person that each body is, -1 for nobody: one to one, the least sum of distances, none from the limit on."""
    owner = np.full(len(distance), NOBODY)
    high = min(limit, 1.0 + float(distance.max(initial=0.0)))
    rows, columns = linear_sum_assignment(np.minimum(distance, high))
    good = distance[rows, columns] < high
    owner[rows[good]] = columns[good]
    return owner


def sights(
    said: list[Any], true: list[Any], owner: Int[np.ndarray, "A"], distance: Float[np.ndarray, "A B"], limit: float
) -> tuple[Int[np.ndarray, "D"], Int[np.ndarray, "D"], Int[np.ndarray, "D"]]:
    """What results tell of single detections: camera, track and true person of every camera in every body's `seen_by`.

    Results do not say where in an image somebody was seen. So a sight's true person is its body's: the matched one, and of a body
    without a match (the second of somebody who was taken for two) the nearest within the limit. Where the truth does not say that this
    camera sees this person, it is nobody's sight, which is strict on people who are half hidden. Two people's sights that were swapped
    in one camera cannot be told from right ones other than by what they do to the bodies.
    """
    camera: dict[str, int] = {}
    rows = []
    for k, body in enumerate(said):
        person = int(owner[k])
        if person == NOBODY and len(true) and distance[k].min() < limit:
            person = int(distance[k].argmin())
        seen = set(true[person].seen_by) if person != NOBODY else set()
        rows += [(camera.setdefault(name, len(camera)), k, person if name in seen else NOBODY) for name in body.seen_by]
    view, who, whose = np.array(rows, np.int64).reshape(-1, 3).T
    return view, who, whose


def _joints(people: list[Any]) -> Float[np.ndarray, "P J 3"]:
    return np.array([person.joints for person in people], np.float64).reshape(len(people), JOINTS, 3)[:, :BODY_JOINTS]
