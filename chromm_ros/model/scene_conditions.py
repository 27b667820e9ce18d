"""What is known beside the images, brought into the form that Pi3X takes: rays, normalised depths, relative poses.

Source: yyfz/Pi3, pi3/models/pi3x.py (`forward`, the part before the decoder) and pi3/utils/geometry.py. All in float32.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from chromm_ros.model.rope import invert_rigid

STATIC = 2e-2
"""Cameras whose largest distance to the first is less (in scene units) are taken as one place: nothing to normalise by."""


@dataclass(frozen=True)
class Conditions:
    """What is known of B scenes of N views; None where nothing is, a mask says for which views. A missing mask means all views."""

    rays: Float[Tensor, "B N H W 3"] | None = None
    """Directions through the pixels, any length. Takes precedence over `intrinsics`."""
    intrinsics: Float[Tensor, "B N 3 3"] | None = None
    """Pinhole matrices in pixels of the input images."""
    poses: Float[Tensor, "B N 4 4"] | None = None
    """world_from_cam, in any common world. Views without one still need a valid matrix."""
    depths: Float[Tensor, "B N H W"] | None = None
    """Metres along z, not positive where unknown."""
    ray_mask: Bool[Tensor, "B N"] | None = None
    """For which views `rays` or `intrinsics` count."""
    pose_mask: Bool[Tensor, "B N"] | None = None
    """For which views `poses` count. A single one in a scene tells nothing and is dropped."""
    depth_mask: Bool[Tensor, "B N"] | None = None
    """For which views `depths` count."""


@dataclass(frozen=True)
class Prepared:
    """Conditions as the network takes them; a mask without any True goes with None."""

    rays: Float[Tensor, "B N 2 H W"] | None
    """x/z and y/z of every pixel's ray."""
    depths: Float[Tensor, "B N 2 H W"] | None
    """Normalised depth and its validity."""
    poses: Float[Tensor, "B N 4 4"] | None
    """cam0_from_cam, translations normalised."""
    ray_mask: Bool[Tensor, "B N"]
    """Views with rays."""
    depth_mask: Bool[Tensor, "B N"]
    """Views with depths."""
    pose_mask: Bool[Tensor, "B N"]
    """Views with poses."""
    scale: Float[Tensor, "B"]
    """Metres per normalised unit."""


def prepare_conditions(known: Conditions, scenes: int, views: int, height: int, width: int, device: torch.device) -> Prepared:
    """Rays to the plane z = 1, depths by their mean, poses relative to the first view and by their mean distance.

    The order matters and is upstream's: depths are divided by their mean over all views (masked ones too), translations by the same
    mean; scenes without depth are then divided, both, by the mean distance of the other views to the first.
    """
    off = torch.zeros(scenes, views, dtype=torch.bool, device=device)
    ray_mask = _mask(known.ray_mask, off, given=known.rays is not None or known.intrinsics is not None)
    depth_mask = _mask(known.depth_mask, off, given=known.depths is not None)
    pose_mask = _mask(known.pose_mask, off, given=known.poses is not None)
    pose_mask = pose_mask & (pose_mask.sum(1, keepdim=True) != 1)

    rays = _rays(known, height, width)
    scale = torch.ones(scenes, device=device)
    depths = poses = None
    if known.depths is not None:
        depths, scale = normalise_depths(known.depths.float())
    if known.poses is not None:
        poses = relative_poses(known.poses.float(), scale)
        if views > 1:
            spread = _spread(poses, depth_mask)
            poses = _divide_translations(poses, spread)
            depths = None if depths is None else depths / spread[:, None, None, None]
            scale = scale * spread
    pair = None if depths is None else torch.stack((depths, (depths > 0).float()), 2)
    return Prepared(
        rays=rays if bool(ray_mask.any()) else None,
        depths=pair if bool(depth_mask.any()) else None,
        poses=poses if bool(pose_mask.any()) else None,
        ray_mask=ray_mask,
        depth_mask=depth_mask,
        pose_mask=pose_mask,
        scale=scale,
    )


def ray_map(intrinsics: Float[Tensor, "*B 3 3"], height: int, width: int) -> Float[Tensor, "*B H W 2"]:
    """First two coordinates of K^-1 (column + 0.5, row + 0.5, 1) for every pixel."""
    v, u = torch.meshgrid(
        torch.arange(height, device=intrinsics.device) + 0.5, torch.arange(width, device=intrinsics.device) + 0.5, indexing="ij"
    )
    pixels = torch.stack((u, v, torch.ones_like(u)), -1)  # (H, W, 3)
    return torch.einsum("...ij,hwj->...hwi", torch.linalg.inv(intrinsics)[..., :2, :], pixels)


def normalise_depths(depths: Float[Tensor, "B N H W"]) -> tuple[Float[Tensor, "B N H W"], Float[Tensor, "B"]]:
    """Depths over the mean of the positive ones of each scene, and that mean (1 where there are none)."""
    valid = depths > 0
    count = valid.sum((1, 2, 3))
    mean = (depths * valid).sum((1, 2, 3)) / count.clamp(min=1)
    mean = torch.where(count > 0, mean, torch.ones_like(mean))
    return depths / (mean + 1e-8)[:, None, None, None], mean


def relative_poses(world_from_cam: Float[Tensor, "B N 4 4"], scale: Float[Tensor, "B"]) -> Float[Tensor, "B N 4 4"]:
    """cam0_from_cam with translations over `scale`."""
    return _divide_translations(invert_rigid(world_from_cam[:, :1]) @ world_from_cam, scale)


def _rays(known: Conditions, height: int, width: int) -> Float[Tensor, "B N 2 H W"] | None:
    if known.rays is not None:
        rays = known.rays.float()
        return (rays[..., :2] / (rays[..., 2:] + 1e-6)).permute(0, 1, 4, 2, 3)
    if known.intrinsics is not None:
        return ray_map(known.intrinsics.float(), height, width).permute(0, 1, 4, 2, 3)
    return None


def _spread(poses: Float[Tensor, "B N 4 4"], depth_mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B"]:
    distance = poses[:, 1:, :3, 3].norm(dim=-1)  # (B, N - 1)
    use = ~depth_mask.any(1) & (distance.amax(1) >= STATIC)
    return torch.where(use, distance.mean(1) + 1e-8, torch.ones_like(distance[:, 0]))


def _divide_translations(poses: Float[Tensor, "B N 4 4"], by: Float[Tensor, "B"]) -> Float[Tensor, "B N 4 4"]:
    factor = torch.ones_like(poses)
    factor[..., :3, 3] = (1 / by)[:, None, None]
    return poses * factor


def _mask(mask: Bool[Tensor, "B N"] | None, off: Bool[Tensor, "B N"], *, given: bool) -> Bool[Tensor, "B N"]:
    if not given:
        return off
    return ~off if mask is None else mask
