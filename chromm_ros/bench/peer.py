"""The two ends of a measurement, each a process of its own: `python -m chromm_ros.bench.peer (send|receive) OPTIONS`.

A sender publishes images at a rate; a receiver looks at the pixels and says how many came, how late and at what cost. Both read
their options as JSON and write their results as one line of JSON. Stamps are monotonic time, which is one for all processes.
"""

import importlib
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image

from chromm_ros.ros.transport import make_executor, prepare_process


@dataclass(frozen=True)
class Stream:
    """What is sent."""

    width: int
    height: int
    hz: float
    topics: int = 1
    reliable: bool = False
    seconds: float = 5.0

    @property
    def qos(self) -> QoSProfile:
        """The same at both ends."""
        reliability = ReliabilityPolicy.RELIABLE if self.reliable else ReliabilityPolicy.BEST_EFFORT
        return QoSProfile(depth=5, history=HistoryPolicy.KEEP_LAST, reliability=reliability)


@dataclass(frozen=True)
class Receiver:
    """How it is received."""

    tuned: bool = True
    """Whether malloc and the switch interval are tuned (`prepare_process`)."""
    executor: str = "single"
    """`single`, `multi` or `events`."""
    beside: str = ""
    """What another thread runs meanwhile: nothing, `python` or `torch`."""
    switch_interval_s: float | None = None
    """Set after all else."""


def send(stream: Stream) -> dict[str, Any]:
    """Publish images on all topics in turn, evenly over each period; returns how many left."""
    rclpy.init()
    node = rclpy.create_node("bench_sender")
    publishers = [node.create_publisher(Image, f"bench/image_{index}", stream.qos) for index in range(stream.topics)]
    message = Image(width=stream.width, height=stream.height, step=3 * stream.width, encoding="rgb8")
    message.data.frombytes(bytes(3 * stream.width * stream.height))
    _wait(lambda: all(publisher.get_subscription_count() for publisher in publishers))
    time.sleep(0.2)  # the other end may match a little later
    pause, count = 1 / (stream.hz * stream.topics), round(stream.seconds * stream.hz) * stream.topics
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number * pause - time.monotonic()))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.monotonic_ns(), 1_000_000_000)
        publishers[number % stream.topics].publish(message)
    lasted = time.monotonic() - begin
    time.sleep(0.3)  # the last ones are on their way
    rclpy.shutdown()
    return {"sent": count, "hz": count / lasted / stream.topics}


def receive(stream: Stream, receiver: Receiver) -> dict[str, Any]:
    """Count images until standard input is closed."""
    if receiver.tuned:
        prepare_process()
    rclpy.init()
    node, cpu_s = rclpy.create_node("bench_receiver"), [0.0, 0.0]
    ages_ns: list[int] = []

    def on_image(message: Image) -> None:
        if not ages_ns:
            cpu_s[0] = time.process_time()
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        pixels[:: max(1, message.height // 8)].sum()
        ages_ns.append(time.monotonic_ns() - message.header.stamp.sec * 10**9 - message.header.stamp.nanosec)
        cpu_s[1] = time.process_time()

    beside = _work_of(receiver.beside)
    for index in range(stream.topics):
        node.create_subscription(Image, f"bench/image_{index}", on_image, stream.qos)
    ended = threading.Event()
    if beside is not None:
        threading.Thread(target=_repeat, args=(beside, ended), daemon=True).start()
    if receiver.switch_interval_s is not None:
        sys.setswitchinterval(receiver.switch_interval_s)
    _spin_until_closed(node, receiver.executor)
    ended.set()
    rclpy.try_shutdown()  # or its shared memory would outlive it
    late = np.percentile(ages_ns, [50, 95]) / 1e6 if ages_ns else (None, None)
    cost_ms = (cpu_s[1] - cpu_s[0]) * 1e3 / max(1, len(ages_ns) - 1)
    return {"received": len(ages_ns), "p50_ms": late[0], "p95_ms": late[1], "cpu_ms": cost_ms if len(ages_ns) > 1 else None}


def has_events_executor() -> bool:
    """Whether this ROS 2 distribution has the EventsExecutor."""
    return importlib.util.find_spec("rclpy.experimental") is not None


def _make_executor(name: str) -> Any:
    if name == "events":
        return make_executor()
    return MultiThreadedExecutor() if name == "multi" else SingleThreadedExecutor()


def _spin_until_closed(node: Any, name: str) -> None:
    """Spin until standard input is closed."""
    executor, closed = _make_executor(name), Future()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set_result(None)), daemon=True).start()
    executor.add_node(node)
    executor.spin_until_future_complete(closed)


def _work_of(beside: str) -> Callable[[], None] | None:
    return {"python": lambda: _python_work, "torch": _torch_work}.get(beside, lambda: None)()


def _repeat(work: Callable[[], None], ended: threading.Event) -> None:
    while not ended.is_set():
        work()


def _python_work() -> None:
    total = 0
    for number in range(20_000):
        total += number % 7


def _torch_work() -> Callable[[], None]:
    """What a small network does, warmed up: importing torch takes seconds."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    layers = torch.nn.Sequential(*(torch.nn.Linear(512, 512) for _ in range(4)))
    tokens = torch.zeros(256, 512)

    def work() -> None:
        with torch.inference_mode():
            layers(tokens)

    work()
    return work


def _wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the other process was not found")
        time.sleep(0.01)


def main(argv: list[str]) -> None:
    """Run one end."""
    role, options = argv[0], json.loads(argv[1])
    stream = Stream(**options["stream"])
    result = send(stream) if role == "send" else receive(stream, Receiver(**options["receiver"]))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a thread that did not end shall not hold the result back


def options_of(stream: Stream, receiver: Receiver) -> str:
    """What `main` reads."""
    return json.dumps({"stream": asdict(stream), "receiver": asdict(receiver)})


if __name__ == "__main__":
    main(sys.argv[1:])
