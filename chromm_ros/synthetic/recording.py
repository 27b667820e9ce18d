"""A take as a rosbag2 with its truth.

Cameras are `cam1`, `cam2`, ...: `/camN/image_raw/compressed` (JPEG) and `/camN/camera_info`, in the frames `camN_optical_frame`. Their poses
lead to the frame `world` (z up, the floor is z = 0): on /tf_static where the rig stands, on /tf where it moves; so a node that is told
the rig's frame knows them. Truth stands under `/truth`, in `world`:

- `/truth/bodies` (chromm_ros/SmplxBodyArray): at every stamp, whoever is there; `seen_by` names the cameras that one would find the head in.
- `/truth/points` (sensor_msgs/PointCloud2): once, what the cameras' pixels show of the room at the first stamp, people left out.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.data.moment import Moment
from chromm_ros.geometry import se3
from chromm_ros.synthetic.finding import to_find
from chromm_ros.synthetic.world.take import Take

WORLD = "world"
BEGIN_NS = 1_700_000_000_000_000_000
"""Stamp of the first moment: some day, as no clock begins at 0."""
POINTS = 20_000
"""Of the cloud."""


def record(path: Path, take: Take, *, start_s: float, seconds: float, fps: float, quality: int) -> Iterator[Moment]:
    """Write a recording; gives its moments one after the other, for whoever shows progress.

    Args:
        path: folder of the new recording.
        take: what is filmed.
        start_s: of the take's own time.
        seconds: how long.
        fps: frame-sets in a second.
        quality: of the JPEGs, 1 to 100.

    Raises:
        FileError: if the folder exists.
    """
    with BagWriter(path) as bag:
        for k in range(round(seconds * fps)):
            moment = take.at(start_s + k / fps)
            _write(bag, moment, BEGIN_NS + round(k * 1e9 / fps), first=k == 0, moving=take.moves, quality=quality)
            yield moment


def _write(bag: BagWriter, moment: Moment, stamp_ns: int, *, first: bool, moving: bool, quality: int) -> None:
    names = [f"cam{view + 1}" for view in range(len(moment.images))]
    poses = {f"{name}_optical_frame": pose for name, pose in zip(names, moment.world_from_cam, strict=True)}
    if moving or first:
        bag.transforms(stamp_ns, WORLD, poses, static=not moving)
    size = (moment.images.shape[2], moment.images.shape[1])
    for view, name in enumerate(names):
        frame = f"{name}_optical_frame"
        data = cv2.imencode(".jpg", moment.images[view][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        bag.camera_info(f"/{name}/camera_info", stamp_ns, frame, size, moment.intrinsics[view], moment.distortion[view])
        bag.jpeg(f"/{name}/image_raw/compressed", stamp_ns, frame, data.tobytes())
    found = to_find(moment)
    seen_by = [[name for view, name in enumerate(names) if found[view, k]] for k in range(len(moment.ids))]
    bag.bodies("/truth/bodies", stamp_ns, WORLD, moment.body, moment.ids, moment.joints, tuple(names), seen_by)
    if first:
        bag.cloud("/truth/points", stamp_ns, WORLD, *room_points(moment))


def room_points(moment: Moment) -> tuple[Float[np.ndarray, "N 3"], UInt8[np.ndarray, "N 3"]]:
    """What pixels show of everything but people, in the world, metres, with colours; evenly thinned to `POINTS`. Lenses are not undone."""
    points, colors = [], []
    height, width = moment.depth.shape[1:]
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    for view, depth in enumerate(moment.depth):
        there = (depth > 0.0) & (moment.person[view] == 0)
        k = moment.intrinsics[view]
        rays = np.stack([(column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1], np.ones_like(column)], axis=-1)
        points.append(se3.apply(moment.world_from_cam[view], (rays * depth[..., None])[there].astype(np.float64)))
        colors.append(moment.images[view][there])
    every = max(1, sum(map(len, points)) // POINTS)
    return np.concatenate(points)[::every], np.concatenate(colors)[::every]
