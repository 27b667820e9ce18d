"""Who is who, on cases that can be counted by hand."""

import numpy as np
import pytest

from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, association, idf1, switches


def test_pairs_of_two_views_are_counted_by_hand() -> None:
    # One time, view 0 shows persons 0 and 1, view 1 shows 0, 1 and somebody who is nobody. 2 x 3 pairs.
    view, truth = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, -1])
    said = np.array([7, 8, 7, 9, 8])  # 0 put together rightly, 1 not, and 1 with nobody
    counts = association(np.zeros(5, int), view, said, truth)
    assert counts == PairCounts(tp=1, fp=1, tn=3, fn=1)
    assert counts.accuracy == pytest.approx(4 / 6) and counts.precision == counts.recall == counts.f1 == 0.5
    elsewhere = association(np.array([0, 0, 1, 1, 1]), view, said, truth)
    assert elsewhere == PairCounts(), "detections of two times are no pair"


def test_nobodies_and_ungrouped_are_nobody_elses_equal() -> None:
    counts = association(np.zeros(2, int), np.array([0, 1]), np.array([3, 3]), np.array([-1, -1]))
    assert counts == PairCounts(fp=1)
    assert association(np.zeros(2, int), np.array([0, 1]), np.array([-1, -1]), np.array([4, 4])) == PairCounts(fn=1)


def test_an_id_that_changes_half_way_costs_half() -> None:
    time, person = np.arange(10), np.zeros(10, int)
    perfect, swapped = np.full(10, 5), np.where(time < 5, 5, 6)
    assert idf1(time, perfect, time, person, person) == 1.0
    assert idf1(time, swapped, time, person, person) == 0.5
    assert switches(time, swapped, person) == 1 and switches(time, perfect, person) == 0
    order = np.random.default_rng(0).permutation(10)
    assert switches(time[order], swapped[order], person[order]) == 1


def test_nothing_gives_nan_not_a_crash() -> None:
    empty = np.zeros(0, int)
    assert np.isnan(idf1(empty, empty, empty, empty, empty)) and switches(empty, empty, empty) == 0
    assert np.isnan(PairCounts().accuracy) and np.isnan(DetectionCounts().f1)
    assert DetectionCounts(tp=7, fp=3, fn=9).f1 == pytest.approx(7 / 13)
