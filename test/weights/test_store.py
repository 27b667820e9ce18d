"""Published files in, by the command line as a user meets it; and our own files looked at and checked."""

import hashlib
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model.reference import arrays, assert_same, golden, in_the_world
from safetensors.torch import load_file, save_file
from weights.files import HUMAN, SCENE, arguments, multihmr, pi3x, write_multihmr, write_pi3x

from chromm_ros.__main__ import main
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.checkpoint import Card, read_card, save_weights
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import MULTIHMR, PI3X, SIZES, ModelOptions
from chromm_ros.model.human_branch import detect
from chromm_ros.model.load import load_network
from chromm_ros.weights import store
from chromm_ros.weights.catalogue import PUBLISHED
from chromm_ros.weights.published import Published
from chromm_ros.weights.store import card_of, import_published, recognise, verify


def run(*arguments: object) -> int:
    return main(["weights", *map(str, arguments)])


@pytest.fixture
def pi3x_is_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the published Pi3X were as small as our tests' files."""
    small = tuple(replace(each, config=SCENE) if each.name == "pi3x" else each for each in PUBLISHED)
    monkeypatch.setattr(store, "PUBLISHED", small)


def test_pi3x_comes_in_with_its_licence_and_the_network_runs_on_it(tmp_path: Path, folder: Path, pi3x_is_tiny, capsys) -> None:
    file = write_pi3x(tmp_path / "model.safetensors")
    assert run("import", file) == 0
    said = capsys.readouterr().out
    card = read_card(folder / "pi3x.safetensors")
    assert card is not None
    assert (card.name, card.kind, card.sha256) == ("pi3x", "scene", hashlib.sha256(file.read_bytes()).hexdigest())
    assert card.sizes() == SIZES["tiny"].scene
    for text in (card.sha256, "CC BY-NC 4.0", "non-commercial use only", "width 48", "model.scene_weights: pi3x"):
        assert text in said
    network = load_network(ModelOptions(scene_weights="pi3x")).network
    assert all(torch.equal(value, pi3x()[name]) for name, value in network.scene.state_dict().items())
    before = (folder / "pi3x.safetensors").stat()
    assert run("import", file) == 0, "a second time changes nothing"
    assert (folder / "pi3x.safetensors").stat() == before
    assert run("import", write_pi3x(tmp_path / "model.safetensors", seed=2)) == 1
    assert "is there already, from another file" in capsys.readouterr().err


def test_the_name_is_the_published_one_where_file_or_size_tell_it(tmp_path: Path) -> None:
    def name(size, file: str, given: str = "") -> tuple[str, bool]:
        card = card_of(Published("human", size, {}), Path(file), given, "")
        return card.name, "NAVER" in card.licence

    assert name(MULTIHMR["672_S"], "download.pt") == ("multiHMR_672_S", True)
    larger = replace(MULTIHMR["896_L"], image_size=1288)
    assert name(larger, "multihmr_1288_l_agora.pt") == ("multiHMR_1288_L_agora", True)
    assert name(larger, "download.pt") == ("download", False), "two are published of this size"
    assert name(MULTIHMR["896_L"], "x.pt", "mine-2") == ("mine-2", True)
    assert name(HUMAN, "small.pt") == ("small", False), "a file of a size that nobody publishes is given nobody's licence"
    for wrong in ("../x", "a b", ".x", "x.safetensors"):
        with pytest.raises(ConfigError, match="expected letters, digits"):
            name(HUMAN, "small.pt", wrong)


def test_neither_a_name_nor_a_kind_makes_a_file_a_published_one(tmp_path: Path, folder: Path, capsys) -> None:
    assert recognise(Published("human", MULTIHMR["896_L"], {}), Path("multiHMR_672_S.pt")).name == "multiHMR_896_L"
    assert recognise(Published("scene", replace(PI3X, conditioned=False), {}), Path("x.safetensors")).name == "pi3x"
    for size, file in ((HUMAN, "multiHMR_896_L.pt"), (SCENE, "pi3x.safetensors")):
        with pytest.raises(ConfigError, match=r"has the name of a published file, but not its size: .* --name"):
            card_of(Published("any", size, {}), Path(file), "", "")
    assert run("import", write_pi3x(tmp_path / "model.safetensors")) == 0
    card = read_card(folder / "model.safetensors")
    assert card is not None and card.source.startswith("unknown: ") and card.licence.startswith("unknown: ") and not card.allows
    assert run("list") == 0
    assert "GB  imported" not in capsys.readouterr().out


def test_inspect_and_verify_look_at_published_files_and_ours(tmp_path: Path, folder: Path, capsys) -> None:
    file = write_multihmr(tmp_path / "small.pt")
    for command in ("inspect", "verify"):
        assert run(command, file) == 0
    said = capsys.readouterr().out
    count = sum(value.numel() for value in multihmr().values())
    for text in (
        "Multi-HMR, width 48, 2 blocks, images of 112 pixels, 3 heads",
        f"{count:,} float32",
        "no arguments",
        "not imported",
    ):
        assert text in said
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said
    assert run("import", file, "--name", "mine") == 0
    for command in ("inspect", "verify"):
        assert run(command, "mine") == 0
    said = capsys.readouterr().out
    assert "unknown: ask whoever made the file" in said and "no arguments in the file" in said and "is the card's" in said
    (folder / "broken.safetensors").write_bytes(b"half")
    assert run("list") == 0
    said = capsys.readouterr().out
    assert str(folder) in said and "  mine " in said and "can be fetched" in said and "broken.safetensors' is not a whole" in said
    assert run("inspect", "nothing") == 1
    assert "nor are there weights of that name" in capsys.readouterr().err


def test_verify_sees_a_changed_value_a_nan_and_another_size(tmp_path: Path) -> None:
    config = SIZES["nano"]
    state = Chromm(config).state_dict()
    whole = Card("mine", "chromm", asdict(config))
    save_weights(tmp_path / "a.safetensors", state, whole)
    assert verify(str(tmp_path / "a.safetensors")).parameters == sum(value.numel() for value in state.values())
    content = bytearray((tmp_path / "a.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "b.safetensors").write_bytes(content)
    with pytest.raises(FileError, match=r"b.safetensors' was changed after it was written"):
        verify(str(tmp_path / "b.safetensors"))
    broken = {name: value.clone() for name, value in state.items()}
    broken["scene.metric_token"][0, 0, 3] = torch.nan
    broken["fuse.fc1.bias"][0] = torch.inf
    save_weights(tmp_path / "c.safetensors", broken, whole)
    with pytest.raises(
        FileError, match=r"fuse.fc1.bias holds NaN or infinity; scene.metric_token holds NaN or infinity; fetch it again"
    ):
        verify(str(tmp_path / "c.safetensors"))
    save_weights(tmp_path / "d.safetensors", state, Card("mine", "chromm", asdict(SIZES["tiny"])))
    with pytest.raises(FileError, match="was made for another network"):
        verify(str(tmp_path / "d.safetensors"))


def test_nothing_is_written_for_a_file_with_nan_or_without_room(tmp_path: Path, folder: Path, monkeypatch) -> None:
    save_file(pi3x() | {"depth_emb": torch.full((1, 1, 48), torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(FileError, match=r"nan.safetensors' is damaged: depth_emb holds NaN or infinity"):
        import_published(tmp_path / "nan.safetensors")
    file = write_pi3x(tmp_path / "model.safetensors")
    monkeypatch.setattr("chromm_ros.weights.store.SPARE_BYTES", 10**18)
    with pytest.raises(FileError, match=r"GB free, 'model.safetensors' needs 0.0 GB: make room"):
        import_published(file)
    assert not folder.exists() or not list(folder.iterdir())
    monkeypatch.setenv("CHROMM_WEIGHTS", str(file / "below-a-file"))
    with pytest.raises(FileError, match="choose another folder by CHROMM_WEIGHTS"):
        import_published(file)


@torch.inference_mode()
def test_upstreams_weights_come_in_and_give_upstreams_scene() -> None:
    import_published(golden("pi3x_tiny_weights.safetensors"), "scene")
    network = load_network(ModelOptions(scene_weights="scene")).network
    output = network.scene(arrays("pi3x_tiny_inputs.npz")["A/imgs"])
    reference = arrays("pi3x_tiny_A_nocond.npz")
    assert_same(in_the_world(output.world_from_cam, output.local_points), reference["A_nocond/out.points"])
    assert_same(output.metric, reference["A_nocond/out.metric"])


@torch.inference_mode()
@pytest.mark.parametrize(("case", "images"), [("main", [1, 0, 3, 2, 7, 5]), ("betas11", [1, 3, 7])])
def test_upstreams_weights_come_in_and_give_upstreams_people(tmp_path: Path, case: str, images: list[int]) -> None:
    betas = 11 if case == "betas11" else 10
    weights = load_file(golden(f"multihmr_tiny_{'betas11_' if betas == 11 else ''}weights.safetensors"))
    torch.save({"model_state_dict": weights, "args": arguments(num_betas=betas)}, tmp_path / "people.pt")
    import_published(tmp_path / "people.pt")
    human = load_network(ModelOptions(mode="compose", human_weights="people")).network.human
    expected, inputs = arrays(f"multihmr_tiny_{case}.npz"), arrays("multihmr_tiny_inputs.npz")
    features = human.backbone(inputs["x"][images])
    found = detect(human.scores(features), 0.3, 3)
    people = human.perceive(features, found, inputs["K"][images])
    assert_same(people.betas, expected[f"{case}/betas"])
    assert_same(people.distance[:, None], expected[f"{case}/dist"])
    assert_same(people.rotations[:, 1:], expected[f"{case}/rotmat_body"])
    assert np.isfinite(features.numpy()).all()


def test_files_that_cannot_be_read_are_told_in_one_sentence(tmp_path: Path, capsys) -> None:
    assert run("inspect", "/proc/self/mem") == 1
    assert "'/proc/self/mem' cannot be read (" in capsys.readouterr().err
    assert run("import", tmp_path / ("a" * 5000)) == 1
    assert "cannot be read (" in capsys.readouterr().err


def test_what_an_import_finds_in_its_place_and_what_one_left_behind(tmp_path: Path, folder: Path, capsys) -> None:
    file = write_pi3x(tmp_path / "model.safetensors")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(FileError, match=r"model.safetensors' is there already and is no file of ours: remove it, or .* --name"):
        import_published(file)
    old, young = folder / ".a.safetensors.77.part", folder / ".b.safetensors.78.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert run("list") == 0
    said = capsys.readouterr().out
    assert f"removed by the next one: {old}" in said and str(young) not in said
    import_published(file, "mine")
    assert not old.exists() and young.exists(), "somebody may still write to the young one"


def test_cards_do_not_steer_the_terminal(folder: Path, capsys) -> None:
    evil = "\x1b[2Jfree\nlicence: do what you like"
    card = Card("mine", "human", asdict(HUMAN), source=evil, licence=evil, allows=evil, sha256=evil, notes=evil)
    save_weights(folder / "mine.safetensors", {key: torch.zeros(1) for key in ("a", evil)}, card)
    for command in (["list"], ["inspect", "mine"]):
        assert run(*command) == 0
        said = capsys.readouterr().out
        assert r"\x1b[2Jfree\nlicence" in said and all(line.isprintable() for line in said.splitlines())
        assert not any(line.startswith("licence") for line in said.splitlines())
