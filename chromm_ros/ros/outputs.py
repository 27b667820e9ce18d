"""Everything a Reconstruction becomes on ROS topics: convert, publish, and not a line of geometry.

Called from the worker's thread. What is cheap (TF, bodies, status) is always sent; what is not is built only for those who listen.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_ros import TransformBroadcaster
from visualization_msgs.msg import MarkerArray

from chromm_ros.data.outgoing import frame_ids, is_finite
from chromm_ros.errors import ConfigError
from chromm_ros.msg import SmplxBodyArray, WindowStatus
from chromm_ros.records import CameraEstimate, Person, Reconstruction, Window
from chromm_ros.ros import cloud, convert, markers
from chromm_ros.ros.pack import MarkerData, Stamped, pack_cloud, pack_marker_array
from chromm_ros.ros.status import Account, Published, to_status
from chromm_ros.ros.tf import TfConfig, camera_frame, links
from chromm_ros.ros.topics import LazyTopic
from chromm_ros.settings import Settings, setting


@dataclass(frozen=True)
class OutputConfig(Settings):
    """What is published, and how much of it."""

    world_frame: str = setting("chromm_world", "TF frame of all results: metres, z up where gravity is known")
    points_max: int = setting(150_000, "upper limit of points in the cloud", at_least=0, at_most=10_000_000, dynamic=True)
    voxel_m: float = setting(
        0.02, "edge of the cloud's voxels, one point each; 0 keeps all [m]", at_least=0, at_most=10, dynamic=True
    )
    confidence_min: float = setting(0.1, "points with less confidence are left out", at_least=0, at_most=1, dynamic=True)
    mesh_rate_hz: float = setting(10.0, "upper limit of messages on markers/mesh [Hz]", at_least=0.01, at_most=1000, dynamic=True)
    mesh_full: bool = setting(
        default=False, doc="all triangles of the body (1.5 MB per person) instead of a decimated mesh", dynamic=True
    )
    skeleton: bool = setting(default=True, doc="publish markers/skeleton", dynamic=True)
    labels: bool = setting(default=True, doc="write the id above each skeleton", dynamic=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.world_frame:
            raise ConfigError("world_frame is '', expected the name of a TF frame")


@runtime_checkable
class BodyModel(markers.MeshSource, Protocol):
    """What is asked of `body.smplx_body.SmplxBody`."""

    @property
    def kind(self) -> str:
        """`smplx` or `free`."""

    @property
    def gender(self) -> str:
        """Of the body file."""


class Outputs:
    """The publishers of one node.

    Topics are relative to the node's namespace, stamps are that of the newest frame-set, the frame is `output.world_frame`
    (but for `camera_info_estimated`, which stands in the optical frame of its image).
    """

    def __init__(
        self,
        node: Node,
        config: OutputConfig,
        tf_config: TfConfig,
        body: BodyModel,
        cameras: Sequence[str],
        *,
        rig_frame: str = "",
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Create all publishers.

        Args:
            node: of which they are.
            config: what is published.
            tf_config: which frames go to /tf.
            body: to make meshes.
            cameras: their names.
            rig_frame: frame in which TF knows the cameras, which is the world then; empty where poses are not looked up.
            monotonic_ns: a clock, to measure with.

        Raises:
            ConfigError: if the camera to anchor at is none of `cameras`.
        """
        self._node, self._body, self._cameras, self._monotonic_ns = node, body, tuple(cameras), monotonic_ns
        self._rig_frame = rig_frame
        self.configure(config, tf_config)
        self._broadcaster = TransformBroadcaster(node)
        self._bodies = LazyTopic(node, SmplxBodyArray, "bodies", 5)
        self._status = LazyTopic(node, WindowStatus, "status", 10)
        self._points = LazyTopic(node, PointCloud2, "scene/points", 1, latched=True)
        self._mesh = LazyTopic(node, MarkerArray, "markers/mesh", 1)
        self._skeleton = LazyTopic(node, MarkerArray, "markers/skeleton", 1)
        self._poses = {name: LazyTopic(node, PoseStamped, f"cameras/{name}/pose", 1) for name in cameras}
        self._infos = {name: LazyTopic(node, CameraInfo, f"cameras/{name}/camera_info_estimated", 1) for name in cameras}
        self._mesh_history, self._skeleton_history = markers.MarkerHistory(), markers.MarkerHistory()
        self._mesh_due_ns = 0
        self.counters: Counter[str] = Counter()
        """`people_not_finite`: people left out because a number of theirs is not finite."""

    def configure(self, config: OutputConfig, tf_config: TfConfig) -> None:
        """Take new settings, from the next window on.

        Raises:
            ConfigError: if the camera to anchor at is none of the node's cameras.
        """
        if tf_config.cameras == "anchor" and tf_config.anchor_camera not in self._cameras:
            raise ConfigError(f"anchor_camera is '{tf_config.anchor_camera}', expected one of {', '.join(self._cameras)}")
        self._config, self._tf_config = config, tf_config

    def publish(self, result: Reconstruction, window: Window, account: Account) -> WindowStatus:
        """Publish everything about one window, its status last.

        Args:
            result: what was found.
            window: of which it was found.
            account: what the node knows of the run.

        Returns:
            The status that was published.

        Raises:
            InputError: if a frame of the robot would get a second parent, or the anchor's images name no frame.
        """
        begun_ns = self._monotonic_ns()
        header = Stamped(result.stamps_ns[-1], self._config.world_frame)
        people = self._finite(result.people)
        self._send_transforms(header, result, people, window)
        self._send_bodies(header, result, people, window)
        self._send_cameras(header, result, window)
        points = self._send_points(header, result)
        self._send_mesh(header, result.epoch, people)
        self._send_skeletons(header, result.epoch, people)
        done_ns = self._monotonic_ns()
        age_ns = self._node.get_clock().now().nanoseconds - header.stamp_ns
        published = Published(points, len(people), (done_ns - begun_ns) / 1e6, done_ns, age_ns / 1e6)
        status = to_status(header, result, window, account, published)
        self._status.publisher.publish(status)
        return status

    def clear_markers(self, stamp_ns: int) -> None:
        """Remove everything from the displays; where nobody listens, the next array begins with it."""
        packed = pack_marker_array(Stamped(stamp_ns, self._config.world_frame), [markers.delete_all()])
        for topic, history in ((self._mesh, self._mesh_history), (self._skeleton, self._skeleton_history)):
            history.clear() if topic.offer(lambda: packed) else history.reset()

    def destroy(self) -> None:
        """Remove all publishers."""
        self._node.destroy_publisher(self._broadcaster.pub_tf)
        topics = [self._bodies, self._status, self._points, self._mesh, self._skeleton]
        for topic in [*topics, *self._poses.values(), *self._infos.values()]:
            topic.destroy()

    def _finite(self, people: Sequence[Person]) -> list[Person]:
        kept = [person for person in people if is_finite(person)]
        self.counters["people_not_finite"] += len(people) - len(kept)
        return kept

    def _send_transforms(self, header: Stamped, result: Reconstruction, people: Sequence[Person], window: Window) -> None:
        rig_frame = self._rig_frame if convert.knows_poses(window) else ""
        edges = links(self._tf_config, header.frame_id, result.cameras, people, frame_ids(window), rig_frame)
        if edges:
            self._broadcaster.sendTransform([convert.to_transform(header.stamp_ns, edge) for edge in edges])

    def _send_bodies(self, header: Stamped, result: Reconstruction, people: Sequence[Person], window: Window) -> None:
        message = convert.to_body_array(header, people, result, window, gender=self._body.gender, body_file=self._body.kind)
        self._bodies.publisher.publish(message)

    def _send_cameras(self, header: Stamped, result: Reconstruction, window: Window) -> None:
        names = frame_ids(window)
        for camera in (camera for camera in result.cameras if camera.present):
            frame_id = names.get(camera.name) or camera_frame(self._tf_config, camera.name)
            self._send_camera(header, Stamped(camera.stamp_ns, frame_id), camera)  # of its image, to be paired with it

    def _send_camera(self, header: Stamped, optical: Stamped, camera: CameraEstimate) -> None:
        self._poses[camera.name].offer(lambda: convert.to_pose_stamped(header, camera))
        self._infos[camera.name].offer(lambda: convert.to_camera_info(optical, camera))

    def _send_points(self, header: Stamped, result: Reconstruction) -> int:
        config, count = self._config, 0

        def build() -> bytes:
            nonlocal count
            chosen = cloud.select_points(
                result.points,
                result.confidence,
                confidence_min=config.confidence_min,
                voxel_m=config.voxel_m,
                points_max=config.points_max,
            )
            count = len(chosen)
            columns = cloud.cloud_columns(result.points[chosen], result.colors[chosen], result.confidence[chosen])
            return pack_cloud(header, cloud.FIELDS, columns)

        self._points.offer(build)
        return count

    def _send_mesh(self, header: Stamped, epoch: int, people: Sequence[Person]) -> None:
        now_ns, config = self._monotonic_ns(), self._config
        if now_ns < self._mesh_due_ns:
            return

        def build() -> bytes:
            shown = markers.mesh_markers(markers.drawn(people), self._body, full=config.mesh_full)
            return _pack(header, self._mesh_history.frame(epoch, shown))

        if self._mesh.offer(build):
            self._mesh_due_ns = now_ns + round(1e9 / config.mesh_rate_hz)

    def _send_skeletons(self, header: Stamped, epoch: int, people: Sequence[Person]) -> None:
        shown = markers.drawn(people) if self._config.skeleton else []

        def build() -> bytes:
            made = markers.skeleton_markers(shown, labels=self._config.labels)
            return _pack(header, self._skeleton_history.frame(epoch, made))

        self._skeleton.offer(build)


def _pack(header: Stamped, shown: Sequence[MarkerData]) -> bytes:
    return pack_marker_array(header, shown)
