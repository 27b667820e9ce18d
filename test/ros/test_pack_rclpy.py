"""The bytes that numpy fills equal those of rclpy's generated serialiser, and arrive in another process."""

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Point
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray

from chromm_ros.ros import pack
from chromm_ros.ros.convert import to_header
from chromm_ros.ros.pack import MarkerData, Stamped, pack_cloud, pack_marker_array

finite = st.floats(-1e3, 1e3, width=32)
triples = st.tuples(finite, finite, finite)
words = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=9)
headers = st.builds(Stamped, st.integers(0, 2**31 * 10**9 - 1), words)
relaxed = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def markers(draw: st.DrawFn) -> MarkerData:
    return MarkerData(
        ns=draw(words),
        id=draw(st.integers(-(2**31), 2**31 - 1)),
        action=draw(st.sampled_from([pack.ADD, pack.DELETE, pack.DELETE_ALL])),
        kind=draw(st.integers(0, 12)),
        position=draw(triples),
        scale=draw(triples),
        color=draw(st.tuples(finite, finite, finite, finite)),
        points=np.array(draw(st.lists(triples, max_size=7)), np.float64).reshape(-1, 3),
        text=draw(words),
    )


def ordinary(header: Stamped, marker: MarkerData) -> Marker:
    message = Marker(
        header=to_header(header), ns=marker.ns, id=marker.id, type=marker.kind, action=marker.action, text=marker.text
    )
    message.pose.position.x, message.pose.position.y, message.pose.position.z = marker.position
    message.pose.orientation.w = 1.0
    message.scale.x, message.scale.y, message.scale.z = marker.scale
    message.color.r, message.color.g, message.color.b, message.color.a = marker.color
    message.points = [Point(x=x, y=y, z=z) for x, y, z in marker.points.tolist()]
    return message


def assert_equal_but_for_gaps(packed: Callable[[], bytes], expected: bytes) -> None:
    """Fast CDR leaves in the gaps between numbers what memory held before; all other bytes must be the same.

    Where the gaps are is seen by filling them once with zeros and once with ones.
    """
    zeros = np.frombuffer(packed(), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "_GAP", b"\xff")
        gaps = zeros != np.frombuffer(packed(), np.uint8)
    assert len(zeros) == len(expected)
    np.testing.assert_array_equal(zeros[~gaps], np.frombuffer(expected, np.uint8)[~gaps])


@relaxed
@given(header=headers, array=st.lists(markers(), max_size=4))
def test_marker_arrays_equal_rclpy(header: Stamped, array: list[MarkerData]) -> None:
    expected = serialize_message(MarkerArray(markers=[ordinary(header, marker) for marker in array]))
    assert_equal_but_for_gaps(lambda: pack_marker_array(header, array), expected)


@relaxed
@given(header=headers, names=st.lists(words, min_size=1, max_size=6), count=st.integers(0, 5), seed=st.integers(0, 99))
def test_clouds_equal_rclpy(header: Stamped, names: list[str], count: int, seed: int) -> None:
    columns = np.random.default_rng(seed).normal(size=(count, len(names))).astype(np.float32)
    fields = [PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, name in enumerate(names)]
    message = PointCloud2(header=to_header(header), height=1, width=count, fields=fields, is_dense=True)
    message.point_step, message.row_step = 4 * len(names), 4 * len(names) * count
    message.data.frombytes(columns.tobytes())
    assert_equal_but_for_gaps(lambda: pack_cloud(header, names, columns), serialize_message(message))


def test_our_constants_are_the_messages() -> None:
    assert (pack.ADD, pack.DELETE, pack.DELETE_ALL) == (Marker.ADD, Marker.DELETE, Marker.DELETEALL)
    assert (pack.LINE_LIST, pack.TEXT_VIEW_FACING, pack.TRIANGLE_LIST) == (
        Marker.LINE_LIST,
        Marker.TEXT_VIEW_FACING,
        Marker.TRIANGLE_LIST,
    )
    assert PointField.FLOAT32 == pack.FIELD_FLOAT32


def test_a_full_mesh_reads_back() -> None:
    points = np.random.default_rng(0).normal(size=(62_724, 3))
    packed = pack_marker_array(Stamped(1, "world"), [MarkerData("mesh", 3, kind=pack.TRIANGLE_LIST, points=points)])
    (marker,) = deserialize_message(packed, MarkerArray).markers
    assert len(marker.points) == 62_724
    assert (marker.points[-1].x, marker.points[-1].y, marker.points[-1].z) == tuple(points[-1])


_RECEIVER = """
import sys, rclpy
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import MarkerArray
rclpy.init()
node = rclpy.create_node("receiver")
got = []
node.create_subscription(MarkerArray, "raw", got.append, 10, raw=True)
print("ready", flush=True)
for _ in range(200):
    rclpy.spin_once(node, timeout_sec=0.1)
    if got:
        points = [len(marker.points) for marker in deserialize_message(got[0], MarkerArray).markers]
        sys.stdout.write(f"{points} {got[0].hex()}")
        break
"""


def test_the_bytes_arrive_in_another_process(ros_domain: int) -> None:
    rows = np.random.default_rng(1).normal(size=(9000, 3))
    packed = pack_marker_array(
        Stamped(123_456_789_012, "chromm_world"),
        [MarkerData("mesh", 7, kind=pack.TRIANGLE_LIST, points=rows), MarkerData("", -1, action=pack.DELETE_ALL)],
    )
    with subprocess.Popen([sys.executable, "-c", _RECEIVER], stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline().strip() == "ready"
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node("sender", context=context)
        publisher = node.create_publisher(MarkerArray, "raw", 10)
        try:
            _wait(lambda: publisher.get_subscription_count() > 0)
            publisher.publish(packed)
            assert receiver.communicate(timeout=20)[0] == f"[9000, 0] {packed.hex()}"
        finally:
            receiver.kill()
            node.destroy_node()
            rclpy.shutdown(context=context)


def _wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)
