"""Posed joints straight from rotation matrices, for hundreds of bodies at once.

`SmplxBody.joints` takes axis-angle vectors; the network says matrices, and to turn them there and back costs more than all the rest
of a window. This is the same forward kinematics (SMPL, Loper et al. 2015, eq. 3 and 4) without that way round, in float32 (a micrometre).
"""

from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chromm_ros.body.skeleton import JOINTS, PARENTS


def _depths() -> np.ndarray:
    """Generations between each joint and the root."""
    depth = np.zeros(JOINTS, dtype=np.int64)
    for joint in range(1, JOINTS):
        depth[joint] = depth[PARENTS[joint]] + 1
    return depth


_DEPTH, _LEAF = _depths(), np.bincount(np.maximum(PARENTS, 0), minlength=JOINTS) == 0
_ORDER = np.lexsort((_LEAF, _DEPTH))
"""Joints by generation, so that each generation is one slice, in it first those that turn others."""
_RANK = np.argsort(_ORDER)
"""Place of every joint in that order."""
_ABOVE = np.array([_RANK[max(PARENTS[joint], 0)] for joint in _ORDER])
"""Place of every place's parent."""
_PLACE = _RANK[[*range(22), *range(25, 55), 22]]
"""Place of each of the network's 53 rotations; the eyes have none and turn nothing."""


def _generations() -> list[tuple[slice, slice]]:
    """Places of the root's children, their children, and so on; and of those among them that turn others."""
    firsts = np.searchsorted(_DEPTH[_ORDER], np.arange(1, _DEPTH.max() + 2)).tolist()
    return [(slice(a, b), slice(a, a + int((~_LEAF[_ORDER[a:b]]).sum()))) for a, b in pairwise(firsts)]


_GENERATIONS = _generations()


@runtime_checkable
class Skeleton(Protocol):
    """What is asked of a body here. `body.smplx_body.SmplxBody` has it; naming that class would load torch with every setting."""

    def rest_joints(
        self, betas: Float[np.ndarray, "*B 10"], expression: Float[np.ndarray, "*B 10"] | None = None
    ) -> Float[np.ndarray, "*B 55 3"]:
        """Joints at rest, metres."""
        ...


def posed_joints(
    skeleton: Skeleton,
    rotations: Float[np.ndarray, "P 53 3 3"],
    betas: Float[np.ndarray, "P 10"],
    expression: Float[np.ndarray, "P 10"],
) -> Float[np.ndarray, "P 55 3"]:
    """The joints that `SmplxBody.joints` gives for the same bodies without translation, metres, as float64."""
    rest = skeleton.rest_joints(betas, expression).reshape(len(betas), JOINTS * 3).T.reshape(JOINTS, 3, len(betas))
    posed = rest.take(_ORDER, axis=0)
    turn = np.empty((JOINTS, 3, 3, len(betas)), np.float32)  # joints 3 3 P: all arithmetic runs along P
    turn[_PLACE] = rotations.reshape(len(betas), 53 * 9).astype(np.float32).T.reshape(53, 3, 3, len(betas))
    bones = posed - posed[_ABOVE]
    for joints, turners in _GENERATIONS:
        above, bone = turn[_ABOVE[joints]], bones[joints, None]
        posed[joints] = posed[_ABOVE[joints]]
        for k in range(3):
            posed[joints] += above[:, :, k] * bone[:, :, k]
        above, own = above[: turners.stop - turners.start], turn[turners]
        turned = above[:, :, 0, None] * own[:, 0, None]
        turned += above[:, :, 1, None] * own[:, 1, None]
        turned += above[:, :, 2, None] * own[:, 2, None]
        turn[turners] = turned
    return np.moveaxis(posed[_RANK], -1, 0).astype(np.float64, order="C")
