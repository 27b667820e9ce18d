"""Calibrations that OpenCV's FileStorage writes (YAML, XML, JSON), ROS's camera YAML, and what is built like them.

Three layouts:

- one camera: `camera_matrix`, `distortion_coefficients`, `image_width`, `image_height`, maybe `camera_name`, `rotation`, `translation`;
- a map of the same for each camera, at the top or below `cameras`;
- EasyMocap's: a list `names`, and `K_<name>`, `dist_<name>`, `R_<name>`, `T_<name>`; poses in an `extri.yml` beside `intri.yml`.

Rotations (3x3 or Rodrigues' vector) and translations are camera from world. Pixels count from the centre of the first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.convert.calibration import FISHEYE, TO_CENTRES, CalibratedCamera, Calibration, lens, pose
from chromm_ros.errors import FileError
from chromm_ros.geometry import se3

_MATRIX = ("camera_matrix", "matrix", "K", "intrinsic_matrix", "cameraMatrix")
_DISTORTION = ("distortion_coefficients", "distortions", "dist", "D", "distCoeffs", "dist_coeffs", "distortion")
_ROTATION = ("rotation", "R", "rvec", "rotation_matrix", "rotation_vector", "Rot")
_TRANSLATION = ("translation", "T", "t", "tvec", "translation_vector")
_SIZE = ("size", "image_size", "resolution", "img_size")
_FISHEYE = {FISHEYE, "fisheye"}
_HINT = "expected camera_matrix and distortion_coefficients of one camera or several, as OpenCV writes them"


def read(path: Path) -> Calibration:
    """All cameras of the file; one alone is named by `camera_name`, else by the file.

    Raises:
        FileError: if the file is no FileStorage, or a part of a camera is missing.
        InputError: if a lens or pose cannot be meant.
    """
    content = _content(path)
    beside = path.with_name("extri" + path.suffix)
    if path.stem == "intri" and beside.is_file():
        content |= _content(beside)
    if isinstance(content.get("names"), list):
        groups = {str(name): _suffixed(content, str(name)) for name in content["names"]}
    elif _first(content, _MATRIX) is not None:
        groups = {str(content.get("camera_name") or path.stem): content}
    else:
        nested = content["cameras"] if isinstance(content.get("cameras"), dict) else content
        groups = {
            str(name): table for name, table in nested.items() if isinstance(table, dict) and _first(table, _MATRIX) is not None
        }
    if not groups:
        raise FileError(f"{path} has the entries {', '.join(map(str, content)) or 'none'}, {_HINT}")
    cameras = {name: camera_from(table, f"camera {name} of {path}") for name, table in groups.items()}
    return Calibration(f"{path} (OpenCV)", cameras, 1.0)


def camera_from(table: Mapping[str, Any], where: str) -> CalibratedCamera:
    """One camera of a table of plain values and arrays.

    Raises:
        FileError: if a part is missing or of another shape.
        InputError: if its lens or pose cannot be meant.
    """
    k = _array(table, _MATRIX, where)
    if k.size != 9:
        raise FileError(f"{where} has a matrix of {k.size} numbers, expected 3 x 3")
    k = k.reshape(3, 3)
    if not (np.isfinite(k).all() and k[0, 0] > 0.0 and k[1, 1] > 0.0 and k[2].tolist() == [0.0, 0.0, 1.0]):
        raise FileError(f"{where} has the matrix {k.tolist()}, expected positive focal lengths and a last row 0, 0, 1")
    fisheye = bool(table.get("fisheye", False)) or str(table.get("distortion_model", "")) in _FISHEYE
    given = _array(table, _DISTORTION, where) if _first(table, _DISTORTION) is not None else np.zeros(4)
    model, distortion = lens(given.reshape(-1), fisheye=fisheye, where=where)
    return CalibratedCamera(_size(table, where), k + TO_CENTRES, model, distortion, _pose(table, where))


def _pose(table: Mapping[str, Any], where: str) -> Float[np.ndarray, "4 4"] | None:
    """world_from_cam, or None where there is neither rotation nor translation."""
    if _first(table, _ROTATION) is None and _first(table, _TRANSLATION) is None:
        return None
    rotation, translation = _array(table, _ROTATION, where), _array(table, _TRANSLATION, where)
    if rotation.size not in {3, 9} or translation.size != 3:
        raise FileError(
            f"{where} has a rotation of {rotation.size} and a translation of {translation.size} numbers, expected 3 or 9, and 3"
        )
    turn = Rotation.from_rotvec(rotation.reshape(3)).as_matrix() if rotation.size == 3 else rotation.reshape(3, 3)
    return se3.inverse(pose(turn, translation.reshape(3), where))


def _size(table: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    if "image_width" in table and "image_height" in table:
        table = {"size": [table["image_width"], table["image_height"]]}
    if _first(table, _SIZE) is None:
        return None
    size = _array(table, _SIZE, where).reshape(-1)
    if len(size) != 2 or not ((size >= 1.0) & (size < 1e6)).all():
        raise FileError(f"{where} has the size {size.tolist()}, expected width and height")
    return round(size[0]), round(size[1])


def _first(table: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((table[key] for key in keys if table.get(key) is not None), None)


def _array(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> Float[np.ndarray, "..."]:
    value = _first(table, keys)
    if value is None:
        raise FileError(f"{where} has no {keys[0]}, {_HINT}")
    if isinstance(value, dict) and "data" in value:  # ROS's camera YAML
        value = value["data"]
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise FileError(f"{where} has a {keys[0]} that is no array of numbers: is the file cut?") from None


def _suffixed(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """EasyMocap's entries of one camera without its name; its `Rot_` is the matrix of the vector in `R_`."""
    entries = {key.removesuffix(f"_{name}"): value for key, value in content.items() if key.endswith(f"_{name}")}
    if "W" in entries and "H" in entries:
        entries |= {"image_width": entries.pop("W"), "image_height": entries.pop("H")}
    return entries


def _content(path: Path) -> dict[str, Any]:
    """The file as maps, lists, numbers, texts and arrays."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise FileError(f"there is no calibration at {path}") from None
    if text.lstrip().startswith(("%YAML", "<?xml", "<opencv_storage", "{")):
        found = _file_storage(path, text)
    else:
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise FileError(f"{path} is no YAML ({str(error).splitlines()[0]}), {_HINT}") from None
    if not isinstance(found, dict):
        raise FileError(f"{path} is no table of entries, {_HINT}")
    return found


def _file_storage(path: Path, text: str) -> Any:
    flags = cv2.FileStorage_READ | cv2.FileStorage_MEMORY
    try:
        storage = cv2.FileStorage(text, flags)
        return _plain(storage.root())
    except (cv2.error, SystemError) as error:  # some bindings raise SystemError because of cv2.error
        reason = " ".join(str(getattr(error.__cause__ or error, "err", error)).split())
        raise FileError(f"{path} cannot be read as OpenCV's FileStorage ({reason}): is it cut?") from None


def _plain(node: Any) -> Any:
    if node.isMap():
        keys = node.keys()
        if {"rows", "cols", "dt", "data"} <= set(keys):
            return node.mat()
        return {key: _plain(node.getNode(key)) for key in keys}
    if node.isSeq():
        return [_plain(node.at(k)) for k in range(node.size())]
    if node.isInt() or node.isReal():
        return node.real()
    return node.string() if node.isString() else None
