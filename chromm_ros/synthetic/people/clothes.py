"""What people wear: colours and patterns on the body itself, in three modes."""

import colorsys
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int32

from chromm_ros.synthetic.people.puppet import Part, Puppet
from chromm_ros.synthetic.render.material import Material, Pattern

MODES = ("naturalistic", "uniforms", "suits")
"""Everybody in clothes of his own; all alike; the suit in which nano sees best: a fixed colour for each limb, side, front and back."""

Color = tuple[float, float, float]

_SKIN: tuple[Color, ...] = (
    (0.94, 0.78, 0.69), (0.88, 0.69, 0.57), (0.80, 0.60, 0.46), (0.70, 0.50, 0.36), (0.56, 0.38, 0.26), (0.40, 0.26, 0.18),
    (0.27, 0.18, 0.13),
)  # fmt: skip  # light to dark
_HAIR: tuple[Color, ...] = (
    (0.08, 0.06, 0.05), (0.16, 0.10, 0.07), (0.30, 0.19, 0.11), (0.48, 0.32, 0.18), (0.72, 0.58, 0.36), (0.55, 0.24, 0.12),
    (0.62, 0.61, 0.60), (0.85, 0.84, 0.82),
)  # fmt: skip  # black to blond, red, grey, white
_FABRIC = (
    Pattern.PLAIN, Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES, Pattern.CHECKS, Pattern.PLAID, Pattern.DOTS, Pattern.NOISE,
)  # fmt: skip  # as often as they stand here
_UP: tuple[float, float, float] = (0.0, 0.0, np.pi / 2)
"""Turns a pattern's x to the body's y: stripes across."""
_SUIT: dict[Part, tuple[Color, Color]] = {
    Part.CHEST: ((0.95, 0.95, 0.92), (0.10, 0.10, 0.12)),
    Part.HIPS: ((0.85, 0.80, 0.20), (0.30, 0.26, 0.08)),
    Part.LEFT_UPPER_ARM: ((0.90, 0.15, 0.12), (0.42, 0.07, 0.06)),
    Part.LEFT_LOWER_ARM: ((1.00, 0.60, 0.10), (0.50, 0.28, 0.05)),
    Part.LEFT_THIGH: ((0.85, 0.20, 0.70), (0.40, 0.09, 0.33)),
    Part.LEFT_SHIN: ((1.00, 0.62, 0.75), (0.52, 0.28, 0.36)),
    Part.LEFT_FOOT: ((0.60, 0.10, 0.15), (0.30, 0.05, 0.08)),
    Part.RIGHT_UPPER_ARM: ((0.12, 0.25, 0.90), (0.05, 0.11, 0.42)),
    Part.RIGHT_LOWER_ARM: ((0.15, 0.75, 0.95), (0.06, 0.35, 0.46)),
    Part.RIGHT_THIGH: ((0.10, 0.60, 0.22), (0.04, 0.28, 0.10)),
    Part.RIGHT_SHIN: ((0.62, 0.95, 0.40), (0.28, 0.46, 0.17)),
    Part.RIGHT_FOOT: ((0.10, 0.30, 0.35), (0.04, 0.14, 0.17)),
}
"""Colours in front and behind: the left is warm, the right is cold."""
_BRIGHTNESS = 0.25
"""How much lighter or darker a suit's colours are from person to person, relative."""


@dataclass(frozen=True)
class Outfit:
    """One person's clothes, skin and hair."""

    materials: tuple[Material, ...]
    """Rows of its own; `Materials.of(room, outfit.materials, ...)` makes the table."""
    face: Int32[np.ndarray, "M"]
    """Row for each face of the puppet, counted from the outfit's first row."""


def dress(mode: str, count: int, rng: np.random.Generator, puppet: Puppet) -> list[Outfit]:
    """Clothes for `count` people in one of `MODES`."""
    assert mode in MODES, mode
    if mode == "suits":
        return [_suit(rng, puppet) for _ in range(count)]
    garments = Garments.draw(rng)
    return [_clothed(garments if mode == "uniforms" else Garments.draw(rng), rng, puppet) for _ in range(count)]


@dataclass(frozen=True)
class Garments:
    """What is worn, the same for all who wear a uniform."""

    top: Material
    """Shirt."""
    bottom: Material
    """Trousers or shorts."""
    shoes: Material
    """Both of them."""
    sleeve: float
    """Where sleeves end: x at rest, metres."""
    leg: float
    """Where trousers end: y at rest, metres."""
    hem: float
    """Where the shirt ends: y at rest, metres."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Garments":
        """Some clothes."""
        return cls(
            top=_fabric(rng, (0.02, 0.12)),
            bottom=_fabric(rng, (0.015, 0.05)) if rng.uniform() < 0.25 else Material(_color(rng), grain=0.15),
            shoes=Material(_color(rng, 0.6), grain=0.1, shine=0.3),
            sleeve=float(rng.choice([0.28, 0.36, 0.55, 0.67]) + rng.uniform(-0.03, 0.03)),
            leg=float(rng.choice([-0.70, -0.95, -1.17, -1.19]) + rng.uniform(-0.03, 0.03)),
            hem=float(rng.uniform(-0.45, -0.28)),
        )


def _color(rng: np.random.Generator, lightest: float = 0.95) -> Color:
    """Any colour; more often dull than vivid, as clothes are."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform() ** 1.5, rng.uniform(0.05, lightest))


def _fabric(rng: np.random.Generator, size: tuple[float, float]) -> Material:
    """A cloth with its pattern."""
    return Material(
        a=_color(rng),
        b=_color(rng),
        pattern=int(_FABRIC[rng.integers(len(_FABRIC))]),
        scale=float(np.exp(rng.uniform(*np.log(size)))),
        turn=_UP if rng.uniform() < 0.5 else (0.0, 0.0, 0.0),
        shift=(0.013, 0.007, 0.011),
        grain=float(rng.uniform(0.05, 0.25)),
    )


def _head(rng: np.random.Generator) -> list[Material]:
    """Rows 0: skin; 1: the head, hair down to a line from forehead to nape; 2: what is below it; long hair falls behind."""
    tone = np.array(_SKIN[rng.integers(len(_SKIN))]) * rng.uniform(0.92, 1.05)
    skin = Material((float(tone[0]), float(tone[1]), float(tone[2])), grain=0.08, shine=0.05)
    hair = Material(_HAIR[rng.integers(len(_HAIR))], grain=0.5, shine=0.1)
    line = rng.uniform(-0.015, 0.02)
    long = rng.uniform() < 0.4
    return [
        skin,
        replace(hair, cut=(0.0, 1.0, -0.83, -0.30 - float(line)), other=2),
        replace(hair, cut=(0.0, 0.0, -1.0, 0.03 if long else -1.0), other=0),
    ]


def _faces(rows: dict[Part, int], puppet: Puppet) -> Int32[np.ndarray, "M"]:
    """Row of each face, given that of each part."""
    return np.asarray(np.array([rows[part] for part in Part], np.int32)[puppet.part])


def _clothed(garments: Garments, rng: np.random.Generator, puppet: Puppet) -> Outfit:
    """One person in these clothes, with skin and hair of his own."""
    skin, below_hair = 0, 2
    rows = _head(rng)
    bottom = len(rows)
    rows += [
        replace(garments.bottom, cut=(0.0, 1.0, 0.0, -garments.leg), other=skin),
        garments.shoes,
        replace(garments.top, cut=(0.0, 1.0, 0.0, -garments.hem), other=bottom),
        replace(garments.top, cut=(-1.0, 0.0, 0.0, garments.sleeve), other=skin),
        replace(garments.top, cut=(1.0, 0.0, 0.0, garments.sleeve), other=skin),
    ]
    shoes, top, left, right = range(bottom + 1, bottom + 5)
    legs = (Part.LEFT_THIGH, Part.RIGHT_THIGH, Part.LEFT_SHIN, Part.RIGHT_SHIN)
    of_part = {Part.HEAD: 1, Part.NECK: below_hair, Part.CHEST: top, Part.HIPS: top} | dict.fromkeys(legs, bottom)
    of_part |= dict.fromkeys((Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND), left)
    of_part |= dict.fromkeys((Part.RIGHT_UPPER_ARM, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND), right)
    of_part |= dict.fromkeys((Part.LEFT_FOOT, Part.RIGHT_FOOT), shoes)
    return Outfit(tuple(rows), _faces(of_part, puppet))


def _suit(rng: np.random.Generator, puppet: Puppet) -> Outfit:
    """One person in the coded suit: halves by the plane through the part's middle, skin and hair of his own."""
    rows = _head(rng)
    of_part = {Part.HEAD: 1, Part.NECK: 2, Part.LEFT_HAND: 0, Part.RIGHT_HAND: 0}
    for part, (front, back) in _SUIT.items():
        corners = puppet.rest[puppet.faces[puppet.part == part]].reshape(-1, 3)
        middle = 0.5 * float(corners[:, 2].min() + corners[:, 2].max())
        of_part[part] = len(rows)
        rows.append(
            Material(
                a=_shaded(front, rng),
                b=_shaded(back, rng),
                pattern=Pattern.HALVES,
                turn=(0.0, np.pi / 2, 0.0),  # x of the pattern is z of the body
                shift=(0.0, 0.0, middle),
                grain=0.1,
            )
        )
    return Outfit(tuple(rows), _faces(of_part, puppet))


def _shaded(color: Color, rng: np.random.Generator) -> Color:
    """The colour, lighter or darker."""
    factor = rng.uniform(1.0 - _BRIGHTNESS, 1.0 + _BRIGHTNESS)
    red, green, blue = (float(min(channel * factor, 1.0)) for channel in color)
    return red, green, blue
