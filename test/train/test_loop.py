"""The loop repeats itself to the last bit, whatever interrupts it, and spares what it must not train."""

import itertools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toy_task import OPTIONS, Pairs, Toy, clips, toy_run, train_toy

from chromm_ros.errors import ConfigError, FileError, InputError
from chromm_ros.train.log import read_journal
from chromm_ros.train.loop import Loop, numbers
from chromm_ros.train.parallel import Group
from chromm_ros.train.state import checkpoints, read_checkpoint

CLOCKS = {"seconds", "clips_per_s", "waiting"}


def curve(folder: Path) -> list[dict[str, Any]]:
    """The journal without what clocks say."""
    lines = [line for line in read_journal(folder / "scalars.jsonl") if line["kind"] != "event"]
    return [{name: value for name, value in line.items() if name not in CLOCKS} for line in lines]


def newest(folder: Path) -> Any:
    return read_checkpoint(checkpoints(folder / "checkpoints")[-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert train_toy(toy_run(folder)).why == "finished"
    return folder


def test_a_run_learns_and_tells(whole: Path) -> None:
    lines = curve(whole)
    training = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in training] == list(range(1, 13))
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [5, 10, 12]
    assert training[-1]["loss/out"] < 0.8 * training[0]["loss/out"]
    assert all("never" not in line for line in lines)
    assert (whole / "panel.png").exists()


def test_the_last_checkpoints_are_kept(whole: Path) -> None:
    assert [path.name for path in checkpoints(whole / "checkpoints")] == ["step_000000008.pt", "step_000000012.pt"]
    assert not list((whole / "checkpoints").glob(".*"))


def test_only_what_is_trained_changes(whole: Path) -> None:
    run = toy_run(whole)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    loop = Loop(run, newest(whole))
    after = loop.network.state_dict()
    assert all(torch.equal(before[name], after[name]) == name.startswith("frozen") for name in before)
    assert all(value.requires_grad != name.startswith("frozen") for name, value in loop.network.named_parameters())


@pytest.mark.parametrize("steps_done", [3, 4, 7])
def test_a_run_goes_on_to_the_same_curve(whole: Path, tmp_path: Path, steps_done: int) -> None:
    """Cut off after a checkpoint and at any other step: what came after the checkpoint comes again."""

    class PulledPlugError(Exception):
        pass

    run = toy_run(tmp_path)
    loop = Loop(run)
    step = loop._train_step

    def until(clips: Any) -> None:
        if loop.step == steps_done:
            raise PulledPlugError
        step(clips)

    loop._train_step = until  # type: ignore[method-assign]
    with pytest.raises(PulledPlugError):
        loop()
    train_toy(toy_run(tmp_path))
    assert curve(tmp_path) == curve(whole)
    same(newest(tmp_path), newest(whole))


def same(one: Any, other: Any) -> None:
    assert one.step == other.step and one.meter == other.meter
    for part in ("trained", "averaged"):
        ours, theirs = getattr(one, part), getattr(other, part)
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    for number, state in one.optimiser["state"].items():
        assert all(torch.equal(value, other.optimiser["state"][number][name]) for name, value in state.items())


def test_a_thread_that_makes_batches_beforehand_changes_nothing(whole: Path, tmp_path: Path) -> None:
    assert train_toy(replace(toy_run(tmp_path), ahead=3)).why == "finished"
    assert curve(tmp_path) == curve(whole)


def test_what_goes_wrong_with_a_clip_is_raised_and_no_thread_is_left(tmp_path: Path) -> None:
    @contextmanager
    def torn(numbers: Iterator[int]) -> Iterator[Iterator[Any]]:
        with clips(numbers) as made:
            yield (clip if place < 9 else 1 / 0 for place, clip in enumerate(made))

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        Loop(replace(toy_run(tmp_path), ahead=3, clips=torn))()
    assert threading.active_count() == before


def test_losses_between_two_lines_survive_a_stop(tmp_path: Path) -> None:
    """Lines every 5 steps, stopped after step 3 by the time limit: the line of step 5 still holds the mean of all five."""
    apart, cut = tmp_path / "apart", tmp_path / "cut"
    train_toy(toy_run(apart, log_every=5))
    loop = Loop(toy_run(cut, log_every=5))
    loop.pace.stretch = lambda: math.inf if loop.step == 3 else 0.0  # type: ignore[method-assign]
    object.__setattr__(loop.run, "limit_s", 1.0)
    ending = loop()
    assert (ending.step, ending.why) == (3, "time limit")
    assert train_toy(toy_run(cut, log_every=5)).why == "finished"
    assert curve(cut) == curve(apart)


def test_the_rate_rises_and_falls(whole: Path) -> None:
    rates = [line["rate"] for line in curve(whole) if line["kind"] == "train"]
    assert rates[:3] == pytest.approx([OPTIONS.lr / 3, 2 * OPTIONS.lr / 3, OPTIONS.lr])
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[3:]))
    assert rates[-1] > OPTIONS.floor * OPTIONS.lr


def test_pieces_add_up_to_the_batch(tmp_path: Path) -> None:
    """The mean over clips is the same, in one piece or in two, where nothing is random."""

    class Plain(Toy):
        def batch(self, clips: list[Any], rng: Any) -> Pairs:
            x = torch.tensor(np.stack(clips))
            return Pairs(x, x[:, :2])

        def losses(self, network: Any, batch: Pairs, progress: float) -> Any:
            return {"out": (network["out"](network["frozen"](batch.x)) - batch.y).square().mean()}

    curves = []
    for pieces in (1, 2):
        run = replace(toy_run(tmp_path / str(pieces), accumulate=pieces, steps=4), task=Plain())
        Loop(run)()
        curves.append([line["loss"] for line in curve(run.folder)])
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


def test_processes_share_every_batch() -> None:
    parts = [list(numbers(OPTIONS, Group(rank, 2), 10)) for rank in range(2)]
    alone = list(numbers(OPTIONS, Group(), 10))
    assert parts == [[40, 41, 44, 45], [42, 43, 46, 47]] and sorted(itertools.chain(*parts)) == alone


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch is 4, expected a multiple of 3"):
        Loop(toy_run(tmp_path, accumulate=3))


def test_a_broken_validation_fails_before_the_first_step(tmp_path: Path) -> None:
    class Broken(Toy):
        def measure(self, network: nn.Module, batch: Pairs) -> dict[str, float]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Loop(replace(toy_run(tmp_path), task=Broken()))()
    assert curve(tmp_path) == []


def test_a_gradient_that_is_not_finite_changes_nothing_and_ends_a_hopeless_run(tmp_path: Path) -> None:
    class Poisoned(Toy):
        def losses(self, network: Any, batch: Pairs, progress: float) -> Any:
            return {name: value * math.nan for name, value in super().losses(network, batch, progress).items()}

    loop = Loop(replace(toy_run(tmp_path, steps=100, validate_every=100), task=Poisoned()))
    before = {name: value.detach().clone() for name, value in loop.parameters.items()}
    with pytest.raises(InputError, match="not finite"):
        loop()
    assert all(torch.equal(before[name], value) for name, value in loop.parameters.items())


def test_bfloat16_keeps_weights_in_float32(tmp_path: Path) -> None:
    loop = Loop(toy_run(tmp_path, precision="bfloat16", steps=2))
    loop()
    assert {value.dtype for value in loop.parameters.values()} == {torch.float32}
    assert curve(tmp_path)[0]["loss"] == pytest.approx(1.0, abs=10)


def test_a_checkpoint_of_another_network_is_refused(whole: Path, tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    del run.network["seldom"]
    with pytest.raises(FileError, match="another network"):
        Loop(run, newest(whole))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "step_000000001.pt"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FileError, match="cannot be read"):
        read_checkpoint(path)
