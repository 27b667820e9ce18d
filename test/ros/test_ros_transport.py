"""The executor serves and ends, the process is tuned, and Fast DDS finds our profile."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.task import Future

from chromm_ros.ros import transport


@pytest.fixture
def context(ros_domain: int):
    rclpy.init()
    yield
    rclpy.try_shutdown()


def test_executor_serves_timers_and_ends_with_a_future(context: None) -> None:
    node = rclpy.create_node("ticking")
    executor = transport.make_executor()
    executor.add_node(node)
    ended = Future()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            ended.set_result(None)

    node.create_timer(0.02, tick)
    executor.spin_until_future_complete(ended, timeout_sec=20.0)
    assert len(ticks) == 3


def test_executor_ends_at_its_time_out(context: None) -> None:
    executor = transport.make_executor()
    executor.add_node(rclpy.create_node("idle"))
    executor.spin_until_future_complete(Future(), timeout_sec=0.2)
    executor.spin_once(timeout_sec=0.0)


@pytest.mark.parametrize("how", ["own", "rclpy"])
def test_spinning_ends_with_the_context(context: None, how: str) -> None:
    node = rclpy.create_node("spinning")
    executor = transport.make_executor()
    ticks: list[int] = []
    node.create_timer(0.02, lambda: ticks.append(1))
    timer = threading.Timer(0.7, rclpy.shutdown)
    timer.start()
    with contextlib.suppress(ExternalShutdownException):  # as every executor of rclpy says it
        if how == "own":
            executor.add_node(node)
            executor.spin()
        else:
            rclpy.spin(node, executor)
    timer.join()
    assert len(ticks) > 5


def test_python_handles_signals_while_the_executor_spins(ros_domain: int) -> None:
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    ended = Future()
    before = signal.signal(signal.SIGUSR1, lambda *_: ended.set_result(None))
    try:
        executor = transport.make_executor()
        executor.add_node(rclpy.create_node("waiting"))
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        executor.spin_until_future_complete(ended, timeout_sec=20.0)
        assert ended.done()
    finally:
        signal.signal(signal.SIGUSR1, before)
        rclpy.try_shutdown()


def test_process_is_tuned() -> None:
    before = sys.getswitchinterval()
    try:
        tuned = transport.prepare_process()
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        assert tuned == (sys.platform == "linux")
    finally:
        sys.setswitchinterval(before)


def test_fastdds_profile_is_found_and_is_what_was_measured() -> None:
    variables = transport.fastdds_environment({})
    assert set(variables) == {"FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"}
    (path,) = set(variables.values())
    root = ET.parse(Path(path)).getroot()
    texts = {element.tag.partition("}")[2]: element.text for element in root.iter()}
    assert texts["segment_size"] == str(64 << 20)
    assert texts["useBuiltinTransports"] == "false"


def test_fastdds_profile_of_the_user_wins() -> None:
    assert transport.fastdds_environment({"FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml"}) == {}
