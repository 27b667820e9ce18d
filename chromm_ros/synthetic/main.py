"""`python -m chromm_ros synth WHAT`: takes of the synthetic world as images, as a rosbag2 with its truth, or as a contact sheet."""

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  python -m chromm_ros synth preview --out takes.png
  python -m chromm_ros synth bag --seed 1000000003 --seconds 6 --out bag
  python -m chromm_ros synth scene --set clothes=naturalistic --set views=2 --out scene"""


def main(argv: list[str]) -> int:
    """Make takes; 0 when they are written.

    Raises:
        ChrommError: for settings that cannot be met, or files that cannot be written.
    """
    arguments = _parser().parse_args(argv)
    from chromm_ros.synthetic.making import bag, options, preview, scene  # numba, which --help must not load

    {"scene": scene, "bag": bag, "preview": preview}[arguments.what](arguments, options(arguments.set), _say)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chromm_ros synth",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", required=True)
    for name, help_, out in (
        ("scene", "images, depths and people of one take as files, with truth.npz", "scene"),
        ("bag", "a recording (MCAP) with truth, as the demo plays it", "bag"),
        ("preview", "a contact sheet of many takes", "takes.png"),
    ):
        add = what.add_parser(name, help=help_).add_argument
        add(
            "--seed", type=int, default=0, help="of the (first) take; from 1000000000 on they are held out for tests (default: 0)"
        )
        add("--out", type=Path, default=Path(out), help=f"(default: {out})")
        add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the take; an unknown key lists them")
        if name == "preview":
            add("--count", type=int, default=8, help="takes (default: 8)")
        else:
            add("--start", type=float, default=0.0, help="of the take's own time [s] (default: 0)")
            add("--seconds", type=float, default=6.0 if name == "bag" else 0.5, help="length")
            add("--fps", type=float, default=10.0, help="frame-sets in a second (default: 10)")
        if name == "bag":
            add("--quality", type=int, default=90, help="of the JPEGs, 1 to 100 (default: 90)")
    return parser
