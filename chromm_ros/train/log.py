"""Scalars of a run: their means, a journal of them (JSON lines), and TensorBoard where it is installed."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from chromm_ros.errors import DependencyError, FileError, require

JOURNAL = "scalars.jsonl"


class Meter:
    """Means of scalars over some steps; terms that not every step has are divided by how often they were there."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take note of scalars, which stay on their device until somebody asks."""
        for name, value in values.items():
            more = value.detach().double()
            self._sums[name] = self._sums[name] + more if name in self._sums else more
            self._counts[name] = self._counts.get(name, 0) + 1

    def state(self) -> dict[str, tuple[float, int]]:
        """Sum and count by name."""
        return {name: (float(value), self._counts[name]) for name, value in self._sums.items()}

    def load(self, states: Iterable[Mapping[str, tuple[float, int]]]) -> None:
        """Forget what was, and go on from the sum of these."""
        self._sums, self._counts = {}, {}
        for state in states:
            for name, (total, count) in state.items():
                self._sums[name] = self._sums.get(name, torch.zeros((), dtype=torch.float64)) + total
                self._counts[name] = self._counts.get(name, 0) + count

    def means(self) -> dict[str, float]:
        """Mean by name."""
        return {name: total / count for name, (total, count) in self.state().items()}


@runtime_checkable
class Sink(Protocol):
    """Where scalars and pictures go."""

    def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Take scalars after so many steps; `kind` is `train` or `validation`."""

    def picture(self, step: int, image: UInt8[ndarray, "H W 3"]) -> None:
        """Take a panel of pictures."""

    def close(self) -> None:
        """Write what is left."""


class Nowhere:
    """Takes everything and keeps nothing."""

    def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Keep nothing."""

    def picture(self, step: int, image: UInt8[ndarray, "H W 3"]) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Nothing is left."""


class TensorBoard:
    """TensorBoard's own files.

    Args:
        folder: for the files.
        after: steps done; what an interrupted run wrote about later ones is hidden.
    """

    def __init__(self, folder: Path, after: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # `board` looks whether it can be

        self._writer = SummaryWriter(str(folder), purge_step=after + 1)

    def scalars(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """One curve each."""
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def picture(self, step: int, image: UInt8[ndarray, "H W 3"]) -> None:
        """A picture with a slider."""
        self._writer.add_image("panel", image, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def board(folder: Path, after: int) -> tuple[Sink, str]:
    """TensorBoard where it is installed.

    Returns:
        Where scalars and pictures go, and one sentence if that is nowhere.
    """
    try:
        require("tensorboard", extra="train")
    except DependencyError as error:
        return Nowhere(), f"no TensorBoard files: {error}; {JOURNAL} holds the same scalars"
    return TensorBoard(folder, after), ""


class Journal:
    """Scalars as JSON lines, `{"kind": ..., "step": ..., ...}`, on disk as soon as they are known.

    Args:
        path: of the file.
        after: steps done; what an interrupted run wrote about later ones is taken out, as it comes again.
    """

    def __init__(self, path: Path, after: int) -> None:
        if path.exists():
            part = path.with_name(f".{path.name}.part")
            part.write_text("".join(f"{json.dumps(line)}\n" for line in read_journal(path) if line["step"] <= after))
            part.replace(path)
        self._file = path.open("a", buffering=1)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line; numbers that are not finite become null, as JSON has none."""
        plain = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()}
        self._file.write(json.dumps({"kind": kind, "step": step, **plain}) + "\n")

    def close(self) -> None:
        """Sync and close."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Every whole line; a kill may have cut off the last.

    Raises:
        FileError: if there is no journal, or another line is damaged.
    """
    try:
        lines = path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' is no journal of a run ({error}): name the folder of a run") from None
