"""What computed a result, in words: the node's status, recorded results and every report name the same things."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import chromm_ros

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class MadeWith:
    """Names, as messages and reports carry them; empty where nobody told."""

    weights: str = ""
    """Name of the weights."""
    device: str = ""
    """As `hardware` tells it."""
    precision: str = ""
    """Of the network: float32 or bfloat16."""
    revision: str = ""
    """As `revision` tells it."""

    @classmethod
    def of(cls, weights: str, device: str, said: str) -> MadeWith:
        """What this machine computes with.

        Args:
            weights: their name.
            device: of the network, as torch names it.
            said: `model.precision`.
        """
        return cls(weights, hardware(device), precision(said, device), revision())


def hardware(device: str) -> str:
    """In words, for example `cpu (x86_64, 1 thread)`."""
    import torch  # which the node loads when it is configured

    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device} ({platform.machine()}, {threads} thread{'s' if threads > 1 else ''})"


def precision(said: str, device: str) -> str:
    """What `model.precision` comes to on this device."""
    return said if said != "auto" else "bfloat16" if device.startswith("cuda") else "float32"


def revision(root: Path = ROOT) -> str:
    """Version, and the commit where the code lies in a git repository of its own."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return chromm_ros.__version__
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # nothing of it comes from a user
    return f"{chromm_ros.__version__} ({done.stdout.strip()})" if done.returncode == 0 else chromm_ros.__version__
