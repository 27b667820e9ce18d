"""Where a person's head is, from all cameras that see it, and how sure that is.

Every camera alone says a head: a ray through its pixel, and a place on the ray by depth. The noise that is stated for both
(`FusionConfig`) gives each such head p_i a covariance S_i, long along the ray. The head is one linear estimate

    x = (sum_i W_i)^-1 sum_i W_i p_i      with the covariance      (sum W)^-1 (sum W S W^T) (sum W)^-1

with W = S^-1 times the detection's score: triangulation by weighted rays, and the depths of single views, each where it knows better and
with no threshold in between. Under wide angles rays win: across a ray the head is known to a hundredth of its distance, along it to a
tenth, so a depth counts a hundredth of a ray. Where rays are nearly parallel none of them tells how far the head is, and the mean of
the depths does; where one camera alone sees the person its own head is left.

Outliers are left out twice. A camera whose ray goes astray, while those of at least two cameras and of half of those that see the
person pass a common point within `max_residual_m` in front of them, takes no part; for this vote a near camera counts no more than a
far one. And a depth more than `FAR` deviations off where all together put the head counts less and less, its ray still in full. If no
such majority of rays agrees, or does so at a place that most depths deny (`ABSURD`), all heads that the cameras say are averaged with
the same weights, and the covariance grows with their discord.

`fusion.mode: average` has W = 1 / distance^2, the plain mean, since the error of a depth grows with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import rays
from chromm_ros.geometry.triangulate import agreeing, along_and_across, dot, meet
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.settings import Settings, setting

NEAREST_M = 0.1
"""Distance below which a head's noise shrinks no more."""
FAR = 3.0
"""Stated deviations from which a depth is doubted."""
ABSURD = 3.0
"""Factor by which most depths may be wrong before rays that meet are not believed."""
DOUBTS = (1, 1, 4)
"""Powers of the doubt from step to step: the first two are a convex problem (Huber), which leads to the right place from anywhere; the
last lets what is far off go."""


@dataclass(frozen=True)
class FusionConfig(Settings):
    """How the sights of a person are made one body, and what noise is believed of them."""

    mode: str = setting(
        "average_triangulate",
        "average: everything is a mean over the cameras; average_triangulate: the head is where rays meet; maxpool_triangulate: "
        "the cameras' tokens are pooled by their maximum and decoded again instead (chromm mode only)",
        choices=("average", "average_triangulate", "maxpool_triangulate"),
    )
    rotation: str = setting("mean", "what stands for the rotations that several cameras see", choices=("mean", "geodesic_median"))
    image_noise: float = setting(
        0.006,
        "standard deviation of a head in the image as a share of its longer side, for weights and covariances",
        at_least=1e-5,
        at_most=1.0,
    )
    depth_noise: float = setting(
        0.1,
        "standard deviation of a head's depth as a share of it, for weights and covariances: about that of `nano`; the published "
        "network's is nearer to 0.02",
        at_least=0.001,
        at_most=1.0,
    )
    pose_noise_deg: float = setting(
        0.6,
        "standard deviation of a ray due to the camera's pose (its place included) where that is estimated, not known from TF, for "
        "weights and covariances [degrees]",
        at_least=0.0,
        at_most=90.0,
    )
    max_residual_m: float = setting(0.3, "farthest that a ray may pass the point where the others meet [m]", at_least=0.0)


@dataclass(frozen=True)
class Heads:
    """G heads, by the cameras V."""

    point: Float[np.ndarray, "G 3"]
    """In the node's world, metres."""
    covariance: Float[np.ndarray, "G 3 3"]
    """Of the point, square metres, from the stated noise; what is wrong with the node's world as a whole is not in it."""
    residual: Float[np.ndarray, "G"]
    """How far the rays pass the point (rms), metres; NaN where fewer than two were made to meet."""
    used: Bool[np.ndarray, "G V"]
    """Cameras that took part."""


@dataclass(frozen=True)
class Sights:
    """Of G bodies, by the cameras V that see them: each says a head on a ray of its own."""

    origins: Float[np.ndarray, "G V 3"]
    """Of the cameras, metres."""
    unit: Float[np.ndarray, "G V 3"]
    """Directions."""
    distance: Float[np.ndarray, "G V"]
    """Along them, metres, as said."""
    sharp: Float[np.ndarray, "G V"]
    """Deviation across the ray as a share of the distance, from pixel and camera pose."""
    vague: float
    """Deviation along it as a share of the distance."""

    def where(self, chosen: Bool[np.ndarray, "G"], other: Sights) -> Sights:
        """These for the bodies chosen, the same cameras' other sights for the rest."""
        unit = np.where(chosen[:, None, None], self.unit, other.unit)
        return replace(self, unit=unit, distance=np.where(chosen[:, None], self.distance, other.distance))


def place(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"], config: FusionConfig
) -> Heads:
    """Heads of G bodies.

    Args:
        cameras: stitched.
        people: of the window.
        seat: which person of the window is the body in each camera; -1 for none.
        weight: of each, above 0 where there is one.
        config: mode and noise.
    """
    world_from_cam, intrinsics = cameras.world_from_cam[people.frame], cameras.intrinsics[people.frame]
    ray, slant = _split(se3.rotate(world_from_cam, rays(people.head_pixel, intrinsics)[:, None])[:, 0])
    own, length = _split(se3.rotate(world_from_cam, cameras.unit * people.head[:, None])[:, 0])
    depth, sharp = cameras.unit * people.head[:, 2] * slant, _sharpness(cameras, people, slant, config)

    seen, origins = seat >= 0, world_from_cam[seat, :3, 3]
    by_ray = Sights(origins, ray[seat], depth[seat], sharp[seat], config.depth_noise)
    by_head = Sights(origins, own[seat], length[seat], sharp[seat], config.depth_noise)
    if config.mode == "average":
        return Heads(*_mean(by_head, weight), np.full(len(seat), np.nan), seen)
    used = agreeing(origins, by_ray.unit, weight, by_ray.distance, config.max_residual_m, noise=config.depth_noise)
    met = (used.sum(axis=1) >= 2) & (2 * used.sum(axis=1) >= seen.sum(axis=1))
    while True:
        sights, some = by_ray.where(met, by_head), weight * np.where(met[:, None], used, seen)
        point, covariance = _linear(sights, some)
        absurd = met & _absurd(sights, some, point)
        if not absurd.any():
            return _judged(sights, some, met, point, covariance)
        met = met & ~absurd


def _absurd(sights: Sights, weight: Float[np.ndarray, "G V"], point: Float[np.ndarray, "G 3"]) -> Bool[np.ndarray, "G"]:
    """Whether most depths that took part are wrong `ABSURD` times: rays of cameras close together always meet near these."""
    reached = dot(point[:, None] - sights.origins, sights.unit)
    wrong = (weight > 0.0) & ((ABSURD * reached < sights.distance) | (reached > ABSURD * sights.distance))
    return np.asarray(2 * wrong.sum(axis=1) > (weight > 0.0).sum(axis=1))


def _judged(
    sights: Sights,
    weight: Float[np.ndarray, "G V"],
    met: Bool[np.ndarray, "G"],
    point: Float[np.ndarray, "G 3"],
    covariance: Float[np.ndarray, "G 3 3"],
) -> Heads:
    """Heads with how far rays pass them; where no rays were made to meet, the covariance grows to what the cameras' discord asks for."""
    used = weight > 0.0
    away = point[:, None] - sights.origins
    reached = dot(away, sights.unit)
    aside = away - reached[..., None] * sights.unit
    passed, square = dot(aside, aside), np.maximum(dot(away, away), NEAREST_M**2)
    residual = np.sqrt((weight * passed).sum(axis=1) / weight.sum(axis=1))
    discord = used * (passed / sights.sharp**2 + ((reached - sights.distance) / sights.vague) ** 2) / square
    freedom = 3.0 * np.maximum(used.sum(axis=1) - 1, 1)
    growth = np.maximum(discord.sum(axis=1) / freedom, 1.0)  # chi squared over degrees of freedom (Birge 1932)
    covariance = covariance * np.where(met, 1.0, growth)[:, None, None]
    return Heads(point, covariance, np.where(met, residual, np.nan), used)


def _linear(sights: Sights, weight: Float[np.ndarray, "G V"]) -> tuple[Float[np.ndarray, "G 3"], Float[np.ndarray, "G 3 3"]]:
    """The linear estimate, its noise and doubts taken at the point of the step before; the first is the mean of what cameras say."""
    places = sights.origins + sights.unit * sights.distance[..., None]
    point = (weight[:, None] @ places)[:, 0] / weight.sum(axis=1, keepdims=True)
    for power in DOUBTS:
        away = point[:, None] - sights.origins
        reach = np.maximum(np.sqrt(dot(away, away)), NEAREST_M)
        across, along = sights.sharp * reach, sights.vague * reach
        off = np.abs(dot(away, sights.unit) - sights.distance) / along
        fine, coarse = weight / across**2, weight / along**2 * (FAR / np.maximum(off, FAR)) ** power
        point, back = meet(places, sights.unit, fine, coarse)
    return point, back @ along_and_across(sights.unit, (fine * across) ** 2, (coarse * along) ** 2) @ back


def _mean(sights: Sights, weight: Float[np.ndarray, "G V"]) -> tuple[Float[np.ndarray, "G 3"], Float[np.ndarray, "G 3 3"]]:
    """The mean of what cameras say."""
    reach = np.maximum(np.abs(sights.distance), NEAREST_M)
    share = weight / reach**2
    share = share / share.sum(axis=1, keepdims=True)
    places = sights.origins + sights.unit * sights.distance[..., None]
    noise = along_and_across(sights.unit, (share * sights.sharp * reach) ** 2, (share * sights.vague * reach) ** 2)
    return (share[:, None] @ places)[:, 0], noise


def _sharpness(cameras: Cameras, people: People, slant: Float[np.ndarray, "P"], config: FusionConfig) -> Float[np.ndarray, "P"]:
    """Angle by which a ray may be off: of the pixel, and of the camera's pose where that is estimated."""
    pixel = config.image_noise * cameras.size.max(axis=1) / np.sqrt(np.abs(np.linalg.det(cameras.intrinsics[:, :2, :2])))
    pose = np.where(np.isfinite(cameras.known).all(axis=(1, 2)), 0.0, np.radians(config.pose_noise_deg))
    return np.asarray(np.hypot(pixel[people.frame] / slant, pose[people.frame]))


def _split(vectors: Float[np.ndarray, "P 3"]) -> tuple[Float[np.ndarray, "P 3"], Float[np.ndarray, "P"]]:
    """Directions and lengths; what has no length gets any direction."""
    length = np.sqrt(dot(vectors, vectors))
    unit = np.where(length[:, None] > 0.0, vectors, [0.0, 0.0, 1.0]) / np.where(length > 0.0, length, 1.0)[:, None]
    return np.asarray(unit), np.asarray(length)
