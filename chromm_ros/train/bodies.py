"""Bodies of the network posed with gradients: joints and some triangles of the skin; never in bfloat16, whose steps are centimetres."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from chromm_ros.body.skeleton import HEAD
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.model.scene_heads import without_autocast

EVERY = 96
"""One triangle in so many is compared: 218 of the free body's, spread over it."""


_folder = ""


def use_body(folder: str) -> None:
    """Pose the licensed body of a folder from now on, or the free one (empty): that which the data of this process are of.

    Raises:
        FileError: if there is no such body.
    """
    global _folder
    _folder = str(Path(folder).expanduser()) if folder else ""
    skin.cache_clear()
    body.cache_clear()
    body(torch.device("cpu"))


@lru_cache(maxsize=4)
def body(device: torch.device) -> SmplxBody:
    """The body on a device; loading multiplies, too, and what autocast makes of that would stay."""
    with without_autocast(device):
        return SmplxBody.load(_folder).to(device)


@lru_cache(maxsize=4)
def skin(device: torch.device) -> tuple[SmplxBody, Int[Tensor, "W 3"]]:
    """The body with the corners of the compared triangles alone, and these triangles."""
    whole = body(torch.device("cpu"))
    chosen, faces = np.unique(whole.faces[::EVERY], return_inverse=True)
    return whole.with_vertices(chosen).to(device), torch.from_numpy(faces.reshape(-1, 3)).to(device)


def all_joints(rotations: Float[Tensor, "P 53 3 3"]) -> Float[Tensor, "P 55 3 3"]:
    """The network's rotations in SMPL-X's order, eyes at rest."""
    eyes = torch.eye(3, device=rotations.device).expand(len(rotations), 2, 3, 3)
    return torch.cat((rotations[:, :22], rotations[:, 52:], eyes, rotations[:, 22:52]), 1)


def joints_from_head(rotations: Float[Tensor, "P 53 3 3"], betas: Float[Tensor, "P 10"]) -> Float[Tensor, "P 55 3"]:
    """Joints in the camera's axes with joint 15 as origin, metres."""
    posed, zero = body(rotations.device), betas.new_zeros(len(betas), 10)
    with without_autocast(rotations.device):
        joints = posed.pose_joints(all_joints(rotations.float()), betas.float(), zero.float(), zero[:, :3].float())
    return joints - joints[:, HEAD : HEAD + 1]


def body_from_head(
    rotations: Float[Tensor, "P 53 3 3"], betas: Float[Tensor, "P 10"]
) -> tuple[Float[Tensor, "P 55 3"], Float[Tensor, "P W 3 3"]]:
    """Joints, and the corners of some triangles spread over the body, in the same way."""
    (posed, faces), zero = skin(rotations.device), betas.new_zeros(len(betas), 10)
    with without_autocast(rotations.device):
        joints, vertices = posed.pose(all_joints(rotations.float()), betas.float(), zero.float(), zero[:, :3].float())
    return joints - joints[:, HEAD : HEAD + 1], vertices[:, faces] - joints[:, HEAD : HEAD + 1, None]


def facing(corners: Float[Tensor, "P W 3 3"]) -> Bool[Tensor, "P W"]:
    """Whether triangles in the camera's frame, counter-clockwise seen from outside, show it their outside."""
    normal = torch.linalg.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    away: Tensor = (normal * corners.mean(-2)).sum(-1)
    return away < 0.0
