"""A folder of weights of its own for every test."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHROMM_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"
