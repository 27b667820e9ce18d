"""Closed sets: the moments of a labelled sequence, run as one window in an epoch of their own, and what the chain says of each.

Nothing is carried from one set to the next. One set is held at a time, so memory is bounded by it, not by the sequence.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chromm_ros.data.truth import LabelledSequence, Truth
from chromm_ros.evaluate.moment import has_joints, seen_in
from chromm_ros.evaluate.protocols.joints import Ours
from chromm_ros.evaluate.told import Told
from chromm_ros.records import Frame, FrameSet, Reconstruction, Window

SETTINGS = {"tracking": {"max_gap_s": 600.0, "min_hits": 1}}
"""Of the chain in closed sets: at the end of a window a stream has forgotten who left it early, here everybody counts."""


@runtime_checkable
class Chain(Protocol):
    """What is asked of a `pipeline.Pipeline`."""

    def __call__(self, window: Window, /) -> Reconstruction:
        """One window made whole; a new epoch begins with nothing."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is true of one moment, without its images."""

    truth: Truth
    """All of it."""
    wanted: Bool[np.ndarray, "P"]
    """Who has to be found: whom the protocol counts, some camera sees, and the truth knows a joint of."""
    intrinsics: Float64[np.ndarray, "V 3 3"]
    """The true ones, NaN where the sequence does not tell."""
    unknown: int
    """People who would have to be found if the truth knew a joint of them."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """One moment."""

    frames: tuple[Frame | None, ...]
    """By camera."""
    known: Known
    """What is true of them."""


@dataclass(frozen=True, eq=False)
class Said:
    """What the chain says of one moment."""

    ids: Int64[np.ndarray, "A"]
    """Tracks of those whom a camera sees at this moment."""
    joints: Float64[np.ndarray, "A J 3"]
    """In the set's world, metres."""
    cameras: Float64[np.ndarray, "V 4 4"]
    """world_from_cam, NaN where a frame is missing."""
    intrinsics: Float64[np.ndarray, "V 3 3"]
    """The same."""


def moments(sequence: LabelledSequence) -> Iterator[Labelled]:
    """Those that have images and a truth, in order. Images of one moment must have one stamp, as those of data sets do."""
    truths = iter(sequence.truth())
    truth = next(truths, None)
    for stamp, together in groupby((frame for frame, _ in sequence.frames()), key=lambda frame: frame.stamp_ns):
        while truth is not None and truth.stamp_ns < stamp:
            truth = next(truths, None)
        if truth is None:
            return
        if truth.stamp_ns == stamp:
            by_name = {frame.camera: frame for frame in together}
            yield _labelled(tuple(by_name.get(name) for name in sequence.cameras), truth)


def _labelled(frames: tuple[Frame | None, ...], truth: Truth) -> Labelled:
    counts = truth.counted & seen_in(truth, [frame.camera for frame in frames if frame is not None])
    known = has_joints(truth)
    told = [None if frame is None else frame.intrinsics for frame in frames]
    intrinsics = np.stack([np.full((3, 3), np.nan) if matrix is None else matrix for matrix in told]).astype(np.float64)
    return Labelled(frames, Known(truth, counts & known, intrinsics, int((counts & ~known).sum())))


class Runner:
    """The chain on closed sets.

    Args:
        chain: windows to reconstructions.
        told: what it is told of the cameras.
        ours: what is taken from the bodies that it finds.
    """

    def __init__(self, chain: Chain, told: Told, ours: Ours) -> None:
        self._chain, self._told, self.ours = chain, told, ours
        self.spent_ms: list[float] = []
        """Of each set, the images in memory."""

    def __call__(self, labelled: Sequence[Labelled], cameras: tuple[str, ...]) -> list[Said]:
        """What the chain says of each of these moments, seen together.

        Args:
            labelled: of one sequence.
            cameras: of the sequence.
        """
        epoch, sets = len(self.spent_ms), []
        for k, moment in enumerate(labelled):
            frames = tuple(frame and _telling(frame, self._told) for frame in moment.frames)
            sets.append(FrameSet(epoch, k, moment.known.truth.stamp_ns, 0, frames))
        begun = time.perf_counter()
        result = self._chain(Window(epoch, 0, cameras, tuple(sets)))
        self.spent_ms.append(1e3 * (time.perf_counter() - begun))
        joints = [self.ours.joints(person) for person in result.people]
        intrinsics = np.full((len(cameras), 3, 3), np.nan)
        for camera in result.cameras:
            intrinsics[cameras.index(camera.name)] = camera.intrinsics
        return [_said(result, joints, intrinsics, t) for t in range(len(labelled))]


def _telling(frame: Frame, told: Told) -> Frame:
    return replace(
        frame,
        intrinsics=frame.intrinsics if told.intrinsics else None,
        world_from_cam=frame.world_from_cam if told.poses else None,
        depth=None,
    )


def _said(result: Reconstruction, joints: list[np.ndarray], intrinsics: Float64[np.ndarray, "V 3 3"], t: int) -> Said:
    seen = [k for k, person in enumerate(result.people) if person.visible[t]]
    ids = np.array([result.people[k].track_id for k in seen], np.int64)
    there = np.stack([joints[k][t] for k in seen]) if seen else np.zeros((0, 55, 3))
    return Said(ids, there, np.asarray(result.world_from_cam[t], np.float64), intrinsics)
