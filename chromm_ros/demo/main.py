"""`python -m chromm_ros demo`: the main job. A recording through the node over ROS 2; results, a table and pictures."""

import argparse
import sys
import time
from pathlib import Path

from chromm_ros.data.bag import BagReader
from chromm_ros.errors import FileError

BUNDLED = {"real": Path(__file__).resolve().parents[2] / "test" / "data" / "pose2sim_clip"}
"""Recordings that come with the source, by name."""


def main(argv: list[str]) -> int:
    """Run the demo; 0 when every part of it is there."""
    arguments = _parser().parse_args(argv)
    recording = _recording(arguments.input)
    from chromm_ros.demo.pictures import input_images, write_pictures  # these load ROS and torch, which --help must not
    from chromm_ros.demo.results import read_results
    from chromm_ros.demo.run import Demo, play
    from chromm_ros.demo.table import table

    began = time.monotonic()
    with BagReader(recording) as bag:
        cameras = bag.camera_topics()
        images_in = sum(bag.topics[camera.image].count for camera in cameras)
        rig_frame = _rig_frame(bag)
    _say(f"playing {recording}: {len(cameras)} cameras, {images_in} images")
    demo = Demo(recording, cameras, arguments.out, rig_frame, arguments.step, arguments.parameter)
    play(demo, _say)
    results = read_results(demo.results, images_in, demo.namespace)
    _say("")
    _say(table(results))
    at_ns = results.best_stamp()
    pictures = write_pictures(arguments.out, results, input_images(recording, cameras, at_ns), at_ns)
    _say("")
    _say(f"results: {demo.results}   log: {demo.log}")
    _say(f"pictures: {', '.join(map(str, pictures))}")
    _say(f"done in {time.monotonic() - began:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chromm_ros demo", description=__doc__)
    parser.add_argument("input", nargs="?", default="real", help=f"a rosbag2, or one of: {', '.join(BUNDLED)} (default: real)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the results (default: out)")
    parser.add_argument("--step", action="store_true", help="wait for the node at every image instead of playing in real time")
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME:=VALUE", help="a parameter of the node; may be repeated"
    )
    return parser


def _recording(given: str) -> Path:
    recording = BUNDLED.get(given, Path(given))
    if given in BUNDLED and not recording.exists():
        raise FileError(
            f"the bundled recording is not at {recording}: run the demo from a source checkout, or name a rosbag2 of your own"
        )
    return recording


def _rig_frame(bag: BagReader) -> str:
    """The root of the recording's static transforms where there is one root with frames below it, else nothing."""
    transforms = bag.static_transforms()
    roots = {transform.parent for transform in transforms} - {transform.child for transform in transforms}
    return roots.pop() if len(roots) == 1 else ""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
