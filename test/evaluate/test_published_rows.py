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


N = None
NOTES = {
    ("emdb2", "CHROMM", ""): (102.6, 255.0, 1.7),
    ("emdb2", "CHROMM", "no scale adjustment"): (169.7, 447.9, 4.2),
    ("emdb2", "CHROMM", "depth residual"): (107.5, N, N),
    ("emdb2", "CHROMM", "direct depth"): (133.8, N, N),
    ("emdb2", "CHROMM", "direct translation"): (196.4, N, N),
    ("emdb2", "Human3R", ""): (112.2, 267.9, 2.2),
    ("emdb2", "UniSH", ""): (118.5, 270.1, 5.8),
    ("emdb2", "TRAM", ""): (76.4, 222.4, 1.4),
    ("emdb2", "WHAM", ""): (135.6, 354.8, 6.0),
    ("emdb2", "GVHMR", ""): (111.0, 276.5, 2.0),
    ("emdb2", "JOSH", ""): (68.9, 174.7, 1.3),
    ("emdb2", "PromptHMR", ""): (71.0, 216.5, 1.3),
    ("emdb2", "OnlineHMR", ""): (93.5, 310.4, 2.2),
    ("emdb2", "LAMP", ""): (77.8, 165.1, 0.2),
    ("rich mono", "CHROMM", ""): (87.5, 138.3, 3.3),
    ("rich mono", "Human3R", ""): (110.0, 184.9, 3.3),
    ("rich mono", "UniSH", ""): (118.1, 183.2, N),
    ("rich mono", "TRAM", ""): (127.8, 238.0, 6.0),
    ("rich mono", "WHAM", ""): (108.4, 196.1, 4.5),
    ("rich mono", "GVHMR", ""): (78.8, 126.3, 2.4),
    ("rich mono", "JOSH", ""): (89.0, 132.5, 3.0),
    ("rich multi", "CHROMM", ""): (53.1, 79.0, 1.4),
    ("rich multi", "CHROMM", "fusion: average only"): (69.3, 105.7, 1.7),
    ("rich multi", "CHROMM", "fusion: max-pool and triangulation"): (63.2, N, N),
    ("rich multi", "GHOST", ""): (46.8, 66.9, 0.98),
    ("egohumans", "CHROMM", ""): (0.51, 0.15, 0.05, N, N),
    ("egohumans", "HSfM", ""): (1.04, 0.21, 0.05, N, N),
    ("egohumans", "HAMSt3R", ""): (3.80, 0.42, 0.14, N, N),
    ("egohumans", "Multi-HMR", ""): (7.66, 0.99, 0.12, N, N),
    ("egohumans", "GHOST", ""): (0.594, 0.114, 0.030, N, N),
    ("egohumans", "DUNE", ""): (N, N, N, 1.43, 0.96),
    ("egoexo4d", "CHROMM", ""): (0.26, 0.06, N, N),
    ("egoexo4d", "HSfM", ""): (0.56, 0.06, N, N),
    ("egoexo4d", "HAMSt3R", ""): (0.51, 0.09, 0.60, 0.99),
    ("egoexo4d", "Multi-HMR", ""): (2.88, 0.07, N, N),
    ("egoexo4d", "GHOST", ""): (0.286, 0.051, N, N),
    ("association", "CHROMM", "position and pose"): (91.3, N),
    ("association", "CHROMM", "position"): (91.1, N),
    ("association", "CHROMM", "pose"): (70.6, 48.5),
}
"""As the notes on the papers have them, typed a second time: tables of results, ablations and peers."""


def test_every_quoted_number_is_that_of_the_notes() -> None:
    assert {(row.table, row.method, row.part): row.values for row in published.ROWS} == NOTES


def test_rows_that_stand_alone_are_marked_as_quoted() -> None:
    lines = published.quoted("association").splitlines()
    assert cells(lines[0])[1:3] == ["association accuracy [%]", "association precision [%]"] and lines[-1] == published.HOW
    assert [cells(line)[:5] for line in lines[2:5]] == [
        ["CHROMM", "91.3", "", "quoted", "position and pose"],
        ["CHROMM", "91.1", "", "quoted", "position"],
        ["CHROMM", "70.6", "48.5", "quoted", "pose"],
    ]


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
