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
from scipy.spatial.distance import cdist

from chromm_ros.body.skeleton import BODY_JOINTS
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.transport import match
from chromm_ros.settings import Settings, setting

SAME_PIXEL = 0.03
"""Distance of two predictions of one head in one image, as a share of the image's longer side, that is still the same head."""

DEPTH_GAIN = 0.3
"""Share of the way that a track's depth moves with a new sight: pixels are sure, depths are not, and two tracks must not live on one
person, one on the near sights and one on the far ones."""


@dataclass(frozen=True)
class TrackingConfig(Settings):
    """Who is the same person from image to image, and how long somebody is remembered."""

    max_gap_s: float = setting(2.0, "longest absence after which a person keeps the id [s]", at_least=0.0, at_most=600.0)
    min_hits: int = setting(3, "frame-sets in which a person must be seen to count as tracked, not tentative", at_least=1)
    max_step_m: float = setting(
        1.0, "farthest that joints may move between two images by noise alone (mean over joints) [m]", at_least=0.0
    )
    max_speed_mps: float = setting(4.0, "fastest that joints may move on top of that [m/s]", at_least=0.0)
    depth_tolerance: float = setting(
        0.25, "noise of depths that is forgiven on top of that along the line of sight, as a share of the distance", at_least=0.0
    )
    displacement_weight: float = setting(
        5.0,
        "token distance that the farthest allowed displacement is worth: tells people apart whose tokens are alike; "
        "0 leaves displacement a gate only, as in the paper",
        at_least=0.0,
    )
    token_scale: float = setting(
        1.0, "what token distances are divided by; staying unmatched costs a distance of 10 after that", at_least=1e-6
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
    same_px: float
    """Distance of two predictions of one head that is still the same head."""
    token: Float[np.ndarray, "N D"]
    """Human tokens."""
    joints: Float[np.ndarray, "N M 3"]
    """Of the body, in the node's world, metres."""
    centre: Float[np.ndarray, "3"]
    """Of the camera, in the node's world, metres."""


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
        for step in np.unique(cameras.step):  # oldest first: the frames of one camera are a sequence
            frames = np.flatnonzero(cameras.step == step)
            members = [np.flatnonzero(people.frame == frame) for frame in frames]
            images = [_sights(cameras, people, joints, int(f), here) for f, here in zip(frames, members, strict=True)]
            for here, named in zip(members, self._name(images), strict=True):
                numbers[here] = named
        self._forget(cameras)
        return numbers

    def _name(self, images: list[Sights]) -> list[Int[np.ndarray, "N"]]:
        """The tracks of the people of one moment's images, and the tracks brought up to it."""
        of_view: dict[int, list[int]] = {}
        for number, track in self.tracks.items():
            of_view.setdefault(track.view, []).append(number)
        numbers = [np.full(len(sights.pixel), -1) for sights in images]
        free = []
        for named, sights in zip(numbers, images, strict=True):
            alive = of_view.get(sights.view, [])
            self._carry(named, sights, [n for n in alive if sights.stamp_ns in self.tracks[n].pixels])
            free.append([n for n in alive if sights.stamp_ns not in self.tracks[n].pixels])
        self._follow(numbers, images, free)
        for named, sights in zip(numbers, images, strict=True):
            new = np.flatnonzero(named < 0)
            named[new] = self._next + np.arange(len(new))
            self._next += len(new)
            for person, number in enumerate(named.tolist()):
                self._see(number, sights, person)
        return numbers

    def _carry(self, numbers: Int[np.ndarray, "N"], sights: Sights, had: list[int]) -> None:
        """Give people of an image that came before the tracks that they had in it."""
        if not had or not len(numbers):
            return
        before = np.stack([self.tracks[n].pixels[sights.stamp_ns] for n in had])
        distance = cdist(before, sights.pixel)
        for row, column in zip(*linear_sum_assignment(np.minimum(distance, sights.same_px)), strict=True):
            if distance[row, column] < sights.same_px:
                numbers[column] = had[row]

    def _follow(self, numbers: list[Int[np.ndarray, "N"]], images: list[Sights], free: list[list[int]]) -> None:
        """Give the others tracks that look and stand alike, by optimal transport, all cameras at once."""
        open_ = [np.flatnonzero(named < 0) for named in numbers]
        asked = [i for i, new in enumerate(open_) if len(new) and free[i]]
        if not asked:
            return
        scores = np.full((len(asked), max(len(free[i]) for i in asked), max(len(open_[i]) for i in asked)), -np.inf)
        for k, i in enumerate(asked):
            scores[k, : len(free[i]), : len(open_[i])] = self._scores([self.tracks[n] for n in free[i]], images[i], open_[i])
        for k, row, column in np.argwhere(match(scores)):
            numbers[asked[k]][open_[asked[k]][column]] = free[asked[k]][row]

    def _scores(self, tracks: list[Track], sights: Sights, new: Int[np.ndarray, "N"]) -> Float[np.ndarray, "M N"]:
        """How well new people of an image go with tracks: not above zero, -inf where joints moved too far."""
        config = self._config
        looks = cdist(np.stack([track.token for track in tracks]), sights.token[new]) / config.token_scale
        seconds = np.abs(np.array([sights.stamp_ns - track.last_ns for track in tracks])) * 1e-9
        allowed = np.maximum(config.max_step_m + config.max_speed_mps * seconds, 1e-9)[:, None]
        moved = np.stack([track.joints for track in tracks])[:, None] - sights.joints[new][None]  # M N joints 3
        away = (sights.joints[new] - sights.centre).mean(axis=1)
        distance = np.maximum(np.linalg.norm(away, axis=-1), 1e-9)
        along = np.einsum("mnjd,nd->mnj", moved, away / distance[:, None])
        # Pixels are sure and depths are not: what moved along the line of sight counts less, the farther the more so.
        forgiven = (allowed / (allowed + config.depth_tolerance * distance))[..., None]
        square = np.einsum("mnjd,mnjd->mnj", moved, moved) - (1.0 - forgiven**2) * along**2
        share = np.sqrt(np.maximum(square, 0.0)).mean(axis=-1) / allowed
        return np.where(share <= 1.0, -looks - config.displacement_weight * share, -np.inf)

    def _see(self, number: int, sights: Sights, person: int) -> None:
        """Write a sight into its track; a new number starts one."""
        token, joints, stamp = sights.token[person], sights.joints[person], sights.stamp_ns
        track = self.tracks.setdefault(number, Track(sights.view, token, joints, stamp))
        track.pixels[stamp] = sights.pixel[person]
        if stamp >= track.last_ns:
            away = joints.mean(axis=0) - sights.centre
            away /= max(float(np.linalg.norm(away)), 1e-9)
            held = float((track.joints - joints).mean(axis=0) @ away)  # the old depth beside the new one
            track.token, track.joints, track.last_ns = token, joints + (1.0 - DEPTH_GAIN) * held * away, stamp

    def _forget(self, cameras: Cameras) -> None:
        """Drop tracks that are absent too long, and pixels of images that cannot come again."""
        if not len(cameras):
            return
        oldest, newest = int(cameras.stamp_ns.min()), int(cameras.stamp_ns.max())
        since = min(oldest, newest - int(self._config.max_gap_s * 1e9))
        self.tracks = {number: track for number, track in self.tracks.items() if track.last_ns >= since}
        for track in self.tracks.values():
            track.pixels = {stamp: pixel for stamp, pixel in track.pixels.items() if stamp >= oldest}


def _sights(
    cameras: Cameras, people: People, joints: Float[np.ndarray, "P J 3"], frame: int, here: Int[np.ndarray, "N"]
) -> Sights:
    return Sights(
        view=int(cameras.view[frame]),
        stamp_ns=int(cameras.stamp_ns[frame]),
        pixel=people.head_pixel[here],
        same_px=SAME_PIXEL * float(cameras.size[frame].max()),
        token=people.token[here],
        joints=joints[here, :BODY_JOINTS],
        centre=cameras.world_from_cam[frame, :3, 3],
    )
