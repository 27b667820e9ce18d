"""How far something is, on one line of a terminal."""

import sys
from collections.abc import Callable


class Progress:
    """How far something is: a bar on a terminal, else a line per second."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Lines go to `say`, the bar to the terminal."""
        self._say = say
        self._terminal = sys.stderr.isatty()
        self._next_s = 0.0

    def show(self, now_s: float, share: float, text: str) -> None:
        """Say it, if it is time again.

        Args:
            now_s: any clock that goes on.
            share: how much is done, 0 to 1.
            text: the same in words.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + (0.1 if self._terminal else 1.0)
        if self._terminal:
            filled = round(30 * share)
            sys.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {100 * share:3.0f} %  {text}\x1b[K")
            sys.stderr.flush()
        else:
            self._say(f"{100 * share:.0f} %, {text}")

    def end(self) -> None:
        """Leave the line of the bar."""
        if self._terminal:
            sys.stderr.write("\n")
