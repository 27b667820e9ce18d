"""Where the golden vectors are, and how close is close."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [Path(os.environ["CHROMM_REFERENCE"])] if "CHROMM_REFERENCE" in os.environ else [ROOT.parent / "shared/reference"]


def golden(name: str) -> Path:
    """Path of a golden file; skips the test where it is not at hand."""
    for folder in FOLDERS:
        for path in (folder / name, folder / "network" / name):
            if path.exists():
                return path
    pytest.skip(f"golden vectors not found ({name}): set CHROMM_REFERENCE to the folder that holds them")


def arrays(name: str) -> dict[str, torch.Tensor]:
    with np.load(golden(name)) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def assert_same(ours: torch.Tensor, reference: torch.Tensor, name: str = "") -> None:
    """Floats within 1e-4 of the reference's largest value; integers and booleans exactly."""
    assert ours.shape == reference.shape, f"{name}: {tuple(ours.shape)} against {tuple(reference.shape)}"
    if not reference.is_floating_point():
        assert torch.equal(ours, reference), name
        return
    worst = float((ours.double() - reference.double()).abs().max())
    largest = float(reference.abs().max())
    assert worst <= 1e-4 * largest, f"{name}: off by {worst:.3g}, largest value {largest:.3g}"


def in_the_world(world_from_cam: torch.Tensor, local_points: torch.Tensor) -> torch.Tensor:
    """Point maps B N H W 3 of cameras as upstream gives them, in the scene's world."""
    rotation, translation = world_from_cam[..., :3, :3], world_from_cam[..., :3, 3]
    return torch.einsum("bnij,bnhwj->bnhwi", rotation, local_points) + translation[:, :, None, None]
