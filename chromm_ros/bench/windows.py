"""Whole windows through a network whose people are given: what the node does, without the search for people."""

from collections.abc import Iterator

import numpy as np
import torch

from chromm_ros.bench.flops import Load
from chromm_ros.bench.parts import Part, autocast, standing_people
from chromm_ros.model.branches import Features
from chromm_ros.model.chromm import Chromm, ChrommOutput
from chromm_ros.model.config import PATCH
from chromm_ros.model.inputs import Batch, InputMaker
from chromm_ros.model.predictor import FeatureCache, to_prediction
from chromm_ros.records import Frame, FrameSet, Prediction, Window


class Runner:
    """`Predictor` with people in fixed places: random weights find anything from nobody to everybody.

    Args:
        network: on its device.
        device: which one.
        people: how many per frame.
        half: autocast to bfloat16.
        cached: keep features of frames between calls.
    """

    def __init__(self, network: Chromm, device: torch.device, people: int, *, half: bool, cached: bool = False) -> None:
        self.network, self.device, self.people, self.half = network, device, people, half
        self._make = InputMaker(network.config.scene.pixels, network.config.human.image_size, exact=False)
        self._cache = FeatureCache() if cached else None

    def prepare(self, window: Window) -> Batch:
        """Resize and collect."""
        return self._make(window)

    @torch.inference_mode()
    def infer(self, batch: Batch) -> Prediction:
        """Everything, from bytes to the record."""
        return to_prediction(batch, self.decode(batch), self.device)

    @torch.inference_mode()
    def decode(self, batch: Batch) -> ChrommOutput:
        """Everything but the record."""
        size = (batch.scene_images.shape[2], batch.scene_images.shape[3])
        load = Load(len(batch.frames), size[0] // PATCH, size[1] // PATCH, self.people)
        people = standing_people(load, self.network.config.human.image_size // PATCH, self.device)
        with autocast(self.device, half=self.half):
            features = self._look(batch, list(range(load.frames))) if self._cache is None else self._cache(batch, self._look)
            return self.network.decode(features, batch.views.to(self.device), size, heads=people)

    def afterwards(self, batch: Batch) -> Part:
        """The making of the record alone."""
        output = self.decode(batch)
        return lambda: to_prediction(batch, output, self.device)

    def _look(self, batch: Batch, which: list[int]) -> Features:
        scene, human = (images[which].to(self.device).float() / 255 for images in (batch.scene_images, batch.human_images))
        return self.network.encode(scene, human)


def make_window(views: int, steps: int, size: tuple[int, int]) -> Window:
    """A window of noise; frames are new objects at each call, so nothing is remembered of them."""
    return next(slides(views, steps, size))


def slides(views: int, steps: int, size: tuple[int, int]) -> Iterator[Window]:
    """Windows without end, each one step later than the one before and sharing its frames."""
    rng, cameras = np.random.default_rng(0), tuple(f"camera{view}" for view in range(views))
    image = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    sets: tuple[FrameSet, ...] = ()
    step = 0
    while True:
        while len(sets) < steps or sets[0].index < step:
            newest = sets[-1].index + 1 if sets else 0
            sets = (*sets, FrameSet(0, newest, newest, 0, tuple(Frame(camera, newest, image) for camera in cameras)))[-steps:]
        yield Window(0, step, cameras, sets)
        step += 1
