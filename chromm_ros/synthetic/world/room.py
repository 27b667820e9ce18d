"""Rooms with furniture: a floor plan by number, colours and light by chance."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64

from chromm_ros.synthetic.render.lights import Lights
from chromm_ros.synthetic.render.material import Material, Pattern
from chromm_ros.synthetic.render.mesh import Mesh

SIDES = (5.0, 9.0)
"""Shortest and longest side of a room, metres."""
KINDS = ("table", "shelf", "sofa", "cupboard", "pillar", "screen", "crate", "plant")
_BOX = np.array([[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4], [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]], np.int32)  # fmt: skip  # two triangles a side
_FLOOR, _CEILING, _WALL, _THINGS = 0, 1, 2, 6
"""Rows of the table of materials: floor, ceiling, four walls, then things."""


@dataclass(frozen=True)
class Box:
    """One cuboid of furniture, turned about z."""

    middle: tuple[float, float, float]
    """Of the cuboid, metres."""
    size: tuple[float, float, float]
    """Edges, metres."""
    turn: float
    """About z, radians."""
    thing: int
    """Which piece of furniture it belongs to."""


@dataclass(frozen=True)
class Room:
    """A floor plan: the room's middle is the origin, the floor is z = 0."""

    size: tuple[float, float, float]
    """Along x, y and z, metres."""
    boxes: tuple[Box, ...]
    """Furniture."""
    door: tuple[float, float] | None = None
    """Where along x, and how wide, an opening in the wall at the greatest y is; behind it runs a corridor."""

    @classmethod
    def arranged(cls, number: int) -> "Room":
        """The room of that number; the same for everybody."""
        rng = np.random.default_rng([number, 71])
        size = (*rng.uniform(*SIDES, 2), rng.uniform(2.5, 3.4))
        boxes: list[Box] = []
        taken: list[tuple[float, float, float]] = []  # circles around furniture: x, y, radius
        wanted = int(rng.integers(3, 9))
        for _ in range(4 * wanted):
            if len(taken) == wanted:
                break
            kind = KINDS[rng.integers(len(KINDS))]
            at, turn = _place(rng, size, kind)
            parts = _furniture(kind, at, turn, rng, len(taken))
            radius = max(np.hypot(b.size[0], b.size[1]) / 2 + np.hypot(b.middle[0] - at[0], b.middle[1] - at[1]) for b in parts)
            if all(np.hypot(at[0] - x, at[1] - y) > radius + r + 0.1 for x, y, r in taken):
                taken.append((*at, radius))
                boxes += parts
        door = (float(rng.uniform(-0.3, 0.3) * size[0]), 1.6) if rng.random() < 0.5 else None
        return cls((float(size[0]), float(size[1]), float(size[2])), tuple(boxes), door)

    @cached_property
    def _footprints(self) -> tuple[Float64[np.ndarray, "B 2"], Float64[np.ndarray, "B 2"], Float64[np.ndarray, "B 2 2"]]:
        middle = np.array([box.middle[:2] for box in self.boxes]).reshape(-1, 2)
        half = np.array([box.size[:2] for box in self.boxes]).reshape(-1, 2) / 2.0
        cos, sin = (f(np.array([box.turn for box in self.boxes])) for f in (np.cos, np.sin))
        return middle, half, np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)

    def clearance(self, places: Float[np.ndarray, "*B 2"]) -> Float64[np.ndarray, "*B"]:
        """Distance from places on the floor to the nearest furniture or wall, metres; negative within. The doorway is open."""
        x, y = places[..., 0], places[..., 1]
        across, along = self.size[0] / 2.0, self.size[1] / 2.0
        beside = np.where(y <= along, across - np.abs(x), np.inf)
        walls = np.minimum(np.minimum(beside, along + y), self._north(x, y))
        if not self.boxes:
            return np.asarray(walls)
        middle, half, turn = self._footprints
        away = places[..., None, :] - middle
        u = np.abs(away[..., 0] * turn[:, 0, 0] + away[..., 1] * turn[:, 0, 1]) - half[:, 0]
        v = np.abs(away[..., 0] * turn[:, 1, 0] + away[..., 1] * turn[:, 1, 1]) - half[:, 1]
        boxes = np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0)) + np.minimum(np.maximum(u, v), 0.0)
        return np.asarray(np.minimum(walls, boxes.min(axis=-1)))

    def _north(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance to the wall at the greatest y, with its door."""
        along = self.size[1] / 2.0
        if self.door is None:
            return along - y
        beside = np.abs(x - self.door[0]) - self.door[1] / 2.0
        inside = np.where(beside < 0.0, np.hypot(beside, along - y), along - y)
        beyond = np.minimum(np.where(beside < 0.0, np.hypot(beside, y - along), y - along), along + CORRIDOR - y)
        return np.where(y <= along, inside, beyond)

    def inside(self, places: Float[np.ndarray, "*B 2"]) -> Bool[np.ndarray, "*B"]:
        """Whether places are between the walls."""
        return np.asarray((np.abs(places) < np.array(self.size[:2]) / 2.0).all(axis=-1))

    def behind(self, places: Float[np.ndarray, "*B 2"]) -> Bool[np.ndarray, "*B"]:
        """Whether somebody is in the corridor, out of everybody's sight."""
        if self.door is None:
            return np.zeros(places.shape[:-1], bool)
        aside = np.abs(places[..., 0] - self.door[0]) > self.door[1] / 2.0 + 1.4
        return np.asarray((places[..., 1] > self.size[1] / 2.0 + 0.3) & aside)

    def meshes(self) -> list[Mesh]:
        """Floor, ceiling, walls, corridor and furniture; rows of materials as `decorated` makes them."""
        wide, deep, high = (s / 2.0 for s in self.size)
        top = self.size[2]
        slab: list[tuple[tuple[float, float, float], tuple[float, float, float], int]]
        slab = [((0, 0, -0.05), (2 * wide, 2 * deep, 0.1), _FLOOR), ((0, 0, top + 0.05), (2 * wide, 2 * deep, 0.1), _CEILING)]
        slab += [((s * (wide + 0.05), 0, high), (0.1, 2 * deep, top), _WALL + k) for k, s in enumerate((-1, 1))]
        slab += [((0, -deep - 0.05, high), (2 * wide, 0.1, top), _WALL + 2)]
        if self.door is None:
            slab += [((0, deep + 0.05, high), (2 * wide, 0.1, top), _WALL + 3)]
        else:
            at, width = self.door
            left, right, lintel = at - width / 2, at + width / 2, 2.1
            slab += [
                (((left - wide) / 2, deep + 0.05, high), (left + wide, 0.1, top), _WALL + 3),
                (((right + wide) / 2, deep + 0.05, high), (wide - right, 0.1, top), _WALL + 3),
                ((at, deep + 0.05, (top + lintel) / 2), (width, 0.1, top - lintel), _WALL + 3),
                ((at, deep + CORRIDOR + 0.1, 1.2), (12.0, 0.1, 2.5), _WALL),
                *(((at + s * 6.0, deep + CORRIDOR / 2 + 0.1, 1.2), (0.1, CORRIDOR, 2.5), _WALL) for s in (-1, 1)),
                ((at, deep + CORRIDOR / 2, -0.05), (12.0, CORRIDOR + 0.2, 0.1), _FLOOR),
                ((at, deep + CORRIDOR / 2 + 0.1, 2.5), (12.0, CORRIDOR + 0.2, 0.1), _CEILING),
            ]
        meshes = [_box(np.array(m, float), np.array(s, float), 0.0, row, rest=np.array(m, float)) for m, s, row in slab]
        return meshes + [_box(np.array(b.middle), np.array(b.size), b.turn, _THINGS + b.thing) for b in self.boxes]


CORRIDOR = 2.6
"""Depth of the corridor behind a door, metres."""


def _place(rng: np.random.Generator, size: tuple[float, float, float], kind: str) -> tuple[tuple[float, float], float]:
    """Most things stand at a wall, some in the room."""
    wide, deep = size[0] / 2.0, size[1] / 2.0
    if kind in {"table", "pillar", "screen", "crate"} and rng.random() < 0.5:
        return (float(rng.uniform(-0.6, 0.6) * wide), float(rng.uniform(-0.6, 0.6) * deep)), float(rng.uniform(0.0, np.pi))
    side, along = int(rng.integers(3)), rng.uniform(-0.8, 0.8)  # never before the wall with the door
    at = ((-wide + 0.5, along * deep), (wide - 0.5, along * deep), (along * wide, -deep + 0.5))[side]
    return (float(at[0]), float(at[1])), np.pi / 2 if side < 2 else 0.0


def _furniture(kind: str, at: tuple[float, float], turn: float, rng: np.random.Generator, thing: int) -> list[Box]:
    """Cuboids of one piece."""
    u = rng.uniform

    def box(x: float, y: float, z: float, *size: float) -> Box:
        c, s = np.cos(turn), np.sin(turn)
        return Box((at[0] + c * x - s * y, at[1] + s * x + c * y, z), (size[0], size[1], size[2]), turn, thing)

    if kind == "table":
        w, d, h = u(0.8, 1.8), u(0.6, 0.9), u(0.68, 0.8)
        legs = [box(sx * (w / 2 - 0.06), sy * (d / 2 - 0.06), h / 2, 0.06, 0.06, h) for sx in (-1, 1) for sy in (-1, 1)]
        return [box(0, 0, h, w, d, 0.05), *legs]
    if kind == "sofa":
        w = u(1.2, 2.2)
        return [
            box(0, 0, 0.22, w, 0.8, 0.44),
            box(0, -0.33, 0.6, w, 0.16, 0.5),
            *(box(s * w / 2, 0, 0.3, 0.16, 0.8, 0.6) for s in (-1, 1)),
        ]
    if kind == "shelf":
        w, h = u(0.7, 1.6), u(1.2, 2.2)
        boards = [box(0, 0, z, w, 0.35, 0.04) for z in np.arange(0.05, h, 0.38)]
        return [*boards, *(box(s * w / 2, 0, h / 2, 0.04, 0.35, h) for s in (-1, 1))]
    sizes = {
        "cupboard": (u(0.6, 1.5), u(0.4, 0.6), u(0.8, 2.1)), "pillar": (u(0.25, 0.5), u(0.25, 0.5), 2.5),
        "screen": (u(0.8, 1.6), 0.08, u(1.0, 1.8)), "crate": (u(0.4, 0.8), u(0.4, 0.8), u(0.3, 0.9)), "plant": (0.35, 0.35, u(0.7, 1.5)),
    }  # fmt: skip  # one thing a line
    return [box(0, 0, sizes[kind][2] / 2, *sizes[kind])]


def _box(middle: np.ndarray, size: np.ndarray, turn: float, material: int, rest: np.ndarray | None = None) -> Mesh:
    """A cuboid; patterns lie on its own axes, those of floor and walls on the world's."""
    corners = (np.stack(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5], indexing="ij"), -1).reshape(8, 3)) * size
    c, s = np.cos(turn), np.sin(turn)
    turned = corners @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    own = corners if rest is None else corners + rest
    return Mesh((turned + middle).astype(np.float32), _BOX, np.full(len(_BOX), material, np.int32), own.astype(np.float32))


def seat(place: Float[np.ndarray, "2"], heading: float, height: float, thing: int) -> list[Box]:
    """A stool with a back for somebody who sits there and looks along `heading` (radians from x)."""
    ahead = np.array([np.cos(heading), np.sin(heading)])
    at, back = place - 0.02 * ahead, place - 0.26 * ahead
    return [
        Box((float(at[0]), float(at[1]), height / 2), (0.42, 0.42, height), heading, thing),
        Box((float(back[0]), float(back[1]), height + 0.2), (0.05, 0.42, 0.4), heading, thing),
    ]


def decorated(things: int, rng: np.random.Generator) -> tuple[Material, ...]:
    """Materials of floor, ceiling, walls and `things` pieces of furniture."""

    def color(low: float, high: float) -> tuple[float, float, float]:
        grey, tint = rng.uniform(low, high), rng.uniform(-0.18, 0.18, 3)
        r, g, b = np.clip(grey + tint, 0.02, 0.98).tolist()
        return r, g, b

    def surface(
        low: float, high: float, patterns: tuple[Pattern, ...], scale: tuple[float, float], chance: float = 0.7
    ) -> Material:
        turn = (0.0, 0.0, float(rng.choice([0.0, np.pi / 2])))
        pattern = patterns[rng.integers(len(patterns))] if rng.random() < chance else Pattern.PLAIN
        shift = rng.uniform(0.01, 0.4, 3).tolist()
        return Material(
            color(low, high), color(low, high), pattern, float(rng.uniform(*scale)), turn, (shift[0], shift[1], shift[2]),
            grain=float(rng.uniform(0.0, 0.25)),
        )  # fmt: skip  # two lines

    walls = (Pattern.BRICKS, Pattern.STRIPES, Pattern.NOISE, Pattern.CHECKS, Pattern.DOTS)
    floors = (Pattern.PLANKS, Pattern.TILES, Pattern.CHECKS, Pattern.NOISE)
    return (
        surface(0.2, 0.7, floors, (0.15, 0.7), 0.9),
        surface(0.6, 0.95, (Pattern.TILES, Pattern.NOISE), (0.4, 1.0), 0.3),
        *(surface(0.35, 0.9, walls, (0.15, 1.2), 0.6) for _ in range(4)),
        *(
            surface(0.1, 0.85, (Pattern.PLANKS, Pattern.NOISE, Pattern.STRIPES, Pattern.CHECKS), (0.05, 0.4), 0.5)
            for _ in range(things)
        ),
    )


def lit(size: tuple[float, float, float], rng: np.random.Generator) -> Lights:
    """Lamps at the ceiling and light from windows."""
    lamps = int(rng.integers(1, 4))
    places = np.concatenate([
        np.concatenate([rng.uniform(-0.4, 0.4, (lamps, 2)) * size[:2], np.full((lamps, 1), size[2] - 0.2), np.ones((lamps, 1))], 1),
        [[*_unit(rng.normal(size=3) + np.array([0.0, 0.0, 1.0])), 0.0]],
    ])  # fmt: skip  # lamps, then a window
    warm = 1.0 + rng.uniform(-0.1, 0.1, (lamps + 1, 3))
    strength = np.concatenate([rng.uniform(0.3, 0.9, lamps) / lamps**0.5, [rng.uniform(0.0, 0.4)]])
    ambient = rng.uniform(0.2, 0.45) * np.array([[1.0, 1.0, 1.0], [0.6, 0.6, 0.6]])
    return Lights(
        ambient.astype(np.float32),
        places.astype(np.float32),
        (strength[:, None] * warm).astype(np.float32),
        np.zeros(3, np.float32),
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))
