"""All tests: first those of parts, on all cores; then those of the whole, one after the other.

The latter talk over DDS and mind the time, run the whole network and want all cores to themselves, or send worlds through whole chains.

Arguments are pytest's. If they name a file or folder, only that runs, and as pytest would run it.
"""

import os
import subprocess
import sys
from pathlib import Path

WHOLE = [
    "test/ros",
    "test/test_pipeline.py",
    "test/test_api.py",
    "test/model/test_compile.py",
    "test/model/test_predictor.py",
    "test/model/test_second_reading.py",
    "test/train",
    "test/datasets/test_bedlam_training.py",
    "test/synthetic/world",
    "test/synthetic/test_clip_feed.py",
    "test/bench/test_bench_reconstruct.py",
    "test/bench/test_bench_world.py",
    *map(str, sorted(Path("test/reconstruct").glob("test_planted_*.py"))),
]
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run them; 0 if all passed, else pytest's first exit status."""
    if any(Path(word.partition("::")[0]).exists() for word in arguments):
        return run(arguments)
    # One thread per process: torch's own would stand in the way of the other processes.
    alone = {"OMP_NUM_THREADS": "1"}
    ignored = [f"--ignore={path}" for path in WHOLE]
    done = [run(["-n", "auto", "--dist", "worksteal", *ignored, *arguments], **alone), run([*WHOLE, *arguments])]
    failed = [status for status in done if status not in {0, NOTHING_COLLECTED}]
    return failed[0] if failed else min(done)


def run(arguments: list[str], **environment: str) -> int:
    """Run pytest with these arguments."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
