"""Each rule of transport and threads held against its absence, side by side, between two real processes.

Numbers depend on the machine; compare within a table only.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from chromm_ros.bench import messages
from chromm_ros.bench.peer import Receiver, Stream, has_events_executor
from chromm_ros.bench.peers import BOTH, Ends, converse, measure
from chromm_ros.bench.table import Row, Table


def tables(*, quick: bool) -> Iterator[Table]:
    """Measure one table after the other.

    Args:
        quick: short streams and few repeats, under 40 s in all; else under 3 minutes.

    Raises:
        DependencyError: if ROS 2 cannot be imported.
        InputError: if a measuring process fails.
    """
    seconds = 0.5 if quick else 5.0
    yield transport(seconds, all_ways=not quick)
    yield memory(seconds, processes=1 if quick else 3)
    yield executors(seconds, "images of 64x48", Stream(64, 48, 100, topics=8))
    if not quick:
        yield executors(seconds, "images of 640x480", Stream(640, 480, 30, topics=8, reliable=True))
    yield threads(seconds, torch=not quick and find_spec("torch") is not None)
    yield mesh(repeats=2 if quick else 15)
    yield cloud(repeats=2 if quick else 15)


def transport(seconds: float, *, all_ways: bool) -> Table:
    """Large images with and without the Fast DDS profile."""
    loose = Stream(1920, 1080, 30, seconds=seconds)
    reliable = replace(loose, reliable=True)
    ways: list[tuple[str, Stream, Ends]] = [
        ("BEST_EFFORT, default", loose, ()),
        ("BEST_EFFORT, profile at the subscriber only", loose, ("receive",)),
        ("BEST_EFFORT, profile at the publisher only", loose, ("send",)),
        ("BEST_EFFORT, profile at both", loose, BOTH),
        ("RELIABLE, default", reliable, ()),
        ("RELIABLE, profile at both", reliable, BOTH),
    ]
    return Table(
        "Images of 1920x1080, one camera at 30 Hz: Fast DDS profile (config/fastdds.xml)",
        "give the profile to whoever publishes images",
        "lost %",
        [
            Row(name, measure(stream, Receiver(), profile=ends))
            for name, stream, ends in ways
            if all_ways or not name.endswith("only")
        ],
    )


def memory(seconds: float, processes: int) -> Table:
    """Thresholds of malloc. Whether the untouched ones hurt depends on how a process's heap happens to lie, hence several."""
    stream = Stream(1920, 1080, 30, seconds=seconds if processes == 1 else seconds / 2, reliable=True)
    rows = []
    for name, tuned in (("malloc untouched", False), ("malloc tuned", True)):
        runs = sorted((measure(stream, Receiver(tuned=tuned)) for _ in range(processes)), key=lambda run: run["CPU ms"] or 0.0)
        rows.append(Row(f"{name}, slowest of {processes}", runs[-1]))
        if processes > 1:
            rows.append(Row(f"{name}, fastest of {processes}", runs[0]))
    return Table(
        "Images of 1920x1080, one camera at 30 Hz: malloc",
        "raise malloc's thresholds once, at the start (`transport.prepare_process`)",
        "CPU ms",
        rows,
    )


def executors(seconds: float, what: str, stream: Stream) -> Table:
    """The three executors of rclpy."""
    stream = replace(stream, seconds=seconds)
    rows = [
        Row("MultiThreadedExecutor", measure(stream, Receiver(executor="multi"))),
        Row("SingleThreadedExecutor", measure(stream, Receiver(executor="single"))),
    ]
    if has_events_executor():
        rows.append(Row("EventsExecutor", measure(stream, Receiver(executor="events"))))
    return Table(
        f"Executors: {stream.topics} topics, {what} at {stream.hz:g} Hz",
        "EventsExecutor where there is one, else SingleThreadedExecutor, never MultiThreadedExecutor",
        "p95 ms",
        rows,
    )


def threads(seconds: float, *, torch: bool) -> Table:
    """A busy thread beside the callbacks. CPU time is left out: it is the other thread's."""
    stream = Stream(640, 480, 30, topics=4, reliable=True, seconds=seconds)
    ways = {
        "pure Python, switch interval 5 ms": Receiver(beside="python", switch_interval_s=0.005),
        "pure Python, switch interval 0.5 ms": Receiver(beside="python", switch_interval_s=0.0005),
        "torch, one thread": Receiver(beside="torch", switch_interval_s=0.0005),
        "nothing": Receiver(),
    }
    if not torch:
        del ways["torch, one thread"]
    rows = [
        Row(name, {key: value for key, value in measure(stream, way).items() if key != "CPU ms"}) for name, way in ways.items()
    ]
    return Table(
        "What another thread runs: 4 topics, images of 640x480 at 30 Hz",
        "torch beside the callbacks is fine; Python there must be short, with a switch interval of 0.5 ms",
        "p50 ms",
        rows,
    )


def mesh(repeats: int) -> Table:
    """One person's mesh."""
    return Table(
        "One SMPL-X mesh as TRIANGLE_LIST, 20,908 triangles, to one subscriber",
        "CDR bytes filled by numpy; few triangles, and none without a subscriber",
        "total ms",
        _messages("mesh", repeats),
    )


def cloud(repeats: int) -> Table:
    """One cloud."""
    return Table(
        "One PointCloud2 of 150,000 points, 3 MB, to one subscriber",
        "CDR bytes or a filled array.array; whatever else is assigned to `data` is looked at byte by byte on Humble",
        "total ms",
        _messages("cloud", repeats),
    )


def _messages(kind: str, repeats: int) -> list[Row]:
    times, _ = converse([messages.__name__, "send", kind, str(repeats)], [messages.__name__, "receive", kind, "0"], profile=BOTH)
    return [Row(name, values) for name, values in times.items()]
