"""Recordings are read whole, in order, and bad ones end in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from chromm_ros.data.bag import BagReader
from chromm_ros.data.typestore import make_typestore
from chromm_ros.errors import FileError, InputError

CLIP = Path(__file__).resolve().parents[1] / "data" / "pose2sim_clip"
STORE = make_typestore()


def image(stamp_ns: int) -> object:
    t = STORE.types
    header = t["std_msgs/msg/Header"](t["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9), "cam")
    return t["sensor_msgs/msg/Image"](header, 2, 3, "rgb8", 0, 9, np.arange(18, dtype=np.uint8))


def write(path: Path, topics: dict[str, int], storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """A recording with that many images per topic, 10 ms apart, written topic by topic."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, count in topics.items():
            connection = writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=STORE)
            for k in range(count):
                raw = STORE.serialize_cdr(image(k), "sensor_msgs/msg/Image")
                writer.write(connection, 10**9 + k * 10**7, raw)
    return path


@pytest.mark.parametrize("path", [CLIP, CLIP / "pose2sim_clip.mcap", CLIP / "metadata.yaml"])
def test_the_clip_is_read_whole(path: Path) -> None:
    with BagReader(path) as bag:
        assert bag.count == 137
        assert [c.name for c in bag.camera_topics()] == ["cam01", "cam02", "cam03", "cam04"]
        assert {c.info for c in bag.camera_topics()} == {f"/cam0{k}/camera_info" for k in (1, 2, 3, 4)}
        messages = list(bag.messages())
        assert len(messages) == 137
        stamps = [m.stamp_ns for m in messages]
        assert stamps == sorted(stamps)
        assert (stamps[0], stamps[-1]) == (bag.start_ns, bag.end_ns)
        info = bag.deserialize(next(bag.messages(["/cam01/camera_info"])))
        assert info.width > 0
        assert info.k[0] > 0


def test_static_transforms_of_the_clip() -> None:
    with BagReader(CLIP) as bag:
        transforms = bag.static_transforms()
    assert len(transforms) == 4
    for transform in transforms:
        rotation = transform.parent_from_child[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert transform.parent and transform.child


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_messages_come_in_order_of_time(tmp_path: Path, storage: StoragePlugin) -> None:
    with BagReader(write(tmp_path / "bag", {"/a/image_raw": 5, "/b/image_raw": 7}, storage)) as bag:
        messages = list(bag.messages())
        assert [m.stamp_ns for m in messages] == sorted(m.stamp_ns for m in messages)
        assert {name: topic.count for name, topic in bag.topics.items()} == {"/a/image_raw": 5, "/b/image_raw": 7}
        assert {m.topic for m in bag.messages(["/b/image_raw"])} == {"/b/image_raw"}
        np.testing.assert_array_equal(bag.deserialize(messages[0]).data, np.arange(18))


def test_folder_without_metadata_is_read_by_its_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "bag", {"/a/image": 3})
    (path / "metadata.yaml").unlink()
    with BagReader(path) as bag:
        assert bag.count == 3


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["/cam1/image_raw", "/cam2/image_raw"], ["cam1", "cam2"]),
        (["/robot/left/color/image_raw", "/robot/right/color/image_raw"], ["left", "right"]),
        (["/a/front/image", "/b/front/image"], ["a_front", "b_front"]),
        (["/image_raw"], ["image_raw"]),
        (["/cam/image_raw", "/cam/image_rect"], ["cam_image_raw", "cam_image_rect"]),
    ],
)
def test_cameras_get_short_names_that_differ(tmp_path: Path, topics: list[str], names: list[str]) -> None:
    with BagReader(write(tmp_path / "bag", dict.fromkeys(topics, 1))) as bag:
        assert [c.name for c in bag.camera_topics()] == names
        assert [c.image for c in bag.camera_topics()] == topics


def test_raw_images_win_over_compressed_ones_and_depth_is_no_camera(tmp_path: Path) -> None:
    with BagReader(write(tmp_path / "bag", dict.fromkeys(["/c/image/compressed", "/c/image", "/c/depth/image"], 1))) as bag:
        assert [c.image for c in bag.camera_topics()] == ["/c/image"]


def test_our_own_messages_are_known(tmp_path: Path) -> None:
    message = STORE.types["std_msgs/msg/Header"](STORE.types["builtin_interfaces/msg/Time"](1, 2), "world")
    array = STORE.types["chromm_ros/msg/SmplxBodyArray"](message, 3, ["a"], [])
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/bodies", "chromm_ros/msg/SmplxBodyArray", typestore=STORE)
        writer.write(connection, 5, STORE.serialize_cdr(array, "chromm_ros/msg/SmplxBodyArray"))
    with BagReader(tmp_path / "bag") as bag:
        assert bag.deserialize(next(bag.messages())).epoch == 3
        with pytest.raises(InputError, match=r"no images.*/bodies"):
            bag.camera_topics()
        with pytest.raises(InputError, match="no topic /x, only /bodies"):
            next(bag.messages(["/x"]))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no recording at"):
        BagReader(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("notes.txt", b"hello", "is not a recording"),
        ("old.bag", b"#ROSBAG V2.0", "ROS 1 recording"),
        ("wrong.mcap", b"hello", "no recording"),
        ("wrong.db3", b"hello", "no recording"),
    ],
)
def test_not_a_bag(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=expected):
        BagReader(tmp_path / name)


def test_folder_that_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="0 storage files"):
        BagReader(tmp_path)


def test_broken_metadata(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("a: [")
    with pytest.raises(FileError, match="damaged"):
        BagReader(tmp_path)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_empty(tmp_path: Path, storage: StoragePlugin) -> None:
    with pytest.raises(FileError, match="holds no messages"):
        BagReader(write(tmp_path / "bag", {"/a/image": 0}, storage))


@pytest.mark.parametrize("suffix", ["mcap", "db3"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.5, 0.7, 0.9, 0.98])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_cut_files_end_in_a_sentence_or_give_what_is_left(
    tmp_path: Path, suffix: str, keep: float, *, with_metadata: bool
) -> None:
    storage = StoragePlugin.MCAP if suffix == "mcap" else StoragePlugin.SQLITE3
    path = write(tmp_path / "bag", {"/a/image": 200, "/b/image": 200}, storage)
    file = next(path.glob(f"*.{suffix}"))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    read = 0
    try:
        with BagReader(path if with_metadata else file) as bag:
            for message in bag.messages():
                bag.deserialize(message)
                read += 1
    except FileError as error:
        assert str(path) in str(error)  # noqa: PT017  either end is right, as long as it is one of the two
    else:
        assert 0 < read <= 400
