"""The cloud: newest step, trusted, not on people, bounded, in the world."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.cloud import CloudConfig, select
from chromm_ros.records import Prediction
from chromm_ros.synthetic.oracle import World

ALL = CloudConfig(edges="keep")
"""In 12 x 16 pixels nearly every corner of the planted room is an edge of depth."""


def scene() -> tuple[Prediction, Cameras]:
    window, prediction = World(people=0).window(steps=3)
    return prediction, Cameras.read(window, prediction)


def test_points_of_the_newest_step_lie_in_the_world() -> None:
    prediction, cameras = scene()
    cloud = select(prediction, replace(cameras, unit=2.0), ALL)
    newest = cameras.step == 2
    expected = se3.apply(cameras.world_from_cam[newest], 2.0 * prediction.points[newest].reshape(4, -1, 3)).reshape(-1, 3)
    np.testing.assert_allclose(cloud.points, expected, atol=1e-5)
    np.testing.assert_array_equal(cloud.colors, prediction.colors[newest].reshape(-1, 3))
    assert cloud.points.dtype == cloud.confidence.dtype == np.float32


def test_what_is_not_trusted_is_left_out() -> None:
    prediction, cameras = scene()
    confidence = np.random.default_rng(0).uniform(size=prediction.confidence.shape)
    cloud = select(replace(prediction, confidence=confidence), cameras, CloudConfig(edges="keep", min_confidence=0.7))
    assert len(cloud.points) == (confidence[cameras.step == 2] >= 0.7).sum() > 0
    assert cloud.confidence.min() >= np.float32(0.7)


def test_people_are_left_out_unless_asked_for() -> None:
    prediction, cameras = scene()
    mask = prediction.human_mask.copy()
    mask[:, 2, 3] = 1.0  # one patch of 2 x 2 points
    masked = replace(prediction, human_mask=mask)
    everything = select(prediction, cameras, ALL)
    assert len(select(masked, cameras, ALL).points) == len(everything.points) - 4 * 4
    assert len(select(masked, cameras, CloudConfig(edges="keep", keep_people=True)).points) == len(everything.points)
    points = select(masked, cameras, ALL).points
    gone = se3.apply(cameras.world_from_cam[-4], prediction.points[-4, 4:6, 6:8].reshape(-1, 3))
    assert np.linalg.norm(points[:, None] - gone[None], axis=-1).min() > 1e-4


def test_a_limit_is_kept_and_spread_over_all_cameras() -> None:
    prediction, cameras = scene()
    for limit in (0, 1, 7, 100, 767, 768, 769):
        assert len(select(prediction, cameras, CloudConfig(edges="keep", max_points=limit)).points) == min(limit, 768)
    colors = np.broadcast_to(np.arange(len(prediction.step), dtype=np.uint8)[:, None, None, None], prediction.colors.shape)
    cloud = select(replace(prediction, colors=colors), cameras, CloudConfig(edges="keep", max_points=100))
    assert np.unique(cloud.colors[:, 0], return_counts=True)[1].tolist() == [25] * 4


def test_what_is_not_finite_is_left_out() -> None:
    prediction, cameras = scene()
    points = prediction.points.copy()
    points[-1, 0, 0, 0], points[-1, 0, 1, 2] = np.nan, np.inf
    cloud = select(replace(prediction, points=points), cameras, ALL)
    assert len(cloud.points) == 768 - 2 and np.isfinite(cloud.points).all()


def test_points_that_float_at_edges_of_depth_are_left_out_unless_asked_for() -> None:
    prediction, cameras = scene()
    v, u = np.mgrid[:12, :16] - 6.0
    through = np.stack([0.05 * u, 0.05 * v, np.ones((12, 16))], axis=-1)
    depth = np.where(u < 0, 2.0, 5.0)  # a wall before another one
    depth[:, 6] = 3.5  # and a column between them
    planted = replace(prediction, points=np.broadcast_to(through * depth[..., None], prediction.points.shape))
    for edges, lost in (("keep", 0), ("depth", 3), ("depth_normal", 3)):
        cloud = select(planted, cameras, CloudConfig(edges=edges))
        assert len(cloud.points) == 4 * 12 * (16 - lost), edges
    distrusted = planted.confidence.copy()
    distrusted[:, :, 6] = 0.0  # what is not trusted makes no edge beside it, but the two walls still do not touch
    assert len(select(replace(planted, confidence=distrusted), cameras, CloudConfig()).points) == 4 * 12 * 15


@pytest.mark.parametrize("edges", ["depth", "depth_normal"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 65)])
def test_of_maps_with_more_points_than_are_asked_for_some_rows_and_columns_are_looked_at(
    edges: str, height: int, width: int
) -> None:
    prediction, cameras = scene()
    v, u = np.mgrid[:height, :width].astype(np.float64)
    depth = np.where(u < width // 2, 2.0 * 1.01**v, 9.0 * 1.01**v)  # two slanted surfaces, one far before the other
    points = np.stack([0.01 * u * depth, 0.01 * v * depth, depth], axis=-1)
    frames = len(prediction.step)
    ids = np.stack([v, u, 0 * u], axis=-1).astype(np.uint8)
    large = replace(
        prediction,
        points=np.broadcast_to(points, (frames, *points.shape)),
        confidence=np.full((frames, height, width), 0.9),
        colors=np.broadcast_to(ids, (frames, *ids.shape)),
        human_mask=np.zeros((frames, 4, 4)),
    )
    for most, every in ((10**6, 1), (1300, 2), (500, 3)):
        cloud = select(large, cameras, CloudConfig(edges=edges, max_points=most))
        row, column, _ = cloud.colors.T
        assert (row % every == 0).all() and (column % every == 0).all()
        lost = [
            column for column in range(0, width, every) if abs(column + 0.5 - width // 2) < every
        ]  # the edge, and no slanted floor
        all_of_them = 4 * -(-height // every) * (-(-width // every) - len(lost))
        assert len(cloud.points) == min(all_of_them, most)
        assert not np.isin(column, lost).any()
        expected = se3.apply(cameras.world_from_cam[cameras.step == 2], points.reshape(1, -1, 3))
        count = len(cloud.points) // 4
        np.testing.assert_allclose(cloud.points[:count], expected[0, row[:count].astype(int) * width + column[:count]], atol=1e-4)
