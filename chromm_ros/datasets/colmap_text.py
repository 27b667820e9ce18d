"""COLMAP's text model, as far as datasets need it: lenses and poses of the registered images (colmap.github.io/format.html)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.errors import FileError
from chromm_ros.geometry import se3


@dataclass(frozen=True)
class Lens:
    """A line of cameras.txt."""

    model: str
    """For example `OPENCV_FISHEYE`."""
    size: tuple[int, int]
    """Width and height."""
    params: Float[np.ndarray, "N"]
    """In COLMAP's order; its pixels are ours, the centre of the first at (0.5, 0.5)."""


@dataclass(frozen=True)
class Registered:
    """A pose line of images.txt."""

    name: str
    """Path of the image below the workspace."""
    camera_id: int
    """Which lens."""
    cam_from_world: Float[np.ndarray, "4 4"]
    """In COLMAP's world, without scale."""


def read_lenses(path: Path) -> dict[int, Lens]:
    """Lenses by their number.

    Raises:
        FileError: if there is no such file, or a line of it is cut.
    """
    found = {}
    for line in _lines(path):
        words = line.split()
        try:
            found[int(words[0])] = Lens(words[1], (int(words[2]), int(words[3])), np.array(words[4:], np.float64))
        except (ValueError, IndexError):
            raise _damaged(path, line) from None
    return found


def read_poses(path: Path) -> Iterator[Registered]:
    """Registered images in the file's order; the lines with their points, which are most of the file, are passed over.

    Raises:
        FileError: if there is no such file, or a line of it is cut.
    """
    for number, line in enumerate(_lines(path)):
        if number % 2:
            continue
        words = line.split(maxsplit=9)
        try:
            w, x, y, z, *translation = map(float, words[1:8])
            pose = se3.compose(Rotation.from_quat([x, y, z, w]).as_matrix(), np.array(translation))
            yield Registered(words[9].strip(), int(words[8]), pose)
        except (ValueError, IndexError):
            raise _damaged(path, line) from None


def _lines(path: Path) -> Iterator[str]:
    """Lines that are no comments; empty ones count, as an image without points has one."""
    if not path.is_file():
        raise FileError(f"there is no file {path}: expected COLMAP's text model there")
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from (line for line in file if not line.startswith("#"))


def _damaged(path: Path, line: str) -> FileError:
    return FileError(f"{path} has the line '{line.strip()[:60]}', which is no line of COLMAP's text model: is it cut?")
