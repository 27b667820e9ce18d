"""The people of one window as the network sees them: one entry per person and image, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from chromm_ros.body.skeleton import BODY_JOINTS, HEAD, PELVIS
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import is_rotation
from chromm_ros.reconstruct.arrays import float64, integers
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.kinematics import Skeleton, posed_joints
from chromm_ros.records import Prediction


@dataclass(frozen=True)
class People:
    """P people seen in images; each in the camera of its image."""

    frame: Int[np.ndarray, "P"]
    """Index into `Cameras`."""
    score: Float[np.ndarray, "P"]
    """Of the detection, in [0, 1]."""
    token: Float[np.ndarray, "P D"]
    """Human token."""
    head_pixel: Float[np.ndarray, "P 2"]
    """Head in the original image."""
    pelvis_pixel: Float[np.ndarray, "P 2"]
    """Pelvis in the original image, as detected."""
    head: Float[np.ndarray, "P 3"]
    """Head in the camera, in the network's unit."""
    rotations: Float[np.ndarray, "P 53 3 3"]
    """Root (body to camera), body, hands, jaw."""
    betas: Float[np.ndarray, "P 10"]
    """Shape."""
    expression: Float[np.ndarray, "P 10"]
    """Expression."""
    offsets: Float[np.ndarray, "P J 3"]
    """Joints relative to the head, along the camera's axes, metres."""
    index: Int[np.ndarray, "P"]
    """Place of the person in the prediction."""

    @classmethod
    def read(cls, prediction: Prediction, cameras: Cameras, skeleton: Skeleton) -> People:
        """The people of a prediction; left out is who is not finite, has no true rotations, or is in a frame that was left out."""
        frame_of = np.full(len(integers(prediction.step)), -1)
        frame_of[cameras.index] = np.arange(len(cameras))
        frame = frame_of[integers(prediction.person_frame)]
        first = ("person_score", "person_token", "head_pixel", "pelvis_pixel")
        second = ("head_position", "rotations", "betas", "expression")
        arrays = [float64(getattr(prediction, name)) for name in first + second]
        keep = frame >= 0
        for array in arrays:
            keep &= np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        keep &= is_rotation(arrays[5], tolerance=0.05).all(axis=-1)  # bfloat16 rounds to 4e-3
        score, token, head_pixel, pelvis_pixel, head, rotations, betas, expression = (array[keep] for array in arrays)
        joints = posed_joints(skeleton, rotations, betas, expression)
        offsets = joints - joints[:, HEAD : HEAD + 1]
        return cls(
            frame[keep], score, token, head_pixel, pelvis_pixel, head, rotations, betas, expression, offsets, np.flatnonzero(keep)
        )

    def in_world(self, cameras: Cameras) -> Float[np.ndarray, "P M 3"]:
        """Joints of the body (without hands and face, which nobody is told by) in the node's world, metres."""
        in_camera = cameras.unit * self.head[:, None] + self.offsets[:, :BODY_JOINTS]
        return se3.apply(cameras.world_from_cam[self.frame], in_camera)

    def canonical(self, which: Int[np.ndarray, "K"]) -> Float[np.ndarray, "K M 3"]:
        """Joints of some people's bodies relative to the pelvis along the body's own axes, metres: a pose without place and heading."""
        offsets = self.offsets[which, :BODY_JOINTS]
        return np.asarray((offsets - offsets[:, PELVIS : PELVIS + 1]) @ self.rotations[which, 0])

    def __len__(self) -> int:
        return len(self.frame)
