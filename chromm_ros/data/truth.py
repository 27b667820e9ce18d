"""What is known to be true at one moment of a sequence, wherever it was read from: a recording, a dataset, a take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chromm_ros.data.sequence import Sequence

JOINT_SETS = {"smplx": 55, "smpl": 24, "coco": 17}
"""Joints that truths come with, and how many: the first 22 of SMPL-X and SMPL are the same joints, COCO's are points of the surface."""


@dataclass(frozen=True)
class Truth:
    """People and cameras at one stamp, in one world."""

    stamp_ns: int
    """Stamp of the images that it belongs to, nanoseconds."""
    ids: Int64[np.ndarray, "P"]
    """The same person has the same one in the whole sequence."""
    joints: Float64[np.ndarray, "P J 3"]
    """In the world, metres; NaN where a joint was not labelled."""
    joint_set: str
    """Which joints these are, a key of `JOINT_SETS`."""
    counted: Bool[np.ndarray, "P"]
    """Whether the protocol counts this person here (EMDB's good frames); the others need not be found."""
    world_from_cam: Float64[np.ndarray, "V 4 4"]
    """Of the sequence's cameras in their order, OpenCV optical frames; NaN where not known."""
    seen_by: tuple[tuple[str, ...], ...] | None = None
    """Cameras in which each person can be found; None: not told, then everybody in all."""

    def __post_init__(self) -> None:
        people, joints, _ = self.joints.shape
        assert JOINT_SETS[self.joint_set] == joints, (self.joint_set, joints)
        assert self.seen_by is None or len(self.seen_by) == people


@runtime_checkable
class LabelledSequence(Sequence, Protocol):
    """A sequence whose truth is known, at some stamps or at all."""

    def truth(self) -> Iterator[Truth]:
        """In the order of their stamps."""
