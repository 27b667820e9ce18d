"""The bytes of big messages, filled by numpy: a mesh as Point objects costs rclpy some 180 ms, these bytes 1 ms (`bench ros`).

The layout is XCDR1, little endian (OMG DDS-XTypes 1.3, section 7.4.3): every number lies at a multiple of its own size, counted
from the end of the four bytes that name the encapsulation. `Publisher.publish` takes such bytes as they are. Messages are
described by the dataclasses below, so that this file needs no ROS; tests hold the bytes to the generated serialiser's. (Only the
gaps differ: they are zero here, and in Fast CDR what memory held before.)
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

_ENCAPSULATION = b"\x00\x01\x00\x00"
_GAP = b"\x00"
_IDENTITY_QUATERNION = (0.0, 0.0, 0.0, 1.0)

ADD, DELETE, DELETE_ALL = 0, 2, 3
"""Actions of visualization_msgs/Marker."""
LINE_LIST, TEXT_VIEW_FACING, TRIANGLE_LIST = 5, 9, 11
"""Types of visualization_msgs/Marker."""


def _no_points() -> Float[np.ndarray, "N 3"]:
    return np.empty((0, 3))


@dataclass(frozen=True)
class Stamped:
    """A std_msgs/Header."""

    stamp_ns: int
    """Time, nanoseconds."""
    frame_id: str
    """TF frame."""


@dataclass(frozen=True)
class MarkerData:
    """What we set of a visualization_msgs/Marker; the rest is zero, empty or identity."""

    ns: str
    """Namespace: what kind of marker it is."""
    id: int
    """Unique within the namespace."""
    action: int = ADD
    """ADD, DELETE or DELETE_ALL."""
    kind: int = 0
    """Type of the marker."""
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres."""
    scale: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres; its meaning depends on the type."""
    color: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """RGBA in [0, 1]."""
    points: Float[np.ndarray, "N 3"] = field(default_factory=_no_points)
    """Metres; three per triangle, two per line."""
    text: str = ""
    """For TEXT_VIEW_FACING."""


class CdrWriter:
    """Collects the parts of one message and joins them once; big arrays are not copied before that."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [_ENCAPSULATION]
        self._size = 0

    def numbers(self, code: str, *values: int | float) -> None:
        """Numbers of one type, by the letter that `struct` gives it."""
        self._align(struct.calcsize(f"<{code}"))
        self._append(struct.pack(f"<{len(values)}{code}", *values))

    def string(self, text: str) -> None:
        """A string: its length with the closing zero, then its bytes."""
        raw = text.encode() + b"\x00"
        self.numbers("I", len(raw))
        self._append(raw)

    def sequence(self, count: int, values: np.ndarray) -> None:
        """A sequence of `count` elements that are made of numbers of the array's type only."""
        self.numbers("I", count)
        if values.size:
            self._align(values.itemsize)
            little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            self._append(little.reshape(-1).view(np.uint8).data)

    def header(self, header: Stamped) -> None:
        """A std_msgs/Header."""
        seconds, nanoseconds = divmod(header.stamp_ns, 1_000_000_000)
        self.numbers("i", seconds)
        self.numbers("I", nanoseconds)
        self.string(header.frame_id)

    def to_bytes(self) -> bytes:
        """The message."""
        return b"".join(self._parts)

    def _align(self, size: int) -> None:
        gap = -self._size % size
        if gap:
            self._append(_GAP * gap)

    def _append(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._size += len(part)


def pack_marker_array(header: Stamped, markers: Sequence[MarkerData]) -> bytes:
    """A visualization_msgs/MarkerArray whose markers share one header."""
    writer = CdrWriter()
    writer.numbers("I", len(markers))
    for marker in markers:
        _write_marker(writer, header, marker)
    return writer.to_bytes()


def _write_marker(writer: CdrWriter, header: Stamped, marker: MarkerData) -> None:
    writer.header(header)
    writer.string(marker.ns)
    writer.numbers("i", marker.id, marker.kind, marker.action)
    writer.numbers("d", *marker.position, *_IDENTITY_QUATERNION, *marker.scale)
    writer.numbers("f", *marker.color)
    writer.numbers("I", 0, 0)  # lifetime: for ever
    writer.numbers("B", 0)  # frame_locked
    writer.sequence(len(marker.points), np.asarray(marker.points, np.float64))
    writer.numbers("I", 0)  # colors: one colour for all, because rviz lights only such meshes
    writer.string("")  # texture_resource
    writer.header(Stamped(0, ""))  # texture.header
    writer.string("")  # texture.format
    writer.numbers("I", 0, 0)  # texture.data, uv_coordinates
    writer.string(marker.text)
    writer.string("")  # mesh_resource
    writer.string("")  # mesh_file.filename
    writer.numbers("I", 0)  # mesh_file.data
    writer.numbers("B", 0)  # mesh_use_embedded_materials


FIELD_FLOAT32 = 7
"""Data type of sensor_msgs/PointField."""


def pack_cloud(header: Stamped, names: Sequence[str], columns: Float[np.ndarray, "N K"]) -> bytes:
    """An unordered, dense sensor_msgs/PointCloud2 of K float32 fields per point.

    Args:
        header: stamp and frame.
        names: of the K fields.
        columns: float32, one row per point.
    """
    assert columns.dtype == np.float32 and len(names) == columns.shape[1], (columns.dtype, columns.shape, names)
    count, step = len(columns), 4 * len(names)
    writer = CdrWriter()
    writer.header(header)
    writer.numbers("I", 1, count)  # height, width
    writer.numbers("I", len(names))
    for index, name in enumerate(names):
        writer.string(name)
        writer.numbers("I", 4 * index)
        writer.numbers("B", FIELD_FLOAT32)
        writer.numbers("I", 1)
    writer.numbers("B", 0)  # is_bigendian
    writer.numbers("I", step, step * count)
    little = np.ascontiguousarray(columns, "<f4").reshape(-1).view(np.uint8)
    writer.sequence(little.size, little)
    writer.numbers("B", 1)  # is_dense
    return writer.to_bytes()
