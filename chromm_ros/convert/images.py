"""Images of one camera into a recording: at another width where that is asked for, as they are where they can be."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.geometry.camera import resized

Bgr = UInt8[np.ndarray, "H W 3"]
Optics = Callable[[tuple[int, int]], tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "N"], str]]
"""Intrinsics in pixels of an image of this size, distortion, and ROS's name of the lens model."""
WORLD = "world"
"""Frame of poses and truths, as docs/recordings.md has it."""
BEGIN_NS = 1_700_000_000_000_000_000
"""Stamp of a recording's time 0: some day, as no clock begins at 0."""
_AS_THEY_ARE = {b"\xff\xd8\xff": "jpeg", b"\x89PN": "png"}
"""What files may be written as they are, by the bytes that they begin with."""


def topic_name(camera: str) -> str:
    """The camera's name with the letters that a topic may have.

    >>> topic_name("26580"), topic_name("left eye")
    ('cam26580', 'left_eye')
    """
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", camera)).strip("_")
    return name if name[:1].isalpha() else f"cam{name}"


def topic_names(cameras: list[str]) -> dict[str, str]:
    """Names in topics by the cameras' own.

    Raises:
        ConfigError: if two cameras would be one.
    """
    names = {camera: topic_name(camera) for camera in cameras}
    if len(set(names.values())) < len(names):
        raise ConfigError(
            f"the cameras {', '.join(cameras)} would be {', '.join(names.values())} in topics: give them other names"
        )
    return names


class ImageWriter:
    """Writes images and CameraInfos of one camera.

    Args:
        bag: where to.
        name: of the camera, as in topics.
        width: of the images written; None: as they come.
        quality: of JPEGs, 1 to 100.
    """

    def __init__(self, bag: BagWriter, name: str, width: int | None, quality: int) -> None:
        self._bag, self.name, self._width = bag, name, width
        self._encoding = [cv2.IMWRITE_JPEG_QUALITY, quality]
        self.frame, self.count = f"{name}_optical_frame", 0

    def write(self, stamp_ns: int, image: Bgr, optics: Optics | None) -> None:
        """An image as JPEG, after its CameraInfo where `optics` tells one.

        Raises:
            ConfigError: if it is smaller than it shall be.
        """
        old = (image.shape[1], image.shape[0])
        new = self._info(stamp_ns, old, optics)
        if new != old:
            image = np.asarray(cv2.resize(image, new, interpolation=cv2.INTER_AREA))
        self._put(stamp_ns, cv2.imencode(".jpg", image, self._encoding)[1].tobytes(), "jpeg")

    def write_file(self, stamp_ns: int, path: Path, optics: Optics | None) -> None:
        """An image file, byte for byte where it is JPEG or PNG of 8 bits and of the right size.

        Pixels are those that are stored: an orientation in EXIF is not applied.

        Raises:
            FileError: if it is no image.
        """
        data = path.read_bytes()
        table = np.frombuffer(data, np.uint8)
        image = cv2.imdecode(table, cv2.IMREAD_UNCHANGED) if data else None
        if image is None:
            raise FileError(f"{path} cannot be read as an image: is it cut?")
        size = (image.shape[1], image.shape[0])
        kind = _AS_THEY_ARE.get(data[:3])
        if kind is not None and image.dtype == np.uint8 and self._size(size) == size:
            self._info(stamp_ns, size, optics)
            self._put(stamp_ns, data, kind)
        else:
            self.write(stamp_ns, np.asarray(cv2.imdecode(table, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)), optics)

    def _info(self, stamp_ns: int, old: tuple[int, int], optics: Optics | None) -> tuple[int, int]:
        """Write the CameraInfo of an image, if there is one; the size of the image in the recording."""
        new = self._size(old)
        if optics is not None:
            intrinsics, distortion, model = optics(old)
            scaled = resized(intrinsics, old, new)
            self._bag.camera_info(f"/{self.name}/camera_info", stamp_ns, self.frame, new, scaled, distortion, model)
        return new

    def _put(self, stamp_ns: int, data: bytes, kind: str) -> None:
        put = self._bag.png if kind == "png" else self._bag.jpeg
        put(f"/{self.name}/image_raw/compressed", stamp_ns, self.frame, data)
        self.count += 1

    def _size(self, size: tuple[int, int]) -> tuple[int, int]:
        if self._width is None or self._width == size[0]:
            return size
        if self._width > size[0]:
            raise ConfigError(f"--width is {self._width}, images of {self.name} have {size[0]}x{size[1]}: they are not enlarged")
        return self._width, max(1, round(size[1] * self._width / size[0]))
