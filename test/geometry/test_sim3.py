"""Laws of similarities, and planted ones found again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity, fit_points, fit_poses

SHAPES = [(), (4,), (2, 3)]


def random_similarity(shape: tuple[int, ...] = (), seed: int = 0) -> Similarity:
    rng = np.random.default_rng(seed)
    rotation = matrix_from_rotvec(rng.normal(size=(*shape, 3)))
    return Similarity(np.asarray(rng.uniform(0.3, 3.0, shape)), rotation, rng.normal(size=(*shape, 3)))


def assert_equal(a: Similarity, b: Similarity, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(a.scale, b.scale, atol=atol)
    np.testing.assert_allclose(a.rotation, b.rotation, atol=atol)
    np.testing.assert_allclose(a.translation, b.translation, atol=atol)


@pytest.mark.parametrize("shape", SHAPES)
def test_group_laws(shape: tuple[int, ...]) -> None:
    a, b, c = (random_similarity(shape, seed) for seed in range(3))
    points = np.random.default_rng(3).normal(size=(*shape, 5, 3))
    assert_equal(a.after(b).after(c), a.after(b.after(c)))
    np.testing.assert_allclose(a.after(b).apply(points), a.apply(b.apply(points)), atol=1e-12)
    np.testing.assert_allclose(a.inverse().apply(a.apply(points)), points, atol=1e-12)
    np.testing.assert_array_equal(Similarity.identity().apply(points[(0,) * len(shape)]), points[(0,) * len(shape)])


@pytest.mark.parametrize("shape", SHAPES)
def test_poses_stay_rigid_and_points_in_cameras_grow(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    a = random_similarity(shape)
    poses = se3.compose(matrix_from_rotvec(rng.normal(size=(*shape, 6, 3))), rng.normal(size=(*shape, 6, 3)))
    in_camera = rng.normal(size=(*shape, 6, 1, 3))
    moved = a.apply_to_poses(poses)
    np.testing.assert_allclose(np.linalg.det(moved[..., :3, :3]), 1.0)
    expected = a.apply(se3.apply(poses, in_camera)[..., 0, :])
    scaled = np.reshape(a.scale, (*shape, 1, 1, 1)) * in_camera
    np.testing.assert_allclose(se3.apply(moved, scaled)[..., 0, :], expected, atol=1e-12)


@given(seed=st.integers(0, 10_000), count=st.integers(3, 20), weighted=st.booleans(), with_scale=st.booleans())
@settings(max_examples=50, deadline=None)
def test_points_find_a_planted_similarity(seed: int, count: int, *, weighted: bool, with_scale: bool) -> None:
    rng = np.random.default_rng(seed)
    planted = random_similarity((), seed)
    if not with_scale:
        planted = Similarity(np.ones(()), planted.rotation, planted.translation)
    source = rng.normal(size=(count, 3))
    weights = rng.uniform(0.1, 2.0, count) if weighted else None
    assert_equal(fit_points(source, planted.apply(source), weights, with_scale=with_scale), planted, 1e-6)


def test_the_fit_is_the_best_one() -> None:
    rng = np.random.default_rng(5)
    source, target, weights = rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), rng.uniform(0.1, 1.0, 8)

    def cost(candidate: Similarity) -> float:
        return float((weights * ((candidate.apply(source) - target) ** 2).sum(-1)).sum())

    best = fit_points(source, target, weights)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        near = Similarity(
            np.asarray(best.scale * np.exp(0.01 * rng.normal())),
            best.rotation @ matrix_from_rotvec(0.01 * rng.normal(size=3)),
            best.translation + 0.01 * rng.normal(size=3),
        )
        assert cost(best) < cost(near)


def test_weight_zero_leaves_a_point_out() -> None:
    planted, source = random_similarity(), np.random.default_rng(6).normal(size=(6, 3))
    target = planted.apply(source)
    target[0] += 100.0
    assert_equal(fit_points(source, target, np.array([0.0, 1, 1, 1, 1, 1])), planted)


def test_a_mirror_image_is_answered_by_a_rotation() -> None:
    source = np.random.default_rng(7).normal(size=(10, 3))
    fit = fit_points(source, source * [1.0, 1.0, -1.0])
    assert np.linalg.det(fit.rotation) == pytest.approx(1.0)
    assert np.isfinite(fit.translation).all() and fit.scale > 0.0


@pytest.mark.parametrize(
    "source",
    [np.zeros((5, 3)), np.ones((1, 3)), np.linspace(0.0, 1.0, 5)[:, None] * [1.0, 2.0, 3.0], np.zeros((0, 3))],
    ids=["coinciding", "single", "collinear", "none"],
)
def test_degenerate_points_give_a_finite_fit_that_is_as_good_as_can_be(source: np.ndarray) -> None:
    target = random_similarity().apply(source)
    fit = fit_points(source, target)
    assert np.isfinite(fit.scale) and np.isfinite(fit.rotation).all() and np.isfinite(fit.translation).all()
    np.testing.assert_allclose(fit.apply(source), target, atol=1e-9)


def poses(centres: np.ndarray, seed: int = 8) -> np.ndarray:
    return se3.compose(matrix_from_rotvec(np.random.default_rng(seed).normal(size=centres.shape)), centres)


@pytest.mark.parametrize("shape", SHAPES)
def test_poses_find_a_planted_similarity(shape: tuple[int, ...]) -> None:
    planted = random_similarity(shape, 9)
    source = poses(np.random.default_rng(10).normal(size=(*shape, 4, 3)))
    assert_equal(fit_poses(source, planted.apply_to_poses(source)), planted)


def test_poses_on_a_line_suffice_where_points_do_not() -> None:
    planted = random_similarity((), 11)
    source = poses(np.linspace(0.0, 1.0, 4)[:, None] * [1.0, 2.0, 3.0])
    assert_equal(fit_poses(source, planted.apply_to_poses(source)), planted)


def test_a_single_pose_fixes_all_but_the_scale() -> None:
    planted = random_similarity((), 12)
    source = poses(np.ones((1, 3)))
    target = planted.apply_to_poses(source)
    fit = fit_poses(source, target)
    assert fit.scale == 1.0
    np.testing.assert_allclose(fit.apply_to_poses(source), target, atol=1e-12)


def test_a_known_scale_is_kept() -> None:
    source = poses(np.random.default_rng(13).normal(size=(4, 3)))
    assert fit_poses(source, random_similarity((), 14).apply_to_poses(source), scale=1.25).scale == 1.25


def test_the_more_cameras_the_better_noisy_rotations_are_averaged() -> None:
    planted, rng, errors = random_similarity((), 15), np.random.default_rng(16), []
    source = poses(rng.normal(size=(40, 16, 3)))
    target = planted.apply_to_poses(source)
    target[..., :3, :3] @= matrix_from_rotvec(0.05 * rng.normal(size=(40, 16, 3)))
    for count in (1, 4, 16):
        found = fit_poses(source[:, :count], target[:, :count]).rotation
        errors.append(np.sqrt((geodesic_angle(found, planted.rotation) ** 2).mean()))
    np.testing.assert_allclose(errors, errors[0] / np.sqrt([1, 4, 16]), rtol=0.25)
