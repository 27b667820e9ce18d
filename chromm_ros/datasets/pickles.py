"""Pickles and `.npy` dicts of datasets, read without trust: arrays and plain containers, nothing that runs.

A pickle is a program; Python's own reader runs whatever it names. Here every name that is not on a short list ends the reading.
"""

import codecs
import collections
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chromm_ros.errors import FileError

Names = Mapping[tuple[str, str], Callable[..., Any]]
"""Module and name in a pickle, to what is taken for it."""

_BUILTINS = {"set": set, "frozenset": frozenset, "slice": slice, "complex": complex, "bytearray": bytearray, "object": object}
_NUMPY = {
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "scalar": np.float64(0.0).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
"""Taken from NumPy itself, whose releases moved them; a file names the place that they had when it was written."""
_NUMPY_PLACES = ("numpy", *(f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")))
_ALLOWED: dict[tuple[str, str], Any] = {
    **{(module, name): value for module in ("builtins", "__builtin__") for name, value in _BUILTINS.items()},
    **{(module, name): value for module in _NUMPY_PLACES for name, value in _NUMPY.items()},
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): codecs.encode,  # of bytes in pickles of protocol 2
}


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, extra: Names) -> None:
        super().__init__(file, encoding="latin1")  # as pickles of Python 2 need it
        self._names = {**_ALLOWED, **extra}

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names; nothing is imported for it."""
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is neither an array nor a plain container")
        return self._names[module, name]


def read_pickle(path: Path, extra: Names | None = None) -> Any:
    """What a pickle of arrays, numbers, texts, lists and dicts holds.

    Args:
        path: of the file.
        extra: further names that this kind of file may hold.

    Raises:
        FileError: if there is no such file, it is damaged, or it names anything else.
    """
    with _readable(path), path.open("rb") as file:
        return _Reader(file, extra or {}).load()


def read_npy_dict(path: Path) -> dict[str, Any]:
    """The dict that `numpy.save` put into an array without axes.

    Raises:
        FileError: as `read_pickle`, and if there is no dict in it.
    """
    with _readable(path), path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        value = _Reader(file, {}).load() if dtype.hasobject else None
    found = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not isinstance(found, dict):
        raise FileError(
            f"{path} holds an array of shape {shape} and type {dtype}, expected one dict: is it another file's content?"
        )
    return found


def entry(mapping: Any, path: Path, *keys: str) -> Any:
    """`mapping[key][key]...` of a dict that was read from a file.

    Raises:
        FileError: if a key is missing, naming those that there are.
    """
    found = mapping
    for depth, key in enumerate(keys):
        if not isinstance(found, Mapping) or key not in found:
            there = ", ".join(map(str, list(found)[:20])) if isinstance(found, Mapping) else type(found).__name__
            raise FileError(
                f"{path} has no {'/'.join(keys[: depth + 1])}, only {there}: expected the file as the dataset ships it"
            )
        found = found[key]
    return found


def array(mapping: Any, path: Path, *keys: str, shape: tuple[int, ...]) -> np.ndarray:
    """`entry` as float64 of a shape; -1 is any length.

    Raises:
        FileError: if it is missing, no numbers or of another shape.
    """
    value = entry(mapping, path, *keys)
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise FileError(f"{'/'.join(keys)} of {path} is {type(value).__name__}, expected numbers of shape {shape}") from None
    if found.ndim != len(shape) or any(want not in {-1, have} for want, have in zip(shape, found.shape, strict=True)):
        raise FileError(
            f"{'/'.join(keys)} of {path} has shape {found.shape}, expected {shape}: is the file cut, or of another dataset?"
        )
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a bad file leads to into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise FileError(f"there is no file {path}: expected it where the dataset has it") from None
    except Exception as error:  # a damaged pickle may lead to any
        reason = str(error) or type(error).__name__
        raise FileError(f"{path} cannot be read as arrays and plain values ({reason}): download it again") from error
