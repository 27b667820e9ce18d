"""A predictor that answers once for each window, so that what differs after the network costs no network."""

from dataclasses import replace
from typing import Any

from chromm_ros.model.inputs import Batch
from chromm_ros.model.predictor import Predictor
from chromm_ros.records import Prediction, Window


class Remembered(Predictor):
    """A predictor that answers once for each window.

    Args:
        predictor: whose network answers.
        support: what other images count where heads are found, as `ModelOptions.support`; None: as the predictor has it.
    """

    def __init__(self, predictor: Predictor, support: float | None = None) -> None:
        vars(self).update(vars(predictor))  # the same network, and all that goes with it
        if support is not None:
            self._picking = replace(self._picking, support=support)
        self._asked: tuple[Any, ...] = ()
        self._batch: Batch | None = None
        self._answer: Prediction | None = None

    def prepare(self, window: Window) -> Batch:
        """Inputs of a window; the last one's again where it is the same."""
        there = [frame for one in window.sets for frame in one.frames if frame is not None]
        frames = [(f.camera, f.stamp_ns, f.intrinsics is None, f.world_from_cam is None) for f in there]
        if self._asked != (window.epoch, *frames) or self._batch is None:
            self._asked, self._batch, self._answer = (window.epoch, *frames), super().prepare(window), None
        return self._batch

    def infer(self, batch: Batch, *, keep: bool = False) -> Prediction:
        """What the network says, kept for all who ask of the same window."""
        del keep  # somebody may ask later
        if batch is not self._batch or self._answer is None:
            self._answer = super().infer(batch, keep=True)
        return self._answer
