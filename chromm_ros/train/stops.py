"""Ctrl-C and SIGTERM as a wish that is heard between two steps."""

import signal
from types import FrameType
from typing import Any

HEARD = (signal.SIGINT, signal.SIGTERM)


class Stops:
    """While open, the first signal is taken note of; a second one interrupts as Ctrl-C always does."""

    def __init__(self) -> None:
        self.asked = ""
        """Name of the signal that came, or nothing."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stops":
        self._before = {number: signal.signal(number, self._hear) for number in HEARD}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
