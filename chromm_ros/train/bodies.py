"""Bodies of the network posed with gradients: joints and some vertices."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from chromm_ros.body.skeleton import HEAD
from chromm_ros.body.smplx_body import SmplxBody

EVERY = 48
"""One vertex in so many is compared: 218 of the free body's, spread over it."""


@lru_cache(maxsize=4)
def free_body(device: torch.device) -> SmplxBody:
    """The free body on a device."""
    return SmplxBody.load("").to(device)


@lru_cache(maxsize=1)
def sample() -> Int[np.ndarray, "W"]:
    """The vertices that are compared."""
    return np.arange(0, len(free_body(torch.device("cpu")).template), EVERY)


def all_joints(rotations: Float[Tensor, "P 53 3 3"]) -> Float[Tensor, "P 55 3 3"]:
    """The network's rotations in SMPL-X's order, eyes at rest."""
    eyes = torch.eye(3, device=rotations.device).expand(len(rotations), 2, 3, 3)
    return torch.cat((rotations[:, :22], rotations[:, 52:], eyes, rotations[:, 22:52]), 1)


def joints_from_head(rotations: Float[Tensor, "P 53 3 3"], betas: Float[Tensor, "P 10"]) -> Float[Tensor, "P 55 3"]:
    """Joints in the camera's axes with joint 15 as origin, metres."""
    body, zero = free_body(rotations.device), betas.new_zeros(len(betas), 10)
    joints = body.pose_joints(all_joints(rotations.float()), betas.float(), zero, zero[:, :3])
    return joints - joints[:, HEAD : HEAD + 1]


def body_from_head(
    rotations: Float[Tensor, "P 53 3 3"], betas: Float[Tensor, "P 10"]
) -> tuple[Float[Tensor, "P 55 3"], Float[Tensor, "P W 3"]]:
    """Joints and the sampled vertices in the same way."""
    body, zero = free_body(rotations.device), betas.new_zeros(len(betas), 10)
    joints, vertices = body.pose(all_joints(rotations.float()), betas.float(), zero, zero[:, :3])
    return joints - joints[:, HEAD : HEAD + 1], vertices[:, torch.from_numpy(sample())] - joints[:, HEAD : HEAD + 1]
