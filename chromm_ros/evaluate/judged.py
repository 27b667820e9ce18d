"""Results of a recording against its truth: the world's metrics over time, bodies, who is who, and cameras.

Whoever knew the poses of the cameras answers in the truth's own world. Any other world is laid on the truth's by the cameras of each
moment (rotations first, no scale, `scenes.gauge`), which is what matches people and what `W-MPJPE, by cameras` is measured in.
WHAM's metrics align for themselves and take the results as they are, in chunks of the moments that count. A chunk is scored when it is
full, and its joints go (`chunk.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.errors import InputError
from chromm_ros.evaluate import motion, scenes
from chromm_ros.evaluate.chunk import Aligned, Chunk, by_person, chunks_of, one_joint_set, scored
from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, idf1, switches
from chromm_ros.evaluate.moment import COMMON, Moment
from chromm_ros.evaluate.outcome import CameraTrack, Score1, Series, Track, share, summary

NO_MATCH = "nobody was matched"
NO_TRUTH = "nobody had to be found"
UNKNOWN = "the truth knows no joint of them: nobody had to be found"
PART = "of nobody who was matched does the truth know every joint"
REASONS = {
    "W-MPJPE": "nobody was matched in the first two counted moments of any chunk, by which it is laid on the truth",
    "WA-MPJPE": PART,
    "GA-MPJPE": "nobody was matched beside somebody else: of one person it would be PA-MPJPE",
    "RTE": "nobody who was matched goes anywhere from a moment to the next",
    "Accel": "nobody was matched, with every joint known, in three moments that follow one another",
    "Jitter": "nobody was matched in four moments that follow one another",
    "Jitter of the truth": "of nobody does the truth know every joint in four moments that follow one another",
}
"""Why there is no number of a metric although somebody was matched."""
ATE = (("camera ATE", True), ("camera ATE, no scale", False))
"""Names, and whether the scale is free."""
FEW_PLACES = {
    True: "the cameras stand still in fewer than three places: a similarity lays two on any two",
    False: "one camera stands still, or none is known: a rigid motion lays it on its place",
}
"""Why there may be no ATE, by whether the scale is free."""
THRESHOLDS = (10.0, 15.0)
"""Of RRA (degrees), CCA and s-CCA (percent of the scene's size)."""


class Judged:
    """All moments of one recording together: T moments, P true people, J joints.

    Args:
        name: of the recording.
        moments: in the order of their stamps; they are taken one by one, and a chunk of them is held.
        cameras: names.
        same_world: whether results stand in the truth's world, because somebody told the poses of the cameras.
        rule: that cuts the chunks of W- and WA-MPJPE: `wham` or `tram`, as `motion.chunks` has them.

    Raises:
        InputError: if there are none, none can be laid on the truth, or the truth changes its set of joints.
    """

    def __init__(
        self,
        name: str,
        moments: Iterable[Moment],
        cameras: Sequence[str],
        same_world: bool,  # noqa: FBT001  # two worlds or one
        *,
        rule: str = "wham",
    ) -> None:
        self.name, self.cameras, self.same_world, self.rule = name, cameras, same_world, rule
        self._aligned = Aligned(name, rule)
        self.chunks: list[Chunk] = []
        self.shown: Moment | None = None
        """Of the first chunk the moment with the most people found, the first among equals: for pictures."""
        placed, count = False, 0
        for before, now in chunks_of(moments):
            if self.shown is None:
                self.shown = max(now, key=lambda entry: int((entry.owner >= 0).sum()))
                self._first_set = now[0].truth.joint_set
            placed |= any(np.isfinite(moment.to_truth.translation).all() for moment in now)
            self.chunks.append(scored(before, now, count, name))
            for number, moment in enumerate(now, count):
                self._aligned.add(number, moment)
            count += len(now)
        self._aligned.finish()
        if not self.chunks:
            raise InputError(
                f"no result of {self.name} has the stamp of a truth, expected equal stamps: is it the right recording?"
            )
        if not placed:
            raise InputError(
                "the results are in a world of their own and no moment has a camera with a found and a true pose, by which it "
                "could be laid on the truth's: let the recording tell poses on /tf, or the chain know them"
            )
        self.joint_set = one_joint_set((chunk.joint_set for chunk in self.chunks if chunk.joint_set), name) or self._first_set
        """Of the truth; a moment when nobody is there does not tell it."""

    @cached_property
    def stamps_ns(self) -> Int64[np.ndarray, "T"]:
        """Of the moments."""
        return np.concatenate([chunk.stamps_ns for chunk in self.chunks])

    @cached_property
    def ids(self) -> list[int]:
        """True people who had to be found at some moment."""
        return sorted({person for chunk in self.chunks for person in chunk.ids})

    @cached_property
    def fps(self) -> float:
        """By the median of the steps between stamps; 30 where there is but one moment."""
        return 1e9 / float(np.median(np.diff(self.stamps_ns))) if len(self.stamps_ns) > 1 else 30.0

    @cached_property
    def errors(self) -> dict[tuple[str, str], np.ndarray]:
        """By metric and unit, of shape (T, P) or what their metrics give."""

        def of(metric: str) -> np.ndarray:
            return by_person([(chunk.ids, chunk.errors[metric]) for chunk in self.chunks], self.ids)

        return {
            **{(name, "mm"): self._aligned.of(name, len(self.stamps_ns), self.ids) for name in ("W-MPJPE", "WA-MPJPE")},
            ("RTE", "%"): motion.rte(self._way("said_root"), self._way("true_root")),
            (self.world_name, "mm"): of("placed"),
            ("MPJPE", "mm"): of("MPJPE"),
            ("PA-MPJPE", "mm"): of("PA-MPJPE"),
            ("GA-MPJPE", "mm"): of("GA-MPJPE"),
            ("Accel", "m/s^2"): of("acceleration") * self.fps**2,
            ("Jitter", "10 m/s^3"): of("jitter") * self.fps**3,
            ("Jitter of the truth", "10 m/s^3"): of("true jitter") * self.fps**3,
        }

    def _way(self, which: str) -> Float64[np.ndarray, "T P 3"]:
        return by_person([(chunk.ids, chunk.roots[which]) for chunk in self.chunks], self.ids)

    @property
    def world_name(self) -> str:
        """What the error in the truth's world is called."""
        return "W-MPJPE, nothing aligned" if self.same_world else "W-MPJPE, by cameras"

    def scores(self) -> tuple[Score1, ...]:
        """The whole table."""
        errors = (summary(metric, values, unit, self._why(metric)) for (metric, unit), values in self.errors.items())
        return (*errors, *self._people(), *self._identity(), *self._camera_scores())

    def _why(self, metric: str) -> str:
        """Why there may be no number of it."""
        if not self._counts.there:
            return self._nobody
        if not self._counts.tp:
            return NO_MATCH
        if metric in {"W-MPJPE", "WA-MPJPE"}:
            if self.rule == "tram" and 0 < self._aligned.counted <= motion.CHUNK:
                return f"{self._aligned.counted} moments count, and TRAM's rule asks for more than {motion.CHUNK}"
            if not np.isfinite(self.errors["WA-MPJPE", "mm"]).any():
                return PART
        return REASONS.get(metric, "the truth knows too few joints of those who were matched")

    @cached_property
    def _counts(self) -> DetectionCounts:
        return sum((chunk.people for chunk in self.chunks), DetectionCounts())

    @property
    def _nobody(self) -> str:
        """Why nobody had to be found."""
        return UNKNOWN if any(chunk.unknown for chunk in self.chunks) else NO_TRUTH

    def _people(self) -> Iterator[Score1]:
        yield from people(self._counts, self._nobody)
        pairs = sum((chunk.pairs for chunk in self.chunks), PairCounts())
        every = pairs.found + pairs.fn
        for name, total in (("accuracy", every + pairs.tn), ("precision", pairs.found), ("recall", pairs.there), ("f1", every)):
            yield share(f"association {name}", getattr(pairs, name), total, "no such pairs of sights by two cameras")

    def _identity(self) -> Iterator[Score1]:
        (time, said, same), (truth_time, truth) = (
            np.concatenate(rows).T for rows in ([chunk.found for chunk in self.chunks], [chunk.there for chunk in self.chunks])
        )
        yield share("IDF1", idf1(time, said, truth_time, truth, same), len(truth), f"{self._nobody}, and nobody was")
        yield Score1("identity switches", float(switches(time, said, same)), "", int((same >= 0).sum()))

    def _camera_scores(self) -> Iterator[Score1]:
        shares = tuple(f"{name}@{t:g}" for name in ("RRA", "CCA", "s-CCA") for t in THRESHOLDS)
        if self.same_world:
            ways = tuple((name, "m") for name, _ in ATE)
            for name, unit in (("TE", "m"), ("s-TE", "m"), ("AE", "deg"), *((name, "") for name in shares), *ways):
                yield Score1(name, None, unit, 0, "the chain was told the cameras' poses")
            return
        found, true = self._poses
        pairs, shape = scenes.true_pairs(true), scenes.translation_error(found, true, with_scale=True)
        several, told = pairs.any(axis=-1), scenes.scale_is_told(shape)
        angles = np.where(pairs, scenes.angle_error(found, true), np.nan)
        yield summary("TE", scenes.of_many(scenes.translation_error(found, true), 2), "m", scenes.FEW[2])
        yield summary("s-TE", shape[told], "m", scenes.FEW[3])
        yield summary("AE", angles, "deg", scenes.FEW[2])
        for t in THRESHOLDS:
            yield summary(f"RRA@{t:g}", scenes.share_below(angles, t, pairs), "", scenes.FEW[2])
        for t in THRESHOLDS:
            yield summary(f"CCA@{t:g}", scenes.camera_centre_accuracy(found[several], true[several], t), "", scenes.FEW[2])
        for t in THRESHOLDS:
            values = scenes.camera_centre_accuracy(found[told], true[told], t, with_scale=True)
            yield summary(f"s-CCA@{t:g}", values, "", scenes.FEW[3])
        centres = np.concatenate([chunk.centres for chunk in self.chunks])
        for name, scale in ATE:
            values = scenes.rig_trajectory_error(centres, true[..., :3, 3], with_scale=scale)
            yield summary(name, values, "m", FEW_PLACES[scale])

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
        told = [chunk for chunk in self.chunks if chunk.joint_set == self.joint_set]
        if not told:
            return {"MPJPE": np.full(max(COMMON[self.joint_set].places) + 1, np.nan)}
        count = np.sum([chunk.joint_count for chunk in told], axis=0)
        total = np.sum([np.where(chunk.joint_count > 0, chunk.joint_mm, 0.0) * chunk.joint_count for chunk in told], axis=0)
        return {"MPJPE": total / np.where(count > 0, count, np.nan)}

    def tracks(self) -> tuple[Track, ...]:
        """Ways of roots in the truth's world."""
        placed, true = self._way("placed"), self._way("true")
        return tuple(Track(self.name, k, self.stamps_ns, placed[:, column], true[:, column]) for column, k in enumerate(self.ids))

    @cached_property
    def _poses(self) -> tuple[Float64[np.ndarray, "T V 4 4"], Float64[np.ndarray, "T V 4 4"]]:
        """Found and true ones, in the truth's world."""
        return np.concatenate([chunk.cameras for chunk in self.chunks]), np.concatenate([c.true_cameras for c in self.chunks])

    def camera_tracks(self) -> tuple[CameraTrack, ...]:
        """Cameras in the truth's world, at every moment."""
        found, true = self._poses
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
            f"{len(self.stamps_ns)} moments, {self.fps:.1f} a second; W- and WA-MPJPE over chunks of {motion.CHUNK} that count ({self.rule.upper()}'s rule), all people together.",
            gauge,
            joints.get(self.joint_set, "22 joints of the body."),
            "Bodies that no camera saw at their stamp are not scored, nor whom the truth says no camera sees.",
        )


def people(counts: DetectionCounts, nobody: str) -> Iterator[Score1]:
    """Precision, recall and F1 of finding people, each with the count of those whom it is a share of.

    Args:
        counts: people at single moments.
        nobody: why nobody had to be found, should it be so.
    """
    yield share("people precision", counts.precision, counts.found, "nobody was found")
    yield share("people recall", counts.recall, counts.there, nobody)
    yield share("people f1", counts.f1, counts.found + counts.fn, f"{nobody}, and nobody was")
