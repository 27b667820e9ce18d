"""Items that a thread makes while their user is busy with earlier ones."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def ahead(items: Iterator[Any], count: int) -> Iterator[Iterator[Any]]:
    """The same items in the same order, up to `count` of them made beforehand; what goes wrong in making one is raised where it is taken.

    Args:
        items: read by one thread alone.
        count: 0 makes each when it is taken, in the caller's thread.
    """
    if not count:
        yield items
        return
    pool = ThreadPoolExecutor(1)
    try:
        yield _taken(items, count, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _taken(items: Iterator[Any], count: int, pool: ThreadPoolExecutor) -> Iterator[Any]:
    end = object()
    waiting: deque[Future[Any]] = deque(pool.submit(next, items, end) for _ in range(count))
    while (item := waiting.popleft().result()) is not end:
        waiting.append(pool.submit(next, items, end))
        yield item
