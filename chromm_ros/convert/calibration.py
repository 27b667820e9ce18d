"""What every file format of calibrations is read into: lenses and poses of named cameras, in our conventions.

The readers are one file each: `qualisys`, `opencv_file`, `toml_file`, `colmap`; `formats` tells which one a file is for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.errors import ConfigError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import resized

TO_CENTRES = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
"""What our matrices have above OpenCV's, which counts pixels from the centre of the first."""
POLYNOMIALS = {4: "plumb_bob", 5: "plumb_bob", 8: "rational_polynomial", 12: "rational_polynomial", 14: "rational_polynomial"}
"""ROS name of OpenCV's lens model with so many coefficients."""
FISHEYE = "equidistant"
"""ROS name of OpenCV's fisheye model: r = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8)."""
_NEARLY_ZERO = 1e-12
FAR = 100.0
"""Metres: cameras that are further apart were measured in another unit."""
NEAR = 0.01
"""Metres: the same of cameras that all lie closer together."""


@dataclass(frozen=True)
class CalibratedCamera:
    """One camera: its lens, and its pose where it is known."""

    size: tuple[int, int] | None
    """Width and height of the images that were calibrated; None where the file does not say: those of the video, then."""
    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole matrix in their pixels, the centre of the first at (0.5, 0.5), float64."""
    model: str
    """ROS name of the lens model: `plumb_bob`, `rational_polynomial` or `equidistant`."""
    distortion: Float[np.ndarray, "N"]
    """Coefficients in the order of OpenCV and ROS: k1 k2 p1 p2 k3 ..., or k1 k2 k3 k4 of a fisheye; float64."""
    world_from_cam: Float[np.ndarray, "4 4"] | None
    """Pose of the OpenCV optical frame, float64, in the file's unit until `in_metres`; None where the file has no pose."""

    def of_image(self, size: tuple[int, int], name: str) -> Float[np.ndarray, "3 3"]:
        """Intrinsics in pixels of an image that shows the same at another size, or the same size.

        Raises:
            InputError: if its shape is another.
        """
        if self.size is None:
            return self.intrinsics
        if abs(self.size[1] * size[0] / self.size[0] - size[1]) > 1.0:  # one pixel of rounding is what resizers leave
            turned = ", is the video turned?" if (size[0] < size[1]) != (self.size[0] < self.size[1]) else ""
            raise InputError(
                f"images of {name} have {size[0]}x{size[1]} pixels and its calibration {self.size[0]}x{self.size[1]}, "
                f"expected the same shape{turned}"
            )
        return resized(self.intrinsics, self.size, size)


@dataclass(frozen=True)
class Calibration:
    """The cameras of a file."""

    source: str
    """File and format, for messages."""
    cameras: Mapping[str, CalibratedCamera]
    """By name, in the order of the file."""
    metres_per_unit: float | None
    """Of the file's unit, by the rules of its format; None where these have none."""


def matrix(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    """A pinhole matrix without skew."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def lens(coefficients: Float[np.ndarray, "N"], *, fisheye: bool, where: str) -> tuple[str, Float[np.ndarray, "M"]]:
    """ROS's name of OpenCV's lens model, and its coefficients.

    Raises:
        InputError: if there is no such model.
    """
    given = np.asarray(coefficients, np.float64).reshape(-1)
    if not np.isfinite(given).all():
        raise InputError(f"{where} has distortion coefficients that are not finite: calibrate again")
    if fisheye:
        if len(given) > 4 and not given[4:].any():
            given = given[:4]
        if len(given) != 4:
            raise InputError(f"{where} has {len(given)} coefficients of a fisheye lens, expected the 4 of OpenCV's model")
        # A fisheye without coefficients is no pinhole, and ROS tells a lens from a rectified image by a number that is not zero.
        return FISHEYE, given if given.any() else np.array([_NEARLY_ZERO, 0.0, 0.0, 0.0])
    if not len(given):
        given = np.zeros(5)
    if len(given) not in POLYNOMIALS:
        counts = ", ".join(map(str, POLYNOMIALS))
        raise InputError(f"{where} has {len(given)} distortion coefficients, expected {counts} of OpenCV's model or none")
    return POLYNOMIALS[len(given)], np.concatenate([given, np.zeros(1)]) if len(given) == 4 else given


def pose(rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, "3"], where: str) -> Float[np.ndarray, "4 4"]:
    """A rigid transform of numbers from a file: the rotation that is nearest to the matrix, which was rounded when it was written.

    Raises:
        InputError: if the matrix is no rotation, or a number is not finite.
    """
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise InputError(f"{where} has a pose that is not finite: calibrate again")
    left, stretch, right = np.linalg.svd(rotation)
    if np.abs(stretch - 1.0).max() > 1e-2 or np.linalg.det(rotation) < 0.0:
        raise InputError(f"{where} has a rotation whose columns are not right-handed unit vectors: is the file cut, or mirrored?")
    return se3.compose(left @ right, translation)


def in_metres(calibration: Calibration, scale: float | None) -> Calibration:
    """The same with poses in metres.

    Args:
        calibration: as it was read.
        scale: metres per unit of the file; None: as its format has it.

    Raises:
        ConfigError: if the format has no unit and no scale is given.
        InputError: if the cameras' distances are no metres.
    """
    factor = calibration.metres_per_unit if scale is None else scale
    if factor is None:
        raise ConfigError(f"{calibration.source} has no unit of length: name its metres per unit by --scale")
    if not 0.0 < factor < np.inf:
        raise ConfigError(f"--scale is {factor:g}, expected metres per unit of {calibration.source}, more than 0")
    cameras = {name: _scaled(camera, factor) for name, camera in calibration.cameras.items()}
    centres = [camera.world_from_cam[:3, 3] for camera in cameras.values() if camera.world_from_cam is not None]
    extent = float(np.linalg.norm(np.ptp(centres, axis=0))) if len(centres) > 1 else 1.0
    if scale is None and not NEAR < extent < FAR:
        raise InputError(
            f"cameras of {calibration.source} reach over {extent:.4g} m, expected {NEAR:g} to {FAR:g} m: "
            "name its metres per unit by --scale (0.001 for millimetres, 1 for metres)"
        )
    return replace(calibration, cameras=cameras, metres_per_unit=1.0)


def z_up(calibration: Calibration, up: Float[np.ndarray, "3"]) -> Calibration:
    """The same in a world whose z axis is the direction that was up.

    Raises:
        ConfigError: if the direction has no length.
    """
    length = float(np.linalg.norm(up))
    if not length > 0.0 or not np.isfinite(length):
        raise ConfigError(f"--up is {','.join(f'{x:g}' for x in up)}, expected a direction, for example 0,-1,0")
    x, y, z = up / length
    axis = np.array([y, -x, 0.0])  # up cross z: to turn about it brings up to z
    sine = float(np.linalg.norm(axis))
    turn = axis / sine * np.arctan2(sine, z) if sine > 0.0 else np.array([0.0 if z > 0.0 else np.pi, 0.0, 0.0])
    level_from_world = se3.compose(Rotation.from_rotvec(turn).as_matrix(), np.zeros(3))
    return replace(calibration, cameras={name: _moved(camera, level_from_world) for name, camera in calibration.cameras.items()})


def _scaled(camera: CalibratedCamera, factor: float) -> CalibratedCamera:
    if camera.world_from_cam is None:
        return camera
    scaled = camera.world_from_cam.copy()
    scaled[:3, 3] *= factor
    return replace(camera, world_from_cam=scaled)


def _moved(camera: CalibratedCamera, new_from_old: Float[np.ndarray, "4 4"]) -> CalibratedCamera:
    return camera if camera.world_from_cam is None else replace(camera, world_from_cam=new_from_old @ camera.world_from_cam)
