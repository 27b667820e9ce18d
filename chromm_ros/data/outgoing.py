"""What results become on the way out, as messages or in a recording without ROS: names of bodies, REP-155's axes, quaternions, and who is told."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.data.messages import SMPLX_FROM_REP155
from chromm_ros.records import Person, Window


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


def is_finite(person: Person) -> bool:
    """Whether every number of the newest step is finite, as the messages promise."""
    arrays = [getattr(person.body, entry.name)[-1] for entry in fields(person.body)]
    arrays += [person.joints[-1], person.joint_scores[-1], np.array([person.score, person.deviation_m[-1]])]
    return bool(np.isfinite(np.concatenate([array.reshape(-1) for array in arrays])).all())


def frame_ids(window: Window) -> Mapping[str, str]:
    """TF frame of the newest image of each camera, as the robot names it; cameras whose images name none are left out."""
    found = {}
    for frame_set in window.sets:
        for frame in frame_set.frames:
            if frame is not None and frame.frame_id:
                found[frame.camera] = frame.frame_id.lstrip("/")  # ROS 1 wrote a slash, tf2 refuses it
    return found
