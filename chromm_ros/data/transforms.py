"""Where frames are over time, from recorded transforms and without ROS; rules and outcomes are tf2's (its buffer_core.cpp and cache.cpp)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import matrix_from_transform, stamp_ns
from chromm_ros.geometry import se3

Pose = Float[np.ndarray, "4 4"]
KEEP_NS = 10_000_000_000
"""How much of the past is kept of each moving frame, as tf2 does."""
_FIRST_NS = 1_000_000_000
"""Of a recording, in which all moving frames are expected to speak."""


@dataclass
class _Moving:
    """Places of one frame in order of time."""

    stamps: list[int] = field(default_factory=list)
    places: list[tuple[str, Pose]] = field(default_factory=list)

    def insert(self, at_ns: int, parent: str, parent_from_child: Pose) -> None:
        if self.stamps and at_ns < self.stamps[-1] - KEEP_NS:
            return
        place = bisect_left(self.stamps, at_ns)
        known = place < len(self.stamps) and self.stamps[place] == at_ns
        self.stamps[place : place + known] = [at_ns]
        self.places[place : place + known] = [(parent, parent_from_child)]
        expired = bisect_left(self.stamps, self.stamps[-1] - KEEP_NS)
        del self.stamps[:expired], self.places[:expired]

    def at(self, at_ns: int) -> tuple[str, Pose] | None:
        """Between two known places straight and along the shorter arc; where the parent changed, the older one holds."""
        place = bisect_right(self.stamps, at_ns)
        if place and self.stamps[place - 1] == at_ns:
            return self.places[place - 1]
        if place in {0, len(self.stamps)}:
            return None
        (parent, older), (later, newer) = self.places[place - 1 : place + 1]
        if parent != later:
            return parent, older
        ratio = (at_ns - self.stamps[place - 1]) / (self.stamps[place] - self.stamps[place - 1])
        turn = Slerp([0.0, 1.0], Rotation.from_matrix(np.stack([older[:3, :3], newer[:3, :3]])))(ratio)
        return parent, se3.compose(turn.as_matrix(), (1.0 - ratio) * older[:3, 3] + ratio * newer[:3, 3])


class TransformTree:
    """Frames by name, each with its places over time."""

    def __init__(self) -> None:
        """No frame is known."""
        self._static: dict[str, tuple[str, Pose]] = {}
        self._moving: dict[str, _Moving] = {}

    def take(self, message: Any, *, static: bool) -> None:
        """Add a tf2_msgs/TFMessage of /tf_static or /tf; a frame that changes its kind starts anew."""
        for transform in message.transforms:
            parent, child = (name.removeprefix("/") for name in (transform.header.frame_id, transform.child_frame_id))
            pose = matrix_from_transform(transform.transform)
            if static:
                self._static[child] = (parent, pose)
                self._moving.pop(child, None)
            else:
                self._static.pop(child, None)
                self._moving.setdefault(child, _Moving()).insert(stamp_ns(transform.header.stamp), parent, pose)

    def lookup(self, target: str, source: str, at_ns: int) -> Pose | None:
        """`target_from_source` at a time, or None where it is not known then: nothing is extrapolated."""
        above_source, above_target = dict(self._climb(source, at_ns)), dict(self._climb(target, at_ns))
        common = next((name for name in above_target if name in above_source), None)
        if common is None:
            return None
        if common == target:
            return above_source[common]
        return np.asarray(se3.inverse(above_target[common]) @ above_source[common])

    def roots(self, frame: str) -> list[str]:
        """The frame's ancestors by the newest places, itself first."""
        found = [frame]
        while (parent := self._newest_parent(found[-1])) and parent not in found:
            found.append(parent)
        return found

    def _newest_parent(self, frame: str) -> str:
        if frame in self._static:
            return self._static[frame][0]
        return self._moving[frame].places[-1][0] if frame in self._moving else ""

    def _climb(self, frame: str, at_ns: int) -> Iterator[tuple[str, Pose]]:
        """Every ancestor with `ancestor_from_frame`, itself first, as far as it is known at this time."""
        pose, seen = np.eye(4), {frame}
        yield frame, pose
        while (place := self._place(frame, at_ns)) is not None and place[0] not in seen:
            frame, parent_from_frame = place
            pose = parent_from_frame if len(seen) == 1 else np.asarray(parent_from_frame @ pose)
            seen.add(frame)
            yield frame, pose

    def _place(self, frame: str, at_ns: int) -> tuple[str, Pose] | None:
        if frame in self._static:
            return self._static[frame]
        return self._moving[frame].at(at_ns) if frame in self._moving else None


def transform_topics(bag: BagReader) -> dict[str, bool]:
    """The recording's topics of transforms, and whether each is static."""
    names = (topic for topic in bag.topics if bag.topics[topic].msgtype == "tf2_msgs/msg/TFMessage")
    ends = {name: name.rpartition("/")[2] for name in names}
    return {name: end == "tf_static" for name, end in ends.items() if end in {"tf", "tf_static"}}


def static_tree(bag: BagReader) -> TransformTree:
    """What stands still in a recording, whenever it was said."""
    tree = TransformTree()
    topics = [name for name, static in transform_topics(bag).items() if static]
    for message in bag.messages(topics) if topics else ():
        tree.take(bag.deserialize(message), static=True)
    return tree


def common_frame(bag: BagReader, frames: Iterable[str], wanted: str = "") -> str:
    """A frame in which the recording knows where all of some frames are; nothing where there is none.

    Args:
        bag: the recording; of what moves, its first second is looked at.
        frames: of the cameras' images.
        wanted: the frame that it should be, where it can be.

    Returns:
        `wanted`, else the farthest ancestor that all have.
    """
    tree = static_tree(bag)
    moving = [name for name, static in transform_topics(bag).items() if not static]
    end_ns = bag.start_ns + _FIRST_NS
    for message in takewhile(lambda entry: entry.stamp_ns <= end_ns, bag.messages(moving) if moving else ()):
        tree.take(bag.deserialize(message), static=False)
    ways = [tree.roots(frame) for frame in frames]
    shared = [name for name in ways[0] if all(name in way for way in ways)] if ways else []
    if len(ways) == 1 and shared == [ways[0][0]]:
        return ""  # a single camera whose place nobody tells is not known in itself
    return wanted if wanted in shared else (shared[-1] if shared else "")
