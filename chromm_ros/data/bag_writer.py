"""Writes a recording without ROS: images, cameras, transforms, bodies and clouds into a rosbag2 (MCAP), through `rosbags`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.spatial.transform import Rotation

from chromm_ros.data.messages import SMPLX_FROM_REP155
from chromm_ros.data.truth import Truth
from chromm_ros.data.typestore import make_typestore
from chromm_ros.errors import FileError
from chromm_ros.records import BodyParams

NEVER = QosTime(9223372036, 854775807)
LATCHED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, NEVER, NEVER, QosLiveliness.AUTOMATIC, NEVER,
    avoid_ros_namespace_conventions=False,
)  # fmt: skip  # in the order of its fields
"""What static transforms are published with."""
_NOT_KNOWN = {
    name: np.zeros(size, np.float32)
    for name, size in (
        ("global_orient", 3), ("transl", 3), ("body_pose", 63), ("jaw_pose", 3), ("leye_pose", 3), ("reye_pose", 3),
        ("left_hand_pose", 45), ("right_hand_pose", 45), ("betas", 10), ("expression", 10),
    )
}  # fmt: skip  # in the order of the message
"""Parameters of a body of which only the joints are known."""
_HIPS = {"smplx": (0,), "smpl": (0,), "coco": (11, 12)}
"""The joints in whose middle the pelvis is."""


class BagWriter:
    """A recording that is being written; use it in a `with` statement. Stamps are nanoseconds, poses parent_from_child, lengths metres.

    Args:
        path: folder that does not exist yet.

    Raises:
        FileError: if it exists, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileError(f"'{path}' exists already: remove it, or name another folder")
        self._store = make_typestore()
        self._path = path
        with self._made():
            path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> "BagWriter":
        with self._made():
            self._writer.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    @contextmanager
    def _made(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"'{self._path}' cannot be made: {error.strerror}; name another folder") from None

    def jpeg(self, topic: str, stamp_ns: int, frame: str, data: bytes) -> None:
        """One JPEG, sensor_msgs/CompressedImage."""
        self._compressed(topic, stamp_ns, frame, data, "jpeg")

    def png(self, topic: str, stamp_ns: int, frame: str, data: bytes) -> None:
        """One PNG, sensor_msgs/CompressedImage."""
        self._compressed(topic, stamp_ns, frame, data, "png")

    def _compressed(self, topic: str, stamp_ns: int, frame: str, data: bytes, kind: str) -> None:
        name = "sensor_msgs/msg/CompressedImage"
        self._write(
            topic, name, stamp_ns, self._make(name, self._header(stamp_ns, frame), f"bgr8; {kind} compressed bgr8", _bytes(data))
        )

    def camera_info(
        self,
        topic: str,
        stamp_ns: int,
        frame: str,
        size: tuple[int, int],
        intrinsics: Float[np.ndarray, "3 3"],
        distortion: Float[np.ndarray, "N"],
        model: str = "plumb_bob",
    ) -> None:
        """One sensor_msgs/CameraInfo; ROS counts the centres of pixels from 0, we from 0.5. `model` is ROS's name of the lens."""
        k = intrinsics.astype(np.float64).copy()
        k[:2, 2] -= 0.5
        projection = np.concatenate([k, np.zeros((3, 1))], axis=1)
        region = self._make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)  # noqa: FBT003 - the message's own order
        name = "sensor_msgs/msg/CameraInfo"
        width, height = size
        message = self._make(
            name, self._header(stamp_ns, frame), height, width, model, distortion.astype(np.float64), k.reshape(9),
            np.eye(3).reshape(9), projection.reshape(12), 0, 0, region,
        )  # fmt: skip  # in the order of its fields
        self._write(topic, name, stamp_ns, message)

    def transforms(
        self, stamp_ns: int, parent: str, parent_from_child: Mapping[str, Float[np.ndarray, "4 4"]], *, static: bool
    ) -> None:
        """Transforms on /tf, or /tf_static."""
        stamped = [
            self._make("geometry_msgs/msg/TransformStamped", self._header(stamp_ns, parent), child, self._transform(pose))
            for child, pose in parent_from_child.items()
        ]
        name = "tf2_msgs/msg/TFMessage"
        self._write("/tf_static" if static else "/tf", name, stamp_ns, self._make(name, stamped), latched=static)

    def bodies(
        self,
        topic: str,
        stamp_ns: int,
        frame: str,
        bodies: BodyParams,
        ids: Int[np.ndarray, "P"],
        joints: Float[np.ndarray, "P 55 3"],
        cameras: tuple[str, ...],
        seen_by: list[list[str]],
    ) -> None:
        """One chromm_ros/SmplxBodyArray of the free body; what a truth does not say (scores) is 1, what it is sure of (deviation) 0."""
        people = [self._body(bodies, k, int(ids[k]), joints[k], seen_by[k]) for k in range(len(ids))]
        self._people(topic, stamp_ns, frame, cameras, people)

    def joints_only(self, topic: str, stamp_ns: int, frame: str, truth: Truth, cameras: tuple[str, ...]) -> None:
        """One chromm_ros/SmplxBodyArray of people of whom only joints are known, as docs/recordings.md has it.

        Args:
            topic: for example `/truth/bodies`.
            stamp_ns: of the images that it belongs to.
            frame: in which the truth is given.
            truth: its own stamp and poses are not written.
            cameras: names of all cameras; whom a truth says nothing of is to be found in each of them.
        """
        seen = truth.seen_by if truth.seen_by is not None else (cameras,) * len(truth.ids)
        people = [self._joints_only(truth, k, list(seen[k])) for k in range(len(truth.ids))]
        self._people(topic, stamp_ns, frame, cameras, people)

    def _people(self, topic: str, stamp_ns: int, frame: str, cameras: tuple[str, ...], people: list[Any]) -> None:
        name = "chromm_ros/msg/SmplxBodyArray"
        header = self._header(stamp_ns, frame)
        self._write(topic, name, stamp_ns, self._named(name, header=header, epoch=0, cameras=list(cameras), bodies=people))

    def cloud(
        self, topic: str, stamp_ns: int, frame: str, points: Float[np.ndarray, "N 3"], colors: UInt8[np.ndarray, "N 3"]
    ) -> None:
        """One sensor_msgs/PointCloud2 with x, y, z and rgb."""
        table = np.zeros((len(points), 4), np.float32)
        table[:, :3] = points
        rgb = colors.astype(np.uint32)
        table[:, 3] = (rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).view(np.float32)
        fields = [self._make("sensor_msgs/msg/PointField", axis, 4 * k, 7, 1) for k, axis in enumerate(("x", "y", "z", "rgb"))]
        name = "sensor_msgs/msg/PointCloud2"
        message = self._named(
            name, header=self._header(stamp_ns, frame), height=1, width=len(points), fields=fields, is_bigendian=False, point_step=16,
            row_step=16 * len(points), data=np.frombuffer(table.tobytes(), np.uint8), is_dense=True,
        )  # fmt: skip  # field by field
        self._write(topic, name, stamp_ns, message)

    def _body(self, bodies: BodyParams, k: int, number: int, joints: Float[np.ndarray, "55 3"], seen_by: list[str]) -> Any:
        flat = {name: getattr(bodies, name)[k].astype(np.float32).reshape(-1) for name in vars(bodies)}
        pelvis = joints[0].astype(np.float64)
        axes = Rotation.from_rotvec(flat["global_orient"].astype(np.float64)) * Rotation.from_matrix(SMPLX_FROM_REP155)
        pose = self._make(
            "geometry_msgs/msg/Pose", self._make("geometry_msgs/msg/Point", *pelvis.tolist()),
            self._make("geometry_msgs/msg/Quaternion", *axes.as_quat().tolist()),
        )  # fmt: skip  # position, orientation
        return self._named(
            "chromm_ros/msg/SmplxBody", id=f"b{number}", track_id=number, state=1, score=1.0, seen_by=seen_by, model_type="smplx",
            gender="neutral", body_file="free", pelvis=pose, joints=joints.astype(np.float32).reshape(-1),
            joint_scores=np.ones(len(joints), np.float32), deviation=0.0, **flat,
        )  # fmt: skip  # field by field

    def _joints_only(self, truth: Truth, k: int, seen_by: list[str]) -> Any:
        labelled = np.isfinite(truth.joints[k]).all(axis=-1)
        joints = np.where(labelled[:, None], truth.joints[k], 0.0)
        hips = list(_HIPS[truth.joint_set])
        pelvis = joints[hips].mean(axis=0) if labelled[hips].all() else np.zeros(3)
        pose = self._make(
            "geometry_msgs/msg/Pose", self._make("geometry_msgs/msg/Point", *pelvis.tolist()),
            self._make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0),
        )  # fmt: skip  # position, orientation
        number = int(truth.ids[k])
        return self._named(
            "chromm_ros/msg/SmplxBody", id=f"b{number}", track_id=number, state=1, score=float(truth.counted[k]), seen_by=seen_by,
            model_type=truth.joint_set, gender="neutral", body_file="", pelvis=pose, joints=joints.astype(np.float32).reshape(-1),
            joint_scores=labelled.astype(np.float32), deviation=0.0, **_NOT_KNOWN,
        )  # fmt: skip  # field by field

    def _transform(self, pose: Float[np.ndarray, "4 4"]) -> Any:
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        return self._make(
            "geometry_msgs/msg/Transform", self._make("geometry_msgs/msg/Vector3", *pose[:3, 3].tolist()),
            self._make("geometry_msgs/msg/Quaternion", *quaternion),
        )  # fmt: skip  # translation, rotation

    def _header(self, stamp_ns: int, frame: str) -> Any:
        stamp = self._make("builtin_interfaces/msg/Time", stamp_ns // 10**9, stamp_ns % 10**9)
        return self._make("std_msgs/msg/Header", stamp, frame)

    def _make(self, name: str, *values: Any) -> Any:
        return self._store.types[name](*values)

    def _named(self, name: str, **values: Any) -> Any:
        return self._store.types[name](**values)

    def _write(self, topic: str, name: str, stamp_ns: int, message: Any, *, latched: bool = False) -> None:
        if topic not in self._connections:
            offered = [LATCHED] if latched else []
            self._connections[topic] = self._writer.add_connection(
                topic, name, typestore=self._store, offered_qos_profiles=offered
            )
        self._writer.write(self._connections[topic], stamp_ns, self._store.serialize_cdr(message, name))


def _bytes(data: bytes) -> UInt8[np.ndarray, "N"]:
    return np.frombuffer(data, np.uint8)
