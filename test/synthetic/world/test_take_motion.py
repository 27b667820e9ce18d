"""People of takes move as people do: feet stay where they are put, nothing jumps, nobody walks through anything."""

import itertools

import numpy as np
import pytest

from chromm_ros.body.skeleton import NAMES
from chromm_ros.records import BodyParams
from chromm_ros.synthetic.people.puppet import Puppet
from chromm_ros.synthetic.world.crowd import APART, ARMS, ROOM_FOR_ONE
from chromm_ros.synthetic.world.gestures import eased
from chromm_ros.synthetic.world.motion import SWING, Walker
from chromm_ros.synthetic.world.take import Take, TakeOptions

PERIOD_S = 0.02
TIMES = 1.0 + PERIOD_S * np.arange(70)
TRUNK = [NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")]
OPTIONS = TakeOptions(views=1, people_min=3)


class Watched:
    """A take's people over time: joints (T P 55 3) and the lowest point of each body (T P)."""

    def __init__(self, seed: int) -> None:
        self.take = Take(seed, OPTIONS)
        self.walkers = self.take.crowd.walkers
        bodies = [vars(self.take.bodies(t)) for t in TIMES]
        flat = BodyParams(**{name: np.concatenate([body[name] for body in bodies]) for name in bodies[0]})
        vertices, joints = Puppet.load().pose(flat)
        self.joints = joints.reshape(len(TIMES), -1, 55, 3).astype(np.float64)
        self.lowest = vertices[..., 2].min(axis=1).reshape(len(TIMES), -1)


@pytest.fixture(scope="module")
def watched() -> list[Watched]:
    return [Watched(seed) for seed in (0, 1, 5, 10)]


def test_every_kind_of_motion_is_there(watched: list[Watched]) -> None:
    assert {walker.kind for one in watched for walker in one.walkers} == {"walk", "turn", "stand", "reach", "sit"}


def test_a_foot_that_stands_does_not_slide(watched: list[Watched]) -> None:
    longest = 0
    for one in watched:
        for person, walker in enumerate(one.walkers):
            for side in (0, 1):
                for stands in standing(walker, side):
                    feet = one.joints[stands, person][:, [7 + side, 10 + side]]  # ankle and ball
                    assert np.ptp(feet, axis=0).max(initial=0.0) < 0.01
                    longest = max(longest, len(feet))
    assert longest > 10


def standing(walker: Walker, side: int) -> list[np.ndarray]:
    """Moments of each time that a foot is on the floor."""
    if not walker.steps:
        return [np.arange(len(TIMES))]
    own = walker.way(TIMES) / walker.style.stride + 0.5 * side
    down = own % 1.0 > SWING
    return [
        np.flatnonzero(down & (np.floor(own) == count))
        for count in np.unique(np.floor(own))
        if (down & (np.floor(own) == count)).any()
    ]


def test_feet_are_on_the_floor(watched: list[Watched]) -> None:
    for one in watched:
        assert np.abs(one.lowest).max() < 0.015


def test_nothing_jumps(watched: list[Watched]) -> None:
    """A swinging foot accelerates by 50 m/s^2 in real gait; what jumps by 2 cm from picture to picture would do so by 100."""
    for one in watched:
        speed = np.diff(one.joints, axis=0) / PERIOD_S
        acceleration = np.diff(speed, axis=0) / PERIOD_S
        assert np.linalg.norm(speed, axis=-1).max() < 8.0
        assert np.linalg.norm(acceleration, axis=-1).max() < 130.0
        assert np.linalg.norm(acceleration[:, :, TRUNK], axis=-1).max() < 20.0


def test_nobody_walks_through_people_furniture_or_walls(watched: list[Watched]) -> None:
    for one in watched:
        room, places = one.take.room, one.joints[:, :, 0, :2]
        for person, walker in enumerate(one.walkers):
            if walker.kind != "sit":
                assert room.clearance(places[:, person]).min() > ROOM_FOR_ONE + ARMS.get(walker.kind, 0.0) - 0.15  # it sways
        for a, b in itertools.combinations(range(len(one.walkers)), 2):
            assert np.linalg.norm(places[:, a] - places[:, b], axis=-1).min() > APART - 0.15


def test_arms_keep_out_of_bodies(watched: list[Watched]) -> None:
    hands = [NAMES.index(f"{side}_{name}") for side in ("left", "right") for name in ("wrist", "index2")]
    for one in watched:
        for a, b in itertools.product(range(len(one.walkers)), repeat=2):
            spine = one.joints[:, b][:, None, TRUNK]
            assert np.linalg.norm(one.joints[:, a][:, hands, None] - spine, axis=-1).min() > (0.17 if a == b else 0.12)


def test_easing_starts_and_ends_at_rest() -> None:
    step = 1e-3
    assert eased(0.0) == 0.0 and eased(1.0) == 1.0 and eased(0.5) == 0.5
    assert eased(step) < 1e-7 and 1.0 - eased(1.0 - step) < 1e-7


def test_people_leave_and_come_back_and_keep_their_ids() -> None:
    take = Take(0, TakeOptions(views=1, photo=False, width=32, height=24))
    seen = {t: set(take.at(t).ids.tolist()) for t in np.arange(0.0, 12.0, 1.0)}
    everybody = set().union(*seen.values())
    assert everybody == set(range(len(take.crowd.walkers)))
    assert any(ids < everybody for ids in seen.values())
