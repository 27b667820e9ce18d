"""What ROS calls and turns differently: quaternions, the axes and the names of bodies."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.data.messages import SMPLX_FROM_REP155
from chromm_ros.records import Person


def body_id(track_id: int) -> str:
    """Name of a body as REP-155 wants it: it starts with a letter, has five characters or more and names one track only."""
    assert track_id >= 0, track_id
    return f"b{track_id:04d}"


def world_from_body(person: Person) -> Float[np.ndarray, "4 4"]:
    """Pose of the pelvis at the newest step, metres, with the axes of REP-155: x forward, y left, z up of the person."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(person.body.global_orient[-1].astype(np.float64)).as_matrix() @ SMPLX_FROM_REP155
    matrix[:3, 3] = person.joints[-1, 0]
    return matrix


def quaternion_from_matrix(matrix: Float[np.ndarray, "4 4"]) -> tuple[float, float, float, float]:
    """Unit quaternion (x, y, z, w) of a pose, w not negative.

    SciPy does what `tf_transformations` would: that package is in apt only, and its transforms3d counts (w, x, y, z).
    """
    quaternion = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    x, y, z, w = (quaternion if quaternion[3] >= 0 else -quaternion).tolist()
    return x, y, z, w
