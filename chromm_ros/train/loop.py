"""The loop: it knows steps, clips and losses, and not what is learnt.

Everything random is drawn from seeds made of the run's seed, the step and the clip's number. So a run that goes on from a checkpoint
repeats to the last bit what it would have done (in one process on a CPU), and n processes see what one sees that makes n pieces
of each batch.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from chromm_ros.errors import InputError
from chromm_ros.train.ahead import ahead
from chromm_ros.train.log import Meter
from chromm_ros.train.options import TrainOptions
from chromm_ros.train.pace import Pace
from chromm_ros.train.parallel import Group
from chromm_ros.train.report import Report, Reporter, Silence
from chromm_ros.train.schedule import groups, keep_share, rate
from chromm_ros.train.state import Average, Checkpoint, fill, write_checkpoint
from chromm_ros.train.stops import Stops

CHECKED_BATCHES = 2
"""Validation batches before the first step, so that a broken validation fails at once and not after hours."""
MOST_SKIPPED = 20
"""Steps in a row whose gradient is not finite, after which nothing is to be hoped for."""
TRAINING, VALIDATION = 0, 1
"""Different random numbers for both."""
CHECKPOINTS = "checkpoints"
"""Their folder in that of a run."""


@runtime_checkable
class Task(Protocol):
    """What is learnt; `Stage` is one."""

    @property
    def name(self) -> str:
        """For people."""

    def trained(self, network: nn.Module) -> Sequence[tuple[str, nn.Parameter]]:
        """What is learnt; everything else stays as it is."""

    def batch(self, clips: list[Any], rng: np.random.Generator) -> Any:
        """Inputs and targets, on the CPU; has `to(device)`."""

    def losses(self, network: nn.Module, batch: Any, progress: float) -> dict[str, Tensor]:
        """Weighted terms whose sum is minimised; `progress` is the share of the steps done."""

    def measure(self, network: nn.Module, batch: Any) -> dict[str, float]:
        """What a validation tells; nan where a batch has nothing to tell."""

    def panel(self, network: nn.Module, batch: Any) -> UInt8[np.ndarray, "H W 3"]:
        """A picture of input, estimate and truth."""


Clips = Callable[[Iterator[int]], AbstractContextManager[Iterator[Any]]]
"""Opens the clips of these numbers, in this order; the same number gives the same clip."""


@dataclass(frozen=True)
class Run:
    """What one process needs for its part of a run."""

    task: Task
    network: nn.Module
    """As the task built it; in memory on any device."""
    options: TrainOptions
    """Resolved: nothing of it is left to the stage."""
    folder: Path
    """Of the run."""
    clips: Clips
    """For training."""
    validation: Sequence[Any]
    """Clips for validation, not among those for training."""
    group: Group = field(default_factory=Group)
    about: Mapping[str, Any] = field(default_factory=dict)
    """Goes into every checkpoint."""
    limit_s: float = math.inf
    """Most time of this stretch."""
    ahead: int = 0
    """Batches that a thread makes beforehand; of use where a GPU does the rest."""


@dataclass(frozen=True)
class Ending:
    """How a stretch ended."""

    step: int
    """Steps done."""
    why: str
    """`finished`, `time limit` or the name of a signal."""


def numbers(options: TrainOptions, group: Group, first_step: int) -> Iterator[int]:
    """Numbers of the clips that this process takes from a step on: of every batch, the share of its rank."""
    share = options.batch // group.world
    for step in range(first_step, options.steps):
        first = step * options.batch + group.rank * share
        yield from range(first, first + share)


class _Losses(nn.Module):
    """The task's losses as a module's forward, as DistributedDataParallel wants it."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self.task, self.network = task, network

    def forward(self, batch: Any, progress: float) -> dict[str, Tensor]:
        return self.task.losses(self.network, batch, progress)


class Loop:
    """One stretch of a run.

    Args:
        run: what to train, on what.
        start: where to go on; None begins.

    Raises:
        ConfigError: if the batch cannot be shared out.
        FileError: if the checkpoint is of another network.
    """

    def __init__(self, run: Run, start: Checkpoint | None = None) -> None:
        self.run, self.options, self.group = run, run.options, run.group
        self.piece = run.options.share(run.group.world)
        self.network = run.network.to(run.group.device).eval()
        for frozen in self.network.parameters():
            frozen.requires_grad = False
        self.parameters = dict(run.task.trained(self.network))
        assert self.parameters, "a task trains something"
        for value in self.parameters.values():
            value.requires_grad = True
        self.average = Average(self.parameters)
        decaying_and_others = groups(self.parameters.items(), self.options.weight_decay)
        self.optimiser = torch.optim.AdamW(decaying_and_others, lr=0.0, betas=(0.9, self.options.beta2), fused=True)
        self.meter, self.pace = Meter(), Pace()
        self.step, self.skipped = 0, 0
        if start is not None:
            self._load(start)
        self.losses = self.group.wrap(_Losses(run.task, self.network))
        self.validation = list(self._validation_batches()) if self.group.first else []

    def __call__(self) -> Ending:
        """Train until the last step, the time limit or a signal; the state is in a checkpoint then.

        Raises:
            FileError: if a checkpoint cannot be written.
            InputError: if the gradient is not finite for many steps.
        """
        with ExitStack() as open_:
            stops = open_.enter_context(Stops())
            self.report = self._reporter()
            open_.callback(self.report.close)
            self.report.event(self.step, "resumed" if self.step else "begun", about=dict(self.run.about))
            self._validate(self.validation[:CHECKED_BATCHES])
            clips = open_.enter_context(self.run.clips(numbers(self.options, self.group, self.step)))
            batches = open_.enter_context(ahead(self._batches(clips), self.run.ahead))
            why = "" if self.step < self.options.steps else "finished"
            self.pace.start()
            while not why:
                self._train_step(batches)
                self._tell()
                why = self._why(stops)
                if why or self._due(self.options.checkpoint_every):
                    self._save()
            self.report.event(self.step, "ended", why=why, seconds=self.pace.total())
            self.report.say(f"{why} after {self.step} of {self.options.steps} steps and {self.pace.total() / 60:.1f} minutes")
        return Ending(self.step, why)

    def _why(self, stops: Stops) -> str:
        """Why it must end now, which all processes see alike; empty where it goes on."""
        if self.step == self.options.steps:
            return "finished"
        here = stops.asked or ("time limit" if self.pace.stretch() > self.run.limit_s else "")
        if not self.group.any(here=bool(here)):
            return ""
        return str(next(filter(None, self.group.gather(here))))

    def _train_step(self, batches: Iterator[tuple[Any, int]]) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, self.options)
        self.optimiser.zero_grad(set_to_none=True)
        for piece in range(self.options.accumulate):
            with self.pace.waiting():
                batch, seed = next(batches)
            self._backward(batch, seed, last=piece == self.options.accumulate - 1)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.options.clip)
        self.step += 1
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(keep_share(self.step - 1, self.options))
            self.meter.add({"norm": norm})
            self.skipped = 0
        else:
            self._skip()

    def _batches(self, clips: Iterator[Any]) -> Iterator[tuple[Any, int]]:
        """Pieces of this process from the present step on, with the seed of torch's generator for their losses."""
        firsts = itertools.islice(numbers(self.options, self.group, self.step), None, None, self.piece)
        for first in firsts:
            yield self._batch(list(itertools.islice(clips, self.piece)), TRAINING, first)

    def _batch(self, clips: list[Any], use: int, first: int) -> tuple[Any, int]:
        """A batch and a seed, both by the run's seed and the number of the first clip."""
        seed = np.random.SeedSequence((self.options.seed, use, first))
        return self.run.task.batch(clips, np.random.default_rng(seed)), int(seed.generate_state(1)[0])

    def _backward(self, batch: Any, seed: int, *, last: bool) -> None:
        torch.manual_seed(seed)
        with self.group.alone(self.losses, wanted=not last):
            with self._autocast():
                terms: dict[str, Tensor] = self.losses(batch.to(self.group.device), self.step / self.options.steps)
            total = torch.stack([value.float() for value in terms.values()]).sum()
            (total / self.options.accumulate).backward()
        self.meter.add({"loss": total, **{f"loss/{name}": value for name, value in terms.items()}})

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.group.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16")

    def _skip(self) -> None:
        """Leave weights as they are for this once: a gradient that is not finite would destroy them."""
        self.skipped += 1
        self.report.event(self.step, "skipped", why="the gradient is not finite")
        if self.skipped > MOST_SKIPPED:
            raise InputError(
                f"the gradient of {self.run.task.name} was not finite for {self.skipped} steps up to {self.step}: "
                "go on from an older checkpoint with a lower lr, or with precision float32"
            )

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.options.steps

    def _tell(self) -> None:
        """Losses and validations, where they are due."""
        if self._due(self.options.log_every):
            self._collect()
            values = (
                self.meter.means() | {"rate": rate(self.step - 1, self.options)} | self.pace.lap(self.step, self.options.batch)
            )
            self.report.train(self.step, values)
            self.meter.load([])
        if self._due(self.options.validate_every) and self.group.first:
            self.report.validation(self.step, self._validate(self.validation), self._panel())
            self.pace.lap(self.step, self.options.batch)  # the next one measures training alone

    def _collect(self) -> None:
        """What all processes have in their meters goes into that of the first."""
        states = self.group.gather(self.meter.state())
        self.meter.load(states if self.group.first else [])

    def _validation_batches(self) -> Iterator[tuple[Any, int]]:
        clips = list(self.run.validation)
        for first in range(0, len(clips), self.piece):
            batch, seed = self._batch(clips[first : first + self.piece], VALIDATION, first)
            yield batch.to(self.group.device), seed

    @torch.no_grad()
    def _validate(self, batches: Sequence[tuple[Any, int]]) -> dict[str, float]:
        """Means of losses and measures with the averaged weights; what a batch cannot tell (nan) is left out."""
        told: dict[str, list[float]] = {}
        with self.average.in_place(), self._autocast():
            for batch, seed in batches:
                torch.manual_seed(seed)
                terms = self.run.task.losses(self.network, batch, self.step / self.options.steps)
                values = {"loss": float(sum(terms.values()))} | self.run.task.measure(self.network, batch)
                for name, value in values.items():
                    told.setdefault(name, []).append(float(value))
        return {name: float(np.nanmean(values)) for name, values in told.items() if not np.isnan(values).all()}

    @torch.no_grad()
    def _panel(self) -> UInt8[np.ndarray, "H W 3"]:
        with self.average.in_place(), self._autocast():
            return self.run.task.panel(self.network, self.validation[0][0])

    def _reporter(self) -> Report:
        if not self.group.first:
            return Silence()
        return Reporter(self.run.folder, self.run.task.name, self.options.steps, self.step)

    def _save(self) -> None:
        self._collect()
        if self.group.first:
            trained = {name: value.detach() for name, value in self.parameters.items()}
            checkpoint = Checkpoint(
                step=self.step,
                trained=trained,
                averaged=self.average.values,
                optimiser=self.optimiser.state_dict(),
                meter=self.meter.state(),
                seconds=self.pace.total(),
                about=dict(self.run.about),
            )
            write_checkpoint(self.run.folder / CHECKPOINTS, checkpoint, self.options.keep)

    def _load(self, start: Checkpoint) -> None:
        fill(self.parameters, start.trained)
        self.average.load(start.averaged)
        self.optimiser.load_state_dict(start.optimiser)
        if self.group.first:  # it keeps the sums of all
            self.meter.load([start.meter])
        self.step, self.pace = start.step, Pace(start.seconds, start.step)
