"""What a CameraInfo says about the images beside it, in our own pixel convention.

ROS and OpenCV put the centre of the top-left pixel at (0, 0), `records` puts it at (0.5, 0.5). Adding 0.5 to cx and cy carries a
matrix over, and then cropping is a subtraction and binning or resizing a plain multiplication, without half pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chromm_ros.errors import InputError
from chromm_ros.geometry.camera import cropped, resized

FISHEYE_MODELS = ("equidistant", "fisheye")
_COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,), "fisheye": (4,)}
_RECTIFIED = re.compile(r"(^|[/_])rect(ified)?([/_]|$)")


@runtime_checkable
class CameraInfoMessage(Protocol):
    """What we read of sensor_msgs/CameraInfo."""

    height: int
    width: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


@dataclass(frozen=True)
class Calibration:
    """A camera's matrix and distortion for the image as it arrives."""

    matrix: tuple[float, ...]
    """Row by row, 9 values in pixels of the image, centre of the top-left pixel at (0.5, 0.5)."""
    model: str
    """ROS name of the distortion model, empty where nothing is distorted."""
    distortion: tuple[float, ...]
    """Coefficients in the order of ROS and OpenCV, empty where nothing is distorted."""
    size: tuple[int, int]
    """Width and height of the image."""

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """The matrix as `records.Frame` carries it."""
        return np.array(self.matrix, np.float32).reshape(3, 3)


def is_rectified_topic(topic: str) -> bool:
    """Whether a topic's name says that its images are rectified: `image_rect`, `image_rect_color`, `color/rect/image`."""
    return _RECTIFIED.search(topic) is not None


def calibration_from_info(info: CameraInfoMessage, size: tuple[int, int], *, rectified: bool) -> Calibration | None:
    """The calibration of an image of this size, or None where the camera says that it is not calibrated.

    Args:
        info: sensor_msgs/CameraInfo; its K (P where `rectified`) refers to the full sensor, region and binning are applied here.
        size: width and height of the image that arrived; where it is a resized version of what `info` names, the matrix follows.
        rectified: whether the image has been rectified already, so that P holds and the distortion is history.

    Raises:
        InputError: if the aspect ratios differ, the matrix is no camera's, or the distortion is of a kind we do not know.
    """
    raw, projection = np.array(info.k, float).reshape(3, 3), np.array(info.p, float).reshape(3, 4)[:, :3]
    matrix = projection if rectified and projection[0, 0] != 0 else raw
    if matrix[0, 0] == 0:
        return None
    if not np.isfinite(matrix).all() or matrix[0, 0] < 0 or matrix[1, 1] <= 0:
        raise InputError(
            f"camera_info has fx {matrix[0, 0]:g} and fy {matrix[1, 1]:g}, expected positive numbers: calibrate again"
        )
    matrix = matrix + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    corner, (width, height) = _region(info, size)
    if abs(height * size[0] / width - size[1]) > 1.0:  # one pixel of rounding is what resizers leave
        raise InputError(
            f"camera_info describes {width}x{height} pixels and the image has {size[0]}x{size[1]}, "
            "expected the same aspect ratio: publish the camera_info that belongs to this image"
        )
    matrix = _sound(resized(cropped(matrix, *corner), (width, height), size))
    model, distortion = ("", ()) if rectified else _distortion(info)
    return Calibration(tuple(matrix.ravel().tolist()), model, distortion, size)


def _sound(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The same matrix, if float32 can hold and invert it: one that cannot be inverted would fail whole windows, of all cameras."""
    fits = np.abs(matrix).max() <= np.finfo(np.float32).max
    if matrix[2].tolist() != [0, 0, 1] or not fits or np.linalg.cond(matrix) > 1 / np.finfo(np.float32).eps:
        raise InputError(
            f"camera_info has the matrix {matrix.tolist()} for this image, expected one that can be inverted and ends in 0, 0, 1: "
            "calibrate again"
        )
    return matrix


def _region(info: CameraInfoMessage, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Top-left corner and size, in pixels of the full sensor, of what the image shows."""
    full = (info.width or size[0] * max(info.binning_x, 1), info.height or size[1] * max(info.binning_y, 1))
    roi = info.roi
    corner = (roi.x_offset, roi.y_offset)
    extent = (roi.width or full[0] - corner[0], roi.height or full[1] - corner[1])
    if min(extent) < 1 or corner[0] + extent[0] > full[0] or corner[1] + extent[1] > full[1]:
        raise InputError(
            f"camera_info has a region of {extent[0]}x{extent[1]} at {corner} on a sensor of {full[0]}x{full[1]}, "
            "expected it to lie inside: correct roi in the driver"
        )
    return corner, extent


def _distortion(info: CameraInfoMessage) -> tuple[str, tuple[float, ...]]:
    values = tuple(float(value) for value in info.d)
    if not any(values):
        return "", ()
    if info.distortion_model not in _COEFFICIENTS or len(values) not in _COEFFICIENTS[info.distortion_model]:
        raise InputError(
            f"camera_info has distortion model {info.distortion_model!r} with {len(values)} coefficients, expected one of "
            f"{', '.join(f'{name} ({counts[-1]})' for name, counts in _COEFFICIENTS.items())}: publish rectified images instead"
        )
    if not np.isfinite(values).all():
        raise InputError("camera_info has distortion coefficients that are not finite: calibrate again")
    return info.distortion_model, values
