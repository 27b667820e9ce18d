"""Who is who: whether detections were rightly taken for one person, across cameras and over time.

The paper reports accuracy and precision of its association without their formula; these count pairs of detections in two views at one
time, the way that follows from the words.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

Counts = TypeVar("Counts", bound="DetectionCounts")


@dataclass(frozen=True)
class DetectionCounts:
    """Found, missed and false people."""

    tp: int = 0
    """True people who were found."""
    fp: int = 0
    """Found people who are not there."""
    fn: int = 0
    """True people who were not found."""

    def __add__(self: Counts, other: Counts) -> Counts:
        return replace(self, **{entry.name: getattr(self, entry.name) + getattr(other, entry.name) for entry in fields(self)})

    @property
    def found(self) -> int:
        """Everybody who was found: what precision is a share of."""
        return self.tp + self.fp

    @property
    def there(self) -> int:
        """Everybody who had to be found: what recall is a share of."""
        return self.tp + self.fn

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN where nothing was found."""
        return _share(self.tp, self.found)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN where there was nothing to find."""
        return _share(self.tp, self.there)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, TP / (TP + (FP + FN) / 2)."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)


@dataclass(frozen=True)
class PairCounts(DetectionCounts):
    """Pairs of detections, by whether they are and whether they were said to be one person: what is found is that they are."""

    tn: int = 0
    """Are not, and were not said to be."""

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all; NaN without pairs."""
        return _share(self.tp + self.tn, self.tp + self.fp + self.tn + self.fn)


def association(
    time: Int[np.ndarray, "D"], view: Int[np.ndarray, "D"], said: Int[np.ndarray, "D"], truth: Int[np.ndarray, "D"]
) -> PairCounts:
    """Pairs of D detections in two views at one time.

    Args:
        time: of each detection.
        view: camera of each.
        said: group or track; below 0 for none.
        truth: true person; below 0 for nobody, who is nobody else's equal, not even another nobody's.
    """
    put, are = said >= 0, truth >= 0
    every = _pairs_of_views(view, time)
    together = _pairs_of_views(view[put], time[put], said[put])
    same = _pairs_of_views(view[are], time[are], truth[are])
    right = _pairs_of_views(view[put & are], time[put & are], said[put & are], truth[put & are])
    return PairCounts(right, together - right, same - right, every - together - same + right)


def _pairs_of_views(view: Int[np.ndarray, "D"], *keys: Int[np.ndarray, "D"]) -> int:
    """Pairs of entries that have all keys in common and not the view."""
    return _pairs(*keys) - _pairs(view, *keys)


def _pairs(*keys: Int[np.ndarray, "D"]) -> int:
    """Pairs of entries that have all keys in common."""
    if not len(keys[0]):
        return 0
    one, size = np.zeros(len(keys[0]), np.int64), 1
    for key in keys:
        low = key.min()
        span = int(key.max() - low) + 1
        one *= span
        one += key
        one -= low
        size *= span
        if size > 4 * len(one):  # too many to count by place
            names, one = np.unique(one, return_inverse=True)
            size = len(names)
    counts = np.bincount(one.reshape(-1))
    return int((counts * (counts - 1) // 2).sum())


def idf1(
    time: Int[np.ndarray, "D"],
    said: Int[np.ndarray, "D"],
    truth_time: Int[np.ndarray, "G"],
    truth: Int[np.ndarray, "G"],
    same: Int[np.ndarray, "D"],
) -> float:
    """IDF1 (Ristani et al. 2016): how much of everybody's presence one id covers, ids matched to people for the whole recording.

    Args:
        time: of each of D results.
        said: id of each.
        truth_time: of each of G true presences.
        truth: person of each.
        same: which person each result lies on; below 0 for nobody.
    """
    assert time.shape == said.shape == same.shape and truth_time.shape == truth.shape
    (ids, row), people = np.unique(said, return_inverse=True), np.unique(truth)
    column = np.minimum(np.searchsorted(people, same), max(len(people) - 1, 0))
    there = np.isin(same, people)
    cells = row.reshape(-1)[there] * len(people) + column[there]
    overlap = np.bincount(cells, minlength=len(ids) * len(people)).reshape(len(ids), len(people))
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return _share(2 * int(overlap[rows, columns].sum()), len(said) + len(truth))


def switches(time: Int[np.ndarray, "D"], said: Int[np.ndarray, "D"], same: Int[np.ndarray, "D"]) -> int:
    """How often a person's id is another one than when the person was last found."""
    count = 0
    for person in np.unique(same[same >= 0]):
        mine = same == person
        order = np.argsort(time[mine], kind="stable")
        count += int((np.diff(said[mine][order]) != 0).sum())
    return count


def match_in_image(
    found: Float[np.ndarray, "D J 2"], truth: Float[np.ndarray, "G J 2"], overlap: float = 0.05
) -> Int[np.ndarray, "M 2"]:
    """Index pairs (found, true) of people in one image, nearest first, each once (Human3R and AGORA, match_2d_greedy).

    The distance of two people is that of their joints; who lies elsewhere is nobody's.

    Args:
        found: joints, pixels.
        truth: the same joints of the true people; those that are NaN count neither here nor in boxes.
        overlap: least intersection over union of the boxes around the joints.
    """
    known = np.isfinite(truth)
    off = np.where(known, found[:, None] - np.where(known, truth, 0.0), 0.0)
    cost = np.linalg.norm(off, axis=(-2, -1))
    cost = np.where(np.isfinite(cost) & (_box_overlap(found, truth) >= overlap) & known.any(axis=(-2, -1)), cost, np.inf)
    pairs = []
    while np.isfinite(cost).any():
        i, j = np.unravel_index(int(cost.argmin()), cost.shape)
        pairs.append((i, j))
        cost[i], cost[:, j] = np.inf, np.inf
    return np.array(pairs, np.int64).reshape(-1, 2)


def _box_overlap(found: Float[np.ndarray, "D J 2"], truth: Float[np.ndarray, "G J 2"]) -> Float[np.ndarray, "D G"]:
    """Intersection over union of the boxes around joints."""
    low, high = [], []
    for points in (found, truth):
        known = np.isfinite(points)
        low.append(np.where(known, points, np.inf).min(axis=-2, initial=np.inf))
        high.append(np.where(known, points, -np.inf).max(axis=-2, initial=-np.inf))
    inner = _area(np.maximum(low[0][:, None], low[1]), np.minimum(high[0][:, None], high[1]))
    union = _area(low[0], high[0])[:, None] + _area(low[1], high[1]) - inner
    return np.asarray(np.divide(inner, union, out=np.zeros_like(inner), where=union > 0.0))


def _area(low: Float[np.ndarray, "*B 2"], high: Float[np.ndarray, "*B 2"]) -> Float[np.ndarray, "*B"]:
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=-1))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
