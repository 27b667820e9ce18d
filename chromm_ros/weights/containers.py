"""The two kinds of files that weights are published in, opened without trust: nothing in them is ever run.

A torch file is a zip archive with a pickle, and a free pickle runs whatever it likes. torch's restricted reader takes tensors, plain values
and the one class that Multi-HMR's files hold, `argparse.Namespace`.
"""

import argparse
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chromm_ros.errors import FileError
from chromm_ros.model.checkpoint import opened, printable
from chromm_ros.weights.catalogue import LARGEST_BYTES

WEIGHTS_KEYS = ("model_state_dict", "state_dict_model")
"""Where Multi-HMR's files keep their weights; an upload of 2024 had the second name."""
MOST_PICKLE = 64 * 2**20
"""Bytes of the pickle of a torch file; a published one has a few hundred thousand."""
PLAIN = {int, float, str, bool, type(None)}
"""Types of an argument, or of the members of its list."""
BROKEN = (
    pickle.UnpicklingError, zipfile.BadZipFile, struct.error, RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError,
    TypeError, AttributeError, AssertionError, OverflowError, MemoryError, RecursionError, NotImplementedError,
)  # fmt: skip  # one list
"""What a damaged or hostile pickle makes torch's reader raise."""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by their published keys, mapped where the format allows it, and the arguments that the network was made with.

    Raises:
        FileError: if the file is missing, too large, of neither format, damaged, or wants to run code.
    """
    try:
        if not path.is_file():
            raise FileError(f"the file '{path}' does not exist")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise FileError(f"'{path}' cannot be read ({error}): expected a readable file of weights") from None
    if size > LARGEST_BYTES:
        raise FileError(
            f"'{path}' has {size / 1e9:.1f} GB, far more than any published file of weights (5.4 GB): it is something else and was not read further"
        )
    if start[8:] == b"{":
        return _safetensors(path), {}
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _torch(path, zipped=start[:1] == b"P")
    raise FileError(f"'{path}' is neither a safetensors nor a torch file, or its beginning is lost: fetch it again")


def _safetensors(path: Path) -> dict[str, Tensor]:
    with opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # the file is no dict


def _torch(path: Path, *, zipped: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        if zipped:
            _check_archive(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except BROKEN as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds objects other than tensors and plain values, which could run code"
        raise FileError(
            f"'{path}' was not read: {printable(reason)}; expected a whole torch file of weights, fetch it again"
        ) from None
    return _weights(path, content)


def _check_archive(path: Path) -> None:
    """A torch file stores, never compresses: whatever unpacks to more than the file has is a trap."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise zipfile.BadZipFile("its parts are compressed, which torch never does")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise zipfile.BadZipFile("its parts overlap")
    if sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl")) > MOST_PICKLE:
        raise zipfile.BadZipFile("its list of tensors is far too long")


def _weights(path: Path, content: object) -> tuple[dict[str, Tensor], dict[str, Any]]:
    keys = list(content) if isinstance(content, Mapping) else []
    place = next((key for key in WEIGHTS_KEYS if key in keys), None)
    tensors = content[place] if place else content  # type: ignore[index]  # keys are empty unless it is a mapping
    if not isinstance(tensors, Mapping) or not tensors or not all(isinstance(key, str) for key in tensors):
        found = printable(", ".join(map(str, keys[:5]))) if keys else type(content).__name__
        raise FileError(f"'{path}' holds {found}, expected weights by name under {' or '.join(WEIGHTS_KEYS)}")
    foreign = [key for key, value in tensors.items() if type(value) not in {Tensor, torch.nn.Parameter}]
    if foreign:
        expected = "a tensor" if place else f"weights by name under {' or '.join(WEIGHTS_KEYS)}"
        raise FileError(f"'{path}' holds {foreign[0]!r} ({type(tensors[foreign[0]]).__name__}), expected {expected}")
    empty = [key for key, value in tensors.items() if value.device.type != "cpu"]
    if empty:
        raise FileError(f"'{path}' holds {empty[0]!r} without its values (on {tensors[empty[0]].device}): fetch it again")
    return dict(tensors), _arguments(path, content.get("args")) if place else {}  # type: ignore[attr-defined]  # place: a mapping


def _arguments(path: Path, found: object) -> dict[str, Any]:
    """What the network was made with, in plain values only: anything else could not be compared with a shape."""
    values = vars(found) if isinstance(found, argparse.Namespace) else {} if found is None else found
    if type(values) is not dict:
        raise FileError(f"'{path}' has arguments of type {type(found).__name__}, expected names with plain values")
    for name, value in values.items():
        each = value if type(value) in {list, tuple} else [value]
        if type(name) is not str or not {type(part) for part in each} <= PLAIN:
            raise FileError(
                f"'{path}' has the argument {name!r} of type {type(value).__name__}, expected numbers, text or lists of them"
            )
    return dict(values)
