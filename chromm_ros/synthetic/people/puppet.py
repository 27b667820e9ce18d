"""The free body with a few thousand triangles, posed by NumPy and numba: no torch, no smplx, a tenth of a millisecond a person."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

import chromm_ros.body
from chromm_ros.body.decimate import coarse_faces
from chromm_ros.body.skeleton import NAMES, PARENTS
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.records import BodyParams
from chromm_ros.synthetic.render.compiled import compiled
from chromm_ros.synthetic.render.mesh import Mesh

FREE_BODY = Path(chromm_ros.body.__file__).parent / "free" / "SMPLX_NEUTRAL.npz"
FACES = 3000
"""Of a puppet: on a picture of 224 x 168 nobody tells it from all 20 934."""
_SHAPE = np.r_[0:10, 300:310]
"""Directions of the betas and the expressions in the file."""
_PARENTS = np.array(PARENTS, np.int64)


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


_PART_OF = {
    "pelvis": Part.HIPS, "spine1": Part.CHEST, "spine2": Part.CHEST, "spine3": Part.CHEST, "neck": Part.NECK, "head": Part.HEAD,
    "jaw": Part.HEAD, "left_eye": Part.HEAD, "right_eye": Part.HEAD, "left_collar": Part.CHEST, "right_collar": Part.CHEST,
    "left_hip": Part.LEFT_THIGH, "left_knee": Part.LEFT_SHIN, "left_ankle": Part.LEFT_FOOT, "left_foot": Part.LEFT_FOOT,
    "left_shoulder": Part.LEFT_UPPER_ARM, "left_elbow": Part.LEFT_LOWER_ARM,
    "right_hip": Part.RIGHT_THIGH, "right_knee": Part.RIGHT_SHIN, "right_ankle": Part.RIGHT_FOOT, "right_foot": Part.RIGHT_FOOT,
    "right_shoulder": Part.RIGHT_UPPER_ARM, "right_elbow": Part.RIGHT_LOWER_ARM,
}  # fmt: skip  # by joint; wrists and fingers are hands


class Puppet:
    """A body model that is loaded: N vertices (some of the free body's), M faces, 55 joints."""

    faces: Int32[np.ndarray, "M 3"]
    """Counter-clockwise seen from outside."""
    rest: Float32[np.ndarray, "N 3"]
    """Vertices of the mean person in the T pose, metres: x to his left, y up, z forward."""
    part: Int32[np.ndarray, "M"]
    """One of `Part`, by face."""
    front: Bool[np.ndarray, "M"]
    """Whether a face looks forward at rest."""
    vertex_ids: Int64[np.ndarray, "N"]
    """Which vertices of the free body these are."""
    rest_joints: Float32[np.ndarray, "55 3"]
    """Joints of the mean person in the T pose, metres."""

    def __init__(self, path: Path, faces: int) -> None:
        """Read a file in the layout of SMPLX_NEUTRAL.npz without pose blend shapes; `load` does it once."""
        with np.load(path) as data:
            template, weights, shape = data["v_template"], data["weights"], data["shapedirs"][..., _SHAPE]
            regressor, all_faces = data["J_regressor"], data["f"].astype(np.int64)
        coarse = coarse_faces(template.astype(np.float64), all_faces, faces)
        self.vertex_ids, faces_of = np.unique(coarse, return_inverse=True)
        self.faces = faces_of.reshape(-1, 3).astype(np.int32)
        self.rest = template[self.vertex_ids]
        self.rest_joints = regressor @ template
        self._shape = np.ascontiguousarray(shape[self.vertex_ids])
        self._joint_shape = np.einsum("jv,vdk->jdk", regressor, shape)
        self._joints, self._weights = _sparse(weights[self.vertex_ids])
        self.part = _parts(weights[self.vertex_ids], self.faces)
        corners = self.rest[self.faces]
        self.front = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0.0

    @classmethod
    def load(cls, faces: int = FACES) -> Puppet:
        """The free body with at most so many faces; read once per process, in about a second."""
        return _load(faces)

    def pose(self, body: BodyParams) -> tuple[Float32[np.ndarray, "P N 3"], Float32[np.ndarray, "P 55 3"]]:
        """Vertices and joints of P people, metres, in the frame of `body` (leading shape (P,)): shape, then linear blend skinning.

        As `SmplxBody.pose`, to which a test holds it (SMPL-X, Pavlakos et al., CVPR 2019, eq. 1-5 without pose blend shapes).
        """
        people = len(body.transl)
        single = (body.global_orient, body.jaw_pose, body.leye_pose, body.reye_pose)
        root, *face = (np.asarray(part, np.float64).reshape(people, 1, 3) for part in single)
        turns = matrix_from_rotvec(
            np.concatenate([root, body.body_pose, *face, body.left_hand_pose, body.right_hand_pose], axis=1)
        )
        shape = np.concatenate([body.betas, body.expression], axis=1).astype(np.float32)
        rest = self.rest_joints + np.einsum("jdk,pk->pjd", self._joint_shape, shape)
        joints, transforms = _chain(turns, rest.astype(np.float64), body.transl.astype(np.float64), _PARENTS)
        vertices = _skin(self.rest, self._shape, shape, self._joints, self._weights, transforms.astype(np.float32))
        return vertices, joints.astype(np.float32)

    def mesh(self, vertices: Float32[np.ndarray, "N 3"], material: Int32[np.ndarray, "M"], person: int) -> Mesh:
        """One posed person as a mesh to draw; `person` is 1 + his index."""
        return Mesh(vertices, self.faces, material, self.rest, person, smooth=True)


@lru_cache(maxsize=4)
def _load(faces: int) -> Puppet:
    return Puppet(FREE_BODY, faces)


def _sparse(weights: Float32[np.ndarray, "N 55"]) -> tuple[Int64[np.ndarray, "N W"], Float32[np.ndarray, "N W"]]:
    """The joints that move each vertex and how much, as many as any vertex has; zeros fill up."""
    most = int((weights > 0.0).sum(axis=1).max())
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    return joints, np.take_along_axis(weights, joints, axis=1)


def _parts(weights: Float32[np.ndarray, "N 55"], faces: Int32[np.ndarray, "M 3"]) -> Int32[np.ndarray, "M"]:
    """The part whose joints move a face most."""
    hands = {"left": Part.LEFT_HAND, "right": Part.RIGHT_HAND}
    of_joint = np.array([_PART_OF.get(name, hands.get(name.partition("_")[0], Part.HEAD)) for name in NAMES])
    by_part = weights @ (of_joint[:, None] == np.arange(len(Part))).astype(np.float32)
    return np.asarray(by_part[faces].sum(axis=1).argmax(axis=1), np.int32)


@compiled
def _chain(
    turns: Float64[np.ndarray, "P 55 3 3"],
    rest: Float64[np.ndarray, "P 55 3"],
    transl: Float64[np.ndarray, "P 3"],
    parents: Int64[np.ndarray, "55"],
) -> tuple[Float64[np.ndarray, "P 55 3"], Float64[np.ndarray, "P 55 3 4"]]:
    """Posed joints, and what moves a point from rest to the pose with each of them."""
    joints = np.empty(rest.shape)
    moves = np.empty((len(rest), len(parents), 3, 4))
    for p in range(len(rest)):
        for j in range(len(parents)):
            parent = parents[j]
            for d in range(3):
                if parent < 0:
                    joints[p, j, d] = rest[p, j, d] + transl[p, d]
                    for e in range(3):
                        moves[p, j, d, e] = turns[p, j, d, e]
                    continue
                joints[p, j, d] = moves[p, parent, d, 3]
                for e in range(3):
                    joints[p, j, d] += moves[p, parent, d, e] * rest[p, j, e]
                    moves[p, j, d, e] = 0.0
                    for k in range(3):
                        moves[p, j, d, e] += moves[p, parent, d, k] * turns[p, j, k, e]
            for d in range(3):
                moves[p, j, d, 3] = joints[p, j, d]
                for e in range(3):
                    moves[p, j, d, 3] -= moves[p, j, d, e] * rest[p, j, e]
    return joints, moves


@compiled
def _skin(
    template: Float32[np.ndarray, "N 3"],
    directions: Float32[np.ndarray, "N 3 K"],
    shape: Float32[np.ndarray, "P K"],
    joints: Int64[np.ndarray, "N W"],
    weights: Float32[np.ndarray, "N W"],
    moves: Float32[np.ndarray, "P 55 3 4"],
) -> Float32[np.ndarray, "P N 3"]:
    """Vertices of P people."""
    vertices = np.zeros((len(shape), len(template), 3), np.float32)
    at = np.empty(3, np.float32)
    for p in range(len(shape)):
        for n in range(len(template)):
            for d in range(3):
                at[d] = template[n, d]
                for k in range(shape.shape[1]):
                    at[d] += directions[n, d, k] * shape[p, k]
            for w in range(joints.shape[1]):
                weight = weights[n, w]
                if weight == 0.0:
                    break
                move = moves[p, joints[n, w]]
                for d in range(3):
                    vertices[p, n, d] += weight * (move[d, 0] * at[0] + move[d, 1] * at[1] + move[d, 2] * at[2] + move[d, 3])
    return vertices
