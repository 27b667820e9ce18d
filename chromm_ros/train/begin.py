"""From a stage's name and a folder to a run that is under way: what it is, its network, its data, its processes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from chromm_ros.errors import ConfigError
from chromm_ros.model.branches import Branches
from chromm_ros.model.compiled import compile_blocks
from chromm_ros.settings import assignments, merged, to_mapping
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.feed import Feed
from chromm_ros.synthetic.world.take import TakeOptions
from chromm_ros.train.bodies import use_body
from chromm_ros.train.data import DataOptions, maker
from chromm_ros.train.folder import locked, newest, read_about, write_about
from chromm_ros.train.loop import Clips, Ending, Loop, Run
from chromm_ros.train.options import TrainOptions
from chromm_ros.train.parallel import joined
from chromm_ros.train.provenance import provenance
from chromm_ros.train.stage import Stage, Start

SEEDS_APART = 800_000
"""Seeds of takes between two runs' first; a run that needs more goes on into those of the next."""
AHEAD = 3
"""Batches that wait for a GPU."""
VALIDATION_FIRST = 900_000_000
"""Seeds of takes for validation, which no training reaches."""


@dataclass(frozen=True)
class Process:
    """What changes how fast a run goes, and not where."""

    device: str = "auto"
    """auto, cpu or cuda:N."""
    workers: int = 0
    """Processes that make data."""
    threads: int = 0
    """Of torch; 0: its own choice."""
    nice: int = 0
    """How far it steps back behind other programs."""
    limit_s: float = float("inf")
    """Most time of this stretch."""
    compile: bool = False
    """Whether transformer blocks are compiled; it changes rounding, no more."""


@dataclass(frozen=True)
class Plan:
    """What a run is; the same for all its stretches, unless the user changes it."""

    stage: str
    start: Start
    options: TrainOptions
    takes: TakeOptions
    data: DataOptions = field(default_factory=DataOptions)

    def about(self) -> dict[str, Any]:
        """Plain values, from which `of` makes it again."""
        return {
            "stage": self.stage,
            "start": to_mapping(self.start),
            "options": to_mapping(self.options),
            "takes": to_mapping(self.takes),
            "data": to_mapping(self.data),
        }

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "Plan":
        """From what a folder or a checkpoint says.

        Raises:
            ConfigError: if this version knows other settings.
        """
        return cls(
            about["stage"],
            Start.from_mapping(about["start"]),
            TrainOptions.from_mapping(about["options"]),
            TakeOptions.from_mapping(about["takes"]),
            DataOptions.from_mapping(about.get("data", {})),
        )


def stage_named(name: str) -> Stage:
    """One of the stages.

    Raises:
        ConfigError: if there is none of this name.
    """
    stages = _stages()
    if name not in stages:
        raise ConfigError(f"there is no stage '{name}', there are {', '.join(stages)}")
    return stages[name]


def _stages() -> Mapping[str, Stage]:
    from chromm_ros.train.stages import STAGES  # they need this module's neighbours

    return STAGES


def train(
    name: str,
    folder: Path,
    *,
    settings: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    resume: bool = False,
    process: Process | None = None,
) -> Ending:
    """Begin a run or go on with it, until it is finished or has to stop.

    Args:
        name: of the stage.
        folder: of the run.
        settings: `KEY=VALUE` texts; keys of `TrainOptions`, `takes.` with those of `TakeOptions`, `data.` with those of `DataOptions`,
            `start.` with those of `Start`.
        given: values of `TrainOptions`.
        start: values of `Start`.
        resume: whether to go on; where there is no run yet, it begins.
        process: how to run it.

    Raises:
        ChrommError: for whatever is wrong with them, with files, or with the data.
    """
    process = process or Process()
    os.nice(process.nice)
    if process.threads:
        torch.set_num_threads(process.threads)
    with joined(process.device) as group, locked(folder) if group.first else nullcontext():
        stage = stage_named(name)
        group.gather(None)  # the first has the folder to itself, so all may read
        changes = {**assignments(settings, example="ema=0.99"), **(given or {})}
        start = {**changes.pop("start", {}), **(start or {})}
        plan = _plan(stage, folder, changes, start, resume=resume)
        checkpoint = newest(folder)
        about = {**plan.about(), **provenance(group.device, group.world)}
        group.gather(None)  # all have read what the first now writes
        if group.first:
            write_about(folder, about)
        use_body(plan.data.body_models if plan.data.bedlam else "")
        network = stage.build(plan.start)
        assert isinstance(network, Branches)
        if process.compile:
            compile_blocks(network.blocks())
        run = Run(
            task=stage.at(network.config, begun=plan.start.begun),
            network=network,
            options=plan.options,
            folder=folder,
            clips=_clips(stage, plan, process.workers),
            validation=_validation(stage, plan) if group.first else [],
            group=group,
            about=about,
            limit_s=process.limit_s,
            ahead=AHEAD if group.device.type == "cuda" else 0,
        )
        return Loop(run, checkpoint)()


def _plan(stage: Stage, folder: Path, changes: Mapping[str, Any], start: Mapping[str, Any], *, resume: bool) -> Plan:
    """What this folder's run is, or shall be."""
    stored = read_about(folder)
    if stored is not None and not resume:
        raise ConfigError(f"'{folder}' holds a run already: add --resume to go on with it, or name another folder")
    if stored is None:
        defaults = stage.defaults
        usual = {"steps": defaults.steps, "batch": defaults.batch, "lr": defaults.lr, "warm_up": defaults.warm_up}
        options = merged(TrainOptions(), usual)
        plan = Plan(stage.name, Start(), options, defaults.takes)
    else:
        plan = Plan.of(stored)
        _same_network(folder, stage, plan, start)
    options = merged(plan.options, {name: value for name, value in changes.items() if name not in {"takes", "data"}})
    takes = merged(plan.takes, changes.get("takes", {}), where="takes.")
    data = merged(plan.data, changes.get("data", {}), where="data.")
    if stored is None:
        start = {"seed": options.seed, **start}
    plan = replace(plan, options=options, takes=takes, data=data, start=merged(plan.start, start, where="start."))
    first, count = options.seed * SEEDS_APART, options.steps * options.batch
    if first + count > VALIDATION_FIRST:
        raise ConfigError(
            f"steps x batch is {count}, but only {VALIDATION_FIRST - first} takes may be trained on from seed {options.seed}"
        )
    held_out.refuse(first, count)
    return plan


def _same_network(folder: Path, stage: Stage, plan: Plan, start: Mapping[str, Any]) -> None:
    if stage.name != plan.stage:
        raise ConfigError(f"'{folder}' holds a run of stage {plan.stage}, not {stage.name}: name another folder")
    stored = to_mapping(plan.start)
    for name, value in start.items():
        if name in stored and value != stored[name]:
            raise ConfigError(
                f"the run in '{folder}' began with {name} '{stored[name]}', not '{value}': leave it out, or begin in another folder"
            )


def _clips(stage: Stage, plan: Plan, workers: int) -> Clips:
    """Opens takes by the numbers of clips."""

    @contextmanager
    def opened(numbers: Iterator[int]) -> Iterator[Iterator[Any]]:
        with _feed(stage, plan, (plan.options.seed * SEEDS_APART + number for number in numbers), workers) as feed:
            yield iter(feed)

    return opened


def _validation(stage: Stage, plan: Plan) -> list[Any]:
    last = VALIDATION_FIRST + plan.options.validation_clips
    assert not held_out.is_held_out(last - 1)
    with _feed(stage, plan, iter(range(VALIDATION_FIRST, last)), workers=0, held_out=True) as feed:
        return list(feed)


def _feed(stage: Stage, plan: Plan, numbers: Iterator[int], workers: int, *, held_out: bool = False) -> Feed:
    usual = stage.defaults
    make = maker(plan.data, plan.takes, moments=usual.moments, period_s=usual.period_s, held_out=held_out)
    return Feed(numbers, make, workers=workers, queue=2 * plan.options.batch + workers)
