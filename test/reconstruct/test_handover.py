"""Handing over: who leaves one camera and turns up in another keeps the id, though no frame-set shows both sights."""

import numpy as np
import pytest

from chromm_ros.reconstruct.handover import Whereabouts, handed_over
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.records import Reconstruction
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

SECOND = 1_000_000_000


def seen(head: list[list[float]], at_s: float, steps: list[list[int]], views: list[list[int]]) -> Whereabouts:
    table = [np.array([[k in row for k in range(4)] for row in rows]) for rows in (steps, views)]
    return Whereabouts(np.array(head), np.full(len(head), round(at_s * SECOND)), *table)


def test_two_who_cross_over_are_handed_over_by_the_least_sum_of_distances() -> None:
    lost = seen([[0.0, 0, 0], [1.0, 0, 0]], 1.0, [[0], [0]], [[0], [0]])
    new = seen([[0.6, 0, 0], [1.4, 0, 0]], 1.5, [[2], [2]], [[1], [1]])
    assert handed_over(new, lost, 1.0, 2.0).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("why", "new"),
    [
        ("too far", seen([[1.2, 0, 0]], 1.5, [[2]], [[1]])),
        ("too late", seen([[0.1, 0, 0]], 3.5, [[2]], [[1]])),
        ("too early", seen([[0.1, 0, 0]], 1.0, [[2]], [[1]])),
        ("both in one frame-set", seen([[0.1, 0, 0]], 1.5, [[0, 2]], [[1]])),
        ("in the camera that lost him", seen([[0.1, 0, 0]], 1.5, [[2]], [[0, 1]])),
    ],
)
def test_nobody_is_handed_over_who_is(why: str, new: Whereabouts) -> None:
    lost = seen([[0.0, 0, 0]], 1.0, [[0]], [[0]])
    assert handed_over(new, lost, 1.0, 2.0).tolist() == [-1], why


WORLD = World(views=2, people=1, walk="eight", rig=True)


def run(by_camera: list[set[int]], windows: int, *, steps: int = 4, **tracking: float) -> list[Reconstruction]:
    """Windows of a world in which each camera finds the one person in its frame-sets alone."""
    chain = Reconstructor(body(), ReconstructConfig(tracking=TrackingConfig(**tracking)))
    unseen = frozenset((k, view, 0) for view, there in enumerate(by_camera) for k in set(range(40)) - there)
    looks = [WORLD.look(index, index, steps, unseen=unseen) for index in range(windows)]
    return [chain.update(look.window, look.prediction) for look in looks]


def ids(results: list[Reconstruction]) -> set[int]:
    return {person.track_id for result in results for person in result.people}


@pytest.mark.parametrize("second", [5, 7, 12])
def test_a_person_keeps_the_id_from_one_camera_to_the_other(second: int) -> None:
    """At once, after two frame-sets, and after a gap longer than a window."""
    results = run([set(range(5)), set(range(second, 40))], 20)
    assert ids(results) == {1}
    assert results[-1].people[0].seen_by[-1].tolist() == [False, True]


def test_and_back_again_and_in_one_window_alone() -> None:
    there_and_back = [{0, 1, 2, 6, 7}, {3, 4, 5, 8, 9}]
    assert ids(run(there_and_back, 8)) == {1}
    (result,) = run(there_and_back, 1, steps=10)
    assert [person.track_id for person in result.people] == [1] and result.people[0].visible.all()


def test_handover_can_be_switched_off_and_ends_with_the_longest_absence() -> None:
    assert ids(run([set(range(5)), set(range(6, 40))], 12, handover_m=0.0)) == {1, 2}
    assert ids(run([set(range(5)), set(range(15, 40))], 20, max_gap_s=0.3)) == {1, 2}
