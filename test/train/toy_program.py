"""The toy as a program that can be killed, or started by torchrun: `toy_program.py FOLDER SECONDS_PER_CLIP key=value ...`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from toy_task import clips, toy_run, train_toy

from chromm_ros.train.parallel import joined


def main(folder: str, pause_s: str, *options: str) -> None:
    torch.set_num_threads(1)

    @contextmanager
    def slow(numbers: Iterator[int]) -> Iterator[Iterator[Any]]:
        with clips(numbers) as made:
            yield (time.sleep(float(pause_s)) or clip for clip in made)

    with joined("cpu") as group:
        values = {name: int(value) for name, value in (option.split("=") for option in options)}
        train_toy(replace(toy_run(Path(folder), group, **values), clips=slow))


if __name__ == "__main__":
    main(*sys.argv[1:])
