"""How far bodies are from the truth in their own frame: MPJPE, PA-MPJPE, PVE, acceleration.

Joints are SMPL's order (0 pelvis, 1 and 2 hips); 22 or 24 of them, or any others whose hips are named. Results are float64 and in
millimetres (unless said) of metres that come in. A joint that the truth does not know (NaN) is left out of its body's mean; a body of
which nothing is known, or that was not found where it is known, gets NaN. Definitions: WHAM (yohanshin/WHAM, lib/eval/eval_utils.py),
which GVHMR and Human3R share.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry.sim3 import Similarity, fit_points

MM = 1000.0
HIPS = (1, 2)
"""Joints whose middle stands for the pelvis when bodies are laid on one another."""
LEAST = 3
"""Points that a rotation needs."""
BLOCK = 3 * 2**20
"""Bytes that are worked on at once: passes over what fits into a core's cache are quicker."""


def in_blocks(metric: Callable[..., np.ndarray], *arrays: np.ndarray, overlap: int = 0) -> np.ndarray:
    """What `metric` gives of arrays of the same first axis, computed piece by piece.

    Args:
        metric: gives a value for each entry of the first axis, but for the last `overlap` of them.
        arrays: its arguments.
        overlap: how many entries a value reaches on.
    """
    count, size = len(arrays[0]), max(1, BLOCK // max(1, sum(array[:1].nbytes for array in arrays)))
    if count <= size + overlap:
        return metric(*arrays)
    pieces = (slice(begin, begin + size + overlap) for begin in range(0, count - overlap, size))
    return np.concatenate([metric(*(array[piece] for array in arrays)) for piece in pieces])


def _each(metric: Callable[..., np.ndarray], found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """A metric of single bodies, piece by piece, whatever axes they have before joints and coordinates."""
    flat = (points.reshape(-1, *points.shape[-2:]) for points in (found, truth))
    return in_blocks(metric, *flat).reshape(found.shape[:-2])


def distances(found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean distance of points in the frame they come in, mm."""
    return _each(lambda a, b: _mean(_minus(a, b), b), found, truth)


def finite(points: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """In float64, with NaN in place of infinity: no arithmetic makes noise about it, and no result is infinite."""
    wide = points.astype(np.float64, copy=False)
    good = np.isfinite(wide)
    return np.asarray(wide if good.all() else np.where(good, wide, np.nan))


def _minus(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return finite(np.asarray(found.astype(np.float64, copy=False) - truth))


def _mean(off: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean length over the joints that the truth knows, mm for m."""
    length = lengths(off)
    if not length.shape[-1]:
        return np.full(length.shape[:-1], np.nan)
    mean = np.array(length.mean(axis=-1))
    holes = ~np.isfinite(mean)
    if holes.any():
        known = np.isfinite(truth[holes]).all(axis=-1)
        total, count = np.where(known, length[holes], 0.0).sum(axis=-1), known.sum(axis=-1)
        mean[holes] = np.where((count > 0) & np.isfinite(total), total, np.nan) / np.maximum(count, 1)
    return np.asarray(MM * mean)


def lengths(vectors: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B"]:
    """Of vectors, in their unit, float64; a sixth of the time that np.linalg.norm takes for so short ones."""
    wide = vectors.astype(np.float64, copy=False)
    square = wide * wide
    total = np.asarray(square[..., 0] + square[..., 1])
    total += square[..., 2]
    return np.asarray(np.sqrt(total))


def moved(points: Float[np.ndarray, "*B N 3"], by: Similarity) -> Float[np.ndarray, "*B N 3"]:
    """`by.apply(points)` in half of its time: numpy adds few long rows sooner than many of three."""
    turned = np.ascontiguousarray(points @ (by.scale[..., None, None] * np.swapaxes(by.rotation, -1, -2)))
    rows = turned.reshape(*turned.shape[:-2], 3 * turned.shape[-2])
    rows += np.tile(by.translation, turned.shape[-2])
    return turned


def pelvis(joints: Float[np.ndarray, "*B J 3"], hips: tuple[int, int] = HIPS) -> Float[np.ndarray, "*B 1 3"]:
    """Middle of the hips, metres."""
    return np.asarray(joints[..., hips, :].astype(np.float64).mean(axis=-2, keepdims=True))


def mpjpe(
    found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"], hips: tuple[int, int] = HIPS
) -> Float[np.ndarray, "*B"]:
    """Mean joint error with the pelvises laid on one another (MPJPE), mm; both in one camera's or world's axes.

    `hips` are (1, 2) for SMPL and SMPL-X, (11, 12) for COCO.
    """

    def metric(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        off = _minus(a, b)
        off -= pelvis(off, hips)
        return _mean(off, b)

    return _each(metric, found, truth)


def by_joint(off: Float[np.ndarray, "*B J 3"], hips: tuple[int, int], places: Sequence[int]) -> Float[np.ndarray, "K"]:
    """MPJPE of each joint alone, mm; NaN of a joint that nobody has.

    Args:
        off: found minus true joints, metres.
        hips: which two of the J are laid on one another.
        places: of the J joints in the answer, which ends with the last of them; what lies between is NaN.
    """
    each = MM * lengths(off - pelvis(off, hips)).reshape(-1, off.shape[-2])
    known = np.isfinite(each)
    values = np.full(max(places) + 1, np.nan)
    values[list(places)] = np.where(known, each, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return values


def pa_mpjpe(found: Float[np.ndarray, "*B J 3"], truth: Float[np.ndarray, "*B J 3"]) -> Float[np.ndarray, "*B"]:
    """Mean joint error after the best similarity of each body (PA-MPJPE), mm; NaN, too, where less than three joints are known."""
    return _each(_pa_mpjpe, found, truth)


def _pa_mpjpe(found: Float[np.ndarray, "N J 3"], truth: Float[np.ndarray, "N J 3"]) -> Float[np.ndarray, "N"]:
    if np.isfinite(found).all() and np.isfinite(truth).all() and found.shape[-2] >= LEAST:
        a, b = found.astype(np.float64, copy=False), truth.astype(np.float64, copy=False)
        return distances(moved(a, fit_points(a, b)), b)
    known = np.isfinite(truth).all(axis=-1)
    usable = (np.isfinite(found).all(axis=-1) | ~known).all(axis=-1) & (known.sum(axis=-1) >= LEAST)
    error = np.full(usable.shape, np.nan)
    weights = known[usable]
    a, b = (np.where(weights[..., None], points[usable].astype(np.float64), 0.0) for points in (found, truth))
    error[usable] = distances(fit_points(a, b, weights.astype(np.float64)).apply(a), truth[usable])
    return error


def pve(
    found_vertices: Float[np.ndarray, "*B V 3"],
    found_joints: Float[np.ndarray, "*B J 3"],
    truth_vertices: Float[np.ndarray, "*B V 3"],
    truth_joints: Float[np.ndarray, "*B J 3"],
) -> Float[np.ndarray, "*B"]:
    """Mean vertex error with the pelvises laid on one another (PVE), mm."""
    off = _minus(found_vertices, truth_vertices)
    return _mean(off - _minus(pelvis(found_joints), pelvis(truth_joints)), truth_vertices)


def acceleration_error(
    found: Float[np.ndarray, "T *B J 3"], truth: Float[np.ndarray, "T *B J 3"], fps: float = 30.0, hips: tuple[int, int] = HIPS
) -> Float[np.ndarray, "A *B"]:
    """Mean difference of the joints' accelerations at every inner frame, m/s^2, for A = max(T - 2, 0).

    Joints are taken relative to the pelvis, as WHAM does before; WHAM then leaves the first and last value out, GVHMR does not. NaN
    where one of the three frames lacks a joint.
    """

    def metric(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        off = _minus(a, b)
        off -= pelvis(off, hips)
        return np.asarray(fps**2 * lengths(np.diff(off, n=2, axis=0)).mean(axis=-1))

    return in_blocks(metric, found, truth, overlap=2)
