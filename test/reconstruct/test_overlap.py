"""Static points that two windows share: they tell turn, place and unit, and what is not static does no harm."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity, fit_poses
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import OverlapMemory, Statics
from chromm_ros.reconstruct.stitch import StitchConfig, Stitcher, image_keys
from chromm_ros.reconstruct.tie import Tie
from chromm_ros.records import Prediction
from chromm_ros.synthetic.oracle import World

GAUGE = Similarity(np.array(0.5), matrix_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([3.0, -2.0, 1.0]))


def tie(
    world: World, points: np.ndarray | None = None, first: int = 2, **changes: np.ndarray
) -> tuple[Tie, Cameras, Cameras, Stitcher]:
    """The tie of a second window whose prediction was changed; the first window's cameras, the second's, the stitcher."""
    stitcher = Stitcher(StitchConfig())
    window, prediction = world.window(steps=4)
    cameras = Cameras.read(window, prediction)
    statics = Statics.read(prediction, cameras, 64)
    before, _ = stitcher.place(cameras, stitcher.tie(cameras, statics), 1.0, statics)
    window, prediction = world.window(1, first=first, steps=4, gauge=GAUGE)
    changed = replace(prediction, **changes) if points is None else replace(prediction, points=points, **changes)
    second = Cameras.read(window, changed)
    return stitcher.tie(second, Statics.read(changed, second, 64)), before, second, stitcher


def second_prediction(world: World) -> Prediction:
    return world.window(1, first=2, steps=4, gauge=GAUGE)[1]


@pytest.mark.parametrize("views", [1, 4])
def test_they_tell_the_unit_even_of_a_single_camera(views: int) -> None:
    found, before, second, stitcher = tie(World(views=views))
    assert found.overlap is not None and found.scale == pytest.approx(2.0) and found.overlap.error < 1e-9
    placed, health = stitcher.place(second, found, found.scale)
    np.testing.assert_allclose(placed.world_from_cam[: 2 * views], before.world_from_cam[2 * views :], atol=1e-9)
    assert health["stitch_points"] > 50 and health["stitch_points_error"] < 1e-9


def test_a_known_scale_leaves_a_rigid_fit() -> None:
    found = tie(World())[0]
    assert found.fit(1.7).scale == 1.7
    np.testing.assert_allclose(found.fit(1.7).rotation, found.fit(2.0).rotation, atol=1e-9)


def test_points_on_people_do_not_count() -> None:
    world = World(people=4)
    prediction = second_prediction(world)
    mask = np.repeat(np.repeat(prediction.human_mask, 2, axis=1), 2, axis=2) > 0.5
    assert mask.any()
    found = tie(world, np.where(mask[..., None], 0.3 * prediction.points, prediction.points))[0]
    assert found.overlap is not None and found.overlap.error < 1e-9 and found.scale == pytest.approx(2.0)


def test_some_points_gone_astray_pull_little() -> None:
    world, rng = World(), np.random.default_rng(0)
    points = second_prediction(world).points.copy()
    points[rng.random(points.shape[:3]) < 0.15] *= 1.5
    found, before, second, stitcher = tie(world, points)
    assert found.scale == pytest.approx(2.0, rel=0.01)
    placed = stitcher.place(second, found, found.scale)[0]
    assert np.linalg.norm((placed.world_from_cam[:8] - before.world_from_cam[8:])[:, :3, 3], axis=-1).max() < 0.05


def test_points_tell_the_unit_of_a_narrow_rig_better_than_its_poses() -> None:
    world, rng = World(views=2, layout="robot"), np.random.default_rng(0)
    poses = second_prediction(world).world_from_cam.copy()
    poses[:, :3, 3] += 0.01 * rng.normal(size=(len(poses), 3))  # half a unit is a metre: 2 cm
    found = tie(world, world_from_cam=poses)[0]
    assert abs(found.scale - 2.0) < 0.01 < abs(fit_poses(found.window_from_cam, found.world_from_cam).scale - 2.0)


SPOILT = {
    "another scene": lambda p, rng: replace(p, points=p.points * rng.uniform(0.3, 3.0, (*p.points.shape[:3], 1))),
    "not a number": lambda p, rng: replace(p, points=np.nan * p.points),
    "behind the camera": lambda p, rng: replace(p, points=-p.points),
    "no confidence": lambda p, rng: replace(p, confidence=0.0 * p.confidence),
    "all people": lambda p, rng: replace(p, human_mask=0.0 * p.human_mask + 1.0),
    "another grid": lambda p, rng: replace(
        p, points=p.points[:, ::3, ::3], confidence=p.confidence[:, ::3, ::3], colors=p.colors[:, ::3, ::3]
    ),
    "on one line": lambda p, rng: replace(p, points=p.points * [0.0, 0.0, 1.0]),
}


@pytest.mark.parametrize("case", SPOILT)
def test_points_that_tell_nothing_leave_it_to_the_poses(case: str) -> None:
    world = World(views=4)
    prediction = second_prediction(world)
    spoilt = SPOILT[case](prediction, np.random.default_rng(0))
    changes = {name: getattr(spoilt, name) for name in ("points", "confidence", "colors", "human_mask")}
    found, _, second, stitcher = tie(world, **changes)
    assert found.overlap is None and found.scale == pytest.approx(2.0)
    assert np.isfinite(stitcher.place(second, found, found.scale)[0].world_from_cam).all()


def test_no_points_are_asked_for_and_none_are_kept() -> None:
    window, prediction = World().window()
    cameras = Cameras.read(window, prediction)
    assert Statics.read(prediction, cameras, 0).points.shape == (16, 0, 3)
    assert Statics.read(prediction, cameras, 10**9).points.shape == (16, 12 * 16, 3)
    assert 0 < Statics.read(prediction, cameras, 20).points.shape[1] <= 24


@pytest.mark.parametrize(("width", "tells"), [(0.0, False), (0.02, False), (0.6, True)])
def test_points_on_one_line_do_not_tell_since_the_turn_about_it_is_free(width: float, tells: bool) -> None:
    """A camera on the line of 6 m that it sees, as one that looks along a rope; three hundredths as wide it would do."""
    window, prediction = World(views=1).window(steps=1)
    cameras = Cameras.read(window, prediction)
    rng = np.random.default_rng(0)
    points = np.stack([*rng.uniform(-width / 2.0, width / 2.0, (2, 64)), np.linspace(2.0, 8.0, 64)], axis=-1)[None]
    statics, memory, keys = Statics(points, np.ones((1, 64))), OverlapMemory(), image_keys(cameras)
    memory.keep(keys, cameras, statics)
    seen = memory.join(keys, cameras, statics, Similarity.identity())
    assert seen is not None and seen.error < 1e-9 and seen.tells == tells
    stitcher = Stitcher(StitchConfig())
    stitcher.place(cameras, stitcher.tie(cameras, statics), 1.0, statics)
    assert (stitcher.tie(cameras, statics).overlap is not None) == tells, "else poses alone tie the window"
