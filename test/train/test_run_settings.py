"""What a user gives becomes settings, what is wrong becomes one sentence; and what a run leaves can be read back."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from chromm_ros.errors import ChrommError, ConfigError, FileError
from chromm_ros.settings import assignments, merged
from chromm_ros.train import log
from chromm_ros.train.curve import draw_curves, points, smoothed
from chromm_ros.train.folder import locked, read_about, write_about
from chromm_ros.train.log import Journal, Meter, Nowhere, TensorBoard, board, read_journal
from chromm_ros.train.options import TrainOptions
from chromm_ros.train.provenance import revision
from chromm_ros.train.schedule import groups, keep_share, rate
from chromm_ros.train.state import Average


def test_assignments_become_nested_values() -> None:
    assert assignments(["ema=0.99", "lr=1e-4", "takes.views=2", "takes.clothes=suits"]) == {
        "ema": 0.99,
        "lr": 1e-4,
        "takes": {"views": 2, "clothes": "suits"},
    }
    for wrong in ("ema", "=3", "lr=[1"):
        with pytest.raises(ConfigError, match="--set"):
            assignments([wrong])


def test_the_last_word_wins_and_an_unknown_one_is_refused() -> None:
    options = merged(TrainOptions(), {"steps": 10, "lr": 0.1}, {"lr": 0.2})
    assert (options.steps, options.lr) == (10, 0.2)
    with pytest.raises(ConfigError, match="unknown setting 'stepps', expected one of accumulate, batch"):
        merged(TrainOptions(), {"stepps": 1})


def test_matrices_decay_and_nothing_else() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Conv2d(1, 1, 3))
    network.token = nn.Parameter(torch.zeros(1, 1, 3))  # type: ignore[assignment]
    both = groups(network.named_parameters(), 0.1)
    assert [(group["weight_decay"], len(group["params"])) for group in both] == [(0.1, 2), (0.0, 5)]


def test_the_rate_ends_at_its_floor() -> None:
    options = TrainOptions(steps=100, lr=1.0, warm_up=10, floor=0.1)
    assert rate(0, options) == pytest.approx(0.1) and rate(9, options) == rate(10, options) == 1.0
    assert rate(55, options) == pytest.approx(0.55) and rate(100, options) == pytest.approx(0.1)


def test_the_average_forgets_its_start_and_gives_the_weights_back() -> None:
    value = nn.Parameter(torch.tensor([8.0]))
    average = Average({"value": value})
    with torch.no_grad():
        value.fill_(2.0)
    for step in range(200):
        average.update(keep_share(step, TrainOptions(ema=0.9)))
    assert float(average.values["value"]) == pytest.approx(2.0, abs=1e-5)
    average.values["value"].fill_(5.0)
    with average.in_place():
        assert float(value.detach()) == 5.0
    assert float(value.detach()) == 2.0


def test_terms_that_are_seldom_there_are_divided_by_how_often() -> None:
    meter = Meter()
    meter.add({"always": torch.tensor(1.0)})
    meter.add({"always": torch.tensor(3.0), "seldom": torch.tensor(5.0)})
    assert meter.means() == {"always": 2.0, "seldom": 5.0}
    other = Meter()
    other.load([meter.state(), meter.state()])
    assert other.means() == meter.means() and other.state()["seldom"] == (10.0, 2)


def test_a_journal_loses_what_comes_again_and_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "scalars.jsonl"
    for after in (0, 2):
        journal = Journal(path, after)
        for step in range(after + 1, after + 4):
            journal.write("train", step, {"loss": float("nan") if step == 2 else 1.0})
        journal.close()
    with path.open("a") as file:
        file.write('{"kind": "train", "st')
    assert [(line["step"], line["loss"]) for line in read_journal(path)] == [(1, 1.0), (2, None), (3, 1.0), (4, 1.0), (5, 1.0)]
    path.write_text("no json\n")
    with pytest.raises(FileError, match="no journal"):
        read_journal(path)


def test_without_tensorboard_a_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *, extra: str) -> None:
        raise log.DependencyError(f"'{module}' is not installed")

    monkeypatch.setattr(log, "require", missing)
    sink, sentence = board(tmp_path, 0)
    assert isinstance(sink, Nowhere) and "'tensorboard' is not installed; scalars.jsonl holds the same" in sentence


def test_tensorboard_gets_scalars_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    import numpy as np

    sink, sentence = board(tmp_path, 0)
    assert isinstance(sink, TensorBoard) and not sentence
    sink.scalars("train", 1, {"loss": 1.0})
    sink.picture(1, np.zeros((4, 4, 3), np.uint8))
    sink.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"train/loss" in written and b"panel" in written


def test_only_one_program_trains_in_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ConfigError, match="another program"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_tells_what_its_run_is(tmp_path: Path) -> None:
    assert read_about(tmp_path) is None
    write_about(tmp_path, {"stage": "scene"})
    assert read_about(tmp_path) == {"stage": "scene"}
    for wrong in ("[]", "{"):
        (tmp_path / "run.json").write_text(wrong)
        with pytest.raises(FileError, match="start a new run"):
            read_about(tmp_path)


def test_the_revision_of_a_folder_without_git_is_unknown(tmp_path: Path) -> None:
    assert revision(tmp_path) == {"revision": None, "dirty": None}


def test_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    lines = [{"kind": "train", "step": step, "loss": 1 / step} for step in range(1, 50)]
    lines += [{"kind": "validation", "step": 49, "loss": 0.1, "error": 3.0}, {"kind": "event", "step": 49, "what": "ended"}]
    (tmp_path / "scalars.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert draw_curves([tmp_path], tmp_path / "c.png") == ["loss", "error"]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert points(lines, "validation", "error") == ([49], [3.0])
    assert smoothed([1.0, 3.0]) == [1.0, 3.0] and smoothed([1.0] * 100) == [1.0] * 100
    for folder, file in ((tmp_path / "none", "c.png"), (tmp_path, "c.nothing")):
        with pytest.raises(ChrommError):
            draw_curves([folder], tmp_path / file)
