"""Who is who: whether detections were rightly taken for one person, across cameras and over time.

The paper reports accuracy and precision of its association without their formula; these count pairs of detections in two views at one
time, the way that follows from the words.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Int
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
    def precision(self) -> float:
        """TP / (TP + FP); NaN where nothing was found."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN where there was nothing to find."""
        return _share(self.tp, self.tp + self.fn)

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
    pair = (time[:, None] == time) & (view[:, None] < view)
    same = (truth[:, None] == truth) & (truth >= 0)
    put = (said[:, None] == said) & (said >= 0)
    return PairCounts(*(int((pair & a & b).sum()) for a, b in ((put, same), (put, ~same), (~put, same), (~put, ~same))))


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
    ids, people = np.unique(said), np.unique(truth)
    overlap = np.array([[((said == i) & (same == p)).sum() for p in people] for i in ids]).reshape(len(ids), len(people))
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


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
