"""How far a conversion is, on one line of stderr."""

import sys
import time

WIDTH = 30
EVERY_S = 0.1


class Progress:
    """A bar on a terminal; elsewhere nothing but the first line."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, max(1, total), 0
        self._live, self._drawn = sys.stderr.isatty(), 0.0
        if not self._live:
            sys.stderr.write(f"{what} ...\n")

    def __call__(self, done: int) -> None:
        """Tell how much is done by now."""
        self._done = min(done, self._total)
        if self._live and time.monotonic() - self._drawn > EVERY_S:
            self._draw()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._live:
            self._done = self._total if kind is None else self._done
            self._draw()
            sys.stderr.write("\n")

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        full = WIDTH * self._done // self._total
        sys.stderr.write(f"\r{self._what} [{'#' * full}{'.' * (WIDTH - full)}] {100 * self._done // self._total:3d} %")
        sys.stderr.flush()
