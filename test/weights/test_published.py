"""Published files are read strictly, and nothing in them is trusted."""

import json
import os
import zipfile
from argparse import Namespace
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from model.reference import golden
from safetensors.torch import save_file
from weights.files import HUMAN, SCENE, arguments, multihmr, pi3x, write_multihmr, write_pi3x

from chromm_ros.errors import FileError
from chromm_ros.model.config import MULTIHMR as SIZES_OF_MULTIHMR
from chromm_ros.model.config import PI3X as SIZE_OF_PI3X
from chromm_ros.model.weight_maps import MULTIHMR, rename, restore
from chromm_ros.weights import containers
from chromm_ros.weights.published import CONDITIONING, identify, read_published


def listed(name: str) -> dict[str, torch.Tensor]:
    """The published file itself, but for its values."""
    content = json.loads(golden(name).read_text())
    keys = content["state_dict"] | content.get("smpl_layer_state_dict", {})
    return {key: torch.empty(shape, dtype=getattr(torch, kind), device="meta") for key, (shape, kind) in keys.items()}


@pytest.mark.parametrize("conditioned", [True, False])
def test_every_key_of_pi3x_is_imported(conditioned: bool) -> None:
    keys = listed("pi3x_state_dict.json")
    kept = {key: value for key, value in keys.items() if conditioned or not key.startswith(CONDITIONING)}
    assert len(keys) == 1873 and len(kept) == (1873 if conditioned else 1873 - 436)
    found = identify(kept, {}, Path("model.safetensors"))
    assert found.config == replace(SIZE_OF_PI3X, conditioned=conditioned)
    assert found.state.keys() == kept.keys()


@pytest.mark.parametrize("name", SIZES_OF_MULTIHMR)
@pytest.mark.parametrize("said", [True, False])
def test_every_key_of_multi_hmr_is_imported_and_its_size_found(name: str, said: bool) -> None:
    keys = listed(f"multihmr_multiHMR_{name}_state_dict.json")
    size = SIZES_OF_MULTIHMR[name]
    args = vars(arguments(img_size=[size.image_size], xat_num_heads=8)) if said else {}
    found = identify(keys, args, Path(f"multiHMR_{name}.pt"))
    assert found.config == size
    dropped = {key for key in keys if rename(key, MULTIHMR) is None}
    assert {restore(key, MULTIHMR) for key in found.state} == keys.keys() - dropped
    assert all(key.startswith("smpl_layer.") or key.endswith(("mask_token", "init_betas_kid")) for key in dropped)


@pytest.mark.parametrize("conditioned", [True, False])
def test_pi3x_comes_with_and_without_its_conditioning(tmp_path: Path, conditioned: bool) -> None:
    found = read_published(write_pi3x(tmp_path / "model.safetensors", conditioned=conditioned))
    assert (found.kind, found.config) == ("scene", replace(SCENE, conditioned=conditioned))
    written = pi3x(conditioned=conditioned)
    assert found.state.keys() == written.keys() and all(torch.equal(found.state[key], written[key]) for key in written)


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict_model"])
@pytest.mark.parametrize("args", [arguments(), arguments(img_size=112), None], ids=["list", "int", "none"])
@pytest.mark.parametrize("legacy", [False, True])
def test_multi_hmr_comes_in_all_its_wrappings(tmp_path: Path, key: str, args: Namespace | None, legacy: bool) -> None:
    path = tmp_path / "multiHMR_tiny.pt"
    write_multihmr(path, args, key)
    if legacy:
        torch.save(torch.load(path, weights_only=False), path, _use_new_zipfile_serialization=False)
    found = read_published(path)
    assert (found.kind, found.config) == ("human", HUMAN)
    assert bool(found.remarks) == (args is None)
    written = multihmr()
    assert len(found.state) == len(written)
    assert all(torch.equal(value, written[restore(name, MULTIHMR)]) for name, value in found.state.items())


def test_heads_are_those_of_the_arguments_and_of_eleven_betas_too(tmp_path: Path) -> None:
    torch.save({"model_state_dict": multihmr(11), "args": arguments(xat_num_heads=6, num_betas=11)}, tmp_path / "m.pt")
    found = read_published(tmp_path / "m.pt")
    assert found.config == replace(HUMAN, people_heads=6, people_head_dim=8, betas=11)


def test_half_precision_stays_so(tmp_path: Path) -> None:
    save_file({key: value.bfloat16() for key, value in pi3x().items()}, tmp_path / "half.safetensors")
    assert {value.dtype for value in read_published(tmp_path / "half.safetensors").state.values()} == {torch.bfloat16}


def altered(path: Path, **changes: torch.Tensor | None) -> Path:
    keys = {key: value for key, value in (pi3x() | changes).items() if value is not None}
    save_file(keys, path)
    return path


class Code:
    """What a hostile file puts where weights belong."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_file_that_is_not_what_is_published_is_told_by_its_own_keys(tmp_path: Path) -> None:
    path = altered(tmp_path / "m.safetensors", metric_token=torch.zeros(1, 1, 7), stranger=torch.zeros(2), depth_emb=None)
    with pytest.raises(
        FileError, match=r"m.safetensors' is not Pi3X as it is published: missing depth_emb; unknown stranger; "
    ) as told:
        read_published(path)
    assert "metric_token is (1, 1, 7), expected (1, 1, 96)" in str(told.value)
    keys = dict(multihmr())
    del keys["x_attention_head.transformer.transformer.layers.1.1.fn.to_kv.weight"]
    torch.save({"model_state_dict": keys | {"x_attention_head.new": torch.zeros(1)}}, tmp_path / "m.pt")
    with pytest.raises(
        FileError, match=r"missing x_attention_head.transformer.transformer.layers.1.1.fn.to_kv.weight; unknown x_att\w+.new"
    ):
        read_published(tmp_path / "m.pt")
    altered(path, metric_token=torch.zeros(1, 1, 96, dtype=torch.int64))
    with pytest.raises(FileError, match=r"metric_token is torch.int64, expected torch.float32"):
        read_published(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"img_size": [224]}, "its arguments say img_size 224, its weights 112"),
        ({"num_betas": 11}, "num_betas 11, its weights 10"),
        ({"xat_depth": 3}, "xat_depth 3, its weights 2"),
        ({"camera_embedding_num_bands": 8}, "camera_embedding_num_bands 8, its weights 16"),
        ({"xat_num_heads": 5}, "to_qkv.weight has 144 rows, expected 3 times a multiple of 5 heads"),
        ({"nearness": 0}, "was made with nearness 0, expected True: that network is not ours"),
        ({"person_center": None}, "was made with person_center None, expected 'head'"),
    ],
)
def test_arguments_that_contradict_the_weights(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        read_published(write_multihmr(tmp_path / "m.pt", arguments(**changes)))


@pytest.mark.parametrize("name", ["num_betas", "img_size", "nearness", "lr"])
@pytest.mark.parametrize("value", [torch.zeros(2), [torch.zeros(2)], {"a": 1}], ids=["tensor", "list", "dict"])
def test_arguments_are_plain_values(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "m.pt"
    torch.save({"model_state_dict": {"x_attention_head.x": torch.zeros(1)}, "args": arguments(**{name: value})}, path)
    with pytest.raises(FileError, match=rf"m.pt' has the argument '{name}' of type \w+, expected numbers, text or lists of them"):
        read_published(path)


def test_arguments_may_come_as_a_mapping_and_as_nothing_else(tmp_path: Path) -> None:
    content = {"model_state_dict": multihmr(), "args": vars(arguments(xat_num_heads=6))}
    torch.save(content, tmp_path / "m.pt")
    assert read_published(tmp_path / "m.pt").config == replace(HUMAN, people_heads=6, people_head_dim=8)
    torch.save(content | {"args": ["--num_betas", "10"]}, tmp_path / "m.pt")
    with pytest.raises(FileError, match="has arguments of type list, expected names with plain values"):
        read_published(tmp_path / "m.pt")


def test_tensors_without_values_are_refused(tmp_path: Path) -> None:
    content = {key: value.to("meta") for key, value in multihmr().items()}
    torch.save({"model_state_dict": content}, tmp_path / "m.pt")
    with pytest.raises(FileError, match=r"m.pt' holds '[\w.]+' without its values \(on meta\)"):
        read_published(tmp_path / "m.pt")


def test_names_in_a_file_do_not_steer_the_terminal(tmp_path: Path) -> None:
    for keys in ({"\x1b[2J\n": torch.zeros(1)}, multihmr() | {"\x1b[2J\n": torch.zeros(1)}, {"\x1b[2J\n": 1}):
        torch.save({"model_state_dict": keys}, tmp_path / "m.pt")
        with pytest.raises(FileError) as told:
            read_published(tmp_path / "m.pt")
        assert r"\x1b[2J\n" in str(told.value) and str(told.value).isprintable()


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for legacy in (False, True):
        torch.save({"model_state_dict": multihmr(), "args": Code()}, "evil.pt", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(FileError, match=r"evil.pt' was not read: it holds objects other than tensors and plain values"):
            read_published(Path("evil.pt"))
    torch.save({"model_state_dict": multihmr(), "args": Path("x")}, "path.pt")
    with pytest.raises(FileError, match="could run code"):
        read_published(Path("path.pt"))
    assert not (tmp_path / "ran").exists()


def test_damaged_and_foreign_files_get_one_sentence(tmp_path: Path) -> None:
    whole = write_multihmr(tmp_path / "whole.pt", arguments()).read_bytes()
    tensors = write_pi3x(tmp_path / "whole.safetensors").read_bytes()
    state = multihmr()
    cases: dict[str, tuple[bytes | object, str]] = {
        "empty": (b"", "neither a safetensors nor a torch file"),
        "text": (b"<html>404</html>", "neither a safetensors nor a torch file"),
        "short.pt": (whole[:100], "was not read"),
        "half.pt": (whole[: len(whole) // 2], "was not read"),
        "half.safetensors": (tensors[: len(tensors) // 2], "not a whole safetensors file"),
        "list.pt": ([1, 2], "holds list, expected weights by name under model_state_dict or state_dict_model"),
        "other.pt": ({"optimizer": {}, "epoch": 1}, "holds 'optimizer' \\(dict\\), expected weights by name"),
        "none.pt": ({"model_state_dict": {}}, "holds model_state_dict, expected weights"),
        "text.pt": ({"model_state_dict": state | {"x": "y"}}, "holds 'x' \\(str\\), expected a tensor"),
        "sparse.pt": (
            {"model_state_dict": state | {"x_attention_head.init_cam": torch.zeros(1, 3).to_sparse()}},
            "expected torch.float32",
        ),
        "foreign.pt": ({"model_state_dict": OrderedDict(a=torch.zeros(1))}, "neither Pi3X nor Multi-HMR: its keys begin with a"),
        "anny.pt": ({"model_state_dict": {"encoder.backbone.cls_token": torch.zeros(1)}}, "Anny variant"),
        "thin.pt": ({"model_state_dict": {"x_attention_head.x": torch.zeros(1)}}, "backbone.encoder.cls_token is missing"),
    }
    for name, (content, sentence) in cases.items():
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(FileError, match=sentence) as told:
            read_published(path)
        assert name in str(told.value) and "\n" not in str(told.value), told.value


def test_files_that_are_too_large_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "huge.pt").open("wb") as file:
        file.truncate(9 * 10**9)  # a hole, no bytes on the disk
    with pytest.raises(FileError, match=r"huge.pt' has 9.0 GB, far more than any published file of weights \(5.4 GB\)"):
        read_published(tmp_path / "huge.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10**7))
    with pytest.raises(FileError, match="compressed, which torch never does"):
        read_published(tmp_path / "bomb.pt")
    write_multihmr(tmp_path / "twice.pt")
    with zipfile.ZipFile(tmp_path / "twice.pt", "a") as archive:
        archive.filelist *= 2  # the list names every part twice
        archive.writestr("more", b"")  # else the list is not written again
    with pytest.raises(FileError, match="its parts overlap"):
        read_published(tmp_path / "twice.pt")
    monkeypatch.setattr(containers, "MOST_PICKLE", 1000)
    with pytest.raises(FileError, match="its list of tensors is far too long"):
        read_published(write_multihmr(tmp_path / "listing.pt"))
    monkeypatch.undo()
    wide = torch.zeros(1).expand(10**6, 10**6)  # four bytes that claim to be four terabytes
    torch.save({"model_state_dict": multihmr() | {"x_attention_head.decpose.weight": wide}}, tmp_path / "wide.pt")
    with pytest.raises(FileError, match=r"decpose.weight is \(1000000, 1000000\), expected \(318, 64\)"):
        read_published(tmp_path / "wide.pt")
    many = {f"x_attention_head.{index}": torch.zeros(1, device="meta") for index in range(20_001)}
    with pytest.raises(FileError, match="20001 tensors"):
        identify(many, {}, tmp_path / "many.pt")
    deep = multihmr() | {f"backbone.encoder.blocks.{index}.norm1.weight": torch.zeros(48, device="meta") for index in range(5000)}
    with pytest.raises(FileError, match="depth is 5000, expected 1 to 4096"):
        identify(deep, {}, tmp_path / "deep.pt")
