"""Learning curves of one or several runs as a picture, from their journals."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chromm_ros.errors import FileError, InputError, require
from chromm_ros.train.log import JOURNAL, read_journal

COLUMNS = 3
SMOOTH = 0.05
"""Share of a curve's lines that one mean is made of."""


def draw_curves(runs: Sequence[Path], file: Path, wanted: Sequence[str] = ()) -> list[str]:
    """One panel for each quantity: the mean of the training's lines, the validation as points, each run in its colour.

    Args:
        runs: their folders.
        file: the picture, PNG, SVG or PDF.
        wanted: quantities; empty: the loss and whatever the validation measures.

    Returns:
        What was drawn.

    Raises:
        DependencyError: if matplotlib is not installed.
        FileError: if a folder has no journal, or the picture cannot be written.
        InputError: if there is nothing to draw.
    """
    require("matplotlib", extra="draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    journals = {run: read_journal(run / JOURNAL) for run in runs}
    names = list(wanted) or _usual(journals.values())
    if not names:
        raise InputError(f"'{runs[0] / JOURNAL}' has no lines of losses yet: wait until the run has made some steps")
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(5 * columns, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        for number, (run, lines) in enumerate(journals.items()):
            _draw(axes, lines, name, f"C{number}", run.name)
        axes.set(title=name, xlabel="steps")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise FileError(f"'{file}' cannot be written ({error}): name a .png, .svg or .pdf") from None
    return names


def points(lines: Sequence[dict[str, Any]], kind: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one quantity; what was not finite is left out."""
    found = [line for line in lines if line["kind"] == kind and line.get(name) is not None]
    return [line["step"] for line in found], [line[name] for line in found]


def smoothed(values: Sequence[float]) -> list[float]:
    """Means over the neighbours before each value, as many as `SMOOTH` says."""
    width = max(1, round(SMOOTH * len(values)))
    return [sum(values[max(0, end - width) : end]) / min(end, width) for end in range(1, len(values) + 1)]


def _usual(journals: Any) -> list[str]:
    names: dict[str, None] = {}
    for lines in journals:
        for line in lines:
            if line["kind"] == "train" and "loss" in line:
                names.setdefault("loss")
            elif line["kind"] == "validation":
                names.update(dict.fromkeys(name for name in line if name not in {"kind", "step"}))
    return list(names)


def _draw(axes: Any, lines: Sequence[dict[str, Any]], name: str, colour: str, run: str) -> None:
    steps, values = points(lines, "train", name)
    if steps:
        axes.plot(steps, smoothed(values), color=colour, lw=1, alpha=0.7, label=run)
    steps, values = points(lines, "validation", name)
    if steps:
        axes.plot(steps, values, "o-", color=colour, ms=3, lw=1, label=f"{run}, validation")
