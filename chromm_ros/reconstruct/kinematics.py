"""Posed joints straight from rotation matrices, for hundreds of bodies at once.

`SmplxBody.joints` takes axis-angle vectors; the network says matrices, and to turn them there and back costs more than all the rest
of a window. This is the same forward kinematics (SMPL, Loper et al. 2015, eq. 3 and 4) without that way round, in float32 (a micrometre).
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chromm_ros.body.skeleton import JOINTS, PARENTS

_PLACE = np.array([*range(22), *range(25, 55), 22])
"""SMPL-X's joint for each of the network's 53 rotations; the eyes (23, 24) have none."""


def _generations() -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints with their parents, generation by generation from the root's children on."""
    parents = np.array(PARENTS)
    depth = np.zeros(JOINTS, dtype=np.int64)
    for joint in range(1, JOINTS):
        depth[joint] = depth[parents[joint]] + 1
    members = [np.flatnonzero(depth == d) for d in range(1, depth.max() + 1)]
    return [(joints, parents[joints]) for joints in members]


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
    rest = np.moveaxis(skeleton.rest_joints(betas, expression), 0, -1)  # joints 3 P: all arithmetic runs along P
    turn = np.zeros((JOINTS, 3, 3, len(betas)), np.float32)
    turn[:, [0, 1, 2], [0, 1, 2]] = 1.0
    turn[_PLACE] = np.moveaxis(rotations, 0, -1)
    posed = np.array(rest, order="C")
    for joints, parents in _GENERATIONS:
        above = turn[parents]
        posed[joints] = posed[parents] + (above * (rest[joints] - rest[parents])[:, None]).sum(axis=2)
        own = turn[joints]
        turn[joints] = sum(above[:, :, k, None] * own[:, k, None] for k in range(3))
    return np.ascontiguousarray(np.moveaxis(posed, -1, 0)).astype(np.float64)
