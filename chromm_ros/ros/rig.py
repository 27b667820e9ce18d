"""Known camera poses from TF, put into a frame-set when it leaves the synchroniser: by then TF has had time to catch up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import tf2_ros
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.time import Time

from chromm_ros.data.messages import matrix_from_transform
from chromm_ros.records import Frame, FrameSet


class Rig:
    """Looks up `frame <- frame of the image` at the stamp of each image."""

    def __init__(self, node: Node, frame: str) -> None:
        """Start to listen to TF."""
        self._frame = frame
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self.missing: Counter[str] = Counter()
        """Images whose pose was not known, by camera."""
        self.reason = ""
        """Why a pose of the last frame-set was not known, in TF's words; empty where all were."""

    def posed(self, frame_set: FrameSet) -> FrameSet:
        """The same frame-set, its frames with the poses that TF knows."""
        self.reason = ""
        return replace(frame_set, frames=tuple(frame and self._posed(frame) for frame in frame_set.frames))

    def reset(self) -> None:
        """Forget what moved before time jumped back: TF would call everything after the jump old. What is static stays."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()

    def _posed(self, frame: Frame) -> Frame:
        stamp = Time(nanoseconds=frame.stamp_ns, clock_type=ClockType.ROS_TIME)
        try:
            found = self._buffer.lookup_transform(self._frame, frame.frame_id, stamp)
        except tf2_ros.TransformException as error:
            self.missing[frame.camera] += 1
            self.reason = str(error)
            return frame
        return replace(frame, world_from_cam=matrix_from_transform(found.transform))
