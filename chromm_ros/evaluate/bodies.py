"""How far bodies are from the truth in their own frame: MPJPE, PA-MPJPE, PVE, acceleration.

Joints are SMPL's order (0 pelvis, 1 and 2 hips); 22 or 24 of them, or any number where nothing is said of the pelvis. Results are
float64 and in millimetres (unless said) of metres that come in. Definitions: WHAM (yohanshin/WHAM, lib/eval/eval_utils.py), which GVHMR
and Human3R share.
"""

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry.sim3 import fit_points

MM = 1000.0
HIPS = (1, 2)
"""Joints whose middle stands for the pelvis when bodies are laid on one another."""


def distances(found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean distance of points in the frame they come in, mm."""
    return np.asarray(MM * np.linalg.norm(np.subtract(found, truth, dtype=np.float64), axis=-1).mean(axis=-1))


def pelvis(joints: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B 1 3"]:
    """Middle of the hips, metres."""
    return np.asarray(joints[..., HIPS, :].astype(np.float64).mean(axis=-2, keepdims=True))


def mpjpe(found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean joint error with the pelvises laid on one another (MPJPE), mm; both in one camera's or world's axes."""
    return distances(found - pelvis(found), truth - pelvis(truth))


def pa_mpjpe(found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean joint error after the best similarity of each body (PA-MPJPE), mm."""
    found, truth = found.astype(np.float64), truth.astype(np.float64)
    return distances(fit_points(found, truth).apply(found), truth)


def pve(
    found_vertices: Float[np.ndarray, "*B V 3"],
    found_joints: Float[np.ndarray, "*B J 3"],
    truth_vertices: Float[np.ndarray, "*B V 3"],
    truth_joints: Float[np.ndarray, "*B J 3"],
) -> Float[np.ndarray, "*B"]:
    """Mean vertex error with the pelvises laid on one another (PVE), mm."""
    return distances(found_vertices - pelvis(found_joints), truth_vertices - pelvis(truth_joints))


def acceleration_error(
    found: Float[np.ndarray, "T J 3"], truth: Float[np.ndarray, "T J 3"], fps: float = 30.0
) -> Float[np.ndarray, "A"]:
    """Mean difference of the joints' accelerations at every inner frame, m/s^2, for A = max(T - 2, 0).

    Joints are taken relative to the pelvis, as WHAM does before; WHAM then leaves the first and last value out, GVHMR does not.
    """
    relative = (found - pelvis(found)) - (truth - pelvis(truth))
    return np.asarray(fps**2 * np.linalg.norm(np.diff(relative, n=2, axis=0), axis=-1).mean(axis=-1))
