"""A recording as a labelled sequence: frames as the node makes them, and what it says under `/truth` (`docs/recordings.md`).

Decoding, rectifying and intrinsics are the node's own code (`inputs/`). Poses are looked up at the stamps of the images, as `ros/rig.py`
does; time is the time of recording. Nothing but a few frames is held at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float64

from chromm_ros.data.bag import IMAGE_TYPES, BagMessage, BagReader, CameraTopics
from chromm_ros.data.instants import DEPTH_AHEAD_NS, ahead
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.transforms import TransformTree, common_frame, static_tree, transform_topics
from chromm_ros.data.truth import JOINT_SETS, Truth
from chromm_ros.errors import InputError
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.inputs.depth import DEPTH_TOLERANCE_S, DepthInput, make_pairing
from chromm_ros.records import Frame
from chromm_ros.stream.lane import Entry
from chromm_ros.stream.sync import SyncConfig

TRUTH = "/truth/bodies"
HOLD_NS = 100_000_000
"""How long (in the time of recording) something waits for poses that are recorded after it; the node's frame-sets wait as long."""
END_NS = 2**63 - 1
"""After everything."""
T = TypeVar("T")
Made = TypeVar("Made", covariant=True)


class BagSequence:
    """A `data.truth.LabelledSequence` read from a rosbag2.

    Args:
        path: of the recording.
        truth: another recording with the truth; None: it is in the same one, if anywhere.
        cameras: names (as `BagReader.camera_topics` gives them); empty: all.
        rectify: whether images of a distorted lens are rectified.
        intrinsics: whether the frames tell them.
        poses: whether the frames tell them, where the recording does.
        depths: topics of depth images, by camera, as the node's `<camera>.depth_topic`.
        sync: settings of the synchroniser, of which depth takes its times of waiting.
        say: called with a sentence about whatever is refused.

    Raises:
        FileError: if the recording cannot be read.
        InputError: if it has no images, or not those that are named.
    """

    def __init__(
        self,
        path: Path,
        *,
        truth: Path | None = None,
        cameras: Sequence[str] = (),
        rectify: bool = True,
        intrinsics: bool = True,
        poses: bool = True,
        depths: Mapping[str, str] | None = None,
        sync: SyncConfig | None = None,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.path, self.truth_path = path, truth or path
        self._rectify, self._intrinsics, self._say = rectify, intrinsics, say
        self._sync = sync or SyncConfig()
        with BagReader(path) as bag:
            self.topics = _chosen(bag, cameras)
            self.depths = _depth_topics(bag, self.cameras, depths or {})
            """Topics of depth images by camera."""
            self.images = sum(bag.topics[camera.image].count for camera in self.topics)
            """Messages, of all cameras."""
            self.span_ns = (bag.start_ns, bag.end_ns)
            """Times of the first and the last message."""
            self._frame_ids = [_frame_id(bag, camera.image) for camera in self.topics]
            self.truth_frame = _truth_frame(self.truth_path)
            """In which the truth stands; empty where there is none."""
            self.rig_frame = common_frame(bag, self._frame_ids, self.truth_frame) if poses else ""
            """In which the frames' poses are; empty where they tell none."""

    @property
    def name(self) -> str:
        """Of the recording."""
        return self.path.stem if self.path.suffix in {".mcap", ".db3"} else self.path.name

    @property
    def cameras(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(camera.name for camera in self.topics)

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Every frame with the time at which its image was recorded; an image waits for the first calibration where there is one."""
        with BagReader(self.path) as bag:
            made = _Made([self._eye(bag, camera) for camera in self.topics])
            tree = static_tree(bag) if self.rig_frame else TransformTree()
            yield from _in_turn(bag, tree, made, self._posed)

    def truth(self) -> Iterator[Truth]:
        """What is true at each stamp of `/truth/bodies`; nothing where the recording has none. Poses of cameras are in the truth's frame."""
        if not self.truth_frame:
            return
        with BagReader(self.truth_path) as bag, BagReader(self.path) as images:
            tree = static_tree(bag if transform_topics(bag) else images)
            for truth, _ in _in_turn(bag, tree, _Labelled(len(self.topics)), self._with_cameras):
                yield truth

    def _eye(self, bag: BagReader, camera: CameraTopics) -> _Eye:
        def say(_kind: str, sentence: str) -> None:
            self._say(sentence)

        source = CameraInput(
            camera.name,
            say,
            rectify=self._rectify,
            topic=camera.image.removesuffix("/compressed"),
            expects_info=camera.info is not None and bag.topics[camera.info].count > 0,
        )
        if camera.name not in self.depths:
            return _Eye(camera, source)
        pairing = make_pairing(self._sync, round(DEPTH_TOLERANCE_S * 1e9))
        depth = DepthInput(camera.name, say, pairing, partial(getattr, source, "rectifier"))
        return _Eye(camera, source, self.depths[camera.name], depth)

    def _posed(self, frame: Frame, tree: TransformTree) -> tuple[Frame, bool]:
        """The frame with its pose, and whether nothing more is to be known of it."""
        plain = frame if self._intrinsics else replace(frame, intrinsics=None)
        if not self.rig_frame:
            return plain, True
        pose = tree.lookup(self.rig_frame, frame.frame_id, frame.stamp_ns)
        return replace(plain, world_from_cam=pose), pose is not None

    def _with_cameras(self, truth: Truth, tree: TransformTree) -> tuple[Truth, bool]:
        poses = [tree.lookup(self.truth_frame, frame_id, truth.stamp_ns) for frame_id in self._frame_ids]
        world_from_cam: Float64[np.ndarray, "V 4 4"] = np.stack([np.full((4, 4), np.nan) if p is None else p for p in poses])
        return replace(truth, world_from_cam=world_from_cam), all(pose is not None for pose in poses)


@dataclass(frozen=True)
class _Eye:
    """One camera."""

    topics: CameraTopics
    source: CameraInput
    depth_topic: str = ""
    depth: DepthInput | None = None

    def on_image(self, content: Any, now_ns: int) -> list[Entry]:
        return self._admitted(self.source.on_image(content, now_ns), now_ns)

    def on_info(self, content: Any, now_ns: int) -> list[Entry]:
        return self._admitted(self.source.on_info(content), now_ns)

    def on_depth(self, content: Any, now_ns: int) -> list[Entry]:
        assert self.depth is not None
        return self.depth.on_depth(content, now_ns)

    def _admitted(self, frames: list[Frame], now_ns: int) -> list[Entry]:
        if self.depth is None:
            return [Entry(frame, now_ns) for frame in frames]
        return [entry for frame in frames for entry in self.depth.on_frame(frame, now_ns)]


@runtime_checkable
class _Source(Protocol[Made]):
    """What makes something of messages; times are those of recording."""

    ahead: set[str]
    """Topics whose messages come before their turn, as the replay in step has them."""
    topics: list[str]
    """Those that it takes."""

    def make(self, message: BagMessage, content: Any, now_ns: int) -> Sequence[tuple[Made, int]]:
        """What is ready with this message, and the times at which it came."""

    def expire(self, now_ns: int) -> Sequence[tuple[Made, int]]:
        """What has waited long enough."""


class _Made:
    """Frames of images, calibrations and depth images, as they come."""

    def __init__(self, eyes: Sequence[_Eye]) -> None:
        self._eyes = eyes
        self._take: dict[str, Callable[[Any, int], list[Entry]]] = {}
        for eye in eyes:
            self._take[eye.topics.image] = eye.on_image
            if eye.topics.info:
                self._take[eye.topics.info] = eye.on_info
            if eye.depth_topic:
                self._take[eye.depth_topic] = eye.on_depth
        self.topics = list(self._take)
        self.ahead = {eye.depth_topic for eye in eyes if eye.depth_topic}

    def make(self, message: BagMessage, content: Any, now_ns: int) -> list[tuple[Frame, int]]:
        return _pairs(self._take[message.topic](content, now_ns))

    def expire(self, now_ns: int) -> list[tuple[Frame, int]]:
        return _pairs([entry for eye in self._eyes if eye.depth is not None for entry in eye.depth.expire(now_ns)])


def _pairs(entries: list[Entry]) -> list[tuple[Frame, int]]:
    return [(entry.frame, entry.arrival_ns) for entry in entries]


class _Labelled:
    """Truths, their cameras' poses still unknown."""

    def __init__(self, cameras: int) -> None:
        self._nowhere: Float64[np.ndarray, "V 4 4"] = np.full((cameras, 4, 4), np.nan)
        self.topics, self.ahead = [TRUTH], set[str]()

    def make(self, _message: BagMessage, content: Any, now_ns: int) -> list[tuple[Truth, int]]:
        people = list(content.bodies)
        joint_set = _joint_set(people)
        joints = np.array([person.joints for person in people], np.float64).reshape(len(people), JOINT_SETS[joint_set], 3)
        labelled = np.array([person.joint_scores for person in people], np.float64).reshape(joints.shape[:2]) > 0.0
        ids = np.array([person.track_id for person in people], np.int64)
        seen_by = tuple(tuple(person.seen_by) for person in people)
        at_ns = stamp_ns(content.header.stamp)
        counted = np.array([person.score > 0.0 for person in people], bool)
        shown = np.where(labelled[..., None], joints, np.nan)
        return [(Truth(at_ns, ids, shown, joint_set, counted, self._nowhere, seen_by), now_ns)]

    def expire(self, _now_ns: int) -> list[tuple[Truth, int]]:
        return []


def _in_turn(
    bag: BagReader, tree: TransformTree, source: _Source[T], placed: Callable[[T, TransformTree], tuple[T, bool]]
) -> Iterator[tuple[T, int]]:
    """Whatever is made of the messages with its time, in their order, placed as soon as the transforms allow it or after `HOLD_NS`."""
    moving = [name for name, static in transform_topics(bag).items() if not static]
    held: deque[tuple[T, int]] = deque()
    now_ns = 0
    for message in ahead(bag.messages([*source.topics, *moving]), source.ahead, DEPTH_AHEAD_NS):
        content = bag.deserialize(message)
        if message.topic not in source.ahead:
            now_ns = max(now_ns, message.stamp_ns)
        held.extend(source.expire(now_ns))
        if message.topic in moving:
            tree.take(content, static=False)
        else:
            held.extend(source.make(message, content, now_ns))
        while held:
            one, whole = placed(held[0][0], tree)
            if not whole and now_ns - held[0][1] < HOLD_NS:
                break
            yield one, held.popleft()[1]
    held.extend(source.expire(END_NS))
    for one, at_ns in held:
        yield placed(one, tree)[0], at_ns


def _chosen(bag: BagReader, cameras: Sequence[str]) -> tuple[CameraTopics, ...]:
    there = {camera.name: camera for camera in bag.camera_topics()}
    for name in cameras:
        if name not in there:
            raise InputError(f"the recording {bag.path} has no camera '{name}', only {', '.join(there)}")
    return tuple(there[name] for name in cameras) if cameras else tuple(there.values())


def _frame_id(bag: BagReader, topic: str) -> str:
    return str(bag.deserialize(next(bag.messages([topic]))).header.frame_id).lstrip("/")


def _truth_frame(path: Path) -> str:
    with BagReader(path) as bag:
        first = next(bag.messages([TRUTH]), None) if TRUTH in bag.topics else None
        return str(bag.deserialize(first).header.frame_id) if first is not None else ""


def _joint_set(people: Sequence[Any]) -> str:
    """By the model that the bodies name; the most of them where nobody is there."""
    names = {person.model_type for person in people} or {"smplx"}
    name = names.pop()
    if names or name not in JOINT_SETS:
        raise InputError(f"true bodies are of {' and '.join(sorted({name, *names}))}, expected one of {', '.join(JOINT_SETS)}")
    return str(name)


def _depth_topics(bag: BagReader, cameras: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    for name, topic in wanted.items():
        if name not in cameras:
            raise InputError(f"depth is named for the camera '{name}', there are {', '.join(cameras)}")
        if topic not in bag.topics or bag.topics[topic].msgtype not in IMAGE_TYPES:
            raise InputError(f"the recording {bag.path} has no images on {topic}, named as the depth of '{name}'")
    return dict(wanted)
