"""What the scripts of the set-up share: places, which ROS there is, how to say things. Standard library only, Python 3.7 and newer, to tell an old one so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"


def distribution(python: str | Path = sys.executable) -> str | None:
    """Name of the ROS distribution that is sourced and that this Python can import, or None: then ROS comes as wheels."""
    name = os.environ.get("ROS_DISTRO")
    if not name:
        return None
    found = subprocess.run([str(python), "-c", "import rclpy"], capture_output=True, check=False)
    return name if found.returncode == 0 else None


def say(stage: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"==> {stage}\n")
    sys.stdout.flush()


def fail(sentence: str) -> NoReturn:
    """Stop with one sentence that says what to do."""
    sys.exit(f"error: {sentence}")


def run_logged(command: list[str | Path], log: Path, env: dict[str, str] | None = None) -> str | None:
    """Run a command with its output in a file; the output if it failed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    log.write_text(done.stdout)
    return done.stdout if done.returncode else None
