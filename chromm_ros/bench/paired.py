"""Ways of doing it, measured on the same worlds: means with standard errors, and which differences can be told from their spread.

Two ways are compared by their paired differences, world by world, so that what makes a world hard for both drops out. A difference
can be told where zero is outside of its 95 % interval (Student's t, two-sided, each pair by itself).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from chromm_ros.bench.table import Row

W = TypeVar("W")
C = TypeVar("C")
Samples = Mapping[str, Float[np.ndarray, "W"]]
"""By column, one number per world; NaN where nothing could be measured."""
SURE = 0.95
COMES, COMES_NOT, UNTOLD = "comes out", "does not come out", "cannot be told"


class Estimate(NamedTuple):
    """A mean over worlds."""

    mean: float
    """NaN without any number."""
    error: float
    """Its standard error; NaN with fewer than two numbers."""
    worlds: int
    """Worlds with a number."""

    @classmethod
    def of(cls, values: Float[np.ndarray, "W"]) -> "Estimate":
        """Of the numbers that are finite."""
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(np.nan, np.nan, 0)
        error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan
        return cls(float(known.mean()), float(error), len(known))

    def __str__(self) -> str:
        return f"{self.mean:+.3g} ± {self.error:.2g}"

    def verdict(self) -> str:
        """Whether this, the gain of one way over another, is above zero, below, or neither for sure."""
        if self.worlds < 2 or abs(self.mean) <= t.ppf(0.5 + SURE / 2.0, self.worlds - 1) * self.error:
            return UNTOLD
        return COMES if self.mean > 0.0 else COMES_NOT


def measured(
    worlds: Iterable[W], ways: Mapping[str, C], measure: Callable[[W, C], Mapping[str, float]]
) -> dict[str, dict[str, Float[np.ndarray, "W"]]]:
    """All ways on all worlds, by name and column; world by world, since a world remembers what it has drawn."""
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in ways}
    for world in worlds:
        for name, way in ways.items():
            found[name].append(measure(world, way))
    return {name: {column: np.array([one[column] for one in some]) for column in some[0]} for name, some in found.items()}


def row(name: str, samples: Samples, told: Mapping[str, float | None] | None = None) -> Row:
    """Means and standard errors, and beside them numbers that somebody else told."""
    estimates = {column: Estimate.of(values) for column, values in samples.items()}
    means = {column: e.mean if e.worlds else None for column, e in estimates.items()}
    return Row(name, means | dict(told or {}), {column: e.error for column, e in estimates.items() if e.worlds > 1})


def order(found: Mapping[str, Samples], names: Sequence[str], column: str, *, more_is_better: bool) -> list[str]:
    """A sentence for every pair of ways that should stand in this order, best first, and one for the whole order."""
    gains = _gains(found, names, column, more_is_better=more_is_better)
    verdicts = [gain.verdict() for gain in gains.values()]
    lines = [f"{better} beats {worse} in {column}: {_sentence(gain)}" for (better, worse), gain in gains.items()]
    whole = COMES_NOT if COMES_NOT in verdicts else UNTOLD if UNTOLD in verdicts else COMES
    return [*lines, f"the order as a whole in {column} ({' > '.join(names)}): {whole}"] if len(names) > 2 else lines


def ranking(found: Mapping[str, Samples], column: str, *, more_is_better: bool) -> list[str]:
    """For ways of which nobody said an order: which of all pairs can be told apart, the better one first."""
    pairs: dict[bool, list[str]] = {True: [], False: []}
    for (a, b), gain in _gains(found, list(found), column, more_is_better=more_is_better).items():
        better, worse, by = (a, b, gain) if gain.mean >= 0.0 else (b, a, gain._replace(mean=-gain.mean))
        pairs[by.verdict() != UNTOLD].append(f"{better} > {worse} ({by})")
    apart, alike = (", ".join(pairs[told]) or "none" for told in (True, False))
    return [f"{column}, told apart: {apart}", f"{column}, {UNTOLD} (difference within its spread): {alike}"]


def _gains(
    found: Mapping[str, Samples], names: Sequence[str], column: str, *, more_is_better: bool
) -> dict[tuple[str, str], Estimate]:
    sign = 1.0 if more_is_better else -1.0
    return {(a, b): Estimate.of(sign * (found[a][column] - found[b][column])) for a, b in combinations(names, 2)}


def _sentence(gain: Estimate) -> str:
    verdict = gain.verdict()
    return f"{verdict}{' (difference within its spread)' if verdict == UNTOLD else ''}, by {gain}, {gain.worlds} worlds"
