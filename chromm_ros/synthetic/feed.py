"""Clips one after the other, made in other processes while training works on the last ones."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from types import TracebackType

from chromm_ros.data.moment import Moment
from chromm_ros.synthetic.world.crowd import LASTS_S
from chromm_ros.synthetic.world.take import Take, TakeOptions

Clip = tuple[Moment, ...]
"""T moments of one take, or of one sequence of a dataset."""


def clip(seed: int, options: TakeOptions, steps: int, period_s: float) -> Clip:
    """Moments of one take that follow one another, from a start that the seed chooses."""
    start = (seed * 0.754877666) % 1.0 * max(LASTS_S - steps * period_s, 0.0)  # well spread, and the same everywhere
    take = Take(seed, options)
    return tuple(take.at(start + k * period_s) for k in range(steps))


def _follow_the_parent() -> None:
    """Ctrl-C is the caller's affair, who closes the pool; a caller who was killed leaves nobody behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()  # it waits on a pipe whose other end closes with the parent, however that ended
    os._exit(1)


class Feed:
    """Opens a bounded pool; iterating gives the clips in the order of their numbers. Use it in a `with` statement.

    Args:
        numbers: of the clips; for takes, their seeds.
        make: a clip by its number, for example `partial(clip, options=..., steps=..., period_s=...)`; it goes to the processes.
        workers: processes; 0 makes them in the caller.
        queue: clips that may be under way at a time.
    """

    def __init__(
        self,
        numbers: Iterable[int],
        make: Callable[[int], Clip],
        *,
        workers: int = 0,
        queue: int = 16,
    ) -> None:
        assert queue > 0 and workers >= 0
        self._numbers, self._make = iter(numbers), make
        self._queue = queue
        self._pool = None
        if workers:
            self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_follow_the_parent)
        self._waiting: deque[Future[Clip]] = deque()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes; clips that are under way are lost."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Clip]:
        return self

    def __next__(self) -> Clip:
        if self._pool is None:
            return self._make(next(self._numbers))
        while len(self._waiting) < self._queue:
            number = next(self._numbers, None)
            if number is None:
                break
            self._waiting.append(self._pool.submit(self._make, number))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()
