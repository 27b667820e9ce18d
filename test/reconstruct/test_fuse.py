"""Fusion of exact sights returns the truth; what rays cannot fix falls back to depth."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project, unproject
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.fuse import Bodies, Decoded, FusionConfig, fuse
from chromm_ros.reconstruct.people import People
from chromm_ros.synthetic.oracle import K, World
from chromm_ros.synthetic.scene import body


def sights(world: World) -> tuple[Cameras, People]:
    window, prediction = world.window(steps=1)
    cameras = Cameras.read(window, prediction)
    return cameras, People.read(prediction, cameras, body())


def fused(cameras: Cameras, people: People, views: int = 4, **settings: float | str) -> Bodies:
    return fuse(cameras, people, np.zeros(len(people), dtype=np.int64), views, FusionConfig(**settings))


def turned_pixel(cameras: Cameras, people: People, who: int, by: tuple[float, float]) -> People:
    pixel = people.head_pixel.copy()
    pixel[who] += by
    return replace(people, head_pixel=pixel)


def test_exact_sights_return_the_truth() -> None:
    world = World(people=1)
    bodies = fused(*sights(world))
    np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)
    np.testing.assert_allclose(bodies.rotations[0], world.rotations(0)[0], atol=1e-9)
    np.testing.assert_allclose(bodies.betas[0], world.betas()[0], atol=1e-9)
    assert bodies.seen_by.all() and bodies.residual[0] < 1e-9 and bodies.score[0] == pytest.approx(0.9)


def test_rays_place_the_head_whatever_the_depths_say() -> None:
    world = World(people=1)
    cameras, people = sights(world)
    wrong = replace(people, head=people.head * np.linspace(0.7, 1.4, len(people))[:, None])
    np.testing.assert_allclose(fused(cameras, wrong).head[0], world.heads(0)[0], atol=1e-9)


def test_one_camera_is_believed_by_its_depth() -> None:
    world = World(people=1, views=1)
    bodies = fused(*sights(world), views=1)
    np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)
    assert np.isnan(bodies.residual[0])


def test_parallel_rays_fall_back_to_depth() -> None:
    world = World(people=1, views=2)
    cameras, people = sights(world)
    poses = np.stack([np.eye(4), se3.compose(np.eye(3), np.array([0.01, 0.0, 0.0]))])  # 1 cm apart
    head = np.array([[0.0, 0.0, 4.0], [-0.01, 0.0, 4.0]])
    seen = replace(people, head=head, head_pixel=project(head + np.array([[0.0, 0.0, 0.0], [0.005, 0.0, 0.0]]), K))
    bodies = fused(cameras.placed(poses, 1.0), seen, views=2)
    np.testing.assert_allclose(bodies.head[0], [0.0, 0.0, 4.0], atol=1e-9)
    assert np.isnan(bodies.residual[0])


def test_rays_that_meet_behind_a_camera_are_not_believed() -> None:
    cameras, people = sights(World(people=1, views=2))
    poses = np.stack([np.eye(4), se3.compose(np.eye(3), np.array([1.0, 0.0, 0.0]))])
    diverging = replace(
        people, head=np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 4.0]]), head_pixel=project(np.array([[-1.0, 0, 4], [1.0, 0, 4]]), K)
    )
    bodies = fused(cameras.placed(poses, 1.0), diverging, views=2)
    assert np.isnan(bodies.residual[0])
    np.testing.assert_allclose(bodies.head[0], [0.5, 0.0, 4.0])


def test_near_depths_weigh_more_than_far_ones() -> None:
    cameras, people = sights(World(people=1, views=2))
    poses = np.broadcast_to(np.eye(4), (2, 4, 4))
    seen = replace(people, head=np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0]]))
    assert fused(cameras.placed(poses, 1.0), seen, views=2).head[0, 2] == pytest.approx((2.0 * 4 + 4.0 * 1) / 5)


def test_noise_in_the_rotations_of_views_averages_out() -> None:
    world = World(people=1)
    cameras, people = sights(world)
    rng = np.random.default_rng(0)
    noisy = replace(people, rotations=people.rotations @ matrix_from_rotvec(0.2 * rng.normal(size=(len(people), 53, 3))))
    world_from_root = cameras.world_from_cam[people.frame, :3, :3] @ noisy.rotations[:, 0]
    truth = world.rotations(0)[0]
    alone = np.concatenate(
        [geodesic_angle(world_from_root, truth[0])[:, None], geodesic_angle(noisy.rotations[:, 1:], truth[1:])], 1
    )
    assert geodesic_angle(fused(cameras, noisy).rotations[0], truth).mean() < 0.6 * alone.mean()


def test_joints_outside_every_image_are_not_trusted() -> None:
    cameras, people = sights(World(people=1))
    bodies = fused(replace(cameras, size=np.tile([[640.0, 1.0]], (4, 1))), people)
    assert (bodies.in_view == 0.0).all()
    assert (fused(cameras, people).in_view[0, :22] == 0.9).mean() > 0.9


def test_a_ray_that_goes_astray_is_left_out_and_its_camera_named() -> None:
    world = World(people=1)
    cameras, people = sights(world)
    for who in range(4):
        bodies = fused(cameras, turned_pixel(cameras, people, who, (150.0, -60.0)))
        np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)
        assert bodies.used[0].tolist() == [view != who for view in range(4)] and bodies.seen_by.all()


def test_a_sight_that_goes_astray_does_not_spoil_the_pose() -> None:
    world = World(people=1)
    cameras, people = sights(world)
    astray = turned_pixel(cameras, people, 2, (150.0, -60.0))
    rotations, betas = astray.rotations.copy(), astray.betas.copy()
    rotations[2], betas[2] = np.eye(3), 5.0
    bodies = fused(cameras, replace(astray, rotations=rotations, betas=betas))
    np.testing.assert_allclose(bodies.rotations[0], world.rotations(0)[0], atol=1e-9)
    np.testing.assert_allclose(bodies.betas[0], world.betas()[0], atol=1e-9)


def test_two_rays_that_do_not_agree_fall_back_to_both_depths() -> None:
    world = World(people=1, views=2)
    cameras, people = sights(world)
    bodies = fused(cameras, turned_pixel(cameras, people, 0, (0.0, 120.0)), views=2)
    assert np.isnan(bodies.residual[0]) and bodies.used.all()
    np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)  # the depths say heads, not pixels


def test_the_covariance_is_that_of_the_error_under_the_stated_noise() -> None:
    rng = np.random.default_rng(0)
    world, count = World(people=1, views=3), 400
    cameras, people = sights(world)
    many = Cameras(**{name: value if np.isscalar(value) else np.repeat(value, count, 0) for name, value in vars(cameras).items()})
    repeated = People(**{name: np.repeat(value, count, 0) for name, value in vars(people).items()})
    frame = np.arange(3 * count)
    pixel = repeated.head_pixel + 4.0 * rng.normal(size=(3 * count, 2))
    depth = people.head[:, 2].repeat(count) * (1.0 + 0.1 * rng.normal(size=3 * count))
    head = unproject(pixel, depth, many.intrinsics)
    noisy = replace(repeated, frame=frame, head_pixel=pixel, head=head)
    groups = np.tile(np.arange(count), 3)
    for views, chosen in ((3, slice(None)), (1, slice(0, count))):
        part = People(**{name: value[chosen] for name, value in vars(noisy).items()})
        bodies = fuse(many, part, groups[chosen], views, FusionConfig())
        assert (np.isfinite(bodies.residual) == (views > 1)).all()
        error = bodies.head - world.heads(0)[0]
        distance = np.einsum("gi,gij,gj->g", error, np.linalg.inv(bodies.head_covariance), error)
        assert distance.mean() == pytest.approx(3.0, rel=0.15)  # chi squared with three degrees of freedom


def test_more_cameras_and_nearer_ones_are_surer() -> None:
    deviation = [float(np.trace(fused(*sights(World(people=1, views=v)), views=v).head_covariance[0])) for v in (1, 2, 4, 8)]
    assert deviation == sorted(deviation, reverse=True) and deviation[0] > 10 * deviation[1]
    cameras, people = sights(World(people=1, views=1))
    near, far = (fused(cameras, replace(people, head=f * people.head), views=1).head_covariance[0] for f in (1.0, 2.0))
    np.testing.assert_allclose(far, 4.0 * near, atol=1e-12)


def test_spread_tells_how_far_cameras_lie_apart() -> None:
    cameras, people = sights(World(people=1))
    assert fused(cameras, people).rotation_spread.max() < 1e-6 and fused(cameras, people).betas_spread.max() < 1e-9
    sign = np.where(np.arange(4) % 2, 1.0, -1.0)[:, None]
    turns = matrix_from_rotvec(sign * [0.0, 0.2, 0.0])[:, None]
    bodies = fused(cameras, replace(people, rotations=people.rotations @ turns, betas=people.betas + 0.5 * sign))
    np.testing.assert_allclose(bodies.rotation_spread, 0.2, rtol=1e-6)
    np.testing.assert_allclose(bodies.betas_spread, 0.5)
    lonely = fused(*sights(World(people=1, views=1)), views=1)
    assert np.isnan(lonely.rotation_spread).all() and np.isnan(lonely.betas_spread).all()


def test_the_median_is_moved_little_by_a_camera_that_sees_another_pose() -> None:
    world = World(people=1)
    cameras, people = sights(world)
    rotations = people.rotations.copy()
    rotations[1] = rotations[1] @ matrix_from_rotvec(np.array([0.0, 2.0, 0.0]))
    mean, median = (fused(cameras, replace(people, rotations=rotations), rotation=kind) for kind in ("mean", "geodesic_median"))
    errors = [geodesic_angle(bodies.rotations[0], world.rotations(0)[0]).max() for bodies in (mean, median)]
    assert errors[0] > 0.3 and errors[1] < 0.02


def test_the_average_alone_is_the_mean_of_what_cameras_say() -> None:
    cameras, people = sights(World(people=1))
    wrong = replace(people, head=people.head * np.linspace(0.8, 1.2, len(people))[:, None])
    own = se3.apply(cameras.world_from_cam, wrong.head[:, None])[:, 0]
    bodies = fused(cameras, wrong, mode="average")
    np.testing.assert_allclose(bodies.head[0], np.average(own, axis=0, weights=wrong.head[:, 2] ** -2.0))
    assert np.isnan(bodies.residual[0])


def test_pooled_tokens_are_decoded_once_in_the_best_image() -> None:
    world = World(people=2)
    cameras, people = sights(world)
    token = np.arange(4.0)[:, None] + np.array([0.0, 10.0, -5.0])
    people = replace(people, token=np.repeat(token, 2, axis=0), score=np.linspace(0.5, 0.9, 8))
    asked: list[tuple[np.ndarray, np.ndarray]] = []

    def decode(person: np.ndarray, tokens: np.ndarray) -> Decoded:
        asked.append((person, tokens))
        return Decoded(people.rotations[person], people.betas[person] + 1.0, people.expression[person])

    groups = np.tile([0, 1], 4)
    bodies = fuse(cameras, people, groups, 4, FusionConfig(mode="maxpool_triangulate"), decode)
    assert len(asked) == 1 and asked[0][0].tolist() == [6, 7]
    np.testing.assert_array_equal(asked[0][1], [[3.0, 13.0, -2.0]] * 2)
    np.testing.assert_allclose(bodies.rotations, world.rotations(0), atol=1e-9)
    np.testing.assert_allclose(bodies.betas, world.betas() + 1.0)
    np.testing.assert_allclose(bodies.head, world.heads(0), atol=1e-9)


def test_a_decoder_that_gives_no_true_body_leaves_the_average() -> None:
    world = World(people=1)
    cameras, people = sights(world)

    def decode(person: np.ndarray, tokens: np.ndarray) -> Decoded:
        return Decoded(np.nan * people.rotations[person], people.betas[person], people.expression[person])

    bodies = fuse(cameras, people, np.zeros(4, dtype=np.int64), 4, FusionConfig(mode="maxpool_triangulate"), decode)
    np.testing.assert_allclose(bodies.rotations[0], world.rotations(0)[0], atol=1e-9)


DEGENERATE = {
    "cameras in one place": lambda c, p: (replace(c, world_from_cam=np.broadcast_to(np.eye(4), c.world_from_cam.shape)), p),
    "at the camera": lambda c, p: (c, replace(p, head=0.0 * p.head)),
    "behind the camera": lambda c, p: (c, replace(p, head=-p.head)),
    "in one camera's centre": lambda c, p: (c.placed(c.world_from_cam, 0.0), p),
    "no score": lambda c, p: (c, replace(p, score=0.0 * p.score)),
    "far away": lambda c, p: (c, replace(p, head=1e6 * p.head)),
    "nobody": lambda c, p: (c, People(**{name: value[:0] for name, value in vars(p).items()})),
}


@pytest.mark.parametrize("mode", ["average", "average_triangulate"])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_sights_give_finite_bodies(case: str, mode: str) -> None:
    cameras, people = DEGENERATE[case](*sights(World(people=1)))
    bodies = fused(cameras, people, mode=mode)
    assert len(bodies.head) == min(len(people), 1)
    for name in ("head", "head_covariance", "rotations", "betas", "score", "in_view"):
        assert np.isfinite(getattr(bodies, name)).all(), name
    assert (np.linalg.eigvalsh(bodies.head_covariance) > 0.0).all()
