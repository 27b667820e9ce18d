"""What light does in a scene, simply: people are upright cylinders in a room that is a box."""

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.body.skeleton import HEAD, PELVIS
from chromm_ros.geometry import se3

RADIUS = 0.2
"""Of a person, metres; as high as the head and a bit."""
ABOVE_HEAD = 0.1
"""From the head joint to the top, metres."""


def hidden(centres: Float[np.ndarray, "V 3"], joints: Float[np.ndarray, "P 55 3"]) -> Bool[np.ndarray, "V P"]:
    """Whose head another person hides from which camera: the straight line to it passes through the other's cylinder."""
    heads, axis, top = joints[:, HEAD], joints[:, PELVIS, :2], joints[:, HEAD, 2] + ABOVE_HEAD
    toward = heads[None] - centres[:, None]  # V P 3
    to_other = axis[None] - centres[:, None, :2]  # V P 2
    length = np.maximum((toward[..., :2] ** 2).sum(axis=-1), 1e-12)
    along = np.einsum("vpd,vqd->vpq", toward[..., :2], to_other) / length[..., None]
    nearest = along[..., None] * toward[:, :, None, :2] - to_other[:, None]
    within = (nearest**2).sum(axis=-1) < RADIUS**2
    under = centres[:, None, None, 2] + along * toward[..., 2:] < top
    closer = (along > 0.0) & (along < 1.0)
    return np.asarray((within & under & closer & ~np.eye(len(heads), dtype=bool)).any(axis=-1))


def first_surface(
    world_from_cam: Float[np.ndarray, "V 4 4"],
    rays: Float[np.ndarray, "N 3"],
    joints: Float[np.ndarray, "P 55 3"],
    room: Float[np.ndarray, "3 2"],
) -> tuple[Float[np.ndarray, "V N"], Bool[np.ndarray, "V N"]]:
    """Depth along rays (z = 1) of each camera to what they meet first, and whether that is a person.

    Args:
        world_from_cam: cameras, inside the room.
        rays: in every camera.
        joints: of the people, in the world.
        room: from and to, along each axis.
    """
    toward = se3.rotate(world_from_cam, rays)  # V N 3
    start = world_from_cam[:, None, :3, 3]  # V 1 3
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = np.nanmin(np.maximum((room[:, 0] - start) / toward, (room[:, 1] - start) / toward), axis=-1)
        axis, top = joints[:, PELVIS, :2], joints[:, HEAD, 2] + ABOVE_HEAD
        away = start[:, :, None, :2] - axis  # V 1 P 2
        a = (toward[..., :2] ** 2).sum(axis=-1)[..., None]
        b = np.einsum("vnd,vnpd->vnp", toward[..., :2], np.broadcast_to(away, (*toward.shape[:2], *axis.shape)))
        c = (away**2).sum(axis=-1) - RADIUS**2
        depth = (-b - np.sqrt(b * b - a * c)) / a  # NaN where the ray passes by
        height = start[..., 2:] + depth * toward[..., 2:]
        meets = (depth > 0.0) & (height > room[2, 0]) & (height < top)
    person = np.where(meets, depth, np.inf).min(axis=-1, initial=np.inf)
    return np.minimum(wall, person), np.asarray(person < wall)
