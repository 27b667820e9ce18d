"""What building and publishing a mesh or a cloud costs: `python -m chromm_ros.bench.messages (send|receive) REPEATS`."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Point
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray

from chromm_ros.ros.cloud import FIELDS, cloud_columns
from chromm_ros.ros.pack import TRIANGLE_LIST, MarkerData, Stamped, pack_cloud, pack_marker_array
from chromm_ros.ros.transport import prepare_process

_VERTICES, _FACES, _POINTS = 10_475, 20_908, 150_000
_HEADER = Stamped(1, "chromm_world")
_RNG = np.random.default_rng(0)
_KINDS = {"mesh": MarkerArray, "cloud": PointCloud2}

Build = Callable[[], Any]


def meshes() -> Iterator[tuple[str, Build]]:
    """Ways to a full SMPL-X mesh, the plain one first."""
    vertices, faces = _RNG.normal(size=(_VERTICES, 3)), _RNG.integers(0, _VERTICES, (_FACES, 3))
    shared = [Point(x=x, y=y, z=z) for x, y, z in vertices.tolist()]

    def marker(points: list[Point]) -> MarkerArray:
        message = Marker(type=TRIANGLE_LIST, points=points)
        message.header.frame_id = _HEADER.frame_id
        return MarkerArray(markers=[message])

    def point_per_corner() -> MarkerArray:
        return marker([Point(x=x, y=y, z=z) for x, y, z in vertices[faces.reshape(-1)].tolist()])

    def shared_points() -> MarkerArray:
        for point, (x, y, z) in zip(shared, vertices.tolist(), strict=True):
            point.x, point.y, point.z = x, y, z
        return marker([shared[index] for index in faces.reshape(-1).tolist()])

    def packed(some: np.ndarray) -> bytes:
        return pack_marker_array(_HEADER, [MarkerData("mesh", 1, kind=TRIANGLE_LIST, points=np.take(vertices, some, axis=0))])

    yield "a Point per corner", point_per_corner
    yield "shared Points, kept and updated", shared_points
    yield "CDR bytes", lambda: packed(faces.reshape(-1))
    yield "CDR bytes, every tenth triangle", lambda: packed(faces[::10].reshape(-1))


def clouds() -> Iterator[tuple[str, Build]]:
    """Ways to a cloud, the plain one first."""
    points, colors = _RNG.normal(size=(_POINTS, 3)).astype(np.float32), _RNG.integers(0, 256, (_POINTS, 3), dtype=np.uint8)
    confidence = _RNG.uniform(size=_POINTS).astype(np.float32)

    def columns() -> np.ndarray:
        return cloud_columns(points, colors, confidence)

    def empty() -> PointCloud2:
        fields = [PointField(name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate(FIELDS)]
        step = 4 * len(FIELDS)
        return PointCloud2(height=1, width=_POINTS, fields=fields, point_step=step, row_step=step * _POINTS, is_dense=True)

    def assigned_bytes() -> PointCloud2:
        message = empty()
        message.data = columns().tobytes()
        return message

    def filled_array() -> PointCloud2:
        message = empty()
        message.data.frombytes(columns().tobytes())
        return message

    yield "bytes assigned to data", assigned_bytes
    yield "array.array filled", filled_array
    yield "CDR bytes", lambda: pack_cloud(_HEADER, FIELDS, columns())


WAYS = {"mesh": meshes, "cloud": clouds}


def send(kind: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of building and publishing, the median of `repeats`, for each way."""
    prepare_process()
    rclpy.init()
    node = rclpy.create_node("bench_sender")
    publisher = node.create_publisher(_KINDS[kind], f"bench/{kind}", QoSProfile(depth=1))
    end = time.monotonic() + 15
    while not publisher.get_subscription_count() and time.monotonic() < end:
        time.sleep(0.01)
    times = {name: _time(build, publisher, repeats) for name, build in WAYS[kind]()}
    time.sleep(0.3)
    rclpy.shutdown()
    return times


def _time(build: Build, publisher: Any, repeats: int) -> dict[str, float]:
    spent = []
    for _ in range(repeats + 1):  # the first one pays for the memory
        begin = time.perf_counter()
        message = build()
        built = time.perf_counter()
        publisher.publish(message)
        spent.append((built - begin, time.perf_counter() - built))
    build_ms, publish_ms = (1e3 * np.median(spent[1:], axis=0)).tolist()
    return {"build ms": build_ms, "publish ms": publish_ms, "total ms": build_ms + publish_ms}


def receive(kind: str) -> dict[str, Any]:
    """Count messages, as bytes, until standard input is closed."""
    rclpy.init()
    node, closed = rclpy.create_node("bench_receiver"), threading.Event()
    sizes: list[int] = []
    node.create_subscription(_KINDS[kind], f"bench/{kind}", lambda data: sizes.append(len(data)), QoSProfile(depth=1), raw=True)

    def watch() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=watch, daemon=True).start()
    while not closed.is_set():
        rclpy.spin_once(node, timeout_sec=0.05)
    rclpy.shutdown()
    return {"received": len(sizes), "bytes": max(sizes, default=0)}


def main(argv: list[str]) -> None:
    """Run one end."""
    role, kind, repeats = argv[0], argv[1], int(argv[2])
    result = send(kind, repeats) if role == "send" else receive(kind)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
