"""Laws of triangulation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chromm_ros.geometry.triangulate import agreeing, meet


def bundle(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A point, and places on rays through it with the rays' directions."""
    rng = np.random.default_rng(seed)
    point, origins = rng.normal(size=3), 3.0 * rng.normal(size=(count, 3))
    unit = (point - origins) / np.linalg.norm(point - origins, axis=-1, keepdims=True)
    return point, origins, unit


@given(st.integers(0, 10_000), st.integers(2, 8))
@settings(max_examples=50, deadline=None)
def test_rays_through_a_point_meet_there(seed: int, count: int) -> None:
    point, origins, unit = bundle(seed, count)
    assume(np.abs(unit @ unit.T - np.eye(count)).min() < 0.999)
    found, _ = meet(origins, unit, np.random.default_rng(seed).uniform(0.1, 1.0, count), np.zeros(count))
    np.testing.assert_allclose(found, point, atol=1e-8)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_batches_are_solved_one_by_one(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    places, unit = rng.normal(size=(*shape, 4, 3)), rng.normal(size=(*shape, 4, 3))
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    across, along = rng.uniform(0.1, 1.0, (2, *shape, 4))
    point, inverse = meet(places, unit, across, along)
    for index in np.ndindex(shape):
        alone = meet(places[index], unit[index], across[index], along[index])
        np.testing.assert_allclose(point[index], alone[0])
        np.testing.assert_allclose(inverse[index], alone[1])


def test_it_is_the_least_squares_point() -> None:
    rng = np.random.default_rng(2)
    places, (across, along), (_, _, unit) = rng.normal(size=(4, 3)), rng.uniform(0.1, 1.0, (2, 4)), bundle(2, 4)

    def cost(point: np.ndarray) -> float:
        away = point - places
        lengthwise = (away * unit).sum(axis=-1) ** 2
        return float((across * ((away**2).sum(axis=-1) - lengthwise) + along * lengthwise).sum())

    found, inverse = meet(places, unit, across, along)
    for step in 0.1 * rng.normal(size=(50, 3)):
        assert cost(found + step) == pytest.approx(cost(found) + step @ np.linalg.solve(inverse, step))


def test_equal_weights_along_and_across_give_the_mean_and_one_ray_its_own_place() -> None:
    _, places, unit = bundle(3, 5)
    weights = np.linspace(0.1, 1.0, 5)
    np.testing.assert_allclose(meet(places, unit, weights, weights)[0], np.average(places, axis=0, weights=weights))
    np.testing.assert_allclose(meet(places[:1], unit[:1], np.ones(1), np.full(1, 0.01))[0], places[0])


def test_a_rigid_motion_moves_the_point_with_the_rays() -> None:
    rng = np.random.default_rng(3)
    places, (across, along), (_, _, unit) = rng.normal(size=(4, 3)), rng.uniform(0.1, 1.0, (2, 4)), bundle(3, 4)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shift = rng.normal(size=3)
    (moved, there), (point, here) = meet(places @ turn.T + shift, unit @ turn.T, across, along), meet(places, unit, across, along)
    np.testing.assert_allclose(moved, turn @ point + shift, atol=1e-10)
    np.testing.assert_allclose(there, turn @ here @ turn.T, atol=1e-10)


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
