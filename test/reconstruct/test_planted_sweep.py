"""Exact sights of 1 to 16 cameras and 0 to 30 people are told apart exactly, and what is remembered stays bounded for long."""

import numpy as np
import pytest

from chromm_ros.reconstruct.associate import AssociationConfig, Associator
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.track import Tracker, TrackingConfig
from chromm_ros.synthetic.oracle import Look, World
from chromm_ros.synthetic.scene import body


class Known:
    """Tracking and association of windows whose cameras are known: the chain's steps that say who is who."""

    def __init__(self) -> None:
        self.tracker, self.associator = Tracker(TrackingConfig()), Associator(AssociationConfig())

    def update(self, look: Look) -> tuple[np.ndarray, np.ndarray]:
        cameras = Cameras.read(look.window, look.prediction)
        people = People.read(look.prediction, cameras, body())
        joints, stamps = people.in_world(cameras), tuple(s.stamp_ns for s in look.window.sets)
        tracks = self.tracker.update(cameras, people, joints, max(stamps))
        return tracks, self.associator.update(cameras, people, joints, tracks, list(self.tracker.tracks), stamps)


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(("views", "people"), [(1, 0), (1, 1), (1, 30), (2, 1), (3, 12), (7, 6), (16, 0), (16, 1), (16, 30)])
def test_exact_sights_are_told_apart(views: int, people: int, *, uniform: bool) -> None:
    chain, world = Known(), World(views=views, people=people, uniform=uniform)
    owner: dict[int, int] = {}
    for index in range(2):
        look = world.look(index, index, 2)
        tracks, groups = chain.update(look)
        np.testing.assert_array_equal(groups[:, None] == groups, look.person[:, None] == look.person)
        for track, who in zip(tracks.tolist(), look.person.tolist(), strict=True):
            assert owner.setdefault(track, who) == who
    assert len(owner) <= views * people, "one track for each person in each camera"


def test_memory_and_numbers_stay_bounded_window_after_window() -> None:
    chain, world = Known(), World(views=2, people=2, map_size=(2, 2))
    first: dict[int, list[int]] = {}
    for index in range(40):
        look = world.look(index, 2 * index, 2)
        tracks, groups = chain.update(look)
        for view in (0, 1):
            here = look.prediction.view[look.prediction.person_frame] == view
            assert first.setdefault(view, sorted(set(tracks[here].tolist()))) == sorted(set(tracks[here].tolist()))
        np.testing.assert_array_equal(groups[:, None] == groups, look.person[:, None] == look.person)
        assert len(chain.tracker.tracks) == 4 == len(chain.associator._numbers)
        assert all(len(camera.images) <= 2 for camera in chain.tracker.cameras.values())
