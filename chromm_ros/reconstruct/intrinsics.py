"""Intrinsics of cameras that nobody calibrated: what the network guesses window by window, pooled.

A network guesses the focal length anew in every window, and a guess that jumps moves all depths and rays with it. A camera's lens stays,
so its matrix is the median of the last windows' guesses, element by element. Calibrated cameras are left alone; a lens that zooms is
followed within half of those windows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry.camera import unproject
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People


class IntrinsicsPool:
    """The last guesses for every camera.

    Args:
        windows: how many of them.
    """

    def __init__(self, windows: int) -> None:
        self._windows = windows
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self._guesses: dict[tuple[int, float, float], deque[Float[np.ndarray, "3 3"]]] = {}

    def update(self, cameras: Cameras) -> Cameras:
        """The same cameras with pooled intrinsics where these are guesses."""
        pooled = cameras.intrinsics.copy()
        for view in np.unique(cameras.view[~cameras.calibrated]).tolist() if self._windows > 1 else []:
            frames = ~cameras.calibrated & (cameras.view == view)
            width, height = cameras.size[frames][-1].tolist()
            self._guesses = {key: g for key, g in self._guesses.items() if key[0] != view or key[1:] == (width, height)}
            guesses = self._guesses.setdefault((view, width, height), deque(maxlen=self._windows))
            same = frames & (cameras.size == [width, height]).all(axis=-1)
            guesses.append(_median(cameras.intrinsics[same]))
            pooled[same] = _median(np.array(guesses))
        return replace(cameras, intrinsics=pooled)


def _median(matrices: Float[np.ndarray, "N 3 3"]) -> Float[np.ndarray, "3 3"]:
    """Element by element; for so few numbers several times as fast as NumPy's, which asks what there is first."""
    rising, count = np.sort(matrices, axis=0), len(matrices)
    return np.asarray((rising[(count - 1) // 2] + rising[count // 2]) / 2.0)


def reprojected(cameras: Cameras, people: People) -> People:
    """The same people with the heads of uncalibrated images on the rays of their pixels, at the depths that they had."""
    through = unproject(people.head_pixel, people.head[:, 2], cameras.intrinsics[people.frame])
    return replace(people, head=np.where(cameras.calibrated[people.frame, None], people.head, through))
