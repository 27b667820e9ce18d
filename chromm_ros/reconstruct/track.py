"""Tracking: who is who from image to image of one camera.

CHROMM (arXiv 2603.12789) compares human tokens by their L2 distance, assigns them by entropy-regularised optimal transport (Sinkhorn)
and removes pairs whose joints moved too far in 3D. Windows overlap, so most images come twice. An image is known by its camera and
stamp, and in the same image a person's head is at the same pixel, whatever the window's world looks like: that carries tracks into
the next window, and only images that are new count as new sights.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from chromm_ros.body.skeleton import BODY_JOINTS
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.transport import match
from chromm_ros.settings import Settings, setting

SAME_PIXEL = 0.03
"""Distance of two predictions of one head in one image, as a share of the image's longer side, that is still the same head."""


@dataclass(frozen=True)
class TrackingConfig(Settings):
    """Who is the same person from image to image, and how long somebody is remembered."""

    max_gap_s: float = setting(2.0, "longest absence after which a person keeps the id [s]", at_least=0.0, at_most=600.0)
    min_hits: int = setting(3, "frame-sets in which a person must be seen to count as tracked, not tentative", at_least=1)
    max_step_m: float = setting(
        1.0, "farthest that joints may move between two images by noise alone (mean over joints) [m]", at_least=0.0
    )
    max_speed_mps: float = setting(4.0, "fastest that joints may move on top of that [m/s]", at_least=0.0)
    displacement_weight: float = setting(
        5.0,
        "token distance that the farthest allowed displacement is worth: tells people apart whose tokens are alike; "
        "0 leaves displacement a gate only, as in the paper",
        at_least=0.0,
    )


@dataclass
class Track:
    """One person in one camera."""

    view: int
    """Index of the camera."""
    token: Float[np.ndarray, "D"]
    """When last seen."""
    joints: Float[np.ndarray, "M 3"]
    """Of the body, in the node's world when last seen, metres."""
    last_ns: int
    """Stamp of the image in which last seen."""
    pixels: dict[int, Float[np.ndarray, "2"]] = field(default_factory=dict)
    """Head pixel by stamp, for images that the next window may bring again."""


@dataclass(frozen=True)
class Sights:
    """The N people of one image."""

    view: int
    """Index of the camera."""
    stamp_ns: int
    """Of the image."""
    pixel: Float[np.ndarray, "N 2"]
    """Heads."""
    token: Float[np.ndarray, "N D"]
    """Human tokens."""
    joints: Float[np.ndarray, "N M 3"]
    """Of the body, in the node's world, metres."""


class Tracker:
    """The tracks of all cameras; their numbers are internal and never reused."""

    def __init__(self, config: TrackingConfig) -> None:
        self._config = config
        self._next = 0
        self.tracks: dict[int, Track] = {}

    def reset(self) -> None:
        """Forget all tracks; numbers go on."""
        self.tracks = {}

    def update(self, cameras: Cameras, people: People, joints: Float[np.ndarray, "P J 3"]) -> Int[np.ndarray, "P"]:
        """The track of every person of a window; new ones where nobody fits.

        Args:
            cameras: of the window.
            people: of the window.
            joints: theirs in the node's world.
        """
        numbers = np.full(len(people), -1)
        for frame in range(len(cameras)):  # oldest first: the frames of one camera are a sequence
            here = np.flatnonzero(people.frame == frame)
            view, stamp = int(cameras.view[frame]), int(cameras.stamp_ns[frame])
            sights = Sights(view, stamp, people.head_pixel[here], people.token[here], joints[here, :BODY_JOINTS])
            numbers[here] = self._name(sights, SAME_PIXEL * float(cameras.size[frame].max()))
        self._forget(cameras)
        return numbers

    def _name(self, sights: Sights, same_px: float) -> Int[np.ndarray, "N"]:
        """The tracks of the people of one image, and the tracks brought up to it."""
        alive = [number for number, track in self.tracks.items() if track.view == sights.view]
        numbers = np.full(len(sights.pixel), -1)
        self._carry(numbers, sights, [n for n in alive if sights.stamp_ns in self.tracks[n].pixels], same_px)
        self._follow(numbers, sights, [n for n in alive if sights.stamp_ns not in self.tracks[n].pixels])
        for person in range(len(numbers)):
            if numbers[person] < 0:
                numbers[person], self._next = self._next, self._next + 1
            self._see(int(numbers[person]), sights, person)
        return numbers

    def _carry(self, numbers: Int[np.ndarray, "N"], sights: Sights, had: list[int], same_px: float) -> None:
        """Give people of an image that came before the tracks that they had in it."""
        if not had or not len(numbers):
            return
        before = np.stack([self.tracks[n].pixels[sights.stamp_ns] for n in had])
        distance = np.linalg.norm(before[:, None] - sights.pixel[None], axis=-1)
        for row, column in zip(*linear_sum_assignment(np.minimum(distance, same_px)), strict=True):
            if distance[row, column] < same_px:
                numbers[column] = had[row]

    def _follow(self, numbers: Int[np.ndarray, "N"], sights: Sights, free: list[int]) -> None:
        """Give the others tracks that look and stand alike, by optimal transport."""
        new = np.flatnonzero(numbers < 0)
        if not free or not len(new):
            return
        tracks = [self.tracks[n] for n in free]
        looks = np.linalg.norm(np.stack([t.token for t in tracks])[:, None] - sights.token[new][None], axis=-1)
        apart = np.stack([t.joints for t in tracks])[:, None] - sights.joints[new][None]
        moved = np.linalg.norm(apart, axis=-1).mean(axis=-1)
        seconds = np.abs(np.array([sights.stamp_ns - t.last_ns for t in tracks])) * 1e-9
        allowed = (self._config.max_step_m + self._config.max_speed_mps * seconds)[:, None]
        share = moved / np.maximum(allowed, 1e-9)
        score = np.where(share <= 1.0, -looks - self._config.displacement_weight * share, -np.inf)
        rows, columns = match(score)
        numbers[new[columns]] = np.array(free)[rows]

    def _see(self, number: int, sights: Sights, person: int) -> None:
        """Write a sight into its track; a new number starts one."""
        token, joints, stamp = sights.token[person], sights.joints[person], sights.stamp_ns
        track = self.tracks.setdefault(number, Track(sights.view, token, joints, stamp))
        track.pixels[stamp] = sights.pixel[person]
        if stamp >= track.last_ns:
            track.token, track.joints, track.last_ns = token, joints, stamp

    def _forget(self, cameras: Cameras) -> None:
        """Drop tracks that are absent too long, and pixels of images that cannot come again."""
        if not len(cameras):
            return
        oldest, newest = int(cameras.stamp_ns.min()), int(cameras.stamp_ns.max())
        since = min(oldest, newest - int(self._config.max_gap_s * 1e9))
        self.tracks = {number: track for number, track in self.tracks.items() if track.last_ns >= since}
        for track in self.tracks.values():
            track.pixels = {stamp: pixel for stamp, pixel in track.pixels.items() if stamp >= oldest}
