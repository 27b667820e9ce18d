"""The account of a camera's rhythm: rate by arrival, loss by stamps."""

import numpy as np
import pytest

from chromm_ros.ros.watch import Watch

PERIOD_NS = 33_333_333


def watched(present: np.ndarray, period_ns: int = PERIOD_NS) -> tuple[Watch, int]:
    watch = Watch()
    for index in np.flatnonzero(present):
        watch.see(10**18 + int(index) * period_ns, int(index) * period_ns)
    return watch, len(present) * period_ns


@pytest.mark.parametrize("hz", [1, 10, 30])
def test_the_rate_of_a_steady_camera(hz: int) -> None:
    watch, now_ns = watched(np.ones(90, bool), 10**9 // hz)
    assert watch.hz(now_ns) == pytest.approx(hz, rel=0.4 if hz == 1 else 0.03)
    assert watch.lost() == 0
    assert watch.hz(now_ns + 4 * 10**9) == 0


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_lost_images_are_seen_in_the_stamps(share: float) -> None:
    present = np.random.default_rng(3).random(300) >= share
    assert watched(present)[0].lost() == pytest.approx(share, abs=0.12)


def test_a_jump_back_starts_anew() -> None:
    watch, _ = watched(np.ones(90, bool))
    for index in range(30):
        watch.see(10**17 + index * PERIOD_NS, 10**12 + index * PERIOD_NS)
    assert watch.lost() == 0
    assert watch.last_stamp_ns == 10**17 + 29 * PERIOD_NS
