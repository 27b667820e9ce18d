"""Taking the lens out of an image: maps made once per calibration, one `cv2.remap` per image (10 ms at 1920x1080, one core)."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.inputs.calibration import FISHEYE_MODELS, Calibration

HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
"""What our matrices have above OpenCV's (`calibration`)."""


class Rectifier:
    """Rectifies the images of one calibration; the new matrix leaves no empty pixels (a fisheye's corners may keep a few)."""

    def __init__(self, calibration: Calibration) -> None:
        """Make the maps; needs a calibration with distortion."""
        assert calibration.distortion, "nothing to rectify"
        self.calibration = calibration
        matrix = np.array(calibration.matrix).reshape(3, 3) - HALF
        make = _fisheye_maps if calibration.model in FISHEYE_MODELS else _pinhole_maps
        new, self._maps = make(matrix, np.array(calibration.distortion), calibration.size)
        self.intrinsics: Float[np.ndarray, "3 3"] = (new + HALF).astype(np.float32)

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """The rectified image, of the same size, in pixels of `intrinsics`."""
        return np.asarray(cv2.remap(np.ascontiguousarray(image), *self._maps, cv2.INTER_LINEAR))

    def nearest(self, depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "H W"]:
        """The same for a depth image of the same view, without mixing depths: each pixel is that of its nearest source pixel.

        One of another size is first brought to the size of the images, for which the maps were made.
        """
        size = self.calibration.size
        if (depth.shape[1], depth.shape[0]) != size:
            depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT))
        return np.asarray(cv2.remap(np.ascontiguousarray(depth), *self._float_maps, cv2.INTER_NEAREST, borderValue=0.0))

    @cached_property
    def _float_maps(self) -> Maps:
        """OpenCV 4 takes a neighbour up to a pixel away, not the nearest, through fixed-point maps (measured)."""
        return cv2.convertMaps(*self._maps, cv2.CV_32FC1)


Maps = tuple[np.ndarray, np.ndarray]
Matrix = Float[np.ndarray, "3 3"]


def _pinhole_maps(matrix: Matrix, distortion: Float[np.ndarray, "N"], size: tuple[int, int]) -> tuple[Matrix, Maps]:
    new, _ = cv2.getOptimalNewCameraMatrix(matrix, distortion, size, 0)
    new = _sane(np.asarray(new), matrix)
    return new, cv2.initUndistortRectifyMap(matrix, distortion, None, new, size, cv2.CV_16SC2)


def _fisheye_maps(matrix: Matrix, distortion: Float[np.ndarray, "N"], size: tuple[int, int]) -> tuple[Matrix, Maps]:
    column, identity = distortion.reshape(4, 1), np.eye(3)
    new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(matrix, column, size, identity, balance=0.0)
    new = _sane(np.asarray(new), matrix)
    return new, cv2.fisheye.initUndistortRectifyMap(matrix, column, identity, new, size, cv2.CV_16SC2)


def _sane(new: Matrix, old: Matrix) -> Matrix:
    """OpenCV's choice, or the old matrix where a polynomial that was fitted badly at the rim sends the choice astray."""
    ratio = np.array([new[0, 0] / old[0, 0], new[1, 1] / old[1, 1]])
    return new if np.isfinite(new).all() and (ratio > 0.2).all() and (ratio < 5.0).all() else old
