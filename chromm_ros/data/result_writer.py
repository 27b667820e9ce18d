"""Results as a recording without ROS: the node's topics of people and cameras, in its names, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.data.outgoing import body_id, frame_ids, is_finite, quaternion_from_matrix, world_from_body
from chromm_ros.records import CameraEstimate, Person, Reconstruction, Window

NAMESPACE = "/chromm"
"""In which the demo's node publishes, too."""
CONFIDENCE_MIN, POINTS_MAX = 0.1, 150_000
"""Of the last cloud, as the node's defaults have them."""
STATES = {"tentative": 0, "tracked": 1, "occluded": 2, "lost": 3}
"""Constants of chromm_ros/SmplxBody."""


class ResultWriter(BagWriter):
    """A recording of results; use it in a `with` statement.

    It tells no times but those of the recording that was evaluated, so that the same input gives the same bytes.

    Args:
        path: folder that does not exist yet.
        world_frame: frame of the results.
        gender: of the body file.
        body_file: `smplx` or `free`.
        made_with: `weights`, `device`, `precision` and `revision`, as fields of a chromm_ros/WindowStatus.

    Raises:
        FileError: if the folder exists, or cannot be made.
    """

    def __init__(self, path: Path, world_frame: str, *, gender: str, body_file: str, made_with: Mapping[str, str]) -> None:
        super().__init__(path)
        self._world_frame, self._gender, self._body_file = world_frame, gender, body_file
        self._made_with = dict(made_with)
        self.windows = 0
        """Results that were written."""
        self._last: Reconstruction | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._last is not None:
            self._tell_cloud(self._last)
        super().__exit__(kind, error, trace)

    def write(self, result: Reconstruction, window: Window) -> None:
        """Write one result, at the (recorded) time at which its newest frame-set was whole."""
        at_ns = window.sets[-1].ready_ns
        stamp_ns = result.stamps_ns[-1]
        names = frame_ids(window)
        people = [person for person in result.people if is_finite(person)]
        self._tell_bodies(at_ns, stamp_ns, result, people, window)
        for camera in (camera for camera in result.cameras if camera.present):
            self._tell_camera(at_ns, stamp_ns, names.get(camera.name) or f"{camera.name}_optical_frame_est", camera)
        self.windows += 1
        self._last = result
        self._tell_status(at_ns, stamp_ns, result, len(people), window)

    def _tell_bodies(self, at_ns: int, stamp_ns: int, result: Reconstruction, people: list[Person], window: Window) -> None:
        newest = window.sets[-1].frames
        message = self._named(
            "chromm_ros/msg/SmplxBodyArray",
            header=self._header(stamp_ns, self._world_frame),
            epoch=result.epoch,
            cameras=[name for name, frame in zip(window.cameras, newest, strict=True) if frame is not None],
            bodies=[self._person(person, window.cameras) for person in people],
        )
        self._write(f"{NAMESPACE}/bodies", "chromm_ros/msg/SmplxBodyArray", at_ns, message)

    def _tell_cloud(self, result: Reconstruction) -> None:
        """The cloud of the last result alone, which is what one scores: points that the node would trust, not thinned by voxels."""
        good = np.flatnonzero(np.isfinite(result.points).all(axis=-1) & (result.confidence >= CONFIDENCE_MIN))
        good = good[:: max(1, -(-len(good) // POINTS_MAX))]
        if len(good):
            topic = f"{NAMESPACE}/scene/points"
            self.cloud(topic, result.stamps_ns[-1], self._world_frame, result.points[good], result.colors[good])

    def _person(self, person: Person, cameras: tuple[str, ...]) -> Any:
        flat = {name: getattr(person.body, name)[-1].astype(np.float32).reshape(-1) for name in vars(person.body)}
        return self._named(
            "chromm_ros/msg/SmplxBody",
            id=body_id(person.track_id),
            track_id=person.track_id,
            state=STATES[person.state],
            score=float(person.score),
            seen_by=[name for name, seen in zip(cameras, person.seen_by[-1].tolist(), strict=True) if seen],
            model_type="smplx",
            gender=self._gender,
            body_file=self._body_file,
            pelvis=self._pose(world_from_body(person)),
            joints=person.joints[-1].astype(np.float32).reshape(-1),
            joint_scores=person.joint_scores[-1].astype(np.float32).reshape(-1),
            deviation=float(person.deviation_m[-1]),
            **flat,
        )

    def _tell_camera(self, at_ns: int, stamp_ns: int, frame_id: str, camera: CameraEstimate) -> None:
        topic = f"{NAMESPACE}/cameras/{camera.name}"
        pose = self._named(
            "geometry_msgs/msg/PoseStamped",
            header=self._header(stamp_ns, self._world_frame),
            pose=self._pose(camera.world_from_cam),
        )
        self._write(f"{topic}/pose", "geometry_msgs/msg/PoseStamped", at_ns, pose)
        self.camera_info(
            f"{topic}/camera_info_estimated", camera.stamp_ns, frame_id, camera.image_size, camera.intrinsics, np.zeros(5)
        )

    def _tell_status(self, at_ns: int, stamp_ns: int, result: Reconstruction, people: int, window: Window) -> None:
        """The account of a window without what only a clock knows: those times are 0, and there is no cloud."""
        sets = window.sets
        lists = {
            "present": np.array([frame is not None for frame_set in sets for frame in frame_set.frames], bool),
            "spread_ms": np.array([frame_set.spread_ns / 1e6 for frame_set in sets], np.float32),
        }
        known = {
            "header": self._header(stamp_ns, self._world_frame), "epoch": result.epoch, "window": result.index,
            "first_stamp": self._header(sets[0].stamp_ns, "").stamp, "last_stamp": self._header(sets[-1].stamp_ns, "").stamp, "cameras": list(window.cameras),
            "steps": len(sets), "windows_run": self.windows, "people": people, "metric_scale": _finite(result.metric_scale),
            "scale_ratio": _finite(result.scale_ratio), **self._made_with, **lists,
        }  # fmt: skip  # field by field
        name = "chromm_ros/msg/WindowStatus"
        nothing = {entry: 0.0 if entry.endswith(("_ms", "_mb")) else 0 for entry, _ in self._store.fielddefs[name][1]}
        self._write(f"{NAMESPACE}/status", name, at_ns, self._named(name, **{**nothing, **known}))

    def _pose(self, matrix: np.ndarray) -> Any:
        position = self._make("geometry_msgs/msg/Point", *matrix[:3, 3].astype(np.float64).tolist())
        return self._make(
            "geometry_msgs/msg/Pose", position, self._make("geometry_msgs/msg/Quaternion", *quaternion_from_matrix(matrix))
        )


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
