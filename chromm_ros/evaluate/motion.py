"""How far people are from the truth in the world, over time: WA-MPJPE, W-MPJPE, RTE, jitter, foot sliding.

Sequences have T frames of P people who share one world, with `valid` where somebody counts; who has no finite truth there does not. Frames
in which nobody counts are left out before chunks are cut, as WHAM leaves out the frames without labels. All people of a chunk are laid on
the truth by one similarity; with a single person this is WHAM's definition (lib/eval/eval_utils.py, chunks of evaluate_emdb.py), with
several GHOST's (TommasoNanni/GHOST, evaluation/evaluate_rich.py). Neither knows results that are missing where somebody counts: such frames
stay in their chunk, and get NaN. Results are float64.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.evaluate.bodies import MM, distances, finite, in_blocks, lengths, moved
from chromm_ros.geometry.sim3 import fit_points

CHUNK = 100
"""Frames that are laid on the truth together."""
FIRST = 2
"""Frames at the beginning of a chunk that W-MPJPE is laid on the truth by."""


def chunks(frames: int, size: int = CHUNK, rule: str = "wham") -> Iterator[slice]:
    """Parts of a sequence.

    Args:
        frames: of the sequence, those that count.
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
    """The same after the similarity of each chunk's first two frames (W-MPJPE), mm; NaN, too, in chunks in whose first two nobody was found."""
    return _aligned(found, truth, valid, size, rule, by=FIRST)


def _aligned(
    found: Float[np.ndarray, "T P J 3"],
    truth: Float[np.ndarray, "T P J 3"],
    valid: Bool[np.ndarray, "T P"] | None,
    size: int,
    rule: str,
    by: int | None,
) -> Float[np.ndarray, "T P"]:
    counts, known = _finite(truth) if valid is None else _finite(truth) & valid, _finite(found)
    error = np.full(counts.shape, np.nan)
    rows = np.flatnonzero(counts.any(axis=1))
    for part in chunks(len(rows), size, rule):
        mine = part if len(rows) == len(counts) else rows[part]
        mask = counts[mine] & known[mine]
        first = mask[:by]
        if first.any():
            whole = bool(mask.all())
            a, b = (
                (points[mine].reshape(-1, *points.shape[2:]) if whole else points[mine][mask]).astype(np.float64, copy=False)
                for points in (found, truth)
            )
            fitted = first.sum()  # those of the first frames come first
            fit = fit_points(a[:fitted].reshape(-1, 3), b[:fitted].reshape(-1, 3))
            values = np.full(mask.shape, np.nan)
            values[mask] = distances(moved(a.reshape(-1, 3), fit).reshape(a.shape), b)
            error[mine] = values
    return error


def rte(
    found: Float[np.ndarray, "T P 3"],
    truth: Float[np.ndarray, "T P 3"],
    valid: Bool[np.ndarray, "T P"] | None = None,
    *,
    with_scale: bool = False,
) -> Float[np.ndarray, "T P"]:
    """Error of roots after a rigid motion for each person's whole track, in percent of the way that the true root goes (RTE).

    Frames in which nobody is known on both sides are left out, as WHAM leaves out those without labels. The way is then the sum of steps
    between frames that follow one another in both of which the person is known, as GHOST has it of several people; somebody who never moves
    has none, and gets NaN (upstream: infinity). `with_scale` frees the scale, too (Human3R's scaled RTE).
    """
    there = _finite(found[..., None, :]) & _finite(truth[..., None, :])
    there = there if valid is None else there & valid
    error, rows = np.full(there.shape, np.nan), there.any(axis=1)
    for person in range(there.shape[1]):
        here = there[:, person]
        a, b = found[here, person].astype(np.float64), truth[here, person].astype(np.float64)
        number = np.cumsum(rows)[here]
        way = lengths(np.diff(b, axis=0))[np.diff(number) == 1].sum()
        if way > 0.0:
            fit = fit_points(a, b, with_scale=with_scale)
            error[here, person] = 100.0 * lengths(fit.apply(a) - b) / way
    return error


def jitter(found: Float[np.ndarray, "T *B J 3"], fps: float = 30.0) -> Float[np.ndarray, "K *B"]:
    """Mean jerk of the joints, 10 m/s^3, for K = max(T - 3, 0) (GVHMR, compute_global_metrics); NaN where a frame is missing."""

    def metric(points: np.ndarray) -> np.ndarray:
        return np.asarray(lengths(np.diff(finite(points), n=3, axis=0)).mean(axis=-1) * fps**3 / 10.0)

    return in_blocks(metric, found, overlap=3)


def foot_sliding(
    found: Float[np.ndarray, "T *B N 3"], truth: Float[np.ndarray, "T *B N 3"], still_m: float = 0.01
) -> Float[np.ndarray, "K"]:
    """Steps of the feet's points where the true ones stand (less than `still_m` from frame to frame), mm; one value for each of the K.

    The field's points are SMPL's vertices 3216, 3387, 6617 and 6787. NaN where a frame was not found.
    """
    true_step, step = (lengths(np.diff(finite(points), axis=0)) for points in (truth, found))
    return np.asarray(MM * step[true_step < still_m])


def _finite(points: Float[np.ndarray, "T P J 3"]) -> Bool[np.ndarray, "T P"]:
    return np.asarray(np.isfinite(points).all(axis=(-2, -1)))
