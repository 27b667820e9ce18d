"""Upstream's synchroniser behind our interface; the figures are upstream's, so they need upstream."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stream"))
from world import MS, check_laws, full, merged, names, play, regular

from chromm_ros.errors import DependencyError
from chromm_ros.ros.message_filters_sync import MessageFiltersSync
from chromm_ros.stream.sync import SyncConfig

INSTALLED = importlib.util.find_spec("message_filters") is not None
upstream = pytest.mark.skipif(not INSTALLED, reason="needs ros-<distro>-message-filters, which PyPI does not have")


def make(count: int = 4) -> MessageFiltersSync:
    return MessageFiltersSync(names(count), SyncConfig(policy="message_filters"))


@pytest.mark.skipif(INSTALLED, reason="message_filters is installed")
def test_without_upstream_the_sentence_says_what_to_do() -> None:
    with pytest.raises(DependencyError, match=r"apt .* or set sync.policy to framesets"):
        make()


@upstream
def test_complete_sets() -> None:
    sync = make()
    sets = play(sync, merged(*(regular(c, range(100), latency_ms=3 * i) for i, c in enumerate(names(4)))))
    assert len(sets) == len(full(sets)) == 100
    check_laws(sets, 15 * MS)
    assert [f.camera for f in sets[0].frames if f] == list(names(4))
    assert sync.counters.sets.complete == 100
    assert sync.counters.cameras["c0"].used == 100
    assert sync.tolerance_ns == pytest.approx(15 * MS, abs=MS)
    assert sync.next_deadline_ns is None
    assert sync.flush(0) == sync.expire(0) == []


@upstream
def test_a_dead_camera_stops_it_as_upstream_does() -> None:
    alive = [*range(100), *range(200, 300)]
    sets = play(make(), merged(*(regular(c, range(300)) for c in names(3)), regular("c3", alive)))
    assert len(sets) == 200


@upstream
def test_a_loop_after_a_death_starts_an_epoch() -> None:
    """Upstream alone gives 10 of 300 sets here."""
    once = merged(*(regular(c, range(300)) for c in names(3)), regular("c3", range(150)))
    again = [(a + 10_000 * MS, c, s) for a, c, s in merged(*(regular(c, range(300)) for c in names(4)))]
    sync = make()
    sets = play(sync, once + again)
    assert [sum(s.epoch == e for s in sets) for e in (0, 1)] == [150, 300]


@upstream
def test_unstamped_and_double_frames_are_counted() -> None:
    sync = make(2)
    play(sync, merged(regular("c0", [1, 1, 2]), regular("c1", [1, 2])))
    assert sync.counters.cameras["c0"].duplicate == 1
    assert sync.counters.sets.complete == 2
