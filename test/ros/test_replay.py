"""The replay node plays a real recording between real processes: all of it, in order, in time or in step."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from chromm_ros.data.bag import BagMessage, BagReader, BagTopic
from chromm_ros.data.instants import ahead, header_stamp_ns, instants
from chromm_ros.records import Frame, FrameSet
from chromm_ros.ros import transport
from chromm_ros.ros.recorded import message_class, qos_to_bag, qos_to_play
from chromm_ros.stream.sync import FrameSync, SyncConfig

CLIP = Path(__file__).resolve().parents[1] / "data" / "pose2sim_clip"
CAMERAS = ("cam01", "cam02", "cam03", "cam04")
LIMIT_S = 60.0


@contextmanager
def replaying(**parameters: object) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own."""
    arguments = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "chromm_ros.ros.replay_node", "--ros-args", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=LIMIT_S)
    return process.returncode, output


class Listener:
    """Four camera topics into a synchroniser, as the real node does it, and what else is played."""

    def __init__(self, *, acknowledge: bool = False, cameras: tuple[str, ...] = CAMERAS) -> None:
        rclpy.init()
        self.node = rclpy.create_node("listener")
        self.sync = FrameSync(CAMERAS, SyncConfig(max_wait_s=5.0))
        self.stamps: dict[str, list[int]] = {camera: [] for camera in CAMERAS}
        self.sets: list[FrameSet] = []
        self.clock: list[int] = []
        self.transforms: list[Any] = []
        self.in_flight = 0
        self.acks = self.node.create_publisher(Header, "chromm/frame_sets", QoSProfile(depth=50)) if acknowledge else None
        for camera in cameras:
            topic = f"/{camera}/image_raw/compressed"
            self.node.create_subscription(CompressedImage, topic, self.on_image(camera), QoSProfile(depth=50))
        self.node.create_subscription(Clock, "/clock", lambda m: self.clock.append(ns(m.clock)), QoSProfile(depth=1000))
        self.executor = transport.make_executor()
        self.executor.add_node(self.node)

    def listen_to_static_transforms(self) -> None:
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(TFMessage, "/tf_static", lambda m: self.transforms.extend(m.transforms), latched)

    def on_image(self, camera: str) -> Callable[[CompressedImage], None]:
        def take(message: CompressedImage) -> None:
            self.stamps[camera].append(ns(message.header.stamp))
            frame = Frame(camera, ns(message.header.stamp), _IMAGE)
            for frame_set in self.sync.push(frame, time.monotonic_ns()):
                self.sets.append(frame_set)
                if self.acks is not None:
                    time.sleep(0.03)  # a node that takes its time
                    seconds, nanoseconds = divmod(frame_set.stamp_ns, 10**9)
                    header = Header()
                    header.stamp.sec, header.stamp.nanosec = seconds, nanoseconds
                    self.acks.publish(header)

        return take

    def listen(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT_S
        while not until() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)
        assert until(), "nothing came in time"


_IMAGE = np.zeros((1, 1, 3), np.uint8)


def ns(stamp: Any) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


@pytest.fixture
def listener(ros_domain: int) -> Iterator[Listener]:
    yield Listener()
    rclpy.try_shutdown()


@pytest.fixture
def acknowledging(ros_domain: int) -> Iterator[Listener]:
    yield Listener(acknowledge=True)
    rclpy.try_shutdown()


def recorded_stamps() -> dict[str, list[int]]:
    with BagReader(CLIP) as bag:
        topics = {f"/{camera}/image_raw/compressed": camera for camera in CAMERAS}
        stamps: dict[str, list[int]] = {camera: [] for camera in CAMERAS}
        for message in bag.messages(list(topics)):
            stamps[topics[message.topic]].append(header_stamp_ns(message.raw))
        return stamps


def test_everything_arrives_in_order_and_in_time(listener: Listener) -> None:
    expected = recorded_stamps()
    with replaying(bag=CLIP, wait_for_subscribers=LIMIT_S) as process:
        listener.listen(lambda: all(len(stamps) == 17 for stamps in listener.stamps.values()))
        listener.listen_to_static_transforms()
        code, output = ended(process)
    assert code == 0, output
    assert listener.stamps == expected
    assert "played 137 messages" in output
    assert "/cam01/image_raw/compressed 17" in output
    assert float(re.search(r" in (\d+\.\d) s", output)[1]) >= 1.6, "the recording is 1.6 s long"  # type: ignore[index]
    with BagReader(CLIP) as bag:
        assert listener.clock == sorted(listener.clock)
        assert bag.start_ns <= listener.clock[-1] <= bag.end_ns
        assert len(listener.clock) > 50


def test_a_node_may_use_a_few_of_the_cameras(ros_domain: int) -> None:
    listener = Listener(cameras=("cam02", "cam04"))
    with replaying(bag=CLIP, rate=4.0, wait_for_subscribers=LIMIT_S) as process:
        listener.listen(lambda: len(listener.stamps["cam02"]) == len(listener.stamps["cam04"]) == 17)
        code, output = ended(process)
    rclpy.try_shutdown()
    assert code == 0, output
    assert "nobody listens to /cam01/image_raw/compressed, /cam03/image_raw/compressed" in output


def test_rate_and_prefix(ros_domain: int) -> None:
    with replaying(bag=CLIP, rate=4.0, prefix="/again", progress=False) as process:
        code, output = ended(process)
    assert code == 0, output
    assert "played 137 messages" in output
    assert " %" not in output


def test_static_transforms_reach_whoever_comes_later(listener: Listener) -> None:
    with replaying(bag=CLIP, wait_for_subscribers=LIMIT_S, rate=0.2):
        listener.listen(lambda: bool(listener.stamps["cam01"]))
        listener.listen_to_static_transforms()
        listener.listen(lambda: len(listener.transforms) == 4)
    assert {t.child_frame_id for t in listener.transforms} == {f"{camera}_optical_frame" for camera in CAMERAS}


def test_in_step_nothing_is_lost_however_slow_the_node_is(acknowledging: Listener) -> None:
    with replaying(bag=CLIP, step=True, wait_for_subscribers=LIMIT_S) as process:
        acknowledging.listen(lambda: process.poll() is not None)
        code, output = ended(process)
    assert code == 0, output
    assert "0 instants not acknowledged" in output
    assert len(acknowledging.sets) == 17
    assert all(all(s.frames) for s in acknowledging.sets)


def test_in_step_a_node_that_does_not_answer_is_said_and_counted(listener: Listener) -> None:
    silent = listener.node.create_publisher(Header, "chromm/frame_sets", QoSProfile(depth=50))
    with replaying(bag=CLIP, step=True, step_timeout_s=0.05, wait_for_subscribers=LIMIT_S) as process:
        listener.listen(lambda: process.poll() is not None)
        code, output = ended(process)
    assert silent is not None
    assert code == 0, output
    assert "17 instants not acknowledged" in output
    assert output.count("did not take the images of") == 17


def test_a_loop_repeats_the_stamps_and_starts_an_epoch(listener: Listener) -> None:
    with replaying(bag=CLIP, loop=True, rate=4.0, wait_for_subscribers=LIMIT_S) as process:
        listener.listen(lambda: sum(s.epoch >= 2 and all(s.frames) for s in listener.sets) > 5)
        process.send_signal(signal.SIGINT)
        code, output = ended(process)
    assert code == 0, output
    rounds = [[s.stamp_ns for s in listener.sets if s.epoch == epoch] for epoch in (0, 1)]
    assert rounds[0] == rounds[1] == recorded_stamps()["cam01"]
    assert listener.sync.counters.resets == max(s.epoch for s in listener.sets)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "the parameter bag is empty"),
        ({"bag": "/nowhere/at/all"}, "there is no recording at /nowhere/at/all"),
        ({"bag": CLIP, "speed": 2.0}, "unknown setting 'speed'"),
        ({"bag": CLIP, "rate": -1.0}, "rate is -1.0, expected at least 0.01"),
        ({"bag": CLIP, "topics": "[/nothing]"}, "no topic /nothing, only /cam01/camera_info"),
        ({"bag": CLIP, "wait_for_subscribers": 0.2}, "there is no subscriber of /cam01/image_raw/compressed, /cam02"),
        ({"bag": CLIP, "step": True, "wait_for_subscribers": 0.2}, "no publisher of /chromm/frame_sets: is the node running"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(ros_domain: int, parameters: dict[str, object], sentence: str) -> None:
    with replaying(**parameters) as process:
        code, output = ended(process)
    assert code == 1
    assert sentence in output
    assert "Traceback" not in output


# Without processes


def image(topic: str, stamp_ms: int, raw: bytes | None = None) -> BagMessage:
    seconds, nanoseconds = divmod(stamp_ms * 1_000_000, 10**9)
    data = b"\x00\x01\x00\x00" + seconds.to_bytes(4, "little") + nanoseconds.to_bytes(4, "little")
    return BagMessage(topic, 0, "sensor_msgs/msg/Image", raw or data)


def cut(messages: list[BagMessage], images: set[str]) -> list[list[str]]:
    return [[m.topic for m in group] for group in instants(iter(messages), images, 15_000_000)]


def test_instants_hold_one_image_per_camera_and_calibrations_first() -> None:
    messages = [image("a", 0), image("b", 3), image("info", 0), image("a", 33), image("info", 33), image("b", 36)]
    assert cut(messages, {"a", "b"}) == [["info", "a", "b"], ["info", "a", "b"]]


def test_instants_after_a_lost_image_do_not_mix() -> None:
    messages = [image("a", 0), image("b", 0), image("a", 33), image("b", 66), image("a", 66)]
    assert cut(messages, {"a", "b"}) == [["a", "b"], ["a"], ["b", "a"]]


def test_instants_without_images_keep_everything() -> None:
    assert cut([image("x", 0), image("y", 1)], set()) == [["x", "y"]]


def test_depth_leaves_ahead_of_its_turn_and_nothing_else_moves() -> None:
    """A depth image that was recorded three images after its own still comes before it."""
    order = [("a", 0), ("a", 33), ("a", 66), ("depth", 90), ("a", 99), ("tf", 100), ("depth", 123), ("a", 132)]
    messages = [BagMessage(topic, ms * 1_000_000, "", b"") for topic, ms in order]
    played = [(m.topic, m.stamp_ns // 1_000_000) for m in ahead(iter(messages), {"depth"}, 100_000_000)]
    assert played == [("depth", 90), *order[:1], ("depth", 123), *order[1:3], order[4], order[5], order[7]]
    assert list(ahead(iter(messages), set(), 100_000_000)) == messages


def test_header_stamp_in_both_byte_orders() -> None:
    assert header_stamp_ns(b"\x00\x01\x00\x00" + (5).to_bytes(4, "little") + (7).to_bytes(4, "little")) == 5_000_000_007
    assert header_stamp_ns(b"\x00\x00\x00\x00" + (5).to_bytes(4, "big") + (7).to_bytes(4, "big")) == 5_000_000_007


def test_qos_as_recorded_or_sensible() -> None:
    never = QosTime(0, 0)
    recorded = Qos(
        QosHistory.KEEP_LAST,
        3,
        QosReliability.BEST_EFFORT,
        QosDurability.VOLATILE,
        never,
        never,
        QosLiveliness.AUTOMATIC,
        never,
        avoid_ros_namespace_conventions=False,
    )
    topic = BagTopic("/a/image", "sensor_msgs/msg/Image", 1, (recorded,))
    assert qos_to_play(topic).reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos_to_play(topic, reliable=True).reliability == ReliabilityPolicy.RELIABLE
    assert qos_to_play(BagTopic("/a/image", "", 1, ())).reliability == ReliabilityPolicy.RELIABLE
    assert qos_to_play(BagTopic("/a/image", "", 1, ())).durability == DurabilityPolicy.VOLATILE
    assert qos_to_play(BagTopic("/tf_static", "", 1, ())).durability == DurabilityPolicy.TRANSIENT_LOCAL
    kept = qos_to_bag(QoSProfile(depth=7, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    assert (kept.depth, kept.durability, kept.reliability) == (7, QosDurability.TRANSIENT_LOCAL, QosReliability.RELIABLE)


def test_types_by_name() -> None:
    assert message_class("sensor_msgs/msg/CompressedImage") is CompressedImage
    assert message_class("no_such_msgs/msg/Thing") is None
    assert message_class("sensor_msgs/msg/NoSuchThing") is None
