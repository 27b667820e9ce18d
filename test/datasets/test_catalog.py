"""All datasets are opened alike."""

import inspect
from pathlib import Path

import pytest

from chromm_ros.datasets.catalog import DATASETS, Open, dataset
from chromm_ros.errors import ConfigError, FileError


@pytest.mark.parametrize("name", DATASETS)
def test_all_open_alike_and_say_what_is_missing(name: str, tmp_path: Path) -> None:
    wanted = list(inspect.signature(Open.__call__).parameters)[1:]
    assert list(inspect.signature(dataset(name).open).parameters)[: len(wanted)] == wanted
    assert {"name", "frames", "truth"} <= set(dir(dataset(name).open)) | {"name"}
    sequence = {"emdb2": "P0_09_walk", "egohumans": "02_lego/001_lego"}.get(name, "scene/seq_000000")
    for read in (lambda: dataset(name).open(tmp_path, sequence), lambda: dataset(name).sequences(tmp_path)):
        with pytest.raises(FileError) as caught:
            read()
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_unknown_names_are_told() -> None:
    with pytest.raises(ConfigError, match="no dataset called '3dpw', expected one of emdb2, rich, egohumans, egoexo4d, bedlam"):
        dataset("3dpw")
