"""Two outcomes side by side: planted differences are found, noise is not, and blocks are what is resampled."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples import planted

from chromm_ros.errors import InputError
from chromm_ros.evaluate.compare import ENOUGH, bootstrap, differences, markdown, what_differs
from chromm_ros.evaluate.main import main
from chromm_ros.evaluate.outcome import Outcome, Score1, write_json


def test_a_planted_difference_is_found_frame_by_frame() -> None:
    a, b = planted(), planted(better_mm=5.0)
    (done,) = differences(a, b)
    assert (done.metric, done.pairs, done.only_a, done.only_b) == ("W-MPJPE", 2 * 2 * 240, 0, 0)
    assert done.difference == pytest.approx(-5.0) and done.low == pytest.approx(-5.0) == done.high
    assert done.verdict == "B is lower" and done.resampled == "6 pieces of 100 frames"


def test_noise_that_lasts_is_not_taken_for_a_difference() -> None:
    """Drifts of neighbouring frames are no evidence: whoever takes frames for independent is sure of a difference nearly always."""
    told = naive = 0
    for seed in range(20):
        a, b = planted(sequences=3, seed=seed), planted(sequences=3, seed=seed + 100)
        (done,) = differences(a, b)
        told += done.verdict != "not told apart"
        values = np.concatenate([s.values for s in b.series]) - np.concatenate([s.values for s in a.series])
        naive += abs(np.nanmean(values)) > 1.96 * np.nanstd(values) / np.sqrt(np.isfinite(values).sum())
    assert told <= 12 and naive >= 17, (told, naive)


def test_the_interval_covers_the_mean_of_independent_blocks() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        blocks = np.repeat(np.arange(30), 20)
        values = rng.normal(0.0, 1.0, 30)[blocks] + rng.normal(0.0, 0.3, len(blocks))
        low, high = bootstrap(values, blocks)
        assert low is not None and high is not None
        covered += low < 0.0 < high
    assert covered >= 50, "95 % of 60 is 57"


def test_whole_sequences_are_resampled_where_there_are_enough() -> None:
    (done,) = differences(planted(ENOUGH, 1, 40), planted(ENOUGH, 1, 40, seed=1))
    assert done.resampled == f"{ENOUGH} sequences"
    (few,) = differences(planted(1, 1, 40), planted(1, 1, 40, better_mm=9.0))
    assert few.low is None and few.verdict == "cannot be told" and few.difference == pytest.approx(-9.0)


def test_only_what_both_have_is_paired() -> None:
    a = planted()
    b = replace(a, series=tuple(replace(series, values=series.values - 1.0) for series in a.series[:1]))
    (done,) = differences(a, b)
    assert done.pairs == 240 and done.only_a == 3 * 240 and done.difference == pytest.approx(-1.0)
    assert differences(a, replace(a, series=())) == []


def test_what_differs_is_told() -> None:
    a = planted()
    b = replace(a, weights="base", config={"window": {"length": 16}, "sizes": [3, 4], "new": 1})
    assert what_differs(a, b) == {"weights": ("nano", "base"), "window.length": (8, 16), "new": (None, 1)}
    assert what_differs(a, planted()) == {}
    text = markdown(a, b, differences(a, b))
    assert "| window.length | 8 | 16 |" in text and "No setting" in markdown(a, a, differences(a, a))


def test_runs_of_different_tasks_are_refused() -> None:
    def of(joint_set: str = "smplx", **config: object) -> Outcome:
        return planted(config={"window": {"length": 8}, **config}, joint_set=joint_set, per_joint_mm={})

    bag = {"name": "bag", "truth": "bag", "cameras": ["a", "b"], "rig_frame": "world"}
    ego = {"dataset": "egohumans", "way": "steps", "known": "nothing", "sequences": "those of the tables", "every": 50}
    for a, b, said in (
        (of(recording=bag), of("smpl", protocol=ego), r"data set \(none and egohumans\), .*truth \(bag and none\), joint set \(smplx and smpl\)"),
        (of(recording=bag), of(recording={**bag, "truth": "other"}), r"truth \(bag and other\)"),
        (of(protocol=ego), of(protocol={**ego, "dataset": "rich"}), r"data set \(egohumans and rich\)"),
        (of(recording=bag, chunks="wham"), of(recording=bag, chunks="tram"), r"chunks \(wham and tram\)"),
        (of(protocol=ego), of(protocol={**ego, "sequences": ["one"]}), r"sequences \(those of the tables and one\)"),
        (of(), of("coco"), r"joint set \(smplx and coco\)"),
    ):  # fmt: skip  # a case a line
        with pytest.raises(InputError, match=said):
            markdown(a, b, differences(a, b))
    for a, b in (
        (of(recording=bag), of(recording={**bag, "cameras": ["a"], "rig_frame": ""})),
        (of(protocol=ego), of(protocol={**ego, "known": "poses"})),
    ):
        assert "B - A" in markdown(a, b, differences(a, b)), "what the chain was given may differ"


def test_an_empty_interval_says_what_it_takes() -> None:
    a, b = planted(1, 1, 40), planted(1, 1, 40, better_mm=9.0)
    row = next(line for line in markdown(a, b, differences(a, b)).splitlines() if "cannot be told" in line)
    assert "| needs 5 pieces of 100 frames, or 10 sequences |" in row and "| 1 pieces of 100 frames |" in row


def test_nothing_in_common_is_one_sentence() -> None:
    a = planted()
    elsewhere = replace(a, series=tuple(replace(series, sequence="other") for series in a.series))
    assert "There is nothing to pair" in markdown(a, elsewhere, differences(a, elsewhere)), "the scores are there all the same"
    strange = Outcome("another", {}, "nano", "cpu", "float32", "0", scores=(Score1("GA-MPJPE", 0.1, "m", 1),))
    with pytest.raises(InputError, match="neither a score nor a frame in common"):
        markdown(a, strange, differences(a, strange))


def test_the_verb_in_both_spellings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(planted(), tmp_path / "a")
    write_json(planted(better_mm=5.0), tmp_path / "b")
    texts = []
    for call in ("compare", "--compare"):
        assert main([call, str(tmp_path / "a"), str(tmp_path / "b"), "--json", str(tmp_path / "out.json")]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and "B is lower" in texts[0]
    (row,) = json.loads((tmp_path / "out.json").read_text())["differences"]
    assert row["pairs"] == 960 and row["difference"] == pytest.approx(-5.0) and row["verdict"] == "B is lower"
