"""Pickles are read without running what they name."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from chromm_ros.datasets.pickles import array, read_npy_dict, read_pickle
from chromm_ros.errors import FileError


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_and_containers_come_back(tmp_path: Path, protocol: int) -> None:
    content = {
        "array": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "number": np.float32(1.5),
        "objects": np.array([{"a": np.ones(2)}, None], dtype=object),
        "plain": OrderedDict(a=[1, "two", (3.0, True, None)], b={b"bytes", 2 + 1j}),
    }
    path = tmp_path / "content.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_pickle(path)
    assert np.array_equal(found["array"], content["array"]) and np.array_equal(found["fortran"], content["fortran"])
    assert found["number"] == np.float32(1.5) and found["objects"][0]["a"].sum() == 2.0
    assert found["plain"] == content["plain"]


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    """Protocol 2, with text as bytes and arrays under the name that NumPy had then."""
    path = tmp_path / "old.pkl"
    path.write_bytes(b"\x80\x02}U\x06genderU\x04maleU\x05countcnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08\x00\x00\x00\x00\x00\x00\xf8?\x86Ru.".replace(b"}", b"}("))  # fmt: skip
    assert read_pickle(path) == {"gender": "male", "count": 1.5}


@pytest.mark.parametrize("kind", ["pickle", "npy", "objects in npy"])
def test_foreign_names_are_refused_and_do_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file"
    evil = {"joints": _Evil()}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        with path.open("wb") as file:
            np.save(file, np.array(evil if kind == "npy" else [_Evil(), evil], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match=r"mkdir, which is neither an array nor a plain container"):
        read_pickle(path) if kind == "pickle" else read_npy_dict(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_dict_of_numpy_save_comes_back(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "00001.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.array({"aria01": {"joints": np.ones((45, 3))}}, dtype=object), version=version)
    assert array(read_npy_dict(path), path, "aria01", "joints", shape=(45, -1)).sum() == 135.0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "cannot be read"), (b"not numpy at all", "cannot be read"), (None, "there is no file")],
)
def test_damaged_files_end_in_one_sentence(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "file.npy"
    if content is not None:
        path.write_bytes(content)
    for read in (read_pickle, read_npy_dict):
        with pytest.raises(FileError, match=sentence) as caught:
            read(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_an_array_where_a_dict_belongs_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.npy"
    np.save(path, np.zeros((2, 3)))
    with pytest.raises(FileError, match=r"an array of shape \(2, 3\) and type float64, expected one dict"):
        read_npy_dict(path)


@pytest.mark.parametrize(
    ("keys", "shape", "sentence"),
    [
        (("smpl", "pose"), (2,), "has no smpl/pose, only trans, name"),
        (("smpl", "trans", "x"), (2,), "has no smpl/trans/x, only ndarray"),
        (("smpl", "trans"), (3, 3), r"has shape \(2, 3\), expected \(3, 3\)"),
        (("smpl", "name"), (2,), "smpl/name of .* is str, expected numbers"),
    ],
)
def test_what_is_missing_is_named(keys: tuple[str, ...], shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        array({"smpl": {"trans": np.zeros((2, 3)), "name": "x"}}, Path("labels.pkl"), *keys, shape=shape)
