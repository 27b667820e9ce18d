"""The whole chain on planted truth: exact predictions come back exactly, and nothing that happens to a stream breaks it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from chromm_ros.errors import ConfigError
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.fuse import Decoded, FusionConfig
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.stitch import StitchConfig
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.records import Prediction, Reconstruction
from chromm_ros.synthetic.oracle import World, reordered
from chromm_ros.synthetic.scene import body

GAUGE = Similarity(np.ones(()), matrix_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([3.0, -2.0, 1.0]))
"""Some window's own world."""


def reconstructor(**tracking: float) -> Reconstructor:
    """A chain whose world begins in the first camera as if that stood level, so that the true world is known in it."""
    return Reconstructor(body(), ReconstructConfig(tracking=TrackingConfig(**tracking), stitch=StitchConfig(level="camera")))


def truth_from_node(world: World, first: int = 0) -> np.ndarray:
    """From the node's world (level in the first camera) to the true one."""
    level = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    return world.camera(0, first) @ se3.inverse(level)


def persons(
    result: Reconstruction, world: World, first: int, truth_from_world: np.ndarray | None = None, within_m: float = 1e-4
) -> dict[int, int]:
    """True person by id; every step of everybody must lie within 0.1 mm, or what is given, of the truth."""
    found = {}
    for person in result.people:
        joints = person.joints if truth_from_world is None else se3.apply(truth_from_world, person.joints.astype(np.float64))
        errors = np.stack([np.abs(joints[t] - world.joints(first + t)).max(axis=(1, 2)) for t in range(len(joints))])  # T people
        nearest = int(errors[-1].argmin())
        assert errors[:, nearest].max() < within_m
        found[person.track_id] = nearest
    assert sorted(found.values()) == list(range(world.people))
    return found


def assert_finite(result: Reconstruction) -> None:
    assert all(np.isfinite(array).all() for array in (result.points, result.confidence))
    for person in result.people:
        arrays = [person.joints, person.joint_scores, *vars(person.body).values()]
        assert all(np.isfinite(array).all() for array in arrays)
        assert 0.0 <= person.score <= 1.0
    for camera in result.cameras:
        assert np.isfinite(camera.world_from_cam).all()


@pytest.mark.parametrize(
    ("views", "people", "rig", "moving"),
    [(4, 3, True, False), (4, 3, False, True), (2, 6, False, False), (1, 2, False, True), (3, 1, True, True)],
)
def test_exact_predictions_come_back_exactly_with_lasting_ids(views: int, people: int, *, rig: bool, moving: bool) -> None:
    world = World(views=views, people=people, rig=rig, moving=moving)
    chain, before = reconstructor(), None
    for index in range(3):
        result = chain.update(*world.window(index, first=2 * index, gauge=GAUGE))
        found = persons(result, world, 2 * index, None if rig else truth_from_node(world))
        assert before in (None, found)
        before = found
        assert result.scale_ratio == pytest.approx(1.0, abs=1e-5)
        assert result.left_ids == ()
        assert_finite(result)


def test_ids_start_at_one() -> None:
    result = reconstructor().update(*World().window())
    assert [person.track_id for person in result.people] == [1, 2, 3]


def test_the_result_is_as_documented() -> None:
    world = World(rig=True, people=2)
    window, prediction = world.window(steps=3, missing=frozenset({(2, 1)}))
    result = reconstructor().update(window, prediction)
    assert result.stamps_ns == tuple(s.stamp_ns for s in window.sets)
    assert result.world_from_cam.shape == (3, 4, 4, 4) and np.isnan(result.world_from_cam[2, 1]).all()
    np.testing.assert_allclose(result.world_from_cam[1, 2], world.camera(2, 1), atol=1e-12)
    assert [camera.name for camera in result.cameras] == ["cam0", "cam1", "cam2", "cam3"]
    assert [camera.present for camera in result.cameras] == [True, False, True, True]
    assert result.cameras[1].stamp_ns == window.sets[1].frames[1].stamp_ns
    person = result.people[0]
    assert person.joints.dtype == person.joint_scores.dtype == person.body.transl.dtype == np.float32
    np.testing.assert_allclose(person.joints, body().joints(person.body), atol=1e-5)
    assert person.seen_by.shape == (3, 4) and not person.seen_by[2, 1] and person.visible.all()


def test_torch_tensors_are_taken_as_they_come() -> None:
    torch = pytest.importorskip("torch")
    world = World(rig=True)
    window, prediction = world.window()
    tensors = {name: torch.from_numpy(value) for name, value in vars(prediction).items() if isinstance(value, np.ndarray)}
    assert persons(reconstructor().update(window, replace(prediction, **tensors)), world, 0) == {1: 0, 2: 1, 3: 2}


def test_the_order_of_people_changes_only_who_gets_which_id() -> None:
    world = World(rig=True, people=5)
    window, prediction = world.window()
    order = np.random.default_rng(0).permutation(len(prediction.person_frame))
    plain, mixed = reconstructor().update(window, prediction), reconstructor().update(window, reordered(prediction, order))
    assert sorted(persons(plain, world, 0).values()) == sorted(persons(mixed, world, 0).values())


def test_the_order_of_cameras_changes_only_their_order() -> None:
    world = World(rig=True)
    window, prediction = world.window()
    turn = np.array([2, 0, 3, 1])  # new place of each camera
    back = np.argsort(turn)
    sets = tuple(replace(s, frames=tuple(s.frames[v] for v in back)) for s in window.sets)
    turned = replace(window, cameras=tuple(window.cameras[v] for v in back), sets=sets)
    result = reconstructor().update(turned, replace(prediction, view=turn[prediction.view]))
    plain = reconstructor().update(window, prediction)
    assert persons(result, world, 0).keys() == persons(plain, world, 0).keys()
    np.testing.assert_allclose(result.world_from_cam[:, turn], plain.world_from_cam, atol=1e-12)


def test_the_windows_own_world_does_not_matter() -> None:
    world = World()
    one, other = (reconstructor().update(*world.window(gauge=gauge)) for gauge in (None, GAUGE))
    for a, b in zip(one.people, other.people, strict=True):
        np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)


def test_overlapping_windows_count_a_frame_set_once() -> None:
    world, chain = World(people=1), reconstructor(min_hits=5)
    states = [chain.update(*world.window(index, first=index)).people[0].state for index in range(3)]
    assert states == ["tentative", "tracked", "tracked"]  # 4, 5, 6 frame-sets


def test_a_person_missed_for_a_while_keeps_the_id_and_is_held() -> None:
    world, chain = World(rig=True, people=3), reconstructor(max_gap_s=1.0)
    before = persons(chain.update(*world.window(0, first=0)), world, 0)
    lost = frozenset((k, v, 1) for k in range(4, 10) for v in range(4))
    number = next(number for number, person in before.items() if person == 1)
    states = []
    for index in range(1, 8):
        result = chain.update(*world.window(index, first=2 * index, unseen=lost))
        person = next(p for p in result.people if p.track_id == number)
        states.append(person.state)
        if not person.visible.any():
            np.testing.assert_array_equal(person.joints, np.broadcast_to(person.joints[:1], person.joints.shape))
        assert_finite(result)
    assert states == ["occluded", "occluded", "lost", "tracked", "tracked", "tracked", "tracked"]
    assert persons(chain.update(*world.window(8, first=16)), world, 16) == before


def test_who_is_absent_too_long_leaves_and_the_id_never_returns() -> None:
    world, chain = World(rig=True, people=2), reconstructor(max_gap_s=0.5)
    chain.update(*world.window(0, first=0))
    absent = frozenset((k, v, 0) for k in range(4, 24) for v in range(4))
    left = []
    for index in range(1, 12):
        left += chain.update(*world.window(index, first=2 * index, unseen=absent)).left_ids
    assert left == [1]
    result = chain.update(*world.window(12, first=24))
    assert sorted(p.track_id for p in result.people) == [2, 3]


def test_dropped_windows_do_not_cost_ids() -> None:
    world, chain = World(), reconstructor()
    first = persons(chain.update(*world.window(0, first=0)), world, 0, truth_from_node(world))
    result = chain.update(*world.window(3, first=9, gauge=GAUGE))  # no image in common
    assert persons(result, world, 9, truth_from_node(world)) == first


def test_a_camera_that_drops_out_and_comes_back_changes_nothing() -> None:
    world, chain = World(), reconstructor()
    gone = frozenset((k, 2) for k in range(3, 9))
    found = [
        persons(chain.update(*world.window(index, first=2 * index, missing=gone)), world, 2 * index, truth_from_node(world))
        for index in range(6)
    ]
    assert all(a == b for a, b in pairwise(found))


def test_reset_forgets_people_but_never_gives_an_id_again() -> None:
    world, chain = World(rig=True), reconstructor()
    chain.update(*world.window())
    chain.reset()
    assert [p.track_id for p in chain.update(*world.window()).people] == [4, 5, 6]


@pytest.mark.parametrize("unit", [0.8, 1.25])
def test_people_tell_the_scale_of_an_unknown_unit(unit: float) -> None:
    world = World(views=4, people=4)
    gauge = Similarity(np.array(unit), GAUGE.rotation, GAUGE.translation)
    result = reconstructor().update(*world.window(gauge=gauge))
    assert result.scale_ratio == pytest.approx(1.0 / unit, rel=0.03)  # one step of r is exact only for upright, flat bodies
    assert result.metric_scale == pytest.approx(result.scale_ratio)
    spread = [np.linalg.norm(a.world_from_cam[:3, 3] - b.world_from_cam[:3, 3]) for a, b in pairwise(result.cameras)]
    true = [np.linalg.norm(world.camera(v, 3)[:3, 3] - world.camera(v + 1, 3)[:3, 3]) for v in range(3)]
    np.testing.assert_allclose(spread, true, rtol=0.03)


def test_a_known_rig_sets_the_scale_and_people_only_watch_it() -> None:
    world = World(rig=True)
    result = reconstructor().update(*world.window(gauge=Similarity(np.array(0.7), GAUGE.rotation, GAUGE.translation)))
    assert result.metric_scale == pytest.approx(1.0 / 0.7)
    assert result.scale_ratio == pytest.approx(1.0 / 0.7, rel=0.05)
    persons(result, world, 0)


def test_the_metric_scale_is_counted_from_the_networks_own_unit() -> None:
    window, prediction = World(rig=True).window(gauge=GAUGE)
    result = reconstructor().update(window, replace(prediction, metric_scale=2.5))
    assert result.metric_scale == pytest.approx(2.5)
    assert result.health["scale"] == pytest.approx(1.0), "the adjustment alone"


def test_health_names_its_units() -> None:
    health = reconstructor().update(*World().window()).health
    plain = {
        "stitch_cameras",
        "stitch_points",
        "stitch_points_error",
        "cameras_fixed",
        "sights",
        "bodies_triangulated",
        "sights_astray",
        "scale",
        "people_over_scale",
        "people_over_rig",
        "scale_alarm",
        "rig_tight",
        "rig_odd_camera",
        "tie_rig",
        "tie_shared",
        "tie_static",
        "static_contradicted",
        "static_changed",
        "window_refused",
        "frames_refused",
        "sights_refused",
        "points_refused",
        "metric_scale_refused",
    }  # counts and ratios
    assert {name for name in health if not name.endswith(("_m", "_deg"))} == plain


def test_units_that_change_from_window_to_window_are_joined() -> None:
    world, chain = World(), reconstructor()
    for index, unit in enumerate((1.0, 1.1, 0.95, 1.05)):
        gauge = Similarity(np.array(unit), matrix_from_rotvec(np.array([0.1 * index, 1.0, 0.2])), np.array([1.0, index, 2.0]))
        result = chain.update(*world.window(index, first=index, gauge=gauge))
        assert result.metric_scale == pytest.approx(1.0 / unit, rel=0.02)
        assert result.health["stitch_residual_m"] < 0.1
    joints = se3.apply(truth_from_node(world), result.people[0].joints[-1].astype(np.float64))
    assert np.abs(joints - world.joints(6)).max(axis=(1, 2)).min() < 0.1


def test_poses_with_a_scale_in_their_rotation_are_made_rigid() -> None:
    world = World()
    window, prediction = world.window()
    scaled = prediction.world_from_cam.copy()
    scaled[:, :3, :3] *= 1.7
    result = reconstructor().update(window, replace(prediction, world_from_cam=scaled))
    persons(result, world, 0, truth_from_node(world))


def test_one_wrong_known_pose_shows_in_the_residual() -> None:
    world = World(rig=True)
    window, prediction = world.window()
    poses = prediction.world_from_cam.copy()
    poses[prediction.view == 1, :3, 3] += 0.5
    good, bad = (
        reconstructor().update(window, replace(prediction, world_from_cam=p)) for p in (prediction.world_from_cam, poses)
    )
    assert good.health["stitch_residual_m"] < 1e-9
    assert bad.health["stitch_residual_m"] > 0.1
    persons(bad, world, 0, within_m=1e-3)  # known poses replace the estimates, though the unit suffers and depths with it


DEGENERATE = {
    "nobody": lambda p: reordered(p, np.zeros(0, dtype=np.int64)),
    "no confidence": lambda p: replace(p, confidence=0.0 * p.confidence, person_score=0.0 * p.person_score),
    "behind the camera": lambda p: replace(p, head_position=-p.head_position),
    "at the camera": lambda p: replace(p, head_position=0.0 * p.head_position),
    "cameras in one place": lambda p: replace(p, world_from_cam=np.broadcast_to(np.eye(4), p.world_from_cam.shape)),
    "far away": lambda p: replace(p, head_position=1e6 * p.head_position, points=1e6 * p.points),
    "tokens all alike": lambda p: replace(p, person_token=0.0 * p.person_token),
    "heads all alike": lambda p: replace(p, head_pixel=0.0 * p.head_pixel, pelvis_pixel=0.0 * p.pelvis_pixel),
    "no rotations": lambda p: replace(p, rotations=0.0 * p.rotations),
    "mirrored rotations": lambda p: replace(p, rotations=-p.rotations),
    "no intrinsics": lambda p: replace(p, intrinsics=0.0 * p.intrinsics),
    "not a number": lambda p: replace(
        p, head_position=np.nan * p.head_position, points=np.nan * p.points, world_from_cam=np.nan * p.world_from_cam
    ),
}


@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_predictions_give_finite_results(case: str, views: int) -> None:
    world, chain = World(views=views), reconstructor()
    for index in range(3):
        window, prediction = world.window(index, first=index)
        result = chain.update(window, DEGENERATE[case](prediction) if index else prediction)
        assert_finite(result)
    assert len(result.people) <= 3 * views * 4 * 2


def test_an_empty_first_window_is_answered() -> None:
    world = World(people=0)
    result = reconstructor().update(*world.window(missing=frozenset((k, v) for k in range(4) for v in range(4))))
    assert result.people == () and result.cameras == () and not len(result.points)
    assert np.isnan(result.scale_ratio)


def test_random_predictions_never_break_it_and_memory_stays_bounded() -> None:
    world, chain = World(people=6), reconstructor()
    rng = np.random.default_rng(0)
    for index in range(12):
        window, p = world.window(index, first=2 * index)
        count = len(p.person_frame)
        noise = replace(
            p,
            world_from_cam=se3.compose(matrix_from_rotvec(rng.normal(size=(len(p.step), 3))), rng.normal(size=(len(p.step), 3))),
            head_position=np.exp(3.0 * rng.normal(size=(count, 3))),
            head_pixel=rng.uniform(0.0, 640.0, (count, 2)),
            pelvis_pixel=rng.uniform(-100.0, 740.0, (count, 2)),
            person_token=rng.normal(size=(count, 16)),
            rotations=matrix_from_rotvec(rng.normal(size=(count, 53, 3))),
        )
        result = chain.update(window, noise)
        assert_finite(result)
        assert 1.0 / 3.0 - 1e-9 <= result.metric_scale <= 3.0 + 1e-9
    ids = [person.track_id for person in result.people]
    assert len(set(ids)) == len(ids)


def test_pooling_without_a_decoder_is_refused_in_one_sentence() -> None:
    config = ReconstructConfig(fusion=FusionConfig(mode="maxpool_triangulate"))
    with pytest.raises(ConfigError, match="maxpool_triangulate"):
        Reconstructor(body(), config)


def test_pooled_tokens_are_decoded_by_the_decoder_handed_in() -> None:
    world = World(rig=True)
    window, prediction = world.window()

    def decode(said: Prediction, person: np.ndarray, tokens: np.ndarray) -> Decoded:
        assert said is prediction
        np.testing.assert_allclose(tokens, said.person_token[person], atol=1e-12)  # all cameras have the same here
        return Decoded(said.rotations[person], said.betas[person], said.expression[person])

    config = ReconstructConfig(fusion=FusionConfig(mode="maxpool_triangulate"))
    persons(Reconstructor(body(), config, decode=decode).update(window, prediction), world, 0)
