"""A rigid motion as rotation and translation [m], with the three operations that a tree of frames needs."""

from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import Transform
from scipy.spatial.transform import Rotation, Slerp


class Rigid(NamedTuple):
    """`parent_from_child`: turn, then shift."""

    rotation: Rotation
    translation: np.ndarray

    @classmethod
    def identity(cls) -> "Rigid":
        """The motion that does nothing."""
        return cls(Rotation.identity(), np.zeros(3))

    @classmethod
    def from_msg(cls, msg: Transform) -> "Rigid":
        """From a message whose quaternion has been checked to be of length one."""
        shift, turn = msg.translation, msg.rotation
        return cls(Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]), np.array([shift.x, shift.y, shift.z]))

    def to_msg(self) -> Transform:
        """As a message; the quaternion has length one."""
        msg = Transform()
        msg.translation.x, msg.translation.y, msg.translation.z = map(float, self.translation)
        msg.rotation.x, msg.rotation.y, msg.rotation.z, msg.rotation.w = map(float, self.rotation.as_quat())
        return msg

    def __matmul__(self, other: "Rigid") -> "Rigid":
        """`a_from_b @ b_from_c = a_from_c`."""
        return Rigid(self.rotation * other.rotation, self.rotation.apply(other.translation) + self.translation)

    def inverse(self) -> "Rigid":
        """`child_from_parent`."""
        back = self.rotation.inv()
        return Rigid(back, -back.apply(self.translation))

    def interpolate(self, other: "Rigid", ratio: float) -> "Rigid":
        """Between `self` (ratio 0) and `other` (1): straight in translation, along the shorter arc in rotation."""
        rotation = Slerp([0.0, 1.0], Rotation.concatenate([self.rotation, other.rotation]))(ratio)
        return Rigid(rotation, (1.0 - ratio) * self.translation + ratio * other.translation)
