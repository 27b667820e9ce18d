"""The recorder writes what was published, latched messages too, into a recording that others can read."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from chromm_ros.data.bag import BagReader
from chromm_ros.data.typestore import make_typestore
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.msg import SmplxBodyArray
from chromm_ros.ros.record_node import RecordConfig, Recorder

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def node(ros_domain: int) -> Iterator[Node]:
    rclpy.init()
    yield rclpy.create_node("source", namespace="chromm")
    rclpy.try_shutdown()


def wait(condition: object, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_latched_best_effort_and_own_messages_are_recorded(node: Node, tmp_path: Path) -> None:
    static = node.create_publisher(TFMessage, "/tf_static", LATCHED)
    static.publish(TFMessage())  # before anybody listens
    bodies = node.create_publisher(SmplxBodyArray, "bodies", 10)
    sensor = node.create_publisher(Header, "sensor", BEST_EFFORT)
    node.create_publisher(Header, "/elsewhere", 10)
    path = tmp_path / "deep" / "bag"
    command = [sys.executable, "-m", "chromm_ros.ros.record_node", "--ros-args", "-p", f"output:={path}"]
    command += ["-p", "topics:=[/tf_static]", "-p", "pattern:=/chromm/.*"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait(lambda: bodies.get_subscription_count() and sensor.get_subscription_count() and static.get_subscription_count())
        time.sleep(0.5)
        for k in range(20):
            bodies.publish(SmplxBodyArray(epoch=k, cameras=["left", "right"]))
            sensor.publish(Header(frame_id=f"{k}"))
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "/chromm/bodies 20" in output
    assert "/tf_static 1" in output

    with BagReader(path) as bag:
        assert set(bag.topics) == {"/tf_static", "/chromm/bodies", "/chromm/sensor"}
        arrays = [bag.deserialize(message) for message in bag.messages(["/chromm/bodies"])]
        assert [array.epoch for array in arrays] == list(range(20))
        assert list(arrays[0].cameras) == ["left", "right"]
        assert bag.topics["/tf_static"].qos[0].durability == QosDurability.TRANSIENT_LOCAL
        assert bag.topics["/chromm/sensor"].qos[0].reliability == QosReliability.BEST_EFFORT
        assert bag.topics["/chromm/sensor"].count > 0
    store = make_typestore()
    with AnyReader([path]) as reader:
        assert {c.msgtype: c.digest for c in reader.connections} == {
            name: store.hash_rihs01(name)
            for name in ("tf2_msgs/msg/TFMessage", "chromm_ros/msg/SmplxBodyArray", "std_msgs/msg/Header")
        }


def test_type_hashes_are_those_of_ros(node: Node) -> None:
    """What rosbags computes from our msg files is what rosidl built in, so that real rosbag2 accepts the recording."""
    node.create_publisher(SmplxBodyArray, "bodies", 10)
    (info,) = node.get_publishers_info_by_topic("/chromm/bodies")
    if not hasattr(info, "topic_type_hash"):
        pytest.skip("this distribution has no type hashes (Humble)")
    value = info.topic_type_hash.value
    assert make_typestore().hash_rihs01("chromm_ros/msg/SmplxBodyArray") == "RIHS01_" + bytes(value).hex()


def test_recorder_within_another_program(node: Node, tmp_path: Path) -> None:
    publisher = node.create_publisher(Header, "words", 10)
    recorder = Recorder(node, RecordConfig(output=str(tmp_path / "bag"), topics=("words",)))
    for k in range(5):
        publisher.publish(Header(frame_id=f"{k}"))
    end = time.monotonic() + 30
    while recorder.counts["/chromm/words"].messages < 5 and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    recorder.close()
    assert recorder.counts["/chromm/words"].messages == 5
    assert recorder.counts["/chromm/words"].size > 5 * 12
    assert "recorded 5 messages" in recorder.summary()
    with BagReader(tmp_path / "bag") as bag:
        assert [bag.deserialize(m).frame_id for m in bag.messages()] == list("01234")


def test_what_is_wrong_is_said(node: Node, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is to be recorded"):
        Recorder(node, RecordConfig(output=str(tmp_path / "bag")))
    with pytest.raises(ConfigError, match="no regular expression"):
        Recorder(node, RecordConfig(output=str(tmp_path / "bag"), pattern="("))
    with pytest.raises(ConfigError, match="output is empty"):
        Recorder(node, RecordConfig(pattern=".*"))
    with pytest.raises(FileError, match="exists already"):
        Recorder(node, RecordConfig(output=str(tmp_path), pattern=".*"))
