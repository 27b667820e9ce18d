"""Association: costs, ballots and a partition that keeps its promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import World, body

from chromm_ros.reconstruct.associate import AssociationConfig, Associator, ballots, costs, partition
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People

NEVER = np.zeros((4, 4), dtype=bool)


def symmetric(pairs: dict[tuple[int, int], float], count: int = 4) -> np.ndarray:
    votes = np.zeros((count, count))
    for (a, b), vote in pairs.items():
        votes[a, b] = votes[b, a] = vote
    return votes


def together(groups: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}


def test_the_cost_is_that_of_the_paper() -> None:
    joints, canonical = np.zeros((2, 22, 3)), np.zeros((2, 22, 3))
    joints[1] += [0.0, 3.0, 4.0]
    canonical[1, :11, 0] = 2.0
    np.testing.assert_allclose(costs(joints, canonical), [[0.0, 0.8 * 5.0 + 0.2 * 1.0], [4.2, 0.0]])


def test_ballots_follow_the_cheapest_assignment_not_the_nearest_pair() -> None:
    view = np.array([0, 0, 1, 1])
    cost = symmetric({(0, 2): 0.2, (0, 3): 0.1, (1, 2): 0.9, (1, 3): 0.2, (0, 1): 0.1, (2, 3): 0.1})
    vote = ballots(cost, view, 1.0)
    assert vote[0, 2] == pytest.approx(0.8) and vote[1, 3] == pytest.approx(0.8)
    assert vote[0, 3] == pytest.approx(-0.1) and vote[1, 2] == pytest.approx(-0.9)
    assert vote[0, 1] == vote[2, 3] == 0.0  # one camera
    np.testing.assert_array_equal(vote, vote.T)


def test_pairs_beyond_the_limit_vote_against() -> None:
    assert ballots(symmetric({(0, 1): 3.0}, 2), np.array([0, 1]), 1.0)[0, 1] == -1.0


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
    person, view = person[order], view[order]
    places = 3.0 * np.arange(people)[:, None, None] + rng.normal(size=(people, 22, 3))
    seen = places[person] + 0.05 * rng.normal(size=(len(person), 22, 3))
    clash = (view[:, None] == view) & ~np.eye(len(view), dtype=bool)
    groups = partition(ballots(costs(seen, seen), view, 0.6), clash)
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
