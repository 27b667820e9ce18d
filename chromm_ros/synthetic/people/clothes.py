"""What people wear: colours and patterns on the body itself, in three modes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from chromm_ros.synthetic.people.puppet import Puppet
from chromm_ros.synthetic.render.material import Material

MODES = ("naturalistic", "uniforms", "suits")
"""Everybody in clothes of his own; all alike; the suit in which nano sees best: a fixed colour for each limb, side, front and back."""


@dataclass(frozen=True)
class Outfit:
    """One person's clothes, skin and hair."""

    materials: tuple[Material, ...]
    """Rows of its own; `Materials.of(room, outfit.materials, ...)` makes the table."""
    face: Int32[np.ndarray, "M"]
    """Row for each face of the puppet, counted from the outfit's first row."""


def dress(mode: str, count: int, rng: np.random.Generator, puppet: Puppet) -> list[Outfit]:
    """Clothes for `count` people in one of `MODES`."""
    raise NotImplementedError
