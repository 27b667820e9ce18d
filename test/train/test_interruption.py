"""Processes that are killed, told to stop, or share the work: end to end, with the toy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from test_loop import curve, newest, same
from toy_task import toy_run, train_toy

from chromm_ros.train.log import read_journal

PROGRAM = Path(__file__).with_name("toy_program.py")
ROOT = PROGRAM.parents[2]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@contextmanager
def program(*arguments: object, launcher: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, *launcher, str(PROGRAM), *map(str, arguments)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_step(folder: Path, step: int) -> None:
    journal, deadline = folder / "scalars.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline:
        if journal.exists() and any(line["step"] >= step for line in read_journal(journal)):
            return
        time.sleep(0.01)
    pytest.fail(f"no step {step} in a minute")


def test_killed_or_stopped_a_run_goes_on_to_the_same_curve(tmp_path: Path) -> None:
    """SIGKILL between two checkpoints loses the steps since the last; SIGTERM loses none. Both give the curve of an undisturbed run."""
    killed, stopped, whole = (tmp_path / name for name in ("killed", "stopped", "whole"))
    train_toy(toy_run(whole))
    with program(killed, 0.1) as first, program(stopped, 0.1) as second:  # slow enough to be met under way on a busy machine
        wait_for_step(killed, 6)
        first.kill()
        wait_for_step(stopped, 6)
        second.send_signal(signal.SIGTERM)
        assert first.wait(30) == -signal.SIGKILL
        assert second.wait(30) == 0
    assert newest(killed).step % 4 == 0 and read_journal(killed / "scalars.jsonl")[-1]["step"] > newest(killed).step
    assert newest(stopped).step == read_journal(stopped / "scalars.jsonl")[-1]["step"] < 12
    for folder in (killed, stopped):
        train_toy(toy_run(folder))
        assert curve(folder) == curve(whole)
        same(newest(folder), newest(whole))


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """torchrun with gloo: every process takes its half of each batch; losses and weights are those of one process with both halves."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    with program(together, 0, "accumulate=1", launcher=torchrun) as process:
        train_toy(toy_run(alone, accumulate=2))
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()[:4000]
    for ours, theirs in zip(curve(alone), curve(together), strict=True):
        assert ours.pop("kind") == theirs.pop("kind")
        assert ours == pytest.approx(theirs, rel=1e-5)
    one, two = newest(alone), newest(together)
    assert all(torch.allclose(one.trained[name], two.trained[name], rtol=1e-5, atol=1e-7) for name in one.trained)
    train_toy(toy_run(together, accumulate=2, steps=14))  # and one process can go on where two stopped
    assert newest(together).step == 14


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_feeds_processes_end_with_a_killed_caller(tmp_path: Path) -> None:
    """Nobody is left who would wait for work for ever."""
    code = (
        "import multiprocessing, time\n"
        "from functools import partial\n"
        "from chromm_ros.synthetic.feed import Feed, clip\n"
        "from chromm_ros.synthetic.world.take import TakeOptions\n"
        "if __name__ == '__main__':\n"
        "    options = TakeOptions(views=1, photo=False, width=32, height=32)\n"
        "    feed = Feed(range(2), partial(clip, options=options, steps=1, period_s=0.1), workers=1)\n"
        "    next(feed)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(60)\n"
    )
    script = tmp_path / "feeding.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script)], env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        children = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    assert children
    deadline = time.monotonic() + 20
    while any(runs(child) for child in children):
        assert time.monotonic() < deadline, f"{children} are left"
        time.sleep(0.05)
