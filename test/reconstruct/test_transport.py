"""Optimal transport: parity with Human3R's tracker, planted permutations, degenerate sizes."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.reconstruct.transport import log_transport, match

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("CHROMM_REFERENCE", ROOT.parent / "shared" / "reference")) / "metrics"


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference vectors: set CHROMM_REFERENCE to their folder")
@pytest.mark.parametrize("number", range(4))
def test_plan_and_matches_equal_those_of_human3r(number: int) -> None:
    reference = np.load(REFERENCE / f"sinkhorn_{number}.npz")
    last, current = (reference[name].astype(np.float64) for name in ("in_last", "in_cur"))
    scores = -np.linalg.norm(last[:, None] - current[None], axis=-1)
    np.testing.assert_allclose(log_transport(scores), reference["out_logZ"][0], atol=1e-4)
    expected = reference["out_cur_to_last"][0]
    found = np.full(len(current), -1)
    rows, columns = np.nonzero(match(scores))
    found[columns] = rows
    np.testing.assert_array_equal(found, expected)


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_a_planted_permutation_is_found(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    places, order = 20.0 * rng.normal(size=(count, 16)), rng.permutation(count)
    rows, columns = np.nonzero(match(-np.linalg.norm(places[:, None] - places[order][None], axis=-1)))
    np.testing.assert_array_equal(rows, np.arange(count))
    np.testing.assert_array_equal(order[columns], rows)


def test_mass_is_kept() -> None:
    plan = np.exp(log_transport(-np.random.default_rng(0).uniform(0.0, 20.0, (4, 6))))
    np.testing.assert_allclose(plan.sum(axis=0)[:-1], 1.0)  # the last step of the iteration sets the columns
    np.testing.assert_allclose(plan.sum(axis=1)[:-1], 1.0, atol=0.05)  # nearly converged after 20


def test_who_is_too_unlike_stays_unmatched() -> None:
    assert not match(np.array([[-30.0]])).any()
    assert match(np.array([[-1.0]])).all()


def test_a_pair_needs_a_fifth_of_the_mass() -> None:
    for score, lowest, highest, matched in ((-12.5, 0.2, 0.3, True), (-14.0, 0.05, 0.15, False)):
        scores = np.array([[score]])
        assert lowest < np.exp(log_transport(scores)[0, 0]) < highest
        assert match(scores).all() == matched


def test_who_is_preferred_by_two_is_given_away_once() -> None:
    scores = np.array([[-1.0, -2.0]])
    assert (np.exp(log_transport(scores)[0, :2]) > 0.25).all(), "both carry enough"
    assert match(scores).tolist() == [[True, False]]
    assert match(scores.T).tolist() == [[True], [False]]


def test_forbidden_pairs_are_never_matched() -> None:
    assert np.argwhere(match(np.array([[-np.inf, -1.0], [-np.inf, -2.0]]))).tolist() == [[0, 1]]
    assert not match(np.full((3, 3), -np.inf)).any()
    assert match(np.zeros((0, 3))).shape == (0, 3)


def test_very_low_scores_are_still_told_apart() -> None:
    scores = np.array([[-1000.0, -1001.0], [-1001.0, -1003.0]])  # exp of any of them is 0
    gain = log_transport(scores)[0, 0] + log_transport(scores)[1, 1] - log_transport(scores)[0, 1] - log_transport(scores)[1, 0]
    assert gain == pytest.approx(-1000.0 - 1003.0 + 2 * 1001.0)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=20, deadline=None, derandomize=True)  # a score may lie on the threshold
def test_problems_of_different_sizes_go_together(seed: int, rows: int, columns: int) -> None:
    scores = -np.random.default_rng(seed).uniform(0.0, 12.0, (rows, columns))
    filled = np.full((2, 6, 6), -np.inf)
    filled[0, :rows, :columns] = scores
    together = match(filled)
    np.testing.assert_array_equal(together[0, :rows, :columns], match(scores))
    assert together.sum() == match(scores).sum()
