"""Tracking: who is who from image to image of one camera.

CHROMM (arXiv 2603.12789) compares human tokens by their L2 distance, assigns them by entropy-regularised optimal transport (Sinkhorn)
and removes pairs whose joints moved too far in 3D. Windows overlap, so most images come twice. An image is known by its camera and
stamp, and in the same image a person's head is at the same pixel, whatever the window's world looks like: that carries tracks into
the next window, and only images that are new count as new sights.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

from chromm_ros.geometry.triangulate import dot
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.moved import along, by_axis, mean_length, square
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.recall import by_frame, recall
from chromm_ros.reconstruct.tracks import CameraTracks, Sights
from chromm_ros.reconstruct.transport import match
from chromm_ros.settings import Settings, setting

SAME_PIXEL = 0.03
"""Distance of two predictions of one head in one image, as a share of the image's longer side, that is still the same head."""

UNLIKE, UNLIKE_PER_M = 3.0, 20.0
"""Largest token distance (scaled) that counts for who stands where a track was, and how it grows with metres: two people are not in one
place, so within about 0.3 m, where this passes the dustbin, somebody who looks unlike himself in one image is himself. With the tokens
of 20 % of the images swapped, one camera, three people and 20 windows (three seeds), ids changed 40 times without this and never with
it. With four known cameras, four people and 40 windows (four seeds) ids change never up to 5 %, 8 times at 10 % and 13 times at 20 %: there
looks that are wrong cost more than none would."""


@dataclass(frozen=True)
class TrackingConfig(Settings):
    """Who is the same person from image to image, and how long somebody is remembered."""

    max_gap_s: float = setting(
        2.0,
        "longest absence after which a person keeps the id [s]",
        at_least=0.0,
        at_most=600.0,
    )
    min_hits: int = setting(3, "frame-sets in which a person must be seen to count as tracked, not tentative", at_least=1)
    handover_m: float = setting(
        1.0,
        "farthest from where the others lost a person that a camera which did not know him may find him under the same id, where no "
        "frame-set shows both [m]; looks are not compared, so a stranger who turns up there gets it as well; 0 hands nobody over",
        at_least=0.0,
    )
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


class Tracker:
    """The tracks of all cameras; their numbers are internal and never reused."""

    def __init__(self, config: TrackingConfig) -> None:
        self._config = config
        self._next = 0
        self.cameras: dict[int, CameraTracks] = {}
        """By index of the camera."""

    def reset(self) -> None:
        """Forget all tracks; numbers go on."""
        self.cameras = {}

    @property
    def tracks(self) -> list[int]:
        """Numbers of all tracks that are remembered."""
        return [number for camera in self.cameras.values() for number in camera.number.tolist()]

    def update(
        self, cameras: Cameras, people: People, joints: Float[np.ndarray, "P M 3"], newest_ns: int | None = None
    ) -> Int[np.ndarray, "P"]:
        """The track of every person of a window; new ones where nobody fits.

        Args:
            cameras: of the window.
            people: of the window.
            joints: of their bodies in the node's world.
            newest_ns: stamp of the window's newest frame-set, by which people leave even where no frame can be used; None: that of the
                newest frame.
        """
        numbers = np.full(len(people), -1)
        members = by_frame(people, len(cameras))
        left, newest = recall(self.cameras, cameras, people, members, SAME_PIXEL, numbers)
        moves, album = np.array([bool(newest[here].any()) for here in members], dtype=bool), _Album(cameras, people, joints)
        for step in np.unique(cameras.step[left | moves]):  # oldest first: the frames of one camera are a sequence
            for frame in np.flatnonzero(moves & (cameras.step == step)).tolist():
                here = members[frame]
                sights = album.sights(frame, here)
                self.cameras[sights.view].follow(numbers[here], newest[here], sights)
            frames = np.flatnonzero(left & (cameras.step == step)).tolist()
            images = [album.sights(frame, members[frame]) for frame in frames]
            for frame, named in zip(frames, self._name(images), strict=True):
                numbers[members[frame]] = named
        self._forget(cameras, newest_ns)
        return numbers

    def _name(self, images: list[Sights]) -> list[Int[np.ndarray, "_"]]:
        """The tracks of the people of one moment's images, and the tracks brought up to it."""
        for sights in images:
            if sights.view not in self.cameras:
                self.cameras[sights.view] = CameraTracks.none_yet(sights)
        known = [self.cameras[sights.view] for sights in images]
        numbers = [tracks.carried(sights) for tracks, sights in zip(known, images, strict=True)]
        self._follow(numbers, images, known)
        for named, sights, tracks in zip(numbers, images, known, strict=True):
            new = np.flatnonzero(named < 0)
            named[new] = self._next + np.arange(len(new))
            self._next += len(new)
            tracks.see(named, sights)
        return numbers

    def _follow(self, numbers: list[Int[np.ndarray, "_"]], images: list[Sights], known: list[CameraTracks]) -> None:
        """Give the others tracks that look and stand alike, by optimal transport, all cameras at once."""
        asked = []
        for named, sights, tracks in zip(numbers, images, known, strict=True):
            new = np.flatnonzero(named < 0)
            free = np.flatnonzero(tracks.free(sights.stamp_ns)) if len(new) else new
            if len(free):
                asked.append((named, tracks.number[free], new, self._scores(tracks, free, sights, new)))
        if not asked:
            return
        shape = np.max([scores.shape for *_, scores in asked], axis=0)
        filled = np.full((len(asked), *shape), -np.inf)
        for k, (*_, scores) in enumerate(asked):
            filled[k, : scores.shape[0], : scores.shape[1]] = scores
        for (named, free, new, _), chosen in zip(asked, match(filled), strict=True):
            rows, columns = np.nonzero(chosen)
            named[new[columns]] = free[rows]

    def _scores(
        self, tracks: CameraTracks, free: Int[np.ndarray, "M"], sights: Sights, new: Int[np.ndarray, "N"]
    ) -> Float[np.ndarray, "M N"]:
        """How well new people of an image go with tracks: not above zero, -inf where joints moved too far or too long ago."""
        config = self._config
        looks = cdist(tracks.token[free], sights.token[new]) / config.token_scale
        seconds = np.abs(sights.stamp_ns - tracks.last_ns[free]) * 1e-9
        allowed = np.maximum(config.max_step_m + config.max_speed_mps * seconds, 1e-9)[:, None]
        toward, distance = sights.toward[new], sights.distance[new]
        origin = sights.joints[new[0], 0]
        before, now = by_axis(tracks.joints[free], origin), by_axis(sights.joints[new], origin)
        moved = before[:, :, None] - now[:, None]  # 3 M N joints
        # Pixels are sure and depths are not: what moved along the line of sight counts less, the farther the more so.
        counts = (allowed / (allowed + config.depth_tolerance * distance)).astype(np.float32)[..., None]
        apart = mean_length(square(moved) - (1.0 - counts * counts) * along(moved, toward) ** 2)
        share = apart / allowed
        fits = (share <= 1.0) & (seconds <= config.max_gap_s)[:, None]
        if config.displacement_weight > 0.0:
            looks = np.minimum(looks, UNLIKE + UNLIKE_PER_M * apart)
        return np.where(fits, -looks - config.displacement_weight * share, -np.inf)

    def _forget(self, cameras: Cameras, newest_ns: int | None) -> None:
        """Drop tracks that are absent too long, and images that cannot come again."""
        if newest_ns is None and not len(cameras):
            return
        newest = int(cameras.stamp_ns.max()) if newest_ns is None else newest_ns
        oldest = int(cameras.stamp_ns.min(initial=newest))
        for tracks in self.cameras.values():
            tracks.forget(min(oldest, newest - int(self._config.max_gap_s * 1e9)), oldest)


class _Album:
    """The people of a window by their images."""

    def __init__(self, cameras: Cameras, people: People, joints: Float[np.ndarray, "P M 3"]) -> None:
        self._cameras, self._people, self._joints = cameras, people, joints
        ray = joints.mean(axis=1) - cameras.world_from_cam[people.frame, :3, 3]
        self._distance = np.maximum(np.sqrt(dot(ray, ray)), 1e-9)
        self._toward = ray / self._distance[:, None]

    def sights(self, frame: int, here: Int[np.ndarray, "N"]) -> Sights:
        """Those of one frame."""
        return Sights(
            view=int(self._cameras.view[frame]),
            stamp_ns=int(self._cameras.stamp_ns[frame]),
            pixel=self._people.head_pixel[here],
            same_px=SAME_PIXEL * float(self._cameras.size[frame].max()),
            token=self._people.token[here],
            joints=self._joints[here],
            toward=self._toward[here],
            distance=self._distance[here],
        )
