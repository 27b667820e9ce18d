"""A sequence with truth, of a dataset or of anything else, as a recording with truth (docs/recordings.md)."""

import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from chromm_ros.convert.choice import Choice
from chromm_ros.convert.images import BEGIN_NS, WORLD, ImageWriter, topic_names
from chromm_ros.convert.progress import Progress
from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.data.truth import LabelledSequence, Truth
from chromm_ros.errors import InputError
from chromm_ros.records import Frame

TRUTH = "/truth/bodies"
STILL = 1e-6
"""Poses of a camera that differ by less, in any entry, are the same."""
_A_CLOCKS = 10**17
"""Nanoseconds: later stamps are a clock's, earlier ones count from some beginning."""


def record(path: Path, sequence: LabelledSequence, choice: Choice) -> dict[str, int]:
    """Write a recording; gives how many images each camera has in it, by its name in topics.

    A truth is written where a frame with its very stamp is. The truth of the whole sequence is gone through once before, to tell whether
    its cameras stand.

    Args:
        path: folder of the new recording.
        sequence: what is written; names of its cameras become topics.
        choice: which part of it; `start_s` counts from its first frame, `every` counts stamps.

    Raises:
        FileError: from the sequence, or if the recording cannot be written.
        InputError: if the part holds no frame.
    """
    names = topic_names(list(sequence.cameras))
    moments, still = _look(sequence)
    with BagWriter(path) as bag, Progress(sequence.name, moments) as progress:
        writer = _Writer(bag, sequence, names, choice, still)
        done = 0
        for item in _in_order(sequence):
            if isinstance(item, Truth):
                writer.truth, done = item, done + 1
                progress(done)
            elif not writer.push(item):
                break
    counts = {out.name: out.count for out in writer.outs.values()}
    if not any(counts.values()):
        raise InputError(f"{sequence.name} has no frame from {choice.start_s:g} s on, expected some: choose another --start")
    return counts


class _Writer:
    """What is written of frames and truths that come in the order of their stamps."""

    def __init__(
        self,
        bag: BagWriter,
        sequence: LabelledSequence,
        names: dict[str, str],
        choice: Choice,
        still: dict[str, Float[np.ndarray, "4 4"]] | None,
    ) -> None:
        self._bag, self._choice, self._still = bag, choice, still
        self.outs = {camera: ImageWriter(bag, names[camera], choice.width, choice.quality) for camera in sequence.cameras}
        self.truth: Truth | None = None
        self._first_ns: int | None = None
        self._now_ns, self._moments, self._wanted = -1, 0, False

    def push(self, frame: Frame) -> bool:
        """Write a frame if it is wanted, the truth of its stamp before it; False where the part has ended."""
        choice, stamp_ns = self._choice, frame.stamp_ns
        if self._first_ns is None:
            self._first_ns = stamp_ns
        since_s = (stamp_ns - self._first_ns) / 1e9 - choice.start_s
        if choice.seconds is not None and since_s >= choice.seconds:
            return False
        if since_s < 0.0:
            return True
        if stamp_ns != self._now_ns:
            self._now_ns, self._wanted = stamp_ns, self._moments % choice.every == 0
            self._moments += 1
            if self._wanted:
                self._moment(stamp_ns)
        if self._wanted:
            self._frame(frame)
        return True

    def _moment(self, stamp_ns: int) -> None:
        """Truth and poses of a stamp."""
        out_ns, cameras = _stamp(stamp_ns), tuple(out.name for out in self.outs.values())
        truth = self.truth if self.truth is not None and self.truth.stamp_ns == stamp_ns else None
        if self._still:
            self._bag.transforms(
                out_ns, WORLD, {self.outs[camera].frame: pose for camera, pose in self._still.items()}, static=True
            )
        if self._still is not None:
            self._still = {}
        elif truth is not None:
            poses = zip(self.outs.values(), truth.world_from_cam, strict=True)
            known = {out.frame: pose for out, pose in poses if np.isfinite(pose).all()}
            if known:
                self._bag.transforms(out_ns, WORLD, known, static=False)
        if truth is not None:
            seen_by = truth.seen_by and tuple(tuple(self.outs[camera].name for camera in seen) for seen in truth.seen_by)
            renamed = Truth(
                truth.stamp_ns, truth.ids, truth.joints, truth.joint_set, truth.counted, truth.world_from_cam, seen_by
            )
            self._bag.joints_only(TRUTH, out_ns, WORLD, renamed, cameras)

    def _frame(self, frame: Frame) -> None:
        out, out_ns = self.outs[frame.camera], _stamp(frame.stamp_ns)
        moving = self._still is None and (self.truth is None or self.truth.stamp_ns != frame.stamp_ns)
        if moving and frame.world_from_cam is not None:
            self._bag.transforms(out_ns, WORLD, {out.frame: frame.world_from_cam.astype(np.float64)}, static=False)
        image = np.ascontiguousarray(frame.image[..., ::-1])
        known = frame.intrinsics
        out.write(out_ns, image, None if known is None else lambda _size: (known.astype(np.float64), np.zeros(5), "plumb_bob"))


def _in_order(sequence: LabelledSequence) -> Iterator[Frame | Truth]:
    """Truths and frames by their stamps, of equal stamps the truth first; nothing is read ahead."""
    truths = ((truth.stamp_ns, 0, truth) for truth in sequence.truth())
    frames = ((frame.stamp_ns, 1, frame) for frame, _ in sequence.frames())
    merged: Iterator[tuple[int, int, Frame | Truth]] = heapq.merge(truths, frames, key=lambda item: item[:2])
    return (item for _, _, item in merged)


def _look(sequence: LabelledSequence) -> tuple[int, dict[str, Float[np.ndarray, "4 4"]] | None]:
    """How many moments have a truth; and the poses of the cameras, as far as known, None where one of them moves."""
    first: Float[np.ndarray, "V 4 4"] | None = None
    moments, moves = 0, False
    for truth in sequence.truth():
        moments += 1
        poses = truth.world_from_cam
        if first is None:
            first = poses.copy()
        first = np.where(np.isfinite(first), first, poses)
        moves = moves or bool((np.abs(poses - first) > STILL).any())  # NaN is not more
    if moves or first is None:
        return moments, None
    return moments, {camera: pose for camera, pose in zip(sequence.cameras, first, strict=True) if np.isfinite(pose).all()}


def _stamp(stamp_ns: int) -> int:
    return stamp_ns if stamp_ns > _A_CLOCKS else BEGIN_NS + stamp_ns
