"""What a run learns from: takes of the synthetic world, or images of BEDLAM."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chromm_ros.datasets.bedlam import HELD_OUT_SCENES, sequences
from chromm_ros.datasets.bedlam_clips import BedlamClips
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.settings import Settings, setting
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.world.take import TakeOptions


@dataclass(frozen=True)
class DataOptions(Settings):
    """Where clips come from, if not from takes."""

    bedlam: str = setting("", "folder of BEDLAM, to learn from it and not from the synthetic world")
    body_models: str = setting("", "folder with SMPLX_NEUTRAL.npz, the licensed body that BEDLAM's labels are of")
    images: int = setting(4, "images of a clip of BEDLAM, labelled ones of one sequence that follow one another", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bedlam and not self.body_models:
            raise ConfigError(
                "data.bedlam needs data.body_models, the folder with SMPLX_NEUTRAL.npz: register at smpl-x.is.tue.mpg.de"
            )


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
