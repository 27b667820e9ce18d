"""Segments of 100 frames: EMDB-2 and RICH by one camera, RICH by several (CHROMM, arXiv 2603.12789, supplement).

One camera: each segment is one closed set. Several: memory holds 25 steps of four views, so a segment is made of chunks, each a closed set
in a world of its own, and chunks are joined by a similarity on camera poses. How is not told; here chunks share no frame, and the cameras
of the rig stand still, so all poses of a camera in a chunk are laid on its mean pose so far, rotations first (`geometry.sim3.fit_poses`).
The chain's own stitching is not asked: it would carry more than poses from one chunk to the next.

Segments are cut from the frames as they follow one another. Within a segment frames in which nobody counts, or nobody was found, are left
out before anything is fitted, as WHAM leaves out the frames without labels. Every segment has a world of its own, so RTE is of each
segment's way, where WHAM has it of the sequence's. Where they are cut by TRAM's rule (`motion.chunks`), what is left at the end belongs to
the last segment, which with one camera is one closed set all the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, repeat

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.data.truth import LabelledSequence
from chromm_ros.errors import InputError
from chromm_ros.evaluate import bodies, motion, scenes
from chromm_ros.evaluate.identity import DetectionCounts
from chromm_ros.evaluate.outcome import View
from chromm_ros.evaluate.protocols.closed import Known, Labelled, Runner, Said, moments
from chromm_ros.evaluate.protocols.joints import Joints, Ours
from chromm_ros.evaluate.protocols.matching import counts, in_image, in_world
from chromm_ros.evaluate.protocols.pictured import views
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import mean_rotation
from chromm_ros.geometry.sim3 import Similarity, fit_poses


@dataclass(frozen=True)
class Cut:
    """How a sequence is cut."""

    segment: int = 100
    """Frames that are judged together."""
    chunk: int = 100
    """Frames of a closed set; as many as a segment has, or a part of it."""
    rule: str = "wham"
    """Of the last segment: `wham` or `tram`, as `motion.chunks` has them."""

    def __post_init__(self) -> None:
        if not 0 < self.chunk <= self.segment:
            raise InputError(f"chunks have {self.chunk} frames and segments {self.segment}, expected from 1 to as many as these")

    def sizes(self, frames: int) -> list[int]:
        """Frames of the chunks of a segment of so many."""
        step = frames if self.chunk == self.segment else self.chunk
        return [min(step, frames - begin) for begin in range(0, frames, step)]

    def lengths(self, sequence: LabelledSequence) -> Iterable[int]:
        """Frames of its segments, without end by WHAM's rule; TRAM's asks how many there are, and every truth is taken to have an image."""
        if self.rule == "wham":
            return repeat(self.segment)
        count = sum(1 for _ in sequence.truth())
        return [part.stop - part.start for part in motion.chunks(count, self.segment, self.rule)]


MONO, MULTI = Cut(), Cut(chunk=25)


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment in its own world beside the truth: T frames, P people who had to be found somewhere in it."""

    sequence: str
    cameras: tuple[str, ...]
    """Their names."""
    stamps_ns: Int64[np.ndarray, "T"]
    ids: list[int]
    """True people."""
    said: Float64[np.ndarray, "T P J 3"]
    """All found joints, NaN where not found."""
    true: Float64[np.ndarray, "T P K 3"]
    """All true joints, NaN where nobody had to be found."""
    found_cameras: Float64[np.ndarray, "T V 4 4"]
    """world_from_cam."""
    true_cameras: Float64[np.ndarray, "T V 4 4"]
    """The same."""
    counts: DetectionCounts
    """People at single moments."""
    joint_set: str
    """Of the truth."""
    sets: tuple[Joints, ...]
    """What can be compared, that of the tables first."""
    unknown: int = 0
    """People at single moments who would have had to be found if the truth knew a joint of them."""
    views: tuple[View, ...] = ()
    """Images of its first moment, where they are to be shown."""

    def errors(self, joints: Joints) -> dict[tuple[str, str], Float64[np.ndarray, "T P"]]:
        """WA-MPJPE, W-MPJPE, RTE and PA-MPJPE with their units; NaN where there is none."""
        said, true = self.said[:, :, joints.found], self.true[:, :, joints.truth]
        there = np.isfinite(said).all(axis=(-2, -1)) & np.isfinite(true).all(axis=(-2, -1))
        rows = there.any(axis=1)
        a, b, size = said[rows], true[rows], max(1, int(rows.sum()))
        values = {
            ("WA-MPJPE", "mm"): motion.wa_mpjpe(a, b, size=size),
            ("W-MPJPE", "mm"): motion.w_mpjpe(a, b, size=size),
            ("RTE", "%"): motion.rte(*(points[:, :, joints.root].mean(axis=2) for points in (a, b))),
            ("PA-MPJPE", "mm"): bodies.pa_mpjpe(a, b),
        }
        return {name: _spread(errors, rows) for name, errors in values.items()}

    @cached_property
    def to_truth(self) -> Similarity:
        """By all cameras of all frames, scale free: for pictures and for whom to match, no metric is made of it."""
        return by_cameras(self.found_cameras, self.true_cameras)


def _spread(errors: np.ndarray, rows: np.ndarray) -> Float64[np.ndarray, "T P"]:
    whole = np.full((len(rows), errors.shape[1]), np.nan)
    whole[rows] = errors
    return whole


def by_cameras(found: Float64[np.ndarray, "T V 4 4"], truth: Float64[np.ndarray, "T V 4 4"]) -> Similarity:
    """The similarity that takes found poses to true ones, rotations first; NaN where none is known on both sides."""
    both = np.isfinite(found).all(axis=(-2, -1)) & np.isfinite(truth).all(axis=(-2, -1))
    if not both.any():
        return Similarity(np.ones(()), np.eye(3), np.full(3, np.nan))
    return fit_poses(found[both].astype(np.float64), truth[both].astype(np.float64))


def segments(sequence: LabelledSequence, run: Runner, cut: Cut, *, shown: bool = False) -> Iterator[Segment]:
    """Every segment of a sequence; the last may be shorter, or longer by TRAM's rule.

    Args:
        sequence: with one camera or several.
        run: the chain.
        cut: how it is cut.
        shown: whether the first one keeps the images of its first moment.

    Raises:
        InputError: if chunks are to be joined by cameras that move.
    """
    stream, pictured = moments(sequence), shown
    for frames in cut.lengths(sequence):
        rig, said, known, first, chunks = Rig(), list[Said](), list[Known](), list[Labelled](), 0
        for size in cut.sizes(frames):
            part = list(islice(stream, size))
            if part:
                chunks += 1
                said += rig.joined(run(part, sequence.cameras))
                known += [moment.known for moment in part]
                first = first or part[: int(pictured)]
        if not known:
            return
        if chunks > 1:
            _check_still(sequence, known)
        yield _segment(sequence, said, known, run.ours, first)
        pictured = False


class Rig:
    """Where the cameras of a segment stand in the world of its first chunk, by all chunks so far."""

    def __init__(self) -> None:
        self._stands: dict[int, Float64[np.ndarray, "4 4"]] = {}  # by view

    def joined(self, chunk: list[Said]) -> list[Said]:
        """The next chunk in that world; where no camera is in both, everybody and every camera of the chunk is lost."""
        poses = np.stack([said.cameras for said in chunk])
        if self._stands:
            nowhere = np.full((4, 4), np.nan)
            stands = np.stack([self._stands.get(view, nowhere) for view in range(poses.shape[1])])
            fit = by_cameras(poses, np.broadcast_to(stands, poses.shape))
            chunk = [replace(s, joints=fit.apply(s.joints), cameras=fit.apply_to_poses(s.cameras)) for s in chunk]
            poses = fit.apply_to_poses(poses)
        for view in range(poses.shape[1]):
            there = poses[np.isfinite(poses[:, view]).all(axis=(-2, -1)), view]
            if len(there) and view not in self._stands:
                self._stands[view] = se3.compose(mean_rotation(there[:, :3, :3]), there[:, :3, 3].mean(axis=0))
        return chunk


def _check_still(sequence: LabelledSequence, known: Sequence[Known]) -> None:
    centres = np.stack([moment.truth.world_from_cam[:, :3, 3] for moment in known])
    for name, way in zip(sequence.cameras, np.moveaxis(centres, 1, 0), strict=True):
        if scenes.moves(way):
            raise InputError(
                f"{name} of {sequence.name} moves, and chunks are joined by cameras that stand still: leave it out, or judge it alone "
                "(--mono)"
            )


def _segment(
    sequence: LabelledSequence, said: Sequence[Said], known: Sequence[Known], ours: Ours, first: Sequence[Labelled]
) -> Segment:
    joint_set = known[0].truth.joint_set
    sets = ours.sets(joint_set)
    found_cameras = np.stack([moment.cameras for moment in said])
    true_cameras = np.stack([moment.truth.world_from_cam for moment in known])
    to_truth = by_cameras(found_cameras, true_cameras)
    alone = found_cameras.shape[1] == 1
    owners = [in_image(s, k, sets[0]) if alone else in_world(s, k, sets[0], to_truth) for s, k in zip(said, known, strict=True)]
    ids = sorted({int(person) for k in known for person in k.truth.ids[k.wanted]})
    found = np.full((len(known), len(ids), said[0].joints.shape[1], 3), np.nan)
    true = np.full((len(known), len(ids), known[0].truth.joints.shape[1], 3), np.nan)
    for t, (s, k, owner) in enumerate(zip(said, known, owners, strict=True)):
        for person in np.flatnonzero(k.wanted):
            true[t, ids.index(int(k.truth.ids[person]))] = k.truth.joints[person]
        for mine in np.flatnonzero(owner >= 0):
            if k.wanted[owner[mine]]:
                found[t, ids.index(int(k.truth.ids[owner[mine]]))] = s.joints[mine]
    stamps = np.array([k.truth.stamp_ns for k in known], np.int64)
    total = sum(map(counts, owners, known), DetectionCounts())
    shown = views(sequence.name, first[0], said[0], owners[0], sets[0]) if first else ()
    return Segment(
        sequence.name, sequence.cameras, stamps, ids, found, true, found_cameras, true_cameras, total, joint_set, sets,
        sum(k.unknown for k in known), shown,
    )  # fmt: skip  # in the order of its fields
