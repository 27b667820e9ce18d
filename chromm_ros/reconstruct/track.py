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

from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import MAIN, People
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
        0.3, "farthest that joints may move between two images by noise alone (mean over joints) [m]", at_least=0.0
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
    joints: Float[np.ndarray, "J 3"]
    """In the node's world when last seen, metres."""
    last_ns: int
    """Stamp of the image in which last seen."""
    pixels: dict[int, Float[np.ndarray, "2"]] = field(default_factory=dict)
    """Head pixel by stamp, for images that the next window may bring again."""


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
            alive = [n for n, track in self.tracks.items() if track.view == view]
            longer_side = float(cameras.size[frame].max())
            self._carry(numbers, here, alive, people.head_pixel, stamp, SAME_PIXEL * longer_side)
            self._follow(numbers, here, alive, people.token, joints[:, :MAIN], stamp)
            for person in here.tolist():
                self._see(numbers, person, view, stamp, people, joints)
        self._forget(cameras)
        return numbers

    def _carry(
        self,
        numbers: Int[np.ndarray, "P"],
        here: Int[np.ndarray, "N"],
        alive: list[int],
        pixels: Float[np.ndarray, "P 2"],
        stamp: int,
        nearest: float,
    ) -> None:
        """Give people of an image that was seen before the tracks that they had in it."""
        had = [n for n in alive if stamp in self.tracks[n].pixels]
        if not had or not len(here):
            return
        before = np.stack([self.tracks[n].pixels[stamp] for n in had])
        distance = np.linalg.norm(before[:, None] - pixels[here][None], axis=-1)
        for row, column in zip(*linear_sum_assignment(np.minimum(distance, nearest)), strict=True):
            if distance[row, column] < nearest:
                numbers[here[column]] = had[row]

    def _follow(
        self,
        numbers: Int[np.ndarray, "P"],
        here: Int[np.ndarray, "N"],
        alive: list[int],
        tokens: Float[np.ndarray, "P D"],
        joints: Float[np.ndarray, "P M 3"],
        stamp: int,
    ) -> None:
        """Give people of an image the tracks that look and stand alike, by optimal transport."""
        new = here[numbers[here] < 0]
        free = [n for n in alive if n not in numbers[here] and stamp not in self.tracks[n].pixels]
        if not free or not len(new):
            return
        tracks = [self.tracks[n] for n in free]
        looks = np.linalg.norm(np.stack([t.token for t in tracks])[:, None] - tokens[new][None], axis=-1)
        apart = np.stack([t.joints[:MAIN] for t in tracks])[:, None] - joints[new][None]
        moved = np.linalg.norm(apart, axis=-1).mean(axis=-1)
        seconds = np.abs(np.array([stamp - t.last_ns for t in tracks])) * 1e-9
        allowed = (self._config.max_step_m + self._config.max_speed_mps * seconds)[:, None]
        share = moved / np.maximum(allowed, 1e-9)
        score = np.where(share <= 1.0, -looks - self._config.displacement_weight * share, -np.inf)
        for row, column in zip(*match(score), strict=True):
            numbers[new[column]] = free[row]

    def _see(
        self,
        numbers: Int[np.ndarray, "P"],
        person: int,
        view: int,
        stamp: int,
        people: People,
        joints: Float[np.ndarray, "P J 3"],
    ) -> None:
        """Write a sight into its track; a person without one starts it."""
        if numbers[person] < 0:
            numbers[person] = self._next
            self.tracks[self._next] = Track(view, people.token[person], joints[person], stamp)
            self._next += 1
        track = self.tracks[int(numbers[person])]
        track.pixels[stamp] = people.head_pixel[person]
        if stamp >= track.last_ns:
            track.token, track.joints, track.last_ns = people.token[person], joints[person], stamp

    def _forget(self, cameras: Cameras) -> None:
        """Drop tracks that are absent too long, and pixels of images that cannot come again."""
        if not len(cameras):
            return
        oldest, newest = int(cameras.stamp_ns.min()), int(cameras.stamp_ns.max())
        gap = int(self._config.max_gap_s * 1e9)
        self.tracks = {n: track for n, track in self.tracks.items() if newest - track.last_ns <= gap or track.last_ns >= oldest}
        for track in self.tracks.values():
            track.pixels = {stamp: pixel for stamp, pixel in track.pixels.items() if stamp >= oldest}
