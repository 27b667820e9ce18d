"""The scene cloud: which points of a window are handed on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from chromm_ros.geometry import se3
from chromm_ros.reconstruct.arrays import numpy_of
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.records import Prediction
from chromm_ros.settings import Settings, setting

PERSON = 0.5
"""Probability from which a patch shows a person."""


@dataclass(frozen=True)
class CloudConfig(Settings):
    """Which points of the scene are handed on."""

    min_confidence: float = setting(0.1, "lowest confidence of a point, from 0 to 1", at_least=0.0, at_most=1.0)
    keep_people: bool = setting(default=False, doc="keep the points on people; else their patches are left out")
    max_points: int = setting(
        100_000, "most points of one window, spread evenly over what there is", at_least=0, at_most=5_000_000
    )


@dataclass(frozen=True)
class Cloud:
    """N points in the node's world."""

    points: Float[np.ndarray, "N 3"]
    """Metres, float32."""
    colors: UInt8[np.ndarray, "N 3"]
    """RGB."""
    confidence: Float[np.ndarray, "N"]
    """From 0 to 1, float32."""


def select(prediction: Prediction, cameras: Cameras, config: CloudConfig) -> Cloud:
    """The points of the newest step that has a frame: older steps were handed on with the windows before.

    Only those frames leave the device, and only the points that stay are transformed.
    """
    newest = np.flatnonzero(cameras.step == cameras.step.max(initial=-1))
    sources = [int(cameras.index[i]) for i in newest]
    points = [numpy_of(prediction.points[k]).reshape(-1, 3) for k in sources]
    confidence = [numpy_of(prediction.confidence[k]) for k in sources]
    people = [numpy_of(prediction.human_mask[k]) for k in sources]
    usable = [_usable(p, c, m, config) for p, c, m in zip(points, confidence, people, strict=True)]
    total = sum(len(chosen) for chosen in usable)
    wanted = np.linspace(0, total - 1, min(total, config.max_points)).astype(np.int64)
    parts, first = [], 0
    for i, k, p, c, chosen in zip(newest, sources, points, confidence, usable, strict=True):
        taken = chosen[wanted[(wanted >= first) & (wanted < first + len(chosen))] - first]
        first += len(chosen)
        in_world = se3.apply(cameras.world_from_cam[i], cameras.unit * p[taken].astype(np.float64))
        parts.append((in_world, numpy_of(prediction.colors[k]).reshape(-1, 3)[taken], c.reshape(-1)[taken]))
    empty = (np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0))
    in_world, colors, trust = (np.concatenate(arrays) for arrays in zip(empty, *parts, strict=True))
    return Cloud(in_world.astype(np.float32), colors, trust.astype(np.float32))


def _usable(
    points: Float[np.ndarray, "N 3"], confidence: Float[np.ndarray, "H W"], people: Float[np.ndarray, "h w"], config: CloudConfig
) -> Int[np.ndarray, "K"]:
    """Indices of the points of one frame that are finite, trusted and (unless asked for) not on people."""
    keep = (confidence >= config.min_confidence).reshape(-1) & np.isfinite(points).all(axis=-1)
    if not config.keep_people:
        keep &= ~_enlarged(people > PERSON, *confidence.shape).reshape(-1)
    return np.flatnonzero(keep)


def _enlarged(mask: Bool[np.ndarray, "h w"], height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """A mask of patches at the resolution of the points, by the nearest patch."""
    rows = np.arange(height) * mask.shape[0] // height
    columns = np.arange(width) * mask.shape[1] // width
    return np.asarray(mask[rows[:, None], columns[None, :]])
