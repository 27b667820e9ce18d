"""Fusion: what several cameras see of one person at one moment becomes one body in the world.

After CHROMM (arXiv 2603.12789): shape and body pose are averaged over the cameras, the root's rotation is averaged in the world, and the
head is where the rays through its pixels meet. Rotations have the chordal mean (`geometry.rotation.mean_rotation`), which is the
quaternion mean without its signs. Where the rays do not fix a point (one camera, nearly parallel rays, a point behind a camera, rays
that pass each other too far apart) the head is the mean of what the cameras say by depth, weighted by 1 / depth^2 since the error of a
depth grows with it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import inside, project, rays
from chromm_ros.geometry.rotation import mean_rotation
from chromm_ros.geometry.triangulate import meet
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.settings import Settings, setting


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
    max_residual_m: float = setting(0.3, "farthest (rms) that rays may pass the point where they meet [m]", at_least=0.0)


@dataclass(frozen=True)
class Bodies:
    """G fused bodies, one per person and frame-set in which anybody saw the person."""

    group: Int[np.ndarray, "G"]
    """Group of the person."""
    step: Int[np.ndarray, "G"]
    """Time step in the window."""
    seen_by: Bool[np.ndarray, "G V"]
    """Cameras that saw the person."""
    score: Float[np.ndarray, "G"]
    """Best detection score."""
    head: Float[np.ndarray, "G 3"]
    """In the node's world, metres."""
    rotations: Float[np.ndarray, "G 53 3 3"]
    """Root (body to world), body, hands, jaw."""
    betas: Float[np.ndarray, "G 10"]
    """Shape."""
    expression: Float[np.ndarray, "G 10"]
    """Expression."""
    in_view: Float[np.ndarray, "G J"]
    """Best detection score among the cameras in whose image the joint lies; 0 where it lies in none."""
    residual: Float[np.ndarray, "G"]
    """How far the rays pass the head (rms), metres; NaN where depth placed it."""


def fuse(cameras: Cameras, people: People, groups: Int[np.ndarray, "P"], views: int, config: FusionConfig) -> Bodies:
    """One body per group and frame-set.

    Args:
        cameras: stitched.
        people: of the window.
        groups: theirs, at most one person of a group per image.
        views: number of cameras of the stream.
        config: when rays are trusted.
    """
    step, view = cameras.step[people.frame], cameras.view[people.frame]
    keys, slot = np.unique(np.stack([groups, step], axis=-1), axis=0, return_inverse=True)
    slot = slot.reshape(-1)
    seat = np.full((len(keys), views), -1)
    seat[slot, view] = np.arange(len(people))
    seen = seat >= 0
    weight = np.where(seen, np.maximum(people.score, 1e-6)[seat], 0.0)  # an empty seat (-1) reads the last person, with no weight
    head, residual = _heads(cameras, people, seat, weight, config)
    return Bodies(
        group=keys[:, 0],
        step=keys[:, 1],
        seen_by=seen,
        score=np.where(seen, people.score[seat], 0.0).max(axis=1, initial=0.0),
        head=head,
        rotations=_rotations(cameras, people, seat, weight),
        betas=_average(people.betas, seat, weight),
        expression=_average(people.expression, seat, weight),
        in_view=np.where(seen[..., None], _in_view(cameras, people)[seat], 0.0).max(axis=1, initial=0.0),
        residual=residual,
    )


def _average(
    values: Float[np.ndarray, "P N"], seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"]
) -> Float[np.ndarray, "G N"]:
    return np.asarray(np.einsum("gv,gvn->gn", weight / weight.sum(axis=1, keepdims=True), values[seat]))


def _rotations(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"]
) -> Float[np.ndarray, "G 53 3 3"]:
    """Mean rotations, the root's in the world; a body that one camera sees keeps its own."""
    rotations = people.rotations.copy()
    rotations[:, 0] = cameras.world_from_cam[people.frame, :3, :3] @ rotations[:, 0]
    best = seat[np.arange(len(seat)), weight.argmax(axis=1)]
    fused = rotations[best]
    several = np.flatnonzero((seat >= 0).sum(axis=1) > 1)
    stacked = np.swapaxes(rotations[seat[several]], 1, 2)  # G 53 V 3 3
    fused[several] = mean_rotation(stacked, np.broadcast_to(weight[several, None], stacked.shape[:3]))
    return np.asarray(fused)


def _heads(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"], config: FusionConfig
) -> tuple[Float[np.ndarray, "G 3"], Float[np.ndarray, "G"]]:
    """Heads in the world, and the residual of those that rays placed."""
    world_from_cam = cameras.world_from_cam[people.frame]
    toward = se3.rotate(world_from_cam, rays(people.head_pixel, cameras.intrinsics[people.frame])[:, None])[:, 0]
    met = meet(world_from_cam[seat, :3, 3], toward[seat], weight)
    cosine = np.cos(np.radians(config.min_angle_deg))
    trusted = (met.spread >= (1.0 - cosine) / 2.0) & (met.residual <= config.max_residual_m)
    trusted &= ((met.ahead > 0.0) | (seat < 0)).all(axis=1)
    alone = se3.apply(world_from_cam, cameras.unit * people.head[:, None])[:, 0]
    by_depth = weight / np.maximum(people.head[seat, 2], 1e-3) ** 2
    placed = np.where(trusted[:, None], met.point, _average(alone, seat, by_depth))
    return placed, np.where(trusted, met.residual, np.nan)


def _in_view(cameras: Cameras, people: People) -> Float[np.ndarray, "P J"]:
    """Detection score for joints that lie in the image, else 0."""
    joints = cameras.unit * people.head[:, None] + people.offsets
    pixels = project(joints, cameras.intrinsics[people.frame][:, None])
    return np.asarray(inside(pixels, cameras.size[people.frame][:, None]) * people.score[:, None])
