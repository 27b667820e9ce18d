"""What every metric obeys: holes and infinities end in NaN, batches are their members, 22 joints are the first of 24."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from goldens import golden
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from chromm_ros.evaluate import bodies, clouds, identity, motion, scenes
from chromm_ros.geometry import se3
from chromm_ros.geometry.se3 import inverse
from chromm_ros.geometry.sim3 import Similarity, fit_points

BAD = (np.nan, np.inf, -np.inf)
HOLES = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(BAD)), max_size=4)


def damaged(values: np.ndarray, holes: list[tuple[int, float]]) -> np.ndarray:
    values = values.copy()
    for place, bad in holes if values.size else ():
        values.flat[place % values.size] = bad
    return values


def finite_or_nan(values: object) -> bool:
    return not np.isinf(np.asarray(values, np.float64)).any()


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(0, 7),
    people=st.integers(0, 3),
    joints=st.integers(3, 5),
    seed=st.integers(0, 99),
    gone=HOLES,
    unknown=HOLES,
)
def test_no_hole_in_sequences_ends_in_a_crash(
    frames: int, people: int, joints: int, seed: int, gone: list[tuple[int, float]], unknown: list[tuple[int, float]]
) -> None:
    rng = np.random.default_rng(seed)
    found, truth = (damaged(rng.normal(size=(frames, people, joints, 3)), holes) for holes in (gone, unknown))
    lost = ~np.isfinite(found).all(axis=(-2, -1)) & np.isfinite(truth).all(axis=(-2, -1))
    for values in (
        bodies.distances(found, truth), bodies.mpjpe(found, truth), bodies.pa_mpjpe(found, truth), bodies.pve(found, found, truth, truth),
        motion.wa_mpjpe(found, truth, size=3), motion.w_mpjpe(found, truth, size=3), motion.w_mpjpe(found, truth, size=3, rule="tram"),
        motion.rte(found[:, :, 0], truth[:, :, 0]),
    ):  # fmt: skip  # of one shape
        assert values.shape == (frames, people) and finite_or_nan(values)
    assert np.isnan(bodies.distances(found, truth)[lost]).all() and np.isnan(bodies.pa_mpjpe(found, truth)[lost]).all()
    rest = (bodies.acceleration_error(found, truth), motion.jitter(found), motion.foot_sliding(found, truth))
    assert all(map(finite_or_nan, rest))


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(4, 25),
    people=st.integers(1, 2),
    rule=st.sampled_from(["wham", "tram"]),
    gone=st.sets(st.integers(0, 24)),
    seed=st.integers(0, 99),
)
def test_frames_in_which_nobody_counts_are_as_if_they_were_not_there(
    frames: int, people: int, rule: str, gone: set[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.normal(0.0, 0.1, (frames, people, 1, 3)), axis=0) + rng.normal(0.0, 0.3, (people, 5, 3))
    found = truth + rng.normal(0.0, 0.05, truth.shape)
    counts = np.array([k not in gone for k in range(frames)])
    valid = np.repeat(counts[:, None], people, axis=1)
    for metric in (motion.w_mpjpe, motion.wa_mpjpe):
        whole = metric(found, truth, valid, size=6, rule=rule)
        np.testing.assert_array_equal(whole[counts], metric(found[counts], truth[counts], size=6, rule=rule))
        assert np.isnan(whole[~counts]).all()
    way = motion.rte(found[:, :, 0], truth[:, :, 0], valid)
    np.testing.assert_array_equal(way[counts], motion.rte(found[counts][:, :, 0], truth[counts][:, :, 0]))
    assert np.isfinite(way[counts]).all() or counts.sum() < 2


def test_a_result_that_is_missing_moves_no_chunk() -> None:
    rng = np.random.default_rng(3)
    truth = np.cumsum(rng.normal(0.0, 0.1, (24, 1, 1, 3)), axis=0) + rng.normal(0.0, 0.3, (1, 5, 3))
    found = truth + rng.normal(0.0, 0.05, truth.shape)
    lost = found.copy()
    lost[6:8] = np.nan
    whole, holed = (motion.w_mpjpe(points, truth, size=6) for points in (found, lost))
    assert np.isnan(holed[6:12]).all(), "the first two of its chunk show nobody"
    np.testing.assert_array_equal(np.delete(holed, range(6, 12), axis=0), np.delete(whole, range(6, 12), axis=0))
    every_second = np.where((np.arange(24) % 2 == 0)[:, None, None], found[:, :, 0], np.nan)
    assert np.isfinite(motion.rte(every_second, truth[:, :, 0])[::2]).all(), "its way is that of the frames where it is known"


@settings(max_examples=40, deadline=None)
@given(cameras=st.integers(0, 4), people=st.integers(0, 3), seed=st.integers(0, 99), gone=HOLES, unknown=HOLES)
def test_no_hole_in_scenes_ends_in_a_crash(
    cameras: int, people: int, seed: int, gone: list[tuple[int, float]], unknown: list[tuple[int, float]]
) -> None:
    rng = np.random.default_rng(seed)
    found, truth = (damaged(rng.normal(size=(people, 4, 3)), holes) for holes in (gone, unknown))
    eyes, true_eyes = (
        damaged(np.tile(np.eye(4), (cameras, 1, 1)) + rng.normal(size=(cameras, 4, 4)), h) for h in (gone, unknown)
    )
    for by in scenes.GAUGES:
        assert finite_or_nan(scenes.w_mpjpe_dagger(eyes, true_eyes, found, truth, by))
    assert finite_or_nan(scenes.ga_mpjpe(found, truth)) and scenes.ga_mpjpe(found, truth).shape == (people,)
    for scale in (False, True):
        assert finite_or_nan(scenes.translation_error(eyes, true_eyes, with_scale=scale))
        assert finite_or_nan(scenes.camera_centre_accuracy(eyes, true_eyes, 10.0, with_scale=scale))
    assert finite_or_nan(scenes.angle_error(eyes, true_eyes)) and finite_or_nan(scenes.scene_size(true_eyes))
    assert scenes.on_a_line(true_eyes) in {True, False}
    assert finite_or_nan(scenes.trajectory_error(eyes[:, :3, 3], true_eyes[:, :3, 3]))
    score = clouds.compare_clouds(found.reshape(-1, 3), truth.reshape(-1, 3))
    assert finite_or_nan([score.accuracy_m, score.completeness_m, score.chamfer_m, score.f_score])
    assert identity.match_in_image(found[..., :2], truth[..., :2]).shape[1] == 2


def test_a_joint_that_nobody_labelled_is_left_out_and_one_that_was_not_found_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 17, 3))
    found = truth + rng.normal(0.0, 0.05, truth.shape)
    unlabelled = truth.copy()
    unlabelled[0, 5] = np.nan
    kept = [k for k in range(17) if k != 5]
    for metric in (bodies.distances, bodies.pa_mpjpe, lambda a, b: bodies.mpjpe(a, b, hips=(kept.index(11), kept.index(12)) if a.shape[-2] == 16 else (11, 12))):  # fmt: skip
        assert metric(found, unlabelled)[0] == pytest.approx(metric(found[:, kept], truth[:, kept])[0])
        assert metric(found, unlabelled)[1] == pytest.approx(metric(found, truth)[1])
        assert np.isnan(metric(unlabelled, found)[0]), "not found, but labelled"
    hardly = np.full_like(truth, np.nan)
    hardly[:, :2] = truth[:, :2]
    assert np.isnan(bodies.pa_mpjpe(found, hardly)).all() and np.isnan(bodies.distances(found, np.full_like(truth, np.nan))).all()


def test_batches_are_their_members() -> None:
    rng = np.random.default_rng(1)
    truth = np.cumsum(rng.normal(0.0, 0.01, (12, 2, 3, 24, 3)), axis=0)
    found = truth + rng.normal(0.0, 0.02, truth.shape)
    for i, j in np.ndindex(2, 3):
        a, b = found[:, i, j], truth[:, i, j]
        np.testing.assert_allclose(bodies.acceleration_error(found, truth)[:, i, j], bodies.acceleration_error(a, b))
        np.testing.assert_allclose(motion.jitter(found)[:, i, j], motion.jitter(a))
        np.testing.assert_allclose(bodies.pa_mpjpe(found, truth)[:, i, j], bodies.pa_mpjpe(a, b))
    every = [motion.foot_sliding(found[:, i, j, :4], truth[:, i, j, :4]) for i, j in np.ndindex(2, 3)]
    np.testing.assert_allclose(np.sort(motion.foot_sliding(found[..., :4, :], truth[..., :4, :])), np.sort(np.concatenate(every)))


@pytest.mark.parametrize("block", [1, 5000])
def test_what_is_worked_on_at_once_changes_no_value(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    truth = np.cumsum(rng.normal(0.0, 0.01, (12, 3, 24, 3)), axis=0)
    found = truth + rng.normal(0.0, 0.02, truth.shape)
    found[4, 1], found[5, 2, 3], truth[7, 0, 5], truth[8] = np.nan, np.inf, np.nan, np.inf
    cameras = np.tile(np.eye(4), (2, 12, 4, 1, 1))
    cameras[..., :3, 3] = rng.normal(size=(2, 12, 4, 3))

    def every() -> list[np.ndarray]:
        return [
            bodies.distances(found, truth), bodies.mpjpe(found, truth), bodies.pa_mpjpe(found, truth),
            bodies.acceleration_error(found, truth), motion.jitter(found), scenes.ga_mpjpe(found, truth),
            *(scenes.w_mpjpe_dagger(*cameras, found, truth, by) for by in scenes.GAUGES),
        ]  # fmt: skip  # of bodies, over time, of scenes

    whole = every()
    monkeypatch.setattr(bodies, "BLOCK", block)
    for one, other in zip(whole, every(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("name", ["ring3", "ring4", "ring5_1p"])
def test_the_first_22_joints_of_24(name: str) -> None:
    z = golden(f"scene_{name}")
    cameras, true_cameras, found, truth = (z[f"in_{k}"] for k in ("pred_cam2world", "gt_cam2world", "pred_joints", "gt_joints"))
    assert found.shape[1] == 24
    for joints in (22, 24):
        w = scenes.metres(scenes.w_mpjpe_dagger(cameras, true_cameras, found[:, :joints], truth[:, :joints]))
        for person in range(len(truth)):
            assert w[person] == pytest.approx(float(z[f"out_cj_p{person}_w"][:joints].mean()), abs=1e-5)
    z = golden("cam_camA")
    found, truth = z["in_pred"][:, :22], z["in_gt"][:, :22]
    by_hand = 1000.0 * np.linalg.norm(
        (found - found[:, 1:3].mean(1)[:, None]) - (truth - truth[:, 1:3].mean(1)[:, None]), axis=-1
    )
    np.testing.assert_allclose(bodies.mpjpe(found, truth), by_hand.mean(axis=-1), rtol=1e-5)
    for metric in (motion.wa_mpjpe, motion.w_mpjpe):
        assert np.isfinite(metric(found[:, None], truth[:, None])).all()


def test_similarities_are_those_of_wham_and_tram_on_mirrored_and_flat_sets() -> None:
    z = golden("procrustes_edge")
    x, y = z["in_x"].astype(np.float64), z["in_y"].astype(np.float64)
    fit = fit_points(x, y)
    np.testing.assert_allclose(fit.apply(x), z["out_wham_batch"], atol=1e-5)
    np.testing.assert_allclose(fit.scale, z["out_alignpcl_s"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(fit.rotation, z["out_alignpcl_R"], atol=1e-5)
    np.testing.assert_allclose(fit.translation, z["out_alignpcl_t"], atol=1e-5)
    rigid = fit_points(x, y, with_scale=False)
    np.testing.assert_allclose(rigid.rotation, z["out_alignpcl_fixed_R"], atol=1e-5)
    np.testing.assert_allclose(rigid.translation, z["out_alignpcl_fixed_t"], atol=1e-5)


def test_detections_are_matched_and_counted_as_human3r_does() -> None:
    z = golden("detection_prf1")
    counts = identity.DetectionCounts()
    for k in range(sum(name.startswith("in_gt_") for name in z)):
        found, truth = z[f"in_pred_{k}"].reshape(-1, 24, 2), z[f"in_gt_{k}"]
        pairs = identity.match_in_image(found, truth)
        assert {tuple(p) for p in pairs} == {tuple(p) for p in z[f"out_match_{k}"].reshape(-1, 2)}, k
        assert sorted(set(range(len(found))) - set(pairs[:, 0])) == sorted(z[f"out_fp_{k}"])
        assert sorted(set(range(len(truth))) - set(pairs[:, 1])) == sorted(z[f"out_miss_{k}"])
        counts += identity.DetectionCounts(len(pairs), len(found) - len(pairs), len(truth) - len(pairs))
    assert [counts.tp + counts.fn, counts.fn, counts.fp] == z["in_totals"].tolist()
    for ours, key in ((counts.precision, "precision"), (counts.recall, "recall"), (counts.f1, "f1")):
        assert 100.0 * round(ours, 2) == pytest.approx(float(z[f"out_{key}"]))


def test_ghosts_other_scale_of_the_scene() -> None:
    """GHOST's script for EgoHumans takes the ratio of norms as scale; the fit is ours, only the scale is another."""
    for name in ("ring3", "ring4", "ring4_big"):
        z = golden(f"scene_{name}")
        a, b = (z[f"in_{k}_joints"].astype(np.float64) for k in ("pred", "gt"))
        flat_a, flat_b = a.reshape(-1, 3), b.reshape(-1, 3)
        mean_a, mean_b = flat_a.mean(axis=0), flat_b.mean(axis=0)
        scale = np.asarray(np.linalg.norm(flat_b - mean_b) / np.linalg.norm(flat_a - mean_a))
        rotation = fit_points(flat_a, flat_b).rotation
        fit = Similarity(scale, rotation, mean_b - scale * rotation @ mean_a)
        value = scenes.metres(bodies.distances(fit.apply(a), b)).mean()
        assert value == pytest.approx(float(z["out_ghost_egohumans_GA_normratio"]), abs=1e-9)
        assert scenes.metres(scenes.ga_mpjpe(a, b)).mean() == pytest.approx(value, rel=0.02)


def test_a_missing_camera_is_no_reason_to_lose_the_others() -> None:
    rng = np.random.default_rng(2)
    z = np.tile(np.eye(4), (5, 1, 1))
    z[:, :3, 3] = rng.normal(size=(5, 3))
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    found = inverse(turn) @ z
    found[2] = np.nan
    for by in scenes.GAUGES:
        people = rng.normal(size=(2, 24, 3))
        moved = people @ turn[:3, :3]
        assert scenes.w_mpjpe_dagger(found, z, moved, people, by).max() < 1e-6
    off = scenes.translation_error(found, z)
    assert np.isnan(off[2]) and np.delete(off, 2).max() < 1e-9
    assert scenes.camera_centre_accuracy(found, z, 10.0) == 0.8, "a camera that was not found is wrong"
    assert np.isnan(scenes.camera_centre_accuracy(found, np.full_like(z, np.nan), 10.0))
    alone = np.where((np.arange(5) == 1)[:, None, None], z, np.nan)
    assert scenes.camera_centre_accuracy(alone, z, 10.0) == 0.0, "one camera is laid on its truth whatever is said of it"


def test_planted_clouds() -> None:
    u, v = (axis.reshape(-1) for axis in np.meshgrid(np.arange(40) * 0.01, np.arange(40) * 0.01))
    plane = np.stack([u, v, 0.0 * u], axis=-1)
    moved = clouds.compare_clouds(plane + np.array([0.0, 0.0, 0.02]), plane, within_m=0.03)
    assert moved.accuracy_m == pytest.approx(0.02) == moved.completeness_m == moved.chamfer_m
    assert moved.precision == moved.recall == moved.f_score == 1.0
    half = clouds.compare_clouds(plane[: len(plane) // 2], plane, within_m=0.005)
    assert half.accuracy_m == 0.0 and half.precision == 1.0 and half.recall == 0.5 and half.f_score == pytest.approx(2 / 3)
    assert half.completeness_m == pytest.approx(np.mean(np.repeat(np.arange(0.01, 0.205, 0.01), 1)) / 2, rel=1e-6)
    far = clouds.compare_clouds(np.concatenate([plane, [[0.0, 0.0, 9.0]]]), plane, farthest_m=1.0)
    assert far.accuracy_m == pytest.approx(1.0 / (len(plane) + 1))
    assert np.isnan(clouds.compare_clouds(plane, np.zeros((0, 3))).f_score)


def test_many_scenes_at_once_are_each_by_itself() -> None:
    rng = np.random.default_rng(7)
    turns = Rotation.random(2 * 6 * 4, random_state=7).as_matrix().reshape(2, 6, 4, 3, 3)
    cameras, true_cameras = se3.compose(turns, rng.normal(size=(2, 6, 4, 3)))
    found, truth = rng.normal(size=(2, 6, 3, 22, 3))
    cameras[0, 1], cameras[1], true_cameras[2, 0] = np.nan, np.nan, np.nan
    found[0, 1], found[3], truth[4, 0, 5] = np.nan, np.nan, np.inf

    def one(function: Callable[..., np.ndarray], *arrays: np.ndarray, **named: Any) -> np.ndarray:
        return np.stack([np.asarray(function(*each, **named)) for each in zip(*arrays, strict=True)])

    poses = (cameras, true_cameras)
    for function, arrays, named in (
        *((scenes.w_mpjpe_dagger, (*poses, found, truth), {"by": by}) for by in scenes.GAUGES),
        (scenes.ga_mpjpe, (found, truth), {}),
        *((scenes.translation_error, poses, {"with_scale": scale}) for scale in (False, True)),
        *((scenes.camera_centre_accuracy, poses, {"percent": 15.0, "with_scale": scale}) for scale in (False, True)),
        (scenes.angle_error, poses, {}),
        (scenes.scene_size, (true_cameras,), {}),
        (scenes.true_pairs, (true_cameras,), {}),
    ):
        np.testing.assert_allclose(function(*arrays, **named), one(function, *arrays, **named), rtol=1e-9, atol=1e-9)
