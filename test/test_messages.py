"""Our messages without ROS: documented, of the sizes that SMPL-X has, and readable by whoever reads a bag."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import Nodetype
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))
TF_MESSAGE_HASH = "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"
"""Of upstream's tf2_msgs/msg/TFMessage: two nodes hear each other only if their types have the same hash."""


@pytest.fixture(scope="module")
def store() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in MESSAGES:
        types |= get_types_from_msg(path.read_text(), f"chromm_ros/msg/{path.stem}")
    store.register(types)
    return store


def example(store: Typestore, name: str, rng: np.random.Generator) -> Any:
    """A message of any type with random contents; sequences have three elements."""
    _, fields = store.fielddefs[name]
    return store.types[name](**{field: value(store, kind, rng) for field, kind in fields})


def value(store: Typestore, kind: Any, rng: np.random.Generator) -> Any:
    node, detail = kind
    if node == Nodetype.NAME:
        return example(store, detail, rng)
    if node == Nodetype.BASE:
        return scalar(detail[0], rng)
    element, length = detail
    values = [value(store, element, rng) for _ in range(length if node == Nodetype.ARRAY else 3)]
    is_number = element[0] == Nodetype.BASE and element[1][0] != "string"
    return np.array(values, dtype=np.dtype(element[1][0])) if is_number else values


def scalar(base: str, rng: np.random.Generator) -> Any:
    if base == "string":
        return f"text {rng.integers(1000)}"
    if base == "bool":
        return bool(rng.integers(2))
    if base.startswith("float"):
        return float(np.float32(rng.normal()))
    return int(rng.integers(100))


def assert_equal(left: Any, right: Any) -> None:
    """Field by field, arrays by value."""
    if isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal(one, other)
    elif hasattr(left, "__msgtype__"):
        assert left.__msgtype__ == right.__msgtype__
        for field in left.__dataclass_fields__:
            if field != "__msgtype__":
                assert_equal(getattr(left, field), getattr(right, field))
    else:
        assert left == right


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_every_field_says_what_it_is(path: Path) -> None:
    for line in path.read_text().splitlines():
        field, _, comment = line.partition("#")
        if field.strip():
            assert comment.strip(), f"{path.name}: '{line}' has no comment"


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_messages_survive_a_bag(store: Typestore, tmp_path: Path, storage: StoragePlugin) -> None:
    rng = np.random.default_rng(3)
    names = [f"chromm_ros/msg/{path.stem}" for path in MESSAGES]
    written = [(index, name, example(store, name, rng)) for index, name in enumerate(names * 2)]
    with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as writer:
        connections = {name: writer.add_connection(f"/{name}", name, typestore=store) for name in names}
        for stamp_ns, name, message in written:
            writer.write(connections[name], stamp_ns, store.serialize_cdr(message, name))
    with Reader(tmp_path / "bag") as reader:
        read = [(stamp_ns, con.msgtype, store.deserialize_cdr(raw, con.msgtype)) for con, stamp_ns, raw in reader.messages()]
    assert len(read) == len(written)
    for (stamp_ns, name, message), (stamp_read, name_read, message_read) in zip(written, read, strict=True):
        assert (stamp_ns, name) == (stamp_read, name_read)
        assert_equal(message, message_read)


def test_a_reader_without_our_files_understands_the_bag(store: Typestore, tmp_path: Path) -> None:
    message = example(store, "chromm_ros/msg/SmplxBodyArray", np.random.default_rng(4))
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/bodies", message.__msgtype__, typestore=store)
        writer.write(connection, 1, store.serialize_cdr(message, message.__msgtype__))
    stranger = get_typestore(Stores.EMPTY)
    with Reader(tmp_path / "bag") as reader:
        for connection in reader.connections:
            stranger.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        (connection, _, raw), *_ = reader.messages()
    body = stranger.deserialize_cdr(raw, connection.msgtype).bodies[0]
    np.testing.assert_array_equal(body.body_pose, message.bodies[0].body_pose)


def test_a_body_has_the_rotations_of_smplx(store: Typestore) -> None:
    _, fields = store.fielddefs["chromm_ros/msg/SmplxBody"]
    lengths = {name: kind[1][1] for name, kind in fields if kind[0] == Nodetype.ARRAY}
    assert lengths.pop("transl") == 3
    assert sum(lengths.values()) == 55 * 3


def test_our_tf_message_is_upstreams() -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    text = (ROOT / "underlay" / "tf2_msgs" / "msg" / "TFMessage.msg").read_text()
    ours = get_typestore(Stores.EMPTY)
    needed = ["builtin_interfaces/msg/Time", "std_msgs/msg/Header", "geometry_msgs/msg/TransformStamped"]
    needed += ["geometry_msgs/msg/Transform", "geometry_msgs/msg/Vector3", "geometry_msgs/msg/Quaternion"]
    ours.register({name: store.fielddefs[name] for name in needed})
    ours.register(get_types_from_msg(text, "tf2_msgs/msg/TFMessage"))
    assert ours.hash_rihs01("tf2_msgs/msg/TFMessage") == TF_MESSAGE_HASH
