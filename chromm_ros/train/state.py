"""The state of a run: averaged weights, and checkpoints that are there whole or not at all.

No state of a random generator is in a checkpoint: all that is random is drawn from generators seeded by the run's seed and the step
(`loop.py`), so that a run goes on from any step as if it had never stopped, with any number of processes.
"""

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chromm_ros.errors import FileError

FORMAT = 1
"""Of the files; another number is refused."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    step: int
    """Steps done; the next one has this number, counted from 0."""
    trained: dict[str, Tensor]
    """Parameters that the stage trains, by name; the others follow from what the run started from."""
    averaged: dict[str, Tensor]
    """Their exponential moving average."""
    optimiser: dict[str, Any]
    """State of AdamW."""
    meter: dict[str, Any]
    """Losses since the last line of the journal."""
    seconds: float = 0.0
    """Time that it took so far, stretches before an interruption included."""
    about: dict[str, Any] = field(default_factory=dict)
    """Stage, resolved options, revision of the code and whatever else tells what this is; plain values."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a file by another name, sync it, give it its name; then remove all but the newest few.

    Raises:
        FileError: if it cannot be written.
    """
    path = folder / f"step_{checkpoint.step:09d}.pt"
    part = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save({"format": FORMAT, **vars(checkpoint)}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(folder)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        part.unlink(missing_ok=True)
        raise FileError(f"checkpoint '{path}' cannot be written ({error}): make room, then go on with --resume") from None
    for old in checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The whole ones in a folder, oldest first."""
    return sorted(folder.glob("step_*.pt"))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file, on the CPU; nothing in it is run.

    Raises:
        FileError: if it is missing, damaged or of another version.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if values.pop("format") != FORMAT:
            raise FileError(f"checkpoint '{path}' has another format than {FORMAT}: use the version of chromm_ros that wrote it")
        return Checkpoint(**values)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise FileError(f"checkpoint '{path}' cannot be read ({reason}): delete it to go on from the one before") from None


class Average:
    """Exponential moving average of the trained parameters."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self.values = {name: value.detach().clone() for name, value in parameters.items()}

    @torch.no_grad()
    def update(self, keep: float) -> None:
        """Move towards the parameters: `keep` of the old, the rest of the new."""
        for name, value in self._parameters.items():
            self.values[name].lerp_(value, 1 - keep)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from these."""
        fill(self.values, values)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While open, the network has the averaged weights; then its own again, to the last bit."""
        own = {name: value.detach().clone() for name, value in self._parameters.items()}
        fill(self._parameters, self.values)
        try:
            yield
        finally:
            fill(self._parameters, own)


@torch.no_grad()
def fill(parameters: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy values into parameters of the same names and shapes.

    Raises:
        FileError: if names or shapes differ.
    """
    odd = sorted(parameters.keys() ^ values.keys())
    odd += [name for name in parameters.keys() & values.keys() if parameters[name].shape != values[name].shape]
    if odd:
        raise FileError(
            f"the checkpoint is of a run that trained another network ({odd[0]} differs, and {len(odd) - 1} more): "
            "start a new run with --start-from"
        )
    for name, value in parameters.items():
        value.copy_(values[name])


def _sync(folder: Path) -> None:
    """Make a new name last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
