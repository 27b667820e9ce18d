"""Who is in a room and on what ways, so that nobody walks through furniture or people."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.people.puppet import Puppet
from chromm_ros.synthetic.world.motion import Path, Style, Walker
from chromm_ros.synthetic.world.room import Box, Room, seat

LASTS_S = 12.0
"""Time for which ways are known to be free of one another."""
ROOM_FOR_ONE = 0.3
"""Distance from a person's middle to furniture and walls, metres."""
APART = 0.75
"""Between two people's middles, metres."""
TRIES = 24
"""For each person; whoever finds no way does not come."""
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


def gather(seed: int, room: Room, count: int, puppet: Puppet, rests: Float64[np.ndarray, "P 55 3"], soles: Float64[np.ndarray, "P"],
           betas: Float64[np.ndarray, "P 10"], rng: np.random.Generator, things: int) -> Crowd:  # fmt: skip  # a long list
    """Find `count` people their ways; fewer where the room is too full.

    Args:
        seed: of the take: tells which styles may be used.
        room: with its furniture.
        count: of people.
        puppet: the body.
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
    for person in range(count):
        for _ in range(TRIES):
            spot = np.clip(stage + reach * rng.uniform(-1.0, 1.0, 2), -half, half)
            walker = _candidate(seed, room, spot, rests[person], float(soles[person]), rng)
            track = _track(walker)
            free = room.clearance(track).min() > (0.5 if walker.kind == "sit" else ROOM_FOR_ONE)
            if free and all(np.linalg.norm(track - other, axis=-1).min() > APART for other in tracks):
                walkers.append(walker)
                tracks.append(track)
                kept.append(person)
                if walker.kind == "sit":
                    seats += seat(walker.path.place, walker.path.heading, walker.seat, things + len(seats) // 2)
                break
    return Crowd(tuple(walkers), betas[kept], tuple(seats))


def _candidate(
    seed: int,
    room: Room,
    spot: Float64[np.ndarray, "2"],
    rest: Float64[np.ndarray, "55 3"],
    sole: float,
    rng: np.random.Generator,
) -> Walker:
    """Somebody at or around a spot; everybody of a take is near one place, the stage, that the cameras look at."""
    kind = str(rng.choice(["walk", "stand", "reach", "sit"], p=[0.55, 0.15, 0.15, 0.15]))
    style = Style.numbered(held_out.style(seed, rng))
    if kind != "walk":
        return Walker(kind, style, Path.spot(spot, float(rng.uniform(-np.pi, np.pi))), rest, sole)
    return Walker(kind, style, Path.through(_waypoints(room, spot, rng)), rest, sole)


def _waypoints(room: Room, middle: Float64[np.ndarray, "2"], rng: np.random.Generator) -> Float64[np.ndarray, "K 2"]:
    """A loop around some place; now and then one that leads through the door and back."""
    radius = rng.uniform(0.6, 1.8)
    corners = int(rng.integers(4, 7))
    angles = np.sort(
        rng.uniform(0.0, 2.0 * np.pi) + (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) * 2.0 * np.pi / corners
    )
    loop = middle + radius * rng.uniform(0.7, 1.1, (corners, 1)) * np.stack(
        [np.cos(angles), rng.uniform(0.5, 1.0) * np.sin(angles)], -1
    )
    if rng.random() < 0.5:
        loop = loop[::-1]
    if room.door is not None and rng.random() < 0.3:
        at, wall = room.door[0], room.size[1] / 2.0
        side = 1.0 if rng.random() < 0.5 else -1.0
        out = np.array([[at - 0.2 * side, wall - 0.7], [at, wall + 0.2], [at + 1.0 * side, wall + 0.85], [at + 2.9 * side, wall + 0.85],
                        [at + 3.3 * side, wall + 0.8], [at + 2.9 * side, wall + 0.75], [at + 1.0 * side, wall + 0.7], [at + 0.1 * side, wall + 0.1],
                        [at + 0.2 * side, wall - 0.8]])  # fmt: skip  # out, and back
        return np.concatenate([loop[: max(2, corners // 2)], out])
    return np.asarray(loop)


def _track(walker: Walker) -> Float64[np.ndarray, "N 2"]:
    """Places over time, ten times a second."""
    way = walker.style.speed * _TIMES + walker.style.phases[0] if walker.kind == "walk" else np.zeros(1)
    places, _ = walker.path.at(way)
    return np.asarray(np.broadcast_to(places, (len(_TIMES), 2)))
