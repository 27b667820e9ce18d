"""The one thread that runs windows: while it lives, only it touches what `process` touches, torch above all."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from chromm_ros.settings import Settings, setting

W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True)
class WorkerConfig(Settings):
    """What happens to windows that come faster than they can be run."""

    policy: str = setting(
        "newest",
        "newest: a newer window replaces the oldest that waits; all: whoever submits has to wait",
        choices=("newest", "all"),
    )
    queue: int = setting(1, "windows that may wait", at_least=1, at_most=1000)


@dataclass(frozen=True)
class WorkerCounters:
    """What became of the windows."""

    run: int = 0
    """Windows that gave a result."""
    dropped: int = 0
    """Windows that were replaced by a newer one, cleared, still waited at the stop, or whose result came too late."""
    failed: int = 0
    """Windows that ended in an error."""


class Worker(Generic[W, R]):
    """Runs windows one after the other in a thread of its own.

    `process`, `on_result` and `on_error` are called in that thread and without a lock, so they may call `submit` or `stop`.
    A window whose `process` or `on_result` raises goes to `on_error`, and the next one runs. An `on_error` that raises is a
    programmer's slip: the thread ends with its traceback, and `submit` returns False from then on.
    """

    def __init__(
        self,
        process: Callable[[W], R],
        on_result: Callable[[W, R], bool],
        on_error: Callable[[W, Exception], None],
        config: WorkerConfig,
        name: str = "chromm-worker",
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            process: turns a window into a result; may take long.
            on_result: gets the window and its result; returns whether it was still wanted, else the window counts as dropped.
            on_error: gets the window that failed and the exception.
            config: see `WorkerConfig`.
            name: name of the thread.
        """
        self._process, self._on_result, self._on_error = process, on_result, on_error
        self._config = config
        self._waiting: deque[W] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy = False
        self._run, self._dropped, self._failed = 0, 0, 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, once in the life of a worker."""
        self._thread.start()

    def submit(self, window: W, timeout_s: float | None = None) -> bool:
        """Hand over a window.

        With the policy `newest` this returns at once. With `all` it blocks while the queue is full, until there is room, the
        worker stops, or the time is over. Called from the worker's own thread it must not block, so use `newest` there.

        Returns:
            Whether the window was taken.
        """
        with self._changed:
            if self._config.policy == "all":
                self._changed.wait_for(lambda: self._stopping or len(self._waiting) < self._config.queue, timeout_s)
                if len(self._waiting) >= self._config.queue:
                    return False
            if self._stopping:
                return False
            self._waiting.append(window)
            while len(self._waiting) > self._config.queue:
                self._waiting.popleft()
                self._dropped += 1
            self._changed.notify_all()
            return True

    def clear(self) -> None:
        """Drop what waits; what runs goes on."""
        with self._changed:
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """Ask the thread to end after the window that it runs; what waits is dropped. Does not block."""
        with self._changed:
            self._stopping = True
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the thread.

        Returns:
            Whether it has ended (a worker that was never started counts as ended).
        """
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until every window that was submitted is done.

        Returns:
            Whether nothing waits or runs any more.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping or not (self._waiting or self._busy), timeout_s)

    @property
    def counters(self) -> WorkerCounters:
        """What became of the windows so far."""
        with self._changed:
            return WorkerCounters(self._run, self._dropped, self._failed)

    def _work(self) -> None:
        try:
            while (window := self._next()) is not None:
                self._run_one(window)
        finally:
            self.stop()

    def _next(self) -> W | None:
        """The next window, marked as running; None when it is time to end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping or bool(self._waiting))
            if self._stopping:
                return None
            self._busy = True
            window = self._waiting.popleft()
            self._changed.notify_all()
            return window

    def _run_one(self, window: W) -> None:
        try:
            wanted = self._on_result(window, self._process(window))
        except Exception as error:  # noqa: BLE001  whatever goes wrong in one window is reported, and the next one runs
            self._count(failed=1)
            self._on_error(window, error)
        else:
            self._count(run=int(wanted), dropped=int(not wanted))

    def _count(self, run: int = 0, dropped: int = 0, failed: int = 0) -> None:
        with self._changed:
            self._run += run
            self._dropped += dropped
            self._failed += failed
