"""`eval ablations`: what each part of the chain is worth, on held-out takes and with trained weights; the paper's ablations and more.

All variants see the same takes, so differences are paired: the interval is that of their mean when whole takes are drawn again
(bootstrap, 95 %).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chromm_ros.config import ChrommConfig
from chromm_ros.data.moment import Moment
from chromm_ros.errors import ConfigError
from chromm_ros.evaluate import place, published, runtime
from chromm_ros.evaluate.compare import FEWEST, bootstrap
from chromm_ros.evaluate.remembered import Remembered
from chromm_ros.evaluate.report import made_with
from chromm_ros.evaluate.report import table as scores
from chromm_ros.evaluate.takes import Tally, judge
from chromm_ros.evaluate.variants import MOST_VIEWS, STEPS, STREAM, Group, Variant, groups
from chromm_ros.model.predictor import Predictor
from chromm_ros.pipeline import Pipeline
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.feed import Clip, clip
from chromm_ros.synthetic.world.take import TakeOptions

PERIOD_S = 0.1
_OF_VIEWS = {f.name for f in fields(Moment)} - {"stamp_ns", "ids", "body", "joints"}
TOO_FEW = f"(an interval needs {FEWEST} takes)"
COLUMNS = (
    "W-MPJPE mm", "MPJPE mm", "PA-MPJPE mm", "head F1", "people F1", "association", "association precision", "association recall",
)  # fmt: skip  # one line


@dataclass(frozen=True)
class Line:
    """What came of one variant."""

    group: str
    variant: Variant
    scores: Mapping[str, float]
    """Over all takes."""
    key: str
    """What the difference is of."""
    difference: float | None
    """To the group's first, the mean over takes; None for the first itself."""
    low: float | None
    """Lower end of its interval; None where there are too few takes."""
    high: float | None
    """Upper end."""
    config: Mapping[str, Any]
    """Resolved settings of the reconstruction, and how heads are found."""
    same_as: str = ""
    """An earlier line that is the same run, by group and name."""

    @property
    def told(self) -> str:
        """The difference in words, or why there is none."""
        if self.same_as:
            return f"as {self.same_as}"
        if self.difference is None:
            return "the first"
        if not np.isfinite(self.difference):
            return f"{self.key}: no take has a value in both"
        interval = f"[{self.low:+.3g}, {self.high:+.3g}]" if self.low is not None and self.high is not None else TOO_FEW
        return f"{self.key}: {self.difference:+.3g} {interval}"

    def cell(self, name: str) -> str:
        """A score in words, or why there is none; empty where an earlier line shows it."""
        value = self.scores.get(name, float("nan"))
        if self.same_as:
            return ""
        if np.isfinite(value):
            return f"{value:.3g}"
        if name.startswith("association"):
            return "one camera" if self.variant.views == 1 else "no such pairs"
        return "nobody found"


def ablate(config: ChrommConfig, predictor: Predictor, takes: Sequence[Clip], compared: Sequence[Group]) -> Iterator[Line | None]:
    """Every variant on every take.

    Args:
        config: what variants change.
        predictor: with the weights.
        takes: with as many moments and views as the variants ask for.
        compared: what differs.

    Yields:
        None after each take, for whoever shows progress; then the lines, group by group.
    """
    variants = [variant for group in compared for variant in group.variants]
    # Those that ask the same of the network follow one another.
    order = sorted(range(len(variants)), key=lambda k: _question(variants[k]))
    configs = [_changed(config, variant) for variant in variants]
    ways = {one.model.support: Remembered(predictor, one.model.support) for one in configs}
    chains = [Pipeline(one, predictor=ways[one.model.support]) for one in configs]
    tallies: list[list[Tally]] = [[] for _ in variants]
    for number, take in enumerate(takes):
        with torch.inference_mode():
            for k in order:
                tallies[k].append(_run(chains[k], take, variants[k], number))
        yield None
    place, before = 0, list[Line]()
    for group in compared:
        count = len(group.variants)
        for line in _lines(group, tallies[place : place + count], [_settings(chain) for chain in chains[place : place + count]]):
            same = next((f"{one.group}: {one.variant.name}" for one in before if one.variant.runs_as(line.variant)), "")
            before.append(replace(line, same_as=same))
        place += count
    yield from before


def _question(variant: Variant) -> tuple[Any, ...]:
    return (variant.views, variant.steps or 0, variant.told.intrinsics, variant.told.poses, variant.stream)


def _changed(config: ChrommConfig, variant: Variant) -> ChrommConfig:
    assert set(variant.settings.get("model", {})) <= {"support"}, "the network is loaded already"
    changes = {name: replace(getattr(config, name), **values) for name, values in variant.settings.items()}
    return replace(config, **changes)


def _settings(chain: Pipeline) -> Mapping[str, Any]:
    """The settings that variants change."""
    return {**asdict(chain.config.reconstruct), "model": {"support": chain.config.model.support}}


def _run(chain: Pipeline, take: Clip, variant: Variant, number: int) -> Tally:
    """One variant on one take."""
    moments, tally = seen_by(take, variant.views)[-(variant.steps or 0) :], Tally()
    chain.reset()
    if not variant.stream:
        judge(chain, moments, variant.told, tally, number, newest=variant.newest)
        return tally
    for first in range(len(moments) - STREAM + 1):
        judge(chain, moments[first : first + STREAM], variant.told, tally, number, first=first, newest=1)
    return tally


def seen_by(take: Clip, views: int) -> Clip:
    """The same take with its first cameras alone."""
    return tuple(replace(m, **{name: getattr(m, name)[:views] for name in _OF_VIEWS}) for m in take)


def _lines(group: Group, tallies: list[list[Tally]], configs: list[Mapping[str, Any]]) -> Iterator[Line]:
    """A group's lines; each take's own value is what pairs are made of."""
    alone = [np.array([tally.row().get(group.key, np.nan) for tally in each]) for each in tallies]
    for variant, each, values, config in zip(group.variants, tallies, alone, configs, strict=True):
        scores = sum(each, Tally()).row()
        if values is alone[0]:
            yield Line(group.title, variant, scores, group.key, None, None, None, config)
            continue
        paired = (values - alone[0])[np.isfinite(values - alone[0])]
        low, high = bootstrap(paired, np.arange(len(paired)))
        mean = float(paired.mean()) if len(paired) else float("nan")
        yield Line(group.title, variant, scores, group.key, mean, low, high, config)


def table(lines: Sequence[Line], title: str) -> str:
    """Markdown."""
    texts = [title, "", "| | | " + " | ".join(COLUMNS) + " | difference to the first |", "|---" * (len(COLUMNS) + 3) + "|"]
    for before, line in zip([None, *lines], lines, strict=False):
        group = "" if before is not None and before.group == line.group else line.group
        cells = (group, line.variant.name, *map(line.cell, COLUMNS), line.told)
        texts.append("| " + " | ".join(cells) + " |")
    return "\n".join([*texts, "", HOW])


HOW = (
    "Differences are means over the takes that have a value in both. Sights of people are associated between cameras, so one camera has "
    "no association; `no such pairs`: nobody was seen by two cameras, or no two sights were taken for one person. `nobody found`: no true "
    "person who had to be found was, so there is no body to measure."
)


def add_parser(what: Any) -> None:
    """The verb."""
    parser = what.add_parser("ablations", help="what each part of the chain is worth, on held-out takes")
    add = parser.add_argument
    add("--weights", default="nano", help="of the whole network, a file or a name (default: nano)")
    add("--count", type=int, default=16, help="takes, from the beginning of the held-out list, at most 64 (default: 16)")
    add("--clothes", default="suits", choices=("suits", "naturalistic", "uniforms"), help="what people wear (default: suits)")
    add("--steps", type=int, default=STEPS, help=f"moments of each take, at least {STREAM} (default: {STEPS})")
    add("--out", type=Path, metavar="FOLDER", help="write ablations.md and ablations.json there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table.

    Raises:
        ConfigError: for a count that the list has not, takes too short, or weights that cannot be used.
        FileError: if the folder cannot be written.
    """
    if arguments.out:
        place.folder(arguments.out)
    if not 0 < arguments.count <= len(held_out.SEEDS):
        raise ConfigError(f"--count is {arguments.count}, expected 1 to {len(held_out.SEEDS)}, the held-out takes")
    if arguments.steps < STREAM:
        raise ConfigError(f"--steps is {arguments.steps}, expected at least {STREAM}, the moments of a window of the stream")
    config = ChrommConfig.from_mapping({"model": {"checkpoint": arguments.weights}})
    pipeline = Pipeline(config)
    options = TakeOptions(views=MOST_VIEWS, clothes=arguments.clothes, people_min=2, people_max=4)
    takes = _Takes(options, arguments.count, arguments.steps)
    lines: list[Line] = []
    for line in ablate(config, pipeline.predictor, takes, groups(arguments.steps)):
        if line is None:
            sys.stderr.write(f"\r{takes.given}/{arguments.count} takes")
            sys.stderr.flush()
        else:
            lines.append(line)
    sys.stderr.write("\n")
    title = f"{arguments.count} held-out takes in {arguments.clothes}, {arguments.steps} moments, up to {MOST_VIEWS} views"
    spent = runtime.timed(pipeline)
    paper = f"The paper's own ablation of association, on other data and by a formula that it does not tell:\n\n{published.quoted('association')}"
    parts = (table(lines, title), paper, f"{made_with(runtime.made(pipeline))}.", scores(spent))
    text = "\n\n".join(parts) + "\n"
    sys.stdout.write(text)
    if arguments.out:
        place.write(arguments.out / "ablations.md", text)
        made = {**runtime.about(pipeline), "takes": asdict(options), "count": arguments.count, "steps": arguments.steps}
        told = {"runtime": [asdict(score) for score in spent], "lines": [_plain(asdict(line)) for line in lines]}
        place.write(arguments.out / "ablations.json", json.dumps({"version": 1, "made": made, **told}, indent=1))
    return 0


def _plain(value: Any) -> Any:
    """For JSON, which has no NaN."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


class _Takes(Sequence[Clip]):
    """Takes by their place in the list, made when they are asked for."""

    def __init__(self, options: TakeOptions, count: int, steps: int) -> None:
        self._options, self._count, self._steps = options, count, steps
        self.given = 0
        """How many were asked for."""

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        if place >= self._count:
            raise IndexError(place)
        self.given = place + 1
        return clip(held_out.SEEDS[place], self._options, self._steps, PERIOD_S)
