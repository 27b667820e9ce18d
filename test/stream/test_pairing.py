"""Depth beside colour: every image leaves once, in order, with the nearest depth or none, and nobody waits for nothing."""

from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import IMAGE, MS, START_NS

from chromm_ros.records import Frame
from chromm_ros.stream.lane import Entry
from chromm_ros.stream.pairing import DepthImage, DepthPairing
from chromm_ros.stream.sync import FrameSync, SyncConfig

TOLERANCE, WAIT, JUMP, KEEP = 15 * MS, 50 * MS, 200 * MS, 10
Event = tuple[int, str, int]
"""(arrival, "colour" or "depth", stamp), in nanoseconds after START_NS."""


@dataclass
class Stage:
    """A pairing, what went in and what came out."""

    pairing: DepthPairing = field(
        default_factory=lambda: DepthPairing(tolerance_ns=TOLERANCE, max_wait_ns=WAIT, jump_limit_ns=JUMP, keep=KEEP)
    )
    pushed: list[int] = field(default_factory=list)
    depths: list[tuple[int, int]] = field(default_factory=list)
    out: list[tuple[Entry, int]] = field(default_factory=list)

    def play(self, events: list[Event]) -> None:
        """Push events in order of arrival; deadlines in between are served on time, and those that are left at the end."""
        for arrival, kind, stamp in sorted(events, key=lambda event: event[0]):
            now = START_NS + arrival
            self._serve(now)
            if kind == "colour":
                self.pushed.append(stamp)
                self._take(self.pairing.push(Frame("c", START_NS + stamp, IMAGE), now), now)
            else:
                self.depths.append((stamp, now))
                self._take(self.pairing.push_depth(depth(stamp), now), now)
            assert len(self.pairing._waiting) <= self.pairing._keep
            assert len(self.pairing._depths) <= self.pairing._keep
        self._serve(None)

    def _serve(self, until: int | None) -> None:
        while self.pairing._waiting:
            deadline = self.pairing._waiting[0].arrival_ns + self.pairing.max_wait_ns
            if until is not None and deadline >= until:
                break
            self._take(self.pairing.expire(deadline), deadline)

    def _take(self, entries: list[Entry], now: int) -> None:
        self.out += [(entry, now) for entry in entries]

    @property
    def pairs(self) -> dict[int, int | None]:
        """Stamp of the depth by stamp of the image."""
        return {entry.frame.stamp_ns - START_NS: stamp_of(entry) for entry, _ in self.out}

    @property
    def waits(self) -> list[int]:
        """How long each image was held."""
        return [now - entry.arrival_ns for entry, now in self.out]


def depth(stamp: int) -> DepthImage:
    """A depth image that carries its stamp as its depth."""
    return DepthImage(START_NS + stamp, np.full((2, 2), stamp / MS, np.float64).astype(np.float32))


def stamp_of(entry: Entry) -> int | None:
    return None if entry.frame.depth is None else round(float(entry.frame.depth[0, 0])) * MS


def regular(kind: str, count: int, period_ms: float, *, phase_ms: float = 0.0, latency_ms: float = 0.0) -> list[Event]:
    stamps = [round(k * period_ms + phase_ms) * MS for k in range(count)]
    return [(stamp + round(latency_ms * MS), kind, stamp) for stamp in stamps]


@pytest.mark.parametrize("latency_ms", [-30.0, -1.0, 0.0, 1.0, 30.0, 45.0])
def test_triggered_together_all_pair_whoever_comes_first(latency_ms: float) -> None:
    stage = Stage()
    stage.play(regular("colour", 30, 33, phase_ms=40) + regular("depth", 30, 33, phase_ms=40, latency_ms=latency_ms))
    assert stage.pairs == {stamp: stamp for stamp in stage.pushed}
    assert max(stage.waits) == max(0, round(latency_ms * MS))


def test_depth_at_half_the_rate_delays_no_image_in_between() -> None:
    stage = Stage()
    stage.play(regular("colour", 60, 34) + regular("depth", 30, 68, latency_ms=10))
    learnt = 8
    for index, (entry, now) in enumerate(stage.out):
        stamp = entry.frame.stamp_ns - START_NS
        assert stamp_of(entry) == (stamp if index % 2 == 0 else None)
        if index >= learnt:
            assert now - entry.arrival_ns == (10 * MS if index % 2 == 0 else 0)


def test_free_running_depth_gives_its_nearest_without_waiting_for_a_farther_one() -> None:
    stage = Stage()
    stage.play(regular("colour", 30, 33, phase_ms=43) + regular("depth", 31, 33, phase_ms=33))
    assert stage.pairs == {stamp: stamp - 10 * MS for stamp in stage.pushed}
    assert not any(stage.waits[5:])


def test_a_depth_image_that_comes_somewhat_early_in_its_rhythm_is_waited_for() -> None:
    stage = Stage()
    early = 480 * MS
    stage.play([*regular("depth", 5, 100), (early, "colour", early), (early + 5 * MS, "depth", early)])
    assert stage.pairs == {early: early}


def test_depth_that_serves_no_later_image_is_let_go() -> None:
    stage = Stage()
    stage.play(regular("colour", 8, 33) + regular("depth", 8, 33, latency_ms=3))
    assert [kept.stamp_ns - START_NS for kept in stage.pairing._depths] == [7 * 33 * MS]


def test_a_lost_depth_image_costs_one_image_its_depth_and_none_its_place() -> None:
    stage = Stage()
    stage.play(regular("colour", 20, 33) + [event for event in regular("depth", 20, 33, latency_ms=5) if event[2] != 330 * MS])
    assert [stamp for stamp, found in stage.pairs.items() if found is None] == [330 * MS]
    assert stage.waits[10] == 38 * MS, "until the next depth image proves it lost"


def test_depth_that_never_comes_is_soon_not_waited_for() -> None:
    stage = Stage()
    stage.play(regular("colour", 30, 33))
    assert not any(stage.pairs.values())
    assert sum(wait > 0 for wait in stage.waits) <= 7
    assert max(stage.waits) == WAIT


def test_depth_that_always_comes_too_late_is_not_waited_for_and_told() -> None:
    stage = Stage()
    stage.play(regular("colour", 60, 33) + regular("depth", 60, 33, latency_ms=80))
    assert not any(stage.waits[10:])
    assert stage.pairing.late_in_a_row > 30


def test_depth_that_comes_back_is_waited_for_again() -> None:
    stage = Stage()
    stage.play(regular("colour", 60, 33) + [event for event in regular("depth", 60, 33, latency_ms=20) if event[2] > 1000 * MS])
    assert all(found == stamp for stamp, found in stage.pairs.items() if stamp > 1100 * MS)


def test_depth_alone_waits_in_a_bounded_queue() -> None:
    stage = Stage()
    stage.play(regular("depth", 100, 33))
    assert stage.out == []
    assert len(stage.pairing._depths) == KEEP


def test_images_without_a_stamp_pass() -> None:
    """Zero, or less where an offset has moved the stamp: `stream.sync` counts both."""
    stage = Stage()
    stage.play([(0, "colour", -START_NS), (1, "colour", 5 * MS), (2, "colour", -START_NS - 1), (3, "depth", 5 * MS)])
    assert stage.pairs == {-START_NS: None, 5 * MS: 5 * MS, -START_NS - 1: None}


@pytest.mark.parametrize("first", ["colour", "depth"])
def test_a_recording_that_loops_pairs_from_its_second_image_on(first: str) -> None:
    """Either side may be first to jump; stamps repeat, so that only the depths of the new round may be taken."""
    once = regular("colour", 20, 33) + regular("depth", 20, 33, latency_ms=3 if first == "colour" else -3)
    stage = Stage()
    length = 1000 * MS
    stage.play([(arrival + k * length, kind, stamp) for k in range(3) for arrival, kind, stamp in once])
    assert len(stage.out) == 60
    assert [stamp for entry, _ in stage.out if (stamp := stamp_of(entry)) is not None] == stage.pushed


def test_nothing_old_is_left_after_a_reset() -> None:
    pairing = Stage().pairing
    assert pairing.push(Frame("c", START_NS, IMAGE), START_NS) == []
    pairing.reset()
    assert pairing.expire(START_NS + WAIT) == []
    pairing.push_depth(depth(40 * MS), START_NS)
    pairing.reset()
    assert pairing.push(Frame("c", START_NS + 40 * MS, IMAGE), START_NS) == []


@st.composite
def unruly(draw: st.DrawFn) -> list[Event]:
    """Both kinds with any rate, jitter, losses, doubles, delays, jumps back and missing stamps."""
    events: list[Event] = []
    rounds, length = draw(st.integers(1, 3)), draw(st.sampled_from([300, 2000]))
    for kind in ("colour", "depth"):
        period = draw(st.sampled_from([10, 33, 66, 100]))
        for k in range(draw(st.integers(0, 20))):
            if draw(st.integers(0, 9)) == 0:
                continue
            stamp = max(1, k * period + draw(st.integers(-9, 9)))
            delay = draw(st.integers(0, 120))
            events += [((stamp + delay + r * length) * MS, kind, stamp * MS) for r in range(rounds)]
            if kind == "colour" and draw(st.integers(0, 19)) == 0:
                events.append(((stamp + delay) * MS, kind, -START_NS))
    return sorted(events)


@settings(max_examples=80, deadline=None)
@given(unruly())
def test_every_image_leaves_once_in_order_and_in_time_with_a_depth_that_was_there_and_near(events: list[Event]) -> None:
    stage = Stage()
    stage.play(events)
    assert [entry.frame.stamp_ns - START_NS for entry, _ in stage.out] == stage.pushed
    for entry, now in stage.out:
        assert 0 <= now - entry.arrival_ns <= WAIT
        stamp, found = entry.frame.stamp_ns - START_NS, stamp_of(entry)
        if found is not None:
            assert abs(found - stamp) <= TOLERANCE
            assert any(one == found and came <= now for one, came in stage.depths)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 120), min_size=1, max_size=15, unique=True),
    st.lists(st.integers(0, 120), min_size=1, max_size=15, unique=True),
    st.integers(0, 30),
)
def test_irregular_stamps_in_order_get_the_nearest_depth_of_all(colours: list[int], depths: list[int], latency: int) -> None:
    """Where nothing is late, nothing jumps and no rhythm is learnt, the answer is that of whoever sees both whole lists."""
    stage = Stage(DepthPairing(tolerance_ns=TOLERANCE, max_wait_ns=WAIT, jump_limit_ns=JUMP, keep=100))
    events = [(10 * stamp * MS, "colour", 10 * stamp * MS) for stamp in sorted(colours)]
    events += [((10 * stamp + 3 + latency) * MS, "depth", (10 * stamp + 3) * MS) for stamp in sorted(depths)]
    with patch.multiple("chromm_ros.stream.pairing", _IN_VAIN=100, _EARLY_SHARE=100):
        stage.play(events)
    for stamp, found in stage.pairs.items():
        gaps = [abs(one - stamp) for one, _ in stage.depths if abs(one - stamp) <= TOLERANCE]
        assert (found is None) == (not gaps)
        assert found is None or abs(found - stamp) == min(gaps)


def test_a_held_image_still_leaves_within_the_longest_wait_of_the_synchroniser() -> None:
    """Depth takes its part of `max_wait_s`, the other cameras get the rest."""
    sync = FrameSync(("held", "other", "silent"), SyncConfig(max_wait_s=0.1))
    assert sync.push(Frame("other", START_NS, IMAGE), START_NS + 20 * MS) == []
    assert sync.push(Frame("held", START_NS + 1, IMAGE), START_NS, START_NS + 50 * MS) == []
    assert sync.next_deadline_ns == START_NS + 100 * MS, "counted from its own arrival, though it came in second"
    (first,) = sync.expire(START_NS + 100 * MS)
    assert [frame is not None for frame in first.frames] == [True, True, False]
    assert (first.arrival_ns, first.ready_ns) == (START_NS, START_NS + 100 * MS)
    assert sync.push(Frame("other", START_NS + 33 * MS, IMAGE), START_NS + 110 * MS) == []
    assert sync.next_deadline_ns == START_NS + 210 * MS
