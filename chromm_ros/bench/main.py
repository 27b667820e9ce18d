"""`python -m chromm_ros bench WHAT`: measurements side by side, as ratios; never a test with a time in it."""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from chromm_ros.bench.table import Table


class Bench(NamedTuple):
    """A module with `tables(quick: bool, **options) -> Iterator[Table]`, what it measures, how long that takes, its own options."""

    module: str
    summary: str
    quick: str
    add_options: Callable[[argparse.ArgumentParser], None]


def _no_options(_parser: argparse.ArgumentParser) -> None:
    """The bench is as it is."""


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", default="", metavar="S,S", help="of nano, tiny, full (default: nano; nano,full on a GPU)")
    parser.add_argument("--shapes", default="", metavar="VxT,VxT", help="windows, cameras x time steps, for example 1x1,4x4")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument(
        "--precision", default="", choices=("float32", "bfloat16", "both"), help="(default: both where the device computes both)"
    )
    parser.add_argument(
        "--compile", default="", dest="compiled", choices=("no", "yes", "both"), help="(default: no; both on a GPU, not quick)"
    )
    parser.add_argument(
        "--scene-pixels", type=int, default=0, metavar="N", help="most pixels of Pi3X's images (default: the size's)"
    )
    parser.add_argument("--human-size", type=int, default=0, metavar="N", help="side of Multi-HMR's images, a multiple of 14")


BENCHES = {
    "ros": Bench(
        "chromm_ros.bench.ros",
        "what images, threads and big messages cost in ROS 2, between two processes",
        "in less than 40 s instead of 3 minutes, and rougher",
        _no_options,
    ),
    "model": Bench(
        "chromm_ros.bench.model",
        "parameters, operations, time, memory and precision of the network, by size and window",
        "in less than a minute on a CPU at nano size, and rougher",
        _model_options,
    ),
    "world": Bench(
        "chromm_ros.bench.world",
        "pictures of the synthetic world a second, which training lives on",
        "in some seconds instead of half a minute, and rougher",
        _no_options,
    ),
    "reconstruct": Bench(
        "chromm_ros.bench.reconstruct",
        "the reconstruction on planted worlds: the paper's ablations, drift over a lap, and cost by step and size",
        "in less than a minute instead of some, and rougher",
        _no_options,
    ),
}


def main(argv: list[str]) -> int:
    """Measure, print each table as soon as it is there, and write all of them as JSON where asked for.

    Returns:
        The exit status, 0.

    Raises:
        ConfigError: if an option names what does not exist.
        DependencyError: if ROS 2 cannot be imported.
        InputError: if a measuring process fails.
    """
    options = vars(_parser().parse_args(argv))
    what, path = options.pop("what"), options.pop("json")
    module = importlib.import_module(BENCHES[what].module)
    done: list[Table] = []
    for table in module.tables(**options):
        done.append(table)
        sys.stdout.write(table.to_text() + "\n")
        sys.stdout.flush()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report(what, done, quick=options["quick"]), indent=2) + "\n")
    return 0


def report(what: str, tables: list[Table], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured, and on what machine, with all its GPUs."""
    torch = importlib.import_module("torch")  # late: a bench that does not use it is not slowed down by it
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.platform(), "gpus": gpus}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "ros_distro": os.environ.get("ROS_DISTRO", "")}
    return {"bench": what, "quick": quick, "machine": machine | versions, "tables": [table.to_json() for table in tables]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chromm_ros bench", description=__doc__.replace("`", "") if __doc__ else "")
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, bench in BENCHES.items():
        verb = verbs.add_parser(name, help=bench.summary, description=bench.summary)
        verb.add_argument("--quick", action="store_true", help=bench.quick)
        verb.add_argument("--json", type=Path, metavar="PATH", help="write the numbers there, too")
        bench.add_options(verb)
    return parser
