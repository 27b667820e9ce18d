"""Stitching: what ties a window to the world, and how well."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.stitch import LEVEL, StitchConfig, Stitcher
from chromm_ros.synthetic.noise import EXACT, Noise
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


def jump(*, moving: bool, noise: Noise, layout: str = "robot", views: int = 4) -> dict[str, float]:
    """Health of a window that follows on a pause of 10 frame-sets."""
    world, stitcher = World(views=views, people=2, layout=layout, moving=moving, noise=noise), Stitcher(StitchConfig())
    for index, start in enumerate((0, 14)):
        window, prediction = world.window(index, first=start)
        seen = Cameras.read(window, prediction)
        statics = Statics.read(prediction, seen, 64)
        tie = stitcher.tie(seen, statics)
        health = stitcher.place(seen, tie, 1.0, statics)[1]
    return health


@pytest.mark.parametrize(("layout", "views"), [("robot", 4), ("same", 1)])
def test_a_rig_that_moved_unseen_contradicts_that_it_stands(layout: str, views: int) -> None:
    for noise in (EXACT, Noise()):
        stood, moved = (jump(moving=moving, noise=noise, layout=layout, views=views) for moving in (False, True))
        assert stood["tie_static"] == moved["tie_static"] == 1.0
        assert stood["static_contradicted"] == 0.0 and stood["static_changed"] < 0.01
        assert moved["static_contradicted"] == 1.0 and moved["static_changed"] > 0.05


def test_cameras_that_moved_to_one_another_contradict_that_they_stand_without_any_points() -> None:
    world, stitcher = World(), Stitcher(StitchConfig())
    stitcher.place(cameras(world), stitcher.tie(cameras(world)), 1.0)
    later = cameras(world, first=50)
    poses = later.world_from_cam.copy()
    poses[later.view == 1, :3, 3] += 3.0
    tie = stitcher.tie(replace(later, world_from_cam=poses))
    assert tie.contradicted and math.isnan(tie.scale), "nor is their unit believed"


def test_health_tells_what_ties_a_window() -> None:
    world, stitcher = World(), Stitcher(StitchConfig())
    kinds = []
    for first in (0, 1, 50):
        health = stitcher.place(cameras(world, first), stitcher.tie(cameras(world, first)), 1.0)[1]
        kinds.append([health[f"tie_{kind}"] for kind in ("rig", "shared", "static")])
    known = cameras(World(rig=True))
    kinds.append([stitcher.tie(known).health(1.0)[f"tie_{kind}"] for kind in ("rig", "shared", "static")])
    assert kinds == [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def one_known(index: int, noise: Noise) -> tuple[Cameras, Statics, np.ndarray]:
    """A window of four cameras of which the first is known, in a unit of its own, with the true poses."""
    unit = Similarity(np.array(1.0 + 0.05 * (-1) ** index), GAUGE.rotation, GAUGE.translation)
    window, prediction = World(rig=True, noise=noise).window(index, first=index, gauge=unit)
    seen = Cameras.read(window, prediction)
    truth = seen.known.copy()
    seen.known[seen.view > 0] = np.nan
    return seen, Statics.read(prediction, seen, 64), truth


def test_one_known_camera_of_four_does_not_swing_the_others() -> None:
    stitcher, found = Stitcher(StitchConfig()), []
    for index in range(12):
        seen, statics, truth = one_known(index, Noise())
        tie = stitcher.tie(seen, statics)
        assert tie.kind == "rig" and math.isnan(tie.told)
        placed, _ = stitcher.place(seen, tie, tie.carried if math.isfinite(tie.carried) else 1.0, statics)
        np.testing.assert_array_equal(placed.world_from_cam[seen.view == 0], truth[seen.view == 0])
        found.append(placed.world_from_cam[-4:, :3, 3])
    jumps = np.linalg.norm(np.diff(np.stack(found)[2:], axis=0), axis=-1)
    assert jumps[:, 0].max() == 0.0 and np.sqrt((jumps[:, 1:] ** 2).mean()) < 0.08


def test_known_poses_that_come_late_take_the_world_to_them_at_once() -> None:
    stitcher = Stitcher(StitchConfig())
    for index in range(4):
        seen, statics, truth = one_known(index, EXACT)
        if index < 2:
            seen.known[:] = np.nan
        tie = stitcher.tie(seen, statics)
        assert tie.shared == (index in (1, 3)), "the window before the first known poses stands in another world"
        placed, _ = stitcher.place(seen, tie, 1.0 / (1.0 + 0.05 * (-1) ** index), statics)
    np.testing.assert_allclose(placed.world_from_cam, truth, atol=1e-6)


def test_known_poses_that_are_corrected_by_centimetres_take_the_whole_world_along_at_once() -> None:
    """Too little for `Tie.anchored`: what the window before left must not hold the unknown cameras back."""
    stitcher = Stitcher(StitchConfig())
    for index, correction in enumerate((0.0, 0.05)):
        seen, statics, truth = one_known(index, EXACT)
        seen.known[:, 0, 3] += correction
        truth[:, 0, 3] += correction
        placed, _ = stitcher.place(seen, stitcher.tie(seen, statics), 1.0 / (1.0 + 0.05 * (-1) ** index), statics)
        np.testing.assert_allclose(placed.world_from_cam, truth, atol=1e-6)
