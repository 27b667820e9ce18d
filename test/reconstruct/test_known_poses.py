"""Known poses that cannot be meant count as unknown."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.records import Window
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body


def with_pose(window: Window, pose: np.ndarray) -> Window:
    """The same with this pose of the first camera."""
    sets = []
    for each in window.sets:
        first, *rest = each.frames
        assert first is not None
        sets.append(replace(each, frames=(replace(first, world_from_cam=pose), *rest)))
    return replace(window, sets=tuple(sets))


@pytest.mark.parametrize("entry", [1e8, 1e30, 0.0, np.nan, np.inf])
def test_a_known_pose_without_sense_is_as_if_it_were_not_there(entry: float) -> None:
    world = World(views=3, people=2, seed=6)
    plain, odd = (Reconstructor(body(), ReconstructConfig()) for _ in range(2))
    for index in range(2):
        window, prediction = world.window(index, 2 * index, 3)
        expected, result = plain.update(window, prediction), odd.update(with_pose(window, np.full((4, 4), entry)), prediction)
        np.testing.assert_array_equal(result.world_from_cam, expected.world_from_cam)
        assert result.health["tie_rig"] == 0.0


def test_nobody_in_a_window_and_then_somebody_in_the_same_images() -> None:
    world, chain = World(views=2, people=2), Reconstructor(body(), ReconstructConfig())
    nobody = frozenset((k, view, person) for k in range(4) for view in range(2) for person in range(2))
    assert not chain.update(*world.window(0, 0, 4, unseen=nobody)).people
    assert chain.update(*world.window(1, 1, 3)).people, "images that were counted vote no more, so cameras are not joined yet"
    assert len(chain.update(*world.window(2, 3, 4)).people) == 2
