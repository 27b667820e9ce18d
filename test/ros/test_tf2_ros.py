"""tf2_ros, the stand-in or the real one: laws of a tree of frames over time."""

import math
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` brings it, or source a ROS distribution")

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMsg
from scipy.spatial.transform import Rotation
from tf2_ros import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformException,
    TransformListener,
)

RNG = np.random.default_rng(5)
SECOND = 1_000_000_000


def random_pose() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=int(RNG.integers(1 << 31))).as_matrix()
    matrix[:3, 3] = RNG.normal(size=3)
    return matrix


def stamped(parent: str, child: str, parent_from_child: np.ndarray, seconds: float = 0.0) -> TransformStamped:
    msg = TransformStamped(child_frame_id=child)
    msg.header.frame_id = parent
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(round(seconds * SECOND), SECOND)
    shift, turn = msg.transform.translation, msg.transform.rotation
    shift.x, shift.y, shift.z = map(float, parent_from_child[:3, 3])
    turn.x, turn.y, turn.z, turn.w = map(float, Rotation.from_matrix(parent_from_child[:3, :3]).as_quat())
    return msg


def matrix(msg: TransformStamped) -> np.ndarray:
    shift, turn = msg.transform.translation, msg.transform.rotation
    result = np.eye(4)
    result[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    result[:3, 3] = shift.x, shift.y, shift.z
    return result


def at(seconds: float) -> Time:
    return Time(nanoseconds=round(seconds * SECOND))


def stamp_of(msg: TransformStamped) -> float:
    return Time.from_msg(msg.header.stamp).nanoseconds / SECOND


def shift(x: float) -> np.ndarray:
    result = np.eye(4)
    result[0, 3] = x
    return result


LATEST = Time()


@pytest.fixture
def buffer() -> Buffer:
    return Buffer()


def test_a_chain_is_the_product_of_its_links_in_both_directions(buffer: Buffer) -> None:
    world_from_base, base_from_arm, base_from_cam = random_pose(), random_pose(), random_pose()
    buffer.set_transform(stamped("world", "base", world_from_base, 1.0), "test")
    buffer.set_transform(stamped("base", "arm", base_from_arm, 1.0), "test")
    buffer.set_transform_static(stamped("base", "cam", base_from_cam), "test")
    expected = {
        ("world", "arm"): world_from_base @ base_from_arm,
        ("arm", "world"): np.linalg.inv(world_from_base @ base_from_arm),
        ("arm", "cam"): np.linalg.inv(base_from_arm) @ base_from_cam,
        ("base", "cam"): base_from_cam,
        ("cam", "cam"): np.eye(4),
    }
    for (target, source), target_from_source in expected.items():
        answer = buffer.lookup_transform(target, source, at(1.0))
        np.testing.assert_allclose(matrix(answer), target_from_source, atol=1e-9)
        assert (answer.header.frame_id, answer.child_frame_id, stamp_of(answer)) == (target, source, 1.0)


def test_between_two_stamps_translation_is_straight_and_rotation_takes_the_shorter_arc(buffer: Buffer) -> None:
    start, end = random_pose(), random_pose()
    buffer.set_transform(stamped("world", "cam", start, 1.0), "test")
    buffer.set_transform(stamped("world", "cam", end, 3.0), "test")
    for ratio in (0.0, 0.25, 0.5, 1.0):
        found = matrix(buffer.lookup_transform("world", "cam", at(1.0 + 2.0 * ratio)))
        np.testing.assert_allclose(found[:3, 3], (1 - ratio) * start[:3, 3] + ratio * end[:3, 3], atol=1e-9)
        arc = Rotation.from_matrix(start[:3, :3].T @ end[:3, :3]).as_rotvec()
        turned = Rotation.from_matrix(start[:3, :3].T @ found[:3, :3]).as_rotvec()
        np.testing.assert_allclose(turned, ratio * arc, atol=1e-9)


def test_a_quaternion_and_its_negative_are_one_rotation(buffer: Buffer) -> None:
    pose = random_pose()
    first, second = stamped("world", "cam", pose, 1.0), stamped("world", "cam", pose, 2.0)
    turn = second.transform.rotation
    turn.x, turn.y, turn.z, turn.w = -turn.x, -turn.y, -turn.z, -turn.w
    buffer.set_transform(first, "test")
    buffer.set_transform(second, "test")
    np.testing.assert_allclose(matrix(buffer.lookup_transform("world", "cam", at(1.5))), pose, atol=1e-9)


def test_transforms_may_arrive_in_any_order(buffer: Buffer) -> None:
    for seconds in (3.0, 1.0, 2.0):
        buffer.set_transform(stamped("world", "cam", shift(seconds**2), seconds), "test")
    assert matrix(buffer.lookup_transform("world", "cam", at(1.5)))[0, 3] == pytest.approx(2.5)


def test_outside_of_what_is_known_nothing_is_made_up(buffer: Buffer) -> None:
    buffer.set_transform(stamped("world", "cam", shift(1.0), 1.0), "test")
    with pytest.raises(ExtrapolationException, match="only time"):
        buffer.lookup_transform("world", "cam", at(1.5))
    buffer.set_transform(stamped("world", "cam", shift(2.0), 2.0), "test")
    with pytest.raises(ExtrapolationException, match="into the future"):
        buffer.lookup_transform("world", "cam", at(2.1))
    with pytest.raises(ExtrapolationException, match="into the past"):
        buffer.lookup_transform("cam", "world", at(0.9))
    can, why = buffer.can_transform("world", "cam", at(2.1), return_debug_tuple=True)
    assert not can and "into the future" in why
    assert buffer.can_transform("world", "cam", at(2.0))


def test_time_zero_is_the_latest_time_that_the_whole_path_knows(buffer: Buffer) -> None:
    for seconds in (1.0, 2.0, 3.0):
        buffer.set_transform(stamped("world", "base", shift(seconds), seconds), "test")
    for seconds in (1.0, 2.5):
        buffer.set_transform(stamped("base", "cam", shift(10 * seconds), seconds), "test")
    buffer.set_transform_static(stamped("cam", "lens", shift(100.0)), "test")
    answer = buffer.lookup_transform("world", "lens", LATEST)
    assert stamp_of(answer) == 2.5
    assert matrix(answer)[0, 3] == pytest.approx(127.5)
    assert stamp_of(buffer.lookup_transform("world", "base", LATEST)) == 3.0
    assert stamp_of(buffer.lookup_transform("cam", "lens", LATEST)) == 0.0


def test_static_frames_are_known_at_every_time_and_below_a_lost_parent(buffer: Buffer) -> None:
    buffer.set_transform(stamped("world", "base", shift(1.0), 1.0), "test")
    buffer.set_transform_static(stamped("base", "left", shift(-1.0), 7.0), "test")
    buffer.set_transform_static(stamped("base", "right", shift(1.0), 7.0), "test")
    assert matrix(buffer.lookup_transform("left", "right", at(500.0)))[0, 3] == pytest.approx(2.0)
    with pytest.raises(ExtrapolationException):
        buffer.lookup_transform("world", "right", at(500.0))


def test_a_frame_that_becomes_static_forgets_its_past(buffer: Buffer) -> None:
    buffer.set_transform(stamped("world", "cam", shift(1.0), 1.0), "test")
    buffer.set_transform_static(stamped("world", "cam", shift(2.0)), "test")
    assert matrix(buffer.lookup_transform("world", "cam", at(1.0)))[0, 3] == pytest.approx(2.0)
    buffer.set_transform(stamped("world", "cam", shift(3.0), 5.0), "test")
    with pytest.raises(ExtrapolationException):
        buffer.lookup_transform("world", "cam", at(1.0))


def test_where_the_parent_changes_the_older_one_holds(buffer: Buffer) -> None:
    buffer.set_transform_static(stamped("world", "room", shift(10.0)), "test")
    buffer.set_transform(stamped("world", "person", shift(1.0), 1.0), "test")
    buffer.set_transform(stamped("room", "person", shift(2.0), 2.0), "test")
    assert matrix(buffer.lookup_transform("world", "person", at(1.9)))[0, 3] == pytest.approx(1.0)
    assert matrix(buffer.lookup_transform("world", "person", at(2.0)))[0, 3] == pytest.approx(12.0)


def test_unknown_names_two_trees_and_bad_names_are_told_apart(buffer: Buffer) -> None:
    buffer.set_transform(stamped("world", "cam", shift(1.0), 1.0), "test")
    buffer.set_transform(stamped("map", "robot", shift(1.0), 1.0), "test")
    with pytest.raises(LookupException, match="nowhere"):
        buffer.lookup_transform("world", "nowhere", LATEST)
    for when in (LATEST, at(1.0)):
        with pytest.raises(ConnectivityException, match="not part of the same tree"):
            buffer.lookup_transform("world", "robot", when)
    for name in ("", "/world"):
        with pytest.raises(InvalidArgumentException):
            buffer.lookup_transform(name, "cam", LATEST)
    for kind in (LookupException, ConnectivityException, ExtrapolationException, InvalidArgumentException):
        assert issubclass(kind, TransformException)


def test_transforms_that_make_no_sense_change_nothing(buffer: Buffer) -> None:
    twisted = stamped("world", "cam", shift(1.0), 1.0)
    twisted.transform.rotation.w = 3.0
    empty = stamped("world", "", shift(1.0), 1.0)
    unplaced = stamped("", "cam", shift(1.0), 1.0)
    selfish = stamped("cam", "cam", shift(1.0), 1.0)
    lost = stamped("world", "cam", shift(math.nan), 1.0)
    for msg in (twisted, empty, unplaced, selfish, lost):
        buffer.set_transform(msg, "test")
    with pytest.raises(LookupException):
        buffer.lookup_transform("world", "cam", LATEST)


def test_only_the_cache_time_is_kept() -> None:
    buffer = Buffer(cache_time=Duration(seconds=2))
    for seconds in (1.0, 2.0, 3.0, 4.0):
        buffer.set_transform(stamped("world", "cam", shift(seconds), seconds), "test")
    assert buffer.can_transform("world", "cam", at(2.5))
    assert not buffer.can_transform("world", "cam", at(1.5))
    buffer.set_transform(stamped("world", "cam", shift(0.0), 1.5), "test")
    assert not buffer.can_transform("world", "cam", at(1.7))


def test_the_full_look_up_joins_two_times_through_a_frame_that_stands_still(buffer: Buffer) -> None:
    first, second, world_from_cam = random_pose(), random_pose(), random_pose()
    buffer.set_transform(stamped("world", "base", first, 1.0), "test")
    buffer.set_transform(stamped("world", "base", second, 2.0), "test")
    buffer.set_transform_static(stamped("base", "cam", world_from_cam), "test")
    answer = buffer.lookup_transform_full("base", at(2.0), "cam", at(1.0), "world")
    np.testing.assert_allclose(matrix(answer), np.linalg.inv(second) @ first @ world_from_cam, atol=1e-9)
    assert stamp_of(answer) == 2.0
    assert not buffer.can_transform_full("base", at(2.5), "cam", at(1.0), "world")


def test_clear_forgets_what_moves_and_keeps_what_does_not(buffer: Buffer) -> None:
    buffer.set_transform(stamped("world", "base", shift(1.0), 1.0), "test")
    buffer.set_transform_static(stamped("base", "cam", shift(2.0)), "test")
    buffer.clear()
    assert not buffer.can_transform("world", "base", LATEST)
    assert matrix(buffer.lookup_transform("base", "cam", LATEST))[0, 3] == pytest.approx(2.0)


def test_waiting_ends_with_the_transform_or_with_the_time(buffer: Buffer) -> None:
    begun = time.monotonic()
    with pytest.raises(LookupException):
        buffer.lookup_transform("world", "cam", LATEST, timeout=Duration(seconds=0.1))
    assert time.monotonic() - begun >= 0.09
    late = threading.Timer(0.1, buffer.set_transform, (stamped("world", "cam", shift(4.0), 1.0), "test"))
    late.start()
    answer = buffer.lookup_transform("world", "cam", LATEST, timeout=Duration(seconds=20))
    assert matrix(answer)[0, 3] == pytest.approx(4.0)
    assert time.monotonic() - begun < 10.0
    late.join()


def spin_until(executor: SingleThreadedExecutor, done, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    assert done(), f"not within {seconds} s"


@pytest.fixture
def ros(ros_domain: int):
    """Two nodes on one executor."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    executor = SingleThreadedExecutor(context=context)
    nodes = [rclpy.create_node(name, context=context) for name in ("talker", "listener")]
    for node in nodes:
        executor.add_node(node)
    yield executor, *nodes
    for node in nodes:
        node.destroy_node()
    executor.shutdown()
    context.try_shutdown()


def test_over_dds_moving_frames_arrive_and_late_listeners_find_all_static_ones(ros) -> None:
    executor, talker, hearer = ros
    fixed = StaticTransformBroadcaster(talker)
    fixed.sendTransform(stamped("base", "left", shift(1.0)))
    fixed.sendTransform([stamped("base", "right", shift(2.0)), stamped("base", "rear", shift(3.0))])
    buffer = Buffer(node=hearer)
    listener = TransformListener(buffer, hearer)
    spin_until(executor, lambda: all(buffer.can_transform("base", name, LATEST) for name in ("left", "right", "rear")))
    moving = TransformBroadcaster(talker)
    spin_until(executor, lambda: moving.pub_tf.get_subscription_count() > 0)
    moving.sendTransform(stamped("world", "base", shift(10.0), 1.0))
    moving.sendTransform([stamped("world", "base", shift(20.0), 2.0)])
    spin_until(executor, lambda: buffer.can_transform("world", "right", at(1.5)))
    assert matrix(buffer.lookup_transform("world", "right", at(1.5)))[0, 3] == pytest.approx(17.0)
    listener.unregister()


def test_a_listener_with_its_own_thread_lets_this_one_wait(ros_domain: int) -> None:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    rclpy.init(domain_id=ros_domain)  # upstream's listener spins in the default context
    try:
        node = rclpy.create_node("waiter")
        buffer = Buffer(node=node)
        listener = TransformListener(buffer, node, spin_thread=True)
        talker = rclpy.create_node("talker", context=context)
        StaticTransformBroadcaster(talker).sendTransform(stamped("world", "cam", shift(5.0)))
        answer = buffer.lookup_transform("world", "cam", LATEST, timeout=Duration(seconds=20))
        assert matrix(answer)[0, 3] == pytest.approx(5.0)
        talker.destroy_node()
        del listener
        node.destroy_node()
    finally:
        rclpy.shutdown()
        context.try_shutdown()


def test_simulated_time_that_jumps_back_clears_the_buffer(ros) -> None:
    executor, talker, hearer = ros
    hearer.set_parameters([Parameter("use_sim_time", value=True)])
    assert hearer.get_clock().clock_type == ClockType.ROS_TIME
    buffer = Buffer(node=hearer)
    clock = talker.create_publisher(ClockMsg, "/clock", 10)
    spin_until(executor, lambda: clock.get_subscription_count() > 0)

    def tell(seconds: float) -> None:
        clock.publish(ClockMsg(clock=at(seconds).to_msg()))
        spin_until(executor, lambda: hearer.get_clock().now().nanoseconds == at(seconds).nanoseconds)

    tell(100.0)
    buffer.set_transform(stamped("world", "cam", shift(1.0), 100.0), "test")
    tell(101.0)
    assert buffer.can_transform("world", "cam", LATEST)
    tell(50.0)
    assert not buffer.can_transform("world", "cam", LATEST)
