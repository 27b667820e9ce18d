"""Cameras that stand are held where they stand, and let go when they move."""

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.reconstruct.fixed import FixedCameras

VIEW = np.array([0, 1])
TRUTH = se3.compose(
    matrix_from_rotvec(np.array([[0.1, 0.2, 0.3], [0.0, 1.0, 0.0]])), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
)


def seen(rng: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    """Both cameras with a centimetre and a fifth of a degree of noise, the second shifted."""
    noise = se3.compose(matrix_from_rotvec(0.004 * rng.normal(size=(2, 3))), 0.01 * rng.normal(size=(2, 3)))
    poses = TRUTH @ noise
    poses[1, 0, 3] += shift
    return poses


def hold(cameras: FixedCameras, poses: np.ndarray, free: tuple[bool, bool] = (True, True)) -> np.ndarray:
    return cameras.hold(poses, VIEW, np.ones(2, dtype=bool), np.array(free))


def test_a_camera_that_stands_is_held_at_its_mean_place_after_some_windows() -> None:
    rng, cameras = np.random.default_rng(0), FixedCameras(10, 0.1, 2.0)
    for _ in range(9):
        poses = seen(rng)
        np.testing.assert_array_equal(hold(cameras, poses), poses)
        assert cameras.count == 0
    held = [hold(cameras, seen(rng)) for _ in range(40)]
    assert cameras.count == 2 and all(np.array_equal(h, held[0]) for h in held)
    assert np.abs(held[0] - TRUTH).max() < 0.01


@pytest.mark.parametrize(("shift", "turn"), [(0.3, 0.0), (0.0, 0.1)])
def test_a_camera_that_moved_is_let_go_at_once_and_held_again_at_its_new_place(shift: float, turn: float) -> None:
    rng, cameras = np.random.default_rng(0), FixedCameras(5, 0.1, 2.0)
    for _ in range(6):
        hold(cameras, seen(rng))
    for k in range(6):
        poses = seen(rng, shift)
        poses[1, :3, :3] = matrix_from_rotvec(np.array([0.0, 0.0, turn])) @ poses[1, :3, :3]
        held = hold(cameras, poses)
        assert np.array_equal(held[1], poses[1]) == (k < 4), "freely estimated until it stood still for five windows"
        assert not np.array_equal(held[0], poses[0]), "the other stays where it is"
    assert abs(held[1, 0, 3] - shift) < 0.02


def test_a_camera_that_creeps_is_let_go() -> None:
    rng, cameras = np.random.default_rng(0), FixedCameras(5, 0.1, 2.0)
    for _ in range(10):
        hold(cameras, seen(rng))
    for _ in range(20):  # what a world that is tied to the held place sees: the same small step in every window
        hold(cameras, seen(rng, 0.04))
        if cameras.count < 2:
            break
    assert cameras.count == 1


def test_images_that_came_before_do_not_count_again() -> None:
    cameras, rng = FixedCameras(3, 0.1, 2.0), np.random.default_rng(0)
    for _ in range(10):
        cameras.hold(seen(rng), VIEW, np.zeros(2, dtype=bool), np.ones(2, dtype=bool))
    assert cameras.count == 0


def test_known_poses_are_not_touched_and_never_can_be_asked_for() -> None:
    rng, cameras, never = np.random.default_rng(0), FixedCameras(2, 0.1, 2.0), FixedCameras(0, 0.1, 2.0)
    for _ in range(5):
        poses = seen(rng)
        assert np.array_equal(hold(cameras, poses, free=(True, False))[1], poses[1])
        np.testing.assert_array_equal(hold(never, poses), poses)
    assert cameras.count == 1 and never.count == 0
    cameras.reset()
    assert cameras.count == 0


def test_no_cameras_are_answered() -> None:
    none = np.zeros(0, dtype=bool)
    assert FixedCameras(1, 0.1, 2.0).hold(np.zeros((0, 4, 4)), np.zeros(0, dtype=np.int64), none, none).shape == (0, 4, 4)
