"""What is remembered of the people of one camera, as arrays: one row per track."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

DEPTH_GAIN = 0.3
"""Share of the way that a track's depth moves with a new sight: pixels are sure, depths are not, and two tracks must not live on one
person, one on the near sights and one on the far ones."""

TOKEN_GAIN = 0.3
"""Share of the way that a track's token moves with a new sight: one image in which somebody has another's token does not hand the track
over."""


@dataclass(frozen=True)
class Sights:
    """The N people of one image."""

    view: int
    """Index of the camera."""
    stamp_ns: int
    """Of the image."""
    pixel: Float[np.ndarray, "N 2"]
    """Heads."""
    same_px: float
    """Distance of two predictions of one head that is still the same head."""
    token: Float[np.ndarray, "N D"]
    """Human tokens."""
    joints: Float[np.ndarray, "N M 3"]
    """Of the body, in the node's world, metres."""
    toward: Float[np.ndarray, "N 3"]
    """Unit directions from the camera to the people, in the node's world."""
    distance: Float[np.ndarray, "N"]
    """Of the people from the camera, metres."""


@dataclass(frozen=True)
class Seen:
    """Who was seen where in one image, for windows that bring the image again."""

    number: Int[np.ndarray, "N"]
    """Tracks."""
    pixel: Float[np.ndarray, "N 2"]
    """Heads."""

    def carried(self, pixel: Float[np.ndarray, "M 2"], same_px: float) -> Int[np.ndarray, "M"]:
        """The tracks of heads that a new prediction puts here; -1 for who had none."""
        numbers = np.full(len(pixel), -1)
        if len(numbers):
            distance = cdist(self.pixel, pixel)
            rows, columns = linear_sum_assignment(np.minimum(distance, same_px))
            same = distance[rows, columns] < same_px
            numbers[columns[same]] = self.number[rows[same]]
        return numbers


@dataclass
class CameraTracks:
    """N tracks of one camera, by rising number."""

    number: Int[np.ndarray, "N"]
    """Name of the track."""
    token: Float[np.ndarray, "N D"]
    """Smoothed over the images in which seen."""
    joints: Float[np.ndarray, "N M 3"]
    """When last seen, the depth smoothed, in the node's world, metres."""
    last_ns: Int[np.ndarray, "N"]
    """Stamp of the image in which last seen."""
    images: dict[int, Seen] = field(default_factory=dict)
    """By stamp, as long as the image may come again."""

    @classmethod
    def none_yet(cls, sights: Sights) -> CameraTracks:
        """No tracks, for sights of this kind."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, sights.token[:0], sights.joints[:0], empty)

    def carried(self, sights: Sights) -> Int[np.ndarray, "N"]:
        """The tracks that the people of an image had when it came before; -1 for who had none."""
        before = self.images.get(sights.stamp_ns)
        return np.full(len(sights.pixel), -1) if before is None else before.carried(sights.pixel, sights.same_px)

    def free(self, stamp_ns: int) -> Bool[np.ndarray, "N"]:
        """Which tracks may still be in an image: those that were not in it before."""
        before = self.images.get(stamp_ns)
        return np.ones(len(self.number), dtype=bool) if before is None else ~_among(self.number, before.number)

    def see(self, numbers: Int[np.ndarray, "N"], sights: Sights) -> None:
        """Write the people of an image into their tracks; numbers beyond the last one, in rising order, begin new tracks."""
        fresh = numbers > self.number[-1] if len(self.number) else np.ones(len(numbers), dtype=bool)
        if fresh.any():
            self.number = np.append(self.number, numbers[fresh])
            self.token = np.concatenate([self.token, sights.token[fresh]])
            self.joints = np.concatenate([self.joints, sights.joints[fresh]])
            self.last_ns = np.append(self.last_ns, np.full(fresh.sum(), sights.stamp_ns))
        newest = sights.stamp_ns >= self.last_ns[np.searchsorted(self.number, numbers)]
        if newest.any():  # an image that comes again may be older than what is known
            self.follow(numbers, newest, sights)
        self.note(sights.stamp_ns, numbers, sights.pixel)

    def note(self, stamp_ns: int, numbers: Int[np.ndarray, "N"], pixel: Float[np.ndarray, "N 2"]) -> None:
        """Remember who is where in an image, beside others who were found in it before."""
        before = self.images.get(stamp_ns)
        others = ~_among(before.number, numbers) if before is not None else np.zeros(0, dtype=bool)
        if before is not None and others.any():
            numbers, pixel = np.append(before.number[others], numbers), np.concatenate([before.pixel[others], pixel])
        self.images[stamp_ns] = Seen(numbers, pixel)

    def follow(self, numbers: Int[np.ndarray, "N"], which: Bool[np.ndarray, "N"], sights: Sights) -> None:
        """Bring tracks up to some of the people of an image: the newest in which these were seen."""
        joints, toward, place = sights.joints[which], sights.toward[which], np.searchsorted(self.number, numbers[which])
        held = ((self.joints[place] - joints).mean(axis=1) * toward).sum(axis=-1)  # the old depth beside the new one
        self.joints[place] = joints + ((1.0 - DEPTH_GAIN) * held[:, None] * toward)[:, None]
        self.token[place] += TOKEN_GAIN * (sights.token[which] - self.token[place])
        self.last_ns[place] = sights.stamp_ns

    def forget(self, since_ns: int, oldest_ns: int) -> None:
        """Drop tracks last seen before one stamp, and images before another."""
        keep = self.last_ns >= since_ns
        self.number, self.token, self.joints, self.last_ns = (
            values[keep] for values in (self.number, self.token, self.joints, self.last_ns)
        )
        self.images = {stamp: seen for stamp, seen in self.images.items() if stamp >= oldest_ns}


def _among(numbers: Int[np.ndarray, "M"], others: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "M"]:
    """Which numbers are among others; for the few people of an image this is much faster than np.isin."""
    return np.asarray((numbers[:, None] == others).any(axis=1))
