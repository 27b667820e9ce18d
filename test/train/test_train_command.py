"""`python -m chromm_ros train`: begin, go on, refuse, export; with a stage that pulls a few weights of a tiny network to 1."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chromm_ros import __main__ as cli
from chromm_ros.errors import ConfigError
from chromm_ros.model.checkpoint import read_card
from chromm_ros.model.config import ModelOptions, NetworkConfig
from chromm_ros.model.initialise import untrained
from chromm_ros.model.load import load_network
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.feed import Feed
from chromm_ros.train import begin
from chromm_ros.train.begin import VALIDATION_FIRST
from chromm_ros.train.export import _joined
from chromm_ros.train.folder import newest, read_about
from chromm_ros.train.log import read_journal
from chromm_ros.train.stage import Defaults, Start

CONFIG = ModelOptions(size="tiny").network()


@dataclass(frozen=True)
class Seeds:
    values: Tensor

    def to(self, device: torch.device) -> "Seeds":
        return self


class Pull:
    """Pulls parts of the network to 1."""

    def __init__(self, name: str, *parts: str) -> None:
        self.name, self.parts = name, parts

    defaults = Defaults(steps=4, batch=2, lr=0.1, warm_up=1)

    def at(self, config: NetworkConfig, *, begun: bool = False) -> "Pull":
        assert config == CONFIG
        return self

    def build(self, start: Start) -> nn.Module:
        return untrained(CONFIG, start.seed, mode="compose", detector=False)

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        return [(name, value) for name, value in network.named_parameters() if name.startswith(self.parts)]

    def batch(self, clips: list[Any], rng: np.random.Generator) -> Seeds:
        return Seeds(torch.tensor(clips))

    def losses(self, network: nn.Module, batch: Seeds, progress: float) -> dict[str, Tensor]:
        return {"far": sum((value - 1).square().mean() for _, value in self.trained(network))}  # type: ignore[dict-item]

    def measure(self, network: nn.Module, batch: Seeds) -> dict[str, float]:
        return {"first seed": float(batch.values[0])}

    def panel(self, network: nn.Module, batch: Seeds) -> np.ndarray:
        return np.zeros((2, 2, 3), np.uint8)


STAGES = {
    "scene": Pull("scene", "scene.register_token"),
    "human": Pull("human", "human.classifier", "human.perception"),
}


class SeedFeed(Feed):
    """Gives seeds instead of takes."""

    asked: list[int]

    def __init__(self, seeds: Iterator[int], *_: Any, **__: Any) -> None:
        self.seeds = seeds

    def __enter__(self) -> "SeedFeed":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __next__(self) -> int:  # type: ignore[override]
        self.asked.append(next(self.seeds))
        return self.asked[-1]


@pytest.fixture(autouse=True)
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """All seeds that were asked for."""
    monkeypatch.setattr(begin, "Feed", SeedFeed)
    monkeypatch.setattr(begin, "_stages", lambda: STAGES)
    SeedFeed.asked = []
    return SeedFeed.asked


def train(stage: str, folder: Path, *more: str) -> int:
    return cli.main(["train", stage, "--out", str(folder), "--size", "tiny", "--device", "cpu", *more])


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    assert cli.main(["train", *map(str, arguments)]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_run_begins_with_the_stages_defaults_and_goes_on_with_its_own(tmp_path: Path, seeds: list[int]) -> None:
    assert (
        train(
            "scene",
            tmp_path,
            "--steps",
            "3",
            "--set",
            "ema=0.5",
            "--set",
            "start.seed=3",
            "--set",
            "takes.views=2",
            "--set",
            "validation_clips=3",
        )
        == 0
    )
    about = read_about(tmp_path)
    assert about is not None
    assert about["options"] | {"steps": 3, "batch": 2, "lr": 0.1, "ema": 0.5} == about["options"] and about["takes"]["views"] == 2
    assert about["start"]["seed"] == 3 and about["options"]["seed"] == 0
    assert set(about) >= {"revision", "dirty", "torch", "hardware", "chromm_ros"}
    checkpoint = newest(tmp_path)
    assert checkpoint is not None and checkpoint.step == 3 and checkpoint.about == about
    assert sorted(seeds) == [*range(6), *range(VALIDATION_FIRST, VALIDATION_FIRST + 3)]
    assert train("scene", tmp_path, "--resume", "--steps", "5") == 0
    lines = [line for line in read_journal(tmp_path / "scalars.jsonl") if line["kind"] == "validation"]
    assert [line["step"] for line in lines] == [3, 5]
    assert max(seed for seed in seeds if seed < VALIDATION_FIRST) == 9


def test_blocks_are_compiled_where_that_is_asked_for(tmp_path: Path, seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    del seeds  # of toys
    compiled: list[Any] = []
    monkeypatch.setattr(begin, "compile_blocks", compiled.extend)
    assert train("scene", tmp_path / "plain", "--steps", "1") == 0 and not compiled
    assert train("scene", tmp_path / "compiled", "--steps", "1", "--compile") == 0 and len(compiled) > 10


def test_another_seed_sees_other_takes_and_none_that_is_held_out(tmp_path: Path, seeds: list[int]) -> None:
    train("scene", tmp_path, "--seed", "999", "--steps", "1")
    assert min(seeds) > 700_000_000 and not any(map(held_out.is_held_out, seeds))


def test_what_is_wrong_is_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ("scene", "--out", tmp_path, "--size", "tiny", "--device", "cpu", "--steps", "1")
    assert cli.main(["train", *map(str, run)]) == 0
    assert "holds a run already: add --resume" in refused(capsys, *run)
    assert "holds a run of stage scene, not human" in refused(capsys, "human", *run[1:], "--resume")
    assert "began with size 'tiny', not 'nano'" in refused(capsys, "scene", "--out", tmp_path, "--size", "nano", "--resume")
    other = ("scene", "--out", tmp_path / "other")
    assert "there is no stage 'dance', there are scene, human" in refused(capsys, "dance", *other[1:])
    assert "unknown setting 'emma'" in refused(capsys, *other, "--set", "emma=1")
    assert "unknown setting 'takes.vuews'" in refused(capsys, *other, "--set", "takes.vuews=1")
    assert "unknown setting 'start.wights'" in refused(capsys, *other, "--set", "start.wights=1")
    assert "size is 'huge', expected one of" in refused(capsys, *other, "--size", "huge")
    assert "device is 'abacus'" in refused(capsys, *other, "--device", "abacus")
    assert "only 900000000 takes" in refused(capsys, *other, "--steps", "900000000")
    assert "has no checkpoint yet" in refused(capsys, "export", tmp_path / "nothing", "--out", tmp_path / "x.safetensors")
    assert "expected one RUN" in refused(capsys, "export", "--out", tmp_path / "x.safetensors")
    assert "no journal of a run" in refused(capsys, "curve", tmp_path / "nothing")


def test_runs_become_one_file_that_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage in STAGES:
        assert train(stage, tmp_path / stage, "--seed", str(len(stage))) == 0
    file = tmp_path / "made.safetensors"
    assert cli.main(["train", "export", *(f"--{part}={tmp_path / part}" for part in STAGES), "--out", str(file)]) == 0
    assert "made, fuse and mask and pelvis and smpl untrained" in capsys.readouterr().out
    card = read_card(file)
    assert card is not None and card.kind == "chromm" and card.licence == "Apache-2.0"
    for words in (
        "Stage scene: 4 of 4 steps, 32 synthetic views of 224x168",
        "Stage human",
        "first seed",
        "Untrained",
        "from scratch",
        "Left out: Multi-HMR's own head",
    ):
        assert words in card.notes
    loaded = load_network(ModelOptions(checkpoint=str(file)))
    assert loaded.config == CONFIG and "untrained" in loaded.weights
    state = loaded.network.state_dict()
    drawn = untrained(CONFIG, 5, detector=False).state_dict()
    for stage, part in STAGES.items():
        checkpoint = newest(tmp_path / stage)
        assert checkpoint is not None
        for name, value in checkpoint.averaged.items():
            assert name.startswith(part.parts)
            if not name.startswith("human.perception"):  # CHROMM's own heads stand in for it
                assert torch.equal(state[name], value.bfloat16().float())
        assert any(not torch.equal(value, drawn[name]) for name, value in checkpoint.averaged.items() if name in drawn)
    assert torch.equal(state["mask.out.weight"], drawn["mask.out.weight"].bfloat16().float())


def test_sizes_of_inputs_may_differ_between_the_runs_of_one_file() -> None:
    wide = replace(CONFIG, human=replace(CONFIG.human, image_size=CONFIG.human.image_size + 14))
    near = replace(CONFIG, scene=replace(CONFIG.scene, pixels=CONFIG.scene.pixels // 2))
    joined = _joined({"scene": near, "human": wide})
    assert (joined.scene, joined.human, joined.people) == (near.scene, wide.human, CONFIG.people)
    deeper = replace(CONFIG, human=replace(CONFIG.human, depth=CONFIG.human.depth + 1))
    with pytest.raises(ConfigError, match=r"different sizes \(human depth"):
        _joined({"scene": CONFIG, "human": deeper})


def test_one_run_becomes_a_file_of_its_whole_network(tmp_path: Path) -> None:
    assert train("scene", tmp_path) == 0
    file = tmp_path / "made.safetensors"
    assert cli.main(["train", "export", str(tmp_path), "--out", str(file), "--name", "mine", "--note", "A remark."]) == 0
    card = read_card(file)
    assert card is not None and card.name == "mine, fuse and human and mask and pelvis and smpl untrained"
    assert card.notes.endswith("A remark.")


def test_a_branch_alone_serves_compose_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {}
    for stage in STAGES:
        assert train(stage, tmp_path / stage) == 0
        files[stage] = tmp_path / f"{stage}.safetensors"
        assert cli.main(["train", "export", str(tmp_path / stage), "--only", stage, "--out", str(files[stage])]) == 0
    assert "trained scene, nothing of human" in refused(
        capsys, "export", tmp_path / "scene", "--only", "human", "--out", tmp_path / "x"
    )
    loaded = load_network(ModelOptions(mode="compose", scene_weights=str(files["scene"]), human_weights=str(files["human"])))
    assert loaded.weights == "scene + human"
    checkpoint = newest(tmp_path / "human")
    assert checkpoint is not None
    state = loaded.network.state_dict()
    assert all(torch.equal(state[name], value.bfloat16().float()) for name, value in checkpoint.averaged.items())
