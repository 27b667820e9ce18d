"""What a bench of the network measures, from the command line's options."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from chromm_ros.bench.flops import Load
from chromm_ros.errors import ConfigError
from chromm_ros.model.config import PATCH, SIZES, NetworkConfig
from chromm_ros.model.inputs import scene_size
from chromm_ros.model.predictor import find_device

IMAGE = (1280, 720)
"""Width and height of the images."""
PEOPLE = 4
"""People in each frame."""


@dataclass(frozen=True)
class Setup:
    """What is measured."""

    sizes: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]
    """Cameras and time steps of a window."""
    device: torch.device
    precisions: tuple[str, ...]
    compiled: tuple[bool, ...]
    scene_pixels: int
    human_size: int
    seconds: float
    """For each call."""

    def config(self, size: str) -> NetworkConfig:
        """The network, with the images of the set-up."""
        base = SIZES[size]
        scene = replace(base.scene, pixels=self.scene_pixels or base.scene.pixels)
        return replace(base, scene=scene, human=replace(base.human, image_size=self.human_size or base.human.image_size))

    def load(self, size: str, shape: tuple[int, int]) -> Load:
        """The window in patches."""
        width, height = scene_size(*IMAGE, self.config(size).scene.pixels)
        return Load(shape[0] * shape[1], height // PATCH, width // PATCH, PEOPLE)

    @property
    def usual_precision(self) -> str:
        """For tables of one precision: bfloat16 on a GPU, where it may be had, as in the node."""
        return self.precisions[-1] if self.device.type == "cuda" else self.precisions[0]

    def weighs_heads(self, size: str) -> bool:
        """Whether precisions are compared; at full size not where bfloat16 is only imitated."""
        return size != "full" or "bfloat16" in self.precisions

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Setup":
        """From the options of the command line; what they leave open depends on the device.

        Raises:
            ConfigError: if an option names what does not exist.
        """
        device, quick = find_device(options["device"]), options["quick"]
        gpu = device.type == "cuda"
        shapes = options["shapes"] or ("1x1,4x1,4x2" if quick else "1x1,4x1,4x2,4x4,4x8" if gpu else "1x1,4x1,4x4")
        compiled = options["compiled"] or ("both" if gpu and not quick else "no")
        return cls(
            sizes=tuple(map(_size, (options["sizes"] or ("nano,full" if gpu else "nano")).split(","))),
            shapes=tuple(map(_shape, shapes.split(","))),
            device=device,
            precisions=_precisions(options["precision"], device),
            compiled={"no": (False,), "yes": (True,), "both": (False, True)}[compiled],
            scene_pixels=options["scene_pixels"],
            human_size=options["human_size"],
            seconds=0.2 if quick else 2.0,
        )


def _precisions(asked: str, device: torch.device) -> tuple[str, ...]:
    """Both, unless the device only imitates bfloat16: then a matrix product takes ten times as long as in float32."""
    if asked in {"float32", "bfloat16"}:
        return (asked,)
    native = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()  # no public way to ask
    return ("float32", "bfloat16") if native or asked == "both" else ("float32",)


def _size(name: str) -> str:
    if name not in SIZES:
        raise ConfigError(f"--sizes names '{name}', expected some of {', '.join(SIZES)}")
    return name


def _shape(text: str) -> tuple[int, int]:
    views, _, steps = text.partition("x")
    if not (views.isdecimal() and steps.isdecimal() and int(views) and int(steps)):
        raise ConfigError(f"--shapes has '{text}', expected cameras x time steps such as 4x1,4x4")
    return int(views), int(steps)
