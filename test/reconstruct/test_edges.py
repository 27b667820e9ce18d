"""Edges of depth: planted scenes."""

import numpy as np
import pytest

from chromm_ros.geometry.camera import pixel_grid, rays
from chromm_ros.reconstruct.edges import depth_jumps, depth_normal_jumps

K = np.array([[60.0, 0, 24], [0, 60.0, 16], [0, 0, 1]])
THROUGH = rays(pixel_grid(48, 32), K)


def seen(depth: np.ndarray) -> np.ndarray:
    return THROUGH * depth[..., None]


def wall_behind_a_box() -> tuple[np.ndarray, np.ndarray]:
    """A box at 2 m before a wall at 5 m, and what floats between them: the box's outermost pixels."""
    depth, inner = np.full((32, 48), 5.0), np.zeros((32, 48), bool)
    depth[9:23, 14:34], inner[10:22, 15:33] = 3.0, True
    floating = (depth == 3.0) & ~inner
    return np.where(inner, 2.0, depth), floating


@pytest.mark.parametrize("rule", ["depth", "depth_normal"])
def test_what_floats_between_two_things_is_found_and_the_rest_stays(rule: str) -> None:
    depth, floating = wall_behind_a_box()
    found = depth_jumps(depth) if rule == "depth" else depth_normal_jumps(seen(depth))
    assert found[floating].all()
    near = np.zeros_like(floating)
    near[8:24, 13:35], near[11:21, 16:32] = True, False
    np.testing.assert_array_equal(found & ~near, np.zeros_like(found), "only beside the jump")
    assert not depth_normal_jumps(np.full((32, 48, 3), 1.0)).any()


def test_a_floor_at_a_grazing_angle_is_an_edge_of_depth_alone() -> None:
    depth = 1.0 / (THROUGH[..., 1] + 0.3)  # the plane y + 0.3 z = 1: depth grows by more than 3 % in two rows
    assert depth_jumps(depth)[1:-1].mean() > 0.5
    assert not depth_normal_jumps(seen(depth)).any()


@pytest.mark.parametrize("kind", ["masked", "nan", "inf", "behind"])
def test_what_is_not_valid_does_not_count(kind: str) -> None:
    depth, valid = np.full((32, 48), 5.0), np.ones((32, 48), bool)
    lost = np.zeros_like(valid)
    lost[10:12, 20] = True
    depth[lost] = {"masked": 1.0, "nan": np.nan, "inf": np.inf, "behind": -1.0}[kind]
    points = seen(depth)
    if kind == "masked":
        valid = ~lost
        assert not depth_jumps(depth, valid).any()
        assert depth_normal_jumps(points).any(), "it would count"
    assert not depth_normal_jumps(points, valid).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 1)])
def test_small_maps(shape: tuple[int, int]) -> None:
    assert depth_normal_jumps(np.ones((*shape, 3))).shape == depth_jumps(np.ones(shape)).shape == shape
    assert not depth_normal_jumps(np.ones((*shape, 3)), np.zeros(shape, bool)).any()


def test_answers_for_some_pixels_are_those_for_all() -> None:
    depth, _ = wall_behind_a_box()
    asked = np.random.default_rng(0).uniform(size=depth.shape) < 0.5
    everywhere = depth_normal_jumps(seen(depth))
    assert everywhere.any()
    np.testing.assert_array_equal(depth_normal_jumps(seen(depth), asked=asked), everywhere & asked)
    np.testing.assert_array_equal(depth_normal_jumps(seen(depth), asked=asked, crowded=0.0), depth_jumps(depth) & asked)
