"""Trained weights in files of our own kind: safetensors with our parameters' names, and one card in the metadata that says what they are."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chromm_ros.errors import FileError, require
from chromm_ros.model.config import HumanConfig, NetworkConfig, SceneConfig
from chromm_ros.model.config_mapping import rebuild

SHOWN = 3
"""How many wrong names a message lists."""
KEY = "chromm_ros"
"""Where the card is in the metadata; the only entry, so that the same input gives the same bytes."""
KINDS = {"chromm": NetworkConfig, "scene": SceneConfig, "human": HumanConfig}
"""What a file can hold, and what describes its size: the whole network, Pi3X, or Multi-HMR."""
STORED = {"F32", "F16", "BF16"}
"""Types of numbers in a file; half precision stays so on disk and becomes float32 in memory, as autocast expects it."""


@dataclass(frozen=True)
class Card:
    """What a file of weights is."""

    name: str
    """What status and logs call the weights."""
    kind: str
    """`chromm`, `scene` or `human`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The network's size as plain values: `dataclasses.asdict` of NetworkConfig, SceneConfig or HumanConfig."""
    source: str = ""
    """Where the weights come from."""
    licence: str = ""
    """Its name."""
    allows: str = ""
    """One sentence: what the licence allows."""
    sha256: str = ""
    """Of the published file; empty where the weights are our own."""
    notes: str = ""
    """Anything else."""
    tensors_sha256: str = ""
    """Of names, types, shapes and values; `save_weights` fills it in."""

    def sizes(self) -> NetworkConfig | SceneConfig | HumanConfig:
        """The config, rebuilt.

        Raises:
            TypeError, ValueError: if it is none of ours.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, expected one of {', '.join(KINDS)}")
        return rebuild(KINDS[self.kind], self.config)


def save_weights(path: str | Path, state: Mapping[str, Tensor], card: Card) -> None:
    """Write a file that is there whole or not at all; the same input gives the same bytes.

    Raises:
        FileError: if it cannot be written.
    """
    path = Path(path)
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    card = replace(card, tensors_sha256=digest(tensors))
    card.sizes()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {KEY: json.dumps(asdict(card), sort_keys=True)}
        require("safetensors.torch", extra="model").save_file(tensors, part, metadata=metadata)
        part.chmod(0o644)  # safetensors makes files that nobody else may read
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, require("safetensors", extra="model").SafetensorError) as error:
        raise FileError(f"'{path}' cannot be written ({error}): make room, or choose another folder by CHROMM_WEIGHTS") from None
    finally:
        part.unlink(missing_ok=True)


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, whatever the order."""
    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """A safetensors file, mapped: tensors are read when they are asked for.

    Raises:
        DependencyError: if safetensors is not installed.
        FileError: if the file is missing or no whole safetensors file.
    """
    safetensors = require("safetensors", extra="model")
    try:
        if not Path(path).is_file():
            raise FileError(f"checkpoint '{path}' does not exist")
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except (OSError, safetensors.SafetensorError) as error:
        raise FileError(
            f"checkpoint '{path}' is not a whole safetensors file ({error}): fetch or export it again; "
            "a published .pt file has to be imported: `python -m chromm_ros weights import FILE`"
        ) from None


def read_card(path: str | Path) -> Card | None:
    """The card of a file; None for a safetensors file that has none of ours.

    Raises:
        FileError: if the file is no whole safetensors file or its card is damaged.
    """
    with opened(path) as file:
        text = (file.metadata() or {}).get(KEY)
    if text is None:
        return None
    try:
        return _parse(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"the card of '{path}' is damaged or newer than this chromm_ros ({printable(str(error))}): fetch or import it again"
        ) from None


def _parse(text: str) -> Card:
    values = json.loads(text)
    if not isinstance(values, dict) or not isinstance(values.get("config", {}), dict):
        raise TypeError("it or its config is no mapping")
    wrong = [name for name, value in values.items() if name != "config" and not isinstance(value, str)]
    if wrong:
        raise TypeError(f"{wrong[0]} is {values[wrong[0]]!r}, expected text")
    card = Card(**values)
    if not card.name.isprintable():  # logs and status carry it
        raise ValueError(f"name is {card.name!r}, expected printable text")
    card.sizes()
    return card


def load_weights(module: nn.Module, path: str | Path, *, leave_out: tuple[str, ...] = ()) -> str:
    """Fill a module, strictly: every name and shape must fit both ways.

    Values are copied one tensor at a time out of the mapped file, so memory holds the module's own copy and no other.

    Args:
        module: on any device but `meta`.
        path: of a file of ours.
        leave_out: beginnings of names that the file may have and the module has not, on purpose.

    Returns:
        The name of the weights: the card's, or the file's without its ending.

    Raises:
        DependencyError: if safetensors is not installed.
        FileError: if the file is missing, no safetensors file, or made for another network.
    """
    card = read_card(path)
    with opened(path) as file, torch.no_grad():
        check_fit(module, file, path, leave_out=leave_out, carded=card is not None)
        for name, value in module.state_dict().items():
            value.copy_(file.get_tensor(name))
    return card.name if card else Path(path).stem


def check_fit(module: nn.Module, file: Any, path: str | Path, *, leave_out: tuple[str, ...] = (), carded: bool) -> None:
    """Compare names, shapes and types of an open file with a module's, which may be on `meta`; no value is read.

    Raises:
        FileError: if they differ, naming the first few.
    """
    ours = module.state_dict()
    theirs = {name: file.get_slice(name) for name in file.keys() if not name.startswith(leave_out)}  # noqa: SIM118  # no dict
    wrong = differences(ours, {name: tuple(part.get_shape()) for name, part in theirs.items()})
    wrong += [
        f"{name} is {part.get_dtype()}, expected {', '.join(sorted(STORED))}"
        for name, part in theirs.items()
        if part.get_dtype() not in STORED
    ]
    if wrong:
        advice = "it is damaged: fetch or import it again" if carded else "set model.size and model.human_size to its own"
        raise FileError(f"checkpoint '{path}' was made for another network: {first(wrong)}; {advice}")


def differences(ours: Mapping[str, Tensor], theirs: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What is missing, unknown or of another shape."""
    wrong = [f"missing {name}" for name in ours if name not in theirs]
    wrong += [f"unknown {name}" for name in theirs if name not in ours]
    return wrong + [
        f"{name} is {theirs[name]}, expected {tuple(value.shape)}"
        for name, value in ours.items()
        if name in theirs and theirs[name] != tuple(value.shape)
    ]


def first(wrong: Collection[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return printable("; ".join(list(wrong)[:SHOWN])) + more


def printable(text: str) -> str:
    """Text out of a file, with whatever would move a terminal's cursor escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
