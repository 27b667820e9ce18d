"""What two windows see alike: the same pixel of the same image shows the same point, unless it is on a person.

A few such points per image, kept from one window to the next, join windows better than camera poses alone: they tell the ratio of the
windows' units even where all cameras stand in one place, and they use all that the network knows of the scene. Their errors grow with
distance and have heavy tails, so they are fitted with Huber's weights on errors relative to distance (iteratively reweighted least
squares, each step in closed form: Umeyama 1991).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry import se3
from chromm_ros.geometry.sim3 import Similarity, fit_points
from chromm_ros.reconstruct.arrays import numpy_of
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.sound import near
from chromm_ros.records import Prediction

PERSON = 0.2
"""Probability from which a patch may show a person; lower than that of the cloud, since here points are plenty."""
HUBER = 1.345
"""Standard deviations from which an error pulls no harder (95 % efficient for Gaussian errors)."""
CENTRE = 3.0
"""Weight of a camera's centre, at the mean distance of its points, relative to all these together. Points alone let cameras that stand
far apart drift one and a half times as much as poses alone; poses alone let a rig in one place turn away eight times as far. This lets
neither (planted noise, 40 windows)."""
ROUNDS = 5
CONVERGED = 0.01
"""Change of the error, as a share of it, below which no further round is worth its time."""
FEWEST = 24
"""Points below which poses are believed alone."""
WORST = 0.1
"""Error relative to distance (median) beyond which the two windows do not see the same scene."""
CHANGED = 0.1
"""Change of a point's distance from its camera (logarithm, relative to all others) that is no noise."""
FLAT = 1e-3
"""Smallest spread across the main direction of points that fixes a rotation, as a share of the spread along it."""
CLOSEST = 1e-6
"""Depth from which a point counts, in the network's unit: ratios of distances below it are no numbers any more."""


@dataclass(frozen=True)
class Statics:
    """A few points of every image of a window, F images with N points."""

    points: Float[np.ndarray, "F N 3"]
    """In the frame's camera, the network's unit; 0 where unknown."""
    weight: Float[np.ndarray, "F N"]
    """Confidence; 0 where the point is unknown or may be on a person."""

    @classmethod
    def read(cls, prediction: Prediction, cameras: Cameras, count: int) -> Statics:
        """About `count` points per image on a regular grid, the same pixels of an image in whatever window it comes."""
        height, width = prediction.confidence.shape[1:]
        if not count or not len(cameras) or not height * width:
            return cls(np.zeros((len(cameras), 0, 3)), np.zeros((len(cameras), 0)))
        stride = max(1, int(np.ceil(np.sqrt(height * width / count))))
        rows, columns = (slice(min(stride // 2, size - 1), None, stride) for size in (height, width))
        points = numpy_of(prediction.points[:, rows, columns])[cameras.index].reshape(len(cameras), -1, 3).astype(np.float64)
        weight = numpy_of(prediction.confidence[:, rows, columns])[cameras.index].reshape(len(cameras), -1).astype(np.float64)
        human = numpy_of(prediction.human_mask)[cameras.index]
        row, column = np.arange(height)[rows] * human.shape[1] // height, np.arange(width)[columns] * human.shape[2] // width
        masked = human[:, row[:, None], column[None, :]].reshape(weight.shape) >= PERSON
        known = near(points) & np.isfinite(weight) & (np.nan_to_num(points[..., 2]) > CLOSEST) & ~masked
        return cls(np.where(known[..., None], points, 0.0), np.where(known, np.clip(np.nan_to_num(weight), 0.0, 1.0), 0.0))


@dataclass(frozen=True)
class Overlap:
    """A fit of points that two windows see."""

    free: Similarity
    """From the window's to the node's world, the unit as the points ask for it."""
    middle: Float[np.ndarray, "3"]
    """Of the points in the window's world, weighted: it stays where it is whatever the unit."""
    count: int
    """Points and cameras that take part."""
    error: float
    """Error relative to distance that the fit leaves (median)."""
    flat: bool
    """Whether the points lie on one line, so that they fix no rotation."""
    unit: float = 1.0
    """Metres per unit by the points' distances from their cameras alone (median)."""
    changed: float = 0.0
    """Share of the points whose distance is another one by more than `CHANGED`."""

    @property
    def tells(self) -> bool:
        """Whether both windows see one scene, and enough of it."""
        return self.error < WORST and not self.flat

    def fit(self, scale: float) -> Similarity:
        """From the window's to the node's world, with the unit given: the rotation does not depend on it (Umeyama 1991, eq. 40)."""
        turned = self.free.rotation @ self.middle
        there = float(self.free.scale) * turned + self.free.translation
        return Similarity(np.array(scale), self.free.rotation, there - scale * turned)


class OverlapMemory:
    """The static points of the last window, in the node's world."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self._row: dict[tuple[int, int], int] = {}
        self._newest: dict[int, int] = {}
        self._points, self._weight = np.zeros((0, 0, 3)), np.zeros((0, 0))
        self._distance, self._centres = np.zeros((0, 0)), np.zeros((0, 3))

    @property
    def reach_m(self) -> float:
        """How far the points lie from their cameras (mean); 0 where there are none."""
        seen = self._distance[self._weight > 0.0]
        return float(seen.mean()) if seen.size else 0.0

    def keep(self, keys: list[tuple[int, int]], cameras: Cameras, statics: Statics) -> None:
        """Remember a window.

        Args:
            keys: camera and stamp of each image.
            cameras: stitched.
            statics: of the window.
        """
        self._row = {key: row for row, key in enumerate(keys)}
        self._newest = {view: row for row, (view, _) in enumerate(keys)}  # later images of a camera overwrite earlier ones
        self._points = se3.apply(cameras.world_from_cam, cameras.unit * statics.points)
        self._distance = cameras.unit * _length(statics.points)
        self._weight, self._centres = statics.weight, cameras.world_from_cam[:, :3, 3]

    def join(
        self,
        keys: list[tuple[int, int]],
        cameras: Cameras,
        statics: Statics,
        start: Similarity,
        *,
        standing: bool = False,
    ) -> Overlap | None:
        """Points that the last window saw too, weighted, and their fit; None where there are too few.

        Args:
            keys: camera and stamp of each image.
            cameras: in the window's world.
            statics: of the window.
            start: where poses put the window; its scale is not used.
            standing: whether cameras are taken to stand: then any image of one shows what its newest one of the last window showed.
        """
        rows = np.array([self._row.get(key, self._newest.get(key[0], -1) if standing else -1) for key in keys], dtype=np.int64)
        new = np.flatnonzero(rows >= 0)
        old = rows[new]
        if not len(new) or statics.weight.shape[1] != self._weight.shape[1]:
            return None
        points, distance = statics.points[new], self._distance[old]
        pair = np.minimum(statics.weight[new], self._weight[old])
        chosen = (pair > 0.0) & (distance > 1e-6)
        if int(chosen.sum()) < FEWEST:
            return None
        units = distance[chosen] / _length(points[chosen])
        unit = float(np.median(units))
        changed = float((np.abs(np.log(units / unit)) > CHANGED).mean())
        each = chosen.sum(axis=1)
        far = np.where(chosen, distance, 0.0).sum(axis=1) / np.maximum(each, 1)
        seen, poses = each > 0, cameras.world_from_cam[new]
        fit = _huber(
            np.concatenate([se3.apply(poses, points)[chosen], poses[seen, :3, 3]]),
            np.concatenate([self._points[old][chosen], self._centres[old][seen]]),
            np.concatenate([distance[chosen], far[seen]]),
            np.concatenate([pair[chosen], CENTRE * np.where(chosen, pair, 0.0).sum(axis=1)[seen]]),
            _at_scale(start, unit, poses[:, :3, 3]),
        )
        return replace(fit, unit=unit, changed=changed)


def _length(points: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B"]:
    """Euclidean, several times as fast as NumPy's norm."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", points, points)))


def _at_scale(start: Similarity, scale: float, centres: Float[np.ndarray, "M 3"]) -> Similarity:
    """The same turn with another unit, so that the middle of the shared cameras stays where it is."""
    middle = centres.mean(axis=0)
    there = start.apply(middle[None])[0]
    return Similarity(np.array(scale), start.rotation, there - scale * (start.rotation @ middle))


def _huber(
    source: Float[np.ndarray, "K 3"],
    target: Float[np.ndarray, "K 3"],
    distance: Float[np.ndarray, "K"],
    pair: Float[np.ndarray, "K"],
    start: Similarity,
) -> Overlap:
    prior, fit, error, weight = pair / distance**2, start, 0.0, pair
    for _ in range(ROUNDS):
        far = _length(fit.apply(source) - target) / distance
        before, error = error, float(np.median(far))
        if abs(error - before) < CONVERGED * error:
            break
        weight = prior * np.minimum(1.0, HUBER * max(error, 1e-9) / np.maximum(far, 1e-12))
        fit = fit_points(source, target, weight)
    total = weight.sum()
    away = target - weight @ target / total
    spread = np.linalg.eigvalsh((away * weight[:, None]).T @ away)
    return Overlap(fit, weight @ source / total, len(weight), error, not spread[1] > FLAT * spread[2])
