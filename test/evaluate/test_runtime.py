"""Runtime: the scene is the paper's, only warm calls count, and percentiles are what they say."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chromm_ros.config import ChrommConfig
from chromm_ros.evaluate import runtime, speed
from chromm_ros.made_with import hardware, precision, revision
from chromm_ros.pipeline import Pipeline
from chromm_ros.records import Window
from chromm_ros.synthetic.feed import clip


class Slow(Pipeline):
    """In the chain's place: it is slow once, and remembers what it saw."""

    def __init__(self) -> None:  # nothing is loaded
        self.windows: list[Window] = []
        self.config = ChrommConfig()
        self.predictor = SimpleNamespace(device="cpu", weights="nano")  # type: ignore[assignment]  # all that is asked for

    def __call__(self, window: Window) -> Any:
        self.windows.append(window)
        time.sleep(0.3 if len(self.windows) == 1 else 0.01)
        return SimpleNamespace(timings_ms={"infer": 100.0 if len(self.windows) == 1 else 7.0}, people=(1, 2, 3))


def test_the_papers_scene_warm() -> None:
    assert (runtime.SCENE.views, runtime.SCENE.people_min, runtime.SCENE.people_max) == (4, 3, 3)
    slow, moments = Slow(), clip(runtime.SEED, replace(runtime.SCENE, width=64, height=48), 1, 0.1)
    whole, part, found = runtime.one_scene(slow, 3, moments)
    assert whole.name == "one scene, 4 views, 1 step, 3 people, warm" and (whole.unit, whole.count) == ("s", 3)
    assert 0.01 <= (whole.value or 0.0) < 0.2 and (part.name, part.value) == ("of it infer", 7.0) and found.value == 3.0
    assert len(slow.windows) == 4 and len({window.epoch for window in slow.windows}) == 4
    frames = [frame for window in slow.windows for s in window.sets for frame in s.frames]
    assert len({id(frame) for frame in frames}) == 16, "no frame twice: features of known ones are kept"
    assert all(
        f is not None and f.intrinsics is None and f.world_from_cam is None and f.image.shape == (48, 64, 3) for f in frames
    )


def test_percentiles() -> None:
    scores = runtime.latency(np.append(np.arange(1.0, 101.0), np.nan))
    assert [score.value for score in scores] == pytest.approx([50.5, 95.05, 99.01, 100.0]) and scores[0].count == 100
    (none,) = runtime.latency(np.zeros(0))
    assert none.value is None and none.reason == "no result has a time"


def test_what_computed_is_named() -> None:
    said = ChrommConfig().model.precision
    assert (
        precision(said, "cpu") == "float32"
        and precision(said, "cuda:0") == "bfloat16"
        and precision("float32", "cuda:0") == "float32"
    )
    assert hardware("cpu").startswith("cpu (") and "thread" in hardware("cpu")
    about = runtime.about(Slow())
    assert set(about) == {"config", "weights", "device", "precision", "revision"} and about["config"]["window"]["length"] > 0


def test_no_repository_no_commit(tmp_path: Any) -> None:
    assert "(" not in revision(tmp_path)


def test_metrics_are_quick() -> None:
    """A tenth of what has to take less than a second, with room for a busy machine."""
    spent = speed.measure(1000, 10, repeats=2)
    assert len(spent) == 16 and sum(spent.values()) < 0.5
