"""The folder of a run: what it is, its checkpoints, and a lock so that only one program trains in it.

RUN/run.json         stage, size, resolved options, what it started from, revision of the code, hardware
RUN/scalars.jsonl    losses and validations
RUN/tensorboard/     the same and panels, where tensorboard is installed
RUN/panel.png        the newest panel
RUN/checkpoints/     the last few
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.train.loop import CHECKPOINTS
from chromm_ros.train.state import Checkpoint, checkpoints, read_checkpoint

ABOUT = "run.json"
LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While open, no other program trains in this folder.

    Raises:
        ConfigError: if another one does.
        FileError: if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise FileError(f"'{folder}' cannot be written ({error}): name another folder") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another program trains in '{folder}': wait for it, or name another folder") from None
        yield


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint of a run, if there is one.

    Raises:
        FileError: if it is damaged.
    """
    found = checkpoints(folder / CHECKPOINTS)
    return read_checkpoint(found[-1]) if found else None


def read_about(folder: Path) -> dict[str, Any] | None:
    """What the run in this folder is; None where there is none.

    Raises:
        FileError: if the file that says it is damaged.
    """
    path = folder / ABOUT
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be read ({error}): start a new run in another folder") from None
    if not isinstance(about, dict):
        raise FileError(f"'{path}' says nothing of a run: start a new run in another folder")
    return about


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Say what the run is; there whole or not at all."""
    part = folder / f".{ABOUT}.part"
    part.write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
    part.replace(folder / ABOUT)
