"""`python -m chromm_ros eval WHAT`: how good the chain is, by a table of verbs; each is imported only when it is called.

A verb's module has `add_parser(subparsers)`, which sets `run`, and `run(arguments) -> int`.
"""

import argparse
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chromm_ros.evaluate.told import KNOWN

if TYPE_CHECKING:
    from chromm_ros.synthetic.feed import Clip

VERBS = {
    "ablations": "chromm_ros.evaluate.ablations",
    "bag": "chromm_ros.evaluate.bag",
    **dict.fromkeys(("emdb2", "rich", "egohumans", "egoexo4d"), "chromm_ros.evaluate.protocols.main"),
    "compare": "chromm_ros.evaluate.compare",
    "live": "chromm_ros.demo.live",
    "result": "chromm_ros.evaluate.result",
    "runtime": "chromm_ros.evaluate.runtime",
    "speed": "chromm_ros.evaluate.speed",
}
"""Modules by verb; `takes` is here."""

CLOTHES = ("suits", "naturalistic", "uniforms")
COLUMNS = (
    "head F1", "head depth % median", "scene depth % median", "root deg median", "MPJPE mm", "PA-MPJPE mm", "W-MPJPE mm", "association",
    "people F1", "camera deg", "camera m",
)  # fmt: skip  # in the table; JSON has all


def main(argv: list[str]) -> int:
    """Evaluate; 0 when it is done.

    Raises:
        ChrommError: for settings or weights that cannot be used.
    """
    if argv[:1] == ["--compare"]:
        argv = ["compare", *argv[1:]]
    arguments = _parser(argv[:1]).parse_args(argv)
    return int(arguments.run(arguments))


def _parser(called: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chromm_ros eval", description="How good the chain is, and what it costs.")
    what = parser.add_subparsers(dest="what", required=True)
    for module in [VERBS[name] for name in called if name in VERBS] or dict.fromkeys(VERBS.values()):
        importlib.import_module(module).add_parser(what)
    takes = what.add_parser("takes", help="held-out takes of the synthetic world, whose truth is known")
    add = takes.add_argument
    add("--weights", default="nano", help="of the whole network, a file or a name (default: nano)")
    add("--clothes", nargs="+", choices=CLOTHES, default=list(CLOTHES), help="what people wear (default: each)")
    add("--known", nargs="+", choices=tuple(KNOWN), default=list(KNOWN), help="of the cameras (default: each)")
    add("--count", type=int, default=16, help="takes, from the beginning of the list, at most 64 (default: 16)")
    add("--views", type=int, default=4, help="cameras (default: 4)")
    add("--steps", type=int, default=8, help="moments of a window, a tenth of a second apart (default: 8)")
    add("--width", type=int, default=224, help="of the images, 4:3 [pixels] (default: 224)")
    add("--json", type=Path, metavar="FILE", help="write everything there, too")
    takes.set_defaults(run=_takes)
    return parser


def _takes(arguments: argparse.Namespace) -> int:
    from chromm_ros.config import ChrommConfig
    from chromm_ros.evaluate import place, runtime
    from chromm_ros.evaluate.report import made_with, table
    from chromm_ros.evaluate.takes import on_takes
    from chromm_ros.pipeline import Pipeline

    if arguments.json:
        place.file(arguments.json)
    pipeline = Pipeline(ChrommConfig.from_mapping({"model": {"checkpoint": arguments.weights}}))
    rows = []
    for clothes in arguments.clothes:
        clips = list(_clips(arguments, clothes))
        for known in arguments.known:
            told = KNOWN[known]
            tally = on_takes(pipeline, iter(clips), told)
            rows.append({"clothes": clothes, "known": told.text, **tally.row()})
            sys.stderr.write(f"{clothes}, {told.text}: done\n")
    made, spent = runtime.made(pipeline), runtime.timed(pipeline)
    title = f"{arguments.count} held-out takes, {arguments.views} views, {arguments.steps} steps\n\n{made_with(made)}."
    sys.stdout.write(f"{_table(rows, title)}\n\n{table(spent)}\n")
    if arguments.json:
        content = {**vars(made), "rows": [_plain(row) for row in rows], "runtime": [vars(score) for score in spent]}
        place.write(arguments.json, json.dumps(content, indent=1, allow_nan=False))
    return 0


def _plain(row: dict[str, object]) -> dict[str, object]:
    """For JSON, which has no NaN."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}


def _clips(arguments: argparse.Namespace, clothes: str) -> "Iterator[Clip]":
    from chromm_ros.synthetic import held_out
    from chromm_ros.synthetic.feed import clip
    from chromm_ros.synthetic.world.take import TakeOptions

    options = TakeOptions(
        views=arguments.views,
        clothes=clothes,
        width=arguments.width,
        height=round(arguments.width * 3 / 4),
        people_min=2,
        people_max=4,
    )
    for seed in held_out.SEEDS[: arguments.count]:
        yield clip(seed, options, arguments.steps, 0.1)


def _table(rows: list[dict[str, object]], title: str) -> str:
    """Markdown."""
    columns = [name for name in COLUMNS if any(name in row for row in rows)]
    lines = [title, "", "| clothes | known | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for row in rows:
        values = [f"{row[name]:.3g}" if name in row else "" for name in columns]
        lines.append(f"| {row['clothes']} | {row['known']} | " + " | ".join(values) + " |")
    return "\n".join(lines)
