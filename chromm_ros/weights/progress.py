"""How far a long reading is, on one line of the terminal."""

import hashlib
import sys
from pathlib import Path

BLOCK = 2**22


class Progress:
    """Rewrites one line on a terminal, at each whole percent; elsewhere it says only what has begun."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done, self._percent = what, max(1, total), 0, -1
        self._live = sys.stderr.isatty()
        if not self._live:
            self._write(f"{what} ...\n")

    def __call__(self, more: int) -> None:
        """Tell how much more is done."""
        self._done += more
        percent = 100 * self._done // self._total
        if self._live and percent != self._percent:
            self._percent = percent
            self._write(f"\r{self._what} {percent:3d} %" + ("\n" if percent >= 100 else ""))

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, with progress."""
    progress, total = Progress(f"SHA-256 of {path.name}", path.stat().st_size), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
            progress(len(block))
    return total.hexdigest()
