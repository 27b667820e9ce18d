"""Encoder and decoder blocks are what torch.compile likes: whole graphs, few of them, and room for all."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("whole_graphs.py")


def test_blocks_are_whole_graphs() -> None:
    environment = os.environ | {"PYTHONPATH": str(PROGRAM.parents[2])}
    done = subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
