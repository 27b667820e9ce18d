"""Cameras that do not move: their poses are noticed, held, and let go when they do.

A camera that stays within a tolerance of its mean place for `freeze_after` windows is fixed. From then on its place is that mean, and
since the next window is tied to it, a world with fixed cameras does not drift. Every window checks again where its new images put the
camera, against the place itself and summed up over about ten windows, so a camera that creeps away by more than a fifth of the
tolerance per window is noticed too. A rig whose cameras all move more slowly than that is not, for the next window is tied to the
places themselves: with the usual tolerance of 0.1 m and ten windows per second, a robot at 0.1 m/s. So nothing is held unless asked for,
where cameras are mounted in a room, and a slow robot's poses belong into TF.

Places know no scale of their own: where people correct the scale of the world, places follow (`FixedCameras.follow`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import nearest_rotation, rotvec_from_matrix
from chromm_ros.geometry.sim3 import Similarity

MEMORY = 0.9
"""Share of the summed deviation that a window keeps."""
LEAN = 2.0
"""Tolerances that the summed deviation may reach."""


@dataclass
class Place:
    """Where a camera seems to stand."""

    pose: Float[np.ndarray, "4 4"]
    """Mean world_from_cam."""
    windows: int = 1
    """In a row in which it stood there."""
    lean: Float[np.ndarray, "2 3"] = field(default_factory=lambda: np.zeros((2, 3)))
    """Deviations summed up with a fading memory: metres, radians."""


class FixedCameras:
    """The places of all cameras.

    Args:
        after: windows until a camera is fixed; 0 never.
        distance_m: tolerance of the place.
        angle_deg: tolerance of the direction.
    """

    def __init__(self, after: int, distance_m: float, angle_deg: float) -> None:
        self._after = after
        self._tolerance = np.array([distance_m, np.radians(angle_deg)])
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self._places: dict[int, Place] = {}

    @property
    def count(self) -> int:
        """Cameras that are fixed now."""
        return sum(place.windows >= self._after for place in self._places.values()) if self._after else 0

    def hold(
        self,
        poses: Float[np.ndarray, "F 4 4"],
        view: Int[np.ndarray, "F"],
        new: Bool[np.ndarray, "F"],
        free: Bool[np.ndarray, "F"],
    ) -> Float[np.ndarray, "F 4 4"]:
        """The poses of a window with those of fixed cameras at their places.

        Args:
            poses: estimates in the node's world.
            view: camera of each frame.
            new: frames that no window had before.
            free: frames whose pose is not known otherwise.
        """
        held = poses.copy()
        if self._after and free.any():
            self._see(poses[free & new], view[free & new])
            for frame in np.flatnonzero(free):
                place = self._places.get(int(view[frame]))
                if place is not None and place.windows >= self._after:
                    held[frame] = place.pose
        return held

    def follow(self, moved: Similarity) -> None:
        """Take the places along where the world is given another scale: they were seen in the old one.

        Args:
            moved: from the world as it was to the world as it is.
        """
        for place in self._places.values():
            place.pose = moved.apply_to_poses(place.pose[None])[0]

    def _see(self, poses: Float[np.ndarray, "N 4 4"], view: Int[np.ndarray, "N"]) -> None:
        """Bring the places of cameras up to their new images."""
        names, row, count = np.unique(view, return_inverse=True, return_counts=True)
        total = np.zeros((len(names), 4, 4))
        np.add.at(total, row.reshape(-1), poses)
        now = se3.compose(nearest_rotation(total[:, :3, :3]), total[:, :3, 3] / count[:, None])
        places = [self._places.setdefault(name, Place(pose, 0)) for name, pose in zip(names.tolist(), now, strict=True)]
        before = np.array([place.pose for place in places]).reshape(-1, 4, 4)
        turn = rotvec_from_matrix(now[:, :3, :3] @ np.swapaxes(before[:, :3, :3], 1, 2))
        away = np.stack([now[:, :3, 3] - before[:, :3, 3], turn], axis=1)  # cameras 2 3
        lean = MEMORY * np.array([place.lean for place in places]).reshape(-1, 2, 3) + away
        left = (np.linalg.norm(away, axis=2) > self._tolerance) | (np.linalg.norm(lean, axis=2) > LEAN * self._tolerance)
        windows = np.array([place.windows for place in places]) + 1
        share = (1.0 / np.maximum(windows, 1))[:, None, None]
        turned = nearest_rotation((1.0 - share) * before[:, :3, :3] + share * now[:, :3, :3])
        mean = se3.compose(turned, before[:, :3, 3] + share[:, 0] * away[:, 0])
        for k, (name, place) in enumerate(zip(names.tolist(), places, strict=True)):
            if left[k].any():
                self._places[name] = Place(now[k])
                continue
            place.lean, place.windows = lean[k], int(windows[k])
            if place.windows < self._after:
                place.pose = mean[k]
