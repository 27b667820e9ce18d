"""The node's own chain without DDS: every frame in order, every frame-set, every window; the clock is that of the recording.

A sequence's times of arrival stand for the node's clock, so deadlines fall where they would fall in real time on a machine that is
never late, and nothing depends on how fast this one is. Windows are made one by one: whoever takes them holds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chromm_ros.config import ChrommConfig
from chromm_ros.errors import ConfigError
from chromm_ros.records import Frame, FrameSet, Window
from chromm_ros.stream.sync import FrameSync
from chromm_ros.stream.window import SlidingWindow


def frame_sets(frames: Iterable[tuple[Frame, int]], sync: FrameSync) -> Iterator[FrameSet]:
    """Frames put in step, with the deadlines in between and those after the last one.

    Args:
        frames: with the times of their arrival, in this order.
        sync: fresh.
    """
    now_ns = 0
    for frame, arrival_ns in frames:
        now_ns = max(now_ns, arrival_ns)
        yield from _expired(sync, now_ns)
        yield from sync.push(frame, arrival_ns, now_ns)
    yield from _expired(sync, None)


def _expired(sync: FrameSync, before_ns: int | None) -> Iterator[FrameSet]:
    """The sets whose deadlines lie before a time, or all that are left."""
    while (due_ns := sync.next_deadline_ns) is not None and (before_ns is None or due_ns < before_ns):
        yield from sync.expire(due_ns)


def windows(frames: Iterable[tuple[Frame, int]], cameras: tuple[str, ...], config: ChrommConfig) -> Iterator[Window]:
    """Every window that these frames make.

    Raises:
        ConfigError: if the settings do not fit the cameras, or ask for what only ROS has.
    """
    if config.sync.policy != "framesets":
        raise ConfigError(
            f"sync.policy is '{config.sync.policy}', which is a package of ROS: set it to framesets, or use `eval live`"
        )
    sliding = SlidingWindow(cameras, config.window)
    for frame_set in frame_sets(frames, FrameSync(cameras, config.sync)):
        window = sliding.push(frame_set)
        if window is not None:
            yield window
