"""The commands: which sequences and cameras are opened, what is printed and written."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from planted_scene import Oracle, Planted

from chromm_ros.__main__ import main
from chromm_ros.config import ChrommConfig
from chromm_ros.datasets import catalog
from chromm_ros.evaluate import runtime
from chromm_ros.evaluate.outcome import Outcome
from chromm_ros.evaluate.protocols import main as command
from chromm_ros.pipeline import Pipeline
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import Scene, body

assert runtime.Pipeline is Pipeline  # it is imported before anything stands in for a pipeline


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch) -> World:
    """RICH is a planted scene, and the network knows it."""
    oracle = World(views=4, people=2)

    def opened(root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None) -> Planted:
        return Planted(oracle, 6, name=sequence)

    monkeypatch.setitem(catalog.DATASETS, "rich", catalog.Dataset("RICH", opened, lambda _root: ["one", "two"]))

    class Told(Pipeline):
        def __init__(self, config: ChrommConfig) -> None:
            super().__init__(config, predictor=Oracle(oracle), body=body())

    monkeypatch.setattr("chromm_ros.pipeline.Pipeline", Told)
    return oracle


def test_a_row_stands_beside_the_published_ones(rich: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["eval", "rich", str(tmp_path), "--set", "scale.statistic=iterated", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "one: 1 segments" in told.err and "two: 1 segments" in told.err
    row = next(line for line in told.out.splitlines() if line.startswith("| **chromm_ros, oracle**"))
    assert "**measured**" in row and all(float(cell) < 0.01 for cell in row.split("|")[2:5])
    assert float(row.split("|")[5]) == 1.0, "recall"
    assert "| CHROMM | 53.1 | 79 | 1.4 |  | quoted |" in told.out
    assert (out / "published.md").read_text() in told.out
    assert "| each closed set, images in memory |" in told.out and "| one scene, 4 views, 1 step, 3 people, warm |" in told.out
    outcome = Outcome.read(out)
    assert outcome.config["protocol"] == {
        "dataset": "rich", "way": "multi", "known": "nothing", "sequences": "those of the tables", "chunks": "wham",
    }  # fmt: skip
    assert outcome.config["scale"]["statistic"] == "iterated" and outcome.config["tracking"]["min_hits"] == 1
    assert {series.sequence for series in outcome.series} == {"one", "two"} and len(outcome.latency_ms) == 2
    assert json.loads((out / "report.json").read_text())["weights"] == "oracle"
    assert [(view.sequence, view.camera) for view in outcome.views] == [(s, f"cam{v}") for s in ("one", "two") for v in range(4)]
    for view in outcome.views:
        assert len(view.people) == 2 and (view.people >= 0).all()
        order = np.searchsorted(np.sort(view.people), view.people)
        off = np.linalg.norm(view.found - view.truth[order], axis=-1)
        assert np.nanmax(off) < 0.5 and np.isfinite(off).sum() >= 2 * 22, "exact predictions lie on the truth"


def test_which_cameras_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    class Opened(Planted):
        chosen: tuple[str, ...] = ()

        @property
        def cameras(self) -> tuple[str, ...]:
            return self.chosen or super().cameras

    def opened(root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None) -> Planted:
        asked.append((sequence, tuple(cameras)))
        planted = Opened(Scene(views=6), 1, name=sequence)
        planted.chosen = tuple(cameras)
        return planted

    monkeypatch.setitem(catalog.DATASETS, "rich", catalog.Dataset("RICH", opened, lambda _root: []))
    arguments = argparse.Namespace(protocol="rich", way="multi", root=Path(), body_models=None)
    (together,) = command._opened(arguments, ["a"])
    assert together.cameras == ("cam0", "cam1", "cam2", "cam3")
    arguments.way = "mono"
    alone = list(command._opened(arguments, ["a"]))
    assert [sequence.name for sequence in alone] == [f"a cam{view}" for view in range(6)]
    assert [sequence.cameras for sequence in alone] == [(f"cam{view}",) for view in range(6)]


def test_segments_are_cut_by_either_rule(rich: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "rich", str(tmp_path), "--chunks", "tram"]) == 1
    assert "error: no sequence has more than 100 images with a truth" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["eval", "egohumans", str(tmp_path), "--chunks", "tram"])


def test_only_rich_has_two_ways(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "emdb2", "somewhere", "--multi"])
    with pytest.raises(SystemExit):
        main(["eval", "rich", "somewhere", "--multi", "--mono"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_root_that_holds_nothing_ends_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in command.PROTOCOLS:
        assert main(["eval", name, str(tmp_path)]) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: ") and str(tmp_path) in told and told.count("\n") == 1
    assert main(["eval", "egohumans", str(tmp_path), "--every", "0"]) == 1
    assert "--every is 0, expected at least 1" in capsys.readouterr().err
