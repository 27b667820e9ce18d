"""The messages of a recording in turn: what is made of them, with its time, once the transforms have told where it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float64

from chromm_ros.data.bag import BagMessage, BagReader, CameraTopics
from chromm_ros.data.instants import DEPTH_AHEAD_NS, ahead
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.transforms import TransformTree, transform_topics
from chromm_ros.data.truth import JOINT_SETS, Truth
from chromm_ros.errors import InputError
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.inputs.depth import DepthInput
from chromm_ros.records import Frame
from chromm_ros.stream.lane import Entry

TRUTH = "/truth/bodies"
HOLD_NS = 100_000_000
"""How long (in the time of recording) something waits for poses that are recorded after it; the node's frame-sets wait as long."""
END_NS = 2**63 - 1
"""After everything."""
T = TypeVar("T")
Made = TypeVar("Made", covariant=True)


@dataclass(frozen=True)
class Eye:
    """One camera."""

    topics: CameraTopics
    """Its images and calibrations."""
    source: CameraInput
    """Makes its frames."""
    depth_topic: str = ""
    """Of its depth images; empty where it has none."""
    depth: DepthInput | None = None
    """Gives its frames their depth."""

    def on_image(self, content: Any, now_ns: int) -> list[Entry]:
        """Take an image; returns the frames that need not wait any longer."""
        return self._admitted(self.source.on_image(content, now_ns), now_ns)

    def on_info(self, content: Any, now_ns: int) -> list[Entry]:
        """Take a calibration; returns the frames that waited for the first one."""
        return self._admitted(self.source.on_info(content), now_ns)

    def on_depth(self, content: Any, now_ns: int) -> list[Entry]:
        """Take a depth image; returns the frames that waited for it."""
        assert self.depth is not None
        return self.depth.on_depth(content, now_ns)

    def _admitted(self, frames: list[Frame], now_ns: int) -> list[Entry]:
        if self.depth is None:
            return [Entry(frame, now_ns) for frame in frames]
        return [entry for frame in frames for entry in self.depth.on_frame(frame, now_ns)]


@runtime_checkable
class Source(Protocol[Made]):
    """What makes something of messages; times are those of recording."""

    ahead: set[str]
    """Topics whose messages come before their turn, as the replay in step has them."""
    topics: list[str]
    """Those that it takes."""

    def make(self, message: BagMessage, content: Any, now_ns: int) -> Sequence[tuple[Made, int]]:
        """What is ready with this message, and the times at which it came."""

    def expire(self, now_ns: int) -> Sequence[tuple[Made, int]]:
        """What has waited long enough."""


class FramesOf:
    """Frames of images, calibrations and depth images, as they come."""

    def __init__(self, eyes: Sequence[Eye]) -> None:
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
        """Frames that are ready, with the arrival of their images."""
        return _pairs(self._take[message.topic](content, now_ns))

    def expire(self, now_ns: int) -> list[tuple[Frame, int]]:
        """Frames that have waited long enough for their depth."""
        return _pairs([entry for eye in self._eyes if eye.depth is not None for entry in eye.depth.expire(now_ns)])


def _pairs(entries: list[Entry]) -> list[tuple[Frame, int]]:
    return [(entry.frame, entry.arrival_ns) for entry in entries]


class TruthsOf:
    """Truths, their cameras' poses still unknown."""

    def __init__(self, cameras: int) -> None:
        self._nowhere: Float64[np.ndarray, "V 4 4"] = np.full((cameras, 4, 4), np.nan)
        self.topics, self.ahead = [TRUTH], set[str]()

    def make(self, _message: BagMessage, content: Any, now_ns: int) -> list[tuple[Truth, int]]:
        """One truth for each message."""
        people = list(content.bodies)
        joint_set = _joint_set(people)
        _check_sizes(people, joint_set)
        joints = np.array([person.joints for person in people], np.float64).reshape(len(people), JOINT_SETS[joint_set], 3)
        labelled = np.array([person.joint_scores for person in people], np.float64).reshape(joints.shape[:2]) > 0.0
        ids = np.array([person.track_id for person in people], np.int64)
        seen_by = tuple(tuple(person.seen_by) for person in people)
        at_ns = stamp_ns(content.header.stamp)
        counted = np.array([person.score > 0.0 for person in people], bool)
        shown = np.where(labelled[..., None], joints, np.nan)
        return [(Truth(at_ns, ids, shown, joint_set, counted, self._nowhere, seen_by), now_ns)]

    def expire(self, _now_ns: int) -> list[tuple[Truth, int]]:
        """Nothing waits."""
        return []


def in_turn(
    bag: BagReader, tree: TransformTree, source: Source[T], placed: Callable[[T, TransformTree], tuple[T, bool]]
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


def _check_sizes(people: Sequence[Any], joint_set: str) -> None:
    count = JOINT_SETS[joint_set]
    for person in people:
        joints, scores = len(person.joints), len(person.joint_scores)
        if (joints, scores) != (3 * count, count):
            raise InputError(
                f"true body {person.track_id} on {TRUTH} says model_type '{joint_set}' and has {joints} numbers of joints and {scores} "
                f"joint_scores, expected 3 x {count} and {count}: record it as docs/recordings.md says"
            )


def _joint_set(people: Sequence[Any]) -> str:
    """By the model that the bodies name; SMPL-X where nobody is there."""
    names = {person.model_type for person in people} or {"smplx"}
    name = names.pop()
    if names or name not in JOINT_SETS:
        raise InputError(f"true bodies are of {' and '.join(sorted({name, *names}))}, expected one of {', '.join(JOINT_SETS)}")
    return str(name)
