"""Images of one camera into a recording: at another width where that is asked for, as they are where they can be."""

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.geometry.camera import resized

Bgr = UInt8[np.ndarray, "H W 3"]
WORLD = "world"
"""Frame of poses and truths, as docs/recordings.md has it."""
BEGIN_NS = 1_700_000_000_000_000_000
"""Stamp of a recording's time 0: some day, as no clock begins at 0."""
_AS_THEY_ARE = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


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

    def write(self, stamp_ns: int, image: Bgr) -> tuple[int, int]:
        """An image as JPEG; its size in the recording.

        Raises:
            ConfigError: if it is smaller than it shall be.
        """
        size = self._size((image.shape[1], image.shape[0]))
        if size != (image.shape[1], image.shape[0]):
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        data = cv2.imencode(".jpg", image, self._encoding)[1]
        self._bag.jpeg(f"/{self.name}/image_raw/compressed", stamp_ns, self.frame, data.tobytes())
        self.count += 1
        return size

    def write_file(self, stamp_ns: int, path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
        """An image file, unchanged where it is JPEG or PNG of 8 bits and of the right size; its size, and that in the recording.

        Pixels are those that are stored: an orientation in EXIF is not applied.

        Raises:
            FileError: if it is no image.
        """
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise FileError(f"{path} cannot be read as an image: is it cut?")
        size = (image.shape[1], image.shape[0])
        kind = _AS_THEY_ARE.get(path.suffix.lower())
        if kind is not None and image.dtype == np.uint8 and self._size(size) == size:
            put = self._bag.png if kind == "png" else self._bag.jpeg
            put(f"/{self.name}/image_raw/compressed", stamp_ns, self.frame, path.read_bytes())
            self.count += 1
            return size, size
        plain = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        return size, self.write(stamp_ns, np.asarray(plain))

    def info(
        self,
        stamp_ns: int,
        sizes: tuple[tuple[int, int], tuple[int, int]],
        intrinsics: Float[np.ndarray, "3 3"],
        distortion: Float[np.ndarray, "N"],
        model: str,
    ) -> None:
        """The CameraInfo of an image; `intrinsics` are in pixels of the first of `sizes`, the second is that in the recording."""
        scaled = resized(intrinsics, *sizes)
        self._bag.camera_info(f"/{self.name}/camera_info", stamp_ns, self.frame, sizes[1], scaled, distortion, model)

    def _size(self, size: tuple[int, int]) -> tuple[int, int]:
        if self._width is None or self._width == size[0]:
            return size
        if self._width > size[0]:
            raise ConfigError(f"--width is {self._width}, images of {self.name} have {size[0]}x{size[1]}: they are not enlarged")
        return self._width, max(1, round(size[1] * self._width / size[0]))
