"""Messages as read from a recording, back into arrays. They are plain objects with ROS field names; no ROS is needed."""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial.transform import Rotation

from chromm_ros.errors import InputError
from chromm_ros.records import BodyParams

SMPLX_FROM_REP155 = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""REP-155 wants x forward, y left, z up of the person; SMPL-X bodies have x left, y up, z forward."""
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""sensor_msgs/PointField datatypes."""


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time in nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def matrix_from_pose(pose: Any) -> Float[np.ndarray, "4 4"]:
    """geometry_msgs/Pose as `parent_from_child`, metres."""
    return _matrix(pose.orientation, pose.position)


def matrix_from_transform(transform: Any) -> Float[np.ndarray, "4 4"]:
    """geometry_msgs/Transform as `parent_from_child`, metres."""
    return _matrix(transform.rotation, transform.translation)


def _matrix(q: Any, t: Any) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


def cloud_arrays(cloud: Any) -> tuple[Float[np.ndarray, "N 3"], UInt8[np.ndarray, "N 3"]]:
    """Positions (metres) and RGB of a sensor_msgs/PointCloud2 with x, y, z and a packed rgb; grey where it has no rgb.

    Raises:
        InputError: if the cloud has no x, y, z.
    """
    fields = {field.name: field for field in cloud.fields}
    if not {"x", "y", "z"} <= fields.keys():
        raise InputError(f"the point cloud has the fields {', '.join(fields) or 'none'}, expected at least x, y, z")
    order = ">" if cloud.is_bigendian else "<"
    layout = np.dtype(
        {
            "names": list(fields),
            "formats": [order + _DTYPES[field.datatype] for field in fields.values()],
            "offsets": [field.offset for field in fields.values()],
            "itemsize": cloud.point_step,
        }
    )
    table = np.frombuffer(bytes(cloud.data), layout, count=cloud.width * cloud.height)
    points = np.stack([table[axis] for axis in "xyz"], axis=-1).astype(np.float32)
    if "rgb" not in fields:
        return points, np.full((len(points), 3), 128, np.uint8)
    packed = np.ascontiguousarray(table["rgb"]).view(order + "u4")  # 0x00RRGGBB, the convention of PCL
    return points, np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


def body_params(body: Any) -> BodyParams:
    """The parameters of a chromm_ros/SmplxBody; leading shape ()."""

    def array(values: Any, *shape: int) -> Float[np.ndarray, "..."]:
        return np.asarray(values, np.float32).reshape(shape)

    return BodyParams(
        global_orient=array(body.global_orient, 3),
        body_pose=array(body.body_pose, 21, 3),
        left_hand_pose=array(body.left_hand_pose, 15, 3),
        right_hand_pose=array(body.right_hand_pose, 15, 3),
        jaw_pose=array(body.jaw_pose, 3),
        leye_pose=array(body.leye_pose, 3),
        reye_pose=array(body.reye_pose, 3),
        betas=array(body.betas, -1),
        expression=array(body.expression, -1),
        transl=array(body.transl, 3),
    )
