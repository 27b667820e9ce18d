"""Calibrations that Qualisys Track Manager exports: `.qca.txt`, XML inside.

    <calibration><cameras><camera active="1" serial="26580" viewrotation="0">
        <fov_video left="0" top="0" right="1919" bottom="1079"/>          part of the sensor that videos show
        <transform x= y= z= r11= ... r33=/>                               millimetres
        <intrinsic focalLengthU= centerPointU= radialDistortion1= tangentalDistortion1= .../>   1/64 of a pixel

The rows of r11 to r33 are the camera's axes in the world, x right, y up, z backward; x, y, z is its centre; the world is z up.
Distortion is OpenCV's k1 k2 p1 p2 k3, without a unit. Pose2Sim's reader (utilities/calib_*.py, `read_qca`) divides it by 64 as it does the
lengths; HumanCalib, which compared both with images of the same cameras, and all other readers that we found do not.
Sensors reach from 0 to 64 x width - 1, so that u / 64 counts from the corner of the first pixel, as ours do.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from chromm_ros.convert.calibration import CalibratedCamera, Calibration, lens, matrix, pose
from chromm_ros.errors import FileError, InputError

SUBPIXELS = 64.0
MILLIMETRES = 0.001
"""Metres."""
_LARGEST = 1e12
"""No number of a calibration is larger."""
_OPENCV_FROM_QUALISYS = np.diag([1.0, -1.0, -1.0])
_LENS = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2", "radialDistortion3")


def read(path: Path) -> Calibration:
    """The active cameras, named by their serial numbers.

    Raises:
        FileError: if the file is no XML, or a part of it is missing.
        InputError: if a camera is of a kind that we do not read.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314  # a file of the user's own; expat refuses entity bombs
    except ET.ParseError as error:
        raise FileError(f"{path} is no XML ({error}): export the calibration from Qualisys Track Manager again") from None
    cameras = [camera for camera in root.iter("camera") if camera.get("active", "1") == "1"]
    if not cameras:
        raise FileError(f"{path} has no active <camera>, expected a calibration of Qualisys Track Manager")
    named = {camera.get("serial") or "": _camera(camera, path) for camera in cameras}
    if len(named) < len(cameras):
        raise FileError(f"{path} has two cameras of the same serial number")
    return Calibration(f"{path} (Qualisys)", named, MILLIMETRES)


def _camera(camera: ET.Element, path: Path) -> CalibratedCamera:
    where = f"camera {camera.get('serial')} of {path}"
    if camera.get("viewrotation", "0") != "0":
        raise InputError(
            f"{where} has viewrotation {camera.get('viewrotation')}, expected 0: calibrations of turned images are not read"
        )
    place, optics, view = (_Numbers(camera, tag, where) for tag in ("transform", "intrinsic", "fov_video"))
    if optics.get("skew", 0.0) != 0.0:
        raise InputError(f"{where} has skewed pixels ({optics['skew']:g}), expected a skew of 0")
    left, top = view["left"], view["top"]
    size = (round(view["right"] - left + 1), round(view["bottom"] - top + 1))
    fx, fy, cx, cy = (optics[name] / SUBPIXELS for name in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV"))
    if not (0.0 < cx - left < size[0] and 0.0 < cy - top < size[1] and fx > 0.0 and fy > 0.0):
        raise InputError(
            f"{where} has its optical centre at {cx:g}, {cy:g} pixels of {size[0]}x{size[1]}, expected it inside, "
            "in units of 1/64 pixel"
        )
    axes = np.array([[place[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
    model, distortion = lens(np.array([optics.get(name, 0.0) for name in _LENS]), fisheye=False, where=where)
    return CalibratedCamera(
        size,
        matrix(fx, fy, cx - left, cy - top),
        model,
        distortion,
        pose(axes.T @ _OPENCV_FROM_QUALISYS, np.array([place["x"], place["y"], place["z"]]), where),
    )


class _Numbers:
    """The attributes of one element, as numbers."""

    def __init__(self, camera: ET.Element, tag: str, where: str) -> None:
        element = camera.find(tag)
        if element is None:
            raise FileError(f"{where} has no <{tag}>: export the calibration from Qualisys Track Manager again")
        self._all, self._where = element.attrib, f"<{tag}> of {where}"

    def __getitem__(self, name: str) -> float:
        try:
            value = float(self._all[name])
        except KeyError:
            raise FileError(f"{self._where} has no {name}: export the calibration again") from None
        except ValueError:
            value = float("nan")
        if not abs(value) < _LARGEST:
            raise FileError(f"{self._where} has {name} '{self._all[name]}', expected a number")
        return value

    def get(self, name: str, default: float) -> float:
        return self[name] if name in self._all else default
