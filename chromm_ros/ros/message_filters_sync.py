"""`sync.policy: message_filters`: upstream's ApproximateTimeSynchronizer behind the interface of our own synchroniser.

For those who want its semantics: complete sets only, greedy matching at arrival. Its weaknesses come with it (a dead camera stops
everything, cost that grows steeply when stamps do not fit); what it drops, it drops in silence, so only `received`, `used`,
`duplicate` and `unstamped` are counted. From our side it gets new epochs when time jumps back, and a slop that is kept below half
of the shortest period.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration

from chromm_ros.errors import DependencyError
from chromm_ros.records import Frame, FrameSet
from chromm_ros.stream.lane import Entry
from chromm_ros.stream.sync import FrameSync, SyncConfig


@dataclass(frozen=True)
class _Message:
    """What upstream looks at, and our entry."""

    header: Any
    """Something with a `stamp`."""
    entry: Entry
    """The frame and its time of arrival."""


class MessageFiltersSync(FrameSync):
    """The same interface; `max_wait_s`, `min_cameras`, `stale_after`, `reference`, `rate_hz` and required cameras have no effect."""

    def __init__(self, cameras: tuple[str, ...], config: SyncConfig, required: Iterable[str] = ()) -> None:
        """Start with empty queues.

        Raises:
            ConfigError: as `FrameSync`.
            DependencyError: if message_filters is not installed.
        """
        self._upstream_module = _message_filters()
        self._ready: list[tuple[Entry, ...]] = []
        super().__init__(cameras, config, required)

    def push(self, frame: Frame, arrival_ns: int, now_ns: int | None = None) -> list[FrameSet]:
        """Take one frame and return the set that it completes, if any."""
        lane = self._lanes[frame.camera]
        lane.counters.received += 1
        if self._went_back(lane, frame.stamp_ns):
            self._start_over()
        if self._admit(lane, frame.stamp_ns, arrival_ns):
            entry = Entry(frame, arrival_ns)
            lane.add(entry)  # to learn its rhythm; what waits, waits upstream
            lane.drop(frame.stamp_ns)
            self._note_rhythm()
            self._upstream.slop = Duration(nanoseconds=self.tolerance_ns)
            seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
            header = SimpleNamespace(stamp=Time(sec=seconds, nanosec=nanoseconds))
            self._inputs[frame.camera].signalMessage(_Message(header, entry))
        ready, self._ready = self._ready, []
        return [self._complete(entries, arrival_ns if now_ns is None else now_ns) for entries in ready]

    def expire(self, now_ns: int) -> list[FrameSet]:
        """Nothing: upstream knows no deadline."""
        del now_ns
        return []

    def flush(self, now_ns: int) -> list[FrameSet]:
        """Nothing: upstream knows no partial sets."""
        del now_ns
        return []

    def _begin_epoch(self) -> None:
        super()._begin_epoch()
        filters = self._upstream_module
        self._inputs = {name: filters.SimpleFilter() for name in self.cameras}
        slop_s = self.tolerance_ns / 1e9
        self._upstream = filters.ApproximateTimeSynchronizer(list(self._inputs.values()), self._config.depth, slop_s)
        self._upstream.registerCallback(self._on_set)

    def _on_set(self, *messages: _Message) -> None:
        """Called under upstream's lock, which an exception would leave held: nothing here can fail."""
        self._ready.append(tuple(message.entry for message in messages))

    def _complete(self, entries: tuple[Entry, ...], now_ns: int) -> FrameSet:
        stamps = [entry.frame.stamp_ns for entry in entries]
        spread_ns = max(stamps) - min(stamps)
        self._count_set(list(entries), spread_ns)
        self._sets_made += 1
        frames = tuple(entry.frame for entry in entries)
        arrival_ns = min(entry.arrival_ns for entry in entries)
        return FrameSet(self.epoch, self._sets_made - 1, min(stamps), spread_ns, frames, arrival_ns, now_ns)


def _message_filters() -> ModuleType:
    try:
        return importlib.import_module("message_filters")
    except ModuleNotFoundError as error:
        if error.name != "message_filters":
            raise
        raise DependencyError(
            "sync.policy is message_filters, whose Python package is not installed: install ros-$ROS_DISTRO-message-filters with apt "
            "(PyPI has none), or set sync.policy to framesets"
        ) from None
