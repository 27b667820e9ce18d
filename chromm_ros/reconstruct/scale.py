"""Scale: how many metres one unit of the network is, told by the people and held steady over windows.

CHROMM (arXiv 2603.12789) scales the scene by s* = r s, where r is the mean over valid people and frames of the ratio between
two lengths in the image: head to pelvis of the SMPL-X body where the scene's depth puts it, and head to pelvis as detected. A body has
its size from its shape; if it looks too long the scene is too near. r multiplies everything that has the network's unit: depths, point
maps, head positions and the centres of the cameras. It does not touch the bodies' own size.

Cameras that are known, of a rig or a base that moves, tell the scale better, and people then only watch it; but not where the cameras
are so close together that the network sees hardly more than noise between them (`is_tight`). There people tell it again.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from chromm_ros.body.skeleton import HEAD, PELVIS
from chromm_ros.geometry.camera import inside, project
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import Statics
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
    min_length_share: float = setting(
        0.05,
        "shortest head-pelvis length that counts, as a share of the image's height; the ratio of short ones is noise",
        at_least=0.001,
        at_most=1.0,
    )
    max_ratio: float = setting(
        3.0, "largest factor, up or down, by which people or a known rig may change the network's own scale", at_least=1.0
    )
    gain: float = setting(
        0.1,
        "share of the way that the scale moves towards what the people of a new window say; the n-th window with people moves it by "
        "1/n at least, so that at the start all count alike",
        at_least=0.0,
        at_most=1.0,
    )
    max_step: float = setting(
        0.2, "largest change of the scale from one window to the next, as a fraction, that shared cameras may cause", at_least=0.0
    )


ALARM = 0.1
"""How far people may differ from a known scale (filtered, as a fraction) before that is an alarm."""
TIGHT = 0.05
"""Baseline of known cameras, as a share of the distance to what they see, below which they do not tell the scale."""
STRAYED = 0.06
"""Share of the known cameras' spread by which a network may see them elsewhere and they still tell the scale. `nano` leaves 0.1 to 0.8 on
held-out takes; its own metres are right within a tenth there, and what its cameras ask for within a factor of two. With them W-MPJPE
was 606 mm, without 394, and 89 % of the pairs of sights were told rightly, 94 without."""
ENOUGH = 0.25
"""Share of a window's frames that must show somebody for people to be believed wholly: one camera of four that sees a person all the time."""
LOOSE = 1.25
"""How many times as large it must be to tell the scale again: a rig at the limit would go to and fro between two scales."""
ROUNDS = 4
"""In which a person's own depth factor is solved; each leaves about a tenth of the error of the one before."""


def head_pelvis_ratio(cameras: Cameras, people: People, config: ScaleConfig) -> float:
    """The ratio r of a window: by how much people say that the scene is too near; NaN where no person and frame is valid.

    One person's ratio is the projected over the detected head-pelvis length. Valid: head and pelvis were detected inside the image, the pelvis lies in
    front of the camera, and both lengths pass the gate, so nobody counts who looks along the optical axis with his spine. The mean of
    the ratios is the paper's. One ratio is exact only for a body parallel to the image; `iterated` moves every body by its ratio and
    measures again until both lengths are equal, and takes the median of the factors.
    """
    detected = np.linalg.norm(people.head_pixel - people.pelvis_pixel, axis=-1)
    projected = _projected(cameras, people, np.ones(len(people)))
    shortest = config.min_length_share * cameras.size[people.frame, 1]
    with np.errstate(invalid="ignore"):
        valid = (projected >= shortest) & (detected >= shortest)
    size = cameras.size[people.frame]
    valid &= inside(people.pelvis_pixel, size) & inside(people.head_pixel, size)
    if not valid.any():
        return math.nan
    factor = np.where(valid, projected / np.where(valid, detected, 1.0), 1.0)
    for _ in range(ROUNDS if config.statistic == "iterated" else 0):
        again = _projected(cameras, people, factor) / np.where(valid, detected, 1.0)
        factor = np.where(np.isfinite(again), np.clip(factor * again, 1.0 / config.max_ratio, config.max_ratio), factor)
    middle = np.mean if config.statistic == "mean" else np.median
    return float(middle(factor[valid]))


def shown(cameras: Cameras, people: People) -> float:
    """How far people of a window may set its scale: 1 where a quarter of its frames (`ENOUGH`) show somebody, less where fewer do.

    Somebody who is there is there in most frames; a false detection is alone, and must not make a world.
    """
    return min(1.0, len(np.unique(people.frame)) / (ENOUGH * max(len(cameras), 1)))


def _projected(cameras: Cameras, people: People, factor: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P"]:
    """Head-pelvis lengths in pixels of bodies whose heads are moved along their rays by factors; NaN behind the camera."""
    body = (factor[:, None] * people.head)[:, None] + people.offsets[:, [HEAD, PELVIS]]  # P 2 3, in the camera
    pixels = project(body, cameras.intrinsics[people.frame][:, None])
    return np.asarray(np.linalg.norm(pixels[:, 0] - pixels[:, 1], axis=-1))


def is_tight(
    centres: Float[np.ndarray, "N 3"],
    people: People,
    statics: Statics,
    ratio: float,
    config: ScaleConfig,
    *,
    before: bool = False,
) -> bool:
    """Whether known cameras stand too close together, for the distance at which they look, to tell the scale instead of people.

    Then the errors of the network's camera poses are as large as the baseline, which is here twice the rms distance of the centres from
    their mean: for two cameras, the way between them. The distance is the median of the people's, or, where there is nobody, of the static
    points'; where nothing is seen, cameras are not tight, nor where people may not change the scale.

    Args:
        centres: of all frames with a known pose, metres; a base that moves makes a baseline by that.
        people: of the window.
        statics: of the window.
        ratio: r of the window, which makes the distances metric; without it (NaN) the network's unit is taken for a metre.
        config: how far to believe r, and whether people may change the scale.
        before: whether they did in the window before; then they have to be `LOOSE` for it to end.
    """
    seen = people.head if len(people) else statics.points[statics.weight > 0.0]
    if not config.adjust or not len(seen):
        return False
    baseline = 2.0 * np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=-1).mean())
    metres = min(max(ratio, 1.0 / config.max_ratio), config.max_ratio) if math.isfinite(ratio) else 1.0
    limit = TIGHT * LOOSE if before else TIGHT
    return bool(baseline < limit * metres * np.median(np.linalg.norm(seen, axis=-1)))


def is_loose(strayed: float, config: ScaleConfig, *, before: bool = False) -> bool:
    """Whether the network sees known cameras too far from where they are (`Tie.strayed`) for them to tell the scale instead of people.

    Never where people may not change it. `before`: whether they did in the window before; see `LOOSE`.
    """
    return config.adjust and strayed > (STRAYED / LOOSE if before else STRAYED)


class ScaleFilter:
    """Metres per unit of the network, from window to window.

    Cameras that two windows share tell exactly how their units relate but drift over time; people tell the absolute scale but
    with noise. So the shared cameras carry the scale along and the people correct it slowly, both in the logarithm; at the start the
    people's is the mean over all windows, so that one bad first window does not last.
    """

    def __init__(self, config: ScaleConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget; the network's own unit is believed to be the metre until somebody measures it."""
        self._log = 0.0
        self._measured = 0.0  # windows with people, by the share of their frames that show some
        self._watched = math.nan  # log of people's over the known scale, filtered

    def update(self, ratio: float, carried: float, *, rig: bool, share: float = 1.0) -> float:
        """The scale of a new window, metres per unit.

        Args:
            ratio: r of the window; NaN where nobody measured it. Beyond `max_ratio` it is clipped where it is the first one, and
                left out later.
            carried: the scale that shared or known cameras ask for; NaN where they do not. Where shared ones ask for more than
                `max_ratio` at once, up or down, they are not believed.
            rig: whether `carried` comes from known cameras: then it is the scale, and people are only a monitor. Beyond
                `max_ratio` it is not believed at all: a network whose unit is about a metre has then not seen the rig.
            share: how far to believe `ratio`, in [0, 1], see `shown`.
        """
        config, limit = self._config, math.log(self._config.max_ratio)
        if rig and math.isfinite(carried) and abs(math.log(carried)) <= limit:
            self._log = math.log(carried)
            self._watch(ratio)
            return math.exp(self._log)
        self._watched = math.nan
        if math.isfinite(carried) and not rig and abs(math.log(carried) - self._log) <= limit:
            most = math.log1p(config.max_step)
            self._log += min(max(math.log(carried) - self._log, -most), most)
        absurd = self._measured > 0 and math.isfinite(ratio) and abs(math.log(ratio)) > limit
        if math.isfinite(ratio) and config.adjust and not absurd:
            self._measured += share
            gain = share * max(config.gain, 1.0 / max(self._measured, 1.0))
            self._log += gain * (min(max(math.log(ratio), -limit), limit) - self._log)
        self._log = min(max(self._log, -limit), limit)
        return math.exp(self._log)

    @property
    def value(self) -> float:
        """The scale of the last window."""
        return math.exp(self._log)

    @property
    def watched(self) -> float:
        """What people say of a known scale: theirs over it, filtered; 1 where there is no known scale or nobody measured."""
        return math.exp(self._watched) if math.isfinite(self._watched) else 1.0

    @property
    def alarm(self) -> bool:
        """Whether people and known cameras disagree on the scale: calibration, unit or bodies are then wrong."""
        return abs(self.watched - 1.0) > ALARM

    def _watch(self, ratio: float) -> None:
        if math.isfinite(ratio):
            now = math.log(ratio) - self._log
            self._watched = self._watched + self._config.gain * (now - self._watched) if math.isfinite(self._watched) else now
