"""An outcome for people: `report.md` with pictures beside it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from chromm_ros.errors import FileError
from chromm_ros.evaluate.outcome import Outcome, Score1
from chromm_ros.evaluate.pictures import draw_all
from chromm_ros.made_with import MadeWith

FILE = "report.md"


def write(outcome: Outcome, folder: Path) -> None:
    """Write the Markdown and draw the pictures.

    Raises:
        DependencyError: if matplotlib is not installed.
        FileError: if the folder cannot be written.
    """
    try:
        (folder / FILE).write_text(markdown(outcome, draw_all(outcome, folder)))
    except OSError as error:
        raise FileError(f"'{folder}' cannot be written: {error.strerror}") from None


def markdown(outcome: Outcome, pictures: Iterable[tuple[str, str]] = ()) -> str:
    """The report as text.

    Args:
        outcome: to be told.
        pictures: names of files beside it, with captions.
    """
    parts = [f"# {outcome.title}", f"{made_with(outcome)}.", table(outcome.scores)]
    if outcome.notes:
        parts.append("\n".join(f"- {note}" for note in outcome.notes))
    parts += ["## Runtime", table(outcome.runtime) if outcome.runtime else "Not measured."]
    parts += [f"![{caption}]({name})\n\n{caption}" for name, caption in pictures]
    plain = yaml.safe_dump(_plain(outcome.config), sort_keys=False, allow_unicode=True).rstrip()
    parts += ["## Settings", f"```yaml\n{plain}\n```"]
    return "\n\n".join(parts) + "\n"


def made_with(by: Outcome | MadeWith) -> str:
    """What the numbers depend on, in one line."""
    return f"Weights `{by.weights}`, device {by.device}, precision {by.precision}, chromm_ros {by.revision}"


def table(scores: Sequence[Score1]) -> str:
    """Markdown; where there is no value, the reason stands in its place."""
    if not scores:
        return "No scores."
    rows = [f"| {score.name} | {number(score.value) or score.reason} | {score.unit} | {score.count} |" for score in scores]
    return "\n".join(["| score | value | unit | of |", "|---|---:|---|---:|", *rows])


def number(value: float | None) -> str:
    """With about three decimals' worth of information; empty where there is none."""
    if value is None:
        return ""
    return f"{value:.{1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4}f}"


def _plain(value: object) -> object:
    """Tuples as lists, which YAML writes plainly."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
