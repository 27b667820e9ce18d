"""The oracle: exact where it says exact, and wrong by as much as its levels say."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import inside, project
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.synthetic.noise import EXACT, Errors, Noise, Strangers
from chromm_ros.synthetic.oracle import SIZE, K, Look, World, reordered
from chromm_ros.synthetic.scene import LAP, LAYOUTS, Scene, body
from chromm_ros.synthetic.shape import RADIUS, hidden

GAUGE = Similarity(np.array(0.7), matrix_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([3.0, -2.0, 1.0]))


def heads(look: Look) -> np.ndarray:
    """Of everybody who is detected, in the window's world."""
    p = look.prediction
    return se3.apply(p.world_from_cam[p.person_frame], p.head_position[:, None])[:, 0]


def true_heads(world: World, look: Look) -> np.ndarray:
    p = look.prediction
    step = p.step[p.person_frame]
    return np.stack([world.joints(int(t))[who, 15] for t, who in zip(step, look.person, strict=True)])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("moving", [True, False])
def test_exact_words_are_the_truth_in_the_windows_gauge(layout: str, moving: bool) -> None:
    world = World(layout=layout, moving=moving, people=4)
    look = world.look(steps=2, gauge=GAUGE)
    assert len(look.person) > 4
    np.testing.assert_allclose(heads(look), GAUGE.apply(true_heads(world, look)), atol=1e-9)
    p = look.prediction
    np.testing.assert_allclose(p.head_pixel, project(p.head_position, K), atol=1e-6)
    assert inside(p.head_pixel, np.array(SIZE, dtype=np.float64)).all()
    np.testing.assert_allclose(
        p.world_from_cam[:, :3, :3] @ np.swapaxes(p.world_from_cam[:, :3, :3], 1, 2) - np.eye(3), 0, atol=1e-9
    )


def test_the_body_with_the_words_is_the_true_one() -> None:
    world = World(people=2)
    p = world.window(steps=1)[1]
    own = p.world_from_cam[p.person_frame, :3, :3] @ p.rotations[:, 0]
    np.testing.assert_allclose(own[:2], world.rotations(0)[:, 0], atol=1e-12)
    np.testing.assert_allclose(p.betas[:2], world.betas())
    joints = world.joints(0)
    bones = np.linalg.norm(joints[:, 4] - joints[:, 1], axis=-1)
    rest = body().rest_joints(world.betas())
    np.testing.assert_allclose(bones, np.linalg.norm(rest[:, 4] - rest[:, 1], axis=-1), atol=1e-6)


def test_what_is_said_of_an_image_does_not_depend_on_the_window() -> None:
    world = World(noise=replace(Noise(), camera_deg=0.0, camera_m=0.0, focal=0.0, unit=0.0), walk="eight")
    first, second = world.look(0, 0, 4), world.look(1, 2, 4)
    late, early = (
        first.prediction.step[first.prediction.person_frame] >= 2,
        second.prediction.step[second.prediction.person_frame] < 2,
    )
    for name in ("head_position", "rotations", "person_token", "person_score"):
        np.testing.assert_array_equal(getattr(first.prediction, name)[late], getattr(second.prediction, name)[early])
    np.testing.assert_array_equal(first.person[late], second.person[early])


def test_no_noise_is_exact_and_errors_grow_with_the_level() -> None:
    assert replace(Noise().scaled(0.0), occlusion=False) == EXACT
    draws = [Errors.draw(Noise().scaled(level), 0, 3, 2, 5) for level in (1.0, 2.0)]
    np.testing.assert_allclose(2.0 * draws[0].pixels, draws[1].pixels)
    np.testing.assert_allclose(2.0 * np.log(draws[0].depth), np.log(draws[1].depth))
    assert (draws[1].detected <= draws[0].detected).all()


def test_errors_have_the_spread_that_is_stated() -> None:
    noise = Noise()
    draws = [Errors.draw(noise, seed, 0, 4, 30) for seed in range(20)]
    assert np.log([d.depth for d in draws]).std() == pytest.approx(noise.depth, rel=0.1)
    assert np.std([d.pixels[..., 0, :] for d in draws]) == pytest.approx(noise.head_px, rel=0.1)
    angle = np.concatenate([geodesic_angle(np.eye(3), d.turns[:, :, 1:22]).ravel() for d in draws])
    assert np.degrees(np.sqrt((angle**2).mean() / 3.0)) == pytest.approx(noise.joint_deg, rel=0.05)
    betas = np.stack([d.betas for d in draws])  # seed view person 10
    between = np.corrcoef(betas[:, 0].ravel(), betas[:, 1].ravel())[0, 1]
    assert between == pytest.approx(noise.shared, abs=0.05)
    later = [Errors.draw(noise, seed, 9, 4, 30) for seed in range(20)]
    over_time = np.corrcoef(np.log([d.depth for d in draws]).ravel(), np.log([d.depth for d in later]).ravel())[0, 1]
    assert over_time == pytest.approx(noise.lasting, abs=0.05)
    missed = 1.0 - np.mean([Errors.draw(noise.scaled(10.0), seed, 0, 4, 30).detected for seed in range(20)])
    assert missed == pytest.approx(10.0 * noise.missed, rel=0.15)
    seen = np.mean([Strangers.draw(replace(noise, false=0.5), 0, k, 4).seen for k in range(200)])
    assert seen == pytest.approx(0.5, abs=0.08)


def test_cameras_err_anew_in_every_window() -> None:
    world = World(noise=replace(EXACT, camera_m=0.1, unit=0.1))
    one, other = (world.look(index).prediction for index in (0, 1))
    assert not np.allclose(one.world_from_cam, other.world_from_cam)
    off = one.world_from_cam[:, :3, 3].reshape(4, 4, 3)
    assert np.abs(off[0] - off[1]).max() > 0.0, "a part of it belongs to the image"
    np.testing.assert_array_equal(one.head_pixel, other.head_pixel)


def test_two_people_wear_each_others_token() -> None:
    world = World(noise=replace(EXACT, swapped=1.0), people=4)
    look = world.look(steps=1)
    tokens, own = look.prediction.person_token, world.tokens()[look.person]
    differs = (tokens != own).any(axis=-1).reshape(4, 4)
    np.testing.assert_array_equal(differs.sum(axis=1), 2)
    np.testing.assert_allclose(np.sort(tokens.reshape(4, 4, -1), axis=1), np.sort(own.reshape(4, 4, -1), axis=1))


def test_a_uniform_hides_who_is_who() -> None:
    assert not World(uniform=True).window()[1].person_token.any()


def test_people_can_be_missed_and_nobody_can_be_seen() -> None:
    assert not len(World(noise=replace(EXACT, missed=1.0)).look().person)
    look = World(noise=replace(EXACT, false=1.0), people=2).look(steps=1)
    assert (look.person == -1).sum() == 4
    p = look.prediction
    np.testing.assert_allclose(project(p.head_position, K), p.head_pixel, atol=1e-6)
    assert (p.head_position[:, 2] > 0.0).all()


def test_who_stands_behind_somebody_is_hidden() -> None:
    joints = np.zeros((3, 55, 3))
    joints[:, :, :2] = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]])[:, None]
    joints[:, 15, 2] = 1.6
    centres = np.array([[-4.0, 0.0, 1.6], [6.0, 0.0, 1.6], [-4.0, 0.0, 5.0]])
    np.testing.assert_array_equal(hidden(centres, joints), [[False, True, False], [True, False, False], [False, False, False]])


def test_points_lie_on_the_room_or_on_people_and_the_mask_tells_which() -> None:
    world = World(people=3, map_size=(64, 48))
    p = world.window(steps=1)[1]
    points = se3.apply(p.world_from_cam, p.points.reshape(4, -1, 3))
    half = world.distance + 2.0
    wall = np.minimum(
        np.abs(np.abs(points[..., :2]) - half).min(axis=-1), np.minimum(np.abs(points[..., 2]), np.abs(points[..., 2] - 6.0))
    )
    axis = world.joints(0)[:, 0, :2]
    skin = np.abs(np.linalg.norm(points[..., None, :2] - axis, axis=-1) - RADIUS).min(axis=-1)
    on_person = skin < 1e-6
    assert (wall[~on_person] < 1e-6).all() and 0.005 < on_person.mean() < 0.3
    patches = on_person.reshape(4, 24, 2, 32, 2).any(axis=(2, 4))
    np.testing.assert_array_equal(p.human_mask, patches)


def test_frames_can_be_lost_and_people_unseen() -> None:
    world = World(rig=True)
    window, p = world.window(missing=frozenset({(1, 2)}), unseen=frozenset({(0, 0, 1)}))
    assert window.sets[1].frames[2] is None and len(p.step) == 15
    assert (np.diff(p.person_frame) >= 0).all() and p.person_frame.max() == 14
    assert np.bincount(p.person_frame).tolist() == [2] + [3] * 14
    np.testing.assert_array_equal(window.sets[0].frames[3].world_from_cam, world.camera(3, 0))


def test_moving_cameras_come_back_after_a_lap() -> None:
    for layout in ("ring", "line", "robot"):
        scene = Scene(layout=layout, moving=True)
        np.testing.assert_allclose(scene.cameras(0), scene.cameras(LAP), atol=1e-9)
        assert np.abs(scene.cameras(0) - scene.cameras(LAP // 2)).max() > 1.0


def test_people_who_walk_keep_to_a_human_pace_and_apart() -> None:
    for walk in ("spots", "eight"):
        scene = Scene(people=6, walk=walk)
        paths = np.stack([scene.heads(k) for k in range(200)])
        assert np.linalg.norm(np.diff(paths, axis=0), axis=-1).max() / 0.1 < 1.5
        apart = np.linalg.norm(paths[:, :, None] - paths[:, None], axis=-1) + 9.0 * np.eye(6)
        assert apart.min() > 0.3


def test_nobody_and_thirty_and_any_number_of_views() -> None:
    for views, people in ((1, 0), (16, 30)):
        look = World(views=views, people=people, noise=Noise(), walk="eight").look(steps=1)
        assert len(look.window.cameras) == views
        assert look.person.max(initial=-1) < people


def test_reordered_people_are_the_same() -> None:
    p = World().window()[1]
    order = np.arange(len(p.person_frame))[::-1]
    np.testing.assert_array_equal(reordered(p, order).head_position, p.head_position[::-1])


def test_a_camera_looks_at_its_target_level() -> None:
    pose = se3.look_at(np.array([3.0, -1.0, 2.0]), np.array([0.0, 0.0, 1.0]))
    target = se3.apply(se3.inverse(pose), np.array([[0.0, 0.0, 1.0]]))[0]
    np.testing.assert_allclose(target, [0.0, 0.0, np.sqrt(11.0)], atol=1e-12)
    assert pose[2, 0] == pytest.approx(0.0) and pose[2, 1] < 0.0
