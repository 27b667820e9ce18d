"""What a run tells while it runs: its journal, TensorBoard, the newest panel as a picture, and one line on the terminal."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from chromm_ros.train.log import JOURNAL, Journal, board

SPOKEN_EVERY_S = 60.0
"""Where no terminal is, one line in this time."""
SHOWN = ("loss", "rate", "clips_per_s", "waiting")
"""What the line on the terminal shows."""


@runtime_checkable
class Report(Protocol):
    """What the loop tells; `step` is the number of steps done."""

    def event(self, step: int, what: str, **more: Any) -> None:
        """Something happened."""

    def train(self, step: int, values: Mapping[str, float]) -> None:
        """Means since the last time."""

    def validation(self, step: int, values: Mapping[str, float], panel: UInt8[np.ndarray, "H W 3"]) -> None:
        """Of the averaged weights."""

    def say(self, text: str) -> None:
        """One sentence for people."""

    def close(self) -> None:
        """Everything is on disk."""


class Silence:
    """Of every process but the first."""

    def event(self, step: int, what: str, **more: Any) -> None:
        """Nothing."""

    def train(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing."""

    def validation(self, step: int, values: Mapping[str, float], panel: UInt8[np.ndarray, "H W 3"]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Reporter:
    """Tells it to the folder of the run and to the terminal.

    Args:
        folder: of the run.
        name: of what is trained.
        steps: of the whole run.
        done: steps done before.
    """

    def __init__(self, folder: Path, name: str, steps: int, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._line = Line(name, steps, done)
        self._journal = Journal(folder / JOURNAL, done)
        self._board, lacking = board(folder / "tensorboard", done)
        if lacking:
            self.say(lacking)

    def event(self, step: int, what: str, **more: Any) -> None:
        """Into the journal."""
        self._journal.write("event", step, {"what": what, **more})

    def train(self, step: int, values: Mapping[str, float]) -> None:
        """Everywhere."""
        self._journal.write("train", step, values)
        self._board.scalars("train", step, values)
        self._line.show(step, {name: values[name] for name in SHOWN if name in values})

    def validation(self, step: int, values: Mapping[str, float], panel: UInt8[np.ndarray, "H W 3"]) -> None:
        """Everywhere, the panel as a picture that the next one replaces."""
        from PIL import Image

        self._journal.write("validation", step, values)
        self._board.scalars("validation", step, values)
        self._board.picture(step, panel)
        Image.fromarray(panel).save(self._folder / "panel.png")
        self.say(f"validation after {step} steps: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def say(self, text: str) -> None:
        """On the terminal."""
        self._line.say(text)

    def close(self) -> None:
        """Everything is on disk."""
        self._board.close()
        self._journal.close()


class Line:
    """How far a run is, on one line that a terminal shows again and again; elsewhere a line a minute."""

    def __init__(self, name: str, steps: int, done: int) -> None:
        self._name, self._steps, self._first = name, steps, done
        self._start = self._spoken = time.monotonic()
        self._live = sys.stderr.isatty()
        self._width = 0

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Steps done, and what is known of them."""
        now = time.monotonic()
        if not self._live and now - self._spoken < SPOKEN_EVERY_S and step < self._steps:
            return
        self._spoken = now
        left = (now - self._start) / max(1, step - self._first) * (self._steps - step)
        text = f"{self._name} {step}/{self._steps} ({100 * step / self._steps:.0f} %), {_time(left)} left: " + ", ".join(
            f"{name} {value:.4g}" for name, value in values.items()
        )
        self._write(f"\r{text:{self._width}}" if self._live else f"{text}\n")
        self._width = len(text)

    def say(self, text: str) -> None:
        """A line of its own."""
        self._write(f"\n{text}\n" if self._live and self._width else f"{text}\n")
        self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
