"""Where files of weights lie, and how they are found by name."""

import os
import warnings
from pathlib import Path

from chromm_ros.errors import FileError

SUFFIX = ".safetensors"
SHIPPED = Path(__file__).resolve().parents[1] / "weights"
"""Where weights are that come with the package."""


def weights_folder() -> Path:
    """Where a user's weights are: the environment's CHROMM_WEIGHTS, else `~/.cache/chromm_ros/weights`."""
    return Path(os.environ.get("CHROMM_WEIGHTS") or "~/.cache/chromm_ros/weights").expanduser()


def shipped(name: str) -> Path | None:
    """The file of weights that come with the package; None where this copy of it has none."""
    path = SHIPPED / f"{name}{SUFFIX}"
    return path if path.is_file() else None


def find_weights(path_or_name: str) -> Path:
    """A file by its path, or by the name that `weights list` shows.

    A bare word that is both is the name, with a warning: what happens to lie in the working directory must not change a network.

    Raises:
        FileError: if there is none, saying where was looked, or it cannot be looked at.
    """
    path = Path(path_or_name).expanduser()
    folders = (weights_folder(), SHIPPED)
    named = [folder / f"{path_or_name}{SUFFIX}" for folder in folders] if path.name == path_or_name else []
    try:
        found = [candidate for candidate in (*named, path) if candidate.is_file()]
    except OSError as error:
        raise FileError(
            f"'{path_or_name}' cannot be looked at ({error}): expected a readable file or a name of weights"
        ) from None
    if not found:
        places = f", nor are there weights of that name in {folders[0]} or {folders[1]}" if named else ""
        raise FileError(
            f"the file '{path_or_name}' does not exist{places}: `python -m chromm_ros weights list` shows what is there and can be had"
        )
    if found[0] is not path and found[-1] is path:
        warnings.warn(
            f"'{path}' names weights and a file here: '{found[0]}' is taken; write './{path}' for the file", stacklevel=2
        )
    return found[0]
