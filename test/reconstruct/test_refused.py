"""Windows that cannot be meant are refused whole, and the next good one goes on as if they had not been."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.stitch import PATIENCE
from chromm_ros.records import Prediction, Reconstruction, Window
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body


def far(p: Prediction, factor: float) -> Prediction:
    poses = p.world_from_cam.copy()
    poses[:, :3, 3] *= factor
    return replace(p, world_from_cam=poses)


def turned(p: Prediction) -> Prediction:
    turns = matrix_from_rotvec(np.random.default_rng(0).normal(size=(len(p.step), 3)))
    return replace(p, world_from_cam=p.world_from_cam @ se3.compose(turns, np.zeros((len(turns), 3))))


ABSURD: dict[str, Callable[[Prediction], Prediction]] = {
    "centres too far": lambda p: far(p, 1e5),
    "centres too near": lambda p: far(p, 1e-6),
    "points too far": lambda p: replace(p, points=1e4 * p.points),
    "another unit": lambda p: replace(far(p, 4.0), points=4.0 * p.points, head_position=4.0 * p.head_position),
    "cameras turned about": turned,
}


def looks(world: World, windows: int, *, known: int = 0) -> list[tuple[Window, Prediction]]:
    """Windows that slide by one frame-set; the first `known` cameras keep their poses from TF."""
    found = []
    for index in range(windows):
        window, prediction = world.window(index, first=index)
        sets = tuple(
            replace(s, frames=tuple(f if v < known else replace(f, world_from_cam=None) for v, f in enumerate(s.frames)))
            for s in window.sets
        )
        found.append((replace(window, sets=sets), prediction))
    return found


def run(seen: list[tuple[Window, Prediction]]) -> list[Reconstruction]:
    chain = Reconstructor(body(), ReconstructConfig())
    return [chain.update(*look) for look in seen]


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize("case", ABSURD)
def test_one_absurd_window_leaves_no_trace(case: str, known: int) -> None:
    seen = looks(World(rig=True), 5, known=known)
    plain = run(seen)
    seen[2] = (seen[2][0], ABSURD[case](seen[2][1]))
    found = run(seen)
    assert [r.health["window_refused"] for r in found] == [0.0, 0.0, 1.0, 0.0, 0.0]
    np.testing.assert_allclose(found[2].world_from_cam[:3], plain[1].world_from_cam[1:], atol=1e-9)
    assert not len(found[2].points) and found[2].left_ids == () and np.isnan(found[2].scale_ratio)
    assert {p.track_id for p in found[2].people} == {p.track_id for p in plain[1].people}, "they are held, as if hidden"
    assert found[2].metric_scale == plain[1].metric_scale
    for a, b in zip(found[3:], plain[3:], strict=True):
        np.testing.assert_allclose(a.world_from_cam, b.world_from_cam, atol=1e-6)
        assert a.metric_scale == pytest.approx(b.metric_scale, rel=1e-5)
        assert [p.track_id for p in a.people] == [p.track_id for p in b.people]
        np.testing.assert_allclose([p.joints for p in a.people], [p.joints for p in b.people], atol=1e-4)


def test_a_known_rig_is_where_it_is_known_to_be_and_no_window_of_it_is_refused() -> None:
    seen = looks(World(rig=True), 3, known=4)
    plain = run(seen)
    seen[1] = (seen[1][0], far(seen[1][1], 1e5))
    found = run(seen)
    assert not any(r.health["window_refused"] for r in found)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_array_equal(a.world_from_cam, b.world_from_cam)
        assert a.metric_scale == pytest.approx(b.metric_scale, rel=0.01)


def test_the_world_begins_anew_where_it_is_the_first_window_that_was_absurd() -> None:
    seen = looks(World(), PATIENCE + 4)
    seen[0] = (seen[0][0], far(seen[0][1], 1e5))
    found = run(seen)
    assert [r.health["window_refused"] for r in found] == [0.0] + PATIENCE * [1.0] + [0.0] * 3
    assert found[-1].metric_scale == pytest.approx(1.0, abs=1e-3)
    assert np.abs(found[-1].world_from_cam).max() < 20.0


def test_a_camera_that_was_never_placed_is_left_out_of_a_refused_window() -> None:
    world = World()
    chain = Reconstructor(body(), ReconstructConfig())
    chain.update(*world.window(missing=frozenset((k, 3) for k in range(4))))
    window, prediction = world.window(1, first=1)
    result = chain.update(window, far(prediction, 1e5))
    assert result.health["window_refused"] == 1.0
    assert [camera.name for camera in result.cameras] == ["cam0", "cam1", "cam2"] and np.isnan(result.world_from_cam[:, 3]).all()


def test_two_bad_windows_of_people_at_the_start_do_not_last() -> None:
    """A first ratio that is twice the truth is halved at once and gone soon."""
    seen = looks(World(), 8)
    for index in range(1):
        seen[index] = (seen[index][0], replace(seen[index][1], head_position=0.5 * seen[index][1].head_position))
    scales = [r.metric_scale for r in run(seen)]
    assert scales[0] == pytest.approx(2.0, rel=0.1)
    assert scales[1] == pytest.approx(scales[0] ** 0.5, rel=0.02) and scales[-1] < 1.1


def test_where_tf_jumps_the_other_cameras_follow_the_known_one() -> None:
    """As when a robot is placed anew in its map: images of the old world must not hold the cameras that TF does not know."""
    jump = se3.compose(matrix_from_rotvec(np.array([0.0, 0.0, 0.3])), np.array([1.0, -2.0, 0.0]))
    world, seen = World(rig=True), looks(World(rig=True), 10, known=1)
    for index, (window, prediction) in enumerate(seen):
        sets = tuple(
            replace(s, frames=(replace(s.frames[0], world_from_cam=jump @ s.frames[0].world_from_cam), *s.frames[1:]))
            if index + step >= 5 and s.frames[0] is not None and s.frames[0].world_from_cam is not None
            else s
            for step, s in enumerate(window.sets)
        )
        seen[index] = (replace(window, sets=sets), prediction)
    found = run(seen)
    assert not any(r.health["window_refused"] for r in found)
    np.testing.assert_allclose(found[1].world_from_cam[-1], world.cameras(4), atol=1e-4)
    for index in range(2, 10):  # from the first on whose newest image of the known camera is in the new world
        np.testing.assert_allclose(found[index].world_from_cam[-1], jump @ world.cameras(index + 3), atol=1e-3)
