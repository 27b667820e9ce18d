"""A small world for the tests: cameras that send frames on time, late, twice or never."""

import itertools
from collections.abc import Iterable

import numpy as np

from chromm_ros.records import Frame, FrameSet
from chromm_ros.stream.sync import FrameSync

IMAGE = np.zeros((1, 1, 3), np.uint8)
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000

Event = tuple[int, str, int]
"""(arrival, camera, stamp), in nanoseconds after START_NS."""


def names(count: int) -> tuple[str, ...]:
    return tuple(f"c{i}" for i in range(count))


def regular(
    camera: str, frames: Iterable[int], *, rate_hz: float = 30.0, phase_ms: float = 0.0, latency_ms: float = 0.0
) -> list[Event]:
    """Frames number `frames` of a camera with a steady rate."""
    events = []
    for k in frames:
        stamp = round(k * 1e9 / rate_hz + phase_ms * MS)
        events.append((stamp + round(latency_ms * MS), camera, stamp))
    return events


def merged(*streams: list[Event]) -> list[Event]:
    return sorted(event for stream in streams for event in stream)


def play(sync: FrameSync, events: list[Event], *, timer: bool = True) -> list[FrameSet]:
    """Push events in order; with `timer`, deadlines between two messages are served on time."""
    sets: list[FrameSet] = []
    for arrival, camera, stamp in events:
        now_ns = START_NS + arrival
        while timer and (deadline := sync.next_deadline_ns) is not None and deadline < now_ns:
            sets += sync.expire(deadline)
        sets += sync.push(Frame(camera, START_NS + stamp, IMAGE), now_ns)
    return sets


def ended(sync: FrameSync, events: list[Event]) -> list[FrameSet]:
    """`play`, then let the last deadlines pass."""
    sets = play(sync, events)
    while (deadline := sync.next_deadline_ns) is not None:
        sets += sync.expire(deadline)
    return sets


def full(sets: list[FrameSet]) -> list[FrameSet]:
    return [s for s in sets if all(s.frames)]


def check_laws(sets: list[FrameSet], tolerance_ns: int) -> None:
    """No frame twice, spans within the tolerance, stamps strictly increasing within an epoch, frames in their camera's place."""
    used = [(s.epoch, frame.camera, frame.stamp_ns) for s in sets for frame in s.frames if frame is not None]
    assert len(used) == len(set(used))
    for before, after in itertools.pairwise(sets):
        assert after.epoch >= before.epoch
        assert after.epoch > before.epoch or after.stamp_ns > before.stamp_ns
        assert after.index == before.index + 1
    for s in sets:
        stamps = [frame.stamp_ns for frame in s.frames if frame is not None]
        assert s.stamp_ns == min(stamps)
        assert s.spread_ns == max(stamps) - min(stamps) <= tolerance_ns


def check_account(sync: FrameSync) -> None:
    """G7 as a law: every frame received ended in exactly one counter, or waits."""
    for name, c in sync.counters.cameras.items():
        ends = c.used + c.late + c.duplicate + c.unstamped + c.skipped + c.short + c.ahead + c.cleared
        assert c.received == ends + len(sync._lanes[name].waiting), (name, c)
