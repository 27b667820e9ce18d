"""Images, depth maps and videos of datasets, one at a time, and the rectification of fisheye lenses."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.errors import FileError, require
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import inside, project, resized

Image = UInt8[np.ndarray, "H W 3"]


def stamp_ns(index: int, rate: float) -> int:
    """Time of a frame that is counted from 0, nanoseconds."""
    return round(index * 1e9 / rate)


def read_image(path: Path) -> Image:
    """RGB.

    Raises:
        FileError: if there is no such file, or it is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        what = (
            "cannot be read as an image: download it again"
            if path.is_file()
            else "is missing: expected it where the dataset has it"
        )
        raise FileError(f"the image {path} {what}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def read_mask(path: Path) -> UInt8[np.ndarray, "H W"]:
    """A grey image, by `read_image`'s rules."""
    return read_image(path)[..., 0]


def read_depth(path: Path, channel: str = "Depth") -> Float[np.ndarray, "H W"]:
    """A channel of an OpenEXR file, as it stands there, float32. By OpenEXR's own library: OpenCV's wheels leave that format out.

    Raises:
        FileError: if there is no such file, or it has no such channel.
    """
    library = require("OpenEXR", extra="bedlam")
    if not path.is_file():
        raise FileError(f"the depth map {path} is missing: expected it where the dataset has it")
    try:
        channels = library.File(str(path)).channels()
    except Exception as error:  # the library raises RuntimeError and plain C++ errors
        raise FileError(f"the depth map {path} cannot be read as OpenEXR ({error}): download it again") from error
    if channel not in channels:
        raise FileError(f"the depth map {path} has the channels {', '.join(channels)}, expected {channel}")
    return np.asarray(channels[channel].pixels, np.float32)


def video_frames(path: Path, wanted: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """Some frames of a video, counted from 0, in their order. Those between are decoded, too: a jump may land a frame off.

    Raises:
        FileError: if there is no such video, or it ends before the last wanted frame.
    """
    if not path.is_file():
        raise FileError(f"the video {path} is missing: expected it where the dataset has it")
    video = cv2.VideoCapture(str(path))
    try:
        at = -1
        for index in sorted(set(wanted)):
            while at < index:
                if not video.grab():
                    raise FileError(
                        f"the video {path} has {at + 1} frames, expected frame {index}: is it cut, or of another rate?"
                    )
                at += 1
            image = video.retrieve()[1]
            yield index, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        video.release()


@dataclass(frozen=True)
class Fisheye:
    """A lens with Kannala and Brandt's model of four coefficients: COLMAP's and OpenCV's OPENCV_FISHEYE, Aria's KANNALABRANDTK3.

    r = theta + k1 theta^3 + k2 theta^5 + k3 theta^7 + k4 theta^9.
    """

    size: tuple[int, int]
    """Width and height of the images that were calibrated."""
    intrinsics: Float[np.ndarray, "3 3"]
    """In their pixels, the centre of the first at (0.5, 0.5)."""
    distortion: Float[np.ndarray, "4"]
    """k1 to k4."""
    pinhole: Float[np.ndarray, "3 3"]
    """Intrinsics that its rectified images should have."""
    _maps: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    def rectify(self, image: Image) -> tuple[Image, Float[np.ndarray, "3 3"]]:
        """A pinhole image of the same size, and its intrinsics; images may be scaled copies of those that were calibrated.

        Raises:
            FileError: if the image is of another shape than the calibration.
        """
        size = (image.shape[1], image.shape[0])
        if abs(size[0] * self.size[1] - size[1] * self.size[0]) > max(*self.size, *size):
            raise FileError(f"an image has {size[0]}x{size[1]} pixels, its calibration is for {self.size[0]}x{self.size[1]}")
        pinhole = resized(self.pinhole, self.size, size)
        if size not in self._maps:
            to_centres = np.array(
                [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]
            )  # OpenCV counts from the first pixel's centre
            lens = resized(self.intrinsics, self.size, size) - to_centres
            self._maps[size] = cv2.fisheye.initUndistortRectifyMap(
                lens, self.distortion, np.eye(3), pinhole - to_centres, size, cv2.CV_16SC2
            )
        return cv2.remap(image, *self._maps[size], cv2.INTER_LINEAR), pinhole


def seen_by(
    joints: Float[np.ndarray, "P J 3"], lenses: Mapping[str, Fisheye], world_from_cam: Float[np.ndarray, "V 4 4"]
) -> tuple[tuple[str, ...], ...]:
    """Cameras whose rectified image has half of a person's labelled joints in it, by person; whether something is in front, nobody says.

    Args:
        joints: in the world, metres; NaN where not labelled.
        lenses: by the cameras' names.
        world_from_cam: poses in their order.
    """
    shares = []
    labelled = np.isfinite(joints).all(axis=-1).sum(axis=-1)
    for lens, pose in zip(lenses.values(), world_from_cam, strict=True):
        pixels = project(se3.apply(se3.inverse(pose), joints), lens.pinhole)
        shares.append(inside(pixels, np.array(lens.size, np.float64)).sum(axis=-1) >= np.maximum(0.5 * labelled, 1.0))
    return tuple(tuple(name for name, share in zip(lenses, shares, strict=True) if share[who]) for who in range(len(joints)))
