"""Recordings: rosbag2 in MCAP or SQLite, read through `rosbags`. No ROS is needed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, ConnectionExtRosbag2, Qos

from chromm_ros.data.messages import matrix_from_transform
from chromm_ros.data.typestore import make_typestore
from chromm_ros.errors import ChrommError, FileError, InputError

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
_EXPECTED = "expected a rosbag2 folder with a metadata.yaml, or a .mcap or .db3 file"
_IMAGE_WORDS = {"image", "image_raw", "image_color", "image_mono", "image_rect", "image_rect_color", "compressed", "color", "rgb"}
"""Last parts of a topic that say what it is, not which camera."""


@dataclass(frozen=True)
class BagTopic:
    """One topic of a recording."""

    name: str
    """Name of the topic."""
    msgtype: str
    """For example `sensor_msgs/msg/Image`."""
    count: int
    """Messages in the recording."""
    qos: tuple[Qos, ...]
    """What its publishers offered when it was recorded; empty where that was not written down."""


@dataclass(frozen=True)
class BagMessage:
    """One message as it was recorded."""

    topic: str
    """Name of the topic."""
    stamp_ns: int
    """When it was recorded (not the stamp of its header)."""
    msgtype: str
    """For example `sensor_msgs/msg/Image`."""
    raw: bytes
    """The serialised message (CDR)."""


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera of a recording."""

    name: str
    """Name of the camera: the part of the topic that tells it from the others."""
    image: str
    """Topic of its images."""
    msgtype: str
    """Image or CompressedImage."""
    info: str | None
    """Topic of its CameraInfo, or None."""


@dataclass(frozen=True)
class StaticTransform:
    """One transform of /tf_static."""

    parent: str
    """Frame to which it leads."""
    child: str
    """Frame from which it leads."""
    parent_from_child: Float[np.ndarray, "4 4"]
    """float64, metres."""


class BagReader:
    """A recording that is open; use it in a `with` statement.

    Raises:
        FileError: if the path is no recording, or an empty, cut or damaged one.
    """

    def __init__(self, path: Path | str) -> None:
        """Open the recording and read its index, not its messages."""
        self.path = Path(path)
        with self._readable():
            self._reader = AnyReader([_storage(self.path)], default_typestore=make_typestore())
            self._reader.open()
        self.topics = {topic.name: topic for topic in map(_topic, self._reader.connections)}
        if not self._reader.message_count:
            self.close()
            raise FileError(f"the recording {self.path} holds no messages: was it stopped before anything was published?")

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    @property
    def start_ns(self) -> int:
        """Time of the first message."""
        return self._reader.start_time

    @property
    def end_ns(self) -> int:
        """Time of the last message."""
        return self._reader.end_time - 1

    @property
    def count(self) -> int:
        """Messages of all topics."""
        return self._reader.message_count

    def messages(self, topics: Collection[str] = ()) -> Iterator[BagMessage]:
        """All messages, or those of the named topics, in the order in which they were recorded.

        Raises:
            InputError: if a topic is not in the recording.
            FileError: on the way, where the file is cut or damaged.
        """
        for name in topics:
            if name not in self.topics:
                raise InputError(f"the recording {self.path} has no topic {name}, only {', '.join(sorted(self.topics))}")
        wanted = [connection for connection in self._reader.connections if not topics or connection.topic in topics]
        with self._readable():
            for connection, stamp_ns, raw in self._reader.messages(wanted):
                yield BagMessage(connection.topic, stamp_ns, connection.msgtype, bytes(raw))

    def deserialize(self, message: BagMessage) -> Any:
        """The message as an object with the fields that ROS gives it.

        Raises:
            FileError: if its bytes do not fit its type.
        """
        with self._readable():
            return self._reader.deserialize(message.raw, message.msgtype)

    def static_transforms(self) -> list[StaticTransform]:
        """The transforms of all topics called tf_static; a frame's last one counts."""
        topics = [name for name in self.topics if name.rpartition("/")[2] == "tf_static"]
        found: dict[str, StaticTransform] = {}
        for message in self.messages(topics) if topics else ():
            for transform in self.deserialize(message).transforms:
                found[transform.child_frame_id] = _static_transform(transform)
        return list(found.values())

    def camera_topics(self) -> tuple[CameraTopics, ...]:
        """The cameras of the recording, by name; where images come raw and compressed, the raw ones. Depth images are no cameras.

        Raises:
            InputError: if there are none, naming the topics that there are.
        """
        images = [t.name for t in self.topics.values() if t.msgtype in IMAGE_TYPES and t.count and "depth" not in t.name.lower()]
        bases = {_base(topic): topic for topic in sorted(images, reverse=True)}  # raw sorts before its /compressed, so it stays
        if not bases:
            there = ", ".join(f"{t.name} ({t.msgtype})" for t in self.topics.values())
            raise InputError(
                f"the recording {self.path} has no images: expected topics of sensor_msgs Image or CompressedImage, found {there}"
            )
        names = _camera_names(sorted(bases))
        return tuple(
            CameraTopics(name, bases[base], self.topics[bases[base]].msgtype, self._info_of(base)) for base, name in names.items()
        )

    def _info_of(self, base: str) -> str | None:
        """The CameraInfo beside an image topic, as image_transport names it."""
        info = base.rpartition("/")[0] + "/camera_info"
        return info if info in self.topics and self.topics[info].msgtype == INFO_TYPE else None

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what a bad file leads to into one sentence."""
        try:
            yield
        except ChrommError:
            raise
        except FileNotFoundError:
            raise FileError(f"there is no recording at {self.path}: {_EXPECTED}") from None
        except PermissionError as error:
            raise FileError(f"the recording {self.path} may not be read: {error}") from error
        except Exception as error:  # a damaged file leads to any error of rosbags, SQLite, YAML or a decompressor
            reason = str(error) or type(error).__name__
            raise FileError(f"{self.path} is no recording, or it is cut or damaged ({reason}): {_EXPECTED}") from error


def _storage(path: Path) -> Path:
    """What rosbags is to open: a folder with metadata, or the one storage file of a folder whose recorder died before writing it."""
    if path.name == "metadata.yaml":
        return path.parent
    if path.suffix == ".bag":
        raise FileError(f"{path} is a ROS 1 recording: convert it with `rosbags-convert --src {path} --dst FOLDER`")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = [*path.glob("*.mcap"), *path.glob("*.db3")]
        if len(files) != 1:
            raise FileError(f"{path} holds no metadata.yaml and {len(files)} storage files: {_EXPECTED}")
        return files[0]
    if path.is_file() and path.suffix not in {".mcap", ".db3"}:
        raise FileError(f"{path} is not a recording: {_EXPECTED}")
    return path


def _topic(connection: Connection) -> BagTopic:
    assert isinstance(connection.ext, ConnectionExtRosbag2)
    return BagTopic(connection.topic, connection.msgtype, connection.msgcount, tuple(connection.ext.offered_qos_profiles))


def _base(topic: str) -> str:
    """The image topic without the suffix of its transport."""
    return topic.removesuffix("/compressed")


def _camera_names(bases: list[str]) -> dict[str, str]:
    """The shortest ends of the topics that tell the cameras apart, without the words that only say `image`.

    >>> _camera_names(["/robot/left/image_raw", "/robot/right/image_raw"])
    {'/robot/left/image_raw': 'left', '/robot/right/image_raw': 'right'}
    """
    parts = {base: [part for part in base.split("/") if part] for base in bases}
    for base, words in parts.items():
        while len(words) > 1 and words[-1] in _IMAGE_WORDS:
            words.pop()
        assert words, base
    for length in range(1, max(map(len, parts.values())) + 1):
        names = {base: "_".join(words[-length:]) for base, words in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {base: base.strip("/").replace("/", "_") for base in bases}


def _static_transform(message: Any) -> StaticTransform:
    return StaticTransform(message.header.frame_id, message.child_frame_id, matrix_from_transform(message.transform))
