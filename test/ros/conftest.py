"""Each test talks on a ROS domain of its own, so that tests, and sessions side by side, do not hear one another."""

import itertools
import os

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` brings it, or source a ROS distribution")

_DOMAINS = itertools.count(os.getpid() * 7)


@pytest.fixture(autouse=True)
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set ROS_DOMAIN_ID for this process and those that it starts; 1..100 are free of clashes with ephemeral ports."""
    domain = 1 + next(_DOMAINS) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return domain
