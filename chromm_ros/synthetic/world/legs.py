"""Two-bone inverse kinematics: hips, knees and ankles that put the feet where they are wanted."""

import numpy as np
from jaxtyping import Float64

from chromm_ros.geometry.rotation import matrix_from_rotvec

STRETCH = 0.995
"""Share of a leg's length that it may be stretched to: beyond, knees would snap."""


def bent_knee(
    thigh: Float64[np.ndarray, "*B 3"], shin: Float64[np.ndarray, "*B 3"], length: Float64[np.ndarray, "*B"]
) -> Float64[np.ndarray, "*B"]:
    """Turn of the knee about the body's x (radians, shin to the back) that makes hip and ankle `length` apart.

    |a + Rx(k) b|^2 is a constant plus A cos k + B sin k, which is solved for k.
    """
    cos_part = thigh[..., 1] * shin[..., 1] + thigh[..., 2] * shin[..., 2]
    sin_part = thigh[..., 2] * shin[..., 1] - thigh[..., 1] * shin[..., 2]
    rest = (thigh**2).sum(-1) + (shin**2).sum(-1) + 2.0 * thigh[..., 0] * shin[..., 0]
    size = np.hypot(cos_part, sin_part)
    cosine = (length**2 - rest) / (2.0 * size)
    return np.asarray(np.arctan2(sin_part, cos_part) + np.arccos(np.clip(cosine, -1.0, 1.0)))


def turn_onto(source: Float64[np.ndarray, "*B 3"], target: Float64[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3 3"]:
    """The least rotation that takes one direction to another."""
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (source, target))
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (a * b).sum(-1, keepdims=True))
    return matrix_from_rotvec(axis * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 1.0))


def reach(
    root: Float64[np.ndarray, "*B 3 3"],
    hip: Float64[np.ndarray, "*B 3"],
    ankle: Float64[np.ndarray, "*B 3"],
    foot: Float64[np.ndarray, "*B 3 3"],
    thigh: Float64[np.ndarray, "*B 3"],
    shin: Float64[np.ndarray, "*B 3"],
) -> tuple[Float64[np.ndarray, "*B 3 3"], Float64[np.ndarray, "*B 3 3"], Float64[np.ndarray, "*B 3 3"]]:
    """Rotations of hip, knee and ankle relative to their parents.

    Args:
        root: world_from_body of the pelvis.
        hip: where the hip joint is, metres.
        ankle: where the ankle shall be; farther than the leg reaches, it is drawn nearer.
        foot: world_from_body that the foot shall have.
        thigh: from hip to knee at rest.
        shin: from knee to ankle at rest.
    """
    wanted = (np.swapaxes(root, -1, -2) @ (ankle - hip)[..., None])[..., 0]
    most = STRETCH * (np.linalg.norm(thigh, axis=-1) + np.linalg.norm(shin, axis=-1))
    length = np.minimum(np.linalg.norm(wanted, axis=-1), most)
    knee = matrix_from_rotvec(bent_knee(thigh, shin, length)[..., None] * np.array([1.0, 0.0, 0.0]))
    leg = thigh + (knee @ shin[..., None])[..., 0]
    turn = turn_onto(leg, wanted)
    return turn, knee, np.swapaxes(root @ turn @ knee, -1, -2) @ foot
