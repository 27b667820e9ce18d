"""Where the metrics' golden vectors are."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("CHROMM_REFERENCE", ROOT.parent / "shared" / "reference")) / "metrics"


def golden(name: str) -> dict[str, np.ndarray]:
    """Arrays of one file; skips the test where it is not at hand."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"golden vectors not found ({name}): set CHROMM_REFERENCE to the folder that holds them")
    with np.load(path) as file:
        return {key: file[key] for key in file.files}
