"""Cameras that do not move: their poses are noticed, held, and let go when they do.

A camera that stays within a tolerance of its mean place for `freeze_after` windows is fixed. From then on its place is that mean, and
since the next window is tied to it, a world with fixed cameras does not drift. Every window checks again where its new images put the
camera, against the place itself and summed up over about ten windows, so a camera that creeps away by more than a fifth of the
tolerance per window is noticed too; one that all cameras creep slower than with is not. Where that can happen, poses belong into TF.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import mean_rotation, rotvec_from_matrix

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
        for camera in np.unique(view[free]).tolist() if self._after else []:
            frames = free & (view == camera)
            if (frames & new).any():
                self._see(camera, poses[frames & new])
            place = self._places.get(camera)
            if place is not None and place.windows >= self._after:
                held[frames] = place.pose
        return held

    def _see(self, camera: int, poses: Float[np.ndarray, "N 4 4"]) -> None:
        """Bring a camera's place up to its new images."""
        now = se3.compose(mean_rotation(poses[:, :3, :3]), poses[:, :3, 3].mean(axis=0))
        place = self._places.setdefault(camera, Place(now, 0))
        turn = rotvec_from_matrix(now[:3, :3] @ place.pose[:3, :3].T)
        away = np.stack([now[:3, 3] - place.pose[:3, 3], turn])
        lean = MEMORY * place.lean + away
        left = (np.linalg.norm(away, axis=1) > self._tolerance) | (np.linalg.norm(lean, axis=1) > LEAN * self._tolerance)
        if left.any():
            self._places[camera] = Place(now)
            return
        place.lean, place.windows = lean, place.windows + 1
        if place.windows < self._after:
            share = 1.0 / place.windows
            both = np.stack([place.pose[:3, :3], now[:3, :3]])
            place.pose = se3.compose(mean_rotation(both, np.array([1.0 - share, share])), place.pose[:3, 3] + share * away[0])
