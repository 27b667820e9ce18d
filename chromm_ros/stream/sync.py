"""Which images belong to one moment: frames of N cameras in, frame-sets out.

Cameras are triggered together, or run freely at the same rate, or at different rates; frames are lost, late, doubled or
unstamped; cameras die and come back; recordings loop. This file turns all that into frame-sets with these guarantees (G1-G13,
each has a test of that name):

- G1 A message costs O(N) for N cameras, whatever the tolerance and the depth. Nothing is combined with everything.
- G2 A set never spans more than the tolerance, which is kept below half of the shortest period: then a frame can have at most
  one partner in each other camera, and one lost frame cannot make neighbours mix for good. (With a reference camera the tolerance
  is the distance from its frame, so a set spans less than one period.)
- G3 A frame is used at most once, and sets leave in strictly increasing order of time.
- G4 No frame waits longer than `max_wait_s`; `expire` serves the deadline by a timer when no message comes.
- G5 Sets may be partial: at least `min_cameras`, all required ones.
- G6 A camera that missed `stale_after` sets is no longer waited for; its first frame brings it back.
- G7 Every frame that is not used is counted, by camera and reason.
- G8 Time that jumps back starts a new epoch, at the first frame. A lone frame that leapt ahead and still waits when its camera goes
  on from before is dropped instead.
- G9 Stamps are taken as they are: a camera's time offset is already in `Frame.stamp_ns`, added in one place where frames are made.
- G10 At most `depth` frames wait per camera; the oldest set leaves first.
- G11 No lock, no callback, no thread: sets are returned, so a consumer that raises cannot leave anything half done.
- G12 No clock: times are arguments, so the same input gives the same output.
- G13 Different rates: sets come at the rate of the fastest camera, of a chosen `reference` camera, or at most at `rate_hz`.

**The rule.** A set is a *slot* of time. Without a reference camera the earliest waiting frame opens the slot
[stamp, stamp + tolerance]; with one, its next frame opens [stamp - tolerance, stamp + tolerance]. From each camera the slot takes
the frame nearest to its centre. It closes as soon as every camera is *settled*: it has a frame at the centre or later, or none is
due there yet (a slower camera between two of its frames), or it is stale. Else it closes at the deadline. What comes later for a
closed slot is late. This is the matching of ROS's approximate synchronisers without their search: because of G2 there is nothing
to search.

Cameras that run freely with phases farther apart than the tolerance fall into several partial sets per period (`warning` says
so). With `reference` set, every other camera gives its nearest frame, whatever its phase.

Figures of message_filters in comparison, and where the cases of the tests come from: test/stream/test_sync.py. The file is longer
than others because the rule, its state and its account are read together.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from chromm_ros.errors import ConfigError
from chromm_ros.records import Frame, FrameSet
from chromm_ros.settings import Settings, setting
from chromm_ros.stream.counters import SetCounters, SyncCounters
from chromm_ros.stream.lane import Entry, Lane, Slot

_AUTO_SHARE = 0.45
"""Tolerance as a share of the shortest period: below one half (G2), with room for jitter."""
_START_TOLERANCE_NS = 15_000_000
"""Tolerance while no period is known: 0.45 periods at 30 Hz."""
_CLOCKS_DISAGREE_NS = 5_000_000_000
"""A stamp so far ahead of living cameras is no latency but another clock."""
_RECENT = 100
"""Sets of which the spread is remembered."""
_SPLIT_AFTER = 30
"""Partial sets in a row, with all cameras alive, after which the phases are called too far apart."""


@dataclass(frozen=True)
class SyncConfig(Settings):
    """How images of several cameras are put in step."""

    policy: str = setting(
        "framesets", "framesets, or message_filters' ApproximateTimeSynchronizer", choices=("framesets", "message_filters")
    )
    tolerance_s: float = setting(
        0.0,
        "largest spread of a frame-set's stamps; 0 takes 0.45 of the shortest measured period; clamped to that if too large [s]",
        at_least=0.0,
        at_most=10.0,
        dynamic=True,
    )
    max_wait_s: float = setting(
        0.1, "longest time that an image waits for the other cameras [s]", at_least=0.0, at_most=60.0, dynamic=True
    )
    min_cameras: int = setting(1, "cameras that a frame-set needs", at_least=1, dynamic=True)
    depth: int = setting(10, "images that may wait per camera", at_least=2, at_most=1000)
    stale_after: int = setting(
        5, "frame-sets in a row that a camera may miss before it is no longer waited for", at_least=1, dynamic=True
    )
    reference: str = setting(
        "",
        "camera at whose images frame-sets are made, the others giving their nearest image; empty: no such camera",
        dynamic=True,
    )
    rate_hz: float = setting(
        0.0, "highest rate of frame-sets, by leaving sets out; 0 keeps all [Hz]", at_least=0.0, at_most=1000.0, dynamic=True
    )
    jump_limit_s: float = setting(
        0.2, "a camera's stamps that go back by more than this start a new epoch [s]", at_least=0.0, at_most=3600.0, dynamic=True
    )


class FrameSync:
    """Puts the frames of N cameras in step. Not for several threads at once."""

    def __init__(self, cameras: tuple[str, ...], config: SyncConfig, required: Iterable[str] = ()) -> None:
        """Start with empty queues in epoch 0.

        Args:
            cameras: names of the cameras; their order is the order within frame-sets.
            config: see `SyncConfig`; its `policy` is not looked at.
            required: cameras without which a set is not used.

        Raises:
            ConfigError: when `required`, `config.reference` or `config.min_cameras` does not fit the cameras.
        """
        assert cameras and len(set(cameras)) == len(cameras), cameras
        self.cameras = cameras
        self.epoch = 0
        self._required = frozenset(required)
        self._lanes = {name: Lane(name) for name in cameras}
        self._config = self._checked(config)
        self._totals = SyncCounters({name: lane.counters for name, lane in self._lanes.items()})
        self._sets_made = 0
        self._spreads_ns: deque[int] = deque(maxlen=_RECENT)
        self._by_arrival: deque[tuple[int, Lane, int]] = deque()  # times of arrival, lanes, stamps, but no images
        self._shortest_ns: int | None = None
        self._newest_ns: int | None = None
        self._due_ns: int | None = None
        self._lag_ns = 0
        self._late_in_a_row = 0
        self._partial_in_a_row = 0
        self._begin_epoch()

    # What goes in and out

    def push(self, frame: Frame, arrival_ns: int, now_ns: int | None = None) -> list[FrameSet]:
        """Take one frame and return the sets that it makes ready, oldest first.

        Args:
            frame: of one of the cameras; `stamp_ns` of zero or less says that it has no stamp.
            arrival_ns: monotonic time at which it arrived, from which its longest wait counts.
            now_ns: monotonic time of this call, where the frame has been held since it arrived (for its depth image).
        """
        now_ns = arrival_ns if now_ns is None else now_ns
        lane = self._lanes[frame.camera]
        lane.counters.received += 1
        leaving = []
        if lane.leapt(frame.stamp_ns, _ns(self._config.jump_limit_s)):
            lane.drop_newest()
            lane.counters.ahead += 1
        if self._went_back(lane, frame.stamp_ns):
            leaving = self.flush(now_ns)
            self._start_over()
        if self._admit(lane, frame.stamp_ns, arrival_ns):
            lane.add(Entry(frame, arrival_ns))
            self._note_rhythm()
            self._note_arrival(lane, frame.stamp_ns, arrival_ns)
            self._newest_ns = max(self._newest_ns or frame.stamp_ns, frame.stamp_ns)
        return leaving + self._release(now_ns)

    def expire(self, now_ns: int) -> list[FrameSet]:
        """Return the sets that have waited long enough; to be called at `next_deadline_ns`."""
        return self._release(now_ns)

    def flush(self, now_ns: int) -> list[FrameSet]:
        """Return everything that waits, as if all deadlines had passed: the stream has ended."""
        return self._release(now_ns, hurry=True)

    def reset(self) -> None:
        """Drop what waits and start a new epoch: the clock jumped, or somebody asked for it."""
        for lane in self._lanes.values():
            lane.counters.cleared += len(lane.waiting)
        self._start_over()

    def reconfigure(self, config: SyncConfig) -> None:
        """Go on with other settings; nothing is lost.

        Raises:
            ConfigError: when they do not fit the cameras; the old ones stay in force.
        """
        self._config = self._checked(config)
        self._note_rhythm()

    # What can be asked

    @property
    def next_deadline_ns(self) -> int | None:
        """When `expire` has something to do, in the time of `arrival_ns`; None while nothing waits."""
        while self._by_arrival:
            arrival_ns, lane, stamp_ns = self._by_arrival[0]
            if stamp_ns in lane.stamps:
                return arrival_ns + _ns(self._config.max_wait_s)
            self._by_arrival.popleft()
        return None

    @property
    def counters(self) -> SyncCounters:
        """A copy of all counters."""
        cameras = {name: replace(counters) for name, counters in self._totals.cameras.items()}
        return SyncCounters(cameras, replace(self._totals.sets), self._totals.resets)

    @property
    def epoch_sets(self) -> SetCounters:
        """The sets of this epoch."""
        now, then = self._totals.sets, self._at_epoch
        return SetCounters(
            now.complete - then.complete, now.partial - then.partial, now.short - then.short, now.skipped - then.skipped
        )

    @property
    def rates_hz(self) -> dict[str, float | None]:
        """Measured rate of each camera's stamps; None where it is not known yet."""
        return {name: 1e9 / lane.period_ns if lane.period_ns else None for name, lane in self._lanes.items()}

    @property
    def stale(self) -> frozenset[str]:
        """Cameras that are no longer waited for."""
        return frozenset(name for name, lane in self._lanes.items() if self._is_stale(lane))

    @property
    def recent_spreads_ns(self) -> tuple[int, ...]:
        """Spread of the last hundred sets, oldest first."""
        return tuple(self._spreads_ns)

    @property
    def tolerance_ns(self) -> int:
        """The tolerance in force (G2): the one asked for if it is small enough, else 0.45 of the shortest period.

        With a reference camera it is the distance from that camera's frame, so that up to half a period does no harm.
        """
        asked, shortest = _ns(self._config.tolerance_s), self._shortest_ns
        if shortest is None:
            return min(asked, _START_TOLERANCE_NS) or _START_TOLERANCE_NS
        if asked and 2 * asked < shortest:
            return asked
        return shortest // 2 if self._config.reference else int(_AUTO_SHARE * shortest)

    @property
    def warning(self) -> str:
        """One sentence on what is set wrongly for these cameras, or nothing."""
        asked, shortest = _ns(self._config.tolerance_s), self._shortest_ns
        if shortest and asked and 2 * asked >= shortest:
            return (
                f"sync.tolerance_s is {self._config.tolerance_s:g}, but images come every {shortest / 1e9:.4f} s, so that "
                f"{self.tolerance_ns / 1e9:.4f} is used: set it below half of the period, or to 0"
            )
        ahead = [name for name, lane in self._lanes.items() if lane.ahead]
        if ahead:
            return (
                f"the stamps of {', '.join(ahead)} are more than {_CLOCKS_DISAGREE_NS / 1e9:g} s ahead of the other cameras' "
                "and are not used: synchronise the clocks, or set time_offset_s"
            )
        if self._partial_in_a_row >= _SPLIT_AFTER:
            cure = "sync.tolerance_s to 0" if self._config.reference else f"sync.reference to one of {', '.join(self.cameras)}"
            return (
                f"all cameras are alive, but none of the last {self._partial_in_a_row} frame-sets was complete: "
                f"their stamps are farther apart than {self.tolerance_ns / 1e9:.4f} s: set {cure}"
            )
        return ""

    # Which frames are let in

    def _admit(self, lane: Lane, stamp_ns: int, arrival_ns: int) -> bool:
        """Whether the frame may wait for partners; if not, the reason is counted."""
        if stamp_ns <= 0:
            lane.counters.unstamped += 1
        elif lane.holds(stamp_ns):
            lane.counters.duplicate += 1
        elif self._is_straggler(lane, stamp_ns):
            lane.stragglers += 1
            lane.counters.late += 1
        elif stamp_ns <= lane.closed_ns:
            self._late_in_a_row += 1
            lane.counters.late += 1
            if arrival_ns - stamp_ns - self._lag_ns <= _ns(self._config.max_wait_s):
                lane.missed = 0  # waiting for it would have helped: it is alive (G6)
                self._note_rhythm()
        else:
            self._late_in_a_row = 0
            return True
        return False

    def _note_arrival(self, lane: Lane, stamp_ns: int, arrival_ns: int) -> None:
        place = len(self._by_arrival)
        while place and self._by_arrival[place - 1][0] > arrival_ns:  # only for frames that were held
            place -= 1
        self._by_arrival.insert(place, (arrival_ns, lane, stamp_ns))

    def _went_back(self, lane: Lane, stamp_ns: int) -> bool:
        """Whether time jumped back: in this camera's own stamps, or because frames of all cameras are late without end (G8).

        Cameras are compared with themselves, so that one with another clock does not look like a jump.
        """
        if self._late_in_a_row > self._config.depth * len(self._lanes):
            return True
        return stamp_ns > 0 and lane.newest_ns is not None and stamp_ns < lane.newest_ns - _ns(self._config.jump_limit_s)

    def _is_straggler(self, lane: Lane, stamp_ns: int) -> bool:
        """Whether this is a last frame of the epoch before, overtaken by the jump of another camera."""
        if lane.before_ns is None or self._newest_ns is None or lane.stragglers >= self._config.depth:
            return False
        return stamp_ns > lane.before_ns and stamp_ns > self._newest_ns + _ns(self._config.jump_limit_s)

    def _start_over(self) -> None:
        self.epoch += 1
        self._totals.resets += 1
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        for lane in self._lanes.values():
            lane.begin_epoch()
        self._by_arrival.clear()
        self._newest_ns = None
        self._due_ns = None
        self._lag_ns = 0
        self._late_in_a_row = 0
        self._partial_in_a_row = 0
        self._at_epoch = replace(self._totals.sets)

    # Which sets leave

    def _release(self, now_ns: int, *, hurry: bool = False) -> list[FrameSet]:
        """Close slots, oldest first, while the oldest one is settled or may not wait any longer."""
        ready = []
        overdue = self._overdue(now_ns, hurry=hurry)
        while (slot := self._oldest_slot()) is not None and (self._settled(slot) or overdue or self._crowded()):
            frame_set = self._close(slot, now_ns)
            if frame_set is not None:
                ready.append(frame_set)
            overdue = self._overdue(now_ns, hurry=hurry)
        return ready

    def _overdue(self, now_ns: int, *, hurry: bool) -> bool:
        """Whether some frame may not wait any longer (G4); one whose clock is wrong is dropped instead of hurrying the others."""
        while (deadline_ns := self.next_deadline_ns) is not None and (hurry or now_ns >= deadline_ns):
            arrival_ns, lane, stamp_ns = self._by_arrival[0]
            if not self._is_ahead(stamp_ns, arrival_ns):
                return True
            lane.drop(stamp_ns)
            lane.counters.ahead += 1
            lane.ahead = True
        return False

    def _is_ahead(self, stamp_ns: int, arrival_ns: int) -> bool:
        """Whether a camera that has been heard since this frame came is far behind it: their clocks disagree."""
        limit_ns = stamp_ns - _CLOCKS_DISAGREE_NS
        return any(
            lane.newest_ns is not None and lane.newest_ns < limit_ns and lane.arrival_ns > arrival_ns
            for lane in self._lanes.values()
        )

    def _crowded(self) -> bool:
        """Whether a queue is too full (G10)."""
        full = [lane for lane in self._lanes.values() if len(lane.waiting) > self._config.depth]
        for lane in full:
            lane.counters.overflow += 1
        return bool(full)

    def _oldest_slot(self) -> Slot | None:
        """The slot that the next set will be made of, or None while nothing waits."""
        tolerance_ns = self.tolerance_ns
        lead = self._lanes.get(self._config.reference)
        if lead is not None and lead.waiting:
            centre = lead.waiting[0].frame.stamp_ns
            return Slot(centre - tolerance_ns, centre, centre + tolerance_ns, closes_ns=centre)
        first = min((lane.waiting[0].frame.stamp_ns for lane in self._lanes.values() if lane.waiting), default=None)
        if first is None:
            return None
        passes_only = lead is not None and not self._is_stale(lead)
        return Slot(first, first, first + tolerance_ns, closes_ns=first + tolerance_ns, makes_set=not passes_only)

    def _settled(self, slot: Slot) -> bool:
        """Whether no camera can be expected to change what the slot takes."""
        if not slot.makes_set:
            return False
        margin_ns = (self._shortest_ns or 0) // 2
        return all(
            (lane.newest_ns is not None and lane.newest_ns >= slot.centre_ns)
            or self._is_stale(lane)
            or not lane.due(slot, margin_ns)
            for lane in self._lanes.values()
        )

    def _close(self, slot: Slot, now_ns: int) -> FrameSet | None:
        """Take the slot's frames out of the lanes and make a set of them, if there are enough."""
        margin_ns = (self._shortest_ns or 0) // 2
        entries = []
        for lane in self._lanes.values():
            entry = lane.take(slot)
            lane.missed += entry is None and lane.due(slot, margin_ns)
            entries.append(entry)
        self._note_rhythm()
        return self._made_of(entries, slot, now_ns)

    def _made_of(self, entries: list[Entry | None], slot: Slot, now_ns: int) -> FrameSet | None:
        """The set of these entries (one or None per camera), or None where it is not wanted; either way it is counted."""
        present = [entry for entry in entries if entry is not None]
        if not slot.makes_set:
            self._count(present, "skipped")
            return None
        stamps = [entry.frame.stamp_ns for entry in present]
        arrival_ns = min(entry.arrival_ns for entry in present)
        self._lag_ns = arrival_ns - slot.centre_ns
        if not self._enough(present):
            self._totals.sets.short += 1
            self._count(present, "short")
            return None
        if not self._wanted_now(min(stamps)):
            self._totals.sets.skipped += 1
            self._count(present, "skipped")
            return None
        self._count_set(present, max(stamps) - min(stamps))
        frames = tuple(entry.frame if entry else None for entry in entries)
        self._sets_made += 1
        return FrameSet(self.epoch, self._sets_made - 1, min(stamps), max(stamps) - min(stamps), frames, arrival_ns, now_ns)

    def _enough(self, present: list[Entry]) -> bool:
        """G5: enough cameras, and every required one."""
        names = {entry.frame.camera for entry in present}
        return len(names) >= self._config.min_cameras and self._required <= names

    def _wanted_now(self, stamp_ns: int) -> bool:
        """G13: whether `rate_hz` lets this set through; the average rate is kept where the cameras allow it."""
        if self._config.rate_hz == 0:
            return True
        period_ns = int(1e9 / self._config.rate_hz)
        margin_ns = (self._shortest_ns or 0) // 2
        if self._due_ns is not None and stamp_ns < self._due_ns - margin_ns:
            return False
        self._due_ns = max((self._due_ns or stamp_ns) + period_ns, stamp_ns + period_ns // 2)
        return True

    def _count(self, present: list[Entry], reason: str) -> None:
        for entry in present:
            counters = self._lanes[entry.frame.camera].counters
            setattr(counters, reason, getattr(counters, reason) + 1)

    def _count_set(self, present: list[Entry], spread_ns: int) -> None:
        self._count(present, "used")
        self._spreads_ns.append(spread_ns)
        if len(present) == len(self._lanes):
            self._totals.sets.complete += 1
            self._partial_in_a_row = 0
        else:
            self._totals.sets.partial += 1
            self._partial_in_a_row = 0 if self.stale else self._partial_in_a_row + 1

    # What is known about the cameras

    def _note_rhythm(self) -> None:
        """Keep the shortest measured period among the cameras that are alive."""
        periods = (lane.period_ns for lane in self._lanes.values() if lane.period_ns and not self._is_stale(lane))
        self._shortest_ns = min(periods, default=None)

    def _is_stale(self, lane: Lane) -> bool:
        return lane.missed >= self._config.stale_after

    def _checked(self, config: SyncConfig) -> SyncConfig:
        known = ", ".join(self.cameras)
        if config.min_cameras > len(self.cameras):
            raise ConfigError(f"min_cameras is {config.min_cameras}, expected at most {len(self.cameras)}, the cameras {known}")
        for name in [*self._required, *filter(None, [config.reference])]:
            if name not in self._lanes:
                raise ConfigError(f"'{name}' is required or the reference, but the cameras are {known}")
        return config


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
