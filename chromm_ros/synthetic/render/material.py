"""What surfaces look like: two colours, a pattern between them that is fixed to the thing, and where another material begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float32, Float64, Int32

from chromm_ros.geometry.rotation import matrix_from_rotvec


class Pattern(IntEnum):
    """How two colours meet. x, y, z: a material's own axes, in units of its `scale`."""

    PLAIN = 0
    """Colour a alone."""
    CHECKS = 1
    """Cubes of edge 1 in turn."""
    STRIPES = 2
    """Across x, half a unit each."""
    NOISE = 3
    """Soft spots about one unit wide, any mixture of a and b."""
    PLANKS = 4
    """Boards one unit wide along y in the plane of x and y, each a mixture of its own, with dark joints."""
    TILES = 5
    """Cubes of edge 1 of colour a with joints of colour b."""
    DOTS = 6
    """Balls of colour b, one in each cube of edge 1."""
    PLAID = 7
    """Stripes across x and across y, mixed."""
    BRICKS = 8
    """Stones two units long and one high, in the planes of z and one more, with joints of colour b."""
    HALVES = 9
    """Colour a where x is positive, b where it is negative; `scale` says nothing."""


@dataclass(frozen=True)
class Material:
    """One row of the table."""

    a: tuple[float, float, float]
    """Colour, sRGB in [0, 1]."""
    b: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Second colour."""
    pattern: int = Pattern.PLAIN
    """One of `Pattern`."""
    scale: float = 0.2
    """Unit of the pattern, metres."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Axis-angle that turns the thing's rest axes into the pattern's, radians."""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the pattern's origin lies on the thing at rest, metres. Off round numbers, so that no face lies between two cubes."""
    grain: float = 0.0
    """How strongly fine noise darkens and lightens it, relative."""
    shine: float = 0.0
    """How bright lights are mirrored in it, in [0, 1]."""
    cut: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    """A plane of the thing at rest: where (cut . (x, y, z, 1)) is negative, `other` is seen instead; metres."""
    other: int = -1
    """Row of the same table, counted from this material's own outfit or room; -1: no other."""


@dataclass(frozen=True)
class Materials:
    """The table, one row for each material, as `draw` wants it."""

    colors: Float32[np.ndarray, "K 2 3"]
    """a and b, linear light."""
    pattern: Int32[np.ndarray, "K"]
    """One of `Pattern`."""
    pattern_from_rest: Float64[np.ndarray, "K 3 4"]
    """From metres at rest to units of the pattern."""
    look: Float32[np.ndarray, "K 2"]
    """Grain and shine."""
    cut: Float32[np.ndarray, "K 4"]
    """Plane beyond which another one is seen."""
    other: Int32[np.ndarray, "K"]
    """Which one; -1: none."""

    @classmethod
    def of(cls, *groups: Sequence[Material]) -> Materials:
        """One table of several groups (a room, outfits), whose first rows are the running sums of their lengths."""
        rows = [row for group in groups for row in group]
        first = np.repeat(np.cumsum([0, *map(len, groups)])[:-1], [len(group) for group in groups])
        other = np.array([row.other for row in rows], np.int64)
        turn = matrix_from_rotvec(np.array([row.turn for row in rows], np.float64).reshape(-1, 3))
        turn = turn / np.array([row.scale for row in rows]).reshape(-1, 1, 1)
        shift = np.array([row.shift for row in rows], np.float64).reshape(-1, 3, 1)
        return cls(
            colors=linear(np.array([(row.a, row.b) for row in rows], np.float64).reshape(-1, 2, 3)).astype(np.float32),
            pattern=np.array([row.pattern for row in rows], np.int32),
            pattern_from_rest=np.concatenate([turn, -turn @ shift], axis=-1),
            look=np.array([(row.grain, row.shine) for row in rows], np.float32).reshape(-1, 2),
            cut=np.array([row.cut for row in rows], np.float32).reshape(-1, 4),
            other=np.where(other < 0, -1, other + first).astype(np.int32),
        )


def linear(srgb: Float64[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B"]:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.0) + 0.055) / 1.055) ** 2.4))


def srgb(light: Float64[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B"]:
    """The inverse of `linear`."""
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0) ** (1.0 / 2.4) - 0.055))
