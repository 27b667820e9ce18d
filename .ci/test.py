"""All tests: those of parts, then those of whole chains, both on all cores; then those that talk over DDS, one after the other.

Chains run the whole network, train it, or send worlds and recordings through everything; what talks over DDS minds the time.

Arguments are pytest's. If they name a file or folder, only that runs, and as pytest would run it.
"""

import os
import subprocess
import sys
from pathlib import Path

CHAINS = [
    "test/test_pipeline.py",
    "test/test_api.py",
    "test/model/test_compile.py",
    "test/model/test_predictor.py",
    "test/model/test_second_reading.py",
    "test/train",
    "test/datasets/test_bedlam_training.py",
    "test/convert",
    "test/evaluate/test_ablations.py",
    "test/evaluate/test_report.py",
    "test/evaluate/test_runtime.py",
    "test/evaluate/test_takes.py",
    "test/synthetic/world",
    "test/synthetic/test_clip_feed.py",
    "test/bench/test_bench_reconstruct.py",
    "test/bench/test_bench_world.py",
    *map(str, sorted(Path("test/reconstruct").glob("test_planted_*.py"))),
    *map(str, sorted(Path("test/evaluate").glob("test_bag_*.py"))),
    *map(str, sorted(Path("test/evaluate").glob("test_protocols*.py"))),
]
DDS = ["test/ros"]
ALL_CORES = ["-n", "auto", "--dist"]
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run them; 0 if all passed, else pytest's first exit status."""
    if any(Path(word.partition("::")[0]).exists() for word in arguments):
        return run(arguments)
    # One thread per process: torch's own would stand in the way of the other processes.
    alone = {"OMP_NUM_THREADS": "1"}
    ignored = [f"--ignore={path}" for path in CHAINS + DDS]
    done = [
        run([*ALL_CORES, "worksteal", *ignored, *arguments], **alone),
        run([*ALL_CORES, "loadfile", *CHAINS, *arguments], **alone),
        run([*DDS, *arguments]),
    ]
    failed = [status for status in done if status not in {0, NOTHING_COLLECTED}]
    return failed[0] if failed else min(done)


def run(arguments: list[str], **environment: str) -> int:
    """Run pytest with these arguments."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
