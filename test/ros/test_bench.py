"""The bench's own machinery, over its smallest parts; no time is ever judged."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from chromm_ros.bench import messages, ros
from chromm_ros.bench.main import main
from chromm_ros.bench.peer import Receiver, Stream
from chromm_ros.bench.peers import converse, environment, measure
from chromm_ros.bench.table import Table
from chromm_ros.errors import InputError


def test_two_processes_measure_a_stream() -> None:
    values = measure(
        Stream(64, 48, 50, topics=2, reliable=True, seconds=0.3), Receiver(beside="python", switch_interval_s=0.0005)
    )
    assert set(values) == {"lost %", "p50 ms", "p95 ms", "CPU ms"}
    assert values["lost %"] is not None
    assert 0 <= values["lost %"] < 100
    assert values["p50 ms"] is not None
    assert values["p95 ms"] is not None
    assert 0 < values["p50 ms"] <= values["p95 ms"]


def test_tables_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_one(*, quick: bool) -> Iterator[Table]:
        yield ros.cloud(repeats=1 if quick else 2)

    monkeypatch.setattr(ros, "tables", only_one)
    assert main(["ros", "--quick", "--json", str(tmp_path / "new" / "bench.json")]) == 0
    (table,) = json.loads((tmp_path / "new" / "bench.json").read_text())["tables"]
    assert [row["name"] for row in table["rows"]] == ["bytes assigned to data", "array.array filled", "CDR bytes"]
    assert all(row["total ms"] == pytest.approx(row["build ms"] + row["publish ms"]) for row in table["rows"])
    assert table["title"] in capsys.readouterr().out


def test_all_ways_make_the_same_message() -> None:
    for ways, kind in ((messages.meshes(), MarkerArray), (messages.clouds(), PointCloud2)):
        made = {name: build() for name, build in ways}
        read = [
            deserialize_message(m, kind) if isinstance(m, bytes) else m for name, m in made.items() if "every tenth" not in name
        ]
        if kind is PointCloud2:
            contents = [np.frombuffer(message.data, np.uint8) for message in read]
        else:
            contents = [np.array([[p.x, p.y, p.z] for p in message.markers[0].points]) for message in read]
        for content in contents[1:]:
            np.testing.assert_array_equal(content, contents[0])


def test_a_process_that_fails_is_told() -> None:
    with pytest.raises(InputError, match="a measuring process ended with status 1"):
        converse(["chromm_ros.bench.peer", "send", "{}"], ["chromm_ros.bench.peer", "receive", "{}"], profile=())


def test_only_what_is_measured_is_tuned() -> None:
    inherited = {"MALLOC_TRIM_THRESHOLD_": "1", "FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml", "PATH": "/bin"}
    assert environment(profile=False, inherited=inherited).keys() == {"PATH", "ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"}
    tuned = environment(profile=True, inherited=inherited)
    assert tuned["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("fastdds.xml")
