"""What a run learns from: takes of the synthetic world, or images of BEDLAM."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from chromm_ros.datasets.bedlam import HELD_OUT_SCENES, Bedlam, sequences
from chromm_ros.datasets.bedlam_moments import moment
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.settings import Settings, setting
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.truth import Moment
from chromm_ros.synthetic.world.take import TakeOptions


@dataclass(frozen=True)
class DataOptions(Settings):
    """Where clips come from, if not from takes."""

    bedlam: str = setting("", "folder of BEDLAM, to learn from it and not from the synthetic world")
    body_models: str = setting("", "folder with SMPLX_NEUTRAL.npz, the licensed body that BEDLAM's labels are of")
    images: int = setting(4, "images of a clip, all of one sequence of BEDLAM, any of those that are labelled", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bedlam and not self.body_models:
            raise ConfigError(
                "data.bedlam needs data.body_models, the folder with SMPLX_NEUTRAL.npz: register at smpl-x.is.tue.mpg.de"
            )


@dataclass(frozen=True)
class BedlamClips:
    """Makes clips by their numbers; each is some images of one sequence, in the order of time."""

    root: Path
    """Of BEDLAM."""
    body_models: Path
    """Folder of the licensed body."""
    names: tuple[str, ...]
    """Sequences to choose from."""
    images: int
    """Of a clip."""

    def __call__(self, number: int) -> Clip:
        """The same number gives the same clip.

        Raises:
            FileError: if a file of it is missing or damaged.
        """
        rng = np.random.default_rng([number, 79])
        sequence = Bedlam(self.root, self.names[rng.integers(len(self.names))], body_models=self.body_models)
        labelled = sequence.numbers()
        chosen = rng.choice(labelled, self.images, replace=len(labelled) < self.images)
        return tuple(Moment(**vars(moment(sequence, int(k)))) for k in np.sort(chosen))


def maker(data: DataOptions, takes: TakeOptions, *, moments: int, period_s: float, held_out: bool) -> Callable[[int], Clip]:
    """What makes clips by their numbers.

    Args:
        data: where from.
        takes: what takes are made of, where they are taken from.
        moments: of a clip of a take.
        period_s: between them.
        held_out: whether it is for validation, which BEDLAM has scenes for; numbers alone tell takes apart.

    Raises:
        FileError: if there is no BEDLAM where it should be.
        InputError: if it has no scene left.
    """
    if not data.bedlam:
        return partial(clip, options=takes, steps=moments, period_s=period_s)
    root = Path(data.bedlam).expanduser()
    names = tuple(name for name in sequences(root) if (name.partition("/")[0] in HELD_OUT_SCENES) == held_out)
    if not names:
        wanted = (
            f"one of {', '.join(sorted(HELD_OUT_SCENES))}, for validation"
            if held_out
            else "another one than those for validation"
        )
        raise InputError(f"{root} has no such scene of BEDLAM: expected {wanted}")
    return BedlamClips(root, Path(data.body_models).expanduser(), names, data.images)
