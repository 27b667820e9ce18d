"""What becomes of a window that runs while somebody resets, disables or lets go on. The network is a stand-in that waits."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger

from chromm_ros.records import Frame, Reconstruction, Window
from chromm_ros.ros.engine import Engine
from chromm_ros.ros.node import ChrommNode
from chromm_ros.ros.options import NodeSettings, parse
from chromm_ros.stream.counters import SetCounters

LONG_S = 20.0
SETTINGS: NodeSettings = parse({"cameras": ["left"], "worker.policy": "all"})


class SlowPipeline:
    """Runs one window per `go`; its device's memory grows with every window."""

    body: Any = None

    def __init__(self, *_: object, **__: object) -> None:
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.threads: list[str] = []
        self.predictor = SimpleNamespace(device="cpu", weights="untrained", gpu_mb=self._gpu_mb)
        self.next_id = 1

    def _gpu_mb(self) -> float:
        self.threads.append(threading.current_thread().name)
        return float(len(self.threads))

    def warm_up(self, _views: int) -> None:
        self.threads.clear()

    def __call__(self, _window: Window) -> Reconstruction:
        self.entered.release()
        assert self.go.acquire(timeout=LONG_S)
        nothing = np.empty((0, 3), np.float32)
        return Reconstruction(
            epoch=0, index=0, stamps_ns=(), cameras=(), world_from_cam=np.empty((0, 0, 4, 4)), points=nothing,
            colors=nothing.astype(np.uint8), confidence=nothing[:, 0], people=(), metric_scale=1.0, scale_ratio=1.0,
        )  # fmt: skip  # an empty one


class Heard:
    """Stands for the publishers: keeps what would have been published."""

    def __init__(self, *_: object, **__: object) -> None:
        self.said: list[Any] = []

    def publish(self, _result: object, window: Window, account: Any) -> Any:
        self.said.append((window.index, account))
        parts = ("sync", "queue", "prepare", "infer", "reconstruct", "publish", "total")
        return SimpleNamespace(people=0, **{f"latency_{part}_ms": 0.0 for part in parts})

    def destroy(self) -> None:
        """As `Outputs`."""

    def clear_markers(self, _stamp_ns: int) -> None:
        self.said.append("cleared")


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[rclpy.Context]:
    monkeypatch.setattr("chromm_ros.pipeline.Pipeline", SlowPipeline)
    monkeypatch.setattr("chromm_ros.ros.engine.Outputs", Heard)
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def engine(context: rclpy.Context) -> Iterator[Engine]:
    engine = Engine(Node("here", context=context), SETTINGS, 1)
    engine.start(SETTINGS)
    yield engine
    for _ in range(100):
        engine.pipeline.go.release()
    engine.stop()


def submit(engine: Engine, epoch: int, index: int, complete: int = 0) -> None:
    assert engine.submit(Window(epoch, index, ("left",), ()), SetCounters(complete=complete))


def finish(engine: Engine, count: int) -> None:
    for _ in range(count):
        engine.pipeline.go.release()
    assert engine._worker is not None
    assert engine._worker.wait_idle(LONG_S)


def published(engine: Engine) -> list[int]:
    return [entry[0] for entry in engine.outputs.said if entry != "cleared"]


def disable_and_enable(engine: Engine) -> None:
    engine.forget_before(1)
    engine.fall_silent()
    engine.forget_before(2)
    engine.speak()


@pytest.mark.parametrize("interrupt", [lambda engine: engine.forget_before(2), disable_and_enable])
def test_nothing_of_an_old_epoch_is_published_after_a_reset(engine: Engine, interrupt: Callable[[Engine], None]) -> None:
    submit(engine, 0, 0)
    assert engine.pipeline.entered.acquire(timeout=LONG_S)
    submit(engine, 0, 1)
    interrupt(engine)
    submit(engine, 2, 2)
    finish(engine, 2)
    assert published(engine) == [2]
    assert (engine.counters.run, engine.counters.dropped) == (1, 2), "one waited, one ran"


def test_a_result_carries_the_counters_of_its_own_window(engine: Engine) -> None:
    submit(engine, 0, 0, complete=5)
    assert engine.pipeline.entered.acquire(timeout=LONG_S)
    submit(engine, 0, 1, complete=6)
    finish(engine, 2)
    assert [entry[1].sets_complete for entry in engine.outputs.said[1:]] == [5, 6]


def test_only_the_worker_asks_the_device_for_its_memory(engine: Engine) -> None:
    submit(engine, 0, 0)
    finish(engine, 1)
    (gpu,) = [entry for entry in engine.statuses(SETTINGS) if entry.name == "chromm: gpu"]
    assert {pair.key: pair.value for pair in gpu.values}["memory_mb"] == "1.000"
    assert engine.pipeline.threads == ["chromm-worker"]


@pytest.fixture
def node(context: rclpy.Context) -> Iterator[ChrommNode]:
    words = ("cameras:=[left]", "worker.policy:=all", "worker.queue:=9", "rig.source:=tf", "window.length:=1")
    node = ChrommNode(context=context, cli_args=["--ros-args", *(word for pair in words for word in ("-p", pair))])
    node.autostart()
    assert node._engine is not None
    go = node._engine.pipeline.go
    yield node
    for _ in range(100):
        go.release()
    node.close()


def see(node: ChrommNode, stamp_ns: int) -> None:
    """An image comes."""
    assert node._intake is not None
    node._intake._admit("left", [Frame("left", stamp_ns, np.zeros((2, 2, 3), np.uint8), frame_id="eye")], time.monotonic_ns())


def test_the_node_tells_its_engine_of_a_reset(node: ChrommNode) -> None:
    engine = node._engine
    assert engine is not None
    see(node, 10**9)
    assert engine.pipeline.entered.acquire(timeout=LONG_S)
    see(node, 2 * 10**9)
    assert node._on_reset(None, Trigger.Response()).success
    see(node, 3 * 10**9)
    see(node, 4 * 10**9)
    finish(engine, 3)
    counted = [account.sets_complete for _, account in (entry for entry in engine.outputs.said if entry != "cleared")]
    assert counted == [1, 2], "of the new epoch, each with its own window"
    assert engine.counters.dropped == 2


def test_why_poses_are_missing_is_said(node: ChrommNode, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(node._voice, "say", lambda _kind, sentence: said.append(sentence))
    node._watch()
    assert not said
    see(node, 10**9)
    node._watch()
    (sentence,) = said
    assert sentence.startswith("poses of cameras are not known") and '"map"' in sentence
