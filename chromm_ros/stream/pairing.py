"""Depth beside colour: the images and the depth images of one camera come as two messages and leave as one frame.

Every image leaves exactly once and in the order in which it came, with the depth image of the nearest stamp within a tolerance, or
without. It waits only while a nearer depth image can still come, that is, until one of these holds:

- a depth image with its own stamp or a later one is here (depth images come in order, so what is missing is lost);
- none is due yet: the measured rhythm of the depth images says that the next one is farther away than what is here, so that depth
  at half the rate of the images delays none of them;
- it has waited `max_wait_ns`;
- the last images all waited in vain: depth is not waited for until one comes that waiting would have helped.

Stamps that jump back begin anew on either side, whichever jumps first. Like `stream.sync`: no clock, no lock, no thread.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from chromm_ros.records import Frame
from chromm_ros.stream.lane import Entry

Metres: TypeAlias = Float[np.ndarray, "h w"]

_INTERVALS = 9
"""Intervals between depth images of which the median is their period, as in `stream.lane`."""
_EARLY_SHARE = 0.25
"""How much earlier than its period says a depth image is expected, as a share of the period."""
_IN_VAIN = 5
"""Images in a row that waited in vain, after which depth is no longer waited for."""


@dataclass(frozen=True, eq=False)
class DepthImage:
    """One depth image of one camera."""

    stamp_ns: int
    """Time of the exposure, the camera's time offset included."""
    metres: Metres
    """Along z, 0 where unknown."""


class DepthPairing:
    """Gives the frames of one camera their depth. Not for several threads at once."""

    def __init__(self, *, tolerance_ns: int, max_wait_ns: int, jump_limit_ns: int, keep: int) -> None:
        """Start empty.

        Args:
            tolerance_ns: farthest that the stamps of an image and its depth may differ.
            max_wait_ns: longest time that an image waits for its depth; may be changed at any time.
            jump_limit_ns: stamps that go back by more than this begin anew; may be changed at any time.
            keep: images, and depth images, that may wait; the oldest leave first.
        """
        self.tolerance_ns, self.max_wait_ns, self.jump_limit_ns = tolerance_ns, max_wait_ns, jump_limit_ns
        self.late_in_a_row = 0
        """Depth images since the last pair that came after an image they would have fitted."""
        self._keep = keep
        self._waiting: deque[Entry] = deque()
        self._depths: list[DepthImage] = []  # by stamp
        self._gone: deque[tuple[int, int]] = deque(maxlen=keep)  # stamp and arrival of images that left without depth
        self._in_vain = 0
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._newest_ns: int | None = None
        self._newest_depth_ns: int | None = None  # kept or not
        self._depths_jumped = False

    def push(self, frame: Frame, now_ns: int) -> list[Entry]:
        """Take an image; returns those that need not wait any longer, with the times at which they came."""
        leaving = []
        if self._newest_ns is not None and 0 < frame.stamp_ns < self._newest_ns - self.jump_limit_ns:
            leaving = self._release(now_ns, hurry=True)
            self._begin_anew(keep_depths=self._depths_jumped)
        self._newest_ns = max(self._newest_ns or 0, frame.stamp_ns)
        self._waiting.append(Entry(frame, now_ns))
        return leaving + self._release(now_ns)

    def push_depth(self, depth: DepthImage, now_ns: int) -> list[Entry]:
        """Take a depth image, which must have a stamp; returns the images that need not wait any longer."""
        assert depth.stamp_ns > 0, depth.stamp_ns
        leaving = []
        if self._newest_depth_ns is not None and depth.stamp_ns < self._newest_depth_ns - self.jump_limit_ns:
            leaving = self._release(now_ns, hurry=True)
            self._forget_depths()
            self._depths_jumped = True
        self._note(depth.stamp_ns, now_ns)
        self._depths = sorted([*self._depths, depth], key=lambda one: one.stamp_ns)[-self._keep :]
        return leaving + self._release(now_ns)

    def expire(self, now_ns: int) -> list[Entry]:
        """Return the images that have waited long enough; to be called often (the node does every 20 ms)."""
        return self._release(now_ns)

    def reset(self) -> None:
        """Drop what waits: it belongs to an epoch that is over."""
        self._waiting.clear()
        self._begin_anew()

    def _begin_anew(self, *, keep_depths: bool = False) -> None:
        """Forget the times of the images, and the depth images unless their stamps have jumped already."""
        self._newest_ns = None
        self._gone.clear()
        self._depths_jumped = False
        if not keep_depths:
            self._forget_depths()

    def _forget_depths(self) -> None:
        self._depths.clear()
        self._newest_depth_ns = None

    def _note(self, stamp_ns: int, now_ns: int) -> None:
        """Learn the rhythm of the depth images, and whether waiting for this one would have helped."""
        if self._newest_depth_ns is None or stamp_ns > self._newest_depth_ns:
            if self._newest_depth_ns is not None:
                self._intervals.append(stamp_ns - self._newest_depth_ns)
            self._newest_depth_ns = stamp_ns
        missed = [arrival_ns for gone_ns, arrival_ns in self._gone if abs(gone_ns - stamp_ns) <= self.tolerance_ns]
        self.late_in_a_row += bool(missed)
        comes_first = not self._gone or stamp_ns > self._gone[-1][0]
        if comes_first or any(now_ns - arrival_ns <= self.max_wait_ns for arrival_ns in missed):
            self._in_vain = 0

    def _release(self, now_ns: int, *, hurry: bool = False) -> list[Entry]:
        """The images, oldest first, up to the first that has to wait."""
        leaving = []
        while self._waiting:
            first = self._waiting[0]
            settled = hurry or len(self._waiting) > self._keep or self._settled(first.frame.stamp_ns)
            if not settled and now_ns - first.arrival_ns < self.max_wait_ns:
                break
            self._waiting.popleft()
            leaving.append(self._paired(first, in_vain=not settled))
        return leaving

    def _settled(self, stamp_ns: int) -> bool:
        """Whether no nearer depth image can be expected for this stamp."""
        newest_ns = self._newest_depth_ns
        if stamp_ns <= 0 or self._in_vain >= _IN_VAIN:
            return True
        if newest_ns is None:
            return False
        if newest_ns >= stamp_ns:
            return True
        if len(self._intervals) < 2:
            return False
        period_ns = sorted(self._intervals)[(len(self._intervals) - 1) // 2]
        due_ns = newest_ns + round((1 - _EARLY_SHARE) * period_ns)
        return due_ns > stamp_ns + min(self.tolerance_ns, stamp_ns - newest_ns)

    def _paired(self, entry: Entry, *, in_vain: bool) -> Entry:
        """The image with its depth, if there is one."""
        stamp_ns = entry.frame.stamp_ns
        best = min(self._depths, key=lambda depth: abs(depth.stamp_ns - stamp_ns), default=None)
        if not self._depths_jumped and stamp_ns > 0:  # what is older serves no image that is still to come
            self._depths = [depth for depth in self._depths if depth.stamp_ns >= stamp_ns - self.tolerance_ns]
        if stamp_ns <= 0 or best is None or abs(best.stamp_ns - stamp_ns) > self.tolerance_ns:
            self._in_vain += in_vain
            self._gone.append((stamp_ns, entry.arrival_ns))
            return entry
        self._in_vain = self.late_in_a_row = 0
        return Entry(replace(entry.frame, depth=best.metres), entry.arrival_ns)
