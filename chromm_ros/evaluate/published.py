"""Numbers that others published, to stand beside ours: every one is quoted, none was measured here.

Where a row's paper was not at hand, its source says by whom the number is told. Tables of the field are copied from one another, so a
method's own paper is named even where a later paper printed the row; where the table is not known, no table is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chromm_ros.evaluate.outcome import Score1
from chromm_ros.evaluate.report import number

COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "emdb2": (("WA-MPJPE", "mm"), ("W-MPJPE", "mm"), ("RTE", "%")),
    "rich mono": (("WA-MPJPE", "mm"), ("W-MPJPE", "mm"), ("RTE", "%")),
    "rich multi": (("WA-MPJPE", "mm"), ("W-MPJPE", "mm"), ("RTE", "%")),
    "egohumans": (
        ("W-MPJPE-dagger by centres", "m"), ("GA-MPJPE", "m"), ("PA-MPJPE", "m"), ("TE", "m"), ("RRA@10", ""),
    ),
    "egoexo4d": (("W-MPJPE-dagger by centres", "m"), ("PA-MPJPE", "m"), ("TE", "m"), ("RRA@10", "")),
    "association": (("association accuracy", "%"), ("association precision", "%")),
}  # fmt: skip  # one table a line
"""Metrics of each table with their units; the names are those of an outcome's scores."""


@dataclass(frozen=True)
class Quoted:
    """One method in one table."""

    table: str
    """Key of `COLUMNS`."""
    method: str
    """Its name."""
    values: tuple[float | None, ...]
    """In the order of the table's columns; None where there is none."""
    source: str
    """Where it stands."""
    kind: str = ""
    """What one must know to compare it: what the method is told, or that it optimises."""
    part: str = ""
    """Of an ablation: what was changed."""

    def __post_init__(self) -> None:
        assert len(self.values) == len(COLUMNS[self.table]), self


FOUND = ("people recall", "")
"""Score of an outcome that stands beside every table's: how many of those who had to be found were."""

CHROMM = "CHROMM, arXiv 2603.12789"
BY_CHROMM = f"as {CHROMM} prints it"
HUMAN3R = f"Human3R, arXiv 2510.06219, {BY_CHROMM}"
UNISH = f"UniSH, arXiv 2601.01222, {BY_CHROMM}"
HSFM = f"HSfM, arXiv 2412.17806, {BY_CHROMM}"
HAMST3R = "HAMSt3R, arXiv 2508.16433"
GHOST = "GHOST, TommasoNanni/GHOST on GitHub, unpublished"
NO_TABLE = "table not known"

ROWS: tuple[Quoted, ...] = (
    Quoted("emdb2", "CHROMM", (102.6, 255.0, 1.7), CHROMM),
    Quoted("emdb2", "CHROMM", (169.7, 447.9, 4.2), CHROMM, part="no scale adjustment"),
    Quoted("emdb2", "CHROMM", (107.5, None, None), f"{CHROMM}; seemingly of its first stage", part="depth residual"),
    Quoted("emdb2", "CHROMM", (133.8, None, None), f"{CHROMM}; seemingly of its first stage", part="direct depth"),
    Quoted("emdb2", "CHROMM", (196.4, None, None), f"{CHROMM}; seemingly of its first stage", part="direct translation"),
    Quoted("emdb2", "Human3R", (112.2, 267.9, 2.2), HUMAN3R, "online"),
    Quoted("emdb2", "UniSH", (118.5, 270.1, 5.8), UNISH, "given boxes and masks"),
    Quoted("emdb2", "TRAM", (76.4, 222.4, 1.4), f"TRAM, arXiv 2403.17346; {NO_TABLE}", "tracks and SLAM; other chunks"),
    Quoted("emdb2", "WHAM", (135.6, 354.8, 6.0), f"WHAM, arXiv 2312.07531; {NO_TABLE}", "tracks and SLAM"),
    Quoted("emdb2", "GVHMR", (111.0, 276.5, 2.0), f"GVHMR, arXiv 2409.06662; {NO_TABLE}", "tracks and visual odometry"),
    Quoted("emdb2", "JOSH", (68.9, 174.7, 1.3), f"JOSH; {NO_TABLE}", "optimises"),
    Quoted("emdb2", "PromptHMR", (71.0, 216.5, 1.3), f"PromptHMR, arXiv 2504.06397; {NO_TABLE}", "tracks and SLAM"),
    Quoted("emdb2", "OnlineHMR", (93.5, 310.4, 2.2), f"OnlineHMR, CVPR 2026; {NO_TABLE}", "online; masks and SLAM"),
    Quoted("emdb2", "LAMP", (77.8, 165.1, 0.2), f"LAMP, CVPR 2026; {NO_TABLE}", "told the cameras' poses"),
    Quoted("rich mono", "CHROMM", (87.5, 138.3, 3.3), CHROMM),
    Quoted("rich mono", "Human3R", (110.0, 184.9, 3.3), HUMAN3R, "online"),
    Quoted("rich mono", "UniSH", (118.1, 183.2, None), UNISH, "given boxes and masks"),
    Quoted("rich mono", "TRAM", (127.8, 238.0, 6.0), f"TRAM, arXiv 2403.17346; {NO_TABLE}", "tracks and SLAM; other chunks"),
    Quoted("rich mono", "WHAM", (108.4, 196.1, 4.5), f"WHAM, arXiv 2312.07531; {NO_TABLE}", "tracks and SLAM"),
    Quoted("rich mono", "GVHMR", (78.8, 126.3, 2.4), f"GVHMR, arXiv 2409.06662; {NO_TABLE}", "tracks and visual odometry"),
    Quoted("rich mono", "JOSH", (89.0, 132.5, 3.0), f"JOSH; {NO_TABLE}", "optimises"),
    Quoted("rich multi", "CHROMM", (53.1, 79.0, 1.4), CHROMM),
    Quoted("rich multi", "CHROMM", (69.3, 105.7, 1.7), CHROMM, part="fusion: average only"),
    Quoted("rich multi", "CHROMM", (63.2, None, None), CHROMM, part="fusion: max-pool and triangulation"),
    Quoted("rich multi", "GHOST", (46.8, 66.9, 0.98), GHOST, "optimises"),
    Quoted("egohumans", "CHROMM", (0.51, 0.15, 0.05, None, None), CHROMM),
    Quoted("egohumans", "HSfM", (1.04, 0.21, 0.05, None, None), HSFM, "optimises; told who is who"),
    Quoted("egohumans", "HAMSt3R", (3.80, 0.42, 0.14, None, None), f"{HAMST3R}, {BY_CHROMM}", "bodies by fitting"),
    Quoted("egohumans", "Multi-HMR", (7.66, 0.99, 0.12, None, None), f"Multi-HMR, arXiv 2402.14654; {NO_TABLE}", "one image"),
    Quoted("egohumans", "GHOST", (0.594, 0.114, 0.030, None, None), GHOST, "optimises"),
    Quoted("egohumans", "DUNE", (None, None, None, 1.43, 0.96), f"{HAMST3R}, table 3", "cameras alone"),
    Quoted("egoexo4d", "CHROMM", (0.26, 0.06, None, None), CHROMM),
    Quoted("egoexo4d", "HSfM", (0.56, 0.06, None, None), HSFM, "optimises; told who is who"),
    Quoted("egoexo4d", "HAMSt3R", (0.51, 0.09, 0.60, 0.99), f"{HAMST3R}, {BY_CHROMM}; cameras: its table 3", "bodies by fitting"),
    Quoted("egoexo4d", "Multi-HMR", (2.88, 0.07, None, None), f"Multi-HMR, arXiv 2402.14654; {NO_TABLE}", "one image"),
    Quoted("egoexo4d", "GHOST", (0.286, 0.051, None, None), GHOST, "optimises; told who is who"),
    Quoted("association", "CHROMM", (91.3, None), CHROMM, part="position and pose"),
    Quoted("association", "CHROMM", (91.1, None), CHROMM, part="position"),
    Quoted("association", "CHROMM", (70.6, 48.5), CHROMM, part="pose"),
)  # fmt: skip  # a row a line
"""By table, the paper's own first."""

HOW = (
    "Quoted rows are not measured here. Those of CHROMM and its peers come from notes on the papers, not from running their code; their "
    "frames, joint sets and gauges are not all known."
)


def rows(table: str) -> Iterator[Quoted]:
    """Of one table.

    Args:
        table: key of `COLUMNS`.
    """
    assert table in COLUMNS, table
    return (row for row in ROWS if row.table == table)


def beside(table: str, method: str, scores: Sequence[Score1], about: str, measured_on: str) -> str:
    """Markdown: a measured row above the quoted ones, each marked as what it is.

    Errors are of people who were found, so the share of all who had to be found stands beside them; nobody publishes it.

    Args:
        table: key of `COLUMNS`.
        method: name of what was measured.
        scores: of an outcome; those that the table has are shown, a score without a value as its reason.
        about: what one must know to compare it, in a word or two.
        measured_on: on what, in a few words.
    """
    columns = COLUMNS[table]
    by_name = {(score.name, score.unit): score for score in scores}
    ours = []
    for column in columns:
        score = by_name.get(column)
        ours.append("" if score is None else number(score.value) or score.reason)
    found = by_name.get(FOUND)
    ours.append("" if found is None else number(found.value) or found.reason)
    heads = [f"{name} [{unit}]" if unit else name for name, unit in (*columns, FOUND)]
    measured = "| " + " | ".join([f"**{method}**", *ours, "**measured**", about, measured_on]) + " |"
    return "\n".join([*_head(heads), measured, *(_line(row, (*row.values, None)) for row in rows(table)), "", HOW])


def quoted(table: str) -> str:
    """Markdown of the quoted rows alone, for what stands beside ours in a table of its own.

    Args:
        table: key of `COLUMNS`.
    """
    heads = [f"{name} [{unit}]" if unit else name for name, unit in COLUMNS[table]]
    return "\n".join([*_head(heads), *(_line(row, row.values) for row in rows(table)), "", HOW])


def _head(heads: Sequence[str]) -> list[str]:
    return ["| method | " + " | ".join(heads) + " | | about | source |", "|---|" + "---:|" * len(heads) + "---|---|---|"]


def _line(row: Quoted, values: Sequence[float | None]) -> str:
    told = ["" if value is None else f"{value:g}" for value in values]
    return "| " + " | ".join([row.method, *told, "quoted", row.part or row.kind, row.source]) + " |"
