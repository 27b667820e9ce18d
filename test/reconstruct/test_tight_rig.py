"""A known rig tells the scale, unless its baseline is tiny for the distance: then people tell it, filtered."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import nearest_rotation
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.scale import ScaleConfig, is_tight
from chromm_ros.reconstruct.tie import Tie
from chromm_ros.records import Prediction, Reconstruction, Window
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

SHRUNK = 1.6
"""The network sees the way between the cameras so many times too short: noise, where they are close together."""


@dataclass(frozen=True)
class Pair(World):
    """Two known cameras side by side, 5 m from the middle of the people."""

    views: int = 2
    rig: bool = True
    baseline: float = 0.2

    def cameras(self, k: int) -> np.ndarray:
        eye = np.array([[self.distance, side * self.baseline, 1.6] for side in (-0.5, 0.5)])
        return se3.look_at(eye, np.array([[0.0, 0.0, 1.0]] * 2))


def looked_at(world: World, index: int = 0, unit: float = 1.0) -> tuple[Window, Prediction]:
    """A window in which the network errs on the baseline alone; `unit` of it are one metre."""
    gauge = Similarity(np.array(unit), nearest_rotation(np.eye(3)), np.zeros(3))
    window, prediction = world.window(index, first=2 * index, gauge=gauge)
    poses = prediction.world_from_cam.copy()
    middle = poses[:, :3, 3].mean(axis=0)
    poses[:, :3, 3] = middle + (poses[:, :3, 3] - middle) / SHRUNK
    return window, replace(prediction, world_from_cam=poses)


def chain(**scale: object) -> Reconstructor:
    return Reconstructor(body(), ReconstructConfig(scale=ScaleConfig(**scale)))


def farthest(result: Reconstruction, world: World) -> float:
    """Largest error of any joint of anybody in any step."""
    truth = np.stack([world.joints(k) for k in range(4)])  # T P 55 3
    assert len(result.people) == world.people
    return max(np.abs(person.joints[:, None] - truth).max(axis=(0, 2, 3)).min() for person in result.people)


def test_people_tell_the_scale_of_a_tight_rig() -> None:
    world = Pair()
    result = chain().update(*looked_at(world))
    assert result.metric_scale == pytest.approx(1.0, abs=1e-5)
    assert farthest(result, world) < 1e-4
    assert result.health["rig_tight"] == 1.0 and result.health["scale_alarm"] == 0.0
    np.testing.assert_allclose([camera.world_from_cam for camera in result.cameras], world.cameras(3), atol=1e-12)


def test_a_rig_that_is_wide_enough_tells_it_and_people_watch() -> None:
    result = chain().update(*looked_at(Pair(baseline=0.4)))
    assert result.metric_scale == pytest.approx(SHRUNK)
    assert result.health["rig_tight"] == 0.0 and result.health["scale_alarm"] == 1.0


@pytest.mark.parametrize("unit", [0.6, 2.0])
def test_the_unit_of_the_network_does_not_decide_who_tells_the_scale(unit: float) -> None:
    """Distances are metric before they are compared: at 0.2 m people tell, at 0.4 m the rig."""
    tight, wide = (chain(statistic="iterated").update(*looked_at(Pair(baseline=b), unit=unit)) for b in (0.2, 0.4))
    assert tight.metric_scale == pytest.approx(1.0 / unit, rel=5e-3)
    assert wide.metric_scale == pytest.approx(SHRUNK / unit)


def test_shared_points_carry_the_scale_of_a_tight_rig_where_people_may_move_it_but_slowly() -> None:
    run = chain(gain=0.0)
    assert run.update(*looked_at(Pair())).metric_scale == pytest.approx(1.0, abs=1e-5)
    assert run.update(*looked_at(Pair(people=0), 1, unit=0.9)).metric_scale == pytest.approx(1.0 / 0.9, rel=1e-3)


def test_a_rig_at_the_limit_does_not_go_to_and_fro() -> None:
    world = Pair(people=0)
    window, prediction = looked_at(world)
    cameras = Cameras.read(window, prediction)
    nobody, statics = People.read(prediction, cameras, body()), Statics.read(prediction, cameras, 64)
    distance = np.median(np.linalg.norm(statics.points[statics.weight > 0.0], axis=-1))

    def tight(share: float, *, before: bool) -> bool:
        centres = np.array([[0.0, 0.0, 0.0], [share * distance, 0.0, 0.0]])
        return is_tight(centres, nobody, statics, np.nan, ScaleConfig(), before=before)

    assert tight(0.049, before=False) and not tight(0.051, before=False)
    assert tight(0.055, before=True) and not tight(0.07, before=True)


def test_the_chain_knows_whether_the_rig_was_tight() -> None:
    """Units that differ by 10 % put one and the same baseline on either side of the limit."""
    run, found = chain(adjust=True), []
    for index, unit in enumerate((1.1, 0.9, 1.1, 0.9)):
        found.append(run.update(*looked_at(Pair(people=0, baseline=0.485), index, unit=unit)).health["rig_tight"])
    assert found == [1.0] * 4


def test_where_nobody_is_points_tell_the_distance_and_the_scale_stays() -> None:
    run = chain()
    run.update(*looked_at(Pair()))
    result = run.update(*looked_at(Pair(people=0), 1))
    assert result.health["rig_tight"] == 1.0 and result.metric_scale == pytest.approx(1.0, abs=1e-3)


def test_a_rig_is_not_tight_where_nothing_is_seen_or_people_may_not_change_the_scale() -> None:
    window, prediction = looked_at(Pair())
    cameras = Cameras.read(window, prediction)
    people, statics = People.read(prediction, cameras, body()), Statics.read(prediction, cameras, 64)
    nobody = People.read(Pair(people=0).window()[1], cameras, body())
    centres, nothing = cameras.known[:, :3, 3], Statics.read(prediction, cameras, 0)
    assert is_tight(centres, people, nothing, 1.0, ScaleConfig())
    assert is_tight(centres, nobody, statics, np.nan, ScaleConfig())
    assert not is_tight(centres, nobody, nothing, np.nan, ScaleConfig())
    assert not is_tight(centres, people, statics, 1.0, ScaleConfig(adjust=False))
    assert is_tight(centres[:1], people, statics, 1.0, ScaleConfig()), "one camera has no baseline"


def test_a_base_that_moves_makes_its_baseline_by_that() -> None:
    world = Pair()
    window, prediction = looked_at(world)
    cameras = Cameras.read(window, prediction)
    people, statics = People.read(prediction, cameras, body()), Statics.read(prediction, cameras, 64)
    driven = cameras.known[:, :3, 3] + 0.2 * cameras.step[:, None] * np.array([0.0, 1.0, 0.0])
    assert not is_tight(driven, people, statics, 1.0, ScaleConfig())


@pytest.mark.parametrize(("off_m", "tells"), [(0.01, True), (0.4, False)])
def test_cameras_that_the_network_sees_elsewhere_do_not_tell_the_scale(off_m: float, tells: bool) -> None:
    """The network's cameras lie half as far apart again as the true ones, and beside them: people tell that its unit is a metre."""
    world = World(views=4, people=3, rig=True)
    window, prediction = world.window(0)
    poses = prediction.world_from_cam.copy()
    middle = poses[:, :3, 3].mean(axis=0)
    view = np.asarray(prediction.view)
    beside = off_m * np.random.default_rng(0).normal(size=(4, 3))[view]
    poses[:, :3, 3] = middle + 1.5 * (poses[:, :3, 3] - middle) + beside
    result = chain().update(window, replace(prediction, world_from_cam=poses))
    assert result.health["rig_tight"] == float(not tells)
    assert result.metric_scale == pytest.approx(1.0 / 1.5 if tells else 1.0, rel=0.02)
    kept = chain(adjust=False).update(window, replace(prediction, world_from_cam=poses))
    assert kept.health["rig_tight"] == 0.0, "people may not change it"


def test_how_far_cameras_are_seen_elsewhere_does_not_depend_on_the_windows_world() -> None:
    rng = np.random.default_rng(1)
    there = np.tile(np.eye(4), (5, 1, 1))
    there[:, :3, 3] = rng.normal(size=(5, 3))
    here = there.copy()
    here[:, :3, 3] += 0.1 * rng.normal(size=(5, 3))
    other = Similarity(np.array(3.0), nearest_rotation(rng.normal(size=(3, 3))), rng.normal(size=3)).apply_to_poses(here)
    strayed = [Tie("rig", poses, there, np.ones(5, bool)).strayed for poses in (here, other)]
    assert 0.02 < strayed[0] < 0.3 and strayed[1] == pytest.approx(strayed[0])
    assert Tie("rig", there, there, np.ones(5, bool)).strayed < 1e-9
    assert Tie("rig", here[:1], there[:1], np.ones(1, bool)).strayed == 0.0
