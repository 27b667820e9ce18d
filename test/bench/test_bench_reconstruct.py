"""The benchmark of the reconstruction: each table holds what it says, and verdicts follow from the spread of what was measured."""

import os
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.bench import ablations, chain_cost, endurance, paired
from chromm_ros.bench.planted import errors, id_changes, rates, replay
from chromm_ros.bench.reconstruct import crowds
from chromm_ros.bench.single_view import resemblance, single_view
from chromm_ros.bench.table import Row, Table
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

HARD = np.array([10.0, 50.0, 30.0, 80.0])
"""What makes worlds differ, far more than ways do."""
WAYS = {
    "best": {"mm": HARD + np.array([0.9, 1.1, 1.0, 1.0])},
    "good": {"mm": HARD + np.array([2.1, 1.9, 2.0, 2.0])},
    "alike": {"mm": HARD + np.array([3.0, 1.0, 3.5, 0.6])},
    "worst": {"mm": HARD + np.array([9.0, 9.1, 9.0, np.nan])},
}


def test_an_order_is_judged_by_paired_differences_of_all_pairs() -> None:
    lines = paired.order(WAYS, ["best", "good", "worst"], "mm", more_is_better=False)
    assert len(lines) == 4 and all("comes out" in line for line in lines)
    assert lines[0] == "best beats good in mm: comes out, by +1 ± 0.082, 4 worlds"
    assert "3 worlds" in lines[2], "a world in which one of them has no number does not count"
    wrong = paired.order(WAYS, ["good", "best", "worst"], "mm", more_is_better=False)
    assert "does not come out" in wrong[0] and wrong[-1].endswith("does not come out")
    assert "does not come out" in paired.order(WAYS, ["best", "good"], "mm", more_is_better=True)[0]


def test_what_lies_within_its_spread_cannot_be_told() -> None:
    lines = paired.order(WAYS, ["best", "good", "alike"], "mm", more_is_better=False)
    assert ["cannot be told" in line for line in lines] == [False, True, True, True]
    assert "(difference within its spread)" in lines[2]
    apart, alike = paired.ranking(WAYS, "mm", more_is_better=False)
    assert "best > good (+1 ± 0.082)" in apart and "alike > worst" in apart
    assert set(alike.split(": ")[1].split(", ")) == {"good > alike (+0.025 ± 0.7)", "best > alike (+1.02 ± 0.74)"}


def test_neither_one_world_nor_none_tells_anything() -> None:
    for values in (np.array([5.0]), np.array([np.nan, 5.0]), np.zeros(0), np.zeros(4)):
        assert paired.Estimate.of(values).verdict() == paired.UNTOLD
    assert paired.Estimate.of(np.array([1.0, 1.0])).verdict() == paired.COMES


def test_a_true_null_is_called_a_difference_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    said = [paired.Estimate.of(rng.normal(size=4)).verdict() != paired.UNTOLD for _ in range(1000)]
    assert np.mean(said) == pytest.approx(1.0 - paired.SURE, abs=0.02)


def test_a_row_tells_mean_and_standard_error() -> None:
    row = paired.row("r", {"a": np.array([1.0, 2.0, 3.0]), "b": np.full(3, np.nan), "c": np.array([4.0])}, {"told": 5.0})
    assert row.values == {"a": 2.0, "b": None, "c": 4.0, "told": 5.0}
    assert row.errors == {"a": pytest.approx(1.0 / np.sqrt(3.0))}
    table = Table("t", "r", "a", [row], ["it comes out"])
    assert "2.00 ± 0.58" in table.to_text() and "verdict: it comes out" in table.to_text()
    assert table.to_json()["rows"][0]["errors"] == row.errors and table.to_json()["verdicts"] == ["it comes out"]


def test_rates_are_those_of_the_counts() -> None:
    assert rates((3, 1, 4, 2)) == {
        "accuracy %": 70.0, "precision %": 75.0, "recall %": 60.0, "F1 %": pytest.approx(200.0 / 3.0),
    }  # fmt: skip
    assert all(np.isnan(value) for value in rates((0, 0, 0, 0)).values())
    alone = rates((0, 0, 5, 0))
    assert alone["accuracy %"] == 100.0 and np.isnan(alone["precision %"])


@pytest.fixture
def one_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three people alone and fewer ways: tables take a quarter of the time."""
    monkeypatch.setattr(ablations, "PEOPLE", (3,))
    monkeypatch.setattr(ablations, "MEMORIES", (1.0,))


@pytest.mark.usefixtures("one_world")
def test_tables_of_ablations_have_a_row_for_each_way_and_a_verdict_for_each_pair() -> None:
    table = ablations.association(2, 1, steps=1, level=3.0)
    assert [row.name for row in table.rows] == ["position + pose", "position only", "pose only"]
    assert list(table.rows[0].values)[:4] == ["accuracy %", "precision %", "recall %", "F1 %"]
    assert len(table.verdicts) == 8 and set(table.rows[2].errors) == {"accuracy %", "precision %", "recall %", "F1 %"}
    fusion = ablations.fusion(1, 1, rig=True, depths=(0.1,))
    average, triangulated = (row.values["head mm, depth 10 %"] for row in fusion.rows)
    assert average is not None and triangulated is not None
    assert triangulated < 0.8 * average, "at such depths rays are better, and the rows are not mixed up"
    assert len(fusion.verdicts) == 1 and "cannot be told" in fusion.verdicts[0], "one world does not tell"
    votes = ablations.votes(1, 1, level=1.0)
    assert [row.name for row in votes.rows] == ["each frame-set alone", "memory 1"]
    assert ablations.forgetful().memory < 0.01


@pytest.mark.usefixtures("one_world")
def test_the_scale_is_off_by_the_planted_unit_where_nobody_adjusts_it() -> None:
    table = ablations.scale(1, 1, views=1)
    off = [row.values["scale off %, unit 1.18"] or 0.0 for row in table.rows]
    assert off[0] == pytest.approx(18.0, abs=4.0) and max(off[1:]) < off[0]
    assert [row.name for row in table.rows][1:] == ["mean (the paper's)", "median", "iterated"]


def test_nobody_is_a_row_of_the_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromm_ros.bench.reconstruct.crowd_cost", lambda people: float(people))
    table = crowds(1, 1, (0, 2))
    assert table.rows[0].values["missed %"] == 0.0 and table.rows[0].values["W mm"] is None
    assert table.rows[1].values["recall %"] == pytest.approx(100.0, abs=20.0)
    assert table.rows[1].values["CPU ms a window"] == 2.0


def test_the_noise_of_one_camera_is_like_the_papers_errors() -> None:
    paper, ours = (row.values for row in single_view(1).rows)
    assert paper == {"PA mm": 48.0, "WA mm": 87.5, "W mm": 138.3}
    assert all(ours[name] == pytest.approx(paper[name], rel=0.25) for name in paper)
    assert "as in the paper" in resemblance("WA mm", np.array([80.0, 90.0, 95.0]))
    assert "differs from the paper" in resemblance("WA mm", np.array([60.0, 61.0, 62.0]))


def test_changes_of_ids_are_counted_per_person() -> None:
    world = World(rig=True, people=2)
    steps = list(replay(world, ReconstructConfig(), 3, steps=2))
    assert id_changes(steps, world) == 0
    swapped = steps[1].result.people
    names = [person.track_id for person in swapped][::-1]
    vars(steps[1].result)["people"] = tuple(replace(person, track_id=name) for person, name in zip(swapped, names, strict=True))
    assert id_changes(steps, world) == 4, "two change over, and back"
    assert errors(steps, world).missed == 0.0, "who is who does not matter to errors"


def test_aims_are_met_or_missed() -> None:
    assert chain_cost.against_aim("4x8x6", 15.0, 15.0).startswith("4x8x6, whole: met, 15.0 ms")
    found = {size: {"whole": 99.0, "without cloud": ms} for size, ms in (((4, 6), 14.9), ((16, 30), 151.0), ((1, 1), 500.0))}
    table = chain_cost.by_step("a window", found, chain_cost.NANO)
    assert [verdict.rpartition(",")[0].rpartition(",")[0] for verdict in table.verdicts] == [
        "4x8x6, whole: missed", "4x8x6, without cloud: met", "16x8x30, whole: met", "16x8x30, without cloud: missed",
    ]  # fmt: skip
    assert chain_cost.machine() in table.rule and "one core" in table.rule


def test_growth_is_told_by_its_power(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = {(4, 0): 5.0, (4, 2): 6.0, (4, 4): 24.0}
    monkeypatch.setattr(chain_cost, "measured", lambda v, p, _: ({"whole": 1.0}, {"whole": spent[v, p]}))
    rows = chain_cost.growth("people", list(spent), 1).rows
    assert [row.values["power"] for row in rows] == [None, None, pytest.approx(2.0)]


def test_one_core_is_given_back() -> None:
    before = os.sched_getaffinity(0)
    with chain_cost.one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_what_a_reconstructor_remembers_is_bounded() -> None:
    soon = ReconstructConfig(tracking=TrackingConfig(max_gap_s=0.3))  # so that a few windows are many lives
    held = [held for held, _ in endurance.footprints(24, every=2, config=soon)]
    assert max(held[8:]) < 1.3 * max(held[3:8])
    chain = Reconstructor(body(), ReconstructConfig())
    before = endurance.holds(chain)
    vars(chain)["leak"] = [b"x" * 1000]
    assert endurance.holds(chain) > before + 1000, "whatever is remembered counts"
    grown = endurance.flatness("kB", Row("", {"kB": 10.0}), Row("", {"kB": 11.5}))
    assert grown == "kB: grows, x1.150"
