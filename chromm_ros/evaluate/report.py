"""An outcome for people: `report.md`."""

from pathlib import Path

from chromm_ros.evaluate.outcome import Outcome, Score1


def write(outcome: Outcome, folder: Path) -> None:
    """Write the Markdown."""
    lines = [f"# {outcome.title}", "", *table(outcome.scores), "", *outcome.notes]
    (folder / "report.md").write_text("\n".join(lines) + "\n")


def table(scores: tuple[Score1, ...]) -> list[str]:
    """Lines of Markdown."""
    rows = [f"| {s.name} | {s.reason if s.value is None else f'{s.value:.4g}'} | {s.unit} | {s.count} |" for s in scores]
    return ["| score | value | unit | of |", "|---|---|---|---|", *rows]
