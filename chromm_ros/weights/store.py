"""The user's folder of weights: published files come in, and what is there can be looked at and checked."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.checkpoint import (
    Card,
    check_fit,
    digest,
    first,
    opened,
    read_card,
    save_weights,
)
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import HumanConfig, NetworkConfig, SceneConfig
from chromm_ros.model.weight_files import SHIPPED, SUFFIX, find_weights, weights_folder
from chromm_ros.weights.catalogue import PUBLISHED, Publication
from chromm_ros.weights.progress import Progress, sha256_of
from chromm_ros.weights.published import Published, network_of, not_finite, read_published

Sizes: TypeAlias = NetworkConfig | SceneConfig | HumanConfig
SPARE_BYTES = 10**8
"""Room that must stay on the disk after an import."""
STALE_SECONDS = 3600
"""Nothing writes to a half-written file for so long."""


@dataclass(frozen=True)
class Content:
    """What a file of weights holds, published or ours."""

    path: Path
    card: Card | None
    """None for a published file that was not imported."""
    kind: str
    config: Sizes
    parameters: int
    types: Mapping[str, int]
    """Parameters by their type."""
    remarks: tuple[str, ...] = ()


def import_published(path: Path, name: str = "") -> tuple[Path, Card]:
    """Check a published file and write it into the user's folder, with a card.

    Args:
        path: of the published file.
        name: what to call it; empty: the published name, by the file's name or by what it holds.

    Returns:
        Where it is now, and its card.

    Raises:
        ConfigError: if the name cannot be a file's name.
        FileError: if the file is not what is published, the name is taken, or there is no room.
    """
    found = read_published(path)
    check_values(found.state, path)
    sha256 = sha256_of(path)
    card = card_of(found, path, name, sha256)
    target = weights_folder() / f"{card.name}{SUFFIX}"
    if target.exists():
        there = _card_or_trouble(target)
        if isinstance(there, str):
            raise FileError(
                f"'{target}' is there already and is no file of ours: remove it, or give this one another name by --name"
            )
        if there.sha256 == sha256:
            return target, there
        raise FileError(f"'{target}' is there already, from another file: give this one another name by --name, or remove that")
    _make_room(target, sum(value.nbytes for value in found.state.values()))
    save_weights(target, found.state, card)
    return target, read_card(target) or card


def card_of(found: Published, path: Path, name: str, sha256: str) -> Card:
    """The card of a published file; only a file that has exactly the size of a published one is given its name, source and licence.

    Raises:
        ConfigError: if the name cannot be a file's name, or the file has a published name and another size.
    """
    publication = recognise(found, path)
    if not name and publication is None and any(each.name.lower() == path.stem.lower() for each in PUBLISHED):
        raise ConfigError(f"'{path}' has the name of a published file, but not its size: give it a name of its own by --name")
    name = name or (publication.name if publication else path.stem)
    if not re.fullmatch(r"\w[\w.+-]*", name) or name.endswith(SUFFIX):
        raise ConfigError(f"the name is {name!r}, expected letters, digits, '_', '.', '+' and '-' without '{SUFFIX}'")
    about = {"source": "unknown: no single published file has its size", "licence": "unknown: ask whoever made the file"}
    notes = [f"imported from {path.name}", *found.remarks]
    if publication:
        about = {"source": publication.address, "allows": publication.allows}
        about["licence"] = f"{publication.licence}, {publication.licence_address}"
        notes.append(f"taken for {publication.name} by its size; no checksum of the published file was at hand")
    return Card(name=name, kind=found.kind, config=asdict(found.config), sha256=sha256, notes="; ".join(notes), **about)


def recognise(found: Published, path: Path) -> Publication | None:
    """Which published file this is: the one of its size, with or without conditioning; of several, the one of its name."""
    config = replace(found.config, conditioned=True) if isinstance(found.config, SceneConfig) else found.config
    fitting = [each for each in PUBLISHED if each.config == config]
    named = [each for each in fitting if each.name.lower() == path.stem.lower()]
    return next(iter(named or (fitting if len(fitting) == 1 else [])), None)


def look_into(path_or_name: str) -> Content:
    """What a file holds, ours or published, without reading its values.

    Raises:
        FileError: if it is damaged or neither.
    """
    path = find_weights(path_or_name)
    card = read_card(path) if path.suffix == SUFFIX else None
    if card is None:
        found = read_published(path)
        return Content(path, None, found.kind, found.config, *_count(found.state), found.remarks)
    with opened(path) as file:
        return Content(path, card, card.kind, card.sizes(), *_count({name: file.get_tensor(name) for name in file.keys()}))  # noqa: SIM118  # no dict


def verify(path_or_name: str) -> Content:
    """Check a file whole: names and shapes against the network, every value, and our own files against their card.

    Raises:
        FileError: at the first thing that is wrong.
    """
    content = look_into(path_or_name)
    if content.card is None:
        check_values(read_published(content.path).state, content.path)
        return content
    sizes = content.card.sizes()
    with opened(content.path) as file:
        check_fit(_network_of(sizes), file, content.path, carded=True)
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # the file is no dict
        check_values(state, content.path)
        if digest(state) != content.card.tensors_sha256:
            raise FileError(
                f"'{content.path}' was changed after it was written: its SHA-256 is not the card's; fetch or import it again"
            )
    return content


def check_values(state: Mapping[str, Tensor], path: Path) -> None:
    """Every value must be a number.

    Raises:
        FileError: naming the first tensors with NaN or infinity.
    """
    progress = Progress(f"values of {path.name}", sum(value.nbytes for value in state.values()))
    wrong = []
    for value, bad in zip(state.values(), not_finite(state), strict=True):
        progress(value.nbytes)
        wrong += [bad] if bad else []
    if wrong:
        raise FileError(f"'{path}' is damaged: {first(wrong)}; fetch it again")


def at_hand() -> dict[Path, Card | str]:
    """All files of weights in the user's folder and in the package: their cards, or what is wrong with them."""
    paths = [path for folder in (weights_folder(), SHIPPED) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return {path: _card_or_trouble(path) for path in paths}


def leftovers() -> list[Path]:
    """Halves of files in the user's folder whose writing was cut off; by age, as their writer may run on another machine."""
    parts = weights_folder().glob(f".*{SUFFIX}.*.part")
    return sorted(part for part in parts if time.time() - part.stat().st_mtime > STALE_SECONDS)


def _card_or_trouble(path: Path) -> Card | str:
    try:
        return read_card(path) or "no card"
    except FileError as error:
        return str(error)


def _network_of(sizes: Sizes) -> torch.nn.Module:
    if not isinstance(sizes, NetworkConfig):
        return network_of(sizes)
    with torch.device("meta"):
        return Chromm(sizes)


def _count(state: Mapping[str, Tensor]) -> tuple[int, dict[str, int]]:
    types: Counter[str] = Counter()
    for value in state.values():
        types[str(value.dtype).removeprefix("torch.")] += value.numel()
    return sum(types.values()), dict(types)


def _make_room(target: Path, needed: int) -> None:
    try:
        for part in leftovers():
            part.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise FileError(f"'{target.parent}' cannot be used ({error}): choose another folder by CHROMM_WEIGHTS") from None
    if free < needed + SPARE_BYTES:
        raise FileError(
            f"'{target.parent}' has {free / 1e9:.1f} GB free, '{target.name}' needs {needed / 1e9:.1f} GB: make room, "
            "or choose another folder by CHROMM_WEIGHTS"
        )
