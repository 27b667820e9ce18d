"""A report has every picture that there is something to draw of, nothing of an earlier one, and tells what made it."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from examples import planted

from chromm_ros.data.truth import JOINT_SETS
from chromm_ros.evaluate.joint_names import JOINT_LIMBS, JOINT_NAMES
from chromm_ros.evaluate.outcome import Outcome, View
from chromm_ros.evaluate.pictures import FROM_ABOVE, draw_series, draw_view
from chromm_ros.evaluate.report import markdown, number

pytest.importorskip("matplotlib")
KINDS = {"over_time.png", "per_joint.png", "from_above.png", "latency.png", "view00.png"}


def pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.png")}


def test_a_report_holds_everything_and_reads_back(tmp_path: Path) -> None:
    outcome = planted(people=6)  # 12 lines: a band; NaN in the midst
    outcome.write(tmp_path)
    assert pictures(tmp_path) == KINDS
    for name in KINDS:
        image = cv2.imread(str(tmp_path / name))
        assert image is not None and image.std() > 5.0, name
    text = (tmp_path / "report.md").read_text()
    assert all(f"]({name})" in text for name in KINDS)
    for part in ("`nano`", "device cpu", "float32", "nobody moved", "gauge: rotations", "length: 8", "Not measured."):
        assert part in text, part
    assert Outcome.read(tmp_path) == outcome


def test_an_empty_outcome_replaces_a_full_one(tmp_path: Path) -> None:
    for name in (*KINDS, "mine.png"):
        (tmp_path / name).touch()
    bare = Outcome("nothing", {}, "nano", "cpu", "float32", "0")
    bare.write(tmp_path)
    assert pictures(tmp_path) == {"mine.png"} and Outcome.read(tmp_path) == bare
    assert "No scores." in markdown(bare)


def test_holes_are_drawn_as_holes(tmp_path: Path) -> None:
    one = planted(frames=40)
    nothing = np.full(40, np.nan)
    way = np.full((40, 3), np.nan)
    holes = replace(
        one,
        series=tuple(replace(series, values=nothing) for series in one.series) * 4,
        tracks=tuple(replace(track, found=way) for track in one.tracks),
        cameras=tuple(replace(camera, found=np.full((1, 4, 4), np.nan)) for camera in one.cameras),
        per_joint_mm={"MPJPE": np.full(24, np.nan)},
        latency_ms=np.full(3, np.nan),
    )
    holes.write(tmp_path)
    assert pictures(tmp_path) == {"from_above.png", "view00.png"}, "no panel without a number"


def test_single_moments_are_drawn_beside_one_another(tmp_path: Path) -> None:
    one = planted(frames=40)
    moments = [
        replace(one.series[0], sequence=f"take {k}", person=-1, values=np.array([100.0 * k]), stamps_ns=np.zeros(1, np.int64))
        for k in range(5)
    ]
    single = replace(one, series=tuple(moments))
    draw_series(single, tmp_path / "series.png")
    dots = cv2.imread(str(tmp_path / "series.png")).astype(int)
    blue = (dots[..., 0] - dots[..., 2] > 60).astype(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(blue)
    assert count == 6, "five dots and what is behind them"
    heights = boxes[1:, 1][np.argsort(boxes[1:, 0])]
    assert (np.diff(heights) < 0).all() and heights.min() > 20, "each higher than the last, the highest within the frame"


def test_joints_are_drawn_where_they_are() -> None:
    for name, count in JOINT_SETS.items():
        assert len(JOINT_NAMES[name]) == count and max(map(max, JOINT_LIMBS[name])) < count
        pixels = np.full((1, count, 2), np.nan)
        a, b = JOINT_LIMBS[name][0]
        pixels[0, a], pixels[0, b] = (10.5, 20.5), (600.5, 20.5)
        view = View("s", "cam0", 0, np.zeros((480, 640, 3), np.uint8), np.array([3]), pixels, np.zeros((0, count, 2)))
        drawn = np.argwhere(draw_view(view, name).any(axis=-1))
        assert abs(drawn[:, 0].mean() - 20.0) < 0.6 and drawn[:, 1].min() < 11 and drawn[:, 1].max() > 598


def test_every_picture_from_above_is_right_handed() -> None:
    for up, (right, forward) in FROM_ABOVE.items():
        sign = -1.0 if up.startswith("-") else 1.0
        axes = np.eye(3)
        np.testing.assert_array_equal(np.cross(axes[right], axes[forward]), sign * axes["xyz".index(up[-1])])


def test_numbers_are_short() -> None:
    assert [number(value) for value in (255.04, 1.7, 0.15, -120.0, None)] == ["255.0", "1.70", "0.1500", "-120.0", ""]
