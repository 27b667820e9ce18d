"""Stitching: what ties a window to the world, and how well."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.stitch import LEVEL, StitchConfig, Stitcher
from chromm_ros.synthetic.oracle import World

GAUGE = Similarity(np.array(0.5), matrix_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([3.0, -2.0, 1.0]))


def cameras(world: World, first: int = 0, gauge: Similarity | None = None) -> Cameras:
    return Cameras.read(*world.window(first=first, gauge=gauge))


def test_the_first_camera_starts_the_world_level() -> None:
    stitcher, start = Stitcher(StitchConfig()), cameras(World(), gauge=GAUGE)
    tie = stitcher.tie(start)
    assert tie.kind == "none" and math.isnan(tie.scale)
    placed, health = stitcher.place(start, tie, 2.0)
    np.testing.assert_allclose(placed.world_from_cam[0], LEVEL, atol=1e-12)
    assert placed.unit == 2.0 and health["stitch_cameras"] == 0.0


@pytest.mark.parametrize("moving", [True, False])
def test_shared_images_find_gauge_and_scale(*, moving: bool) -> None:
    world, stitcher = World(moving=moving), Stitcher(StitchConfig())
    first = cameras(world)
    before, _ = stitcher.place(first, stitcher.tie(first), 1.0)
    second = cameras(world, first=2, gauge=GAUGE)
    tie = stitcher.tie(second)
    assert tie.kind == "shared" and tie.scale == pytest.approx(2.0)
    after, health = stitcher.place(second, tie, tie.scale)
    np.testing.assert_allclose(after.world_from_cam[:8], before.world_from_cam[8:], atol=1e-9)
    assert health["stitch_cameras"] == 8.0
    assert health["stitch_residual_m"] < 1e-9 and health["stitch_residual_deg"] < 1e-6


def test_without_shared_images_cameras_are_taken_to_stand() -> None:
    world, stitcher = World(), Stitcher(StitchConfig())
    before, _ = stitcher.place(cameras(world), stitcher.tie(cameras(world)), 1.0)
    later = cameras(world, first=50, gauge=GAUGE)
    tie = stitcher.tie(later)
    assert tie.kind == "static"
    np.testing.assert_allclose(stitcher.place(later, tie, tie.scale)[0].world_from_cam, before.world_from_cam, atol=1e-9)


def test_a_moving_camera_is_taken_to_stand_where_its_newest_frame_was() -> None:
    world, stitcher = World(moving=True), Stitcher(StitchConfig())
    before, _ = stitcher.place(cameras(world), stitcher.tie(cameras(world)), 1.0)
    tie = stitcher.tie(cameras(world, first=50))
    newest = before.world_from_cam[-world.views :]
    assert tie.kind == "static" and not np.allclose(before.world_from_cam[: world.views], newest)
    np.testing.assert_array_equal(tie.world_from_cam[: world.views], newest)


def test_known_poses_replace_estimates_and_place_the_rest() -> None:
    world, stitcher = World(rig=True), Stitcher(StitchConfig())
    start = cameras(world, gauge=GAUGE)
    truth = start.known.copy()
    start.known[start.view == 3] = np.nan
    tie = stitcher.tie(start)
    assert tie.kind == "rig" and tie.scale == pytest.approx(2.0)
    np.testing.assert_allclose(stitcher.place(start, tie, tie.scale)[0].world_from_cam, truth, atol=1e-9)


def test_cameras_too_close_together_tell_no_scale() -> None:
    world, stitcher = World(views=1), Stitcher(StitchConfig())
    stitcher.place(cameras(world), stitcher.tie(cameras(world)), 1.0)
    assert math.isnan(stitcher.tie(cameras(world, first=1)).scale)


def test_noise_in_the_poses_shows_in_the_residual() -> None:
    world, stitcher = World(rig=True), Stitcher(StitchConfig())
    start = cameras(world)
    noisy = start.world_from_cam.copy()
    noisy[:, :3, 3] += 0.1 * np.random.default_rng(0).normal(size=(len(start), 3))
    moved = replace(start, world_from_cam=noisy)
    residual = stitcher.place(moved, stitcher.tie(moved), 1.0)[1]["stitch_residual_m"]
    assert residual == pytest.approx(0.1 * np.sqrt(3.0), rel=0.25)


def test_reset_starts_a_new_world() -> None:
    world, stitcher = World(), Stitcher(StitchConfig())
    stitcher.place(cameras(world), stitcher.tie(cameras(world)), 1.0)
    stitcher.reset()
    assert stitcher.tie(cameras(world)).kind == "none"
