"""How far people are from the truth in the world, over time: WA-MPJPE, W-MPJPE, RTE, jitter, foot sliding.

Sequences have T frames of P people who share one world, with `valid` where both truth and result exist. All people of a chunk are laid on
the truth by one similarity; with a single person this is WHAM's definition (lib/eval/eval_utils.py, chunks of evaluate_emdb.py), with
several GHOST's (TommasoNanni/GHOST, evaluation/evaluate_rich.py). Results are float64.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.evaluate.bodies import MM, distances, finite, lengths
from chromm_ros.geometry.sim3 import fit_points

CHUNK = 100
"""Frames that are laid on the truth together."""
FIRST = 2
"""Frames at the beginning of a chunk that W-MPJPE is laid on the truth by."""


def chunks(frames: int, size: int = CHUNK, rule: str = "wham") -> Iterator[slice]:
    """Parts of a sequence.

    Args:
        frames: of the sequence.
        size: of a chunk.
        rule: `wham` keeps a shorter last chunk; `tram` (yufu-wang/tram, scripts/emdb/run_eval.py) begins no chunk with less than `size`
            frames behind it, joins what is then left to the last one but for the final frame, and so leaves sequences of `size` out.
    """
    assert rule in {"wham", "tram"}, rule
    if rule == "wham":
        yield from (slice(start, min(start + size, frames)) for start in range(0, frames, size))
        return
    for start in range(0, frames - size, size):
        yield slice(start, start + size if frames - start - size >= size else frames - 1)


def wa_mpjpe(
    found: Float[np.ndarray, "T P J 3"],
    truth: Float[np.ndarray, "T P J 3"],
    valid: Bool[np.ndarray, "T P"] | None = None,
    size: int = CHUNK,
    rule: str = "wham",
) -> Float[np.ndarray, "T P"]:
    """Mean joint error after one similarity for each chunk (WA-MPJPE), mm; NaN where not valid, or in no chunk."""
    return _aligned(found, truth, valid, size, rule, by=None)


def w_mpjpe(
    found: Float[np.ndarray, "T P J 3"],
    truth: Float[np.ndarray, "T P J 3"],
    valid: Bool[np.ndarray, "T P"] | None = None,
    size: int = CHUNK,
    rule: str = "wham",
) -> Float[np.ndarray, "T P"]:
    """The same after the similarity of each chunk's first two frames (W-MPJPE), mm; NaN, too, in chunks where these show nobody."""
    return _aligned(found, truth, valid, size, rule, by=FIRST)


def _aligned(
    found: Float[np.ndarray, "T P J 3"],
    truth: Float[np.ndarray, "T P J 3"],
    valid: Bool[np.ndarray, "T P"] | None,
    size: int,
    rule: str,
    by: int | None,
) -> Float[np.ndarray, "T P"]:
    there = _there(found, truth, valid)
    error = np.full(there.shape, np.nan)
    for part in chunks(len(found), size, rule):
        mask = there[part]
        first = mask[:by]
        if first.any():
            a, b = (points[part][mask].astype(np.float64, copy=False) for points in (found, truth))
            fitted = first.sum()  # those of the first frames come first
            fit = fit_points(a[:fitted].reshape(-1, 3), b[:fitted].reshape(-1, 3))
            error[part][mask] = distances(fit.apply(a), b)
    return error


def rte(
    found: Float[np.ndarray, "T P 3"],
    truth: Float[np.ndarray, "T P 3"],
    valid: Bool[np.ndarray, "T P"] | None = None,
    *,
    with_scale: bool = False,
) -> Float[np.ndarray, "T P"]:
    """Error of roots after a rigid motion for each person's whole track, in percent of the way that the true root goes (RTE).

    The way is the sum of steps between frames that follow one another; somebody who never moves has none, and gets NaN (upstream:
    infinity). `with_scale` frees the scale, too (Human3R's scaled RTE).
    """
    there = _there(found[..., None, :], truth[..., None, :], valid)
    error = np.full(there.shape, np.nan)
    for person in range(there.shape[1]):
        here = there[:, person]
        a, b = found[here, person].astype(np.float64), truth[here, person].astype(np.float64)
        step = lengths(np.diff(finite(truth[:, person]), axis=0))
        way = step[here[1:] & here[:-1]].sum()
        if way > 0.0:
            fit = fit_points(a, b, with_scale=with_scale)
            error[here, person] = 100.0 * lengths(fit.apply(a) - b) / way
    return error


def jitter(found: Float[np.ndarray, "T *B J 3"], fps: float = 30.0) -> Float[np.ndarray, "K *B"]:
    """Mean jerk of the joints, 10 m/s^3, for K = max(T - 3, 0) (GVHMR, compute_global_metrics); NaN where a frame is missing."""
    return np.asarray(lengths(np.diff(finite(found), n=3, axis=0)).mean(axis=-1) * fps**3 / 10.0)


def foot_sliding(
    found: Float[np.ndarray, "T *B N 3"], truth: Float[np.ndarray, "T *B N 3"], still_m: float = 0.01
) -> Float[np.ndarray, "K"]:
    """Steps of the feet's points where the true ones stand (less than `still_m` from frame to frame), mm; one value for each of the K.

    The field's points are SMPL's vertices 3216, 3387, 6617 and 6787. NaN where a frame was not found.
    """
    true_step, step = (lengths(np.diff(finite(points), axis=0)) for points in (truth, found))
    return np.asarray(MM * step[true_step < still_m])


def _there(found: np.ndarray, truth: np.ndarray, valid: Bool[np.ndarray, "T P"] | None) -> Bool[np.ndarray, "T P"]:
    """Where both are finite, and valid if that is told."""
    finite = np.isfinite(found).all(axis=(-2, -1)) & np.isfinite(truth).all(axis=(-2, -1))
    return np.asarray(finite if valid is None else finite & valid)
