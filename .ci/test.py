"""All tests: first those that need no ROS, on all cores; then those that talk over DDS, one after the other, for they mind the time.

Arguments are pytest's. If they name a file or folder, only that runs, and as pytest would run it.
"""

import os
import subprocess
import sys
from pathlib import Path

ROS = "test/ros"
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run them; 0 if all passed, else pytest's first exit status."""
    if any(Path(word.partition("::")[0]).exists() for word in arguments):
        return run(arguments)
    # One thread per process: torch's own would stand in the way of the other processes.
    alone = {"OMP_NUM_THREADS": "1"}
    done = [run(["-n", "auto", "--dist", "loadfile", f"--ignore={ROS}", *arguments], **alone), run([ROS, *arguments])]
    failed = [status for status in done if status not in {0, NOTHING_COLLECTED}]
    return failed[0] if failed else min(done)


def run(arguments: list[str], **environment: str) -> int:
    """Run pytest with these arguments."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
