"""The datasets by the names that the command line uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from chromm_ros.data.truth import LabelledSequence
from chromm_ros.datasets import bedlam, egoexo4d, egohumans, emdb, rich
from chromm_ros.errors import ConfigError


@runtime_checkable
class Open(Protocol):
    """How a sequence is opened; no cameras: those of the field's tables."""

    def __call__(
        self, root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None
    ) -> LabelledSequence:
        """Read labels and calibrations, no image."""


@dataclass(frozen=True)
class Dataset:
    """One dataset."""

    title: str
    """Its name as papers write it."""
    open: Open
    """Opens one sequence."""
    sequences: Callable[[Path], list[str]]
    """Names of the sequences below a root that the field's tables use."""


DATASETS: dict[str, Dataset] = {
    "emdb2": Dataset("EMDB-2", emdb.Emdb, emdb.sequences),
    "rich": Dataset("RICH", rich.Rich, rich.sequences),
    "egohumans": Dataset("EgoHumans", egohumans.EgoHumans, egohumans.sequences),
    "egoexo4d": Dataset("EgoExo4D", egoexo4d.EgoExo4D, egoexo4d.sequences),
    "bedlam": Dataset("BEDLAM", bedlam.Bedlam, bedlam.sequences),
}


def dataset(name: str) -> Dataset:
    """The dataset of a name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in DATASETS:
        raise ConfigError(f"there is no dataset called '{name}', expected one of {', '.join(DATASETS)}")
    return DATASETS[name]
