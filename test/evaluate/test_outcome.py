"""An outcome comes back from its file as it went in, and damaged files end in one sentence."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chromm_ros.errors import FileError, InputError
from chromm_ros.evaluate.outcome import (
    FILE,
    CameraTrack,
    Outcome,
    Score1,
    Series,
    Track,
    View,
    read_json,
    summary,
    write_json,
)

NANS = hnp.arrays(np.float64, st.integers(0, 6), elements=st.floats(allow_infinity=False))


def example() -> Outcome:
    """One of everything, with holes."""
    rng = np.random.default_rng(3)
    stamps = np.arange(4, dtype=np.int64) * 33_333_333 + 1_700_000_000_000_000_000
    way = np.cumsum(rng.normal(0.0, 0.1, (4, 3)), axis=0)
    lost = way.copy()
    lost[2] = np.nan
    return Outcome(
        title="one of everything",
        config={"model": {"checkpoint": "untrained", "size": [224, 168]}, "window": {"length": 8}, "known": None},
        weights="nano", device="cpu (2 threads)", precision="float32", revision="0.1.0 (abc)",
        scores=(Score1("W-MPJPE", 93.25, "mm", 3), Score1("RTE", None, "%", 0, "nobody moved")),
        runtime=(Score1("one scene", 0.4, "s", 5),),
        notes=("gauge: rotations",),
        series=(Series("W-MPJPE", "mm", "walk", 7, stamps, np.array([90.0, np.nan, 0.1 + 0.2, 1e-300])),),
        per_joint_mm={"MPJPE": rng.uniform(20, 90, 24)},
        tracks=(Track("walk", 7, stamps, lost, way),),
        cameras=(CameraTrack("walk", "cam0", np.eye(4)[None], np.eye(4)[None]),),
        views=(View("walk", "cam0", int(stamps[0]), rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), np.array([7]),
                    rng.uniform(0, 6, (1, 24, 2)), rng.uniform(0, 6, (2, 24, 2))),),
        latency_ms=np.array([31.0, 29.5]),
    )  # fmt: skip  # one of each on its line


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_json(example(), tmp_path / "new" / "folder")
    again = read_json(tmp_path / "new" / "folder")
    assert again == example()
    assert again.series[0].stamps_ns[0] == 1_700_000_000_000_000_000 and np.isnan(again.series[0].values[1])
    np.testing.assert_array_equal(again.views[0].image, example().views[0].image)


@given(values=NANS, value=st.floats(allow_nan=False, allow_infinity=False), name=st.text(), empty=st.integers(0, 3))
def test_any_numbers_and_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: Any, value: float, name: str, empty: int
) -> None:
    folder = tmp_path_factory.mktemp("outcome")
    series = Series(name, "", name, -1, np.arange(len(values)), values)
    hole = Track(name, 0, np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3)))
    outcome = Outcome("", {}, "", "", "", "", scores=(Score1(name, value, "mm", 1),), series=(series,) * empty, tracks=(hole,))
    write_json(outcome, folder)
    assert read_json(folder) == outcome


def test_outcomes_that_differ_are_not_equal() -> None:
    one = example()
    image = one.views[0].image.copy()
    image[0, 0, 0] ^= 1
    others = [
        replace(one, title="another"),
        replace(one, scores=one.scores[:1]),
        replace(one, latency_ms=one.latency_ms + 1e-9),
        replace(one, views=(replace(one.views[0], image=image),)),
        replace(one, series=(replace(one.series[0], values=np.zeros(4)),)),
    ]
    assert one == example() and all(other != one for other in others)


def test_the_file_is_json_that_others_read(tmp_path: Path) -> None:
    write_json(example(), tmp_path)
    text = (tmp_path / FILE).read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert content["version"] == 1 and content["scores"][1]["value"] is None
    assert content["series"][0]["values"]["values"][1] is None and content["config"]["model"]["size"] == [224, 168]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-40], "is no JSON"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "report of version 2, expected 1"),
        (lambda text: "[]", "report of version None"),
        (lambda text: text.replace("93.25", "NaN"), "it has NaN"),
        (lambda text: text.replace('"reason": "nobody moved"', '"reason": ""'), "either a value or a reason"),
        (lambda text: text.replace('"unit": "mm", "count": 3', '"count": 3'), "a Score1 must have just"),
        (lambda text: text.replace('"shape": [4]', '"shape": [5]'), "holds no array of shape"),
        (lambda text: text.replace('"title"', '"name"'), "an? Outcome must have just"),
        (lambda text: text.replace('"joint_set": "smpl"', '"joint_set": "h36m"'), "no joint set 'h36m'"),
    ],
)  # fmt: skip  # one damage on each line
def test_damage_is_one_sentence(tmp_path: Path, damage: Any, said: str) -> None:
    write_json(example(), tmp_path)
    file = tmp_path / FILE
    changed = damage(file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    with pytest.raises(FileError, match=said) as error:
        read_json(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"report\.json' cannot be read"):
        read_json(tmp_path)
    write_json(example(), tmp_path)
    (tmp_path / "images" / "view00.png").unlink()
    with pytest.raises(FileError, match=r"view00\.png' is missing"):
        read_json(tmp_path)


def test_a_score_has_a_value_or_a_reason() -> None:
    with pytest.raises(InputError, match="either a value or a reason"):
        Score1("RTE", None, "%", 0)
    with pytest.raises(InputError, match="expected a finite number"):
        Score1("RTE", float("inf"), "%", 3)


@given(
    values=hnp.arrays(
        np.float64, hnp.array_shapes(min_side=0), elements=st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -np.inf])
    )
)
def test_a_summary_is_a_mean_or_a_reason_and_never_a_crash(values: Any) -> None:
    done = summary("x", values, "mm", reason="nobody moved")
    finite = values[np.isfinite(values)]
    assert (done.value is None) == bool(done.reason)
    if done.value is not None:
        assert done.count == len(finite) and np.isfinite(done.value)
        slack = 1e-12 * np.abs(finite).max()
        assert finite.min() - slack <= done.value <= finite.max() + slack


def test_a_summary_counts_what_it_took() -> None:
    assert summary("x", [1.0, np.nan, 3.0, np.inf], "mm") == Score1("x", 2.0, "mm", 2)
    assert summary("x", [], "mm") == Score1("x", None, "mm", 0, "nothing to measure")
    assert summary("x", [np.nan], "%", "nobody moved").reason == "none of 1 values is finite: nobody moved"


def test_a_long_report_is_written_a_row_at_a_time(tmp_path: Path) -> None:
    stamps = np.arange(4000, dtype=np.int64)
    rows = tuple(Series("W-MPJPE", "mm", f"walk{k}", 1, stamps, stamps / 7.0) for k in range(30))
    outcome = Outcome("", {}, "", "", "", "", series=rows)
    tracemalloc.start()
    write_json(outcome, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (tmp_path / FILE).stat().st_size
    assert peak < size / 2, (peak, size)
    assert read_json(tmp_path) == outcome


def test_a_camera_that_stands_still_has_one_pose() -> None:
    still = np.tile(np.eye(4), (5, 1, 1))
    lost, moving = still.copy(), still + np.arange(5.0)[:, None, None]
    lost[2] = np.nan
    nowhere = np.full((5, 4, 4), np.nan)
    for poses, count in ((still, 1), (nowhere, 1), (lost, 5), (moving, 5), (still[:0], 0)):
        short = CameraTrack("walk", "cam0", poses, moving).shortened()
        np.testing.assert_array_equal(short.found, poses[:count])
        assert short.truth.shape == (5, 4, 4)
