"""What a recording holds of results, read back: people and cameras at each stamp, as the node or `eval bag` wrote them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.body.skeleton import JOINTS
from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import matrix_from_pose, stamp_ns
from chromm_ros.errors import InputError

BODIES = "chromm_ros/msg/SmplxBodyArray"
TRUTH = "/truth/"


@dataclass(frozen=True, eq=False)
class Found:
    """Whoever was seen at one stamp, and where the cameras are said to be."""

    stamp_ns: int
    """Of the newest frame-set."""
    ids: Int64[np.ndarray, "P"]
    """Tracks."""
    joints: Float64[np.ndarray, "P 55 3"]
    """In the results' world, metres."""
    seen_by: tuple[tuple[str, ...], ...]
    """Cameras that saw each; nobody is without, as those who are remembered only are left out."""
    world_from_cam: Mapping[str, Float64[np.ndarray, "4 4"]]
    """By camera, in the same world."""


@dataclass(frozen=True, eq=False)
class Results:
    """A whole recording of results: no image, but 1.3 kB of joints for each person and moment."""

    moments: tuple[Found, ...]
    """By stamp."""
    frame: str
    """In which all of it stands."""
    weights: str
    """As the status tells; empty where there is none."""
    device: str
    """The same."""
    latency_ms: Float64[np.ndarray, "N"]
    """Of each status, from the arrival of the newest images to the result; empty where no clock was asked."""


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
        bodies: dict[int, Any] = {}
        poses: dict[int, dict[str, Float64[np.ndarray, "4 4"]]] = defaultdict(dict)
        statuses = []
        for entry in bag.messages(wanted):
            message = bag.deserialize(entry)
            if entry.topic.endswith("/bodies"):
                bodies[stamp_ns(message.header.stamp)] = message
            elif entry.topic.endswith("/status"):
                statuses.append(message)
            else:
                poses[stamp_ns(message.header.stamp)][entry.topic.split("/")[-2]] = matrix_from_pose(message.pose)
    frames = {str(message.header.frame_id) for message in bodies.values()}
    if len(frames) != 1:
        raise InputError(f"the results of {path} are in the frames {', '.join(sorted(frames))}, expected one: cut the recording")
    latency = np.array([status.latency_total_ms for status in statuses], np.float64)
    return Results(
        tuple(_found(at_ns, bodies[at_ns], poses.get(at_ns, {})) for at_ns in sorted(bodies)),
        frames.pop(),
        str(statuses[-1].weights) if statuses else "",
        str(statuses[-1].device) if statuses else "",
        latency[latency > 0.0],
    )


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
    return Found(
        at_ns,
        np.array([person.track_id for person in people], np.int64),
        np.array([person.joints for person in people], np.float64).reshape(len(people), JOINTS, 3),
        tuple(tuple(person.seen_by) for person in people),
        poses,
    )
