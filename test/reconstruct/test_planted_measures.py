"""What the benchmark counts and measures, on cases whose answer is known by hand."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.bench.chain_cost import PARTS, timed
from chromm_ros.bench.planted import errors, replay, same_person
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body


def test_pairs_are_counted_as_by_hand() -> None:
    step = next(replay(World(views=2, people=2), ReconstructConfig(), 1, steps=1))
    assert same_person([step]) == (2, 0, 2, 0)
    assert same_person([replace(step, groups=np.zeros(4, dtype=np.int64))]) == (2, 2, 0, 0)
    assert same_person([replace(step, groups=np.arange(4))]) == (0, 0, 2, 2)
    nobody = replace(step, look=replace(step.look, person=np.full(4, -1)))
    assert same_person([nobody]) == (0, 2, 2, 0), "nobody is not even himself"


def test_errors_are_those_that_were_planted() -> None:
    world = World(rig=True, people=2)
    step = next(replay(world, ReconstructConfig(), 1, steps=2))
    people = tuple(
        replace(person, joints=person.joints + np.array([0.03, 0.0, 0.04], dtype=np.float32)) for person in step.result.people
    )
    found = errors([replace(step, result=replace(step.result, people=people))], world)
    assert found.joints_mm == pytest.approx(50.0, abs=0.1) and found.head_mm == pytest.approx(50.0, abs=0.1)
    assert found.wa_mm < 0.1 and found.pa_mm < 0.1
    gone = errors([replace(step, result=replace(step.result, people=people[:1] + people[:1]))], world)
    assert gone.missed == gone.false == 0.5


def test_every_part_of_the_chain_is_timed() -> None:
    look = World(views=2, people=1).look(steps=2)
    spent = timed(Reconstructor(body(), ReconstructConfig()), look)
    assert set(PARTS.values()) | {"whole", "without cloud", "the rest"} == set(spent)
