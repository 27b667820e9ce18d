"""`python -m chromm_ros bench WHAT`: measurements side by side, as ratios; never a test with a time in it."""

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any, NamedTuple

from chromm_ros.bench.table import Table


class Bench(NamedTuple):
    """A module with `tables(quick: bool) -> Iterator[Table]`, and what it measures."""

    module: str
    summary: str


BENCHES = {
    "ros": Bench("chromm_ros.bench.ros", "what images, threads and big messages cost in ROS 2, between two processes"),
}


def main(argv: list[str]) -> int:
    """Measure, print each table as soon as it is there, and write all of them as JSON where asked for.

    Returns:
        The exit status, 0.

    Raises:
        DependencyError: if ROS 2 cannot be imported.
        InputError: if a measuring process fails.
    """
    options = _parser().parse_args(argv)
    module = importlib.import_module(BENCHES[options.what].module)
    done: list[Table] = []
    for table in module.tables(quick=options.quick):
        done.append(table)
        sys.stdout.write(table.to_text() + "\n")
        sys.stdout.flush()
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report(options.what, done, quick=options.quick), indent=2) + "\n")
    return 0


def report(what: str, tables: list[Table], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured, and on what machine."""
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.platform()}
    versions = {"python": platform.python_version(), "ros_distro": os.environ.get("ROS_DISTRO", "")}
    return {"bench": what, "quick": quick, "machine": machine | versions, "tables": [table.to_json() for table in tables]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chromm_ros bench", description=__doc__.replace("`", "") if __doc__ else "")
    parser.add_argument("what", choices=BENCHES, help="; ".join(f"{name}: {bench.summary}" for name, bench in BENCHES.items()))
    parser.add_argument("--quick", action="store_true", help="in less than 40 s instead of 3 minutes, and rougher")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the numbers there, too")
    return parser
