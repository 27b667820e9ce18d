"""Images that come again: named at once as the tracker would name them one after the other."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.reconstruct import track
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.recall import by_frame, recall
from chromm_ros.reconstruct.track import SAME_PIXEL, Tracker, TrackingConfig
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

STEPS = 4


def nothing(
    known: object, cameras: Cameras, people: People, members: object, same: float, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(len(cameras), dtype=bool), np.zeros(len(people), dtype=bool)


def windows(seed: int, jitter_px: float) -> list[tuple[Cameras, People, np.ndarray]]:
    """Slid windows with strangers, misses that change from window to window, and heads that every window sees a little elsewhere."""
    world = World(views=2, people=4, seed=seed, walk="eight", noise=Noise(missed=0.1, false=0.1, swapped=0.1))
    rng, found = np.random.default_rng(seed), []
    for first in range(6):
        everybody = [(k, v, who) for k in range(first, first + STEPS) for v in range(2) for who in range(4)]
        unseen = frozenset(sight for sight in everybody if rng.random() < 0.05)
        window, prediction = world.window(first, first, STEPS, unseen=unseen)
        cameras = Cameras.read(window, prediction)
        people = People.read(prediction, cameras, body())
        people = replace(people, head_pixel=people.head_pixel + jitter_px * rng.normal(size=people.head_pixel.shape))
        found.append((cameras, people, people.in_world(cameras)))
    return found


@pytest.mark.parametrize(("seed", "jitter_px"), [(0, 0.0), (1, 4.0), (2, 12.0)])
def test_at_once_or_one_after_the_other_is_the_same(seed: int, jitter_px: float, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = windows(seed, jitter_px)
    quick, slow = Tracker(TrackingConfig()), Tracker(TrackingConfig())
    at_once = [quick.update(*look) for look in looks]
    monkeypatch.setattr(track, "recall", nothing)
    for numbers, look in zip(at_once, looks, strict=True):
        np.testing.assert_array_equal(numbers, slow.update(*look))
    for view, tracks in quick.cameras.items():
        for name in ("number", "token", "joints", "last_ns"):
            np.testing.assert_array_equal(getattr(tracks, name), getattr(slow.cameras[view], name))


def test_what_shows_nobody_new_goes_the_quick_way() -> None:
    cameras, people, joints = windows(1, 0.0)[0]
    tracker = Tracker(TrackingConfig())
    first = tracker.update(cameras, people, joints)
    again = np.full(len(people), -1)
    left, _ = recall(tracker.cameras, cameras, people, by_frame(people, len(cameras)), SAME_PIXEL, again)
    assert not left.any()
    np.testing.assert_array_equal(again, first)
