"""Recorded bodies against the truth: the truth itself, planted errors, people who are missing, strangers, and who is who."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chromm_ros.errors import InputError
from chromm_ros.evaluate.recording import Score, read_bodies, score

RNG = np.random.default_rng(5)
PEOPLE = RNG.normal(0.0, 0.3, (3, 55, 3)) + np.array([[0.0, 0.0, 1.0], [3.0, 0.0, 1.0], [0.0, 3.0, 1.0]])[:, None]
CAMERAS = ("cam1", "cam2", "cam3", "cam4")


@dataclass
class Body:
    """What `score` reads of a chromm_ros/SmplxBody."""

    joints: np.ndarray
    seen_by: list[str] = field(default_factory=lambda: list(CAMERAS))


def message(*people: Body, frame: str = "world") -> Any:
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame), bodies=list(people))


def bodies(shift: float = 0.0) -> list[Body]:
    return [Body((joints + np.array([shift, 0.0, 0.0])).reshape(-1)) for joints in PEOPLE]


def compare(*people: Body, truth: list[Body] | None = None, limit_m: float = 1.0) -> Score:
    return score({7: message(*people), 8: message()}, {7: message(*(truth or bodies())), 9: message()}, limit_m)


def test_the_truth_as_result_is_right_in_everything() -> None:
    done = compare(*bodies()[::-1])
    assert (done.moments, done.people.tp, done.people.fp, done.people.fn) == (1, 3, 0, 0)
    for errors in (done.w_mpjpe_mm, done.mpjpe_mm, done.pa_mpjpe_mm):
        assert errors.shape == (3,) and errors.max() < 1e-6
    assert done.pairs.accuracy == 1.0
    assert (done.pairs.tp, done.pairs.tn) == (3 * 6, 66 - 18 - 12), "12 sights: pairs of one person, and of two in two views"


def test_a_planted_shift_is_found_to_the_millimetre() -> None:
    done = compare(*bodies(0.25))
    np.testing.assert_allclose(done.w_mpjpe_mm, 250.0, rtol=1e-9)
    assert done.mpjpe_mm.max() < 1e-6 and done.pa_mpjpe_mm.max() < 1e-6
    assert done.pairs.accuracy == 1.0


def test_a_planted_size_is_no_error_of_pose() -> None:
    larger = [Body(1.1 * body.joints) for body in bodies()]
    done = compare(*larger)
    assert done.mpjpe_mm.min() > 10.0 and done.pa_mpjpe_mm.max() < 1e-6


def test_somebody_who_is_missing_and_a_stranger_are_counted() -> None:
    done = compare(*bodies()[:2], Body((PEOPLE[0] + 9.0).reshape(-1)))
    assert (done.people.tp, done.people.fp, done.people.fn) == (2, 1, 1)
    assert done.w_mpjpe_mm.max() < 1e-6, "the stranger is nobody"
    assert done.pairs.fp == 6, "his six pairs of sights show nobody"
    assert compare(*bodies()[:2], Body((PEOPLE[0] + 9.0).reshape(-1)), limit_m=np.inf).people.tp == 3


def test_the_nearest_is_not_taken_from_its_owner() -> None:
    moved = [Body((joints + shift).reshape(-1)) for joints, shift in zip(PEOPLE[:2], ([2.9, 0, 0], [0.2, 0, 0]), strict=True)]
    done = compare(*moved, truth=bodies()[:2], limit_m=1.0)
    assert (done.people.tp, done.people.fp, done.people.fn) == (1, 1, 1)
    everybody = compare(*moved, truth=bodies()[:2], limit_m=np.inf)
    assert everybody.people.tp == 2 and sorted(everybody.w_mpjpe_mm.round().tolist()) == [200, 2900]


def test_whoever_no_camera_sees_need_not_be_found_and_may_be() -> None:
    truth = [replace(bodies()[0], seen_by=[]), *bodies()[1:]]
    for people in (bodies()[1:], bodies()):
        done = compare(*people, truth=truth)
        assert (done.people.tp, done.people.fp, done.people.fn) == (2, 0, 0)
        assert len(done.w_mpjpe_mm) == 2
    kept = replace(bodies()[0], seen_by=[])
    assert compare(kept, *bodies()[1:]).people.fn == 1, "where he was last is not where he is"


def test_one_person_as_two_tracks_and_two_people_as_one_are_errors_of_association() -> None:
    one, *others = bodies()
    halves = [replace(one, seen_by=["cam1", "cam2"]), replace(one, joints=one.joints + 0.01, seen_by=["cam3", "cam4"])]
    split = compare(*halves, *others)
    assert (split.pairs.fn, split.pairs.fp) == (4, 0) and split.people.fp == 1
    truth = [replace(one, seen_by=["cam1", "cam2"]), *others]
    merged = compare(*bodies(), truth=truth)
    assert (merged.pairs.fn, merged.pairs.fp) == (0, 5), "cameras 3 and 4 do not see him: pairs with them are false"


def test_moments_add_up() -> None:
    stamps = {1: message(*bodies(0.1)), 2: message(*bodies(0.3)[:2]), 3: message()}
    done = score(stamps, {stamp: message(*bodies()) for stamp in stamps})
    assert (done.moments, done.people.tp, done.people.fn) == (3, 5, 4)
    assert sorted(done.w_mpjpe_mm.round(6).tolist()) == [100, 100, 100, 300, 300]


def test_what_cannot_be_compared_is_one_sentence() -> None:
    with pytest.raises(InputError, match="none of 1 results has the stamp of one of 1 truths"):
        score({1: message()}, {2: message()})
    with pytest.raises(InputError, match="the results are in 'map' and the truth in 'world'"):
        score({1: message(frame="map")}, {1: message()})


def test_a_recording_gives_its_truth_by_stamp(tmp_path: Any) -> None:
    from chromm_ros.data.bag_writer import BagWriter
    from chromm_ros.synthetic.scene import body

    free = body()
    with BagWriter(tmp_path / "bag") as bag:
        params = rest(2)
        joints = free.joints(params)
        bag.bodies("/truth/bodies", 5, "world", params, np.array([3, 8]), joints, CAMERAS, [["cam1"], []])
    truth = read_bodies(tmp_path / "bag")
    assert list(truth) == [5] and [person.track_id for person in truth[5].bodies] == [3, 8]
    assert read_bodies(tmp_path / "bag", "/chromm/bodies") == {}
    done = score(truth, truth)
    assert done.people.tp == 1 and done.w_mpjpe_mm.max() < 1e-9


def rest(count: int) -> Any:
    """Bodies at rest, two metres apart."""
    from chromm_ros.records import BodyParams

    shapes = {
        "global_orient": (3,), "body_pose": (21, 3), "left_hand_pose": (15, 3), "right_hand_pose": (15, 3), "jaw_pose": (3,),
        "leye_pose": (3,), "reye_pose": (3,), "betas": (10,), "expression": (10,), "transl": (3,),
    }  # fmt: skip  # one line per part
    params = {name: np.zeros((count, *shape), np.float32) for name, shape in shapes.items()}
    params["transl"][:, 0] = 2.0 * np.arange(count)
    return BodyParams(**params)
