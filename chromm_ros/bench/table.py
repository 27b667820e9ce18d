"""Tables of measurements, each row beside the one that does without the rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One way of doing it."""

    name: str
    """What is done."""
    values: Mapping[str, float | None]
    """Measurements by column; None where nothing could be measured."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Standard errors of those that are means, by column."""


@dataclass(frozen=True)
class Table:
    """One rule held against its absence."""

    title: str
    """What is compared, and under what load."""
    rule: str
    """What follows."""
    key: str
    """The column whose ratio to the first row is told."""
    rows: Sequence[Row]
    """The first one does without the rule."""
    verdicts: Sequence[str] = ()
    """What the numbers say of what was expected, a sentence each."""

    def to_text(self) -> str:
        """For people."""
        columns = list(self.rows[0].values)
        cells = [["", *columns, f"{self.key}, ratio"]]
        cells += [[row.name, *(_cell(row, column) for column in columns), self._ratio(row)] for row in self.rows]
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in cells]
        told = [f"verdict: {verdict}" for verdict in self.verdicts]
        return "\n".join([self.title, f"rule: {self.rule}", *(f"  {line}" for line in lines), *told, ""])

    def to_json(self) -> dict[str, Any]:
        """For machines: the same, with the ratios as numbers."""
        rows = [
            {"name": row.name, **row.values, "ratio": self.ratio(row)} | ({"errors": dict(row.errors)} if row.errors else {})
            for row in self.rows
        ]
        told = {"verdicts": list(self.verdicts)} if self.verdicts else {}
        return {"title": self.title, "rule": self.rule, "key": self.key, "rows": rows} | told

    def ratio(self, row: Row) -> float | None:
        """The key measurement of a row in terms of the first row's."""
        value, first = row.values[self.key], self.rows[0].values[self.key]
        return value / first if value is not None and first else None

    def _ratio(self, row: Row) -> str:
        ratio = self.ratio(row)
        if ratio is None:
            return "-"
        return f"x{ratio:.1g}" if 0 < ratio < 0.1 else f"x{ratio:.2f}"


def _cell(row: Row, column: str) -> str:
    error = row.errors.get(column)
    return _number(row.values[column]) + (f" ± {error:.2g}" if error is not None else "")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
