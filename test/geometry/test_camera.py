"""Laws of pinhole cameras."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromm_ros.geometry import camera

K = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_unproject_undoes_project(shape: tuple[int, ...]) -> None:
    points = np.random.default_rng(0).normal(size=(*shape, 3)) + np.array([0.0, 0.0, 5.0])
    np.testing.assert_allclose(camera.unproject(camera.project(points, K), points[..., 2], K), points, atol=1e-12)


@given(st.floats(0, 640), st.floats(0, 480), st.floats(0.1, 50.0))
def test_project_undoes_unproject(u: float, v: float, depth: float) -> None:
    pixel = np.array([u, v])
    np.testing.assert_allclose(camera.project(camera.unproject(pixel, np.asarray(depth), K), K), pixel, atol=1e-8)


def test_the_optical_axis_meets_the_principal_point() -> None:
    np.testing.assert_allclose(camera.project(np.array([0.0, 0.0, 2.0]), K), [320.0, 240.0])


def test_right_is_right_and_down_is_down() -> None:
    u, v = camera.project(np.array([0.1, 0.2, 1.0]), K)
    assert u > 320.0 and v > 240.0


@pytest.mark.parametrize("z", [0.0, -1.0])
def test_a_point_that_is_not_in_front_has_no_pixel(z: float) -> None:
    assert np.isnan(camera.project(np.array([0.1, 0.2, z]), K)).all()
    assert not camera.inside(camera.project(np.array([0.1, 0.2, z]), K), np.array([640.0, 480.0]))


def test_rays_have_unit_depth() -> None:
    np.testing.assert_array_equal(camera.rays(camera.pixel_grid(4, 3).reshape(-1, 2), K)[:, 2], 1.0)


def test_a_grid_starts_half_a_pixel_in() -> None:
    grid = camera.pixel_grid(4, 3)
    assert grid.shape == (3, 4, 2)
    np.testing.assert_array_equal(grid[0, 0], [0.5, 0.5])
    np.testing.assert_array_equal(grid[2, 3], [3.5, 2.5])


def test_resizing_scales_pixels() -> None:
    points = np.random.default_rng(1).normal(size=(9, 3)) + np.array([0.0, 0.0, 5.0])
    smaller = camera.resized(K, (640, 480), (320, 160))
    np.testing.assert_allclose(camera.project(points, smaller), camera.project(points, K) * [320 / 640, 160 / 480])


def test_the_field_of_view_survives_resizing() -> None:
    corners = np.array([[0.0, 0.0], [640.0, 480.0]])
    smaller = camera.resized(K, (640, 480), (224, 168))
    np.testing.assert_allclose(camera.rays(corners * (224 / 640), smaller), camera.rays(corners, K))


def test_cropping_shifts_pixels_and_padding_undoes_it() -> None:
    point = np.array([0.3, 0.1, 2.0])
    cut = camera.cropped(K, 10.0, 20.0)
    np.testing.assert_allclose(camera.project(point, cut), camera.project(point, K) - [10.0, 20.0])
    np.testing.assert_allclose(camera.padded(cut, 10.0, 20.0), K)
