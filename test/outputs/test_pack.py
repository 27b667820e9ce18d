"""The bytes that numpy fills equal those of rosbags' serialiser, which was made from the same message definitions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

from chromm_ros.ros.pack import ADD, DELETE, DELETE_ALL, MarkerData, Stamped, pack_cloud, pack_marker_array

STORES = {store.name: get_typestore(store) for store in (Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY, Stores.LATEST)}

finite = st.floats(-1e3, 1e3, width=32)
triples = st.tuples(finite, finite, finite)
texts = st.text(max_size=9)
headers = st.builds(Stamped, st.integers(0, 2**31 * 10**9 - 1), texts)


@st.composite
def markers(draw: st.DrawFn) -> MarkerData:
    points = np.array(draw(st.lists(triples, max_size=4)), np.float64).reshape(-1, 3)
    return MarkerData(
        ns=draw(texts),
        id=draw(st.integers(-(2**31), 2**31 - 1)),
        action=draw(st.sampled_from([ADD, DELETE, DELETE_ALL])),
        kind=draw(st.integers(0, 12)),
        position=draw(triples),
        scale=draw(triples),
        color=draw(st.tuples(finite, finite, finite, finite)),
        points=points,
        text=draw(texts),
    )


def ordinary_header(types: dict[str, Any], header: Stamped) -> Any:
    seconds, nanoseconds = divmod(header.stamp_ns, 10**9)
    time = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types["std_msgs/msg/Header"](stamp=time, frame_id=header.frame_id)


def ordinary_marker(types: dict[str, Any], header: Stamped, marker: MarkerData) -> Any:
    point, empty = types["geometry_msgs/msg/Point"], ordinary_header(types, Stamped(0, ""))
    no_bytes = np.zeros(0, np.uint8)
    return types["visualization_msgs/msg/Marker"](
        header=ordinary_header(types, header),
        ns=marker.ns,
        id=marker.id,
        type=marker.kind,
        action=marker.action,
        pose=types["geometry_msgs/msg/Pose"](
            position=point(*marker.position), orientation=types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
        ),
        scale=types["geometry_msgs/msg/Vector3"](*marker.scale),
        color=types["std_msgs/msg/ColorRGBA"](*marker.color),
        lifetime=types["builtin_interfaces/msg/Duration"](sec=0, nanosec=0),
        frame_locked=False,
        points=[point(*row) for row in marker.points.tolist()],
        colors=[],
        texture_resource="",
        texture=types["sensor_msgs/msg/CompressedImage"](header=empty, format="", data=no_bytes),
        uv_coordinates=[],
        text=marker.text,
        mesh_resource="",
        mesh_file=types["visualization_msgs/msg/MeshFile"](filename="", data=no_bytes),
        mesh_use_embedded_materials=False,
    )


@pytest.mark.parametrize("store", STORES)
@settings(max_examples=60, deadline=None)
@given(header=headers, array=st.lists(markers(), max_size=4))
def test_marker_arrays_equal_rosbags(store: str, header: Stamped, array: list[MarkerData]) -> None:
    types = STORES[store].types
    message = types["visualization_msgs/msg/MarkerArray"]([ordinary_marker(types, header, marker) for marker in array])
    expected = bytes(STORES[store].serialize_cdr(message, "visualization_msgs/msg/MarkerArray"))
    assert pack_marker_array(header, array) == expected


@pytest.mark.parametrize("store", STORES)
@settings(max_examples=60, deadline=None)
@given(header=headers, names=st.lists(texts, min_size=1, max_size=6), count=st.integers(0, 5), seed=st.integers(0, 99))
def test_clouds_equal_rosbags(store: str, header: Stamped, names: list[str], count: int, seed: int) -> None:
    types = STORES[store].types
    columns = np.random.default_rng(seed).normal(size=(count, len(names))).astype(np.float32)
    step = 4 * len(names)
    message = types["sensor_msgs/msg/PointCloud2"](
        header=ordinary_header(types, header),
        height=1,
        width=count,
        fields=[
            types["sensor_msgs/msg/PointField"](name=name, offset=4 * index, datatype=7, count=1)
            for index, name in enumerate(names)
        ],
        is_bigendian=False,
        point_step=step,
        row_step=step * count,
        data=columns.reshape(-1).view(np.uint8),
        is_dense=True,
    )
    assert pack_cloud(header, names, columns) == bytes(STORES[store].serialize_cdr(message, "sensor_msgs/msg/PointCloud2"))


def test_points_may_be_a_view_or_of_another_type() -> None:
    points = np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::2]
    marker, plain = MarkerData("a", 1, points=points), MarkerData("a", 1, points=np.array(points, np.float64))
    assert pack_marker_array(Stamped(1, "w"), [marker]) == pack_marker_array(Stamped(1, "w"), [plain])
