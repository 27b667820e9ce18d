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


@dataclass(frozen=True)
class Posed:
    """Bodies with one leading axis N (or two, once picked by a table)."""

    params: BodyParams
    """In the node's world."""
    joints: Float[np.ndarray, "*N 55 3"]
    """In the node's world, metres."""
    in_view: Float[np.ndarray, "*N 55"]
    """Best detection score among the cameras in whose image a joint lies."""
    score: Float[np.ndarray, "*N"]
    """Best detection score."""
    stamp_ns: Int[np.ndarray, "*N"]
    """Frame-set in which it was seen."""

    def __getitem__(self, index: Int[np.ndarray, "..."]) -> Posed:
        """The bodies named by a table of indices, in the table's shape."""
        picked = {f.name: getattr(self.params, f.name)[index] for f in fields(BodyParams)}
        return Posed(BodyParams(**picked), self.joints[index], self.in_view[index], self.score[index], self.stamp_ns[index])

    def __len__(self) -> int:
        return len(self.score)


def pose(bodies: Bodies, skeleton: Skeleton, stamps_ns: tuple[int, ...]) -> Posed:
    """Fused bodies with their joints; the translation puts each head (joint 15) where fusion found it."""
    params = params_from_rotations(bodies.rotations, bodies.betas, bodies.expression)
    joints = posed_joints(skeleton, bodies.rotations, bodies.betas, bodies.expression)
    shift = bodies.head - joints[:, HEAD]
    params = replace(params, transl=(params.transl + shift).astype(np.float32))
    moved = (joints + shift[:, None]).astype(np.float32)
    stamps = np.array(stamps_ns, dtype=np.int64)[bodies.step]
    return Posed(params, moved, bodies.in_view.astype(np.float32), bodies.score, stamps)


def joined(first: Posed, second: Posed) -> Posed:
    """Both, one after the other."""
    params = {f.name: np.concatenate([getattr(first.params, f.name), getattr(second.params, f.name)]) for f in fields(BodyParams)}
    arrays = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("joints", "in_view", "score", "stamp_ns")
    }
    return Posed(BodyParams(**params), **arrays)
