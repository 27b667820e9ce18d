"""Fusion of exact sights returns the truth; what rays cannot fix falls back to depth."""

from dataclasses import replace

import numpy as np
import pytest
from planted import K, World, body

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.fuse import Bodies, FusionConfig, fuse
from chromm_ros.reconstruct.people import People


def sights(world: World) -> tuple[Cameras, People]:
    window, prediction = world.window(steps=1)
    cameras = Cameras.read(window, prediction)
    return cameras, People.read(prediction, cameras, body())


def fused(cameras: Cameras, people: People, views: int = 4) -> Bodies:
    return fuse(cameras, people, np.zeros(len(people), dtype=np.int64), views, FusionConfig())


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
