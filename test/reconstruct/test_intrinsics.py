"""Guessed intrinsics are pooled, known ones are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry.camera import project
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.intrinsics import IntrinsicsPool, reprojected
from chromm_ros.reconstruct.people import People
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

START = Cameras.read(*World(views=2).window())


def guess(factor: float) -> Cameras:
    return replace(START, intrinsics=START.intrinsics * np.array([factor, factor, 1.0])[:, None])


def test_the_median_of_the_last_windows_stands() -> None:
    pool = IntrinsicsPool(3)
    found = [pool.update(guess(factor)).intrinsics[0, 0, 0] / START.intrinsics[0, 0, 0] for factor in (1.0, 1.2, 5.0, 1.3, 1.1)]
    assert found == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.3])


def test_calibrated_cameras_are_left_alone() -> None:
    pool = IntrinsicsPool(5)
    known = replace(guess(1.0), calibrated=START.view == 0)
    pool.update(known)
    pooled = pool.update(replace(known, intrinsics=guess(2.0).intrinsics)).intrinsics
    np.testing.assert_array_equal(pooled[START.view == 0], guess(2.0).intrinsics[START.view == 0])
    np.testing.assert_allclose(pooled[START.view == 1], guess(1.5).intrinsics[START.view == 1])


def test_another_image_size_reset_or_a_window_of_one_start_anew() -> None:
    pool, single = IntrinsicsPool(5), IntrinsicsPool(1)
    pool.update(guess(1.0)), single.update(guess(1.0))
    np.testing.assert_array_equal(single.update(guess(2.0)).intrinsics, guess(2.0).intrinsics)
    larger = replace(guess(2.0), size=2.0 * START.size)
    np.testing.assert_array_equal(pool.update(larger).intrinsics, larger.intrinsics)
    pool.reset()
    np.testing.assert_array_equal(pool.update(guess(3.0)).intrinsics, guess(3.0).intrinsics)


def test_heads_stay_on_the_rays_of_their_pixels_at_their_depths() -> None:
    window, prediction = World(views=2).window()
    cameras = Cameras.read(window, prediction)
    people = People.read(prediction, cameras, body())
    pooled = replace(cameras, intrinsics=1.1 * cameras.intrinsics * np.array([1.0, 1.0, 1 / 1.1])[:, None])
    moved = reprojected(pooled, people)
    np.testing.assert_allclose(project(moved.head, pooled.intrinsics[people.frame]), people.head_pixel)
    np.testing.assert_array_equal(moved.head[:, 2], people.head[:, 2])
    known = replace(pooled, calibrated=np.ones(len(pooled), dtype=bool))
    np.testing.assert_array_equal(reprojected(known, people).head, people.head)
