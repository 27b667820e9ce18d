"""Patterns in space: how much of colour b there is at a point, and noise for them."""

import numpy as np

from chromm_ros.synthetic.render.compiled import compiled

MEANS = np.array([0.0, 0.5, 0.5, 0.5, 0.5, 0.12, 0.28, 0.5, 0.2, 0.5])
"""How much of colour b each `material.Pattern` has on average: what is seen of it from afar."""
_JOINT = 0.04
"""Half the width of a joint, in units of the pattern."""


@compiled
def chance(x: int, y: int, z: int) -> float:
    """A number in [0, 1) for each cube of a lattice (mixing by odd constants and shifts, as in MurmurHash3's finaliser)."""
    mixed = (x * 374761393 + y * 668265263 + z * 2147483647) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 15)) * 2246822519) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 3266489917) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 16)) / 4294967296.0


@compiled
def noise(x: float, y: float, z: float) -> float:
    """Smooth noise in [0, 1] with features one unit wide: `chance` at the corners, between them cubic."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    a, b, c = x - i, y - j, z - k
    a, b, c = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b), c * c * (3.0 - 2.0 * c)
    low = chance(i, j, k) * (1.0 - a) + chance(i + 1, j, k) * a
    high = chance(i, j + 1, k) * (1.0 - a) + chance(i + 1, j + 1, k) * a
    near = low * (1.0 - b) + high * b
    low = chance(i, j, k + 1) * (1.0 - a) + chance(i + 1, j, k + 1) * a
    high = chance(i, j + 1, k + 1) * (1.0 - a) + chance(i + 1, j + 1, k + 1) * a
    return near * (1.0 - c) + (low * (1.0 - b) + high * b) * c


@compiled
def in_joint(x: float) -> bool:
    """Whether a number is within a joint's half width of a whole one."""
    return abs(x - np.floor(x + 0.5)) < _JOINT  # type: ignore[no-any-return]  # numba would not take a cast


@compiled
def share_of_b(kind: int, x: float, y: float, z: float) -> float:
    """How much of colour b a `material.Pattern` has at a point, in [0, 1]; above 1: the dark joint between planks."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    if kind == 1:  # checks
        return float((i + j + k) & 1)
    if kind == 2:  # stripes
        return 1.0 if x - i < 0.5 else 0.0
    if kind == 3:  # noise
        return min(max(1.4 * (0.65 * noise(x, y, z) + 0.35 * noise(2.7 * x, 2.7 * y, 2.7 * z)) - 0.2, 0.0), 1.0)
    if kind == 4:  # planks
        along = y / 6.0 + chance(i, 7, 0)
        if in_joint(x) or abs(along - np.floor(along + 0.5)) < _JOINT / 6.0:
            return 2.0
        return 0.6 * chance(i, int(np.floor(along)), 3) + 0.4 * noise(9.0 * x, 0.7 * y, 9.0 * z)
    if kind == 5:  # tiles
        return 1.0 if in_joint(x) or in_joint(y) or in_joint(z) else 0.0
    if kind == 6:  # dots
        return 1.0 if (x - i - 0.5) ** 2 + (y - j - 0.5) ** 2 + (z - k - 0.5) ** 2 < 0.13 else 0.0
    if kind == 7:  # plaid
        return (0.5 if x - i < 0.5 else 0.0) + (0.5 if y - j < 0.5 else 0.0)
    if kind == 8:  # bricks
        along = 0.5 * (x + y) + 0.5 * (k & 1)
        return 1.0 if in_joint(z) or abs(along - np.floor(along + 0.5)) < 0.5 * _JOINT else 0.0
    if kind == 9:  # halves
        return 1.0 if x < 0.0 else 0.0
    return 0.0
