import json

import pytest

from chromm_ros.bench.main import BENCHES, main, report
from chromm_ros.bench.table import Row, Table

TABLE = Table(
    "Cheese",
    "eat the small one",
    "CPU ms",
    [
        Row("large", {"p50 ms": 123.4, "CPU ms": 4.0}),
        Row("small", {"p50 ms": 0.5, "CPU ms": 1.0}),
        Row("none", {"p50 ms": None, "CPU ms": None}),
    ],
)


def test_rows_stand_beside_the_first_one() -> None:
    assert [TABLE.ratio(row) for row in TABLE.rows] == [1.0, 0.25, None]
    assert TABLE.to_text().splitlines() == [
        "Cheese",
        "rule: eat the small one",
        "         p50 ms  CPU ms  CPU ms, ratio",
        "  large     123    4.00          x1.00",
        "  small    0.50    1.00          x0.25",
        "  none        -       -              -",
    ]


def test_nothing_is_compared_with_nothing() -> None:
    empty = Table("t", "r", "a", [Row("first", {"a": 0.0}), Row("second", {"a": 3.0})])
    assert empty.ratio(empty.rows[1]) is None


def test_the_report_is_json_and_names_the_machine() -> None:
    read = json.loads(json.dumps(report("ros", [TABLE], quick=True)))
    assert read["tables"][0]["rows"][1] == {"name": "small", "p50 ms": 0.5, "CPU ms": 1.0, "ratio": 0.25}
    assert read["machine"]["cores"] >= 1
    assert read["quick"] is True


def test_an_unknown_bench_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cheese"])
    told = capsys.readouterr().err
    assert all(name in told for name in BENCHES)
