"""The worker's thread: order, drops, failures, back-pressure and an end that always comes. No test depends on being quick."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chromm_ros.records import Window
from chromm_ros.stream.worker import Worker, WorkerConfig

LONG_S = 20.0
"""A time that is never reached unless something hangs."""


def window(index: int) -> Window:
    return Window(0, index, ("c0",), ())


class Stage:
    """A stub network that runs one window per `go`."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.results: list[int] = []
        self.errors: list[tuple[int, str]] = []

    def process(self, w: Window) -> int:
        self.entered.release()
        assert self.go.acquire(timeout=LONG_S)
        if w.index % 10 == 7:
            raise ValueError(f"window {w.index}")
        return w.index

    def result(self, w: Window, value: int) -> bool:
        assert w.index == value
        self.results.append(value)
        return w.index % 10 != 9

    def error(self, w: Window, error: Exception) -> None:
        self.errors.append((w.index, str(error)))

    def free(self) -> None:
        """Let everything through from now on."""
        for _ in range(1000):
            self.go.release()


@contextmanager
def running(stage: Stage, config: WorkerConfig) -> Iterator[Worker[Window, int]]:
    worker = Worker(stage.process, stage.result, stage.error, config, name="stub")
    worker.start()
    try:
        yield worker
    finally:
        stage.free()
        worker.stop()
        assert worker.join(LONG_S)


def entered(stage: Stage) -> None:
    assert stage.entered.acquire(timeout=LONG_S)


def test_newest_window_wins_and_drops_are_counted() -> None:
    stage = Stage()
    with running(stage, WorkerConfig()) as worker:
        worker.submit(window(0))
        entered(stage)
        assert all(worker.submit(window(k)) for k in (1, 2, 3))
        stage.free()
        assert worker.wait_idle(LONG_S)
        assert stage.results == [0, 3]
        assert (worker.counters.run, worker.counters.dropped, worker.counters.failed) == (2, 2, 0)


def test_a_result_that_nobody_wants_any_more_counts_as_dropped() -> None:
    stage = Stage()
    stage.free()
    with running(stage, WorkerConfig(policy="all")) as worker:
        assert all(worker.submit(window(k)) for k in (1, 9, 2))
        assert worker.wait_idle(LONG_S)
        assert (worker.counters.run, worker.counters.dropped) == (2, 1)


def test_clear_drops_what_waits_and_lets_what_runs_go_on() -> None:
    stage = Stage()
    with running(stage, WorkerConfig(queue=3)) as worker:
        worker.submit(window(0))
        entered(stage)
        assert all(worker.submit(window(k)) for k in (1, 2))
        worker.clear()
        assert worker.submit(window(3))
        stage.free()
        assert worker.wait_idle(LONG_S)
        assert stage.results == [0, 3]
        assert (worker.counters.run, worker.counters.dropped) == (2, 2)


def test_longer_queue_keeps_the_newest_in_order() -> None:
    stage = Stage()
    with running(stage, WorkerConfig(queue=2)) as worker:
        worker.submit(window(0))
        entered(stage)
        for k in range(1, 6):
            worker.submit(window(k))
        stage.free()
        assert worker.wait_idle(LONG_S)
        assert stage.results == [0, 4, 5]


def test_all_windows_are_run_by_making_the_submitter_wait() -> None:
    stage = Stage()
    with running(stage, WorkerConfig(policy="all")) as worker:
        worker.submit(window(0))
        entered(stage)
        assert worker.submit(window(1))
        assert not worker.submit(window(2), timeout_s=0.05), "the queue is full and nobody makes room"
        stage.free()
        assert all(worker.submit(window(k), timeout_s=LONG_S) for k in range(2, 7))
        assert worker.wait_idle(LONG_S)
        assert stage.results == list(range(7))
        assert worker.counters.dropped == 0


def test_a_failing_window_is_reported_and_the_next_one_runs() -> None:
    stage = Stage()
    stage.free()
    with running(stage, WorkerConfig(policy="all")) as worker:
        for k in (6, 7, 8):
            worker.submit(window(k))
        assert worker.wait_idle(LONG_S)
        assert stage.results == [6, 8]
        assert stage.errors == [(7, "window 7")]
        assert (worker.counters.run, worker.counters.failed) == (2, 1)


def test_a_failing_consumer_is_reported_too() -> None:
    stage = Stage()
    stage.free()

    def refuse(w: Window, _: int) -> bool:
        raise RuntimeError(f"cannot publish {w.index}")

    worker = Worker(stage.process, refuse, stage.error, WorkerConfig(policy="all"))
    worker.start()
    worker.submit(window(1))
    worker.submit(window(2))
    assert worker.wait_idle(LONG_S)
    worker.stop()
    assert worker.join(LONG_S)
    assert [text for _, text in stage.errors] == ["cannot publish 1", "cannot publish 2"]


def blocked_submit(worker: Worker[Window, int], w: Window) -> tuple[threading.Thread, list[bool]]:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(worker.submit(w)), daemon=True)
    thread.start()
    return thread, answers


def test_stop_frees_a_blocked_submitter() -> None:
    stage = Stage()
    with running(stage, WorkerConfig(policy="all")) as worker:
        worker.submit(window(0))
        entered(stage)
        worker.submit(window(1))
        thread, answers = blocked_submit(worker, window(2))
        thread.join(0.1)
        assert thread.is_alive()
        worker.stop()
        thread.join(LONG_S)
        assert answers == [False]
        assert not worker.join(0.01), "window 0 still runs"
        stage.free()
        assert worker.join(LONG_S)
        assert worker.counters.dropped == 1
        assert not worker.submit(window(3))


@pytest.mark.parametrize("policy", ["newest", "all"])
def test_callbacks_may_submit_and_stop(policy: str) -> None:
    done: list[int] = []
    workers: list[Worker[Window, int]] = []

    def result(w: Window, _: int) -> bool:
        done.append(w.index)
        if w.index < 3:
            assert workers[0].submit(window(w.index + 1))
        else:
            workers[0].stop()
        return True

    workers.append(Worker(lambda w: w.index, result, lambda *_: None, WorkerConfig(policy=policy)))
    workers[0].start()
    workers[0].submit(window(0))
    assert workers[0].join(LONG_S)
    assert done == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_does_not_block_anybody() -> None:
    def slip(*_: object) -> None:
        raise AssertionError("on_error itself raises")

    def fail(_: Window) -> int:
        raise ValueError("window")

    worker: Worker[Window, int] = Worker(fail, lambda *_: True, slip, WorkerConfig(policy="all"))
    worker.start()
    assert worker.submit(window(0))
    assert worker.join(LONG_S)
    assert not worker.submit(window(1))
    assert not worker.submit(window(2))


def test_the_thread_has_its_name_and_is_not_the_callers() -> None:
    seen: list[str] = []
    note: Callable[[Window], None] = lambda _: seen.append(threading.current_thread().name)  # noqa: E731  typed on one line
    worker = Worker(note, lambda *_: True, lambda *_: None, WorkerConfig())
    worker.start()
    worker.submit(window(0))
    assert worker.wait_idle(LONG_S)
    worker.stop()
    assert worker.join(LONG_S)
    assert seen == ["chromm-worker"]


def test_stop_before_start_and_twice() -> None:
    worker = Worker(lambda _: None, lambda *_: True, lambda *_: None, WorkerConfig())
    worker.stop()
    worker.stop()
    assert worker.join(0)
    assert not worker.submit(window(0))
