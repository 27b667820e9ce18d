"""Tracking in one camera: looks first, places where looks are alike, and an image counts once."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.track import Tracker, TrackingConfig
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

WORLD = World(views=1, people=3)


def sights(
    index: int = 0, first: int = 0, steps: int = 4, **kept: frozenset[tuple[int, int, int]]
) -> tuple[Cameras, People, np.ndarray]:
    window, prediction = WORLD.window(index, first=first, steps=steps, **kept)
    cameras = Cameras.read(window, prediction)
    people = People.read(prediction, cameras, body())
    return cameras, people, people.in_world(cameras)


def by_step(numbers: np.ndarray) -> np.ndarray:
    return numbers.reshape(-1, WORLD.people)


def test_everybody_keeps_a_number_from_image_to_image() -> None:
    numbers = by_step(Tracker(TrackingConfig()).update(*sights(steps=8)))
    np.testing.assert_array_equal(numbers, np.broadcast_to([0, 1, 2], numbers.shape))


def test_looks_decide_where_places_could_be_swapped() -> None:
    cameras, people, joints = sights(steps=2)
    joints[3:5] = joints[[4, 3]]  # two people far apart appear in each other's place: too far to move
    numbers = by_step(Tracker(TrackingConfig(max_speed_mps=1000.0)).update(cameras, people, joints))
    np.testing.assert_array_equal(numbers[1], numbers[0])


def test_places_decide_where_looks_are_alike() -> None:
    cameras, people, joints = sights(steps=8)
    alike = replace(people, token=0.0 * people.token)
    numbers = by_step(Tracker(TrackingConfig()).update(cameras, alike, joints))
    np.testing.assert_array_equal(numbers, np.broadcast_to([0, 1, 2], numbers.shape))


def test_who_moves_farther_than_anybody_can_is_somebody_else() -> None:
    cameras, people, joints = sights(steps=2)
    joints[3] += 5.0
    assert by_step(Tracker(TrackingConfig()).update(cameras, people, joints))[1].tolist() == [3, 1, 2]


@pytest.mark.parametrize(("moved_m", "weight", "expected"), [(0.0, 0.0, 3), (0.6, 5.0, 3), (0.0, 5.0, 0)])
def test_who_looks_quite_different_is_somebody_else_unless_in_the_same_place(
    moved_m: float, weight: float, expected: int
) -> None:
    cameras, people, joints = sights(steps=2)
    token = people.token.copy()
    token[3] += 100.0
    ray = joints[3, 15] - cameras.world_from_cam[1, :3, 3]
    across = np.cross(ray, [0.0, 0.0, 1.0])
    joints[3] += moved_m * across / np.linalg.norm(across)
    tracker = Tracker(TrackingConfig(displacement_weight=weight))
    assert by_step(tracker.update(cameras, replace(people, token=token), joints))[1].tolist() == [expected, 1, 2]


def test_tokens_swapped_in_one_image_of_five_hand_no_track_over() -> None:
    cameras, people, joints = sights(steps=20)
    token = people.token.copy()
    for first in range(6, 60, 15):
        token[[first, first + 1]] = token[[first + 1, first]]
    numbers = by_step(Tracker(TrackingConfig()).update(cameras, replace(people, token=token), joints))
    np.testing.assert_array_equal(numbers, np.broadcast_to([0, 1, 2], numbers.shape))


def test_a_foreign_token_in_one_image_is_not_what_is_remembered() -> None:
    cameras, people, joints = sights(steps=3)
    token = people.token.copy()
    token[3, 0] += 20.0
    joints[6, :, 2] += 0.6  # in his own place anybody would be taken for him
    numbers = by_step(Tracker(TrackingConfig()).update(cameras, replace(people, token=token), joints))
    np.testing.assert_array_equal(numbers, np.broadcast_to([0, 1, 2], numbers.shape))


def test_an_image_that_comes_again_keeps_its_numbers_whatever_looks_and_places_say() -> None:
    tracker = Tracker(TrackingConfig())
    first = by_step(tracker.update(*sights(0, first=0, steps=4)))
    cameras, people, joints = sights(1, first=2, steps=2)
    changed = replace(people, token=people.token[::-1].copy())
    again = by_step(tracker.update(cameras, changed, joints + 50.0))
    np.testing.assert_array_equal(again, first[2:])


def test_absence_within_the_gap_keeps_the_number_and_beyond_it_does_not() -> None:
    for missing, kept in ((4, True), (12, False)):
        tracker = Tracker(TrackingConfig(max_gap_s=0.8))
        unseen = frozenset((k, 0, 1) for k in range(4, 4 + missing))
        last = np.zeros(0)
        for index in range(6):
            last = tracker.update(*sights(index, first=4 * index, unseen=unseen))
        assert (1 in last) == kept
        assert {0, 2} < set(last.tolist())


def test_memory_is_bounded() -> None:
    tracker = Tracker(TrackingConfig(max_gap_s=0.5))
    rng = np.random.default_rng(0)
    for index in range(30):
        cameras, people, joints = sights(index, first=index)
        strangers = replace(
            people, token=100.0 * rng.normal(size=people.token.shape), head_pixel=rng.uniform(0, 600, (len(people), 2))
        )
        tracker.update(cameras, strangers, joints)
    assert len(tracker.tracks) <= 3 * (4 + 5 + 1) * 4
    assert len(tracker.cameras[0].images) <= 4


def test_pixels_of_somebody_who_stays_are_bounded() -> None:
    tracker = Tracker(TrackingConfig())
    for index in range(12):
        tracker.update(*sights(index, first=index))
        assert sorted(tracker.tracks) == [0, 1, 2]
        assert len(tracker.cameras[0].images) == 4, "the images of one window, which may come again"


def test_numbers_are_not_given_twice_after_a_reset() -> None:
    tracker = Tracker(TrackingConfig())
    before = set(tracker.update(*sights()).tolist())
    tracker.reset()
    assert before.isdisjoint(tracker.update(*sights()).tolist())


@pytest.mark.parametrize("gap", [0.0, 2.0])
def test_nobody_is_answered(gap: float) -> None:
    cameras, people, joints = sights()
    none = People(**{name: value[:0] for name, value in vars(people).items()})
    assert Tracker(TrackingConfig(max_gap_s=gap)).update(cameras, none, joints[:0]).shape == (0,)


def test_a_jump_along_the_line_of_sight_is_forgiven_where_one_across_is_not() -> None:
    for depth, kept in ((True, True), (False, False)):
        cameras, people, joints = sights(steps=2)
        ray = joints[3, 15] - cameras.world_from_cam[1, :3, 3]
        ray /= np.linalg.norm(ray)
        across = np.cross(ray, [0.0, 0.0, 1.0])
        joints[3] += 1.6 * (ray if depth else across)  # 1.4 m are allowed in 0.1 s
        assert (by_step(Tracker(TrackingConfig()).update(cameras, people, joints))[1, 0] == 0) == kept


def test_the_depth_of_a_track_follows_slowly_and_its_pixels_at_once() -> None:
    cameras, people, joints = sights(steps=2)
    centre = cameras.world_from_cam[1, :3, 3]
    ray = joints[3, :22].mean(axis=0) - centre
    distance = float(np.linalg.norm(ray))
    joints[3] += 0.5 * ray / distance
    tracker = Tracker(TrackingConfig())
    tracker.update(cameras, people, joints)
    held = tracker.cameras[0].joints[0].mean(axis=0) - centre
    before = float((joints[0, :22].mean(axis=0) - centre) @ ray) / distance
    assert held @ ray / distance == pytest.approx(before + 0.3 * (distance + 0.5 - before), abs=1e-6)
    assert np.linalg.norm(np.cross(held, ray)) / distance == pytest.approx(0.0, abs=1e-9)


def test_who_comes_back_after_a_pause_of_all_cameras_is_new() -> None:
    for pause, kept in ((15, True), (25, False)):  # frame-sets of 0.1 s, 2 s are allowed
        tracker = Tracker(TrackingConfig())
        before = tracker.update(*sights(0, first=0, steps=2))
        after = tracker.update(*sights(1, first=1 + pause, steps=2))
        assert bool(set(before.tolist()) & set(after.tolist())) == kept


def test_people_leave_though_no_frame_can_be_used() -> None:
    tracker = Tracker(TrackingConfig())
    cameras, people, joints = sights(steps=1)
    tracker.update(cameras, people, joints, 0)
    nobody = sights(1, first=0, steps=1, missing=frozenset({(0, 0)}))
    tracker.update(*nobody, newest_ns=1_000_000_000)
    assert len(tracker.tracks) == 3
    tracker.update(*nobody, newest_ns=3_000_000_000)
    assert not tracker.tracks
