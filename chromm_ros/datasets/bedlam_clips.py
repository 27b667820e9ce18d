"""Clips of BEDLAM by seed, for training: the same seed is the same clip everywhere, whoever makes it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromm_ros.data.moment import Moment
from chromm_ros.datasets.bedlam import Bedlam
from chromm_ros.datasets.bedlam_moments import moment
from chromm_ros.errors import FileError


@dataclass(frozen=True)
class BedlamClips:
    """Called with a seed, gives the clip of that seed; it holds names alone, so it can go to other processes.

    Raises:
        FileError: if no sequence has `steps` labelled images, or one that is drawn is damaged.
        ConfigError, DependencyError: as `bedlam_moments.moments`.
    """

    root: Path
    """Folder of the scenes."""
    body_models: Path
    """Folder with the neutral SMPL-X model."""
    names: tuple[str, ...]
    """Sequences to draw from, some of `bedlam.sequences(root)`."""
    steps: int = 1
    """Labelled images in a row, 1/6 s apart as BEDLAM's labels usually are."""

    def __call__(self, seed: int) -> tuple[Moment, ...]:
        """The clip; a sequence with too few labelled images gives way to the next by name."""
        rng = np.random.default_rng(seed)
        first = int(rng.integers(len(self.names)))
        for place in range(len(self.names)):
            sequence = Bedlam(self.root, self.names[(first + place) % len(self.names)], (), self.body_models)
            numbers = sequence.numbers()
            if len(numbers) >= self.steps:
                start = int(rng.integers(len(numbers) - self.steps + 1))
                return tuple(moment(sequence, number) for number in numbers[start : start + self.steps])
        raise FileError(f"none of the {len(self.names)} sequences in {self.root} has {self.steps} labelled images in a row")
