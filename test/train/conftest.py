"""A few rendered moments, made once."""

import pytest

from chromm_ros.data.moment import Moment
from chromm_ros.synthetic.world.take import Take, TakeOptions

ROOM = TakeOptions(views=2, people_min=3, people_max=3, photo=False, rig="room")
EMPTY = TakeOptions(views=2, people_min=0, people_max=0, photo=False, rig="room")


@pytest.fixture(scope="session")
def clips() -> list[tuple[Moment, ...]]:
    """Two scenes of two views with three people each."""
    return [(Take(seed, ROOM).at(1.0),) for seed in (1, 4)]


@pytest.fixture(scope="session")
def empty() -> tuple[Moment, ...]:
    """A scene without anybody."""
    return (Take(3, EMPTY).at(0.0),)
