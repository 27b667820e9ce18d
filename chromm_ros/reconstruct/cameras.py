"""The cameras of one window: frame by frame, first in the window's own world, after stitching in the node's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import is_rotation, nearest_rotation
from chromm_ros.reconstruct.arrays import float64, integers
from chromm_ros.records import CameraEstimate, Prediction, Window

FARTHEST_KNOWN = 1e8
"""Largest coordinate of a known pose, metres: beyond, or with a rotation that is none, it counts as unknown."""


@dataclass(frozen=True)
class Cameras:
    """The F frames of a window as arrays, oldest step first and by view within a step."""

    index: Int[np.ndarray, "F"]
    """Place of the frame in the prediction."""
    step: Int[np.ndarray, "F"]
    """Time step in the window."""
    view: Int[np.ndarray, "F"]
    """Index of the camera."""
    stamp_ns: Int[np.ndarray, "F"]
    """Stamp of the frame itself; with the view it names an image across windows."""
    size: Float[np.ndarray, "F 2"]
    """Width and height in pixels."""
    intrinsics: Float[np.ndarray, "F 3 3"]
    """In pixels of the original image."""
    world_from_cam: Float[np.ndarray, "F 4 4"]
    """In the window's world in the network's unit, or, once stitched, in the node's world in metres."""
    known: Float[np.ndarray, "F 4 4"]
    """Known poses (from TF), metres; NaN where unknown."""
    calibrated: Bool[np.ndarray, "F"]
    """Whether the intrinsics are known, not guessed."""
    unit: float = 1.0
    """Metres per unit of the network: lengths in a camera (depths, point maps, head positions) are to be multiplied by it."""

    @classmethod
    def read(cls, window: Window, prediction: Prediction) -> Cameras:
        """The frames of a sound prediction (`sound`); one whose pose or intrinsics are not finite is left out.

        Rotations are made true ones: Pi3X's own stitching, for one, hands on poses with a scale in them.
        """
        step, view = integers(prediction.step), integers(prediction.view)
        pose, intrinsics = float64(prediction.world_from_cam), float64(prediction.intrinsics)
        usable = np.isfinite(pose).all(axis=(-2, -1)) & np.isfinite(intrinsics).all(axis=(-2, -1))
        order = np.lexsort((view, step))
        order = order[usable[order]]
        frames = [window.sets[step[i]].frames[view[i]] for i in order]
        known, stamps = np.full((len(frames), 4, 4), np.nan), np.zeros(len(frames), dtype=np.int64)
        calibrated = np.zeros(len(frames), dtype=bool)
        for i, frame in enumerate(frames):
            assert frame is not None, "the prediction holds a frame that the window lacks"
            stamps[i] = frame.stamp_ns
            calibrated[i] = frame.intrinsics is not None
            if frame.world_from_cam is not None:
                known[i] = frame.world_from_cam
        known[~(is_rotation(known[:, :3, :3], tolerance=0.05) & (np.abs(known[:, :3, 3]) <= FARTHEST_KNOWN).all(axis=-1))] = (
            np.nan
        )
        size = float64(prediction.image_size)[order]
        pose = se3.compose(nearest_rotation(pose[order, :3, :3]), pose[order, :3, 3])
        return cls(order, step[order], view[order], stamps, size, intrinsics[order], pose, known, calibrated)

    def placed(self, world_from_cam: Float[np.ndarray, "F 4 4"], unit: float) -> Cameras:
        """The same cameras with their poses in another world and what its unit is."""
        return replace(self, world_from_cam=world_from_cam, unit=unit)

    def __len__(self) -> int:
        return len(self.step)


def estimates(cameras: Cameras, names: tuple[str, ...], steps: int) -> tuple[CameraEstimate, ...]:
    """Every camera at its newest frame of the window, in the order of the stream."""
    newest = {int(view): i for i, view in enumerate(cameras.view)}  # later frames of a view overwrite earlier ones
    return tuple(
        CameraEstimate(
            name=names[view],
            world_from_cam=cameras.world_from_cam[i],
            intrinsics=cameras.intrinsics[i],
            image_size=(int(cameras.size[i, 0]), int(cameras.size[i, 1])),
            stamp_ns=int(cameras.stamp_ns[i]),
            present=bool(cameras.step[i] == steps - 1),
        )
        for view, i in sorted(newest.items())
    )


def pose_table(cameras: Cameras, steps: int, views: int) -> Float[np.ndarray, "T V 4 4"]:
    """All poses by step and view, NaN where a frame is missing."""
    table = np.full((steps, views, 4, 4), np.nan)
    table[cameras.step, cameras.view] = cameras.world_from_cam
    return table
