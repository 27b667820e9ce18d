"""The network as the rest of the package sees it: windows in, predictions out, on whatever device there is.

One thread at a time: the features kept between calls belong to it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias
from warnings import warn
from weakref import ReferenceType, ref

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from chromm_ros.errors import ConfigError
from chromm_ros.model.branches import Features, Output, Picking
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compiled import compile_blocks
from chromm_ros.model.compose import PosableBody, compose_people
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.half_weights import hold_in_half
from chromm_ros.model.inputs import Batch, InputMaker, Views
from chromm_ros.model.load import load_network
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.pinhole import compose
from chromm_ros.model.second_reading import Kept, read_again
from chromm_ros.records import Frame, FrameSet, Prediction, Window

Look: TypeAlias = Callable[[Batch, list[int]], Features]
"""Encodes some of the frames of a batch, by index."""


class Predictor:
    """Loads the network and runs it.

    Args:
        options: what the user set.
        body: what compose mode poses; chromm mode does without.

    Raises:
        ConfigError: if the device does not exist here, compose mode has no body, or options contradict the weights.
        FileError: if a file of weights cannot be read or does not fit.
    """

    weights: str
    """Name of the weights; the word `untrained` in it says that the people are not to be believed."""

    def __init__(self, options: ModelOptions, body: PosableBody | None = None) -> None:
        if options.mode == "compose" and body is None:
            raise ConfigError("mode is compose, which needs a body: give Predictor a loaded SmplxBody, or set mode to chromm")
        self._device = find_device(options.device)
        self._body = None if body is None else body.to(self._device)
        self._half = options.precision == "bfloat16" or (options.precision == "auto" and self._device.type == "cuda")
        loaded = load_network(options, self._device)
        self.network, self.weights, config = loaded.network, loaded.weights, loaded.config
        self.network.scene.half_heads = options.heads_precision == "bfloat16"
        self.network.intrinsics_fit = options.intrinsics_fit
        if self._half:
            hold_in_half(self.network)
        if options.compile:
            compile_blocks(self.network.blocks())
        self._picking = Picking(options.score_min, options.nms, options.max_people, options.support)
        self._make = InputMaker(config.scene.pixels, config.human.image_size, exact=options.exact_resize)
        self._cache: FeatureCache | None = FeatureCache() if options.cache_features else None
        self._warned = False
        self._kept: Kept | None = None

    @property
    def device(self) -> str:
        """Where the network runs, for example `cuda:0` or `cpu`."""
        return str(self._device)

    def gpu_mb(self) -> float:
        """Memory that torch holds on the GPU, megabytes; 0 on a CPU."""
        return torch.cuda.memory_reserved(self._device) / 1e6 if self._device.type == "cuda" else 0.0

    def prepare(self, window: Window) -> Batch:
        """Resize the frames that are present (on the CPU) and collect what is known of them."""
        batch = self._make(window)
        self._warn_of_what_is_dropped(batch.views)
        return batch

    def infer(self, batch: Batch, *, keep: bool = False) -> Prediction:
        """Run the network, `encode` and `decode` in one; returns when the device is done.

        Args:
            batch: from `prepare`.
            keep: whether `read_again` will be asked, before the next call, about the prediction that this returns. In chromm mode only.
        """
        self._kept = None  # first of all, so that two windows' features are never held at once
        return self.decode(self.encode(batch), batch, keep=keep)

    @torch.inference_mode()
    def encode(self, batch: Batch) -> Features:
        """Features of the batch's frames, each looked at alone, so those of a frame serve in every window of the same input size."""
        with self._autocast():
            if self._cache is None:
                return self._look(batch, list(range(len(batch.frames))))
            return self._cache(batch, self._look)

    @torch.inference_mode()
    def decode(self, features: Features, batch: Batch, *, keep: bool = False) -> Prediction:
        """The window from its frames' features; returns when the device is done.

        Args:
            features: of all frames of the batch, in its order.
            batch: from `prepare`; says what is known of the frames, which may be more than when they were encoded.
            keep: as `infer`.
        """
        assert len(features.scene) == len(batch.frames), "each frame of the batch has features"
        self._kept = None
        views = batch.views.to(self._device)
        size = (batch.scene_images.shape[2], batch.scene_images.shape[3])
        with self._autocast():
            seen = self.network.decode(features, views, size, self._picking)
        output = seen if isinstance(seen, Output) else compose_people(seen, views, self._posable())
        prediction = to_prediction(batch, output, self._device)
        if keep:
            square = compose(views.human_from_image, output.intrinsics)
            self._kept = Kept(ref(prediction), output.found, features.human, square)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return prediction

    @torch.inference_mode()
    def read_again(self, prediction: Prediction, person: Int[np.ndarray, "N"], tokens: Float[np.ndarray, "N D"]) -> Bodies:
        """The bodies that these people would have with other tokens, everything else in their images unchanged; on the device.

        Args:
            prediction: the last one, inferred with `keep`.
            person: places in it, nobody twice.
            tokens: to be read in place of these people's own.
        """
        assert isinstance(self.network, Chromm), "compose mode's head reads no tokens"
        assert self._kept is not None and self._kept.prediction() is prediction, "not the last prediction, or not kept"
        where = torch.from_numpy(person).to(self._device)
        with self._autocast():
            return read_again(self.network.smpl, self._kept, where, torch.from_numpy(tokens).to(self._device).float())

    def warm_up(self, views: int, steps: int, width: int, height: int) -> None:
        """Run once on images without content, so that the first real window does not pay for allocation and compilation."""
        image = np.full((height, width, 3), 127, np.uint8)
        sets = tuple(
            FrameSet(0, step, step, 0, tuple(Frame(f"camera{view}", step, image) for view in range(views)))
            for step in range(steps)
        )
        self.infer(self.prepare(Window(0, 0, tuple(f"camera{view}" for view in range(views)), sets)))

    def _warn_of_what_is_dropped(self, views: Views) -> None:
        """Once: Python's warnings alone forget what they said whenever their filters change, as `inputs` lets them."""
        masks = {"intrinsics": views.intrinsics_known, "poses": views.pose_known, "depths": views.depth_known}
        known = [name for name, mask in masks.items() if bool(mask.any())]
        if known and not self._warned and not self.network.scene.config.conditioned:
            self._warned = True
            warn(
                f"the scene is seen without the known {', '.join(known)}: weights '{self.weights}' have no conditioning branch, "
                "those of the whole Pi3X do",
                stacklevel=3,
            )

    def _posable(self) -> PosableBody:
        assert self._body is not None, "the constructor asks for it"
        return self._body

    def _look(self, batch: Batch, which: list[int]) -> Features:
        scene = batch.scene_images[which].to(self._device, non_blocking=True).float() / 255
        human = batch.human_images[which].to(self._device, non_blocking=True).float() / 255
        return self.network.encode(scene, human)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self._device.type, torch.bfloat16) if self._half else nullcontext()


class FeatureCache:
    """Features of the last window's frames: encoders look at single frames, so windows that overlap share them.

    Keyed by the frame object itself (not by camera and stamp, which two recordings may share) and by the size of the input. It holds what
    the newest window needs and nothing else.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], tuple[ReferenceType[Frame], Tensor, Tensor]] = {}

    def __call__(self, batch: Batch, look: Look) -> Features:
        """Features of the batch's frames; `look` is asked for those that are new."""
        size = (batch.scene_images.shape[2], batch.scene_images.shape[3])
        new = [index for index, frame in enumerate(batch.frames) if not self._holds(frame, size)]
        if new:
            seen = look(batch, new)
            for place, index in enumerate(new):
                frame = batch.frames[index]
                self._kept[(id(frame), *size)] = (ref(frame), seen.scene[place], seen.human[place])
        kept = [self._kept[(id(frame), *size)] for frame in batch.frames]
        self._kept = {(id(frame), *size): entry for frame, entry in zip(batch.frames, kept, strict=True)}
        _, scene, human = zip(*kept, strict=True)
        return Features(torch.stack(scene), torch.stack(human))

    def _holds(self, frame: Frame, size: tuple[int, int]) -> bool:
        kept = self._kept.get((id(frame), *size))
        return kept is not None and kept[0]() is frame


def to_prediction(batch: Batch, output: Output, device: torch.device) -> Prediction:
    """The network's output as the record that leaves `model`."""
    scene, bodies, found = output.scene, output.bodies, output.found
    return Prediction(
        step=batch.views.step.to(device),
        view=batch.views.view.to(device),
        image_size=batch.views.image_size.to(device).long(),
        intrinsics=output.intrinsics,
        world_from_cam=scene.world_from_cam[0],
        points=scene.local_points[0],
        confidence=scene.confidence[0].sigmoid(),
        colors=batch.scene_images.to(device).permute(0, 2, 3, 1),
        human_mask=output.mask.sigmoid(),
        metric_scale=float(scene.metric[0]),
        person_frame=found.image,
        person_score=found.score,
        person_token=output.token,
        head_pixel=output.head_pixel,
        pelvis_pixel=output.pelvis_pixel,
        head_position=output.head_position,
        rotations=bodies.rotations,
        betas=bodies.betas,
        expression=bodies.expression,
    )


def find_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda:N` names.

    Raises:
        ConfigError: if it is not there, listing the ones that are.
    """
    there = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(there[min(1, len(there) - 1)])
    if name == "cuda" and len(there) > 1:
        return torch.device("cuda:0")
    if name not in there:
        raise ConfigError(f"device is {name!r}, expected auto or one of those of this machine: {', '.join(there)}")
    return torch.device(name)
