"""Inputs with the real message types, and camera poses out of TF."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import rclpy
import tf2_ros
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from chromm_ros.errors import InputError
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.inputs.images import rgb_from_compressed, rgb_from_image
from chromm_ros.records import Frame, FrameSet, Window
from chromm_ros.ros.cv_bridge_images import through_cv_bridge
from chromm_ros.ros.intake import Intake
from chromm_ros.ros.options import CameraConfig, QosConfig, parse
from chromm_ros.ros.rig import Rig
from chromm_ros.ros.subscriptions import CameraTopics
from chromm_ros.stream.sync import FrameSync
from chromm_ros.stream.window import SlidingWindow


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    contexts = []

    def make(*remaps: str) -> Node:
        context = rclpy.Context()
        contexts.append(context)
        rclpy.init(args=["--ros-args", *(word for remap in remaps for word in ("-r", remap))], context=context)
        return Node("here", context=context)

    yield make
    for context in contexts:
        context.try_shutdown()


def image(encoding: str = "rgb8") -> Image:
    message = Image(width=4, height=2, encoding=encoding, step=12)
    message.data.frombytes(bytes(range(24)))
    message.header.frame_id = "eye"
    message.header.stamp.sec = 7
    return message


def test_a_ros_image_becomes_a_view_of_its_own_memory() -> None:
    message = image()
    pixels = rgb_from_image(message)
    assert pixels.tolist() == np.arange(24).reshape(2, 4, 3).tolist()
    message.data[0] = 99
    assert pixels[0, 0, 0] == 99, "nothing was copied"


def test_what_cv_bridge_cannot_convert_is_refused_in_one_sentence() -> None:
    for encoding in ("32FC1", "nonsense"):
        with pytest.raises(InputError, match=f"'{encoding}'"):
            rgb_from_image(image(encoding), through_cv_bridge)
    with pytest.raises(InputError, match="cannot be decoded"):
        rgb_from_compressed(CompressedImage(format="jpeg", data=[1, 2, 3]))


def test_ros_messages_go_all_the_way_to_a_frame() -> None:
    said: list[str] = []
    camera = CameraInput("left", lambda _kind, sentence: said.append(sentence))
    info = CameraInfo(width=4, height=2, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = np.array([5.0, 0, 1.5, 0, 5.0, 0.5, 0, 0, 1])
    camera.on_info(info)
    (frame,) = camera.on_image(image(), 0)
    assert frame.intrinsics is not None
    assert frame.intrinsics[:2, 2].tolist() == [2.0, 1.0]
    assert (frame.stamp_ns, frame.frame_id) == (7 * 10**9, "eye")
    assert not said


def test_names_are_remapped_before_the_suffix_of_the_transport(make_node: Callable[..., Node]) -> None:
    node = make_node("left/image_raw:=/rig/one/image", "__ns:=/robot")

    def topics(config: CameraConfig) -> CameraTopics:
        return CameraTopics(node, "left", config, QosConfig(), *[lambda _: None] * 3, lambda *_: None)

    assert topics(CameraConfig()).expected == "/rig/one/image or /rig/one/image/compressed"
    assert topics(CameraConfig()).info_topic == "/rig/one/camera_info"
    assert topics(CameraConfig(transport="compressed")).expected == "/rig/one/image/compressed"
    assert topics(CameraConfig(image_topic="/x/image/compressed")).expected == "/x/image/compressed"
    assert topics(CameraConfig(image_topic="mine", info_topic="info")).info_topic == "/robot/info"
    assert topics(CameraConfig()).expected_depth == ""
    assert topics(CameraConfig(depth_topic="depth")).expected_depth == "/robot/depth or /robot/depth/compressedDepth"
    assert topics(CameraConfig(depth_topic="/d/compressedDepth")).expected_depth == "/d/compressedDepth"


def test_poses_come_from_tf_at_the_stamp_of_the_image(make_node: Callable[..., Node]) -> None:
    node = make_node()
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    rig = Rig(node, "map")
    broadcaster = tf2_ros.TransformBroadcaster(node)

    def send(second: int, x: float) -> None:
        moving = TransformStamped(child_frame_id="eye")
        moving.header.frame_id, moving.header.stamp.sec = "map", second
        moving.transform.translation.x, moving.transform.translation.y, moving.transform.translation.z = x, 2.0, 3.0
        moving.transform.rotation.z = moving.transform.rotation.w = np.sqrt(0.5)
        broadcaster.sendTransform(moving)

    known = Frame("left", 10_500_000_000, np.zeros((2, 2, 3), np.uint8), frame_id="eye")
    frames = (known, replace(known, camera="right", frame_id="nowhere"), None)
    frame_set = FrameSet(0, 0, known.stamp_ns, 0, frames)
    end = time.monotonic() + 20
    posed = rig.posed(frame_set)
    while posed.frames[0].world_from_cam is None and time.monotonic() < end:
        send(10, 700_001.01)  # a map in UTM: float32 has steps of 6 cm there
        send(11, 700_002.01)
        executor.spin_once(timeout_sec=0.05)
        posed = rig.posed(frame_set)
    left, right, absent = posed.frames
    assert "nowhere" in rig.reason
    expected = [[0, -1, 0, 700_001.51], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(left.world_from_cam, expected, atol=1e-6, rtol=0)
    assert right.world_from_cam is None
    assert rig.missing["right"] > 0
    assert absent is None
    rig.posed(replace(frame_set, frames=(known,)))
    assert not rig.reason, "all is well again"
    rig.close()
    executor.shutdown()


def turned(parent: str, child: str, second: int, xyz: tuple[float, float, float], vector: tuple[float, ...]) -> TransformStamped:
    edge = TransformStamped(child_frame_id=child)
    edge.header.frame_id, edge.header.stamp.sec = parent, second
    t, q = edge.transform.translation, edge.transform.rotation
    t.x, t.y, t.z = xyz
    q.x, q.y, q.z, q.w = Rotation.from_rotvec(vector).as_quat().tolist()
    return edge


def test_poses_survive_a_recording_that_loops(make_node: Callable[..., Node]) -> None:
    """Static above moving above the camera; after the jump back TF calls the moving one old, unless it forgets."""
    node = make_node()
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    settings = parse({"cameras": ["left"], "rig.source": "tf", "window.length": 1})
    windows: list[Window] = []
    sync, sliding = FrameSync(("left",), settings.chromm.sync), SlidingWindow(("left",), settings.chromm.window)
    intake = Intake(node, settings, sync, sliding, lambda _: None, windows.append, lambda _: None, lambda *_: None)
    publisher = node.create_publisher(Image, "left/image_raw", 5)
    moving, static = tf2_ros.TransformBroadcaster(node), tf2_ros.StaticTransformBroadcaster(node)
    static.sendTransform(turned("map", "base", 0, (1.0, 2.0, 3.0), (0.0, 0.0, 0.7)))
    up = np.eye(4)
    up[:3, :3], up[:3, 3] = Rotation.from_rotvec((0.0, 0.0, 0.7)).as_matrix(), (1.0, 2.0, 3.0)
    seen = np.eye(4)
    seen[:3, :3], seen[:3, 3] = Rotation.from_rotvec((0.3, -0.2, 0.5)).as_matrix(), (4.0, 5.0, 6.0)

    def found(first: int) -> bool:
        """Whether a window of this stretch of time gets the pose; images and transforms come second by second."""
        for second in range(first, first + 40):
            moving.sendTransform(turned("base", "eye", second, (4.0, 5.0, 6.0), (0.3, -0.2, 0.5)))
            message = image()
            message.header.stamp.sec = second
            for _ in range(10):
                executor.spin_once(timeout_sec=0.01)
            publisher.publish(message)
            for _ in range(10):
                executor.spin_once(timeout_sec=0.01)
            intake.look()
            frame = windows[-1].sets[-1].frames[0] if windows else None
            if frame is not None and frame.stamp_ns == second * 10**9 and frame.world_from_cam is not None:
                np.testing.assert_allclose(frame.world_from_cam, up @ seen, atol=1e-6)
                return True
        return False

    assert found(1000)
    assert found(100), "stamps jumped back, nobody asked for a reset"
    assert windows[-1].epoch == 1
    intake.reset()
    assert found(50), "a reset before the jump"
    intake.close()
    executor.shutdown()
