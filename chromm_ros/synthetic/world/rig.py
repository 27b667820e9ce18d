"""Cameras: at the walls of a room, on a robot that stands or drives, or carried around."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from chromm_ros.geometry import se3
from chromm_ros.synthetic.world.room import Room

KINDS = ("room", "robot", "moving")


@dataclass(frozen=True)
class Rig:
    """V cameras."""

    base: Float64[np.ndarray, "2"]
    """Where the rig's middle is at the start, metres."""
    velocity: Float64[np.ndarray, "2"]
    """Amplitude of its way to and fro, metres."""
    turn: float
    """Amplitude of its turning, radians."""
    base_from_cam: Float64[np.ndarray, "V 4 4"]
    """Cameras on the rig."""
    heading: float = 0.0
    """Of the rig at the start, radians."""

    def at(self, t: float) -> Float64[np.ndarray, "V 4 4"]:
        """world_from_cam at a moment (seconds)."""
        sway = np.sin(0.4 * t)
        yaw = self.heading + self.turn * np.sin(0.5 * t)
        c, s = np.cos(yaw), np.sin(yaw)
        world_from_base = np.eye(4)
        world_from_base[:2, :2] = [[c, -s], [s, c]]
        world_from_base[:2, 3] = self.base + self.velocity * sway
        return np.asarray(world_from_base @ self.base_from_cam)


def mounted(kind: str, views: int, room: Room, people: Float64[np.ndarray, "P 2"], rng: np.random.Generator) -> Rig:
    """A rig of one of `KINDS` that looks at where people are at the start.

    Args:
        kind: `room`: each camera near a wall; `robot`: all in one place, side by side, or around; `moving`: as in a room, all carried together.
        views: cameras.
        room: cameras are in it, in no furniture.
        people: where they are, on the floor, metres.
        rng: for the choice.
    """
    half = np.array(room.size[:2]) / 2.0
    middle = people.mean(axis=0) if len(people) else np.zeros(2)
    roll = rng.normal(0.0, 0.03, views)
    if kind == "robot":
        base = _free(room, middle, 1.8, 0.6, rng)
        ahead = middle - base
        heading = float(np.arctan2(ahead[1], ahead[0]))
        side = np.arange(views) - (views - 1) / 2.0
        apart = rng.uniform(0.08, 0.3)
        fan = side * rng.uniform(0.0, 0.25) if rng.random() < 0.85 else side * 2.0 * np.pi / max(views, 3)
        high = rng.uniform(0.7, 1.7)
        eye = np.stack([0.05 * np.cos(fan), -apart * side + 0.05 * np.sin(fan), np.full(views, high)], -1)
        aim = eye + np.stack([np.cos(fan), -np.sin(fan), np.full(views, (1.0 - high) / 4.0)], -1)
        drive = rng.uniform(-0.4, 0.4, 2) if rng.random() < 0.5 else np.zeros(2)
        return Rig(base, drive, float(rng.uniform(-0.3, 0.3)) * bool(drive.any()), se3.look_at(eye, aim, roll), heading)
    first = rng.uniform(0.0, 2.0 * np.pi)
    angle = first + (np.arange(views) + rng.uniform(-0.3, 0.3, views)) * 2.0 * np.pi / max(views, 3)
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)
    wall = np.min((half - rng.uniform(0.15, 0.5, (views, 1))) / np.maximum(np.abs(ray), 1e-6), axis=-1)
    place = ray * (np.minimum(wall, 5.0) * rng.uniform(0.8, 1.0, views))[:, None]
    place = np.stack([_clear(room, p, people, rng) for p in place])
    eye = np.concatenate([place, rng.uniform(1.0, 2.4, (views, 1))], axis=-1)
    aim = np.concatenate([middle + rng.normal(0.0, 0.35, (views, 2)), rng.uniform(0.8, 1.2, (views, 1))], axis=-1)
    base_from_cam = se3.look_at(eye, aim, roll)
    drift = rng.uniform(-0.3, 0.3, 2) if kind == "moving" else np.zeros(2)
    return Rig(np.zeros(2), drift, float(rng.uniform(-0.15, 0.15)) if kind == "moving" else 0.0, base_from_cam)


def _free(
    room: Room, middle: Float64[np.ndarray, "2"], near: float, margin: float, rng: np.random.Generator
) -> Float64[np.ndarray, "2"]:
    """A free place as far from the people as chance finds, at least `near` if it can be."""
    half = np.array(room.size[:2]) / 2.0 - margin
    places = rng.uniform(-half, half, (40, 2))
    away = np.linalg.norm(places - middle, axis=-1)
    score = np.where(room.clearance(places) > margin, np.minimum(away, near + 2.0 * rng.random(40)), -1.0)
    return np.asarray(places[int(score.argmax())])


def _clear(
    room: Room, place: Float64[np.ndarray, "2"], people: Float64[np.ndarray, "P 2"], rng: np.random.Generator
) -> Float64[np.ndarray, "2"]:
    """The place, drawn to the middle until it is in no furniture (what is low would not matter) and on nobody's way; else any such."""
    half = np.array(room.size[:2]) / 2.0 - 0.2
    places = np.concatenate([np.linspace(1.0, 0.4, 13)[:, None] * place, rng.uniform(-half, half, (60, 2))])
    free = room.clearance(places) > 0.08
    if len(people):
        free &= np.linalg.norm(people - places[:, None], axis=-1).min(axis=-1) > 1.2
    return np.asarray(places[int(free.argmax())])
