"""Videos and folders of images, read from front to end."""

import re
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from chromm_ros.errors import ConfigError, FileError

Bgr = UInt8[np.ndarray, "H W 3"]
IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
_NUMBERS = re.compile(r"(\d+)")


class Footage:
    """The frames of one camera, counted from 0. One that has gone by cannot be had again.

    Args:
        path: a video, or a folder of images, which are taken in the order of their names (numbers by value).
        fps: frames in a second; None: what the video says.

    Raises:
        FileError: if there is none, or it cannot be read.
        ConfigError: if nobody says how many frames a second are.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        self.path = path
        self._images = _images(path) if path.is_dir() else None
        self._next, self._ended = 0, False
        if self._images is not None:
            said, self.count = 0.0, len(self._images)
        else:
            if not path.is_file():
                raise FileError(f"there is no video at {path}: expected a video or a folder of images")
            self._video = cv2.VideoCapture(str(path))
            said, self.count = self._video.get(cv2.CAP_PROP_FPS), int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
            if not self._video.isOpened():
                raise FileError(f"{path} cannot be read as a video: is it cut, or of a codec that OpenCV does not have?")
        rate = said if fps is None else fps
        if not (np.isfinite(rate) and rate > 0.0):
            raise ConfigError(f"{path} does not say how many frames a second it has: name them by --fps")
        self.fps = float(rate)

    @property
    def at(self) -> int:
        """How many frames have gone by."""
        return self._next

    def frame(self, index: int) -> Bgr | Path | None:
        """One frame, None after the last; of a folder the path of its image. Indices may only grow.

        Raises:
            FileError: if the first frames of the video cannot be decoded.
        """
        assert index >= self._next, (index, self._next)
        if self._images is not None:
            self._next = index + 1
            return self._images[index] if index < len(self._images) else None
        while self._next <= index and not self._ended:
            self._ended = not self._video.grab()
            self._next += not self._ended
        if self._next == 0:
            raise FileError(f"{self.path} has no frame that can be decoded: is it cut, or of a codec that OpenCV does not have?")
        if self._ended:
            return None
        good, image = self._video.retrieve()
        if not good:
            raise FileError(f"frame {index} of {self.path} cannot be decoded: is the video damaged?")
        return np.asarray(image)

    def close(self) -> None:
        """Let go of the file."""
        if self._images is None:
            self._video.release()


def _images(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    if not found:
        raise FileError(f"the folder {folder} holds no images: expected {', '.join(sorted(IMAGES))}")
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in _NUMBERS.split(path.name)])
