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
from chromm_ros.reconstruct.posed import pose
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
    for factors in (np.linspace(0.7, 1.4, 4), np.full(4, 1.5)):
        wrong = replace(people, head=people.head * factors[:, None])
        np.testing.assert_allclose(fused(cameras, wrong).head[0], world.heads(0)[0], atol=0.05)


@pytest.mark.parametrize("factor", [0.1, 10.0, 1e4])
@pytest.mark.parametrize("views", [3, 4])
def test_a_depth_that_is_grossly_wrong_drags_nothing(views: int, factor: float) -> None:
    world = World(people=1, views=views)
    cameras, people = sights(world)
    for who in range(views):
        head = people.head.copy()
        head[who] *= factor
        bodies = fused(cameras, replace(people, head=head), views)
        np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=0.01)
        assert bodies.used.all()  # its ray is as good as any


def row(angle_deg: float, views: int = 2, distance: float = 5.0) -> tuple[Cameras, People]:
    """Cameras side by side that see a head at (0, 0, distance), the outer rays at an angle."""
    cameras, people = sights(World(people=1, views=views, rig=True))
    sideways = distance * np.tan(np.radians(angle_deg) / 2.0) * np.linspace(-1.0, 1.0, views)
    centres = np.stack([sideways, 0.0 * sideways, 0.0 * sideways], axis=-1)
    head = np.array([0.0, 0.0, distance]) - centres
    poses = se3.compose(np.broadcast_to(np.eye(3), (views, 3, 3)), centres)
    return cameras.placed(poses, 1.0), replace(people, head=head, head_pixel=project(head, K))


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_among_parallel_rays_a_gross_depth_is_outvoted(factor: float) -> None:
    cameras, people = row(1.0, views=4)
    wrong = replace(people, head=people.head * np.array([1.0, factor, 1.0, 1.0])[:, None])
    np.testing.assert_allclose(fused(cameras, wrong).head[0], [0.0, 0.0, 5.0], atol=0.05)


def test_from_depth_to_rays_there_is_no_step() -> None:
    """The wider the angle, the surer the head and the less a wrong depth moves it, from parallel rays on."""
    alone = np.sqrt(np.trace(fused(*row(0.0, views=1), views=1).head_covariance[0]))
    stated, moved = [], []
    for angle in np.linspace(0.0, 40.0, 81):
        cameras, people = row(float(angle))
        bodies = fused(cameras, replace(people, head=1.06 * people.head), views=2)
        stated.append(np.sqrt(np.trace(bodies.head_covariance[0])))
        moved.append(np.linalg.norm(bodies.head[0] - [0.0, 0.0, 5.0]))
    assert stated[0] == pytest.approx(alone / np.sqrt(2.0), rel=0.1) and moved[0] == pytest.approx(0.3, rel=0.01)
    assert stated[-1] < 0.25 * alone and moved[-1] < 0.02
    for curve in (np.array(stated), np.array(moved)):
        assert (np.diff(curve) < 1e-9).all() and np.abs(np.diff(curve)).max() < 0.1 * curve[0]


def test_one_camera_is_believed_by_its_depth() -> None:
    world = World(people=1, views=1)
    bodies = fused(*sights(world), views=1)
    np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)
    assert np.isnan(bodies.residual[0])


def test_parallel_rays_fall_back_to_depth() -> None:
    cameras, people = row(0.1)  # 9 mm apart
    said = replace(people, head=people.head * np.array([[0.95], [1.05]]))
    np.testing.assert_allclose(fused(cameras, said, views=2).head[0], [0.0, 0.0, 5.0], atol=1e-3)


def test_rays_that_meet_behind_a_camera_are_not_believed() -> None:
    cameras, people = sights(World(people=1, views=2))
    poses = np.stack([np.eye(4), se3.compose(np.eye(3), np.array([1.0, 0.0, 0.0]))])
    diverging = replace(
        people, head=np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 4.0]]), head_pixel=project(np.array([[-1.0, 0, 4], [1.0, 0, 4]]), K)
    )
    bodies = fused(cameras.placed(poses, 1.0), diverging, views=2)
    assert np.isnan(bodies.residual[0])
    np.testing.assert_allclose(bodies.head[0], [0.5, 0.0, 4.0])


def test_near_cameras_weigh_more_than_far_ones() -> None:
    cameras, people = row(0.0)
    poses = np.stack([np.eye(4), se3.compose(np.eye(3), np.array([0.0, 0.0, 2.5]))])
    seen = replace(people, head=np.array([[0.0, 0.0, 5.0], [0.0, 0.0, 2.55]]))
    assert fused(cameras.placed(poses, 1.0), seen, views=2).head[0, 2] == pytest.approx(5.04, abs=1e-3)


def test_rays_that_meet_where_all_depths_deny_it_are_not_believed() -> None:
    """Rays of cameras in one place always meet there."""
    cameras, people = row(0.0)
    seen = replace(people, head_pixel=people.head_pixel + np.array([[0.0, 0.0], [200.0, 0.0]]))
    bodies = fused(cameras, seen, views=2)
    np.testing.assert_allclose(bodies.head[0], [0.0, 0.0, 5.0])
    assert np.isnan(bodies.residual[0])


def test_rays_are_believed_where_half_of_those_that_see_agree() -> None:
    for views, believed in ((4, True), (5, False)):
        world = World(people=1, views=views)
        cameras, people = sights(world)
        for who, by in zip(range(2, views), [(0.0, 150.0), (0.0, -150.0), (150.0, -150.0)], strict=False):
            people = turned_pixel(cameras, people, who, by)
        bodies = fused(cameras, people, views)
        assert bodies.used[0].tolist() == [view < 2 or not believed for view in range(views)]
        assert np.isfinite(bodies.residual[0]) == believed
        np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)  # the heads said are right


def test_the_size_of_the_image_does_not_matter() -> None:
    cameras, people = sights(World(people=1))
    rng = np.random.default_rng(3)
    people = replace(people, head_pixel=people.head_pixel + 6.0 * rng.normal(size=(4, 2)))
    large = replace(cameras, size=6.0 * cameras.size, intrinsics=np.diag([6.0, 6.0, 1.0]) @ cameras.intrinsics)
    small, big = fused(cameras, people), fused(large, replace(people, head_pixel=6.0 * people.head_pixel))
    np.testing.assert_allclose(big.head, small.head, atol=1e-12)
    np.testing.assert_allclose(big.head_covariance, small.head_covariance, atol=1e-12)


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


NOISE = FusionConfig()


def many_sights(world: World, count: int) -> tuple[Cameras, People]:
    """`count` bodies at one place, each camera's sights of them with the noise that the settings state; scores differ."""
    rng = np.random.default_rng(0)
    cameras, people = sights(world)
    cameras = Cameras(
        **{name: value if np.isscalar(value) else np.repeat(value, count, 0) for name, value in vars(cameras).items()}
    )
    people = People(**{name: np.repeat(value, count, 0) for name, value in vars(people).items()})
    pixel = people.head_pixel + NOISE.image_noise * 640.0 * rng.normal(size=people.head_pixel.shape)
    depth = people.head[:, 2] * (1.0 + NOISE.depth_noise * rng.normal(size=len(people)))
    score = np.array([0.9, 0.3, 0.6, 0.1])[cameras.view]
    noisy = replace(people, frame=np.arange(len(people)), head_pixel=pixel, score=score)
    if not world.rig:  # and cameras whose estimated poses are turned
        turns = matrix_from_rotvec(np.radians(NOISE.pose_noise_deg) * rng.normal(size=(len(people), 3)))
        poses = se3.compose(cameras.world_from_cam[:, :3, :3] @ turns, cameras.world_from_cam[:, :3, 3])
        cameras = cameras.placed(poses, 1.0)
    return cameras, replace(noisy, head=unproject(pixel, depth, cameras.intrinsics))


@pytest.mark.parametrize("rig", [True, False])
@pytest.mark.parametrize("layout", ["ring", "robot", "line"])
def test_the_covariance_is_that_of_the_error_under_the_stated_noise(layout: str, rig: bool) -> None:
    world, count = World(people=1, views=4, layout=layout, rig=rig), 400
    cameras, people = many_sights(world, count)
    groups = np.tile(np.arange(count), 4)
    for views, mode in ((4, "average_triangulate"), (4, "average"), (1, "average_triangulate")):
        chosen = cameras.view[people.frame] < views
        part = People(**{name: value[chosen] for name, value in vars(people).items()})
        bodies = fuse(cameras, part, groups[chosen], views, FusionConfig(mode=mode))
        whole = bodies.used.all(axis=1)
        assert whole.mean() > 0.9
        error = (bodies.head - world.heads(0)[0])[whole]
        distance = np.einsum("gi,gij,gj->g", error, np.linalg.inv(bodies.head_covariance[whole]), error)
        assert distance.mean() == pytest.approx(3.0, rel=0.2)  # chi squared with three degrees of freedom


def test_equal_sights_are_weighted_as_is_best() -> None:
    """No linear estimate is surer than that with inverse covariances (Gauss and Markov): (sum S^-1)^-1."""
    world = World(people=1, rig=True)
    cameras, people = sights(world)
    poses = cameras.world_from_cam.copy()
    away = poses[:, :3, 3] - world.heads(0)[0]
    poses[:, :3, 3] = world.heads(0)[0] + np.array([1.0, 0.5, 2.0, 1.0])[:, None] * away  # some nearer, some farther
    people = replace(people, head=np.array([1.0, 0.5, 2.0, 1.0])[:, None] * people.head)
    total = np.zeros((3, 3))
    for placed, (x, y, z), k in zip(poses, people.head, cameras.intrinsics, strict=True):
        ray = placed[:3, :3] @ np.array([x, y, z])
        along = np.outer(ray, ray) / (ray @ ray)
        total += (np.eye(3) - along) / (z * NOISE.image_noise * 640.0 / k[0, 0]) ** 2 + along / (
            NOISE.depth_noise**2 * (ray @ ray)
        )
    bodies = fused(cameras.placed(poses, 1.0), people)
    np.testing.assert_allclose(bodies.head_covariance[0], np.linalg.inv(total), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(bodies.head[0], world.heads(0)[0], atol=1e-9)


def test_an_estimated_camera_is_less_sure_than_a_known_one() -> None:
    known, estimated = (np.trace(fused(*sights(World(people=1, rig=rig))).head_covariance[0]) for rig in (True, False))
    assert known < 0.8 * estimated
    cameras, people = sights(World(people=1))
    assert np.trace(fused(cameras, people, pose_noise_deg=0.0).head_covariance[0]) == pytest.approx(known)


def test_where_rays_do_not_agree_the_covariance_says_how_far_cameras_lie_apart() -> None:
    cameras, people = sights(World(people=1, views=2, rig=True))
    away = replace(people, head=people.head + np.array([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    pixel = project(away.head, K)
    bodies = fused(cameras, replace(away, head_pixel=pixel), views=2)
    assert np.isnan(bodies.residual[0])
    assert (
        np.sqrt(np.trace(bodies.head_covariance[0])) > 1.0 > 5.0 * np.sqrt(np.trace(fused(cameras, people, 2).head_covariance[0]))
    )


def test_more_cameras_and_nearer_ones_are_surer() -> None:
    deviation = [
        float(np.trace(fused(*sights(World(people=1, views=v, rig=True)), views=v).head_covariance[0])) for v in (1, 2, 4, 8)
    ]
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
    assert all(np.isnan(spread).all() for spread in (lonely.rotation_spread, lonely.betas_spread, lonely.joint_spread))


def test_joints_that_cameras_put_apart_are_trusted_less() -> None:
    cameras, people = sights(World(people=1))
    offsets = people.offsets.copy()
    offsets[:, 7] += (cameras.world_from_cam[:, :3, :3].transpose(0, 2, 1) @ np.array([0.2, 0.0, 0.0])) * [[1], [-1], [1], [-1]]
    bodies = fused(cameras, replace(people, offsets=offsets))
    expected = np.where(np.arange(55) == 7, 0.2, 0.0)
    np.testing.assert_allclose(bodies.joint_spread[0], expected, atol=1e-6)
    posed, sure = (pose(b, body(), (0,)) for b in (bodies, fused(cameras, people)))
    np.testing.assert_allclose(posed.joint_scores[0], sure.joint_scores[0] * np.where(np.arange(55) == 7, 0.5, 1.0), atol=1e-6)
    assert sure.joint_scores[0, 7] == pytest.approx(0.9)


def test_what_is_handed_on_says_how_far_the_place_may_be_off() -> None:
    for views in (1, 4):
        bodies = fused(*sights(World(people=1, views=views)), views=views)
        deviation = pose(bodies, body(), (0,)).deviation_m
        np.testing.assert_allclose(deviation**2, np.linalg.eigvalsh(bodies.head_covariance).sum(axis=1))


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
    np.testing.assert_allclose(bodies.head[0], np.average(own, axis=0, weights=np.linalg.norm(wrong.head, axis=1) ** -2.0))
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
