"""What is known beside the images, over DDS: each of intrinsics, pose and depth per camera and per frame, and nothing else."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf2_ros
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from rosbags.rosbag2 import Writer
from rosgraph_msgs.msg import Clock
from stage import Camera, Person
from std_msgs.msg import Header

from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.typestore import make_typestore
from chromm_ros.model.inputs import InputMaker
from chromm_ros.records import Frame, FrameSet, Window
from chromm_ros.ros.convert import to_time
from chromm_ros.ros.intake import Intake
from chromm_ros.ros.options import parse
from chromm_ros.stream.sync import FrameSync
from chromm_ros.stream.window import SlidingWindow

MS = 1_000_000
START = 1_700_000_000 * 10**9
LIMIT_S = 30.0


class Stage:
    """An intake in one context, and somebody in another who publishes; windows are kept instead of run."""

    def __init__(self, domain: int, **parameters: object) -> None:
        self.person = Person(domain)
        self._other = Person(domain)
        self.node: Node = self._other.node
        self._other._executor.shutdown()  # spun here, so that everything happens in one thread
        self._executor = SingleThreadedExecutor(context=self._other.context)
        self._executor.add_node(self.node)
        settings = parse({name.replace("__", "."): value for name, value in parameters.items()})
        cameras = tuple(settings.cameras)
        sliding = SlidingWindow(cameras, settings.chromm.window)
        self.windows: list[Window] = []
        self.said: list[str] = []
        self.acks = self.node.create_publisher(Header, "/chromm/frame_sets", QoSProfile(depth=50))
        sync = FrameSync(cameras, settings.chromm.sync)
        say = self._say
        self.intake = Intake(self.node, settings, sync, sliding, self._acknowledge, self.windows.append, lambda _: None, say)

    def _say(self, _kind: str, sentence: str) -> None:
        self.said.append(sentence)

    def _acknowledge(self, frame_set: FrameSet) -> None:
        self.acks.publish(Header(stamp=to_time(frame_set.stamp_ns)))

    def spin(self, until: Callable[[], bool]) -> None:
        """Do what the node does until something has come true."""
        end, look = time.monotonic() + LIMIT_S, 0.0
        while not until():
            assert time.monotonic() < end, f"not in time; {self.said}"
            if time.monotonic() > look:
                self.intake.look()
                look = time.monotonic() + 0.2
            self._executor.spin_once(timeout_sec=0.01)
            self.intake.expire()

    def matched(self) -> bool:
        """Whether the intake has subscribed to everything that somebody publishes for it."""
        topics = self.intake._topics.values()
        return all(t.image.topic and (t.depth.topic or not t.depth_base) for t in topics)

    def sets(self) -> dict[int, tuple[Frame | None, ...]]:
        """The frames of each moment, by milliseconds since the start."""
        return {(window.sets[-1].stamp_ns - START) // MS: window.sets[-1].frames for window in self.windows}

    def close(self) -> None:
        self.intake.close()
        self._executor.shutdown()
        self._other.leave()
        self.person.leave()


@pytest.fixture
def make_stage(ros_domain: int) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(**parameters: object) -> Stage:
        stages.append(Stage(ros_domain, **parameters))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


def edge(child: str, stamp_ns: int, x: float) -> TransformStamped:
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id, transform.header.stamp = "map", to_time(stamp_ns)
    transform.transform.translation.x, transform.transform.rotation.w = x, 1.0
    return transform


def test_each_frame_carries_exactly_what_is_known_of_it(make_stage: Callable[..., Stage]) -> None:
    """One camera with CameraInfo and a fixed pose, one with depth alone, one with all of it, but pose and depth at times only."""
    stage = make_stage(
        cameras=["fixed", "deep", "moving"],
        window__length=4,
        sync__max_wait_s=2.0,
        rig__source="tf",
        deep__depth_topic="/deep/depth/image_raw",
        moving__depth_topic="/moving/depth/image_raw",
    )
    person = stage.person
    cameras = {
        "fixed": Camera(person, "fixed"),
        "deep": Camera(person, "deep", info=False, depth="32FC1", reliable=False),
        "moving": Camera(person, "moving", encoding="jpeg", depth="compressedDepth"),
    }
    tf2_ros.StaticTransformBroadcaster(person.node).sendTransform(edge("fixed_optical_frame", 0, 7.0))
    moving = tf2_ros.TransformBroadcaster(person.node)
    stage.spin(stage.matched)
    for camera in cameras.values():
        camera.wait_for_listener()
    buffer = stage.intake._rig._buffer

    def known(frame: str, stamp_ns: int) -> bool:
        return bool(buffer.can_transform("map", frame, Time(nanoseconds=stamp_ns, clock_type=stage.node.get_clock().clock_type)))

    stage.spin(lambda: known("fixed_optical_frame", START))
    for step in range(4):
        stamp = START + 100 * step * MS
        if step < 2:
            for at in (stamp, stamp + MS):
                moving.sendTransform(edge("moving_optical_frame", at, float(step)))
            stage.spin(lambda at=at: known("moving_optical_frame", at))
        cameras["deep"].publish_depth(stamp + 4 * MS, 1000 + step)
        if step % 2 == 0:
            cameras["moving"].publish_depth(stamp, 3000 + step)
        for camera in cameras.values():
            camera.publish(stamp)
        stage.spin(lambda step=step: 100 * step in stage.sets())
    window = stage.windows[-1]
    frames = [frame for one in window.sets for frame in one.frames]
    assert None not in frames

    def table(name: str) -> list[list[bool]]:
        return [[getattr(frame, name) is not None for frame in one.frames] for one in window.sets]

    assert table("intrinsics") == [[True, False, True]] * 4
    assert table("world_from_cam") == [[True, False, True]] * 2 + [[True, False, False]] * 2
    assert table("depth") == [[False, True, True], [False, True, False]] * 2
    for step, one in enumerate(window.sets):
        fixed, deep, mobile = one.frames
        assert fixed.world_from_cam[0, 3] == 7
        assert step >= 2 or mobile.world_from_cam[0, 3] == step
        assert not deep.depth[0].any()
        np.testing.assert_allclose(deep.depth[1:], (1000 + step) / 1000, rtol=1e-6)
        if step % 2 == 0:
            np.testing.assert_allclose(mobile.depth[1:], (3000 + step) / 1000, rtol=1e-6)
    conditions = InputMaker(28 * 28, 28, exact=False)(window).views.conditions()
    masks = [(conditions.ray_mask, "intrinsics"), (conditions.pose_mask, "world_from_cam"), (conditions.depth_mask, "depth")]
    for mask, name in masks:
        assert mask.reshape(4, 3).tolist() == table(name), "what the network is told"
    assert stage.intake._depths.keys() == {"deep", "moving"}, "images without a depth topic take no detour"
    assert not stage.said


def test_a_depth_topic_that_nobody_publishes_or_of_another_type_is_said(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(cameras=["left"], left__depth_topic="/left/camera_info", window__length=1)
    camera = Camera(stage.person, "left")
    stage.spin(lambda: bool(stage.intake._topics["left"].image.topic))
    camera.wait_for_listener()
    assert any("left.depth_topic to a topic of depth images" in sentence for sentence in stage.said)
    for step in range(35):
        camera.publish(START + 33 * step * MS)
        stage.spin(lambda step=step: 33 * step in stage.sets())
    assert stage.intake.depth_trouble["left"].startswith("nobody publishes its depth images (/left/camera_info or")
    (report,) = stage.intake.report()
    assert (report.depth.images_with, report.depth.images_without) == (0, 35)


def write_bag(path: Path, steps: int) -> None:
    """A camera with depth that is recorded three images later, and one whose depth has stamps between those of its images."""
    store = make_typestore()
    types = store.types

    def header(stamp_ns: int) -> Any:
        stamp = types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
        return types["std_msgs/msg/Header"](stamp, "eye")

    def image(stamp_ns: int, encoding: str) -> Any:
        data = np.full(24, 1, np.uint8)
        step = {"rgb8": 12, "16UC1": 8}[encoding]
        return types["sensor_msgs/msg/Image"](header(stamp_ns), 2, 4, encoding, 0, step, data[: 2 * step])

    events = []
    for step in range(steps):
        stamp = START + 33 * step * MS
        events += [(stamp, "/a/image_raw", image(stamp, "rgb8")), (stamp + MS, "/b/image_raw", image(stamp, "rgb8"))]
        events += [
            (stamp + 90 * MS, "/a/aligned", image(stamp, "16UC1")),
            (stamp + 17 * MS, "/b/aligned", image(stamp + 16 * MS, "16UC1")),
        ]
    with Writer(path, version=9) as writer:
        connections: dict[str, Any] = {}
        for at, topic, message in sorted(events, key=lambda event: event[0]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=store)
            writer.write(connections[topic], at, store.serialize_cdr(message, "sensor_msgs/msg/Image"))


def test_in_step_depth_waits_for_nobody_and_every_image_gets_its_own(
    make_stage: Callable[..., Stage], tmp_path: Path, ros_domain: int
) -> None:
    write_bag(tmp_path / "bag", 12)
    stage = make_stage(
        cameras=["a", "b"], a__depth_topic="/a/aligned", b__depth_topic="/b/aligned", window__length=1, sync__max_wait_s=2.0
    )
    clock: list[int] = []
    stage.node.create_subscription(Clock, "/clock", lambda told: clock.append(stamp_ns(told.clock)), QoSProfile(depth=1000))
    words = [f"bag:={tmp_path / 'bag'}", "step:=true", "step_timeout_s:=20.0"]
    command = [sys.executable, "-m", "chromm_ros.ros.replay_node", "--ros-args", *(word for one in words for word in ("-p", one))]
    player = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        stage.spin(lambda: player.poll() is not None)
        output = player.communicate()[0]
    finally:
        player.kill()
    assert player.returncode == 0, output
    assert "0 instants not acknowledged" in output
    assert len(clock) > 12
    assert clock == sorted(clock), "depth that leaves ahead of its turn does not move it"
    sets = stage.sets()
    assert sorted(sets) == [33 * step for step in range(12)]
    assert all(a is not None and b is not None for a, b in sets.values())
    assert all(a.depth is not None and b.depth is None for a, b in sets.values()), "16 ms are more than the tolerance"
