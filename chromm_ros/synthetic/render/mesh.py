"""Triangles with what they are made of, and many of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8


@dataclass(frozen=True)
class Mesh:
    """One thing of the world."""

    vertices: Float32[np.ndarray, "N 3"]
    """In the world, metres."""
    faces: Int32[np.ndarray, "M 3"]
    """Indices of vertices. People's are counter-clockwise seen from outside and drawn from there alone; all others have two sides."""
    material: Int32[np.ndarray, "M"]
    """Row of the table of materials."""
    rest: Float32[np.ndarray, "N 3"]
    """Where a vertex was before anything moved, metres: patterns are fixed to it, so they move with the thing."""
    person: int = 0
    """0: not a person; else 1 + the person's index."""
    smooth: bool = False
    """Whether it is shaded as a round thing, not as one of flat faces."""


@dataclass(frozen=True)
class Scene:
    """Meshes as one, what `draw` takes."""

    vertices: Float32[np.ndarray, "N 3"]
    """In the world, metres."""
    faces: Int32[np.ndarray, "M 3"]
    """Indices of vertices."""
    material: Int32[np.ndarray, "M"]
    """Row of the table of materials, by face."""
    rest: Float32[np.ndarray, "N 3"]
    """Texture coordinates, metres."""
    person: UInt8[np.ndarray, "M"]
    """0 or 1 + index of the person, by face."""
    smooth: Bool[np.ndarray, "M"]
    """Whether a face is shaded as part of a round thing."""


def merge(meshes: Sequence[Mesh]) -> Scene:
    """All meshes as one, in their order: where two faces are equally near, the first one is seen."""
    counts = [len(mesh.faces) for mesh in meshes]
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Scene(
        vertices=np.concatenate([np.zeros((0, 3), np.float32), *(mesh.vertices for mesh in meshes)]),
        faces=np.concatenate([np.zeros((0, 3), np.int32), *(m.faces + np.int32(k) for m, k in zip(meshes, first, strict=False))]),
        material=np.concatenate([np.zeros(0, np.int32), *(mesh.material for mesh in meshes)]),
        rest=np.concatenate([np.zeros((0, 3), np.float32), *(mesh.rest for mesh in meshes)]),
        person=np.repeat(np.array([mesh.person for mesh in meshes], np.uint8), counts),
        smooth=np.repeat(np.array([mesh.smooth for mesh in meshes], bool), counts),
    )
