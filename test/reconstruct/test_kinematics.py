"""Joints from matrices are those that the body model gives from axis-angle vectors."""

import numpy as np
import pytest

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.reconstruct.kinematics import posed_joints
from chromm_ros.synthetic.scene import body


@pytest.mark.parametrize("count", [0, 1, 40])
def test_both_ways_give_the_same_joints(count: int) -> None:
    rng = np.random.default_rng(0)
    rotations = matrix_from_rotvec(rng.normal(size=(count, 53, 3)))
    betas, expression = rng.normal(size=(count, 10)), rng.normal(size=(count, 10))
    expected = body().joints(params_from_rotations(rotations, betas, expression))
    np.testing.assert_allclose(posed_joints(body(), rotations, betas, expression), expected, atol=1e-5)
