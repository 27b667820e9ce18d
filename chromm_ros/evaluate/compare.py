"""`eval compare A B`: two outcomes side by side, with paired differences frame by frame and how sure they are.

A pair is one metric of one person at one stamp of one sequence in both outcomes. Frames that follow one another err together, and so do
people who share a world, so frames are not resampled one by one: the bootstrap (Efron 1979) draws whole sequences where there are enough
of them, otherwise pieces of sequences with everybody in them, which is what WHAM's chunks are laid on the truth by (Kunsch 1989, block
bootstrap). The interval is that of percentiles.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from chromm_ros.errors import InputError
from chromm_ros.evaluate import place
from chromm_ros.evaluate.outcome import Outcome, Score1, Series
from chromm_ros.evaluate.report import made_with, number

ENOUGH = 10
"""Sequences from which on they are what is resampled."""
PIECE = 100
"""Frames of a piece of a sequence otherwise."""
FEWEST = 5
"""Pieces below which there is no interval."""
DRAWS = 5000


@dataclass(frozen=True)
class Difference:
    """One metric of both outcomes over what they have in common."""

    metric: str
    """Name."""
    unit: str
    """Of the values."""
    pairs: int
    """Frames of people with a value in both."""
    only_a: int
    """With a value in A alone."""
    only_b: int
    """With a value in B alone."""
    a: float | None
    """Mean of A over the pairs."""
    b: float | None
    """Mean of B over the pairs."""
    low: float | None
    """Lower end of the 95 % interval of B - A; None where there is too little to resample."""
    high: float | None
    """Upper end."""
    resampled: str
    """What was resampled, and how many of them."""

    @property
    def difference(self) -> float | None:
        """Mean of B - A."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def verdict(self) -> str:
        """What can be said."""
        if self.low is None or self.high is None:
            return "cannot be told"
        return "B is lower" if self.high < 0.0 else "B is higher" if self.low > 0.0 else "not told apart"


def differences(a: Outcome, b: Outcome, seed: int = 0) -> list[Difference]:
    """Of every metric that both have, in the order of A."""
    kinds = dict.fromkeys((series.metric, series.unit) for series in a.series)
    there = {(series.metric, series.unit) for series in b.series}
    return [_difference(metric, unit, a, b, seed) for metric, unit in kinds if (metric, unit) in there]


def _difference(metric: str, unit: str, a: Outcome, b: Outcome, seed: int) -> Difference:
    first, second = (_values(outcome, metric, unit) for outcome in (a, b))
    common = sorted(first.keys() & second.keys())
    alone = (len(first) - len(common), len(second) - len(common))
    if not common:
        return Difference(metric, unit, 0, *alone, None, None, None, None, "nothing in common")
    left, right = (np.array([values[key] for key in common]) for values in (first, second))
    blocks, kind = _blocks(common, a)
    low, high = bootstrap(right - left, blocks, seed)
    text = f"{int(blocks.max()) + 1} {kind}"
    return Difference(metric, unit, len(common), *alone, float(left.mean()), float(right.mean()), low, high, text)


Key = tuple[str, int, int]
"""Sequence, person, stamp."""


def _values(outcome: Outcome, metric: str, unit: str) -> dict[Key, float]:
    return {
        (series.sequence, series.person, stamp): value
        for series in outcome.series
        if (series.metric, series.unit) == (metric, unit)
        for stamp, value in zip(series.stamps_ns.tolist(), series.values.tolist(), strict=True)
        if np.isfinite(value)
    }


def _blocks(common: list[Key], outcome: Outcome) -> tuple[np.ndarray, str]:
    """Number of the block that each pair is in, and what blocks are."""
    sequences = {key[0] for key in common}
    if len(sequences) >= ENOUGH:
        names: list[Any] = [key[0] for key in common]
        kind = "sequences"
    else:
        frame = {name: _frame_numbers(series for series in outcome.series if series.sequence == name) for name in sequences}
        names = [(sequence, frame[sequence][stamp] // PIECE) for sequence, _, stamp in common]
        kind = f"pieces of {PIECE} frames"
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names]), kind


def _frame_numbers(series: Iterator[Series]) -> dict[int, int]:
    stamps = sorted({stamp for one in series for stamp in one.stamps_ns.tolist()})
    return {stamp: place for place, stamp in enumerate(stamps)}


def bootstrap(
    values: Float64[np.ndarray, "N"], blocks: np.ndarray, seed: int = 0, share: float = 0.95
) -> tuple[float | None, float | None]:
    """Interval of the mean when whole blocks are drawn with replacement; nothing where there are fewer than `FEWEST`."""
    count = int(blocks.max(initial=-1)) + 1
    if count < FEWEST:
        return None, None
    sums, sizes = np.bincount(blocks, values), np.bincount(blocks)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=DRAWS)
    means = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(means, ((1.0 - share) / 2.0, (1.0 + share) / 2.0))
    return float(low), float(high)


def what_differs(a: Outcome, b: Outcome) -> dict[str, tuple[Any, Any]]:
    """Settings, weights, device, precision and revision that are not the same, with both values."""
    sides = []
    for outcome in (a, b):
        made = {name: getattr(outcome, name) for name in ("weights", "device", "precision", "revision", "joint_set")}
        sides.append({**made, **dict(_leaves(outcome.config))})
    names = dict.fromkeys([*sides[0], *sides[1]])
    return {name: (sides[0].get(name), sides[1].get(name)) for name in names if sides[0].get(name) != sides[1].get(name)}


TASK = {
    "protocol.dataset": "data set", "protocol.way": "protocol", "protocol.sequences": "sequences", "protocol.every": "every so many-th frame",
    "protocol.chunks": "segments", "recording.truth": "truth", "chunks": "chunks",
}  # fmt: skip  # settings side by side
"""Settings that say what was scored, in words; all others say by what, and may differ."""


def _task(outcome: Outcome) -> dict[str, Any]:
    leaves = dict(_leaves(outcome.config))
    told = {words: leaves.get(name) for name, words in TASK.items()}
    # Nothing was laid on a joint where nothing was scored.
    return {**told, "joint set": outcome.joint_set if outcome.scores else None}


def refuse_unlike(a: Outcome, b: Outcome) -> None:
    """See that both were scored by one protocol on the same data: a difference of anything else is of the data, not of the chain.

    Raises:
        InputError: if they were not.
    """
    first, second = _task(a), _task(b)
    different = [f"{name} ({_told(first[name])} and {_told(second[name])})" for name in first if first[name] != second[name]]
    if different:
        raise InputError(
            f"'{a.title}' and '{b.title}' differ in {', '.join(different)}, expected one task: compare two runs of the same evaluation"
        )


def _told(value: Any) -> str:
    return "none" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def markdown(a: Outcome, b: Outcome, found: list[Difference]) -> str:
    """The comparison as text.

    Raises:
        InputError: if they are of different tasks, or have neither a score nor a frame in common.
    """
    refuse_unlike(a, b)
    paired = any(entry.pairs for entry in found)
    scores = _scores(a.scores + a.runtime, b.scores + b.runtime)
    if not paired and not scores:
        raise InputError(f"'{a.title}' and '{b.title}' have neither a score nor a frame in common: compare runs of one protocol")
    parts = [f"# {a.title} (A) and {b.title} (B)", f"A: {made_with(a)}.\n\nB: {made_with(b)}."]
    if scores:
        parts += ["## Scores", _table("score", "unit", "A", "B", "B - A", rows=scores)]
    parts.append("## Paired differences")
    if paired:
        parts += [_differences(found), HOW]
    else:
        parts.append(
            "There is nothing to pair: no metric has a value for the same person at the same stamp of the same sequence in both."
        )
    different = what_differs(a, b)
    rows = [[name, f"{values[0]}", f"{values[1]}"] for name, values in different.items()]
    parts += ["## What differs", _table("setting", "A", "B", rows=rows) if rows else "No setting, weights, device or revision."]
    return "\n\n".join(parts) + "\n"


TOO_FEW = f"needs {FEWEST} pieces of {PIECE} frames, or {ENOUGH} sequences"
HOW = (
    f"Means over the pairs that both have, and the 95 % interval of the difference: percentiles of {DRAWS} bootstrap draws of whole "
    "sequences or pieces of them with everybody in them, because neighbouring frames and people of one world err together. "
    f"With fewer than {ENOUGH} sequences it is too narrow where errors drift for longer than {PIECE} frames: take it as a hint."
)


def _differences(found: list[Difference]) -> str:
    rows = []
    for d in found:
        interval = TOO_FEW if d.low is None or d.high is None else f"{number(d.low)} to {number(d.high)}"
        alone = f"{d.only_a} / {d.only_b}"
        rows.append(
            [
                d.metric,
                d.unit,
                number(d.a),
                number(d.b),
                number(d.difference),
                interval,
                d.verdict,
                str(d.pairs),
                alone,
                d.resampled,
            ]
        )
    names = ("metric", "unit", "A", "B", "B - A", "95 %", "", "pairs", "A / B alone", "resampled")
    return _table(*names, rows=rows)


def _scores(a: tuple[Score1, ...], b: tuple[Score1, ...]) -> list[list[str]]:
    others = {(score.name, score.unit): score for score in b}
    rows = []
    for score in a:
        other = others.get((score.name, score.unit))
        if other is not None:
            both = score.value is not None and other.value is not None
            off = number(other.value - score.value) if both else ""  # type: ignore[operator]  # both says so
            rows.append([score.name, score.unit, number(score.value) or score.reason, number(other.value) or other.reason, off])
    return rows


def _table(*names: str, rows: list[list[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(names) + " |", "|---" * len(names) + "|", *("| " + " | ".join(row) + " |" for row in rows)]
    )


def add_parser(subparsers: Any) -> None:
    """`eval compare`."""
    parser: argparse.ArgumentParser = subparsers.add_parser("compare", help="two outcomes side by side, with paired differences")
    parser.add_argument("a", type=Path, metavar="A", help="folder that an evaluation wrote")
    parser.add_argument("b", type=Path, metavar="B", help="another one; a difference is B - A")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the paired differences there, too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison.

    Raises:
        FileError: if a folder holds no outcome, or the file cannot be written.
        InputError: if they are of different tasks, or have nothing in common.
    """
    if arguments.json:
        place.file(arguments.json)
    a, b = Outcome.read(arguments.a), Outcome.read(arguments.b)
    found = differences(a, b)
    sys.stdout.write(markdown(a, b, found))
    if arguments.json:
        rows = [{**asdict(entry), "difference": entry.difference, "verdict": entry.verdict} for entry in found]
        place.write(arguments.json, json.dumps({"differences": rows, "differs": what_differs(a, b)}, indent=1, allow_nan=False))
    return 0
