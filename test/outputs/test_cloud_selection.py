import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.ros.cloud import FIELDS, cloud_columns, select_points

EVERYTHING = {"confidence_min": 0.0, "voxel_m": 0.0, "points_max": 10**9}


def make_points(count: int, seed: int = 0, extent: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-extent, extent, (count, 3)).astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 400), seed=st.integers(0, 99), voxel_m=st.sampled_from([0.1, 0.25, 0.7, 5.0]))
def test_each_voxel_keeps_its_most_trusted_point(count: int, seed: int, voxel_m: float) -> None:
    points, confidence = make_points(count, seed)
    chosen = select_points(points, confidence, **(EVERYTHING | {"voxel_m": voxel_m}))
    best: dict[tuple[int, ...], float] = {}
    for cell, trust in zip(np.floor(points / np.float32(voxel_m)).astype(int).tolist(), confidence.tolist(), strict=True):
        best[tuple(cell)] = max(best.get(tuple(cell), 0.0), trust)
    found = np.floor(points[chosen] / np.float32(voxel_m)).astype(int)
    assert len({tuple(cell) for cell in found.tolist()}) == len(chosen) == len(best)
    for cell, trust in zip(found.tolist(), confidence[chosen].tolist(), strict=True):
        assert trust >= best[tuple(cell)] - 1 / 1023, "trust is compared in 1024 steps"


def test_the_grid_stands_still() -> None:
    points, confidence = make_points(300)
    some = select_points(points, confidence, **(EVERYTHING | {"voxel_m": 0.3}))
    more = np.concatenate([points, [[-7.123, 5.0, 3.0]]]).astype(np.float32)
    again = select_points(more, np.append(confidence, np.float32(1)), **(EVERYTHING | {"voxel_m": 0.3}))
    assert set(again.tolist()) == {*some.tolist(), 300}


def test_untrusted_and_infinite_points_are_left_out() -> None:
    points, confidence = make_points(200)
    points[3, 1], points[5, :2], confidence[7], confidence[9] = np.nan, (np.inf, -np.inf), np.nan, 0.2
    chosen = select_points(points, confidence, **(EVERYTHING | {"confidence_min": 0.25}))
    assert not {3, 5, 7, 9} & set(chosen.tolist())
    assert set(chosen.tolist()) == set(np.flatnonzero(confidence >= 0.25)) - {3, 5}


def test_far_points_do_not_disturb_the_voxels() -> None:
    points, confidence = make_points(100, extent=0.001)
    points[0] = 1e30
    chosen = select_points(points, confidence, **(EVERYTHING | {"voxel_m": 0.01}))
    assert 0 not in chosen
    assert len(chosen) == 8


@given(count=st.integers(0, 500), points_max=st.integers(0, 100))
def test_thinning_is_even_and_always_the_same(count: int, points_max: int) -> None:
    points, confidence = make_points(count)
    chosen = select_points(points, confidence, **(EVERYTHING | {"points_max": points_max}))
    assert len(chosen) == min(count, points_max)
    gaps = np.diff(np.append(chosen, count))  # up to the end: the first N points are evenly spaced too
    assert len(chosen) == 0 or (chosen[0] == 0 and gaps.max() - gaps.min() <= 1)
    np.testing.assert_array_equal(chosen, select_points(points, confidence, **(EVERYTHING | {"points_max": points_max})))


def test_the_columns_read_as_pcl_reads_them() -> None:
    points, confidence = make_points(40)
    colors = np.random.default_rng(1).integers(0, 256, (40, 3), dtype=np.uint8)
    columns = cloud_columns(points, colors, confidence)
    named = columns.view([(name, "<f4") for name in FIELDS])[:, 0]
    bits = named["rgb"].copy().view(np.uint32)
    np.testing.assert_array_equal(np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], -1), colors)
    assert (bits >> 24 == 0).all()
    np.testing.assert_array_equal(columns[:, :3], points)
    np.testing.assert_array_equal(named["confidence"], confidence)


def test_an_empty_cloud_is_a_cloud() -> None:
    chosen = select_points(np.empty((0, 3), np.float32), np.empty(0, np.float32), confidence_min=0.1, voxel_m=0.1, points_max=10)
    assert chosen.shape == (0,)
    assert cloud_columns(np.empty((0, 3)), np.empty((0, 3), np.uint8), np.empty(0)).shape == (0, 5)
