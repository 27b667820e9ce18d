"""COLMAP's models, text and binary (colmap.github.io/format.html; binary layouts of COLMAP's scene/reconstruction_io).

A camera of ours is a place from which images were registered: those in one folder (`cam01/0001.jpg`), or a single image (`cam01.jpg`).
COLMAP registers each image by itself, so the images of a camera that stands lie around its place; the one nearest to their middle is taken.
A world of COLMAP's has no unit. Its pixels count from the corner of the first, as ours do.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.convert.calibration import CalibratedCamera, Calibration, lens, matrix, pose
from chromm_ros.datasets.colmap_text import Lens, Registered, read_lenses, read_poses
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3

MODELS = (
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8), ("OPENCV_FISHEYE", 8), ("FULL_OPENCV", 12),
    ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4), ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12),
)  # fmt: skip  # names and counts of parameters in the order of COLMAP's numbers
_ONE_FOCAL = {"SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
_FISHEYES = {"OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
_READ = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV", *sorted(_FISHEYES))
MOVED = 0.05
"""Of the extent of all cameras: an image that lies further from its camera's other images says that the camera moved."""
TURNED_DEG = 3.0
"""The same of directions."""
_LARGEST = 1e12
"""No number of a pose is larger."""
_ENDS = (".txt", ".bin")


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return any((folder / f"cameras{end}").is_file() for end in _ENDS)


def read(folder: Path) -> Calibration:
    """The cameras of a model, `sparse/0` for example.

    Raises:
        FileError: if a file is missing or cut.
        InputError: if a lens is of a model that we do not read, or a camera moves.
    """
    end = next((end for end in _ENDS if all((folder / f"{part}{end}").is_file() for part in ("cameras", "images"))), None)
    if end is None:
        raise FileError(
            f"{folder} has not both cameras and images, expected cameras.txt and images.txt, or cameras.bin and images.bin"
        )
    text = end == ".txt"
    lenses = read_lenses(folder / "cameras.txt") if text else _binary_lenses(folder / "cameras.bin")
    registered = list(read_poses(folder / "images.txt") if text else _binary_poses(folder / "images.bin"))
    if not registered:
        raise FileError(f"{folder} has no registered image, so no camera has a pose")
    if not all((np.abs(image.cam_from_world) < _LARGEST).all() for image in registered):
        raise FileError(f"{folder} has a pose that is not finite: is a file of it damaged?")
    groups: dict[str, list[Registered]] = {}
    for image in registered:
        groups.setdefault(_camera_of(image.name), []).append(image)
    centres = np.array([se3.inverse(image.cam_from_world)[:3, 3] for image in registered])
    extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
    cameras = {name: _camera(name, images, lenses, extent, folder) for name, images in sorted(groups.items())}
    return Calibration(f"{folder} (COLMAP)", cameras, None)


def _camera_of(image: str) -> str:
    """The folder of an image, or its name where it lies in none."""
    path = Path(image)
    return path.parent.name if path.parent.name else path.stem


def _camera(name: str, images: list[Registered], lenses: dict[int, Lens], extent: float, folder: Path) -> CalibratedCamera:
    where = f"camera {name} of {folder}"
    numbers = {image.camera_id for image in images}
    if len(numbers) > 1 or not numbers <= lenses.keys():
        raise InputError(f"{where} has images with the lenses {sorted(numbers)}, expected one of {sorted(lenses)}")
    poses = np.array([se3.inverse(image.cam_from_world) for image in images])
    middle = np.median(poses[:, :3, 3], axis=0)
    distances = np.linalg.norm(poses[:, :3, 3] - middle, axis=-1)
    chosen = poses[distances.argmin()]
    angles = np.degrees(Rotation.from_matrix(poses[:, :3, :3] @ chosen[:3, :3].T).magnitude())
    if len(images) > 1 and (distances.max() > MOVED * extent or angles.max() > TURNED_DEG):
        raise InputError(
            f"{where} has {len(images)} images that lie up to {distances.max():.3g} units and {angles.max():.1f} degrees apart, "
            "expected a camera that stands (its images are those of one folder): moving cameras are not read"
        )
    found = lenses[numbers.pop()]
    intrinsics, model, distortion = _lens(found, where)
    return CalibratedCamera(found.size, intrinsics, model, distortion, pose(chosen[:3, :3], chosen[:3, 3], where))


def _lens(found: Lens, where: str) -> tuple[Float[np.ndarray, "3 3"], str, Float[np.ndarray, "N"]]:
    if found.model not in _READ:
        raise InputError(
            f"{where} has a lens of the model {found.model}, expected {', '.join(_READ)}: undistort its images first"
        )
    count = dict(MODELS)[found.model]
    if len(found.params) != count:
        raise FileError(f"{where} has {len(found.params)} parameters of {found.model}, expected {count}: is the file cut?")
    one = found.model in _ONE_FOCAL
    fx, fy, cx, cy = (found.params[0], *found.params[:3]) if one else found.params[:4]
    rest = found.params[3:] if one else found.params[4:]
    if not (np.isfinite(found.params).all() and fx > 0.0 and fy > 0.0):
        raise InputError(f"{where} has the parameters {found.params.tolist()}, expected positive focal lengths")
    fisheye = found.model in _FISHEYES
    length = 4 if fisheye else max(5, len(rest))
    model, distortion = lens(np.concatenate([rest, np.zeros(length - len(rest))]), fisheye=fisheye, where=where)
    return matrix(fx, fy, cx, cy), model, distortion


def _binary_lenses(path: Path) -> dict[int, Lens]:
    data, found = _Bytes(path), {}
    for _ in range(data.count()):
        number, kind, width, height = data.take("<iiQQ")
        if not 0 <= kind < len(MODELS):
            raise InputError(f"lens {number} of {path} is of model number {kind}, expected 0 to {len(MODELS) - 1}")
        name, count = MODELS[kind]
        found[number] = Lens(name, (width, height), np.array(data.take(f"<{count}d")))
    return found


def _binary_poses(path: Path) -> Iterator[Registered]:
    data = _Bytes(path)
    for _ in range(data.count()):
        _, w, x, y, z, *translation, camera = data.take("<i7di")
        name = data.text()
        (points,) = data.take("<Q")
        data.skip(24 * points)
        if not 0.5 < max(map(abs, (x, y, z, w))) < 2.0:
            raise FileError(f"{path} has a rotation that is no unit quaternion: is it cut?")
        turn = Rotation.from_quat([x, y, z, w]).as_matrix()
        yield Registered(name, camera, se3.compose(turn, np.array(translation)))


class _Bytes:
    """A binary file that is read from front to end."""

    def __init__(self, path: Path) -> None:
        self._path, self._data, self._at = path, path.read_bytes(), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        """Numbers, in the layout's little-endian order."""
        start = self._at
        self.skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)

    def count(self) -> int:
        """How many entries follow."""
        (number,) = self.take("<Q")
        return int(number)

    def text(self) -> str:
        """Letters up to a zero."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise self._cut()
        start, self._at = self._at, end + 1
        return self._data[start:end].decode("utf-8", errors="replace")

    def skip(self, count: int) -> None:
        """Pass bytes over."""
        if count > len(self._data) - self._at:
            raise self._cut()
        self._at += count

    def _cut(self) -> FileError:
        return FileError(
            f"{self._path} ends after {len(self._data)} bytes in the middle of an entry: is it cut, or no file of COLMAP?"
        )


def folder_of(path: Path) -> Path | None:
    """The model that a path means: the folder, or one of its files; None if it means none."""
    folders: Iterable[Path] = (path, path.parent) if path.name.startswith(("cameras.", "images.")) else (path,)
    return next((folder for folder in folders if folder.is_dir() and is_model(folder)), None)
