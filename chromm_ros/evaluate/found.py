"""What a recording holds of results, read back: people and cameras at each stamp, as the node or `eval bag` wrote them."""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from chromm_ros.body.skeleton import BODY_JOINTS, JOINTS
from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import cloud_arrays, matrix_from_pose, stamp_ns
from chromm_ros.errors import InputError
from chromm_ros.made_with import MadeWith

BODIES = "chromm_ros/msg/SmplxBodyArray"
TRUTH = "/truth/"
LENSES = 100
"""Moments of which a camera's intrinsics are read: pictures show one of the first moments."""


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """Whoever was seen at one stamp, and where the cameras are said to be."""

    stamp_ns: int
    """Of the newest frame-set."""
    ids: Int64[np.ndarray, "P"]
    """Tracks."""
    joints: Float[np.ndarray, "P 22 3"]
    """Of the body, in the results' world, metres; float32 as the message has them, and no other joint is scored."""
    seen_by: tuple[tuple[str, ...], ...]
    """Cameras that saw each; nobody is without, as those who are remembered only are left out."""
    world_from_cam: Mapping[str, Float64[np.ndarray, "4 4"]]
    """By camera, in the same world."""


@dataclass(frozen=True, eq=False)
class Results:
    """A whole recording of results: no image, no mesh, one cloud.

    A person at a moment has 264 bytes of joints, a camera that moves 128 of its pose, one that stands has it once; with what Python adds
    that is less than a kilobyte for either.
    """

    moments: tuple[Found, ...]
    """By stamp."""
    frame: str
    """In which all of it stands."""
    made_with: MadeWith
    """As the last status tells."""
    latency_ms: Float64[np.ndarray, "N"]
    """Of each status, from the arrival of the newest images to the result; empty where no clock was asked."""
    intrinsics: Mapping[tuple[str, int], Float64[np.ndarray, "3 3"]] = field(default_factory=dict)
    """Of cameras as the results have them, by name and stamp of the image (`records.py` has the origin); the first `LENSES` of each."""
    points: Float[np.ndarray, "Q 3"] | None = None
    """Of the last cloud, in the same world, metres; None where none was recorded."""


def read_results(path: Path) -> Results:
    """Read a recording of results.

    Raises:
        FileError: if it cannot be read.
        InputError: if it has no results, those of several nodes, or results in several frames.
    """
    with BagReader(path) as bag:
        space = _namespace(bag)
        wanted = {name for name in bag.topics if name.startswith(f"{space}/cameras/") and name.endswith("/pose")}
        wanted |= {name for name in (f"{space}/bodies", f"{space}/status") if name in bag.topics}
        found: dict[int, Found] = {}
        poses: dict[int, dict[str, Float64[np.ndarray, "4 4"]]] = defaultdict(dict)
        frames, latency, made_with = set[str](), array("d"), MadeWith()
        before: dict[str, Float64[np.ndarray, "4 4"]] = {}
        for entry in bag.messages(wanted):
            message = bag.deserialize(entry)
            at_ns = stamp_ns(message.header.stamp)
            if entry.topic.endswith("/bodies"):
                frames.add(str(message.header.frame_id))
                found[at_ns] = _found(at_ns, message, poses[at_ns])
            elif entry.topic.endswith("/status"):
                latency.append(message.latency_total_ms)
                made_with = _made_with(message)
            else:
                name, pose = sys.intern(entry.topic.split("/")[-2]), matrix_from_pose(message.pose)
                before[name] = before[name] if name in before and np.array_equal(before[name], pose) else pose
                poses[at_ns][name] = before[name]
        intrinsics = _intrinsics(bag, space)
        points = last_cloud(bag, f"{space}/scene/points")
    if len(frames) != 1:
        raise InputError(f"the results of {path} are in the frames {', '.join(sorted(frames))}, expected one: cut the recording")
    spent = np.array(latency, np.float64)
    moments = tuple(found[at_ns] for at_ns in sorted(found))
    return Results(moments, frames.pop(), made_with, spent[spent > 0.0], intrinsics, points)


def last_cloud(bag: BagReader, topic: str, frame: str = "") -> Float[np.ndarray, "N 3"] | None:
    """Points of the last cloud on a topic, metres; None where there is none, or it is not in the frame, if one is named.

    Raises:
        InputError: if it has no x, y, z.
    """
    last = deque(bag.messages([topic]) if topic in bag.topics else (), maxlen=1)
    cloud = bag.deserialize(last[0]) if last else None
    return None if cloud is None or frame not in {"", cloud.header.frame_id} else cloud_arrays(cloud)[0]


def cameras_of(path: Path) -> tuple[str, ...]:
    """Names of the cameras that a recording of results has topics of.

    Raises:
        FileError: if it cannot be read.
        InputError: if it has no results, or those of several nodes.
    """
    with BagReader(path) as bag:
        begin = f"{_namespace(bag)}/cameras/"
        return tuple(dict.fromkeys(topic.removeprefix(begin).split("/")[0] for topic in bag.topics if topic.startswith(begin)))


def _made_with(status: Any) -> MadeWith:
    """Of a chromm_ros/WindowStatus; those of older recordings tell less."""
    return MadeWith(**{part.name: str(getattr(status, part.name, "")) for part in fields(MadeWith)})


def _intrinsics(bag: BagReader, space: str) -> dict[tuple[str, int], Float64[np.ndarray, "3 3"]]:
    """What the results say of lenses at the beginning; ROS counts pixels from 0, we from 0.5."""
    made: dict[tuple[str, int], Float64[np.ndarray, "3 3"]] = {}
    for topic in bag.topics:
        if topic.startswith(f"{space}/cameras/") and topic.endswith("/camera_info_estimated"):
            for entry in islice(bag.messages([topic]), LENSES):
                message = bag.deserialize(entry)
                k = np.array(message.k, np.float64).reshape(3, 3)
                k[:2, 2] += 0.5
                made[topic.split("/")[-2], stamp_ns(message.header.stamp)] = k
    return made


def _namespace(bag: BagReader) -> str:
    names = [t.name for t in bag.topics.values() if t.msgtype == BODIES and t.count and not t.name.startswith(TRUTH)]
    if len(names) != 1 or not names[0].endswith("/bodies"):
        there = ", ".join(names) or "none"
        raise InputError(
            f"{bag.path} has results on {there}, expected one topic .../bodies of {BODIES}: record the outputs of one node"
        )
    return names[0].removesuffix("/bodies")


def _found(at_ns: int, message: Any, poses: Mapping[str, Float64[np.ndarray, "4 4"]]) -> Found:
    people = [body for body in message.bodies if body.seen_by]
    for person in people:
        if len(person.joints) != 3 * JOINTS:
            raise InputError(
                f"body {person.track_id} of the results has {len(person.joints)} numbers of joints, expected 3 x {JOINTS}: "
                "record the outputs of a chromm_ros node"
            )
    return Found(
        at_ns,
        np.array([person.track_id for person in people], np.int64),
        np.array([person.joints for person in people], np.float32).reshape(len(people), JOINTS, 3)[:, :BODY_JOINTS].copy(),
        tuple(tuple(map(sys.intern, person.seen_by)) for person in people),
        poses,
    )
