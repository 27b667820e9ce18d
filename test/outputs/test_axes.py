import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_results import make_person, make_pose
from scipy.spatial.transform import Rotation

from chromm_ros.data.outgoing import body_id, quaternion_from_matrix, world_from_body


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_ids_are_rep155_and_tell_tracks_apart(one: int, other: int) -> None:
    assert re.fullmatch("[a-z][a-z0-9]{4,}", body_id(one))
    assert (body_id(one) == body_id(other)) == (one == other)


def test_the_pelvis_has_the_axes_of_rep155() -> None:
    person = make_person(3)
    root = Rotation.from_rotvec(person.body.global_orient[-1]).as_matrix()
    forward, left, up = root @ [0, 0, 1], root @ [1, 0, 0], root @ [0, 1, 0]  # of SMPL-X: z, x, y
    pose = world_from_body(person)
    np.testing.assert_allclose(pose[:3, :3], np.stack([forward, left, up], -1), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(pose[:3, :3]), 1.0)
    np.testing.assert_allclose(pose[:3, 3], person.joints[-1, 0])


@given(st.integers(0, 1000))
def test_quaternions_are_x_y_z_w(seed: int) -> None:
    matrix = make_pose(seed)
    x, y, z, w = quaternion_from_matrix(matrix)
    assert w >= 0
    np.testing.assert_allclose(x * x + y * y + z * z + w * w, 1.0)
    # The textbook's matrix of a quaternion, written out.
    textbook = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    np.testing.assert_allclose(matrix[:3, :3], textbook, atol=1e-12)
