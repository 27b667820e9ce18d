"""Laws of rotations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from chromm_ros.geometry.rotation import (
    geodesic_angle,
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
