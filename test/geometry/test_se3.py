"""Laws of rigid transforms."""

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec

SHAPES = [(), (0,), (4,), (2, 3)]


def random_transforms(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return se3.compose(matrix_from_rotvec(rng.normal(size=(*shape, 3))), rng.normal(size=(*shape, 3)))


@pytest.mark.parametrize("shape", SHAPES)
def test_inverse(shape: tuple[int, ...]) -> None:
    a_from_b = random_transforms(shape)
    np.testing.assert_allclose(a_from_b @ se3.inverse(a_from_b), np.broadcast_to(np.eye(4), (*shape, 4, 4)), atol=1e-12)
    np.testing.assert_allclose(se3.inverse(se3.inverse(a_from_b)), a_from_b, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_points_pass_through_a_chain_as_through_the_product(shape: tuple[int, ...]) -> None:
    a_from_b, b_from_c = random_transforms(shape, 1), random_transforms(shape, 2)
    points = np.random.default_rng(3).normal(size=(*shape, 5, 3))
    np.testing.assert_allclose(
        se3.apply(a_from_b, se3.apply(b_from_c, points)), se3.apply(a_from_b @ b_from_c, points), atol=1e-12
    )
    np.testing.assert_allclose(se3.apply(se3.inverse(a_from_b), se3.apply(a_from_b, points)), points, atol=1e-12)


def test_apply_is_the_homogeneous_product() -> None:
    a_from_b, point = random_transforms(()), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(se3.apply(a_from_b, point[None])[0], (a_from_b @ [1.0, 2.0, 3.0, 1.0])[:3])


def test_directions_are_differences_of_points() -> None:
    a_from_b, points = random_transforms((2,)), np.random.default_rng(4).normal(size=(2, 5, 3))
    moved = se3.apply(a_from_b, points)
    np.testing.assert_allclose(se3.rotate(a_from_b, points - points[:, :1]), moved - moved[:, :1], atol=1e-12)


def test_one_transform_serves_many_batches() -> None:
    points = np.random.default_rng(5).normal(size=(3, 5, 3))
    a_from_b = random_transforms(())
    np.testing.assert_allclose(se3.apply(a_from_b, points)[1], se3.apply(a_from_b, points[1]))
