"""How regularly a camera's images come: rate, share that got lost, age. Plain arithmetic on times that are handed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

_KEPT = 90
_RATE_NS = 3_000_000_000


@dataclass
class Watch:
    """Stamps and arrivals of one camera's last images."""

    last_stamp_ns: int = 0
    """Stamp of the last image, 0 where there was none."""
    last_arrival_ns: int = 0
    """Monotonic arrival of the last image, 0 where there was none."""
    _stamps: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _arrivals: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def see(self, stamp_ns: int, arrival_ns: int) -> None:
        """Note one image; a stamp that jumps back starts the account of stamps anew."""
        if stamp_ns < self.last_stamp_ns:
            self._stamps.clear()
        self._stamps.append(stamp_ns)
        self._arrivals.append(arrival_ns)
        self.last_stamp_ns, self.last_arrival_ns = stamp_ns, arrival_ns

    def hz(self, now_ns: int) -> float:
        """Images per second that arrived within the last 3 s."""
        recent = [arrival for arrival in self._arrivals if now_ns - arrival <= _RATE_NS]
        if len(recent) < 2:
            return len(recent) * 1e9 / _RATE_NS
        # Whoever is silent now counts until now; a camera in rhythm is not punished for the interval that has just begun.
        span_ns = max(recent[-1] - recent[0], (now_ns - recent[0]) * (len(recent) - 1) // len(recent))
        return (len(recent) - 1) * 1e9 / max(span_ns, 1)

    def lost(self) -> float:
        """Share of the last 90 images that is missing between the stamps, in [0, 1].

        The period is the lower quartile of the intervals, so up to three quarters may be lost before the measure fails.
        """
        intervals = np.diff(np.array(self._stamps, dtype=np.int64)).astype(float)
        if len(intervals) < 8:
            return 0.0
        period = float(np.quantile(intervals, 0.25))
        due = float(np.round(intervals / period).sum()) if period > 0 else 0.0
        return max(0.0, 1.0 - len(intervals) / due) if due > 0 else 0.0
