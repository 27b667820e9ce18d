"""What of a prediction can be meant: the one place where numbers that no scene holds are stopped, before any step computes with them.

A network in low precision, or with bad weights, says NaN, infinity and numbers without sense, and one of them in a mean or a fit spoils
what lasts: the world, the scale, a track. The bounds are far outside of all that is real, and far inside of what squares and fourth
powers can carry in float32 or float64. Which frame, camera or person an entry belongs to is our own bookkeeping and taken as it is.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.reconstruct.arrays import float64
from chromm_ros.records import Prediction

FARTHEST = 1e6
"""Largest coordinate of a camera, a head or a point, in the network's unit (a thousand kilometres)."""
FOCAL = 1e3
"""Largest focal length, its inverse the smallest one, and largest place of the optical axis, in sizes of the image."""
IMAGE_PX = 1e5
"""Largest side of an image; heads and pelvises lie within ten of these."""
TOKEN = 1e6
"""Largest entry of a human token."""
COEFFICIENT = 1e2
"""Largest coefficient of shape or expression, in standard deviations."""
UNIT = 1e6
"""Largest metric scale, its inverse the smallest one."""


def sound(prediction: Prediction) -> Prediction:
    """The same prediction with NaN for the pose of a frame and for the head of a person whose numbers cannot be meant.

    Whoever reads frames and people leaves such out; nothing else is moved, so places in the prediction stay. A metric scale that
    cannot be meant becomes 1. Point maps are large and stay where they are: `cloud` and `overlap` judge the points that they take.
    """
    pose, head = float64(prediction.world_from_cam), float64(prediction.head_position)
    scale = float(prediction.metric_scale)
    return replace(
        prediction,
        world_from_cam=np.where(_frames(prediction)[:, None, None], pose, np.nan),
        head_position=np.where(_people(prediction)[:, None], head, np.nan),
        metric_scale=scale if 1.0 / UNIT <= scale <= UNIT else 1.0,
    )


def near(points: Float[np.ndarray, "*N 3"]) -> Bool[np.ndarray, "*N"]:
    """Which points are finite and no farther than anything is, by the sum of their coordinates, which is quickest."""
    third = FARTHEST / 3.0
    with np.errstate(over="ignore", invalid="ignore"):
        if points.min(initial=0.0) >= -third and points.max(initial=0.0) <= third:  # nearly always, and ten times as quick
            return np.ones(points.shape[:-1], dtype=bool)
        return np.asarray(np.abs(points) @ np.ones(3, points.dtype) <= FARTHEST)  # NaN is not below anything


def _frames(prediction: Prediction) -> Bool[np.ndarray, "F"]:
    """Frames whose pose turns right-handed axes and whose intrinsics are of a camera with an image."""
    pose, k = float64(prediction.world_from_cam), float64(prediction.intrinsics)
    longest = float64(prediction.image_size).max(axis=-1, initial=0.0)
    fits = _within(pose, FARTHEST) & _within(k, FOCAL * IMAGE_PX)
    fits &= _within(float64(prediction.image_size), IMAGE_PX) & (float64(prediction.image_size) >= 1.0).all(axis=-1)
    pose, k = np.where(fits[:, None, None], pose, np.eye(4)), np.where(fits[:, None, None], k, np.eye(3))
    longest = np.where(fits, longest, 1.0)
    determinant = np.linalg.det(pose[:, :3, :3])  # some networks hand on poses with a scale in them
    fits &= (determinant >= 1e-9) & (determinant <= 1e9)
    focal = k[:, [0, 1], [0, 1]]
    fits &= ((focal >= longest[:, None] / FOCAL) & (focal <= longest[:, None] * FOCAL)).all(axis=-1)
    fits &= (np.abs(k[:, :2, 2]) <= FOCAL * longest[:, None]).all(axis=-1) & (np.abs(k[:, 2] - [0.0, 0.0, 1.0]) <= 1e-6).all(
        axis=-1
    )
    # Skew below half of both focal lengths keeps the matrix, and any element-wise median of such matrices, invertible.
    return np.asarray(fits & (np.abs(k[:, [0, 1], [1, 0]]) <= focal.min(axis=-1, keepdims=True) / 2.0).all(axis=-1))


def _people(prediction: Prediction) -> Bool[np.ndarray, "P"]:
    """People with a score and with numbers within the bounds; rotations are judged where they are read."""
    score = float64(prediction.person_score)
    bounds = {
        "person_token": TOKEN, "head_pixel": 10.0 * IMAGE_PX, "pelvis_pixel": 10.0 * IMAGE_PX, "head_position": FARTHEST,
        "betas": COEFFICIENT, "expression": COEFFICIENT,
    }  # fmt: skip
    fits = (score >= 0.0) & (score <= 1.0)
    for name, most in bounds.items():
        fits &= _within(float64(getattr(prediction, name)), most)
    return fits


def _within(values: np.ndarray, most: float) -> Bool[np.ndarray, "N"]:
    """Which rows hold nothing beyond a bound, and no NaN, which is not below anything."""
    return np.asarray(np.abs(values).max(axis=tuple(range(1, values.ndim)), initial=0.0) <= most)
