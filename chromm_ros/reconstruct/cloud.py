"""The scene cloud: which points of a window are handed on."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from chromm_ros.reconstruct.arrays import numpy_of
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.edges import depth_jumps, depth_normal_jumps, opencv
from chromm_ros.reconstruct.sound import near
from chromm_ros.records import Prediction
from chromm_ros.settings import Settings, setting

CROWDED = 0.2
"""Share of an image from which jumps of depth are noise and no edges; normals would cost much there and tell nothing."""
PERSON = 0.5
"""Probability from which a patch shows a person."""
SPARE = 1.5
"""Pixels that are looked at for every point that may be handed on, where there are more: some are not trusted."""
SPARSEST = 3
"""Most pixels from one that is looked at to the next: farther apart, edges of depth and slanted floors look alike."""


@dataclass(frozen=True)
class CloudConfig(Settings):
    """Which points of the scene are handed on."""

    min_confidence: float = setting(0.1, "lowest confidence of a point, from 0 to 1", at_least=0.0, at_most=1.0)
    edges: str = setting(
        "depth_normal",
        "points that float between a thing and what is behind it, keep: stay; depth: go where depth jumps; "
        "depth_normal: go where the surface bends as well, which spares floors seen at a grazing angle",
        choices=("keep", "depth", "depth_normal"),
    )
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
    refused: int = 0
    """Points that were trusted and are left out since no scene holds them."""


def select(prediction: Prediction, cameras: Cameras, config: CloudConfig) -> Cloud:
    """The points of the newest step that has a frame: older steps were handed on with the windows before.

    Only those frames leave the device, and only the points that stay are transformed. Where edges are looked for, and every second or
    third pixel of every second or third row gives more points than may be handed on, the rest is not looked at: neighbours are then
    those so many pixels away.
    """
    newest = np.flatnonzero(cameras.step == cameras.step.max(initial=-1)).tolist()
    if not newest:
        return Cloud(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))
    total = len(newest) * math.prod(prediction.confidence.shape[1:])
    spare = math.isqrt(int(total / (SPARE * max(config.max_points, 1))))
    every = min(max(spare, 1), SPARSEST) if config.edges != "keep" else 1
    with np.errstate(invalid="ignore", over="ignore"):
        chosen = _spread([_trusted(prediction, int(cameras.index[i]), config, every) for i in newest], config.max_points)
        parts = [_taken(prediction, cameras, i, pixels) for i, pixels in zip(newest, chosen, strict=True)]
        points, colors, confidence = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        good = near(points)
    refused = len(points) - int(good.sum())
    return Cloud(points[good], colors[good], confidence[good], refused) if refused else Cloud(points, colors, confidence)


def _trusted(prediction: Prediction, frame: int, config: CloudConfig, every: int) -> Int[np.ndarray, "K"]:
    """Pixels of one frame that are trusted, not on an edge of depth and (unless asked for) not on people.

    Only every so many rows and columns are looked at.
    """
    full = numpy_of(prediction.confidence[frame])
    confidence = np.ascontiguousarray(full[::every, ::every])
    keep = (confidence >= config.min_confidence) & (confidence <= 1.0)
    sure = keep
    if not config.keep_people:
        height, width = full.shape
        keep = sure & ~_enlarged(numpy_of(prediction.human_mask[frame]) > PERSON, height, width, every)
    if config.edges != "keep":  # people make edges of what is beside them
        points = _thinned(numpy_of(prediction.points[frame]), every)
        jumps = (
            depth_jumps(points[..., 2], sure, every)
            if config.edges == "depth"
            else depth_normal_jumps(points, sure, keep, CROWDED, every)
        )
        keep = keep & ~jumps
    if every == 1:
        return np.flatnonzero(keep)
    place = np.arange(0, full.size, every * full.shape[1])[:, None] + np.arange(0, full.shape[1], every)
    return np.asarray(place.reshape(-1).take(np.flatnonzero(keep)))


def _thinned(points: Float[np.ndarray, "H W 3"], every: int) -> Float[np.ndarray, "h w 3"]:
    """The pixels of every so many rows and columns; OpenCV copies them four times as fast as NumPy does."""
    if every == 1:
        return points
    height, width = (-(-side // every) for side in points.shape[:2])
    over = every * height - points.shape[0], every * width - points.shape[1]  # of an odd side
    whole = opencv().copyMakeBorder(points, 0, over[0], 0, over[1], opencv().BORDER_CONSTANT) if any(over) else points
    return np.asarray(opencv().resize(whole, (width, height), interpolation=opencv().INTER_NEAREST))


def _spread(pixels: list[Int[np.ndarray, "_"]], most: int) -> list[Int[np.ndarray, "_"]]:
    """At most so many of the pixels of all frames, evenly over them."""
    ends = np.cumsum([len(p) for p in pixels], dtype=np.int64)
    total = int(ends[-1]) if len(pixels) else 0
    if total <= most:
        return pixels
    wanted = np.arange(most, dtype=np.int64) * total // max(most, 1)
    cuts = np.searchsorted(wanted, ends)
    starts = np.concatenate([[0], ends[:-1]])
    return [p[part - start] for p, part, start in zip(pixels, np.split(wanted, cuts[:-1]), starts, strict=True)]


def _taken(
    prediction: Prediction, cameras: Cameras, i: int, pixels: Int[np.ndarray, "K"]
) -> tuple[Float[np.ndarray, "K 3"], UInt8[np.ndarray, "K 3"], Float[np.ndarray, "K"]]:
    """Points in the world, colours and confidence of some pixels of one frame, in float32: 1e-6 m at 10 m."""
    frame = int(cameras.index[i])
    points = numpy_of(prediction.points[frame]).reshape(-1, 3).take(pixels, axis=0).astype(np.float32, copy=False)
    in_world = _placed(cameras.world_from_cam[i], cameras.unit, points)
    colors = numpy_of(prediction.colors[frame]).reshape(-1, 3).take(pixels, axis=0)
    confidence = numpy_of(prediction.confidence[frame]).reshape(-1).take(pixels).astype(np.float32, copy=False)
    return in_world, colors, confidence


def _placed(world_from_cam: Float[np.ndarray, "4 4"], unit: float, points: Float[np.ndarray, "K 3"]) -> Float[np.ndarray, "K 3"]:
    """Points of a camera in the world; OpenCV's product is ten times as fast as NumPy's where one side is so short."""
    if not len(points):
        return points
    moved: np.ndarray = opencv().transform(points[None], world_from_cam[:3] * [unit, unit, unit, 1.0])
    return moved.reshape(-1, 3)


def _enlarged(mask: Bool[np.ndarray, "h w"], height: int, width: int, every: int) -> Bool[np.ndarray, "H W"]:
    """A mask of patches at the resolution of the points that are looked at, by the nearest patch."""
    rows = np.arange(0, height, every) * mask.shape[0] // height
    columns = np.arange(0, width, every) * mask.shape[1] // width
    return np.asarray(mask.take(columns, axis=1).take(rows, axis=0))
