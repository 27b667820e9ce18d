"""What a run left in its recording, read back."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import cloud_arrays, matrix_from_pose, stamp_ns
from chromm_ros.errors import InputError


@dataclass(frozen=True)
class Results:
    """Everything that the table and the pictures need."""

    images_in: int
    """Images in the recording that was played."""
    sizes: dict[str, list[int]]
    """Bytes of every message that came out, by topic."""
    statuses: list[Any]
    """Every chromm_ros/WindowStatus, in order."""
    bodies: dict[int, Any]
    """Every chromm_ros/SmplxBodyArray by its stamp in nanoseconds."""
    clouds: set[int]
    """Stamps of all clouds."""
    poses: dict[int, dict[str, Float[np.ndarray, "4 4"]]]
    """`world_from_cam` by stamp and camera."""
    infos: dict[int, dict[str, Any]]
    """Every estimated sensor_msgs/CameraInfo by stamp and camera."""

    def best_stamp(self) -> int:
        """The newest moment with the most people, of those with a cloud."""
        return max(self.clouds & self.bodies.keys(), key=lambda stamp: (len(self.bodies[stamp].bodies), stamp))


def read_results(recorded: Path, images_in: int, namespace: str) -> Results:
    """Read the recording of a run's outputs.

    Raises:
        InputError: if no window came out at all.
    """
    results = Results(images_in, defaultdict(list), [], {}, set(), defaultdict(dict), defaultdict(dict))
    for topic, size, message in _messages(recorded):
        results.sizes[topic].append(size)
        name = topic.removeprefix(f"{namespace}/")
        if name == "status":
            results.statuses.append(message)
        elif name == "bodies":
            results.bodies[stamp_ns(message.header.stamp)] = message
        elif name == "scene/points":
            results.clouds.add(stamp_ns(message.header.stamp))
        elif name.startswith("cameras/"):
            _, camera, kind = name.split("/")
            at = stamp_ns(message.header.stamp)
            if kind == "pose":
                results.poses[at][camera] = matrix_from_pose(message.pose)
            else:
                results.infos[at][camera] = message
    if not results.statuses or not results.clouds & results.bodies.keys():
        raise InputError(f"{recorded} holds no result of a window, expected some: see demo.log beside it for what went wrong")
    return results


def read_cloud(recorded: Path, namespace: str, at_ns: int) -> tuple[Float[np.ndarray, "N 3"], UInt8[np.ndarray, "N 3"]]:
    """Positions and RGB of the cloud of one moment, one of `Results.clouds`."""
    with BagReader(recorded) as bag:
        clouds = map(bag.deserialize, bag.messages([f"{namespace}/scene/points"]))
        return next(cloud_arrays(cloud) for cloud in clouds if stamp_ns(cloud.header.stamp) == at_ns)


def _messages(path: Path) -> Iterator[tuple[str, int, Any]]:
    with BagReader(path) as bag:
        for entry in bag.messages():
            yield entry.topic, len(entry.raw), bag.deserialize(entry)
