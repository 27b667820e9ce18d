"""Handing over: one camera loses somebody, another finds somebody new where he must be, and no frame-set shows both sights.

Association needs a frame-set that both cameras share, tracking one camera. Where views hardly meet, or somebody is hidden from one just
as he walks into the other, only place and time are left to tell that it is the same person. The paper has nothing of the kind.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Whereabouts:
    """Where and when N people were seen: last, or first."""

    head: Float[np.ndarray, "N 3"]
    """In the node's world, metres."""
    stamp_ns: Int[np.ndarray, "N"]
    """Of that frame-set."""
    steps: Bool[np.ndarray, "N T"]
    """Frame-sets of the window in which they are seen at all."""
    views: Bool[np.ndarray, "N V"]
    """Cameras that have a track of them, and would have gone on with it."""


def handed_over(new: Whereabouts, lost: Whereabouts, within_m: float, max_gap_s: float) -> Int[np.ndarray, "N"]:
    """Which of the lost each new person is, -1 for none: one to one, the least sum of distances.

    Nobody is taken for somebody who is seen in one of the same frame-sets, or by one of the same cameras: its tracker knew him and
    decided otherwise.

    Args:
        new: first sights of people whom nobody knows.
        lost: last sights before.
        within_m: farthest from head to head.
        max_gap_s: longest time between the two sights.
    """
    distance = np.linalg.norm(new.head[:, None] - lost.head, axis=-1)
    gap_s = (new.stamp_ns[:, None] - lost.stamp_ns) * 1e-9
    apart = ~(_common(new.steps, lost.steps) | _common(new.views, lost.views))
    fits = apart & (distance <= within_m) & (gap_s > 0.0) & (gap_s <= max_gap_s)
    rows, columns = linear_sum_assignment(np.where(fits, distance, 1.0 + len(new.head) * within_m))
    found, good = np.full(len(new.head), -1), fits[rows, columns]
    found[rows[good]] = columns[good]
    return found


def _common(a: Bool[np.ndarray, "N K"], b: Bool[np.ndarray, "M K"]) -> Bool[np.ndarray, "N M"]:
    return np.asarray((a[:, None] & b).any(axis=-1))
