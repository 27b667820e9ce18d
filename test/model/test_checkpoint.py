"""Our own files: whole or not there, the same bytes for the same weights, strict both ways, found by path or name."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import save_file
from torch import nn

from chromm_ros.errors import FileError
from chromm_ros.model import checkpoint, weight_files
from chromm_ros.model.checkpoint import Card, digest, load_weights, read_card, save_weights
from chromm_ros.model.config import MULTIHMR, PI3X, SIZES
from chromm_ros.model.weight_files import find_weights

CARD = Card("mine", "human", asdict(MULTIHMR["672_S"]), licence="ours", notes="é, 三")


def layer(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def test_what_was_saved_comes_back_with_its_card(tmp_path: Path) -> None:
    save_weights(tmp_path / "new" / "a.safetensors", layer().state_dict(), CARD)
    card = read_card(tmp_path / "new" / "a.safetensors")
    assert card is not None and len(card.tensors_sha256) == 64
    assert replace(card, tensors_sha256="", config=CARD.config) == CARD
    assert card.sizes() == MULTIHMR["672_S"]
    assert (tmp_path / "new" / "a.safetensors").stat().st_mode & 0o777 == 0o644
    other = layer(1)
    assert load_weights(other, tmp_path / "new" / "a.safetensors") == "mine"
    assert all(torch.equal(value, layer().state_dict()[name]) for name, value in other.state_dict().items())
    assert other.weight.requires_grad


@pytest.mark.parametrize("sizes", [PI3X, *MULTIHMR.values(), *SIZES.values()])
def test_every_size_survives_its_card(tmp_path: Path, sizes: object) -> None:
    kind = {"SceneConfig": "scene", "HumanConfig": "human", "NetworkConfig": "chromm"}[type(sizes).__name__]
    save_weights(tmp_path / "a.safetensors", {}, Card("a", kind, asdict(sizes)))
    card = read_card(tmp_path / "a.safetensors")
    assert card is not None and card.sizes() == sizes


def test_the_same_weights_give_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    state = {f"layer{index}": torch.full((3,), float(index)) for index in range(20)}
    save_weights(tmp_path / "a", state, CARD)
    save_weights(tmp_path / "b", dict(reversed(state.items())), CARD)
    assert hashlib.sha256((tmp_path / "a").read_bytes()).digest() == hashlib.sha256((tmp_path / "b").read_bytes()).digest()
    save_weights(tmp_path / "c", state | {"layer3": torch.zeros(3)}, CARD)
    shas = {read_card(tmp_path / name).tensors_sha256 for name in "abc"}
    assert len(shas) == 2
    assert digest({"a": torch.zeros(2).half()}) != digest({"a": torch.zeros(2).bfloat16()}), "the same bytes of another type"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError("No space left on device")])
def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, layer().state_dict(), CARD)
    before = path.read_bytes()

    def break_off(_tensors, part: Path, **_more) -> None:
        part.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(safetensors.torch, "save_file", break_off)
    expected = FileError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        save_weights(path, layer(1).state_dict(), CARD)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_files_without_a_card_have_none_and_their_own_name(tmp_path: Path) -> None:
    save_file(layer().state_dict(), tmp_path / "plain.safetensors", metadata={"format": "pt"})
    assert read_card(tmp_path / "plain.safetensors") is None
    assert load_weights(layer(1), tmp_path / "plain.safetensors") == "plain"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "cat"}, "kind is 'cat', expected one of chromm, scene, human"),
        ({"kind": ["human"]}, "expected text"),
        ({"stranger": 1}, "stranger"),
        ({"name": "\x1b[2Jmine"}, r"name is '\x1b[2Jmine', expected printable text"),
        ({"config": {"\x1b[2J\n": 1}}, r"\x1b[2J\n is unknown"),
        ({"config": []}, "its config is no mapping"),
        ({"kind": "chromm", "config": {"scene": 1, "human": {}, "people": {}}}, "scene is 1, expected a mapping"),
        ({"config": asdict(MULTIHMR["672_S"]) | {"wings": 2}}, "wings is unknown"),
        ({"config": {"dim": 10**9}}, "dim is 1000000000, expected 1 to 4096"),
        ({"config": {"dim": 384.0}}, "dim is 384.0, expected int"),
        ({"config": {"depth": True}}, "depth is True, expected int"),
        ({"config": {"dim": 385, "heads": 6}}, "dim is 385, expected a multiple of heads"),
        ({"config": {"image_size": 100}}, "expected a multiple of 14"),
        ({"kind": "chromm", "config": {"scene": asdict(PI3X)}}, "human is missing"),
        ({"kind": "scene", "config": {"inject_after": [99]}}, "inject_after"),
        ({"kind": "scene", "config": {"up_channels": [64, 32]}}, "up_channels"),
        ({"kind": "scene", "config": {"dim": 100}}, "dim is 100, expected a multiple of 4 x heads"),
    ],
)
def test_a_damaged_card_is_told_in_one_sentence(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    text = json.dumps(asdict(CARD) | changes)
    save_file(layer().state_dict(), tmp_path / "a.safetensors", metadata={checkpoint.KEY: text})
    with pytest.raises(FileError, match=r"the card of '.*a.safetensors' is damaged or newer") as told:
        read_card(tmp_path / "a.safetensors")
    assert sentence in str(told.value)


def test_files_of_another_network_name_the_first_differences(tmp_path: Path) -> None:
    weights = {"weight": torch.zeros(2, 4), "scale": torch.zeros(1), "a": torch.zeros(1), "b": torch.zeros(1)}
    save_file(weights, tmp_path / "a.safetensors")
    sentence = r"another network: missing bias; unknown a; unknown b and 2 more; set model.size and model.human_size"
    with pytest.raises(FileError, match=sentence):
        load_weights(layer(), tmp_path / "a.safetensors")
    before = layer()
    save_file({"weight": torch.ones(2, 3), "bias": torch.zeros(2, dtype=torch.int64)}, tmp_path / "b.safetensors")
    with pytest.raises(FileError, match="bias is I64, expected BF16, F16, F32"):
        load_weights(before, tmp_path / "b.safetensors")
    assert torch.equal(before.weight, layer().weight), "nothing is filled by a file that does not fit"


def test_half_precision_becomes_float32_in_memory_and_parts_can_be_left_out(tmp_path: Path) -> None:
    state = {name: value.bfloat16() for name, value in layer().state_dict().items()}
    save_weights(tmp_path / "a", state | {"head.weight": torch.zeros(9)}, CARD)
    other = layer(1)
    load_weights(other, tmp_path / "a", leave_out=("head.",))
    assert other.weight.dtype == torch.float32 and torch.equal(other.weight, state["weight"].float())
    with pytest.raises(FileError, match=r"unknown head.weight; it is damaged"):
        load_weights(other, tmp_path / "a")


def test_weights_are_found_by_path_by_name_and_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    monkeypatch.setenv("CHROMM_WEIGHTS", str(mine))
    monkeypatch.setattr(weight_files, "SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    for folder in (mine, shipped):
        save_weights(folder / "a.safetensors", {}, CARD)
    save_weights(shipped / "b.safetensors", {}, CARD)
    assert find_weights("a") == mine / "a.safetensors"
    assert find_weights("b") == shipped / "b.safetensors"
    assert find_weights("shipped/b.safetensors") == Path("shipped/b.safetensors")
    with pytest.raises(
        FileError, match=rf"'c' does not exist, nor are there weights of that name in {mine} or {shipped}: .*weights list"
    ):
        find_weights("c")
    with pytest.raises(FileError, match=r"'../shipped/b' does not exist: `python -m chromm_ros weights list`"):
        find_weights("../shipped/b")
    monkeypatch.delenv("CHROMM_WEIGHTS")
    assert weight_files.weights_folder() == Path.home() / ".cache/chromm_ros/weights"


def test_what_lies_in_the_working_directory_does_not_stand_in_for_named_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CHROMM_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    save_weights(tmp_path / "store" / "pi3x.safetensors", {}, CARD)
    (tmp_path / "pi3x").touch()
    with pytest.warns(
        UserWarning, match=r"'pi3x' names weights and a file here: '.*store/pi3x.safetensors' is taken; write './pi3x'"
    ):
        assert find_weights("pi3x") == tmp_path / "store" / "pi3x.safetensors"
    assert find_weights("./pi3x") == Path("pi3x")


def test_names_that_no_file_can_have_are_told_in_one_sentence() -> None:
    with pytest.raises(FileError, match=r"cannot be looked at .*expected a readable file or a name of weights"):
        find_weights("a" * 5000)
    with pytest.raises(FileError, match="is not a whole safetensors file"):
        read_card("a" * 5000)
