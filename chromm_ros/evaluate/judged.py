"""Results of a recording against its truth: the world's metrics over time, bodies, who is who, and cameras.

Whoever knew the poses of the cameras answers in the truth's own world. Any other world is laid on the truth's by the cameras of each
moment (rotations first, no scale, `scenes.gauge`), which is what matches people and what `W-MPJPE, by cameras` is measured in.
WHAM's metrics align for themselves and take the results as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chromm_ros.data.truth import Truth
from chromm_ros.errors import InputError
from chromm_ros.evaluate import bodies, motion, scenes
from chromm_ros.evaluate.found import Found
from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, association, idf1, switches
from chromm_ros.evaluate.outcome import CameraTrack, Score1, Series, Track, share, summary
from chromm_ros.evaluate.recording import LIMIT_M, NOBODY, match, sights
from chromm_ros.geometry.sim3 import Similarity

BODY = tuple(range(22))
COMMON: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, int]]] = {
    "smplx": (BODY, BODY, (1, 2)),
    "smpl": (BODY, BODY, (1, 2)),
    "coco": ((16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8), tuple(range(5, 17)), (6, 7)),
}
"""By the truth's joint set: our joints, the same ones in its order, and which two of them are the hips."""
NO_MATCH = "nobody was matched"


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
    """Who had to be found; a result that is somebody else who is there counts neither way."""
    distance: Float64[np.ndarray, "A B"]
    """Mean distance of joints in the truth's world, metres."""
    cameras: Float64[np.ndarray, "V 4 4"]
    """As found, NaN where not."""
    to_truth: Similarity


def pair(
    found: Sequence[Found], truths: Iterable[Truth], cameras: Sequence[str], *, same_world: bool, limit_m: float = LIMIT_M
) -> Iterator[Moment]:
    """Moments that both have, at equal stamps, with everybody matched.

    Args:
        found: results.
        truths: of the recording.
        cameras: names, in the order of the truth's poses.
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
    seen = np.array([bool(names) for names in truth.seen_by], bool) if truth.seen_by is not None else np.ones(len(true), bool)
    owner = match(np.minimum(distance, 1e6), limit_m).astype(np.int64)
    return Moment(found, truth, said, placed, true, owner, truth.counted & seen, distance, poses, to_truth)


@dataclass(frozen=True, eq=False)
class Judged:
    """All moments of one recording together: T moments, P true people, J joints."""

    name: str
    """Of the recording."""
    moments: Sequence[Moment]
    cameras: Sequence[str]
    same_world: bool
    """Whether results stand in the truth's world, because somebody told the poses of the cameras."""

    def __post_init__(self) -> None:
        if not self.moments:
            raise InputError(
                f"no result of {self.name} has the stamp of a truth, expected equal stamps: is it the right recording?"
            )
        if not any(np.isfinite(moment.to_truth.translation).all() for moment in self.moments):
            raise InputError(
                "the results are in a world of their own and no moment has a camera with a found and a true pose, by which it "
                "could be laid on the truth's: let the recording tell poses on /tf, or the chain know them"
            )

    @cached_property
    def stamps_ns(self) -> Int64[np.ndarray, "T"]:
        """Of the moments."""
        return np.array([moment.truth.stamp_ns for moment in self.moments], np.int64)

    @cached_property
    def ids(self) -> list[int]:
        """True people who had to be found at some moment."""
        return sorted({int(k) for moment in self.moments for k in moment.truth.ids[moment.wanted]})

    @cached_property
    def fps(self) -> float:
        """By the median of the steps between stamps; 30 where there is but one moment."""
        return 1e9 / float(np.median(np.diff(self.stamps_ns))) if len(self.moments) > 1 else 30.0

    @property
    def joint_set(self) -> str:
        """Of the truth; a moment when nobody is there does not tell it."""
        told = {moment.truth.joint_set for moment in self.moments if len(moment.truth.ids)}
        if len(told) > 1:
            raise InputError(f"the truth of {self.name} has joints of {' and '.join(sorted(told))}, expected one set throughout")
        return told.pop() if told else self.moments[0].truth.joint_set

    @property
    def hips(self) -> tuple[int, int]:
        """Among the joints that both have."""
        return COMMON[self.joint_set][2]

    @cached_property
    def arrays(self) -> dict[str, Float64[np.ndarray, "T P J 3"]]:
        """`said`, `placed` and `true` by person; NaN where not found, or not to be found."""
        shape = (len(self.moments), len(self.ids), len(COMMON[self.joint_set][0]), 3)
        made = {name: np.full(shape, np.nan) for name in ("said", "placed", "true")}
        place = {person: column for column, person in enumerate(self.ids)}
        for t, moment in enumerate(self.moments):
            for k in np.flatnonzero(moment.wanted):
                made["true"][t, place[int(moment.truth.ids[k])]] = moment.true[k]
            for k in np.flatnonzero(moment.owner >= 0):
                if moment.wanted[moment.owner[k]]:
                    column = place[int(moment.truth.ids[moment.owner[k]])]
                    made["said"][t, column], made["placed"][t, column] = moment.said[k], moment.placed[k]
        return made

    @cached_property
    def errors(self) -> dict[tuple[str, str], np.ndarray]:
        """By metric and unit, of shape (T, P) or what their metrics give."""
        said, placed, true = (self.arrays[name] for name in ("said", "placed", "true"))
        root = np.mean(said[..., self.hips, :], axis=-2), np.mean(true[..., self.hips, :], axis=-2)
        if self.joint_set != "coco":
            root = said[..., 0, :], true[..., 0, :]
        return {
            ("W-MPJPE", "mm"): motion.w_mpjpe(said, true),
            ("WA-MPJPE", "mm"): motion.wa_mpjpe(said, true),
            ("RTE", "%"): motion.rte(*root),
            (self.world_name, "mm"): bodies.distances(placed, true),
            ("MPJPE", "mm"): bodies.mpjpe(placed, true, self.hips),
            ("PA-MPJPE", "mm"): bodies.pa_mpjpe(placed, true),
            ("Accel", "m/s^2"): bodies.acceleration_error(placed, true, self.fps, self.hips),
            ("Jitter", "10 m/s^3"): motion.jitter(said, self.fps),
            ("Jitter of the truth", "10 m/s^3"): motion.jitter(true, self.fps),
        }

    @property
    def world_name(self) -> str:
        """What the error in the truth's world is called."""
        return "W-MPJPE, nothing aligned" if self.same_world else "W-MPJPE, by cameras"

    def scores(self) -> tuple[Score1, ...]:
        """The whole table."""
        errors = (summary(metric, values, unit, NO_MATCH) for (metric, unit), values in self.errors.items())
        return (*errors, *self._people(), *self._identity(), *self._camera_scores())

    def _people(self) -> Iterator[Score1]:
        counts = sum(map(_detections, self.moments), DetectionCounts())
        pairs = sum(map(_pairs, self.moments), PairCounts())
        for name in ("precision", "recall", "f1"):
            yield share(f"people {name}", getattr(counts, name), counts.tp + counts.fp + counts.fn, "nobody is there or found")
        for name in ("accuracy", "precision", "recall", "f1"):
            total = pairs.tp + pairs.fp + pairs.fn + pairs.tn
            yield share(f"association {name}", getattr(pairs, name), total, "no such pairs of sights by two cameras")

    def _identity(self) -> Iterator[Score1]:
        rows = [_presences(t, moment) for t, moment in enumerate(self.moments)]
        time, said, same = (np.concatenate([row[k] for row in rows]) for k in range(3))
        there = [(t, int(k)) for t, moment in enumerate(self.moments) for k in moment.truth.ids[moment.wanted]]
        truth_time, truth = (np.array(part, np.int64) for part in (zip(*there, strict=True) if there else ((), ())))
        value = idf1(time, said, truth_time, truth, same) if len(said) and len(truth) else float("nan")
        yield share("IDF1", value, len(truth), "nobody was found")
        yield Score1("identity switches", float(switches(time, said, same)), "", int((same >= 0).sum()))

    def _camera_scores(self) -> Iterator[Score1]:
        names = (("TE", "m"), ("s-TE", "m"), ("AE", "deg"), ("RRA@10", ""), ("CCA@10", ""))
        if self.same_world:
            yield from (Score1(name, None, unit, 0, "the chain was told the cameras' poses") for name, unit in names)
            return
        found, true = (
            np.stack(poses) for poses in zip(*((m.cameras, m.truth.world_from_cam) for m in self.moments), strict=True)
        )
        reason = "no camera has a found and a true pose"
        yield summary("TE", [scenes.translation_error(a, b) for a, b in zip(found, true, strict=True)], "m", reason)
        shapes = [scenes.translation_error(a, b, with_scale=True) for a, b in zip(found, true, strict=True)]
        shapes = [errors for errors in shapes if scenes.scale_is_told(errors)] or [np.full(1, np.nan)]
        yield summary("s-TE", shapes, "m", "no moment has three cameras with a found and a true pose")
        angles = [scenes.angle_error(a, b) for a, b in zip(found, true, strict=True)]
        yield summary("AE", angles, "deg", reason)
        yield summary("RRA@10", [scenes.share_below(errors, 10.0) for errors in angles], "", reason)
        yield summary("CCA@10", [scenes.camera_centre_accuracy(a, b, 10.0) for a, b in zip(found, true, strict=True)], "", reason)

    def series(self) -> tuple[Series, ...]:
        """Errors of each person at each moment."""
        told = (("W-MPJPE", "mm"), (self.world_name, "mm"), ("MPJPE", "mm"), ("PA-MPJPE", "mm"))
        return tuple(
            Series(metric, unit, self.name, person, self.stamps_ns, np.asarray(self.errors[metric, unit][:, column], np.float64))
            for metric, unit in told
            for column, person in enumerate(self.ids)
        )

    def per_joint_mm(self) -> dict[str, Float64[np.ndarray, "J"]]:
        """MPJPE of each joint in the order of the truth's set, as far as both have it."""
        off = self.arrays["placed"] - self.arrays["true"]
        return {"MPJPE": bodies.by_joint(off, self.hips, COMMON[self.joint_set][1])}

    def tracks(self) -> tuple[Track, ...]:
        """Ways of roots in the truth's world."""
        placed, true = (self.arrays[name][..., self.hips, :].mean(axis=-2) for name in ("placed", "true"))
        return tuple(Track(self.name, k, self.stamps_ns, placed[:, column], true[:, column]) for column, k in enumerate(self.ids))

    def camera_tracks(self) -> tuple[CameraTrack, ...]:
        """Cameras in the truth's world, at every moment."""
        found = np.stack([moment.to_truth.apply_to_poses(moment.cameras) for moment in self.moments])
        true = np.stack([moment.truth.world_from_cam for moment in self.moments])
        return tuple(CameraTrack(self.name, name, found[:, view], true[:, view]) for view, name in enumerate(self.cameras))

    def notes(self) -> tuple[str, ...]:
        """Sentences that belong under the table."""
        gauge = (
            "Results and truth stand in one world: the chain was told the cameras' poses, and nothing is aligned but by W-, WA-MPJPE and RTE."
            if self.same_world
            else "The results' world is laid on the truth's by the cameras of each moment: rotations first, no scale."
        )
        joints = {"coco": "The 12 joints of arms and legs that SMPL-X and COCO share; COCO's are points of the surface."}
        return (
            f"{len(self.moments)} moments, {self.fps:.1f} a second; W- and WA-MPJPE over chunks of {motion.CHUNK} (WHAM's rule), all people together.",
            gauge,
            joints.get(self.joint_set, "22 joints of the body."),
            "Bodies that no camera saw at their stamp are not scored, nor whom the truth says no camera sees.",
        )


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


def _presences(t: int, moment: Moment) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, track and true person (-1: nobody) of everybody who was found, but those who need not be found."""
    same = np.array([moment.truth.ids[k] if k >= 0 else NOBODY for k in moment.owner], np.int64)
    counts = np.array([k < 0 or moment.wanted[k] for k in moment.owner], bool)
    return np.full(int(counts.sum()), t), moment.found.ids[counts], same[counts]
