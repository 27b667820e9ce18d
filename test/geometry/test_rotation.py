"""Laws of rotations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from chromm_ros.geometry.rotation import (
    geodesic_angle,
    geodesic_median,
    is_rotation,
    matrix_from_rotvec,
    mean_rotation,
    nearest_rotation,
    rotvec_from_matrix,
)

SHAPES = [(), (1,), (0,), (2, 3)]


def random_rotations(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return matrix_from_rotvec(np.random.default_rng(seed).normal(size=(*shape, 3)))


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_and_matrices_are_each_others_inverse(shape: tuple[int, ...]) -> None:
    rotvec = np.random.default_rng(1).uniform(-1.7, 1.7, (*shape, 3))  # shorter than pi
    np.testing.assert_allclose(rotvec_from_matrix(matrix_from_rotvec(rotvec)), rotvec, atol=1e-12)


@given(st.floats(0.0, np.pi), st.integers(0, 1000))
def test_the_angle_is_the_one_turned_by(angle: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    a = random_rotations((), seed)
    b = a @ matrix_from_rotvec(angle * axis / np.linalg.norm(axis))
    assert abs(geodesic_angle(a, b) - angle) < 1e-7
    assert abs(geodesic_angle(b, a) - angle) < 1e-7


def test_small_angles_keep_their_digits() -> None:
    b = matrix_from_rotvec(np.array([0.0, 1e-9, 0.0]))
    assert geodesic_angle(np.eye(3), b) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_nearest_rotation_is_one(shape: tuple[int, ...]) -> None:
    rotation = nearest_rotation(np.random.default_rng(2).normal(size=(*shape, 3, 3)))
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, -1, -2), np.broadcast_to(np.eye(3), rotation.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)


def test_a_rotation_is_nearest_to_itself() -> None:
    rotation = random_rotations((50,))
    np.testing.assert_allclose(nearest_rotation(3.0 * rotation), rotation, atol=1e-12)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.diag([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, -1.0])])
def test_degenerate_matrices_give_some_rotation(matrix: np.ndarray) -> None:
    assert np.linalg.det(nearest_rotation(matrix)) == pytest.approx(1.0)


def test_the_mean_equals_the_quaternion_mean_of_scipy() -> None:
    rng = np.random.default_rng(3)
    matrices, weights = random_rotations((4, 5), 3), rng.uniform(0.1, 1.0, (4, 5))
    expected = [Rotation.from_matrix(m).mean(w).as_matrix() for m, w in zip(matrices, weights, strict=True)]
    np.testing.assert_allclose(mean_rotation(matrices, weights), expected, atol=1e-9)


def test_the_mean_of_two_lies_halfway_and_moves_with_them() -> None:
    a, b, motion = random_rotations((3,), 4)
    middle = mean_rotation(np.stack([a, b]))
    assert geodesic_angle(a, middle) == pytest.approx(float(geodesic_angle(a, b)) / 2)
    np.testing.assert_allclose(mean_rotation(motion @ np.stack([a, b])), motion @ middle, atol=1e-12)


def test_the_mean_of_turns_just_below_and_above_pi_is_pi() -> None:
    # Their quaternions have opposite signs: a naive mean would be near the identity.
    turns = matrix_from_rotvec(np.array([[0.0, 0.0, np.pi - 0.1], [0.0, 0.0, -np.pi + 0.1]]))
    np.testing.assert_allclose(mean_rotation(turns), np.diag([-1.0, -1.0, 1.0]), atol=1e-12)


def test_weight_zero_leaves_out() -> None:
    a, b = random_rotations((2,), 5)
    np.testing.assert_allclose(mean_rotation(np.stack([a, b]), np.array([1.0, 0.0])), a, atol=1e-12)


def test_both_ways_to_the_nearest_rotation_agree_and_leave_their_argument_alone() -> None:
    matrices = np.random.default_rng(6).normal(size=(200, 3, 3))
    kept = matrices.copy()
    u, _, vt = np.linalg.svd(matrices)
    sign = np.linalg.det(u @ vt)[:, None] * [0.0, 0.0, 1.0] + [1.0, 1.0, 0.0]
    expected = (u * sign[:, None]) @ vt
    np.testing.assert_allclose(nearest_rotation(matrices), expected, atol=1e-9)
    np.testing.assert_allclose([nearest_rotation(m) for m in matrices], expected, atol=1e-9)  # one by one
    np.testing.assert_array_equal(matrices, kept)


@pytest.mark.parametrize("shape", SHAPES)
def test_rotations_are_told_from_other_matrices(shape: tuple[int, ...]) -> None:
    rotations = random_rotations(shape)
    assert is_rotation(rotations).shape == shape and is_rotation(rotations).all()
    shear = np.eye(3) + 0.1 * np.eye(3, k=1)
    for spoilt in (1.01 * rotations, -rotations, 0.0 * rotations, rotations @ shear):
        assert not is_rotation(spoilt).any()


@given(st.integers(0, 1000), st.integers(1, 7))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_median_has_the_least_sum_of_angles_and_moves_with_its_rotations(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    matrices, weights = random_rotations((count,), seed), rng.uniform(0.5, 1.0, count)
    middle = random_rotations((), seed + 1)
    near = middle @ matrix_from_rotvec(0.3 * rng.normal(size=(count, 3)))
    median = geodesic_median(near, weights, steps=40)

    def cost(rotation: np.ndarray) -> float:
        return float((weights * geodesic_angle(rotation, near)).sum())

    others = median @ matrix_from_rotvec(0.05 * rng.normal(size=(20, 3)))
    assert all(cost(median) < cost(other) + 1e-3 for other in [*others, *near, geodesic_median(near, weights)])
    np.testing.assert_allclose(geodesic_median(matrices[0] @ near, weights, steps=40), matrices[0] @ median, atol=1e-6)


def test_fewer_than_half_move_the_median_little() -> None:
    a, far = random_rotations((2,), 7)
    astray = np.stack([a, a, a, far, far])
    assert geodesic_angle(geodesic_median(astray), a) < 0.15 < 0.3 < geodesic_angle(mean_rotation(astray), a)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_medians_of_batches_are_found_one_by_one(shape: tuple[int, ...]) -> None:
    matrices, weights = random_rotations((*shape, 4), 8), np.random.default_rng(8).uniform(0.1, 1.0, (*shape, 4))
    found = geodesic_median(matrices, weights)
    assert found.shape == (*shape, 3, 3) and is_rotation(found).all()
    for index in np.ndindex(shape):
        np.testing.assert_allclose(found[index], geodesic_median(matrices[index], weights[index]), atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, np.pi])
def test_the_median_of_two_is_finite_and_between_them(angle: float) -> None:
    pair = matrix_from_rotvec(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, angle]]))
    median = geodesic_median(pair)
    assert is_rotation(median) and geodesic_angle(pair, median).sum() == pytest.approx(angle, abs=1e-6)


def test_no_weight_gives_some_rotation() -> None:
    assert is_rotation(geodesic_median(random_rotations((3,), 9), np.zeros(3)))
