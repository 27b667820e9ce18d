"""Quoted rows are those of the notes, and no table shows one without saying so."""

import re

import pytest

from chromm_ros.evaluate import published
from chromm_ros.evaluate.outcome import Score1

TABLES = tuple(published.COLUMNS)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_says_whether_it_was_measured_or_quoted_and_whence(table: str) -> None:
    columns = published.COLUMNS[table]
    scores = [*(Score1(name, 1.25, unit, 3) for name, unit in columns), Score1("people recall", 0.5, "", 4)]
    lines = [
        line for line in published.beside(table, "ours", scores, "22 joints", "this run").splitlines() if line.startswith("|")
    ]
    assert len({len(cells(line)) for line in lines}) == 1
    mark = len(columns) + 2
    ours, *others = [cells(line) for line in lines[2:]]
    assert ours[:2] == ["**ours**", "1.25"] and float(ours[mark - 1]) == 0.5, "how many were found stands beside the errors"
    assert ours[mark] == "**measured**" and ours[-2:] == ["22 joints", "this run"]
    assert len(others) == len(list(published.rows(table))) > 0
    assert all(row[mark] == "quoted" and len(row[-1]) > 5 for row in others)


def test_the_paper_s_own_numbers() -> None:
    """Those of the summary that the project began with."""
    told = {row.table: row.values for row in published.ROWS if row.method == "CHROMM" and not row.part}
    assert told["emdb2"] == (102.6, 255.0, 1.7) and told["rich mono"] == (87.5, 138.3, 3.3)
    assert told["rich multi"] == (53.1, 79.0, 1.4)
    assert told["egohumans"][:3] == (0.51, 0.15, 0.05) and told["egoexo4d"][:2] == (0.26, 0.06)


def test_sources_name_a_paper_or_a_repository() -> None:
    for row in published.ROWS:
        assert re.search(r"arXiv \d{4}\.\d{5}|GitHub|CVPR 20\d\d|JOSH", row.source), row


def test_units_of_a_column_are_those_of_its_scores() -> None:
    wrong = [Score1("WA-MPJPE", 0.1, "m", 1)]
    line = published.beside("emdb2", "ours", wrong, "", "").splitlines()[2]
    assert cells(line)[1] == ""  # metres are not shown under millimetres


def test_what_has_no_value_shows_its_reason() -> None:
    line = published.beside("emdb2", "ours", [Score1("RTE", None, "%", 0, "nobody moves")], "", "").splitlines()[2]
    assert cells(line)[3] == "nobody moves"
