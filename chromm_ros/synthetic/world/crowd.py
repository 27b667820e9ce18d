"""Who is in a room and on what ways, so that nobody walks through furniture or people."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.world.motion import KINDS, Path, Style, Walker
from chromm_ros.synthetic.world.room import Box, Room, seat

LASTS_S = 12.0
"""Time for which ways are known to be free of one another."""
ROOM_FOR_ONE = 0.36
"""Distance from a person's middle to furniture and walls, metres."""
ARMS = {"sit": 0.25, "reach": 0.35}
"""How much more those need who stretch their arms out, of people too."""
TIGHTEST = 2.4
"""Curvature that a way may have, 1/m."""
QUICKEST = 2.5
"""Acceleration to the side, m/s^2."""
APART = 0.75
"""Between two people's middles, metres."""
TRIES = 32
"""For each person; whoever finds no way does not come."""
SHARES = (0.42, 0.12, 0.08, 0.22, 0.16)
"""Of the kinds of motion, in the order of `motion.KINDS`."""
_OUT = np.array([
    [-0.32, -0.7], [-0.34, 0.5], [-0.65, 1.35], [-1.4, 1.85], [-2.4, 1.95], [-3.4, 1.9], [-3.83, 1.72], [-4.01, 1.29],
    [-3.83, 0.86], [-3.4, 0.68], [-2.4, 0.65], [-1.2, 0.65], [-0.4, 0.55], [0.15, 0.1], [0.32, -0.7],
])  # fmt: skip  # like a map
"""A way out to the corridor, behind the wall, and back; from the middle of the door."""
_TIMES = np.arange(0.0, LASTS_S, 0.1)


@dataclass(frozen=True)
class Crowd:
    """P people and what they sit on."""

    walkers: tuple[Walker, ...]
    """Their motions."""
    betas: Float64[np.ndarray, "P 10"]
    """Their shapes."""
    seats: tuple[Box, ...]
    """What they sit on."""
    tracks: Float64[np.ndarray, "P N 2"]
    """Where they are, ten times a second."""


def gather(seed: int, room: Room, count: int, rests: Float64[np.ndarray, "P 55 3"], soles: Float64[np.ndarray, "P"],
           betas: Float64[np.ndarray, "P 10"], rng: np.random.Generator, things: int) -> Crowd:  # fmt: skip  # a long list
    """Find `count` people their ways; fewer where the room is too full.

    Args:
        seed: of the take: tells which styles may be used.
        room: with its furniture.
        count: of people.
        rests: joints at rest of each.
        soles: height of each one's ankles above flat feet.
        betas: shape of each.
        rng: for the choice.
        things: number of the next piece of furniture, for seats.
    """
    walkers: list[Walker] = []
    tracks: list[Float64[np.ndarray, "N 2"]] = []
    kept: list[int] = []
    seats: list[Box] = []
    half = np.array(room.size[:2]) / 2.0 - 0.6
    stage, reach = rng.uniform(-0.5, 0.5, 2) * half, rng.uniform(1.0, 2.4)
    kinds = sorted(rng.choice(KINDS, count, p=SHARES), key=KINDS.index)  # who needs most room chooses first
    for person, wanted in enumerate(kinds):
        kind = str(wanted)
        style = Style.numbered(held_out.style(seed, rng))
        for attempt in range(TRIES):
            kind = "stand" if attempt > 0.8 * TRIES else kind  # better than not at all
            spot = np.clip(stage + reach * rng.uniform(-1.0, 1.0, 2), -half, half)
            path = _way(kind, room, spot, 1.0 - attempt / (2.0 * TRIES), rng)
            if path is None or path.curvature > TIGHTEST:
                continue
            walker = Walker(
                kind,
                style.slowed(QUICKEST, path.curvature),
                path,
                rests[person],
                float(soles[person]),
                float(rng.uniform(0.40, 0.48)),
            )
            track = _track(walker)
            free = room.clearance(track if kind == "walk" else track[:1]).min() > ROOM_FOR_ONE + ARMS.get(kind, 0.0)
            if free and all(_apart(walker, track, *other) for other in zip(walkers, tracks, strict=True)):
                walkers.append(walker)
                tracks.append(track)
                kept.append(person)
                if kind == "sit":
                    seats += seat(walker.path.place, walker.path.heading, walker.seat, things + len(seats) // 2)
                    room = replace(room, boxes=room.boxes + tuple(seats[-2:]))
                break
    return Crowd(tuple(walkers), betas[kept], tuple(seats), np.array(tracks).reshape(-1, len(_TIMES), 2))


def _way(kind: str, room: Room, spot: Float64[np.ndarray, "2"], size: float, rng: np.random.Generator) -> Path | None:
    """A path at or around a spot; None where one sees at once that it is not free."""
    if kind != "walk":
        return Path.spot(spot, float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.8, 3.0)) if kind == "turn" else 0.0)
    points = _waypoints(room, spot, size, rng)
    if room.clearance(np.concatenate([points, (points + np.roll(points, 1, axis=0)) / 2.0])).min() < ROOM_FOR_ONE:
        return None
    return Path.through(points)


def _waypoints(room: Room, middle: Float64[np.ndarray, "2"], size: float, rng: np.random.Generator) -> Float64[np.ndarray, "K 2"]:
    """A loop around some place; now and then one that leads through the door and back."""
    angle = rng.uniform(0.0, 2.0 * np.pi) + np.arange(9) * 2.0 * np.pi / 9
    radius = (
        size
        * rng.uniform(0.7, 2.0)
        * (1.0 + np.cos(np.outer(angle, [2, 3]) + rng.uniform(0.0, 6.0, 2)) @ rng.uniform(0.0, [0.2, 0.08]))
    )
    loop = middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    if rng.random() < 0.5:
        loop = loop[::-1]
    if room.door is not None and rng.random() < 0.3:
        wide, deep = rng.uniform(0.8, 1.2), rng.uniform(2.4, 3.6)
        inside = np.array(
            [
                [0.4 * wide, -1.4],
                [wide, -0.5 * deep - 0.8],
                [0.6 * wide, -deep],
                [-0.6 * wide, -deep],
                [-wide, -0.5 * deep - 0.8],
                [-0.4 * wide, -1.4],
            ]
        )
        mirrored = np.array([1.0 if rng.random() < 0.5 else -1.0, 1.0])
        return np.asarray(np.array([room.door[0], room.size[1] / 2.0]) + mirrored * np.concatenate([inside, _OUT]))
    return np.asarray(loop)


def _apart(one: Walker, track: Float64[np.ndarray, "N 2"], other: Walker, beside: Float64[np.ndarray, "N 2"]) -> bool:
    """Whether two keep their distance all the time."""
    least = APART + max(ARMS.get(one.kind, 0.0), ARMS.get(other.kind, 0.0))
    return bool(np.linalg.norm(track - beside, axis=-1).min() > least)


def _track(walker: Walker) -> Float64[np.ndarray, "N 2"]:
    """Places over time, ten times a second."""
    places, _ = walker.path.at(walker.way(_TIMES))
    return np.asarray(places)
