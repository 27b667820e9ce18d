"""Association: costs, ballots and a partition that keeps its promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.reconstruct.associate import CUT, AssociationConfig, Associator, ballots, partition, shares
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

NEVER = np.zeros((4, 4), dtype=bool)
PLAIN = AssociationConfig(depth_tolerance=0.0)


def symmetric(pairs: dict[tuple[int, int], float], count: int = 4) -> np.ndarray:
    votes = np.zeros((count, count))
    for (a, b), vote in pairs.items():
        votes[a, b] = votes[b, a] = vote
    return votes


def together(groups: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}


@pytest.mark.parametrize(("cost", "expected"), [("both", 0.8 * 0.5 + 0.2 * 0.1), ("position", 0.5), ("pose", 0.1)])
def test_the_cost_is_that_of_the_paper(cost: str, expected: float) -> None:
    joints, canonical = np.zeros((2, 22, 3)), np.zeros((2, 22, 3))
    joints[1] += [0.0, 0.3, 0.4]
    canonical[1, :11, 0] = 0.2
    config = AssociationConfig(cost=cost, max_cost_m=0.7, depth_tolerance=0.0)
    share = shares(joints, canonical, np.array([0, 1]), np.ones((2, 3)), config)
    np.testing.assert_allclose(share, [[CUT, expected / 0.7], [expected / 0.7, CUT]])


@pytest.mark.parametrize("tolerance", [0.0, 0.2])
def test_leaving_far_pairs_out_changes_no_share(tolerance: float) -> None:
    rng = np.random.default_rng(0)
    joints = rng.uniform(-3.0, 3.0, (40, 1, 3)) + 0.3 * rng.normal(size=(40, 22, 3))
    canonical, view = 0.3 * rng.normal(size=(40, 22, 3)), np.repeat(np.arange(4), 10)
    centres = rng.uniform(-6.0, 6.0, (4, 3))[view]
    position = np.array([[distance_by_hand(joints, centres, a, b, tolerance) for b in range(40)] for a in range(40)])
    pose = np.linalg.norm(canonical[:, None] - canonical, axis=-1).mean(axis=-1)
    expected = np.where(view[:, None] == view, CUT, np.minimum((0.8 * position + 0.2 * pose) / 0.8, CUT))
    found = shares(joints, canonical, view, centres, AssociationConfig(depth_tolerance=tolerance))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def distance_by_hand(joints: np.ndarray, centres: np.ndarray, a: int, b: int, tolerance: float) -> float:
    """The Mahalanobis distance in words: a metre counts less along a ray, by what the depth there may err more than 0.8 m."""
    covariance = np.eye(3)
    for person in (a, b):
        ray = joints[person].mean(axis=0) - centres[person]
        far = np.linalg.norm(ray)
        covariance += ((1.0 + tolerance * far / 0.8) ** 2 - 1.0) * np.outer(ray, ray) / far**2
    moved = joints[a] - joints[b]
    return float(np.sqrt(np.einsum("md,de,me->m", moved, np.linalg.inv(covariance), moved)).mean())


def test_depths_that_err_are_forgiven_and_what_lies_across_is_not() -> None:
    """Two cameras look along x and y at one person, whom both put too far away; and at two who stand apart across both rays."""
    view, centres = np.array([0, 1]), np.array([[-4.0, 0.0, 0.0], [0.0, -4.0, 0.0]])
    off = np.array([[0.7, 0.0, 0.0], [0.0, 0.7, 0.0]])[:, None] + np.zeros((2, 22, 3))
    above = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])[:, None] + np.zeros((2, 22, 3))
    some = AssociationConfig(cost="position", depth_tolerance=0.2)
    plain = AssociationConfig(cost="position", depth_tolerance=0.0)
    assert shares(off, 0.0 * off, view, centres, plain)[0, 1] > 1.0 > 0.7 > shares(off, 0.0 * off, view, centres, some)[0, 1]
    both = [shares(above, 0.0 * above, view, centres, config)[0, 1] for config in (plain, some)]
    np.testing.assert_allclose(both, 1.0 / 0.8, rtol=0.03)


def test_ballots_follow_the_cheapest_assignment_not_the_nearest_pair() -> None:
    view = np.array([0, 0, 1, 1])
    share = symmetric({(0, 2): 0.2, (0, 3): 0.1, (1, 2): 0.9, (1, 3): 0.2, (0, 1): 2.0, (2, 3): 2.0})
    vote = ballots(share, view)
    assert vote[0, 2] == pytest.approx(0.8) and vote[1, 3] == pytest.approx(0.8)
    assert vote[0, 3] == pytest.approx(-0.1) and vote[1, 2] == pytest.approx(-0.9)
    assert vote[0, 1] == vote[2, 3] == 0.0  # one camera
    np.testing.assert_array_equal(vote, vote.T)


def test_pairs_beyond_the_limit_vote_against_by_how_far() -> None:
    assert ballots(symmetric({(0, 1): 2.0}, 2), np.array([0, 1]))[0, 1] == -1.0
    assert ballots(symmetric({(0, 1): 1.1}, 2), np.array([0, 1]))[0, 1] == pytest.approx(-0.1)


def test_a_chain_joins_and_strangers_stay_alone() -> None:
    assert together(partition(symmetric({(0, 1): 1.0, (1, 2): 1.0}), NEVER)) == {frozenset({0, 1, 2}), frozenset({3})}


def test_a_cycle_that_disagrees_is_settled_by_the_sum_of_votes() -> None:
    weak = symmetric({(0, 1): 1.0, (1, 2): 0.5, (0, 2): -0.8})
    assert together(partition(weak, NEVER)) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}
    strong = symmetric({(0, 1): 1.0, (1, 2): 0.9, (0, 2): -0.8})
    assert together(partition(strong, NEVER)) == {frozenset({0, 1, 2}), frozenset({3})}


def test_two_people_of_one_camera_never_join_not_even_through_others() -> None:
    never = NEVER.copy()
    never[0, 3] = never[3, 0] = True
    groups = partition(symmetric({(0, 1): 0.9, (1, 2): 0.8, (2, 3): 1.0}), never)
    assert together(groups) == {frozenset({0, 1}), frozenset({2, 3})}


@given(seed=st.integers(0, 10_000), views=st.integers(1, 6), people=st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_a_planted_partition_is_found_and_order_does_not_matter(seed: int, views: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    person, view = np.tile(np.arange(people), views), np.repeat(np.arange(views), people)
    order = rng.permutation(len(person))
    order = order[np.argsort(view[order], kind="stable")]
    person, view = person[order], view[order]
    places = 3.0 * np.arange(people)[:, None, None] + rng.normal(size=(people, 22, 3))
    seen = places[person] + 0.05 * rng.normal(size=(len(person), 22, 3))
    clash = (view[:, None] == view) & ~np.eye(len(view), dtype=bool)
    groups = partition(ballots(shares(seen, seen, view, seen[:, 0], replace(PLAIN, max_cost_m=0.6)), view), clash)
    np.testing.assert_array_equal(groups[:, None] == groups, person[:, None] == person)


def test_one_bad_frame_set_does_not_swap_people_and_counts_once() -> None:
    world = World(people=2, views=2)
    window, prediction = world.window(steps=6)
    cameras = Cameras.read(window, prediction)
    people = People.read(prediction, cameras, body())
    joints = people.in_world(cameras)
    person = np.arange(len(people)) % 2
    tracks = person + 2 * cameras.view[people.frame]
    step, view = cameras.step[people.frame], cameras.view[people.frame]
    swapped = joints.copy()  # in the last frame-set, camera 1 sees each where the other is
    bad = np.flatnonzero((step == 5) & (view == 1))
    swapped[bad] = joints[bad[::-1]]
    stamps = tuple(s.stamp_ns for s in window.sets)
    associator = Associator(AssociationConfig())
    for _ in range(20):  # the same frame-sets again do not vote again
        groups = associator.update(cameras, people, swapped, tracks, [0, 1, 2, 3], stamps)
        np.testing.assert_array_equal(groups[:, None] == groups, person[:, None] == person)


def test_tracks_that_change_over_are_found_out() -> None:
    world = World(people=2, views=2)
    associator, groups, people, cameras = Associator(AssociationConfig()), np.zeros(0), None, None
    for index in range(4):  # in the last window camera 1 has the tracks the wrong way round
        window, prediction = world.window(index, first=4 * index)
        cameras = Cameras.read(window, prediction)
        people = People.read(prediction, cameras, body())
        person, view = np.arange(len(people)) % 2, cameras.view[people.frame]
        tracks = np.where((view == 1) & (index >= 3), 1 - person, person) + 2 * view
        groups = associator.update(
            cameras, people, people.in_world(cameras), tracks, [0, 1, 2, 3], tuple(s.stamp_ns for s in window.sets)
        )
    np.testing.assert_array_equal(groups[:, None] == groups, person[:, None] == person)


def test_images_that_come_again_do_not_vote_again() -> None:
    world = World(people=2, views=2)
    window, prediction = world.window(steps=2)
    cameras = Cameras.read(window, prediction)
    people = People.read(prediction, cameras, body())
    tracks, stamps = np.arange(4)[np.arange(len(people)) % 4], tuple(s.stamp_ns for s in window.sets)
    associator = Associator(AssociationConfig())
    associator.update(cameras, people, people.in_world(cameras), tracks, [0, 1, 2, 3], stamps)
    votes = associator._votes.copy()
    associator.update(cameras, people, people.in_world(cameras) + 9.0 * tracks[:, None, None], tracks, [0, 1, 2, 3], stamps)
    np.testing.assert_array_equal(associator._votes, votes)


def test_a_pose_is_the_same_from_every_camera_and_heading() -> None:
    world = World(people=1, views=4)
    window, prediction = world.window(steps=1)
    people = People.read(prediction, Cameras.read(window, prediction), body())
    canonical = people.canonical(np.arange(len(people)))
    np.testing.assert_allclose(canonical, np.broadcast_to(canonical[:1], canonical.shape), atol=1e-5)
    np.testing.assert_allclose(canonical[:, 0], 0.0, atol=1e-9)
