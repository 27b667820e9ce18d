"""From what the network says of a body to SMPL-X parameters, and bodies moved as a whole."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chromm_ros.body.skeleton import HEAD
from chromm_ros.geometry.rotation import matrix_from_rotvec, rotvec_from_matrix
from chromm_ros.records import BodyParams


@runtime_checkable
class Jointed(Protocol):
    """What is asked of `smplx_body.SmplxBody` here."""

    def joints(self, params: BodyParams) -> Float[np.ndarray, "*B 55 3"]:
        """Posed joints, metres."""

    def rest_joints(
        self, betas: Float[np.ndarray, "*B 10"], expression: Float[np.ndarray, "*B 10"] | None = None
    ) -> Float[np.ndarray, "*B 55 3"]:
        """Joints at rest, metres."""


def params_from_rotations(
    rotations: Float[np.ndarray, "*B 53 3 3"], betas: Float[np.ndarray, "*B 10"], expression: Float[np.ndarray, "*B 10"]
) -> BodyParams:
    """Parameters with `transl` zero from the network's rotations, which lack the eyes.

    Args:
        rotations: in Multi-HMR's order: 0 global, 1..21 body, 22..36 left hand, 37..51 right hand, 52 jaw.
        betas: shape.
        expression: expression.
    """
    pose = rotvec_from_matrix(rotations).astype(np.float32)
    zero = np.zeros((*rotations.shape[:-3], 3), np.float32)
    return BodyParams(
        global_orient=pose[..., 0, :],
        body_pose=pose[..., 1:22, :],
        left_hand_pose=pose[..., 22:37, :],
        right_hand_pose=pose[..., 37:52, :],
        jaw_pose=pose[..., 52, :],
        leye_pose=zero,
        reye_pose=zero,
        betas=betas.astype(np.float32),
        expression=expression.astype(np.float32),
        transl=zero,
    )


def place_head(body: Jointed, params: BodyParams, head: Float[np.ndarray, "*B 3"]) -> BodyParams:
    """The same bodies, moved so that joint 15 lies at `head` (metres)."""
    now = body.joints(params)[..., HEAD, :]
    return replace(params, transl=(params.transl + head - now).astype(np.float32))


def rigid(body: Jointed, params: BodyParams, a_from_b: Float[np.ndarray, "*#B 4 4"]) -> BodyParams:
    """Bodies given in frame b, in frame a: every joint and vertex moves rigidly.

    SMPL-X turns about the pelvis at rest, J0(betas), which therefore goes into `transl`: t' = R (t + J0) + T - J0.
    """
    turn, shift = a_from_b[..., :3, :3], a_from_b[..., :3, 3]
    root = body.rest_joints(params.betas, params.expression)[..., 0, :]
    old = matrix_from_rotvec(params.global_orient)
    new = rotvec_from_matrix(turn @ old)
    moved = (turn @ (params.transl + root)[..., None])[..., 0] + shift - root
    return replace(params, global_orient=new.astype(np.float32), transl=moved.astype(np.float32))
