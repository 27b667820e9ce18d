"""Where a person's head is, from all cameras that see it, and how sure that is.

Every camera alone says a head: a ray through its pixel, and a place on the ray by depth. The noise that is stated for both
(`FusionConfig`) gives each such head a covariance S, long along the ray. All rules here are one linear estimate

    x = (sum_i W_i)^-1 sum_i W_i p_i      with the covariance      (sum W)^-1 (sum W S W^T) (sum W)^-1

and differ in the weights alone (times the detection's score):

- `rays`: W has only the parts across the ray: triangulation. It holds where the rays of at least two cameras, and of half of those that
  see the person, agree within `max_residual_m`, do so in front of the cameras and under more than `min_angle_deg`.
- `depth`: W = S^-1. It takes over where rays do not fix a point: one camera, or rays that are nearly parallel or do not agree.
- `average`: W = 1 / depth^2, the plain mean, since the error of a depth grows with it (`fusion.mode: average`).

A camera whose ray goes astray while the others agree is left out by the first two; for this vote a near camera counts no more than a
far one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import rays
from chromm_ros.geometry.triangulate import agreeing, meet, projectors
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.settings import Settings, setting

NEAREST_M = 0.1
"""Depth below which, or behind the camera, a head's noise shrinks no more."""


@dataclass(frozen=True)
class FusionConfig(Settings):
    """How the sights of a person are made one body, and when rays are trusted to place the head."""

    mode: str = setting(
        "average_triangulate",
        "average: everything is a mean over the cameras; average_triangulate: the head is where rays meet; maxpool_triangulate: "
        "the cameras' tokens are pooled by their maximum and decoded again instead (needs a network that can)",
        choices=("average", "average_triangulate", "maxpool_triangulate"),
    )
    rotation: str = setting("mean", "what stands for the rotations that several cameras see", choices=("mean", "geodesic_median"))
    pixel_noise_px: float = setting(
        4.0, "standard deviation of a head in the image, for weights and covariances [pixels]", at_least=0.01
    )
    depth_noise: float = setting(
        0.1, "standard deviation of a head's depth as a share of it, for weights and covariances", at_least=0.001, at_most=1.0
    )
    min_angle_deg: float = setting(5.0, "smallest angle between rays that fixes a point [degrees]", at_least=0.1, at_most=90.0)
    max_residual_m: float = setting(0.3, "farthest that a ray may pass the point where the others meet [m]", at_least=0.0)


@dataclass(frozen=True)
class Heads:
    """G heads, by the cameras V."""

    point: Float[np.ndarray, "G 3"]
    """In the node's world, metres."""
    covariance: Float[np.ndarray, "G 3 3"]
    """Of the point, square metres, from the stated noise."""
    residual: Float[np.ndarray, "G"]
    """How far the rays pass the point (rms), metres; NaN where depth placed it."""
    used: Bool[np.ndarray, "G V"]
    """Cameras that took part."""


def place(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"], config: FusionConfig
) -> Heads:
    """Heads of G bodies.

    Args:
        cameras: stitched.
        people: of the window.
        seat: which person of the window is the body in each camera; -1 for none.
        weight: of each, above 0 where there is one.
        config: modes and noise.
    """
    world_from_cam, intrinsics = cameras.world_from_cam[people.frame], cameras.intrinsics[people.frame]
    own = se3.apply(world_from_cam, cameras.unit * people.head[:, None])[:, 0]
    toward = se3.rotate(world_from_cam, rays(people.head_pixel, intrinsics)[:, None])[:, 0]
    slant = np.linalg.norm(toward, axis=-1)
    depth = np.maximum(np.abs(cameras.unit * people.head[:, 2]), NEAREST_M)
    sharp = depth * config.pixel_noise_px / np.sqrt(np.abs(np.linalg.det(intrinsics[:, :2, :2])))  # deviation across the ray
    vague = depth * config.depth_noise  # and along it

    seen = seat >= 0
    origins, directions, by_ray = world_from_cam[seat, :3, 3], toward[seat], weight / sharp[seat] ** 2
    apart = (people.head[:, 2] * cameras.unit * slant)[seat]
    used = agreeing(origins, directions, weight, apart, config.max_residual_m, noise=config.depth_noise)
    agreed = (used.sum(axis=1) >= 2) & (2 * used.sum(axis=1) >= seen.sum(axis=1))
    used = np.where(agreed[:, None], used, seen)
    met = meet(origins, directions, by_ray * used)
    cosine = np.cos(np.radians(config.min_angle_deg))
    trusted = agreed & (met.spread >= (1.0 - cosine) / 2.0) & ((met.ahead > 0.0) | ~used).all(axis=1)
    if config.mode == "average":
        used, trusted = seen, np.zeros_like(trusted)

    through = np.where(trusted[:, None, None], directions / slant[seat][..., None], _unit(own - world_from_cam[:, :3, 3])[seat])
    across = projectors(through)
    along = np.eye(3) - across
    fine, coarse = (1.0 / deviation[seat][..., None, None] ** 2 for deviation in (sharp, vague))
    if config.mode == "average":
        weights = np.broadcast_to(np.eye(3), across.shape) * coarse
    else:
        weights = across * fine + np.where(trusted[:, None, None, None], 0.0, along * coarse)
    weights = weights * (weight * used)[..., None, None]
    noise = across / fine + along / coarse
    back = np.linalg.inv(weights.sum(axis=1))
    point = (back @ np.einsum("gvij,gvj->gi", weights, own[seat])[..., None])[..., 0]
    covariance = back @ (weights @ noise @ weights).sum(axis=1) @ back
    return Heads(np.where(trusted[:, None], met.point, point), covariance, np.where(trusted, met.residual, np.nan), used)


def _unit(vectors: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 3"]:
    """Directions; a head in the very camera gets any."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 0.0, vectors, [0.0, 0.0, 1.0]) / np.where(length > 0.0, length, 1.0))
