"""One camera's side of the synchroniser: its waiting frames, and its measured rhythm."""

from collections import deque
from dataclasses import dataclass
from itertools import takewhile

from chromm_ros.records import Frame
from chromm_ros.stream.counters import CameraCounters

_INTERVALS = 9
"""Intervals of which the median is the period: lost frames and jitter are outvoted, a new rate is learnt within five frames."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A frame that waits."""

    frame: Frame
    """The frame."""
    arrival_ns: int
    """When it arrived."""


@dataclass(frozen=True)
class Slot:
    """A stretch of time from which each camera may give one frame, the one nearest to the centre."""

    start_ns: int
    """First stamp that belongs to it."""
    centre_ns: int
    """Stamp of the frame that opened it."""
    end_ns: int
    """Last stamp that belongs to it."""
    closes_ns: int
    """Whatever is not later than this is over once the slot is closed."""
    makes_set: bool = True
    """False for a stretch that only passes, because the reference camera gave nothing there."""


class Lane:
    """Frames of one camera in order of their stamps, and what is known about their rhythm."""

    def __init__(self, name: str) -> None:
        """Start empty."""
        self.name = name
        self.counters = CameraCounters()
        self.period_ns: int | None = None
        """Median interval between stamps; None until two intervals are known."""
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.newest_ns: int | None = None
        """Newest stamp of this epoch."""
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forget the frames and their times; the measured rhythm and the counters stay."""
        self.before_ns = self.newest_ns
        """Newest stamp of the epoch before, until the first frame of this one."""
        self.newest_ns = None
        self.confirmed_ns: int | None = None
        """Newest stamp of this epoch but one: what came after it went on from there."""
        self.arrival_ns = 0
        """When the last frame arrived."""
        self.closed_ns = 0
        """Frames up to this stamp are late."""
        self.missed = 0
        """Slots in a row that expected a frame and got none."""
        self.stragglers = 0
        """Frames of the epoch before that came in this one."""
        self.waiting: deque[Entry] = deque()
        """Frames that wait, oldest stamp first."""
        self.stamps: set[int] = set()
        """Their stamps."""
        self.ahead = False
        """Whether its last frames were dropped because its clock is wrong."""

    def holds(self, stamp_ns: int) -> bool:
        """Whether this very stamp has been seen already."""
        return stamp_ns == self.newest_ns or stamp_ns in self.stamps

    def add(self, entry: Entry) -> None:
        """Queue a frame in order of its stamp and learn the rhythm from it."""
        stamp_ns = entry.frame.stamp_ns
        place = len(self.waiting)
        while place and self.waiting[place - 1].frame.stamp_ns > stamp_ns:  # only for frames out of order
            place -= 1
        self.waiting.insert(place, entry)
        self.stamps.add(stamp_ns)
        if self.newest_ns is None or stamp_ns > self.newest_ns:
            self._learn(stamp_ns)
            self.confirmed_ns, self.newest_ns = self.newest_ns, stamp_ns
        self.arrival_ns = entry.arrival_ns
        self.before_ns = None
        self.missed = 0

    def _learn(self, stamp_ns: int) -> None:
        if self.newest_ns is not None:
            self._intervals.append(stamp_ns - self.newest_ns)
        if len(self._intervals) >= 2:
            self.period_ns = sorted(self._intervals)[(len(self._intervals) - 1) // 2]

    def due(self, slot: Slot, margin_ns: int) -> bool:
        """Whether a frame of this camera should be expected at the slot's centre; unknown rhythm says yes."""
        if self.newest_ns is None or self.period_ns is None:
            return True
        return self.newest_ns + self.period_ns - margin_ns <= slot.centre_ns

    def take(self, slot: Slot) -> Entry | None:
        """Remove what the slot takes or passes: the frame nearest to its centre is returned, older ones are skipped."""
        passed = takewhile(lambda entry: entry.frame.stamp_ns <= slot.end_ns, self.waiting)
        inside = [entry for entry in passed if entry.frame.stamp_ns >= slot.start_ns]
        best = min(inside, key=lambda entry: abs(entry.frame.stamp_ns - slot.centre_ns), default=None)
        over_ns = max(slot.closes_ns, best.frame.stamp_ns) if best else slot.closes_ns
        self.closed_ns = max(self.closed_ns, over_ns)
        while self.waiting and self.waiting[0].frame.stamp_ns <= over_ns:
            entry = self.waiting.popleft()
            self.stamps.remove(entry.frame.stamp_ns)
            self.counters.skipped += entry is not best
        self.ahead = self.ahead and best is None
        return best

    def leapt(self, stamp_ns: int, limit_ns: int) -> bool:
        """Whether the newest frame, which still waits, was a lone leap ahead: this stamp is far behind it and goes on from before."""
        if self.newest_ns is None or self.confirmed_ns is None or self.newest_ns not in self.stamps:
            return False
        return self.confirmed_ns - limit_ns <= stamp_ns < self.newest_ns - limit_ns

    def drop_newest(self) -> None:
        """Remove the newest frame, which must still wait."""
        assert self.newest_ns is not None
        self.drop(self.newest_ns)

    def drop(self, stamp_ns: int) -> None:
        """Remove the frame with this stamp, which is not believed."""
        self.waiting = deque(entry for entry in self.waiting if entry.frame.stamp_ns != stamp_ns)
        self.stamps.remove(stamp_ns)
        if stamp_ns == self.newest_ns:
            self.newest_ns = self.confirmed_ns
