"""From our records to ROS messages, one function each."""

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped
from jaxtyping import Float
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from chromm_ros.data.outgoing import body_id, quaternion_from_matrix, world_from_body
from chromm_ros.msg import SmplxBody, SmplxBodyArray
from chromm_ros.records import CameraEstimate, Person, Reconstruction, Window
from chromm_ros.ros.pack import Stamped
from chromm_ros.ros.tf import Link

_STATES = {
    "tentative": SmplxBody.TENTATIVE,
    "tracked": SmplxBody.TRACKED,
    "occluded": SmplxBody.OCCLUDED,
    "lost": SmplxBody.LOST,
}
_FIXED_ARRAYS = (
    "global_orient",
    "transl",
    "body_pose",
    "jaw_pose",
    "leye_pose",
    "reye_pose",
    "left_hand_pose",
    "right_hand_pose",
)


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds as a message."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def to_header(header: Stamped) -> Header:
    """Stamp and frame."""
    return Header(stamp=to_time(header.stamp_ns), frame_id=header.frame_id)


def to_pose(matrix: Float[np.ndarray, "4 4"]) -> Pose:
    """A pose in metres."""
    px, py, pz = matrix[:3, 3].tolist()
    x, y, z, w = quaternion_from_matrix(matrix)
    return Pose(position=Point(x=px, y=py, z=pz), orientation=Quaternion(x=x, y=y, z=z, w=w))


def to_transform(stamp_ns: int, link: Link) -> TransformStamped:
    """An edge of the TF tree."""
    message = TransformStamped(header=to_header(Stamped(stamp_ns, link.parent)), child_frame_id=link.child)
    pose = to_pose(link.parent_from_child)
    message.transform.translation.x = pose.position.x
    message.transform.translation.y = pose.position.y
    message.transform.translation.z = pose.position.z
    message.transform.rotation = pose.orientation
    return message


def to_pose_stamped(header: Stamped, camera: CameraEstimate) -> PoseStamped:
    """Pose of a camera in the world, with OpenCV's axes."""
    return PoseStamped(header=to_header(header), pose=to_pose(camera.world_from_cam))


def to_camera_info(header: Stamped, camera: CameraEstimate) -> CameraInfo:
    """Pinhole intrinsics of the rectified image; `header` names the camera's optical frame.

    ROS counts the centre of the top-left pixel as (0, 0), `records.py` as (0.5, 0.5).
    """
    intrinsics = camera.intrinsics.astype(np.float64)
    intrinsics[:2] -= 0.5 * intrinsics[2:]
    message = CameraInfo(header=to_header(header), distortion_model="plumb_bob")
    message.width, message.height = camera.image_size
    message.d = [0.0] * 5
    message.k = intrinsics.reshape(-1)
    message.r = np.eye(3).reshape(-1)
    message.p = np.pad(intrinsics, ((0, 0), (0, 1))).reshape(-1)
    return message


def to_body(person: Person, cameras: Sequence[str], *, gender: str, body_file: str) -> SmplxBody:
    """A person at the newest step.

    Args:
        person: with finite numbers.
        cameras: names, in the order of `person.seen_by`.
        gender: of the body file.
        body_file: `smplx` or `free`.
    """
    message = SmplxBody(
        id=body_id(person.track_id),
        track_id=person.track_id,
        state=_STATES[person.state],
        score=float(person.score),
        seen_by=[name for name, seen in zip(cameras, person.seen_by[-1].tolist(), strict=True) if seen],
        model_type="smplx",
        gender=gender,
        body_file=body_file,
        pelvis=to_pose(world_from_body(person)),
    )
    for name in _FIXED_ARRAYS:
        setattr(message, name, getattr(person.body, name)[-1].astype(np.float32).reshape(-1))
    message.betas = _floats(person.body.betas[-1])
    message.expression = _floats(person.body.expression[-1])
    message.joints = _floats(person.joints[-1])
    message.joint_scores = _floats(person.joint_scores[-1])
    message.deviation = float(person.deviation_m[-1])
    return message


def to_body_array(
    header: Stamped, people: Sequence[Person], result: Reconstruction, window: Window, *, gender: str, body_file: str
) -> SmplxBodyArray:
    """Everybody who is known at the newest step."""
    newest = window.sets[-1].frames
    return SmplxBodyArray(
        header=to_header(header),
        epoch=result.epoch,
        cameras=[name for name, frame in zip(window.cameras, newest, strict=True) if frame is not None],
        bodies=[to_body(person, window.cameras, gender=gender, body_file=body_file) for person in people],
    )


def knows_poses(window: Window) -> bool:
    """Whether the pose of any camera was known from TF."""
    return any(frame is not None and frame.world_from_cam is not None for frame_set in window.sets for frame in frame_set.frames)


def _floats(values: np.ndarray) -> "array[float]":
    """What a float32[] field takes without looking at every element."""
    return array("f", values.astype(np.float32).tobytes())
