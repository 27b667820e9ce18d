"""A known pose that is wrong is found out, and named, where the others agree."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.odd import odd_one
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.sound import sound
from chromm_ros.records import Window
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import Look, World
from chromm_ros.synthetic.scene import body


def turned(window: Window, view: int, degrees: float) -> Window:
    """The window with one camera's known pose turned about its own vertical axis."""
    turn = se3.compose(matrix_from_rotvec(np.radians([0.0, degrees, 0.0])), np.zeros(3))
    sets = []
    for moment in window.sets:
        frames = list(moment.frames)
        frame = frames[view]
        assert frame is not None and frame.world_from_cam is not None
        frames[view] = replace(frame, world_from_cam=frame.world_from_cam @ turn)
        sets.append(replace(moment, frames=tuple(frames)))
    return replace(window, sets=tuple(sets))


def cameras_of(look: Look, window: Window) -> Cameras:
    return Cameras.read(window, sound(look.prediction))


@pytest.mark.parametrize("degrees", [45.0, 180.0])
@pytest.mark.parametrize("view", range(4))
def test_a_pose_that_is_turned_is_named(view: int, degrees: float) -> None:
    look = World(views=4, people=3, rig=True, noise=Noise()).look(steps=2)
    found, off = odd_one(cameras_of(look, turned(look.window, view, degrees)))
    assert found == view and off == pytest.approx(degrees, abs=5.0)
    health = Reconstructor(body(), ReconstructConfig()).update(turned(look.window, view, degrees), look.prediction).health
    assert health["rig_odd_camera"] == view and health["rig_odd_deg"] == pytest.approx(off)


@pytest.mark.parametrize("level", [0.0, 1.0, 3.0])
def test_noise_names_nobody(level: float) -> None:
    for seed in range(5):
        look = World(views=4, people=3, rig=True, noise=Noise().scaled(level), seed=seed).look(steps=2)
        assert odd_one(cameras_of(look, look.window)) == (-1, 0.0)


@pytest.mark.parametrize("views", [1, 2])
def test_of_two_none_can_be_told(views: int) -> None:
    look = World(views=views, people=2, rig=True).look(steps=1)
    assert odd_one(cameras_of(look, turned(look.window, 0, 90.0))) == (-1, 0.0)


def test_unknown_poses_are_none() -> None:
    look = World(views=4, people=2).look(steps=1)
    assert odd_one(cameras_of(look, look.window)) == (-1, 0.0)
