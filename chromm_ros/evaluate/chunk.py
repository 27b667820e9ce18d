"""What is kept of a chunk of moments once it is scored: numbers, so that a recording ten times as long holds no more joints than a short one.

A chunk has n moments, P true people and V cameras. It keeps 216 bytes for each person and moment and 280 for each camera and moment; joints
go with the chunk. The three moments before it come along, as accelerations and jerks reach over the border. What is laid on the truth chunk
by chunk (W- and WA-MPJPE) has chunks of its own, of the moments that count: `Aligned`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.errors import InputError
from chromm_ros.evaluate import bodies, motion, scenes
from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, association
from chromm_ros.evaluate.moment import COMMON, Moment
from chromm_ros.evaluate.recording import LIMIT_M, NOBODY, sights

BEFORE = 3
"""Moments before it that a jerk reaches back to; an acceleration reaches one less."""
Rows = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Numbers of n moments."""

    stamps_ns: Int64[np.ndarray, "n"]
    ids: tuple[int, ...]
    """The P people, who had to be found here, or just before."""
    joint_set: str
    """Of the truth; empty where nobody is there, which tells none."""
    errors: Rows
    """Of shape (n, P) by metric, mm; `acceleration` and `jitter` (n - 2 and n - 3 of the first chunk) for one moment a second."""
    roots: Rows
    """Middle of the hips, (n, P, 3), by `said`, `placed` and `true`; `said_root` and `true_root` are the joint that RTE follows."""
    joint_mm: Float64[np.ndarray, "K"]
    """MPJPE of each joint alone, in the order of the truth's set."""
    joint_count: Float64[np.ndarray, "K"]
    """Of bodies in it."""
    centres: Float64[np.ndarray, "n V 3"]
    """Of cameras as found, in the results' own world; NaN where not."""
    cameras: Float64[np.ndarray, "n V 4 4"]
    """As found, in the truth's world; NaN where not."""
    true_cameras: Float64[np.ndarray, "n V 4 4"]
    people: DetectionCounts
    pairs: PairCounts
    unknown: int
    """People at single moments who would have had to be found if the truth knew a joint of them."""
    found: Int64[np.ndarray, "D 3"]
    """Number of the moment, track and true person (-1: nobody) of everybody who was found, but those who need not be found."""
    there: Int64[np.ndarray, "G 2"]
    """Number of the moment and person of everybody who had to be found."""


def chunks_of(moments: Iterable[Moment]) -> Iterator[tuple[list[Moment], list[Moment]]]:
    """A hundred moments at a time, each with the few before it."""
    rest, before = iter(moments), list[Moment]()
    while now := list(islice(rest, motion.CHUNK)):
        yield before, now
        before = now[-BEFORE:]


def scored(before: list[Moment], now: list[Moment], begin: int, name: str) -> Chunk:
    """One chunk.

    Args:
        before: the moments before it, of which the last `BEFORE` matter.
        now: its moments.
        begin: number of its first moment in the recording.
        name: of the recording, for messages.

    Raises:
        InputError: if the truth changes its set of joints.
    """
    moments, skip = [*before, *now], len(before)
    joint_set = one_joint_set((moment.truth.joint_set for moment in moments if len(moment.truth.ids)), name)
    ours = COMMON[joint_set or now[0].truth.joint_set]
    ids = tuple(sorted({int(k) for moment in moments for k in moment.truth.ids[moment.wanted]}))
    arrays, hips = _arrays(moments, ids, len(ours.joints)), ours.hips
    said, placed, true = (arrays[key][skip:] for key in ("said", "placed", "true"))
    off = placed - true
    known = np.isfinite(off - bodies.pelvis(off, hips)).all(axis=-1)
    count = np.zeros(max(ours.places) + 1)
    count[list(ours.places)] = known.sum(axis=(0, 1))
    roots = {key: points[..., hips, :].mean(axis=-2) for key, points in (("said", said), ("placed", placed), ("true", true))}
    accelerated = arrays["placed"][max(skip - BEFORE + 1, 0) :], arrays["true"][max(skip - BEFORE + 1, 0) :]
    whole = joint_set == "coco"
    roots |= {
        f"{key}_root": roots[key] if whole else points[..., 0, :].copy() for key, points in (("said", said), ("true", true))
    }
    return Chunk(
        np.array([moment.truth.stamp_ns for moment in now], np.int64),
        ids,
        joint_set,
        {
            "placed": bodies.distances(placed, true),
            "MPJPE": bodies.mpjpe(placed, true, hips),
            "PA-MPJPE": bodies.pa_mpjpe(placed, true),
            "GA-MPJPE": _together(said, true),
            "acceleration": bodies.acceleration_error(*accelerated, 1.0, hips),
            "jitter": motion.jitter(arrays["said"], 1.0),
            "true jitter": motion.jitter(arrays["true"], 1.0),
        },
        roots,
        bodies.by_joint(off, hips, ours.places),
        count,
        np.stack([moment.cameras[:, :3, 3] for moment in now]),
        np.stack([moment.to_truth.apply_to_poses(moment.cameras) for moment in now]),
        np.stack([moment.truth.world_from_cam for moment in now]),
        sum(map(_detections, now), DetectionCounts()),
        sum(map(_pairs, now), PairCounts()),
        sum(moment.unknown for moment in now),
        np.concatenate([_presences(t, moment) for t, moment in enumerate(now, begin)]),
        np.array([(t, k) for t, moment in enumerate(now, begin) for k in moment.truth.ids[moment.wanted]], np.int64).reshape(
            -1, 2
        ),
    )


class Aligned:
    """W- and WA-MPJPE of moments as they come: `motion.w_mpjpe` and `wa_mpjpe` of the whole recording.

    Chunks are cut from the moments that count, those with somebody of whom the truth knows every joint. Joints of one chunk are held, by
    TRAM's rule of two, as it joins what is left to the last one.

    Args:
        name: of the recording, for messages.
        rule: that cuts chunks, as `motion.chunks` has it.
    """

    def __init__(self, name: str, rule: str) -> None:
        self._name, self._rule = name, rule
        self._held: list[tuple[int, Moment]] = []
        self._parts: list[tuple[tuple[int, ...], list[int], Rows]] = []
        self.counted = 0
        """Moments that count."""

    def add(self, number: int, moment: Moment) -> None:
        """The next moment, which is so-and-so-many-th of the recording.

        Raises:
            InputError: if the truth changes its set of joints.
        """
        if np.isfinite(moment.true[moment.wanted]).all(axis=(-2, -1)).any():
            self.counted += 1
            self._held.append((number, moment))
        if len(self._held) == motion.CHUNK * (2 if self._rule == "tram" else 1):
            self._score(self._held[: motion.CHUNK])
            del self._held[: motion.CHUNK]

    def finish(self) -> None:
        """There are no more: what is held is a chunk if the rule has it so.

        Raises:
            InputError: if the truth changes its set of joints.
        """
        for part in motion.chunks(len(self._held), rule=self._rule):
            self._score(self._held[part])
        self._held.clear()

    def _score(self, held: Sequence[tuple[int, Moment]]) -> None:
        moments = [moment for _, moment in held]
        joints = COMMON[one_joint_set((moment.truth.joint_set for moment in moments), self._name)].joints
        ids = tuple(sorted({int(k) for moment in moments for k in moment.truth.ids[moment.wanted]}))
        arrays = _arrays(moments, ids, len(joints))
        metrics = {"W-MPJPE": motion.w_mpjpe, "WA-MPJPE": motion.wa_mpjpe}
        rows = {name: metric(arrays["said"], arrays["true"], size=len(held)) for name, metric in metrics.items()}
        self._parts.append((ids, [number for number, _ in held], rows))

    def of(self, metric: str, moments: int, ids: Sequence[int]) -> Float64[np.ndarray, "T P"]:
        """`W-MPJPE` or `WA-MPJPE` of all moments and people, mm; NaN where there is none."""
        made = np.full((moments, len(ids)), np.nan)
        for mine, numbers, rows in self._parts:
            made[np.ix_(numbers, [ids.index(person) for person in mine])] = rows[metric]
        return made


def one_joint_set(names: Iterable[str], name: str) -> str:
    """The set that all have; empty where there are none.

    Raises:
        InputError: if there are several.
    """
    told = set(names)
    if len(told) > 1:
        raise InputError(f"the truth of {name} has joints of {' and '.join(sorted(told))}, expected one set throughout")
    return told.pop() if told else ""


def by_person(parts: Sequence[tuple[tuple[int, ...], np.ndarray]], ids: Sequence[int]) -> np.ndarray:
    """Rows of several chunks below one another, with a column for each of all people; NaN where a chunk has nothing of somebody."""
    place = {person: column for column, person in enumerate(ids)}
    made = np.full((sum(len(rows) for _, rows in parts), len(ids), *parts[0][1].shape[2:]), np.nan)
    begin = 0
    for mine, rows in parts:
        made[begin : begin + len(rows), [place[person] for person in mine]] = rows
        begin += len(rows)
    return made


def _arrays(moments: Sequence[Moment], ids: Sequence[int], joints: int) -> Rows:
    """`said`, `placed` and `true` by person, (T, P, J, 3); NaN where not found, or not to be found."""
    made = {name: np.full((len(moments), len(ids), joints, 3), np.nan) for name in ("said", "placed", "true")}
    place = {person: column for column, person in enumerate(ids)}
    for t, moment in enumerate(moments):
        for k in np.flatnonzero(moment.wanted):
            made["true"][t, place[int(moment.truth.ids[k])]] = moment.true[k]
        for k in np.flatnonzero(moment.owner >= 0):
            if moment.wanted[moment.owner[k]]:
                column = place[int(moment.truth.ids[moment.owner[k]])]
                made["said"][t, column], made["placed"][t, column] = moment.said[k], moment.placed[k]
    return made


def _together(found: Float64[np.ndarray, "n P J 3"], truth: Float64[np.ndarray, "n P J 3"]) -> Float64[np.ndarray, "n P"]:
    """GA-MPJPE, mm; NaN where one person is alone, of whom it would be PA-MPJPE."""
    error = scenes.ga_mpjpe(found, truth)
    return np.where(np.isfinite(error).sum(axis=1, keepdims=True) > 1, error, np.nan)


def _detections(moment: Moment) -> DetectionCounts:
    matched = moment.owner[moment.owner >= 0]
    hits = int(moment.wanted[matched].sum())
    return DetectionCounts(hits, int((moment.owner == NOBODY).sum()), int(moment.wanted.sum()) - hits)


def _pairs(moment: Moment) -> PairCounts:
    if moment.truth.seen_by is None:
        return PairCounts()
    said: list[Any] = [SimpleNamespace(seen_by=names) for names in moment.found.seen_by]
    true: list[Any] = [SimpleNamespace(seen_by=names) for names in moment.truth.seen_by]
    view, who, person = sights(said, true, moment.owner, moment.distance, LIMIT_M)
    return association(np.zeros_like(view), view, who, person)


def _presences(t: int, moment: Moment) -> Int64[np.ndarray, "D 3"]:
    same = np.array([moment.truth.ids[k] if k >= 0 else NOBODY for k in moment.owner], np.int64)
    counts = np.array([k < 0 or moment.wanted[k] for k in moment.owner], bool)
    return np.stack([np.full(int(counts.sum()), t), moment.found.ids[counts], same[counts]], axis=1)
