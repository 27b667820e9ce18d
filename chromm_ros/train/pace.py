"""How fast a run is, and how much of the time it waits for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Clocks of one stretch.

    Args:
        before: seconds of the stretches before it.
        step: steps done in them.
    """

    def __init__(self, before: float = 0.0, step: int = 0) -> None:
        self._before, self._step, self._waited = before, step, 0.0
        self.start()

    def start(self) -> None:
        """The stretch begins now."""
        self._start = self._mark = time.monotonic()

    def stretch(self) -> float:
        """Seconds of this stretch."""
        return time.monotonic() - self._start

    def total(self) -> float:
        """Seconds of all stretches."""
        return self._before + self.stretch()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While it is open, training waits for data."""
        begin = time.monotonic()
        yield
        self._waited += time.monotonic() - begin

    def lap(self, step: int, batch: int) -> dict[str, float]:
        """Since the last lap: clips per second and the share of the time that was waiting; with it the seconds of all stretches."""
        now = time.monotonic()
        passed = max(now - self._mark, 1e-9)
        told = {"clips_per_s": (step - self._step) * batch / passed, "waiting": self._waited / passed, "seconds": self.total()}
        self._mark, self._step, self._waited = now, step, 0.0
        return told
