"""The roster: ids when groups of tracks join, split and vanish, and bodies that are held."""

import numpy as np

from chromm_ros.reconstruct.fuse import Bodies
from chromm_ros.reconstruct.posed import pose
from chromm_ros.reconstruct.roster import WALKS_MPS, Roster
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.records import Person
from chromm_ros.synthetic.scene import body

SECOND = 1_000_000_000


def see(
    roster: Roster, first_ns: int, tracks: list[list[int]], groups: dict[int, int], alive: list[int]
) -> tuple[dict[int, Person], tuple[int, ...]]:
    """A window of one camera per track: which tracks are seen at each step, and which group each belongs to."""
    sights = [(step, track) for step, present in enumerate(tracks) for track in present]
    of_sight = np.array([groups[track] for _, track in sights], dtype=np.int64)
    cells = sorted({(group, step) for (step, _), group in zip(sights, of_sight.tolist(), strict=True)})
    seen_by = np.zeros((len(cells), 4), dtype=bool)
    for (step, track), group in zip(sights, of_sight.tolist(), strict=True):
        seen_by[cells.index((group, step)), track] = True
    count = len(cells)
    stamps = tuple(first_ns + step * SECOND for step in range(len(tracks)))
    bodies = Bodies(
        group=np.array([group for group, _ in cells], dtype=np.int64),
        step=np.array([step for _, step in cells], dtype=np.int64),
        seen_by=seen_by,
        used=seen_by,
        score=np.full(count, 0.8),
        head=np.array([[stamps[step] / SECOND, group, 1.6] for group, step in cells]).reshape(count, 3),
        head_covariance=np.zeros((count, 3, 3)),
        rotations=np.broadcast_to(np.eye(3), (count, 53, 3, 3)).copy(),
        rotation_spread=np.zeros((count, 53)),
        betas=np.zeros((count, 10)),
        betas_spread=np.zeros((count, 10)),
        joint_spread=np.zeros((count, 55)),
        expression=np.zeros((count, 10)),
        in_view=np.full((count, 55), 0.8),
        residual=np.zeros(count),
    )
    numbers = np.array([track for _, track in sights], dtype=np.int64)
    people, left, _ = roster.update(stamps, bodies, pose(bodies, body(), stamps), numbers, numbers, of_sight, alive)
    return {person.track_id: person for person in people}, left


def roster() -> Roster:
    return Roster(TrackingConfig(min_hits=2, max_gap_s=4.0))


def test_tracks_that_turn_out_to_be_one_person_keep_the_id_with_more_sights() -> None:
    known = roster()
    people, _ = see(known, 0, [[0, 1], [0, 1]], {0: 0, 1: 1}, [0, 1])
    assert sorted(people) == [1, 2]
    people, left = see(known, 2 * SECOND, [[1], [0, 1]], {0: 0, 1: 0}, [0, 1])
    assert sorted(people) == [2] and left == (1,)
    people, left = see(known, 4 * SECOND, [[0, 1]], {0: 0, 1: 1}, [0, 1])  # and apart again: nobody gets the old id
    assert sorted(people) == [2, 3] and left == ()


def test_a_person_without_tracks_leaves() -> None:
    known = roster()
    see(known, 0, [[0, 1], [0, 1]], {0: 0, 1: 1}, [0, 1])
    people, left = see(known, 2 * SECOND, [[0]], {0: 0}, [0])
    assert sorted(people) == [1] and left == (2,)


def test_who_is_not_seen_is_the_body_last_seen_and_trusted_less_with_time() -> None:
    known = roster()
    see(known, 0, [[0], [0]], {0: 0}, [0])
    people, _ = see(known, 2 * SECOND, [[], [0], [], []], {0: 0}, [0])
    person = people[1]
    assert person.visible.tolist() == [False, True, False, False]
    np.testing.assert_allclose(person.joints[:, 15, 0], [1.0, 3.0, 3.0, 3.0], atol=1e-6)  # heads tell their time
    np.testing.assert_allclose(person.joint_scores[:, 0], [0.6, 0.8, 0.6, 0.4], atol=1e-6)
    unseen_s = np.array([1.0, 0.0, 1.0, 2.0])
    np.testing.assert_allclose(person.deviation_m, np.hypot(person.deviation_m[1], WALKS_MPS * unseen_s), rtol=1e-6)
    assert person.state == "occluded" and abs(person.score - 0.4) < 1e-9
    assert not person.seen_by[0].any() and person.seen_by[1].tolist() == [True, False, False, False]


def test_before_the_first_sight_it_is_the_first_body_seen() -> None:
    people, _ = see(roster(), 0, [[], [0], [0]], {0: 0}, [0])
    np.testing.assert_allclose(people[1].joints[:, 15, 0], [1.0, 1.0, 2.0], atol=1e-6)


def test_who_was_seen_once_and_is_not_seen_now_is_not_reported() -> None:
    known = roster()
    assert sorted(see(known, 0, [[0]], {0: 0}, [0])[0]) == [1]
    assert see(known, SECOND, [[]], {}, [0]) == ({}, ())
    assert sorted(see(known, 2 * SECOND, [[0]], {0: 0}, [0])[0]) == [1]
