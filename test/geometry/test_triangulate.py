"""Laws of triangulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.geometry.triangulate import agreeing, meet


@given(st.integers(0, 10_000), st.integers(2, 8))
@settings(max_examples=50, deadline=None)
def test_rays_through_a_point_meet_there(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    point, origins = rng.normal(size=3), 3.0 * rng.normal(size=(count, 3))
    lengths = rng.uniform(0.5, 2.0, (count, 1))
    found = meet(origins, (point - origins) * lengths, rng.uniform(0.1, 1.0, count))
    if found.spread > 1e-4:
        np.testing.assert_allclose(found.point, point, atol=1e-8)
        np.testing.assert_allclose(found.ahead, np.linalg.norm(point - origins, axis=-1), atol=1e-8)
    assert found.residual < 1e-7


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_batches_are_solved_one_by_one(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    origins, directions, weights = (
        rng.normal(size=(*shape, 4, 3)),
        rng.normal(size=(*shape, 4, 3)),
        rng.uniform(0.1, 1, (*shape, 4)),
    )
    found = meet(origins, directions, weights)
    for index in np.ndindex(shape):
        alone = meet(origins[index], directions[index], weights[index])
        np.testing.assert_allclose(found.point[index], alone.point)
        np.testing.assert_allclose(found.residual[index], alone.residual)


def test_it_is_the_least_squares_point() -> None:
    rng = np.random.default_rng(2)
    origins, directions, weights = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.uniform(0.1, 1.0, 4)
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def cost(point: np.ndarray) -> float:
        away = point - origins
        return float((weights * (np.linalg.norm(np.cross(away, unit), axis=-1) ** 2)).sum())

    found = meet(origins, directions, weights)
    assert np.sqrt(cost(found.point) / weights.sum()) == pytest.approx(float(found.residual))
    assert all(cost(found.point) < cost(found.point + 0.01 * rng.normal(size=3)) for _ in range(50))


def test_spread_of_two_rays_tells_their_angle() -> None:
    for angle in (0.1, 0.5, np.pi / 2):
        directions = np.array([[1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0]])
        assert meet(-directions, directions).spread == pytest.approx((1.0 - np.cos(angle)) / 2.0)


@pytest.mark.parametrize(
    ("origins", "directions", "weights"),
    [
        (np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.array([[0.0, 0, 1], [0.0, 0, 1]]), np.ones(2)),
        (np.array([[1.0, 2, 3]]), np.array([[0.0, 0, 1]]), np.ones(1)),
        (np.zeros((2, 3)), np.array([[0.0, 0, 1], [0.0, 1, 0]]), np.zeros(2)),
    ],
    ids=["parallel", "single", "no weight"],
)
def test_what_does_not_fix_a_point_is_finite_and_says_so(
    origins: np.ndarray, directions: np.ndarray, weights: np.ndarray
) -> None:
    found = meet(origins, directions, weights)
    assert np.isfinite(found.point).all() and found.spread == pytest.approx(0.0, abs=1e-12)


def test_a_point_behind_an_origin_is_told() -> None:
    found = meet(np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.array([[-1.0, 0, 1], [0.0, 0, 1]]))  # meet at z = -1
    np.testing.assert_allclose(found.point, [1.0, 0.0, -1.0], atol=1e-12)
    assert (found.ahead < 0.0).all()


def test_a_rigid_motion_moves_the_point_with_the_rays() -> None:
    rng = np.random.default_rng(3)
    origins, directions = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shift = rng.normal(size=3)
    moved = meet(origins @ turn.T + shift, directions @ turn.T)
    np.testing.assert_allclose(moved.point, turn @ meet(origins, directions).point + shift, atol=1e-10)


@pytest.mark.parametrize("strays", [0, 1, 3])
def test_rays_that_go_astray_do_not_agree(strays: int) -> None:
    rng = np.random.default_rng(4)
    origins = rng.normal(size=(50, 8, 3)) * [5.0, 5.0, 1.0] + [0.0, 0.0, 10.0]
    targets = 0.02 * rng.normal(size=(50, 8, 3))
    targets[:, :strays] += rng.choice([-2.0, 2.0], size=(50, strays, 3))
    rays = targets - origins
    distances = np.linalg.norm(rays, axis=-1)
    passed = np.linalg.norm(np.cross(rays, origins), axis=-1) / distances > 0.4  # others may well pass the point by chance
    said = distances * (1.0 + 0.1 * rng.normal(size=distances.shape))
    agree = agreeing(origins, rays, np.ones((50, 8)), said, 0.3)
    assert agree[:, strays:].mean() > 0.98 and (not strays or agree[passed].mean() < 0.02)


def test_distances_said_do_not_spoil_rays_that_meet() -> None:
    rng = np.random.default_rng(5)
    origins = 4.0 * rng.normal(size=(20, 4, 3))
    said = np.linalg.norm(origins, axis=-1) * rng.uniform(0.7, 1.4, (20, 4))
    assert agreeing(origins, -origins, np.ones((20, 4)), said, 0.05).all()


def test_parallel_rays_agree_where_they_run_close_together_and_no_weight_never_does() -> None:
    origins = np.array([[0.0, 0, 0], [0.1, 0, 0], [2.0, 0, 0]])
    ahead = np.broadcast_to([0.0, 0.0, 1.0], (3, 3))
    assert agreeing(origins, ahead, np.array([1.0, 1.0, 1.0]), np.full(3, 4.0), 0.3).tolist() == [True, True, False]
    assert agreeing(origins, ahead, np.array([1.0, 0.0, 0.0]), np.full(3, 4.0), 0.3).tolist() == [True, False, False]
    assert not agreeing(origins, ahead, np.zeros(3), np.full(3, 4.0), 0.3).any()


def test_a_ray_ends_at_its_origin() -> None:
    origins, rays = np.array([[0.0, 0, 0], [4.0, 0, 0]]), np.array([[-1.0, 0, 1], [1.0, 0, 1]])  # their lines meet behind
    assert not agreeing(origins, rays, np.ones(2), np.full(2, 4.0), 0.3).all()
