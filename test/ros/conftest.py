"""Each test talks on a ROS domain of its own, so that tests, and runs side by side, do not hear one another."""

import itertools
import os

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` brings it, or source a ROS distribution")

_DOMAINS = itertools.count(os.getpid() * 7)


def new_domain() -> int:
    """A domain that no other test of this run uses; 1..100 are free of clashes with ephemeral ports."""
    return 1 + next(_DOMAINS) % 100


@pytest.fixture(autouse=True)
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set ROS_DOMAIN_ID for this process and those that it starts."""
    domain = new_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return domain


@pytest.fixture(scope="module")
def shared_domain() -> int:
    """A domain for all tests of a module, for a process that they share."""
    return new_domain()
