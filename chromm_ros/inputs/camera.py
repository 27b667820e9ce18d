"""One camera's way from messages to frames: decode, rectify, stamp, intrinsics. No ROS node in it, so tests feed it by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chromm_ros.data.messages import stamp_ns
from chromm_ros.errors import InputError
from chromm_ros.inputs.calibration import Calibration, calibration_from_info, is_rectified_topic
from chromm_ros.inputs.images import Rgb, Unknown, rgb_from_compressed, rgb_from_image, unknown_encoding
from chromm_ros.inputs.rectify import Rectifier
from chromm_ros.records import Frame

HOLD_NS = 1_000_000_000
"""How long the first images wait for the first CameraInfo where somebody publishes one."""
HOLD_MAX = 30
"""How many images may wait for it."""


@dataclass
class CameraInput:
    """Turns the messages of one camera into frames; what it must refuse it counts and says in one sentence."""

    name: str
    """Name of the camera."""
    say: Callable[[str, str], None]
    """Called as `say(kind, sentence)` about a refused image or calibration; `kind` (`image`, `calibration`, `change`, `hold`) is for throttling."""
    rectify: bool = True
    """Whether unrectified images of a distorted lens are rectified."""
    offset_ns: int = 0
    """Added to every stamp."""
    topic: str = ""
    """Topic of the images; its name tells whether they are rectified already."""
    unknown: Unknown = unknown_encoding
    """Asked for the pixels of a raw image whose encoding `images.CODES` does not know."""
    expects_info: bool = False
    """Whether somebody publishes a CameraInfo: then the first images wait for it."""
    received: int = 0
    """Images that arrived."""
    refused: int = 0
    """Images that could not be used."""
    calibration: Calibration | None = None
    """Calibration of the last image, None where there is none."""
    rectifier: Rectifier | None = None
    """What rectified the last image, None where nothing did."""
    _waits: bool = True
    _info: Any = None
    _info_key: tuple[Any, ...] | None = None
    _size: tuple[int, int] | None = None
    _held: deque[Any] = field(default_factory=deque)
    _held_since_ns: int = 0

    @property
    def has_info(self) -> bool:
        """Whether a CameraInfo has come."""
        return self._info is not None

    def on_info(self, message: Any) -> list[Frame]:
        """Take a sensor_msgs/CameraInfo; returns the frames that waited for the first one."""
        key = (message.width, message.height, message.distortion_model, *message.d, *message.k, *message.p)
        key += (
            message.binning_x,
            message.binning_y,
            message.roi.x_offset,
            message.roi.y_offset,
            message.roi.width,
            message.roi.height,
        )
        if key != self._info_key:
            if self._info_key is not None:
                self.say("change", f"{self.name}: the calibration has changed, later images use the new one")
            self._info, self._info_key, self._size = message, key, None
        return self._release()

    def on_image(self, message: Any, now_ns: int) -> list[Frame]:
        """Take a sensor_msgs/Image or CompressedImage; usually returns its frame, no frame where it is refused or waits.

        Args:
            message: the image.
            now_ns: monotonic time of arrival.
        """
        self.received += 1
        if self._info is None and self.expects_info and self._waits:
            self._hold(message, now_ns)
            if now_ns - self._held_since_ns < HOLD_NS:
                return []
            self._waits = False
            self.say(
                "calibration", f"{self.name}: no camera_info came within {HOLD_NS / 1e9:g} s of the first image, going on without"
            )
            return self._release()
        return self._frames(message)

    def _hold(self, message: Any, now_ns: int) -> None:
        if not self._held:
            self._held_since_ns = now_ns
        if len(self._held) == HOLD_MAX:
            self._held.popleft()
            self.refused += 1
            self.say("hold", f"{self.name}: more than {HOLD_MAX} images wait for the first camera_info, the oldest are dropped")
        self._held.append(message)

    def drop_held(self) -> None:
        """Drop the images that wait for the calibration: they belong to an epoch that is over."""
        self._held.clear()

    def _release(self) -> list[Frame]:
        messages = list(self._held)
        self._held.clear()
        return [frame for message in messages for frame in self._frames(message)]

    def _frames(self, message: Any) -> list[Frame]:
        try:
            return [self._frame(message)]
        except InputError as error:
            self.refused += 1
            self.say("image", f"{self.name}: {error}")
            return []

    def _frame(self, message: Any) -> Frame:
        image = rgb_from_compressed(message) if hasattr(message, "format") else rgb_from_image(message, self.unknown)
        taken_ns = stamp_ns(message.header.stamp)
        image, intrinsics = self._calibrated(image)
        return Frame(
            camera=self.name,
            stamp_ns=taken_ns + self.offset_ns if taken_ns else 0,  # 0 says "not stamped" and must stay so
            image=image,
            intrinsics=intrinsics,
            frame_id=message.header.frame_id.lstrip("/"),  # ROS 1 wrote a slash, tf2 refuses it
        )

    def _calibrated(self, image: Rgb) -> tuple[Rgb, Any]:
        size = (image.shape[1], image.shape[0])
        if self._info is not None and size != self._size:
            self._calibrate(size)
        if self.calibration is None:
            return image, None
        if self.rectifier is None:
            return image, self.calibration.intrinsics
        return self.rectifier(image), self.rectifier.intrinsics

    def _calibrate(self, size: tuple[int, int]) -> None:
        self._size, self.calibration, self.rectifier = size, None, None
        try:
            self.calibration = calibration_from_info(self._info, size, rectified=is_rectified_topic(self.topic))
        except InputError as error:
            self.say("calibration", f"{self.name}: {error}; the camera counts as uncalibrated")
            return
        if self.rectify and self.calibration is not None and self.calibration.distortion:
            self.rectifier = Rectifier(self.calibration)
