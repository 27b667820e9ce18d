"""Ablations: variants see the same takes, ask the network once, and are told apart by what happens after it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chromm_ros import __main__ as cli
from chromm_ros.config import ChrommConfig
from chromm_ros.evaluate import ablations
from chromm_ros.evaluate.ablations import ablate, seen_by, table
from chromm_ros.evaluate.remembered import Remembered
from chromm_ros.evaluate.takes import window_of
from chromm_ros.evaluate.told import Told
from chromm_ros.evaluate.variants import STEPS, STREAM, Group, Variant, groups
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.predictor import Predictor
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.world.take import TakeOptions

OPTIONS = ModelOptions(checkpoint="untrained", device="cpu", score_min=0.0, max_people=2)
FEW = (
    Group("fusion", "W-MPJPE mm", (
        Variant("triangulate", views=2, steps=2, newest=2),
        Variant("max-pool", views=2, steps=2, newest=2, settings={"fusion": {"mode": "maxpool_triangulate"}}),
        Variant("average", views=2, steps=2, newest=2, settings={"fusion": {"mode": "average"}}),
    )),
    Group("known", "W-MPJPE mm", (Variant("all", views=2, steps=2, newest=2), Variant("one camera", views=1, steps=2, newest=2))),
)  # fmt: skip  # groups side by side


@pytest.fixture(scope="module")
def takes() -> list[Clip]:
    options = TakeOptions(views=2, people_min=2, people_max=2, photo=False, rig="room")
    return [clip(seed, options, 2, 0.1) for seed in held_out.SEEDS[:2]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(OPTIONS)


def test_variants_after_the_network_ask_it_once(predictor: Predictor, takes: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    infer = Predictor.infer
    monkeypatch.setattr(Predictor, "infer", lambda self, batch, keep=False: asked.append(batch) or infer(self, batch, keep=keep))
    lines = [line for line in ablate(ChrommConfig(model=OPTIONS), predictor, takes, FEW) if line is not None]
    assert len(asked) == 2 * len(takes), "two cameras and one, for each take"
    assert [(line.group, line.variant.name) for line in lines] == [(g.title, v.name) for g in FEW for v in g.variants]
    first, pooled, average, again, _ = lines
    assert first.scores["head F1"] == pooled.scores["head F1"] == average.scores["head F1"], "the network said the same"
    np.testing.assert_equal(dict(first.scores), dict(again.scores))
    assert first.difference is None and again.difference is None
    assert pooled.config["fusion"]["mode"] == "maxpool_triangulate" and first.config["fusion"]["mode"] == "average_triangulate"
    text = table(lines, "title")
    assert text.count("\n") == 5 + len(lines) and "| fusion | triangulate |" in text
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines()[4:-2]]
    shown = [row for row, line in zip(rows, lines, strict=True) if not line.same_as]
    assert all(len(row) == 11 and all(row[1:]) for row in shown), "no cell without a value or a reason"
    assert [row[-4:-1] for row in shown if row[1] == "one camera"] == [["one camera"] * 3]
    assert "(an interval needs 5 takes)" in text or "no take has a value in both" in text
    assert [line.same_as for line in lines] == ["", "", "", "fusion: triangulate", ""]
    assert "| known | all |  |  |  |  |  |  |  |  | as fusion: triangulate |" in text, "shown once"


def test_a_remembered_answer_is_that_of_its_window(predictor: Predictor, takes: list[Clip]) -> None:
    remembered = Remembered(predictor)
    windows = [window_of(takes[0], Told()), window_of(takes[0], Told(poses=False)), window_of(takes[1], Told(), 1)]
    for window in (*windows, windows[0]):
        said = remembered.infer(remembered.prepare(window))
        assert said is remembered.infer(remembered.prepare(window))
        np.testing.assert_array_equal(said.points, predictor.infer(predictor.prepare(window)).points)


def test_heads_are_found_by_all_images_or_by_each_alone(takes: list[Clip]) -> None:
    """One network, asked twice."""
    names = {"all images": {}, "alone": {"model": {"support": 0.0}}, "more": {"model": {"support": 2.0}}}
    group = Group(
        "heads", "head F1", tuple(Variant(name, views=2, steps=2, settings=settings) for name, settings in names.items())
    )
    options = ModelOptions(device="cpu")
    predictor = Predictor(options)
    lines = [line for line in ablate(ChrommConfig(model=options), predictor, takes, (group,)) if line is not None]
    assert [line.config["model"]["support"] for line in lines] == [0.5, 0.0, 2.0]
    asked = window_of(takes[0], Told())
    scores = [Remembered(predictor, support).infer(predictor.prepare(asked)).person_score for support in (0.5, 0.0, 2.0)]
    alone = Predictor(replace(options, support=0.0)).infer(predictor.prepare(asked)).person_score
    np.testing.assert_array_equal(scores[1], alone)
    assert all(len(one) != len(alone) or bool((one != alone).any()) for one in (scores[0], scores[2]))


def test_the_first_cameras_of_a_take_are_the_take_with_fewer(takes: list[Clip]) -> None:
    one = seen_by(takes[0], 1)
    for moment, whole in zip(one, takes[0], strict=True):
        assert len(moment.images) == len(moment.visible) == len(moment.world_from_cam) == len(moment.head_pixel) == 1
        np.testing.assert_array_equal(moment.depth[0], whole.depth[0])
        np.testing.assert_array_equal(moment.joints, whole.joints)


def test_groups_ask_what_the_paper_asks_and_more() -> None:
    assert len({group.title for group in groups()}) == len(groups())
    assert [len(g.variants) for g in groups(STREAM)] == [2, 2, 3, 3, 6, 3, 3, 2] and groups(16)[5].variants[-1].steps == 8
    for group in groups():
        assert len({variant.name for variant in group.variants}) == len(group.variants) > 1
        assert len({variant.newest for variant in group.variants}) == 1, "a group counts the same moments"
        assert all((variant.newest or 1) >= 1 and (variant.steps or STEPS) <= STEPS for variant in group.variants)
        config = ChrommConfig()
        for variant in group.variants:
            for name, values in variant.settings.items():
                replace(getattr(config, name), **values)


def test_the_command_writes_table_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ablations, "groups", lambda steps: FEW[1:] if steps == 4 else FEW)
    asked = ["eval", "ablations", "--weights", "untrained", "--count", "1", "--steps", "4"]
    assert cli.main([*asked, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "ablations.md").read_text() in capsys.readouterr().out
    text = (tmp_path / "ablations.md").read_text()
    assert (
        "\nWeights `untrained`, device " in text
        and ", precision " in text
        and "| one scene, 4 views, 1 step, 3 people, warm |" in text
    )
    assert "| CHROMM | 70.6 | 48.5 | quoted | pose |" in text
    content = json.loads((tmp_path / "ablations.json").read_text())
    assert content["runtime"][0]["unit"] == "s" and content["made"]["revision"]
    assert content["made"]["count"] == 1 and content["lines"][0]["config"]["fusion"]["mode"] == "average_triangulate"
    assert cli.main(["eval", "ablations", "--weights", "untrained", "--count", "99"]) == 1
    assert "--count is 99, expected 1 to 64" in capsys.readouterr().err
    assert cli.main(["eval", "ablations", "--weights", "untrained", "--steps", "3"]) == 1
    assert "--steps is 3, expected at least 4" in capsys.readouterr().err
