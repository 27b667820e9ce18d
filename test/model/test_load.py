"""The one way in: which network a user's options make, what fills it, and what its weights are called."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model import weight_files
from chromm_ros.model.checkpoint import Card, save_weights
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import SIZES, HumanConfig, ModelOptions
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.initialise import draw, untrained
from chromm_ros.model.load import load_network, settled
from chromm_ros.model.scene_branch import IMAGE_MEAN, SceneBranch

TINY = SIZES["tiny"]
AUTO = ModelOptions(device="cpu")


def drawn(network: nn.Module) -> dict[str, torch.Tensor]:
    draw(network, 7)
    return network.state_dict()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder / "whole.safetensors", drawn(Chromm(TINY)), Card("whole", "chromm", asdict(TINY)))
    save_weights(folder / "pi3x.safetensors", drawn(SceneBranch(TINY.scene)), Card("pi3x", "scene", asdict(TINY.scene)))
    save_weights(folder / "hmr.safetensors", drawn(MultiHmr(TINY.human)), Card("hmr", "human", asdict(TINY.human)))
    return folder


@pytest.fixture(autouse=True)
def named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMM_WEIGHTS", str(folder))


def holds(module: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    ours = module.state_dict()
    return bool(ours) and all(torch.equal(value, state[name]) for name, value in ours.items())


def test_without_files_everything_is_untrained() -> None:
    for mode, kind in (("chromm", Chromm), ("compose", Composed)):
        loaded = load_network(replace(AUTO, mode=mode, size="tiny", seed=3))
        assert type(loaded.network) is kind
        assert (loaded.config, loaded.weights) == (TINY, "untrained")
        assert holds(loaded.network, untrained(TINY, 3, "cpu", mode).state_dict())


def test_nothing_said_means_the_weights_that_ship(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "SHIPPED", tmp_path)
    assert settled(AUTO).checkpoint == "", "this copy of the package ships none"
    (tmp_path / "nano.safetensors").write_bytes((folder / "whole.safetensors").read_bytes())
    assert load_network(AUTO).weights == "whole"
    assert settled(replace(AUTO, size="nano")).checkpoint == str(tmp_path / "nano.safetensors")
    drawn_instead: tuple[dict[str, str], ...] = (
        {"checkpoint": "untrained"}, {"size": "tiny"}, {"mode": "compose"}, {"scene_weights": "pi3x"}, {"human_weights": "hmr"},
    )  # fmt: skip  # each alone
    for given in drawn_instead:
        assert settled(replace(AUTO, **given)).checkpoint == "", given
    assert load_network(replace(AUTO, size="tiny")).weights == "untrained"
    assert (
        load_network(replace(AUTO, checkpoint="untrained", size="tiny", scene_weights="pi3x")).weights == "pi3x, people untrained"
    )


def test_a_checkpoint_fills_the_whole_network_and_tells_its_size() -> None:
    loaded = load_network(replace(AUTO, checkpoint="whole", scene_pixels=9000, human_size=140))
    assert loaded.weights == "whole"
    assert loaded.config.scene == replace(TINY.scene, pixels=9000)
    assert loaded.config.human == replace(TINY.human, image_size=140)
    assert holds(loaded.network, drawn(Chromm(TINY)))
    assert not loaded.network.training and not any(value.requires_grad for value in loaded.network.parameters())
    assert not any(value.is_meta for value in (*loaded.network.parameters(), *loaded.network.buffers()))
    assert loaded.network.human.image_mean.flatten().tolist() == pytest.approx(IMAGE_MEAN), (
        "not in the file, and there all the same"
    )
    assert load_network(replace(AUTO, checkpoint="whole", size="tiny")).config == TINY


@pytest.mark.parametrize(
    ("mode", "given", "name"),
    [
        ("chromm", {"scene_weights": "pi3x"}, "pi3x, people untrained"),
        ("chromm", {"human_weights": "hmr"}, "hmr, scene and heads untrained"),
        ("chromm", {"scene_weights": "pi3x", "human_weights": "hmr"}, "pi3x + hmr, heads untrained"),
        ("compose", {"scene_weights": "pi3x"}, "pi3x, people untrained"),
        ("compose", {"human_weights": "hmr"}, "hmr, scene untrained"),
        ("compose", {"scene_weights": "pi3x", "human_weights": "hmr"}, "pi3x + hmr"),
    ],
)
def test_branches_are_filled_apart_and_the_name_says_what_is_untrained(mode: str, given: dict[str, str], name: str) -> None:
    loaded = load_network(replace(AUTO, mode=mode, **given))
    assert loaded.weights == name
    assert type(loaded.network) is (Chromm if mode == "chromm" else Composed)
    nano = SIZES["nano"]
    assert loaded.config.scene == (TINY.scene if "scene_weights" in given else nano.scene)
    assert loaded.config.human == (TINY.human if "human_weights" in given else nano.human)
    assert holds(loaded.network.scene, drawn(SceneBranch(TINY.scene))) == ("scene_weights" in given)
    if "human_weights" in given:
        assert holds(loaded.network.human, drawn(MultiHmr(TINY.human)))
    assert isinstance(loaded.network.human, MultiHmr) == (mode == "compose")
    assert loaded.network.human.image_mean.flatten().tolist() == pytest.approx(IMAGE_MEAN)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"mode": "compose", "checkpoint": "whole"},
            "checkpoint is 'whole', but mode compose runs scene_weights and human_weights",
        ),
        ({"checkpoint": "whole", "scene_weights": "pi3x"}, "checkpoint is 'whole', which holds the whole network"),
        ({"scene_weights": "hmr"}, r"which holds a human branch \(Multi-HMR\), expected a scene branch \(Pi3X\)"),
        ({"human_weights": "whole"}, "which holds the whole network, expected a human branch"),
        ({"checkpoint": "pi3x"}, r"which holds a scene branch \(Pi3X\), expected the whole network"),
        (
            {"checkpoint": "whole", "size": "nano"},
            "size is nano, but 'whole' was made for another: scene dim 48, expected 128; set size",
        ),
        ({"human_weights": "hmr", "size": "full"}, "size is full, but 'hmr' was made for another: human dim 48, expected 1024"),
        ({"mode": "compose", "human_weights": "hmr", "human_size": 140}, "the people's head of 'hmr' belongs to images of 112"),
    ],
)
def test_options_that_contradict_one_another_or_a_card(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_network(replace(AUTO, **given))


def test_human_images_of_another_size_are_no_matter_without_multi_hmrs_head() -> None:
    loaded = load_network(replace(AUTO, human_weights="hmr", human_size=140))
    assert loaded.config.human == replace(TINY.human, image_size=140)
    assert loaded.network.human.encode(torch.zeros(1, 3, 140, 140)).shape == (1, 100, 48)


def test_files_that_do_not_fit_their_card_or_have_none(tmp_path: Path, folder: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    state = drawn(Chromm(TINY))
    save_weights(bad, {name: value for name, value in state.items() if "metric" not in name}, Card("bad", "chromm", asdict(TINY)))
    with pytest.raises(FileError, match=r"'.*bad.safetensors' was made for another network: missing scene.metric_token"):
        load_network(replace(AUTO, checkpoint=str(bad)))
    save_weights(bad, drawn(MultiHmr(TINY.human)), Card("bad", "human", asdict(HumanConfig())))
    with pytest.raises(FileError, match="made for another network"):
        load_network(replace(AUTO, mode="compose", scene_weights="pi3x", human_weights=str(bad)))
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in drawn(SceneBranch(TINY.scene)).items()}, bad)
    with pytest.raises(FileError, match=r"has no card: import the published file, `python -m chromm_ros weights import"):
        load_network(replace(AUTO, scene_weights=str(bad)))
    with pytest.raises(FileError, match="nor are there weights of that name"):
        load_network(replace(AUTO, checkpoint="nothing"))


def test_a_file_that_does_not_fit_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("memory was taken for a file that does not fit")

    save_weights(tmp_path / "bad.safetensors", {}, Card("bad", "chromm", asdict(TINY)))
    monkeypatch.setattr(nn.Module, "to_empty", fail)
    with pytest.raises(FileError, match="made for another network"):
        load_network(replace(AUTO, checkpoint=str(tmp_path / "bad.safetensors")))
