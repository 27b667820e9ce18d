"""Body models of miniatures, written once."""

from pathlib import Path

import pytest
from miniatures import write_smpl, write_smplx


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny SMPL and SMPL-X models."""
    folder = tmp_path_factory.mktemp("body_models")
    for gender in ("male", "female"):
        write_smpl(folder, gender)
    for gender in ("female", "neutral"):
        write_smplx(folder, gender)
    return folder
