"""Whole bodies where a network sees them: from its 53 rotations and a point in a camera to vertices and all 127 joints.

Source: naver/multi-hmr, blocks/smpl_layer.py (facts only; its code is non-commercial). With gradients, for everybody at once.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from chromm_ros.body.skeleton import HEAD
from chromm_ros.body.smplx_body import SmplxBody

LEFT_HAND, RIGHT_HAND, JAW = slice(22, 37), slice(37, 52), slice(52, 53)
"""Where Multi-HMR's order of rotations differs from SMPL-X's, in which jaw and eyes come before the hands."""


@dataclass(frozen=True)
class PosedBodies:
    """P bodies in the frame of the points at which they were placed, metres."""

    vertices: Float[Tensor, "P V 3"]
    """The mesh; its triangles are the body's `faces`."""
    joints: Float[Tensor, "P 127 3"]
    """55 joints by `skeleton.NAMES`, then 72 points on the skin by `skeleton.LANDMARKS`."""


def place_bodies(
    body: SmplxBody,
    rotations: Float[Tensor, "P 53 3 3"],
    betas: Float[Tensor, "P b"],
    expression: Float[Tensor, "P 10"],
    points: Float[Tensor, "P 3"],
    joint: int = HEAD,
) -> PosedBodies:
    """Bodies with one joint at a given point.

    Args:
        body: on the device of the tensors.
        rotations: Multi-HMR's order: 0 global, 1..21 body, 22..36 left hand, 37..51 right hand, 52 jaw.
        betas: shape, 10 or 11.
        expression: expression.
        points: where the joint lies, metres.
        joint: which joint; 15, the head, is what Multi-HMR and CHROMM place.

    Raises:
        InputError: if there are more betas than the body model has.
    """
    joints, vertices = body.pose(in_smplx_order(rotations), betas, expression, torch.zeros_like(points))
    shift = (points - joints[:, joint])[:, None]
    return PosedBodies(vertices + shift, torch.cat((joints, body.landmarks(vertices)), 1) + shift)


def in_smplx_order(rotations: Float[Tensor, "P 53 3 3"]) -> Float[Tensor, "P 55 3 3"]:
    """A rotation for each of the 55 joints; the eyes, which the network lacks, look ahead."""
    eyes = torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand(len(rotations), 2, 3, 3)
    return torch.cat((rotations[:, :22], rotations[:, JAW], eyes, rotations[:, LEFT_HAND], rotations[:, RIGHT_HAND]), 1)
