"""The puppet is the free body; clothes are what their mode says."""

import numpy as np
import pytest

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.geometry import se3
from chromm_ros.records import BodyParams
from chromm_ros.synthetic.people.clothes import MODES, dress
from chromm_ros.synthetic.people.puppet import Part, Puppet
from chromm_ros.synthetic.render.draw import draw
from chromm_ros.synthetic.render.lights import Lights
from chromm_ros.synthetic.render.material import Materials
from chromm_ros.synthetic.render.mesh import merge


def people(count: int, seed: int = 0) -> BodyParams:
    rng = np.random.default_rng(seed)

    def turns(*shape: int, size: float = 0.5) -> np.ndarray:
        return (size * rng.normal(size=(count, *shape, 3))).astype(np.float32)

    return BodyParams(
        global_orient=turns(size=1.5), body_pose=turns(21), left_hand_pose=turns(15, size=0.2), right_hand_pose=turns(15, size=0.2),
        jaw_pose=turns(size=0.1), leye_pose=turns(size=0.1), reye_pose=turns(size=0.1),
        betas=rng.normal(size=(count, 10)).astype(np.float32), expression=rng.normal(size=(count, 10)).astype(np.float32),
        transl=turns(size=2.0),
    )  # fmt: skip  # field by field


def test_vertices_and_joints_are_those_of_the_free_body() -> None:
    puppet, body, posed = Puppet.load(), SmplxBody.load(""), people(5)
    vertices, joints = puppet.pose(posed)
    np.testing.assert_allclose(joints, body.joints(posed), atol=1e-4)
    np.testing.assert_allclose(vertices, body.vertices(posed)[:, puppet.vertex_ids], atol=1e-4)
    assert 1500 < len(puppet.faces) <= 3000 and puppet.pose(people(0))[0].shape == (0, len(puppet.rest), 3)


def test_parts_are_on_their_side_of_the_body() -> None:
    puppet = Puppet.load()
    middle = puppet.rest[puppet.faces].mean(axis=1)
    for left, right in (
        (Part.LEFT_HAND, Part.RIGHT_HAND),
        (Part.LEFT_SHIN, Part.RIGHT_SHIN),
        (Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM),
    ):
        assert middle[puppet.part == left, 0].min() > 0.0 > middle[puppet.part == right, 0].max(), (left, right)
    assert middle[puppet.part == Part.HEAD, 1].min() > middle[puppet.part == Part.LEFT_FOOT, 1].max()


def colors(mode: str, count: int, seed: int) -> list[np.ndarray]:
    """Colour a of every face of each person."""
    outfits = dress(mode, count, np.random.default_rng(seed), Puppet.load())
    return [np.array([outfit.materials[row].a for row in outfit.face]) for outfit in outfits]


def test_uniforms_are_alike_and_naturalistic_clothes_are_not() -> None:
    part = Puppet.load().part
    cloth = part == Part.CHEST
    alike, free = colors("uniforms", 3, 1), colors("naturalistic", 3, 1)
    np.testing.assert_array_equal(alike[0][cloth], alike[1][cloth])
    np.testing.assert_array_equal(alike[0][cloth], alike[2][cloth])
    assert np.abs(free[0][cloth].mean(0) - free[1][cloth].mean(0)).max() > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_suits_tell_left_from_right_and_limb_from_limb(seed: int) -> None:
    part = Puppet.load().part
    for face in colors("suits", 2, seed):
        mean = {p: face[part == p].mean(axis=0) for p in Part}
        for left, right in (
            (Part.LEFT_THIGH, Part.RIGHT_THIGH),
            (Part.LEFT_LOWER_ARM, Part.RIGHT_LOWER_ARM),
            (Part.LEFT_SHIN, Part.RIGHT_SHIN),
        ):
            assert np.abs(mean[left] - mean[right]).max() > 0.2
        assert np.abs(mean[Part.LEFT_UPPER_ARM] - mean[Part.LEFT_LOWER_ARM]).max() > 0.1
    assert set(MODES) == {"naturalistic", "uniforms", "suits"}


def test_suits_tell_front_from_back() -> None:
    """One person in the T pose, drawn from ahead and from behind: a white breast, a black back, his left limbs warm on both."""
    puppet = Puppet.load()
    outfit = dress("suits", 1, np.random.default_rng(0), puppet)[0]
    scene = merge([puppet.mesh(puppet.rest, outfit.face, 1)])
    light = Lights(
        np.ones((2, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32), np.zeros(3, np.float32)
    )
    ahead = se3.compose(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 3.0]))  # looks along -z, y up
    behind = np.diag([-1.0, -1.0, 1.0, 1.0]) + np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, -3.0], [0, 0, 0, 0]])
    k = np.array([[100.0, 0.0, 80.0], [0.0, 100.0, 60.0], [0.0, 0.0, 1.0]])
    poses = np.stack([ahead, behind])
    seen = draw(scene, Materials.of(outfit.materials), light, np.stack([k, k]), poses, 160, 120).images.astype(int)

    def at(*point: float) -> np.ndarray:
        cam = se3.apply(se3.inverse(poses), np.array([[point]]))[:, 0]
        u, v = (cam[:, :2] / cam[:, 2:] * 100.0 + [80.0, 60.0]).astype(int).T
        return seen[[0, 1], v, u]

    breast, back = at(0.0, 0.0, 0.0)
    assert breast.min() > 150 and back.max() < 110
    shin = puppet.rest_joints[[4, 5, 7, 8]].mean(axis=0)[1]
    for left, right in zip(at(0.145, shin, 0.0), at(-0.145, shin, 0.0), strict=True):
        assert left[0] > left[1] + 30 and right[1] > right[0] + 30, (left, right)
