"""Window in, reconstruction out: network and reconstruction as one call that knows no ROS and takes time from the windows alone."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.config import ChrommConfig
from chromm_ros.errors import ConfigError
from chromm_ros.model.predictor import Predictor
from chromm_ros.reconstruct.fuse import Decoded
from chromm_ros.reconstruct.reconstructor import Reconstructor
from chromm_ros.records import Prediction, Reconstruction, Window


class Pipeline:
    """Runs windows one after the other; call it from one thread.

    Args:
        config: all settings.
        predictor: a network that is loaded already, or a stand-in; None loads the one that the settings name.
        body: a body that is loaded already; None loads the one that the settings name.
        first_id: track id of the first person; `next_id` of an earlier pipeline keeps ids unique.

    Raises:
        ChrommError: if the settings name a file that cannot be used or a device that is not there, or contradict one another.
    """

    def __init__(
        self, config: ChrommConfig, *, predictor: Predictor | None = None, body: SmplxBody | None = None, first_id: int = 1
    ) -> None:
        self.config = config
        self._pools = config.fusion.mode == "maxpool_triangulate"
        if self._pools and config.model.mode == "compose":  # said before minutes of loading
            raise ConfigError(
                "fusion.mode is 'maxpool_triangulate' and model.mode is 'compose', but only CHROMM's own decoder reads pooled tokens: "
                "set fusion.mode to average or average_triangulate, or model.mode to chromm"
            )
        self.body = SmplxBody.load(config.model.smplx_dir) if body is None else body
        self.predictor = Predictor(config.model, self.body) if predictor is None else predictor
        decode = self._decode if self._pools else None
        self._reconstructor = Reconstructor(self.body, config.reconstruct, first_id, decode=decode)
        self._epoch: int | None = None

    def warm_up(self, views: int, width: int = 640, height: int = 480) -> None:
        """Run the network once with the shapes of a full window, so that the first real one does not pay for it.

        Args:
            views: number of cameras.
            width: of their images.
            height: of their images.
        """
        self.predictor.warm_up(views, self.config.window.length, width, height)

    def __call__(self, window: Window) -> Reconstruction:
        """One window made whole, with the time that each part took; a new epoch forgets the world and everybody in it."""
        return self.both(window)[1]

    def both(self, window: Window) -> tuple[Prediction, Reconstruction]:
        """The same, with what the network said of the single frames."""
        if window.epoch != self._epoch:
            self.reset()
            self._epoch = window.epoch
        start = time.perf_counter()
        batch = self.predictor.prepare(window)
        prepared = time.perf_counter()
        prediction = self.predictor.infer(batch, keep=self._pools)
        inferred = time.perf_counter()
        result = self._reconstructor.update(window, prediction)
        done = time.perf_counter()
        marks = {"prepare": prepared - start, "infer": inferred - prepared, "reconstruct": done - inferred}
        return prediction, replace(result, timings_ms={name: 1e3 * seconds for name, seconds in marks.items()})

    @property
    def next_id(self) -> int:
        """The track id that the next new person gets."""
        return self._reconstructor.next_id

    def reset(self) -> None:
        """Forget the world and everybody in it; ids go on counting."""
        self._reconstructor.reset()

    def _decode(self, prediction: Prediction, person: Int[np.ndarray, "N"], tokens: Float[np.ndarray, "N D"]) -> Decoded:
        """`reconstruct.fuse.Decode` by the network."""
        bodies = self.predictor.read_again(prediction, person, tokens)
        return Decoded(*(part.cpu().numpy() for part in (bodies.rotations, bodies.betas, bodies.expression)))
