"""The whole chain on planted truth: what is said exactly comes back exactly, whatever the rig; and degenerate input has an answer.

The answers, for the whole chain (each also is finite, and nothing throws or warns):

- nobody: no people, no ratio (NaN), cameras and cloud as ever
- one camera; cameras all in one place; face to face along the line through a head: depth places everybody
- cameras on a line, on a robot: as any other rig
- a head said to be behind its camera: the other cameras place the person; alone, somebody is still answered
- no confidence in anything: people as ever, with the score that was said; no cloud
- everybody missed for a while: held where last seen
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.bench.planted import errors, in_sight, replay, truth_from_node
from chromm_ros.geometry import se3
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.records import Reconstruction
from chromm_ros.synthetic.noise import EXACT
from chromm_ros.synthetic.oracle import World, reordered
from chromm_ros.synthetic.scene import body

HIDING = replace(EXACT, occlusion=True)

WORLDS = {
    "one camera": World(views=1, people=3),
    "all in one place": World(views=4, layout="same"),
    "on a line": World(views=4, layout="line", people=4),
    "face to face": World(views=2, layout="facing", people=3),
    "on a robot": World(views=3, layout="robot", people=4),
    "on a robot that drives": World(views=3, layout="robot", moving=True, people=4),
    "the same, its pose known": World(views=3, layout="robot", moving=True, people=4, rig=True),
    "people who hide one another": World(people=6, walk="eight", noise=HIDING),
    "one uniform for all": World(people=5, uniform=True),
    "many": World(views=16, people=30, uniform=True),
}


def finite(result: Reconstruction) -> bool:
    arrays = [result.points, result.confidence, *(camera.world_from_cam for camera in result.cameras)]
    for person in result.people:
        arrays += [person.joints, person.joint_scores, np.array(person.score), *vars(person.body).values()]
    return all(np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize("name", WORLDS)
def test_exact_words_come_back_exactly_with_lasting_ids(name: str) -> None:
    world, id_of = WORLDS[name], {}
    for step in replay(world, ReconstructConfig(), 2 if name == "many" else 3, steps=3, stride=1):
        assert finite(step.result)
        assert step.result.scale_ratio == pytest.approx(1.0, abs=1e-4)
        truth = truth_from_node(step, world, [0, 1, 2])
        for t in range(3):
            joints = world.joints(step.first + t)
            found = set()
            for person in step.result.people:
                if person.visible[t]:
                    off = np.abs(truth.apply(person.joints[t].astype(np.float64)) - joints).max(axis=(1, 2))
                    who = int(off.argmin())
                    assert off[who] < 1e-4
                    assert id_of.setdefault(person.track_id, who) == who
                    found.add(who)
            assert found == set(in_sight(step, t).tolist())
    assert len(set(id_of.values())) == len(id_of), "nobody has two ids"


@pytest.mark.parametrize("views", [1, 4])
def test_nobody_is_an_answer(views: int) -> None:
    for step in replay(World(views=views, people=0), ReconstructConfig(), 2, steps=3, stride=1):
        assert step.result.people == () and np.isnan(step.result.scale_ratio)
        assert len(step.result.cameras) == views and len(step.result.points) > 0 and finite(step.result)


def test_a_head_behind_its_camera_is_outvoted() -> None:
    world = World(rig=True, people=1)
    look = world.look()
    p = look.prediction
    wrong = p.head_position * np.where(p.view[p.person_frame] == 2, -1.0, 1.0)[:, None]
    result = Reconstructor(body(), ReconstructConfig()).update(look.window, replace(p, head_position=wrong))
    assert finite(result)
    off = [np.abs(person.joints[-1] - world.joints(3)[0]).max() for person in result.people]
    assert min(off) < 1e-4


def test_no_confidence_leaves_people_and_no_cloud() -> None:
    world = World(rig=True)
    look = world.look()
    p = look.prediction
    doubted = replace(p, confidence=0.0 * p.confidence, person_score=0.0 * p.person_score)
    result = Reconstructor(body(), ReconstructConfig()).update(look.window, doubted)
    assert finite(result) and not len(result.points)
    assert len(result.people) == 3 and all(person.score == pytest.approx(0.0, abs=1e-5) for person in result.people)


def test_everybody_missed_is_held() -> None:
    world, chain = World(rig=True), Reconstructor(body(), ReconstructConfig())
    chain.update(*world.window(0, 0))
    later = world.look(1, 4)
    result = chain.update(later.window, reordered(later.prediction, np.zeros(0, dtype=np.int64)))
    assert len(result.people) == 3 and finite(result)
    for person in result.people:
        assert not person.visible.any()
        assert np.abs(person.joints[-1] - world.joints(3)).max(axis=(1, 2)).min() < 1e-4


@pytest.mark.parametrize("name", ["one camera", "all in one place", "face to face", "on a robot"])
def test_degenerate_rigs_neither_warn_nor_stop_when_all_else_fails_too(name: str) -> None:
    rng = np.random.default_rng(0)
    world = replace(WORLDS[name], uniform=True)
    chain = Reconstructor(body(), ReconstructConfig())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index in range(3):
            look = world.look(index, index)
            p, count = look.prediction, len(look.person)
            spoilt = replace(
                p,
                person_score=np.zeros(count),
                head_position=rng.choice([-1.0, 0.0, 1e-9, 1e5], (count, 1)) * p.head_position,
                pelvis_pixel=p.head_pixel,
                world_from_cam=np.broadcast_to(p.world_from_cam[0], p.world_from_cam.shape),
            )
            assert finite(chain.update(look.window, spoilt))


def test_errors_of_the_exact_are_none() -> None:
    world = World(people=4)
    found = errors(replay(world, ReconstructConfig(), 2, steps=3), world)
    assert max(found.joints_mm, found.wa_mm, found.pa_mm) < 0.1 and found.missed == found.false == 0.0


def test_a_known_rig_carries_the_result_to_its_own_world() -> None:
    world = World(rig=True)
    step = next(replay(world, ReconstructConfig(), 1))
    np.testing.assert_allclose(step.result.world_from_cam[-1], world.cameras(7), atol=1e-9)
    assert min(np.abs(step.result.people[0].joints[-1] - world.joints(7)).max(axis=(1, 2))) < 1e-4
    assert se3.inverse(world.camera(0, 7)).shape == (4, 4)
