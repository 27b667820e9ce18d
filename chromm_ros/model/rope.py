"""Where a token stands, told by turning its queries and keys: RoPE in two dimensions, and PRoPE for known camera poses.

Sources: RoPE2D of CroCo as in yyfz/Pi3 (pi3/models/layers/pos_embed.py); PRoPE, "Cameras as Relative Positional Encoding"
(arXiv 2507.10496), in its form without intrinsics (GTA), as in yyfz/Pi3 (pi3/models/layers/prope.py).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

BASE = 100.0
"""Base of the frequencies, for both kinds (upstream `freq=100`)."""

Rope = tuple[Tensor, Tensor]
"""Cosines and sines, each [..., T, 2, d/4], that `rotate` takes."""


def grid_positions(rows: int, columns: int, *, specials: int, device: torch.device | str) -> Int[Tensor, "T 2"]:
    """(row, column) of every token of a frame: the specials stand at (0, 0), patch (r, c) at (r + 1, c + 1).

    Without specials, patches count from (0, 0).
    """
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    patches = torch.stack((row, column), -1).flatten(0, 1)  # (P, 2)
    if not specials:
        return patches
    return torch.cat((patches.new_zeros(specials, 2), patches + 1))


def rope_table(positions: Int[Tensor, "*B T 2"], head_dim: int) -> Rope:
    """Cosines and sines of RoPE2D: the first half of a head turns with the row, the second with the column.

    Upstream rounds the angles to the type of the tokens, which is wrong by up to 0.02 in bfloat16; here they stay float32.
    """
    pairs = head_dim // 4
    frequency = BASE ** (-torch.arange(pairs, device=positions.device, dtype=torch.float32) / pairs)
    angle = positions[..., None].float() * frequency  # (*B, T, 2, d/4)
    return angle.cos(), angle.sin()


def rotate(x: Float[Tensor, "*B T d"], rope: Rope) -> Float[Tensor, "*B T d"]:
    """Turn every head; channel j of a half is paired with channel j + d/4."""
    a, b = x.unflatten(-1, (2, 2, -1)).unbind(-2)  # (*B, T, 2, d/4) each
    cos, sin = rope[0].to(x.dtype), rope[1].to(x.dtype)
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -2).flatten(-3)


class Prope(NamedTuple):
    """What the tokens of N views need to be turned by the poses of their views."""

    cam_from_world: Tensor
    """[B, N, 4, 4]."""
    world_from_cam: Tensor
    """[B, N, 4, 4]."""
    rope: Rope
    """By (column, row) within the view, from 0, turning the other way than RoPE2D."""


def prope_table(world_from_cam: Float[Tensor, "B N 4 4"], rows: int, columns: int, head_dim: int) -> Prope:
    """Prepare PRoPE for views of `rows` x `columns` patches; a head of d has d/8 groups of 4 for the pose, d/4 + d/4 for the place."""
    place = grid_positions(rows, columns, specials=0, device=world_from_cam.device).flip(-1)  # (P, 2): column, row
    cos, sin = rope_table(place, head_dim // 2)  # half of a head: d/4 for the column, d/4 for the row
    cam_from_world = invert_rigid(world_from_cam)
    # Inverted once more, as upstream: of matrices with rounded digits, which are not quite rigid, that is not what went in.
    return Prope(cam_from_world, invert_rigid(cam_from_world), (cos, -sin))


def prope_turn(x: Float[Tensor, "B h NP d"], matrix: Float[Tensor, "B N 4 4"], rope: Rope) -> Float[Tensor, "B h NP d"]:
    """Multiply the groups of 4 by the matrix of the token's view and turn the rest by its place."""
    views = x.unflatten(2, (matrix.shape[1], -1))  # (B, h, N, P, d)
    pose, place = views.chunk(2, -1)
    pose = torch.einsum("bnij,bhnpgj->bhnpgi", matrix.to(x.dtype), pose.unflatten(-1, (-1, 4))).flatten(-2)
    return torch.cat((pose, rotate(place, rope)), -1).flatten(2, 3)


def prope_queries(q: Float[Tensor, "B h NP d"], prope: Prope) -> Float[Tensor, "B h NP d"]:
    """Queries: V^T with V the pose of the world in the camera."""
    return prope_turn(q, prope.cam_from_world.mT, prope.rope)


def prope_keys(k: Float[Tensor, "B h NP d"], prope: Prope) -> Float[Tensor, "B h NP d"]:
    """Keys, and values too: V^-1."""
    return prope_turn(k, prope.world_from_cam, prope.rope)


def prope_back(o: Float[Tensor, "B h NP d"], prope: Prope) -> Float[Tensor, "B h NP d"]:
    """What attention returns: V, and the place turned back."""
    cos, sin = prope.rope
    return prope_turn(o, prope.cam_from_world, (cos, -sin))


def invert_rigid(pose: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """Inverse of rotation and translation; no matrix product, which autocast would round."""
    rotation = pose[..., :3, :3].mT
    translation = -(rotation * pose[..., None, :3, 3]).sum(-1, keepdim=True)
    return torch.cat((torch.cat((rotation, translation), -1), pose[..., 3:, :]), -2)
