"""The free body with a few thousand triangles, posed by NumPy and numba: no torch, no smplx, well below a millisecond a person."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float32, Int32

from chromm_ros.records import BodyParams
from chromm_ros.synthetic.render.mesh import Mesh


class Part(IntEnum):
    """Parts of the body; left is the person's own."""

    HEAD = 0
    NECK = 1
    CHEST = 2
    HIPS = 3
    LEFT_UPPER_ARM = 4
    RIGHT_UPPER_ARM = 5
    LEFT_LOWER_ARM = 6
    RIGHT_LOWER_ARM = 7
    LEFT_HAND = 8
    RIGHT_HAND = 9
    LEFT_THIGH = 10
    RIGHT_THIGH = 11
    LEFT_SHIN = 12
    RIGHT_SHIN = 13
    LEFT_FOOT = 14
    RIGHT_FOOT = 15


class Puppet:
    """A body model that is loaded: N vertices (a subset of the free body's), M faces, 55 joints."""

    faces: Int32[np.ndarray, "M 3"]
    """Counter-clockwise seen from outside."""
    rest: Float32[np.ndarray, "N 3"]
    """Vertices of the mean person in the T pose, metres: x to his left, y up, z forward."""
    part: Int32[np.ndarray, "M"]
    """One of `Part`, by face."""
    front: Bool[np.ndarray, "M"]
    """Whether a face looks forward at rest."""
    vertex_ids: Int32[np.ndarray, "N"]
    """Which vertices of the free body these are."""

    @classmethod
    def load(cls, faces: int = 3000) -> Puppet:
        """The free body with about so many faces, once per process."""
        raise NotImplementedError

    def pose(self, body: BodyParams) -> tuple[Float32[np.ndarray, "P N 3"], Float32[np.ndarray, "P 55 3"]]:
        """Vertices and joints of P people, metres, in the frame of `body` (leading shape (P,))."""
        raise NotImplementedError

    def mesh(self, vertices: Float32[np.ndarray, "N 3"], material: Int32[np.ndarray, "M"], person: int) -> Mesh:
        """One posed person as a mesh to draw; `person` is 1 + his index."""
        return Mesh(vertices, self.faces, material, self.rest, person, smooth=True)
