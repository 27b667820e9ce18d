"""Which way is up, where no known pose tells: people stand upright, on a floor that is flat.

Whoever stands keeps the neck above the feet. The median of that direction over all who stand in a window is within some degrees of
the vertical; the floor under them, where the cloud shows one, is flat to less than one. Without people the first camera is taken to
stand level, and the floor may still correct that.

The answer is asked for once, when a world begins, and then stays: a world that turns by a degree with every window would move all that
stands in it.
"""

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry import se3
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.people import People

NECK, HIPS, KNEES, ANKLES = 12, [1, 2], [4, 5], [7, 8]
STRAIGHT = np.cos(np.radians(35.0))
"""Cosine of the largest angle between trunk, thighs and shins of who stands."""
TILT = {"people": np.cos(np.radians(20.0)), "camera": np.cos(np.radians(30.0))}
"""Cosine of the largest angle between the floor's normal and what people, or the level camera, say is up."""
LOW = 0.1
"""Share of all points that lie below the surface at which the search for the floor starts."""
THICK_M, WIDE_M, ENOUGH = 0.08, 0.7, 40
"""A floor: at least so many points, within so far of a plane, and so wide (deviation) in both directions."""
ROUNDS = 12


def upward(cameras: Cameras, people: People, statics: Statics, scale: float) -> Float[np.ndarray, "3"] | None:
    """Up in the window's world; None where nothing tells.

    Args:
        cameras: in the window's world.
        people: of the window.
        statics: of the window.
        scale: metres per unit.
    """
    if not len(cameras):
        return None
    standing = by_people(cameras, people)
    guess = -cameras.world_from_cam[0, :3, 1] if standing is None else standing
    points = se3.apply(cameras.world_from_cam, scale * statics.points)[statics.weight > 0.0]
    points = points + np.repeat((scale - 1.0) * cameras.world_from_cam[:, :3, 3], (statics.weight > 0.0).sum(axis=1), axis=0)
    floor = by_floor(points, guess, float(TILT["camera" if standing is None else "people"]))
    return standing if floor is None else floor


def by_people(cameras: Cameras, people: People) -> Float[np.ndarray, "3"] | None:
    """Median direction from feet to neck of who stands; None where nobody does."""
    joints = se3.rotate(cameras.world_from_cam[people.frame], people.offsets)
    neck, pelvis = joints[:, NECK], joints[:, 0]
    hips, knees, ankles = (joints[:, pair].mean(axis=1) for pair in (HIPS, KNEES, ANKLES))
    trunk, thigh, shin = _unit(neck - pelvis), _unit(hips - knees), _unit(knees - ankles)
    straight = np.minimum(np.einsum("pi,pi->p", trunk, thigh), np.einsum("pi,pi->p", thigh, shin)) > STRAIGHT
    direction, weight = _unit(neck - ankles)[straight], np.maximum(people.score[straight], 1e-3)
    if not len(direction):
        return None
    up = _unit(weight @ direction)
    for _ in range(ROUNDS):  # Weiszfeld's, on the sphere
        pull = weight / np.maximum(np.linalg.norm(direction - up, axis=1), 0.02)
        up = _unit(pull @ direction)
    agree = np.average(direction @ up > STRAIGHT, weights=weight) > 0.5
    return np.asarray(up) if agree and np.linalg.norm(up) > 0.5 else None


def by_floor(points: Float[np.ndarray, "K 3"], guess: Float[np.ndarray, "3"], tilt: float) -> Float[np.ndarray, "3"] | None:
    """Normal of the floor, the lowest large plane about across `guess`; None where there is none.

    First the surface that leaves a tenth of the points below it (quantile regression by reweighted least squares), then twice the plane
    through the points near it.

    Args:
        points: in metres along the axes asked for.
        guess: about up.
        tilt: cosine of the largest angle between the two.
    """
    if len(points) < ENOUGH:
        return None
    side = _unit(np.cross(guess, np.eye(3)[np.abs(guess).argmin()]))
    axes = np.stack([side, np.cross(guess, side), guess])
    local = (points - np.median(points, axis=0)) @ axes.T
    base = np.concatenate([local[:, :2], np.ones((len(local), 1))], axis=1)
    plane = np.array([0.0, 0.0, np.quantile(local[:, 2], LOW)])
    for _ in range(ROUNDS):
        left = local[:, 2] - base @ plane
        pull = np.where(left > 0.0, LOW, 1.0 - LOW) / np.maximum(np.abs(left), 0.02)
        plane = _solved(base, local[:, 2], pull)
    for _ in range(2):
        near = np.abs(local[:, 2] - base @ plane) < THICK_M
        if int(near.sum()) < ENOUGH:
            return None
        plane = _solved(base[near], local[near, 2], np.ones(int(near.sum())))
    near = np.abs(local[:, 2] - base @ plane) < THICK_M
    normal = _unit(np.array([-plane[0], -plane[1], 1.0]))
    if int(near.sum()) < ENOUGH or normal[2] < tilt or np.linalg.eigvalsh(np.cov(local[near, :2].T))[0] < WIDE_M**2:
        return None
    return np.asarray(normal @ axes)


def world_from_first(pose: Float[np.ndarray, "4 4"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """The pose that a camera gets in a world that begins in it: z up, y to where it looks (to its image's top where it looks straight down).

    Args:
        pose: of the camera in the window's world.
        up: there.
    """
    turn = pose[:3, :3]
    look = float(turn[:, 2] @ up)
    forward = turn[:, 2] if abs(look) < 0.98 else np.sign(look) * turn[:, 1]  # looking down, the image's top is ahead
    y = _unit(forward - (forward @ up) * up)
    return se3.compose(np.stack([np.cross(y, up), y, up]) @ turn, np.zeros(3))


def _solved(base: Float[np.ndarray, "K 3"], z: Float[np.ndarray, "K"], weight: Float[np.ndarray, "K"]) -> Float[np.ndarray, "3"]:
    normal = (base * weight[:, None]).T @ base + 1e-9 * np.eye(3)
    return np.asarray(np.linalg.solve(normal, (base * weight[:, None]).T @ z))


def _unit(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
