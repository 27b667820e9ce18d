"""The buffer with waiting look-ups, cleared when the clock jumps back (upstream: tf2_ros_py/tf2_ros/buffer.py)."""

import threading
import time as system_time
from collections.abc import Callable

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.buffer_core import BufferCore

NO_WAIT = Duration()


class Buffer(BufferCore):
    """Stores frames and answers look-ups. A wait blocks the thread that asks, so another one must spin the listener."""

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        """Keep `cache_time` (10 s by default); `node` lends its clock, so that a jump back of simulated time clears the buffer."""
        super().__init__(cache_time)
        self._new_data = threading.Condition()
        self.clock = node.get_clock() if node is not None else Clock()
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)
        self.jump_handle = self.clock.create_jump_callback(threshold, post_callback=self.time_jump_callback)

    def time_jump_callback(self, time_jump: TimeJump) -> None:  # noqa: ARG002 - upstream's signature
        """Forget what another time said."""
        get_logger("tf2_buffer").warning("Detected jump back in time. Clearing tf buffer.")
        self.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Take the place of a moving frame and wake who waits."""
        super().set_transform(transform, authority)
        self._wake()

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Take the place of a frame that never moves and wake who waits."""
        super().set_transform_static(transform, authority)
        self._wake()

    def lookup_transform(self, target_frame: str, source_frame: str, time: Time, timeout: Duration = NO_WAIT) -> TransformStamped:
        """`target_from_source` at a time (0: the latest), waiting for at most `timeout`. Raises as `lookup_transform_core` does."""
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
    ) -> TransformStamped:
        """`target(target_time)_from_source(source_time)` through a frame that stands still, waiting for at most `timeout`."""
        self.can_transform_full(target_frame, target_time, source_frame, source_time, fixed_frame, timeout)
        return self.lookup_transform_full_core(target_frame, target_time, source_frame, source_time, fixed_frame)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
    ) -> bool | tuple[bool, str]:
        """Whether the look-up succeeds, at the latest after `timeout`; with the reason if a tuple is asked for."""
        result = self._wait(lambda: self.can_transform_core(target_frame, source_frame, time), timeout)
        return result if return_debug_tuple else result[0]

    def can_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,  # noqa: FBT001, FBT002 - upstream's signature
    ) -> bool | tuple[bool, str]:
        """Whether the full look-up succeeds, at the latest after `timeout`."""
        result = self._wait(
            lambda: self.can_transform_full_core(target_frame, target_time, source_frame, source_time, fixed_frame), timeout
        )
        return result if return_debug_tuple else result[0]

    def _wait(self, attempt: Callable[[], tuple[bool, str]], timeout: Duration) -> tuple[bool, str]:
        """Try again with every new transform until it works or the time is over."""
        deadline = system_time.monotonic() + timeout.nanoseconds / 1e9
        with self._new_data:
            while not (result := attempt())[0]:
                left = deadline - system_time.monotonic()
                if left <= 0.0:
                    break
                self._new_data.wait(left)
        return result

    def _wake(self) -> None:
        with self._new_data:
            self._new_data.notify_all()
