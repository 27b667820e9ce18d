"""Rigid transforms as 4x4 matrices named by their algebra: `a_from_b @ point_in_b = point_in_a`."""

import numpy as np
from jaxtyping import Float


def compose(rotation: Float[np.ndarray, "*B 3 3"], translation: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 4 4"]:
    """The matrix [[R, t], [0, 1]]."""
    matrix = np.zeros((*rotation.shape[:-2], 4, 4))
    matrix[..., :3, :3] = rotation
    matrix[..., :3, 3] = translation
    matrix[..., 3, 3] = 1.0
    return matrix


def look_at(
    eye: Float[np.ndarray, "*B 3"], target: Float[np.ndarray, "*B 3"], roll: Float[np.ndarray, "*B"] | float = 0.0
) -> Float[np.ndarray, "*B 4 4"]:
    """world_from_cam of cameras that look at points, the horizon level but for a turn about their axis by `roll` (radians)."""
    forward = (target - eye) / np.linalg.norm(target - eye, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(forward, right)
    c, s = np.cos(roll)[..., None], np.sin(roll)[..., None]
    return compose(np.stack([c * right + s * down, c * down - s * right, forward], axis=-1), eye)


def inverse(a_from_b: Float[np.ndarray, "*B 4 4"]) -> Float[np.ndarray, "*B 4 4"]:
    """`b_from_a`, by the transpose of the rotation: exact to rounding where a general inverse is not."""
    back = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    return compose(back, -(back @ a_from_b[..., :3, 3:])[..., 0])


def apply(a_from_b: Float[np.ndarray, "*#B 4 4"], points: Float[np.ndarray, "*#B N 3"]) -> Float[np.ndarray, "... N 3"]:
    """Points of frame b in frame a; leading axes broadcast."""
    return np.asarray(points @ np.swapaxes(a_from_b[..., :3, :3], -1, -2) + a_from_b[..., None, :3, 3])


def rotate(a_from_b: Float[np.ndarray, "*#B 4 4"], vectors: Float[np.ndarray, "*#B N 3"]) -> Float[np.ndarray, "... N 3"]:
    """Directions of frame b in frame a: the translation is left out."""
    return np.asarray(vectors @ np.swapaxes(a_from_b[..., :3, :3], -1, -2))
