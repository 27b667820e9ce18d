"""One camera's depth images on their way into its frames: decode, pair, rectify, and the account of it. No ROS node in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chromm_ros.data.messages import stamp_ns
from chromm_ros.errors import InputError
from chromm_ros.inputs.depth_images import fits, metres_from_compressed, metres_from_image
from chromm_ros.inputs.rectify import Rectifier
from chromm_ros.records import Frame
from chromm_ros.stream.lane import Entry
from chromm_ros.stream.pairing import DepthImage, DepthPairing
from chromm_ros.stream.sync import SyncConfig

WAIT_SHARE = 0.5
"""Share of `sync.max_wait_s` that an image may wait for its depth; the rest is left to the other cameras."""
DEPTH_TOLERANCE_S = 0.015
"""Farthest that the stamp of a depth image may lie from that of its image, by default."""
_WORTH_SAYING = 30
"""Images in a row without depth after which something is wrong: a depth camera of 1 Hz beside images of 30 Hz is not."""


@dataclass(frozen=True)
class DepthReport:
    """How the depth images of one camera are doing, for people."""

    topic: str
    """The topic, or the ones looked for."""
    received: int
    """Depth images that arrived."""
    refused: int
    """Depth images that could not be used."""
    images_with: int
    """Images that went on with depth."""
    images_without: int
    """Images that went on without."""
    trouble: str
    """What is wrong, if no image has got depth for long; else empty."""


@dataclass
class DepthInput:
    """Gives the frames of one camera their depth; what it must refuse it counts and says in one sentence."""

    name: str
    """Name of the camera."""
    say: Callable[[str, str], None]
    """As that of `CameraInput`; the kind is `depth`."""
    pairing: DepthPairing
    """Which depth belongs to which frame."""
    rectifier: Callable[[], Rectifier | None] = lambda: None
    """What rectified the last image of the camera; depth is registered to the image as it arrives, so it takes the same way."""
    offset_ns: int = 0
    """Added to every stamp, as to those of the images."""
    received: int = 0
    """Depth images that arrived."""
    refused: int = 0
    """Depth images that could not be used."""
    images_with: int = 0
    """Frames that left with depth."""
    images_without: int = 0
    """Frames that left without."""
    _bare_in_a_row: int = 0
    _received_before: int = 0
    _refused_before: int = 0

    def on_depth(self, message: Any, now_ns: int) -> list[Entry]:
        """Take a depth message; returns the frames that need not wait any longer."""
        self.received += 1
        taken_ns = stamp_ns(message.header.stamp)
        if taken_ns <= 0:
            return self._refuse(
                "a depth image carries no stamp (0), so that it belongs to no image: let the driver fill header.stamp"
            )
        if taken_ns + self.offset_ns <= 0:
            return self._refuse(
                f"a depth image was taken at {taken_ns / 1e9:g} s, which {self.name}.time_offset_s of {self.offset_ns / 1e9:g} s moves "
                "to zero or before, expected a time after it: correct the offset, or the clock of the driver"
            )
        try:
            metres = metres_from_compressed(message) if hasattr(message, "format") else metres_from_image(message)
        except InputError as error:
            return self._refuse(str(error))
        return self._finished(self.pairing.push_depth(DepthImage(taken_ns + self.offset_ns, metres), now_ns))

    def on_frame(self, frame: Frame, now_ns: int) -> list[Entry]:
        """Take a frame; returns the frames that need not wait any longer."""
        return self._finished(self.pairing.push(frame, now_ns))

    def expire(self, now_ns: int) -> list[Entry]:
        """Return the frames that have waited long enough."""
        return self._finished(self.pairing.expire(now_ns))

    def report(self, topic: str, publishers: int) -> DepthReport:
        """How the depth images are doing; what only the graph knows is handed in."""
        trouble = self._trouble(topic, publishers) if self._bare_in_a_row >= _WORTH_SAYING else ""
        return DepthReport(topic, self.received, self.refused, self.images_with, self.images_without, trouble)

    def _trouble(self, topic: str, publishers: int) -> str:
        if publishers == 0:
            return f"nobody publishes its depth images ({topic}): its images go on without"
        if self.received == self._received_before:
            return f"no depth image arrives on {topic}: its images go on without"
        if self.refused > self._refused_before:
            return "its depth images are refused, the log says why"
        if self.pairing.late_in_a_row:
            return "its depth images come too late for their images: raise sync.max_wait_s, half of which is spent on waiting for depth"
        return (
            f"no depth image has a stamp within {self.pairing.tolerance_ns / 1e9:g} s of an image's: "
            f"let the driver stamp both alike, or raise {self.name}.depth_tolerance_s"
        )

    def _finished(self, entries: list[Entry]) -> list[Entry]:
        return [replace(entry, frame=self._counted(self._fitted(entry.frame))) for entry in entries]

    def _fitted(self, frame: Frame) -> Frame:
        """The frame with its depth in the pixels of its image, or without it where it shows another view."""
        if frame.depth is None:
            return frame
        size = (frame.image.shape[1], frame.image.shape[0])
        if not fits(frame.depth, size):
            height, width = frame.depth.shape
            self._refuse(
                f"a depth image has {width}x{height} pixels and its image {size[0]}x{size[1]}, expected the same aspect ratio: "
                "publish depth that is registered to the colour image"
            )
            return replace(frame, depth=None)
        rectifier = self.rectifier()
        return frame if rectifier is None else replace(frame, depth=rectifier.nearest(frame.depth))

    def _counted(self, frame: Frame) -> Frame:
        if frame.depth is None:
            self.images_without += 1
            self._bare_in_a_row += 1
        else:
            self.images_with += 1
            self._bare_in_a_row, self._received_before, self._refused_before = 0, self.received, self.refused
        return frame

    def _refuse(self, sentence: str) -> list[Entry]:
        self.refused += 1
        self.say("depth", f"{self.name}: {sentence}")
        return []


def make_pairing(sync: SyncConfig, tolerance_ns: int) -> DepthPairing:
    """What pairs the images of one camera with its depth images, with the times of waiting that `sync` leaves for it."""
    pairing = DepthPairing(tolerance_ns=tolerance_ns, max_wait_ns=0, jump_limit_ns=0, keep=sync.depth)
    take_times(pairing, sync)
    return pairing


def take_times(pairing: DepthPairing, sync: SyncConfig) -> None:
    """Go on with the times of these settings."""
    pairing.max_wait_ns = round(WAIT_SHARE * sync.max_wait_s * 1e9)
    pairing.jump_limit_ns = round(sync.jump_limit_s * 1e9)
