"""Scale: how many metres one unit of the network is, told by the people and held steady over windows.

CHROMM (arXiv 2603.12789) scales the scene by s* = r s, where r is the mean over valid people and frames of the ratio between
two lengths in the image: head to pelvis of the SMPL-X body where the scene's depth puts it, and head to pelvis as detected. A body has
its size from its shape; if it looks too long the scene is too near. r multiplies everything that has the network's unit: depths, point
maps, head positions and the centres of the cameras. It does not touch the bodies' own size.
"""

import math
from dataclasses import dataclass

import numpy as np

from chromm_ros.body.skeleton import HEAD, PELVIS
from chromm_ros.geometry.camera import inside, project
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.settings import Settings, setting


@dataclass(frozen=True)
class ScaleConfig(Settings):
    """How the scale is measured and filtered."""

    adjust: bool = setting(default=True, doc="let people change the scale; without it they only watch it")
    statistic: str = setting(
        "mean",
        "how the ratios of all people become one: mean (the paper's), median, or iterated: each solved to the end, then their median",
        choices=("mean", "median", "iterated"),
    )
    min_length_px: float = setting(
        24.0, "shortest head-pelvis length in the image that counts; the ratio of short ones is noise [pixels]", at_least=1.0
    )
    max_ratio: float = setting(
        3.0, "largest factor, up or down, by which people or a known rig may change the network's own scale", at_least=1.0
    )
    gain: float = setting(
        0.1, "share of the way that the scale moves towards what the people of a new window say", at_least=0.0, at_most=1.0
    )
    max_step: float = setting(
        0.2, "largest change of the scale from one window to the next, as a fraction, that shared cameras may cause", at_least=0.0
    )


def head_pelvis_ratio(cameras: Cameras, people: People, config: ScaleConfig) -> float:
    """r: mean ratio of projected to detected head-pelvis length; NaN where no person and frame is valid.

    Valid: the pelvis was detected inside the image and lies in front of the camera, and both lengths pass the gate, so nobody
    counts who looks along the optical axis with his spine.
    """
    intrinsics = cameras.intrinsics[people.frame]
    body = people.head[:, None] + people.offsets[:, [HEAD, PELVIS]]  # P 2 3, in the camera
    pixels = project(body, intrinsics[:, None])
    projected = np.linalg.norm(pixels[:, 0] - pixels[:, 1], axis=-1)  # NaN behind the camera
    detected = np.linalg.norm(people.head_pixel - people.pelvis_pixel, axis=-1)
    with np.errstate(invalid="ignore"):
        valid = (projected >= config.min_length_px) & (detected >= config.min_length_px)
    valid &= inside(people.pelvis_pixel, cameras.size[people.frame])
    return float(np.mean(projected[valid] / detected[valid])) if valid.any() else math.nan


class ScaleFilter:
    """Metres per unit of the network, from window to window.

    Cameras that two windows share tell exactly how their units relate but drift over time; people tell the absolute scale but
    with noise. So the shared cameras carry the scale along and the people correct it slowly, both in the logarithm.
    """

    def __init__(self, config: ScaleConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget; the network's own unit is believed to be the metre until somebody measures it."""
        self._log = 0.0
        self._measured = False

    def update(self, ratio: float, carried: float, *, rig: bool) -> float:
        """The scale of a new window, metres per unit.

        Args:
            ratio: r of the window; NaN where nobody measured it.
            carried: the scale that shared or known cameras ask for; NaN where they do not.
            rig: whether `carried` comes from known cameras: then it is the scale, and people are only a monitor. Beyond
                `max_ratio` it is not believed at all: a network whose unit is about a metre has then not seen the rig.
        """
        config, limit = self._config, math.log(self._config.max_ratio)
        if rig and math.isfinite(carried) and abs(math.log(carried)) <= limit:
            self._log = math.log(carried)
            return math.exp(self._log)
        if math.isfinite(carried) and not rig:
            most = math.log1p(config.max_step)
            self._log += min(max(math.log(carried) - self._log, -most), most)
        if math.isfinite(ratio):
            gain = config.gain if self._measured else 1.0
            self._log += gain * (min(max(math.log(ratio), -limit), limit) - self._log)
            self._measured = True
        self._log = min(max(self._log, -limit), limit)
        return math.exp(self._log)
