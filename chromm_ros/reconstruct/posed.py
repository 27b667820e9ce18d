"""Bodies posed in the node's world, as arrays that can be picked and joined."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float, Int

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.body.skeleton import HEAD
from chromm_ros.reconstruct.fuse import Bodies
from chromm_ros.reconstruct.kinematics import Skeleton, posed_joints
from chromm_ros.records import BodyParams

HALF_M = 0.2
"""Spread of a joint over the cameras at which it is trusted half."""


@dataclass(frozen=True)
class Posed:
    """Bodies with one leading axis N (or two, once picked by a table)."""

    params: BodyParams
    """In the node's world."""
    joints: Float[np.ndarray, "*N 55 3"]
    """In the node's world, metres."""
    joint_scores: Float[np.ndarray, "*N 55"]
    """Best detection score among the cameras in whose image a joint lies, divided by 1 + (spread / `HALF_M`)^2, where the spread is how
    far the cameras put the joint apart, seen from the head. One camera alone has no spread."""
    score: Float[np.ndarray, "*N"]
    """Best detection score."""
    deviation_m: Float[np.ndarray, "*N"]
    """Standard deviation of the body's place, over all directions together."""
    stamp_ns: Int[np.ndarray, "*N"]
    """Frame-set in which it was seen."""

    def __getitem__(self, index: Int[np.ndarray, "..."] | int) -> Posed:
        """The bodies named by a table of indices, in the table's shape; or one row of such a table, as a view."""
        picked = {name: getattr(self.params, name)[index] for name in _PARAMS}
        return Posed(BodyParams(**picked), **{name: getattr(self, name)[index] for name in _ARRAYS})

    def rows(self) -> list[Posed]:
        """One after the other along the first axis."""
        return [self[k] for k in range(len(self))]

    def __len__(self) -> int:
        return len(self.score)


_PARAMS = tuple(f.name for f in fields(BodyParams))
_ARRAYS = tuple(f.name for f in fields(Posed) if f.name != "params")


def pose(bodies: Bodies, skeleton: Skeleton, stamps_ns: tuple[int, ...]) -> Posed:
    """Fused bodies with their joints; the translation puts each head (joint 15) where fusion found it."""
    params = params_from_rotations(bodies.rotations, bodies.betas, bodies.expression)
    joints = posed_joints(skeleton, bodies.rotations, bodies.betas, bodies.expression)
    shift = bodies.head - joints[:, HEAD]
    params = replace(params, transl=(params.transl + shift).astype(np.float32))
    moved = (joints + shift[:, None]).astype(np.float32)
    stamps = np.array(stamps_ns, dtype=np.int64)[bodies.step]
    spread = np.nan_to_num(bodies.joint_spread, nan=0.0)
    scores = (bodies.in_view / (1.0 + (spread / HALF_M) ** 2)).astype(np.float32)
    deviation = np.sqrt(np.trace(bodies.head_covariance, axis1=1, axis2=2))
    return Posed(params, moved, scores, bodies.score, deviation, stamps)


def joined(first: Posed, second: Posed) -> Posed:
    """Both, one after the other."""
    params = {name: np.concatenate([getattr(first.params, name), getattr(second.params, name)]) for name in _PARAMS}
    arrays = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _ARRAYS}
    return Posed(BodyParams(**params), **arrays)
