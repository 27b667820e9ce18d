"""The last cloud against the surface: distances both ways, or the reason why there are none."""

import numpy as np
import pytest

from chromm_ros.evaluate.surface import NAMES, evenly, scores

FLOOR = np.stack([*np.meshgrid(np.arange(10.0), np.arange(10.0)), np.zeros((10, 10))], axis=-1).reshape(-1, 3).astype(np.float32)
NOTHING = np.zeros((0, 3), np.float32)


def test_distances_both_ways() -> None:
    half = FLOOR[:50] + np.float32([0.0, 0.0, 0.1])
    told = {score.name: score for score in scores(half, FLOOR, same_world=True)}
    assert tuple(told) == NAMES and [score.count for score in told.values()] == [50, 100, 150]
    assert told["cloud accuracy"].value == pytest.approx(0.1), "what is there is a decimetre too high"
    far = told["cloud completeness"].value
    assert far is not None and far > 1.0, "half of the floor is missing"
    assert told["cloud chamfer"].value == pytest.approx((0.1 + far) / 2)


def test_points_of_one_voxel_count_once() -> None:
    crowd = np.concatenate([FLOOR + np.float32([0.001 * k, 0.0, 0.0]) for k in range(5)])
    np.testing.assert_array_equal(evenly(crowd), FLOOR)
    lost = np.full((2, 3), np.nan, np.float32)
    np.testing.assert_array_equal(evenly(np.concatenate([lost, FLOOR])), FLOOR)


@pytest.mark.parametrize(
    ("found", "truth", "same_world", "reason"),
    [
        (FLOOR, None, True, "the truth has no points"),
        (None, FLOOR, True, "hold no cloud"),
        (FLOOR, FLOOR, False, "world of their own"),
        (NOTHING, FLOOR, True, "is empty"),
    ],
)
def test_where_there_is_none_a_reason_stands(
    found: np.ndarray | None, truth: np.ndarray | None, same_world: bool, reason: str
) -> None:
    assert all(score.value is None and reason in score.reason for score in scores(found, truth, same_world=same_world))
