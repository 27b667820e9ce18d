"""Laws of the whole chain on noisy words: order changes nothing but order, and the result moves with the world."""

from dataclasses import replace

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.records import Prediction, Reconstruction, Window
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World, reordered
from chromm_ros.synthetic.scene import body

WORLD = World(views=3, people=4, noise=replace(Noise(), swapped=0.0), uniform=True, walk="eight")
few = settings(max_examples=3, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
seeds = st.integers(0, 1000)


def chain(*windows: tuple[Window, Prediction]) -> Reconstruction:
    """The last of a few windows, looked at one after the other."""
    reconstructor = Reconstructor(body(), ReconstructConfig())
    return [reconstructor.update(*window) for window in windows][-1]


def looks(world: World, gauge: Similarity | None = None) -> list[tuple[Window, Prediction]]:
    return [world.window(index, index, 2, gauge) for index in range(2)]


def assert_same_people(one: Reconstruction, other: Reconstruction, moved: np.ndarray | None = None) -> None:
    """Everybody of one is in the other, at all steps, but for names; `moved` is the motion from one's world to the other's."""
    assert len(one.people) == len(other.people) > 0
    a, b = (np.stack([person.joints for person in result.people]).astype(np.float64) for result in (one, other))
    a = se3.apply(np.eye(4) if moved is None else moved, a)
    far = np.abs(a[:, None] - b[None]).max(axis=(2, 3, 4))
    rows, columns = linear_sum_assignment(far)
    assert far[rows, columns].max() < 1e-3
    for row, column in zip(rows, columns, strict=True):
        assert one.people[row].state == other.people[column].state
        np.testing.assert_array_equal(one.people[row].visible, other.people[column].visible)


@given(seeds)
@few
def test_the_order_of_people_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = replace(WORLD, seed=seed % 5)
    mixed = [(window, reordered(p, rng.permutation(len(p.person_frame)))) for window, p in looks(world)]
    assert_same_people(chain(*looks(world)), chain(*mixed))


@given(seeds)
@few
def test_the_order_of_frames_in_the_prediction_changes_nothing(seed: int) -> None:
    world = replace(WORLD, seed=seed % 5)
    mixed = []
    for window, p in looks(world):
        order = np.random.default_rng(seed).permutation(len(p.step))
        names = ("step", "view", "image_size", "intrinsics", "world_from_cam", "points", "confidence", "colors", "human_mask")
        frames = {name: getattr(p, name)[order] for name in names}
        mixed.append((window, replace(p, **frames, person_frame=np.argsort(order)[p.person_frame])))
    assert_same_people(chain(*looks(world)), chain(*mixed))


@given(st.permutations(range(3)), seeds)
@few
def test_the_order_of_cameras_changes_nothing_where_their_poses_are_known(turn: list[int], seed: int) -> None:
    world = replace(WORLD, rig=True, seed=seed % 5)
    place, back = np.array(turn), np.argsort(turn)
    turned = []
    for window, p in looks(world):
        sets = tuple(replace(s, frames=tuple(s.frames[v] for v in back)) for s in window.sets)
        turned.append(
            (replace(window, cameras=tuple(window.cameras[v] for v in back), sets=sets), replace(p, view=place[p.view]))
        )
    one, other = chain(*looks(world)), chain(*turned)
    assert_same_people(one, other)
    np.testing.assert_allclose(other.world_from_cam[:, place], one.world_from_cam, atol=1e-9)


@given(seeds)
@few
def test_a_window_s_own_world_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gauge = Similarity(np.ones(()), matrix_from_rotvec(rng.normal(size=3)), 5.0 * rng.normal(size=3))
    world = replace(WORLD, seed=seed % 5)
    assert_same_people(chain(*looks(world)), chain(*looks(world, gauge)))


@given(seeds, st.floats(0.6, 1.6))
@few
def test_the_unit_of_the_network_changes_nothing_where_poses_are_known(seed: int, unit: float) -> None:
    world = replace(WORLD, rig=True, seed=seed % 5)
    gauge = Similarity(np.array(unit), np.eye(3), np.zeros(3))
    one, other = chain(*looks(world)), chain(*looks(world, gauge))
    assert_same_people(one, other)
    np.testing.assert_allclose(other.metric_scale * unit, one.metric_scale, rtol=1e-6)


@given(seeds)
@few
def test_known_poses_that_move_move_the_result(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = se3.compose(matrix_from_rotvec(np.array([0.0, 0.0, rng.uniform(-3.0, 3.0)])), 10.0 * rng.normal(size=3))
    world = replace(WORLD, rig=True, seed=seed % 5)
    elsewhere = []
    for window, p in looks(world):
        sets = tuple(
            replace(s, frames=tuple(replace(f, world_from_cam=moved @ f.world_from_cam) for f in s.frames)) for s in window.sets
        )
        elsewhere.append((replace(window, sets=sets), p))
    one, other = chain(*looks(world)), chain(*elsewhere)
    assert_same_people(one, other, moved)
    np.testing.assert_allclose(other.world_from_cam, moved @ one.world_from_cam, atol=1e-9)
