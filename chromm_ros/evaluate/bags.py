"""A recording as a labelled sequence: frames as the node makes them, and what it says under `/truth` (`docs/recordings.md`).

Decoding, rectifying and intrinsics are the node's own code (`inputs/`). Poses are looked up at the stamps of the images, as `ros/rig.py`
does; time is the time of recording. Nothing but a few frames is held at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

from chromm_ros.data.bag import BagMessage, BagReader, CameraTopics
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.transforms import TransformTree, common_frame, static_tree, transform_topics
from chromm_ros.data.truth import JOINT_SETS, Truth
from chromm_ros.errors import InputError
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.records import Frame

TRUTH = "/truth/bodies"
HOLD_NS = 100_000_000
"""How long (in the time of recording) something waits for poses that are recorded after it; the node's frame-sets wait as long."""
T = TypeVar("T")


class BagSequence:
    """A `data.truth.LabelledSequence` read from a rosbag2.

    Args:
        path: of the recording.
        truth: another recording with the truth; None: it is in the same one, if anywhere.
        cameras: names (as `BagReader.camera_topics` gives them); empty: all.
        rectify: whether images of a distorted lens are rectified.
        intrinsics: whether the frames tell them.
        poses: whether the frames tell them, where the recording does.
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
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.path, self.truth_path = path, truth or path
        self._rectify, self._intrinsics, self._say = rectify, intrinsics, say
        with BagReader(path) as bag:
            self.topics = _chosen(bag, cameras)
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
            inputs = {camera.name: self._input(bag, camera) for camera in self.topics}
            of_topic = {camera.image: camera.name for camera in self.topics}
            of_topic |= {camera.info: camera.name for camera in self.topics if camera.info}
            made = _Made(inputs, of_topic, {camera.image for camera in self.topics})
            tree = static_tree(bag) if self.rig_frame else TransformTree()
            yield from _in_turn(bag, list(of_topic), tree, made, self._posed)

    def truth(self) -> Iterator[Truth]:
        """What is true at each stamp of `/truth/bodies`; nothing where the recording has none. Poses of cameras are in the truth's frame."""
        if not self.truth_frame:
            return
        with BagReader(self.truth_path) as bag, BagReader(self.path) as images:
            tree = static_tree(bag if transform_topics(bag) else images)
            yield from _in_turn(bag, [TRUTH], tree, self._labelled, self._with_cameras)

    def _input(self, bag: BagReader, camera: CameraTopics) -> CameraInput:
        return CameraInput(
            camera.name,
            lambda _kind, sentence: self._say(sentence),
            rectify=self._rectify,
            topic=camera.image.removesuffix("/compressed"),
            expects_info=camera.info is not None and bag.topics[camera.info].count > 0,
        )

    def _posed(self, frame: Frame, tree: TransformTree) -> tuple[Frame, bool]:
        """The frame with its pose, and whether nothing more is to be known of it."""
        plain = frame if self._intrinsics else replace(frame, intrinsics=None)
        if not self.rig_frame:
            return plain, True
        pose = tree.lookup(self.rig_frame, frame.frame_id, frame.stamp_ns)
        return replace(plain, world_from_cam=pose), pose is not None

    def _labelled(self, _message: BagMessage, content: Any, _now_ns: int) -> list[Truth]:
        people = list(content.bodies)
        joint_set = _joint_set(people)
        joints = np.array([person.joints for person in people], np.float64).reshape(len(people), JOINT_SETS[joint_set], 3)
        labelled = np.array([person.joint_scores for person in people], np.float64).reshape(joints.shape[:2]) > 0.0
        nowhere = np.full((len(self.topics), 4, 4), np.nan)
        ids = np.array([person.track_id for person in people], np.int64)
        seen_by = tuple(tuple(person.seen_by) for person in people)
        at_ns = stamp_ns(content.header.stamp)
        counted = np.array([person.score > 0.0 for person in people], bool)
        return [Truth(at_ns, ids, np.where(labelled[..., None], joints, np.nan), joint_set, counted, nowhere, seen_by)]

    def _with_cameras(self, truth: Truth, tree: TransformTree) -> tuple[Truth, bool]:
        poses = [tree.lookup(self.truth_frame, frame_id, truth.stamp_ns) for frame_id in self._frame_ids]
        world_from_cam: Float64[np.ndarray, "V 4 4"] = np.stack([np.full((4, 4), np.nan) if p is None else p for p in poses])
        return replace(truth, world_from_cam=world_from_cam), all(pose is not None for pose in poses)


class _Made:
    """Frames of images and calibrations, as they come."""

    def __init__(self, inputs: dict[str, CameraInput], of_topic: dict[str, str], images: set[str]) -> None:
        self._inputs, self._of_topic, self._images = inputs, of_topic, images

    def __call__(self, message: BagMessage, content: Any, now_ns: int) -> list[Frame]:
        source = self._inputs[self._of_topic[message.topic]]
        return source.on_image(content, now_ns) if message.topic in self._images else source.on_info(content)


def _in_turn(
    bag: BagReader,
    topics: list[str],
    tree: TransformTree,
    make: Callable[[BagMessage, Any, int], list[T]],
    placed: Callable[[T, TransformTree], tuple[T, bool]],
) -> Iterator[Any]:
    """Whatever is made of the messages, in their order, placed as soon as the transforms allow it or after `HOLD_NS`.

    Frames come with the time at which they were made.
    """
    moving = [name for name, static in transform_topics(bag).items() if not static]
    held: deque[tuple[T, int]] = deque()
    for message in bag.messages([*topics, *moving]):
        content = bag.deserialize(message)
        if message.topic in moving:
            tree.take(content, static=False)
        else:
            held.extend((one, message.stamp_ns) for one in make(message, content, message.stamp_ns))
        while held:
            one, whole = placed(held[0][0], tree)
            if not whole and message.stamp_ns - held[0][1] < HOLD_NS:
                break
            yield _with_time(one, held.popleft()[1])
    for one, at_ns in held:
        yield _with_time(placed(one, tree)[0], at_ns)


def _with_time(one: Any, at_ns: int) -> Any:
    return (one, at_ns) if isinstance(one, Frame) else one


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
