"""The sliding window: the last T frame-sets, every S sets."""

from collections import deque
from dataclasses import dataclass

from chromm_ros.records import FrameSet, Window
from chromm_ros.settings import Settings, setting


@dataclass(frozen=True)
class WindowConfig(Settings):
    """How frame-sets are gathered into windows.

    The default is small, because one window costs T x V images: 4 steps of 4 cameras are 16 images. Longer windows see more
    motion, and steadier scale and cameras, at that price.
    """

    length: int = setting(4, "frame-sets in a window (T)", at_least=1, at_most=64, dynamic=True)
    stride: int = setting(1, "frame-sets from one window to the next (S)", at_least=1, at_most=64, dynamic=True)
    min_length: int = setting(
        1,
        "frame-sets of the first windows of an epoch, which then grow up to `length`; no more than `length` is waited for",
        at_least=1,
        at_most=64,
        dynamic=True,
    )
    max_age_s: float = setting(
        5.0, "frame-sets older than this beside the newest one leave the window; 0 keeps them [s]", at_least=0.0, dynamic=True
    )


class SlidingWindow:
    """Gathers frame-sets into windows.

    A window comes with every `stride`-th frame-set. At the start of an epoch, and after a pause longer than `max_age_s`, it is
    shorter than `length`: somebody who starts the node sees a result at once, not after T sets. Who needs full windows only
    sets `min_length` to `length`.
    """

    def __init__(self, cameras: tuple[str, ...], config: WindowConfig) -> None:
        """Start empty."""
        self.cameras = cameras
        self._config = config
        self._sets: deque[FrameSet] = deque()
        self._since_window = 0
        self._windows_made = 0
        self._windows_of_epoch = 0

    def push(self, frame_set: FrameSet) -> Window | None:
        """Take the next frame-set; a window comes back when one is due.

        A frame-set of another epoch empties the window first.
        """
        if self._sets and self._sets[-1].epoch != frame_set.epoch:
            self.reset()
        self._sets.append(frame_set)
        self._forget_old()
        self._since_window += 1
        if len(self._sets) < min(self._config.min_length, self._config.length):
            return None
        if self._windows_of_epoch and self._since_window < self._config.stride:
            return None
        return self._made()

    def reset(self) -> None:
        """Drop all sets."""
        self._sets.clear()
        self._since_window = 0
        self._windows_of_epoch = 0

    def reconfigure(self, config: WindowConfig) -> None:
        """Go on with other settings; the sets stay as far as they fit."""
        self._config = config

    def _forget_old(self) -> None:
        newest_ns = self._sets[-1].stamp_ns
        oldest_ns = newest_ns - round(self._config.max_age_s * 1e9) if self._config.max_age_s else 0
        while len(self._sets) > self._config.length or self._sets[0].stamp_ns < oldest_ns:
            self._sets.popleft()

    def _made(self) -> Window:
        self._since_window = 0
        self._windows_made += 1
        self._windows_of_epoch += 1
        return Window(self._sets[-1].epoch, self._windows_made - 1, self.cameras, tuple(self._sets))
