"""What cannot be scored or written is one sentence before the chain runs, and no report stays beside results that it is not of."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chromm_ros.__main__ import main
from chromm_ros.config import ChrommConfig
from chromm_ros.data.bag import BagReader
from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.errors import FileError
from chromm_ros.evaluate import bag, place
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.found import read_results
from chromm_ros.evaluate.outcome import Outcome
from chromm_ros.pipeline import Pipeline
from chromm_ros.records import Reconstruction, Window

TAKE = Path(__file__).resolve().parents[1] / "data" / "synthetic_take"
BODIES = "chromm_ros/msg/SmplxBodyArray"


def truth_like(path: Path, change: Callable[[Any], None]) -> Path:
    """The truth of the bundled take, each message changed, without any transform."""
    with BagReader(TAKE) as there, BagWriter(path) as out:
        for message in there.messages(["/truth/bodies"]):
            content = there.deserialize(message)
            change(content)
            out._write("/truth/bodies", BODIES, message.stamp_ns, content)
    return path


def few_joints(content: Any) -> None:
    for body in content.bodies:
        body.joints, body.joint_scores = body.joints[:60], body.joint_scores[:20]


def later(content: Any) -> None:
    content.header.stamp.nanosec += 1


def elsewhere(content: Any) -> None:
    content.header.frame_id = "map"


def test_the_chain_is_warm_before_the_first_window(tmp_path: Path) -> None:
    done: list[str] = []

    class Chain(Pipeline):
        def __init__(self) -> None:
            self.config, self.body = ChrommConfig(), SimpleNamespace(gender="neutral", kind="free")
            self.predictor = SimpleNamespace(weights="w", device="cpu")

        def warm_up(self, views: int, *_: int) -> None:
            done.append(f"warm for {views}")

        def __call__(self, _: Window) -> Reconstruction:
            raise RuntimeError("it was asked")

    with pytest.raises(RuntimeError, match="it was asked"):
        bag.evaluate(BagSequence(TAKE, cameras=["cam1", "cam2"]), ChrommConfig(), tmp_path / "out", Chain())
    assert done == ["warm for 2"]


@pytest.fixture
def no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads a network has begun to compute."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the chain was loaded")

    monkeypatch.setattr("chromm_ros.pipeline.Pipeline.__init__", forbidden)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (few_joints, r"says model_type 'smplx' and has 60 numbers of joints and 20 joint_scores, expected 3 x 55 and 55"),
        (later, r"60 stamps of the images of .* \(1700000000\.000000000 to .* and 60 stamps of the truth .* no stamp in common"),
        (elsewhere, "truth is in 'map', the results will be in 'world', and /tf and /tf_static tell of no camera"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_before_the_chain_runs(
    change: Callable[[Any], None], said: str, no_chain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, out = truth_like(tmp_path / "truth", change), tmp_path / "out"
    place.folder(out)
    (out / "report.json").write_text("an earlier run")
    assert main(["eval", "bag", str(TAKE), "--truth", str(truth), "--out", str(out)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1
    assert re.search(said, told), told
    assert [path.name for path in out.iterdir()] == ["report.json"], "what was not begun takes nothing away"


@pytest.mark.parametrize("where", ["file", "/proc/nope"])
def test_a_folder_that_cannot_be_is_one_sentence(
    where: str, no_chain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / where
    for verb in (["bag", str(TAKE)], ["result", str(TAKE), "--truth", str(TAKE)], ["ablations"]):
        assert main(["eval", *verb, "--out", str(out)]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"error: '{out}' cannot be written: ") and told.count("\n") == 1, verb
    assert main(["eval", "takes", "--json", str(out / "takes.json")]) == 1
    assert f"error: '{out}/takes.json' cannot be written: " in capsys.readouterr().err
    with pytest.raises(FileError, match="cannot be made"), BagWriter(out / "bag"):
        pass


def test_a_place_is_tried_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    assert place.file(tmp_path / "old").read_text() == "kept"
    assert not place.file(tmp_path / "a" / "new").exists() and list(place.folder(tmp_path / "a").iterdir()) == []


def test_an_earlier_report_is_gone_before_new_results_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    stamps = np.arange(3, dtype=np.int64)
    made = {"title": "t", "config": {}, "weights": "w", "device": "d", "precision": "p", "revision": "r"}
    Outcome(**made, latency_ms=stamps.astype(np.float64)).write(tmp_path)
    (tmp_path / "mine.png").touch()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "results.mcap").touch()
    assert {path.name for path in tmp_path.iterdir()} > {"report.md", "report.json", "latency.png"}
    assert bag.room(tmp_path) == tmp_path / "results"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]


def test_recorded_results_without_a_common_stamp_are_refused_with_both_spans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def renamed(content: Any) -> None:
        content.header.stamp.sec += 7

    with BagReader(TAKE) as there, BagWriter(tmp_path / "results") as out:
        for message in there.messages(["/truth/bodies"]):
            content = there.deserialize(message)
            renamed(content)
            out._write("/chromm/bodies", BODIES, message.stamp_ns, content)
    assert len(read_results(tmp_path / "results").moments) == 60
    assert main(["eval", "result", str(tmp_path / "results"), "--truth", str(TAKE), "--out", str(tmp_path / "out")]) == 1
    assert "60 stamps of the results" in capsys.readouterr().err
