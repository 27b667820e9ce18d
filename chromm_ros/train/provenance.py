"""Which code on which machine: what a run and its weights say of where they come from."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import chromm_ros

ROOT = Path(__file__).resolve().parents[2]


def provenance(device: torch.device, world: int) -> dict[str, Any]:
    """Versions, revision and hardware, as plain values."""
    return {
        "chromm_ros": chromm_ros.__version__,
        **revision(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "hardware": hardware(device, world),
    }


def revision(root: Path = ROOT) -> dict[str, Any]:
    """Commit of the code, and whether files differ from it; both None where the package was installed without git."""
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel"))
        if top.resolve() != root.resolve():
            return {"revision": None, "dirty": None}
        return {
            "revision": _git(root, "rev-parse", "HEAD"),
            "dirty": bool(_git(root, "status", "--porcelain", "--", "chromm_ros")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"revision": None, "dirty": None}


def hardware(device: torch.device, world: int) -> str:
    """What computes, in words."""
    if device.type == "cuda":
        what = torch.cuda.get_device_name(device)
    else:
        what = f"{_processor()}, {torch.get_num_threads()} of {os.cpu_count()} cores"
    return f"{world} x {what}" if world > 1 else what


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]  # git as the user's PATH has it
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  # fixed arguments


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
