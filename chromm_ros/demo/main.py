"""`python -m chromm_ros demo`: the main job. A recording through the node over ROS 2; results, a table and pictures."""

import argparse
import sys
import time
from pathlib import Path

from chromm_ros.data.bag import BagReader, CameraTopics
from chromm_ros.errors import FileError

_DATA = Path(__file__).resolve().parents[2] / "test" / "data"
BUNDLED = {"synthetic": _DATA / "synthetic_take", "real": _DATA / "pose2sim_clip"}
"""Recordings that come with the source, by name; the first is played where none is named."""


def main(argv: list[str]) -> int:
    """Run the demo; 0 when every part of it is there."""
    arguments = _parser().parse_args(argv)
    recording = _recording(arguments.input)
    from chromm_ros.demo.pictures import input_images, write_pictures  # these load ROS and torch, which --help must not
    from chromm_ros.demo.results import read_cloud, read_results
    from chromm_ros.demo.run import Demo, play
    from chromm_ros.demo.table import table
    from chromm_ros.demo.truth import read_truth

    began = time.monotonic()
    with BagReader(recording) as bag:
        cameras = bag.camera_topics()
        images_in = sum(bag.topics[camera.image].count for camera in cameras)
        root = rig_frame(bag, cameras)
    rig = f", poses of the cameras known in '{root}'" if root else ""
    _say(f"playing {recording}: {len(cameras)} cameras, {images_in} images{rig}")
    demo = Demo(recording, cameras, arguments.out, root, arguments.step, arguments.parameter)
    play(demo, _say)
    results = read_results(demo.results, images_in, demo.namespace)
    truth, remark = read_truth(recording, results)
    _say("")
    _say(table(results, truth))
    if remark:
        _say(f"\n{remark}")
    at_ns = results.best_stamp()
    cloud = read_cloud(demo.results, demo.namespace, at_ns)
    images = input_images(recording, cameras, at_ns)
    pictures = write_pictures(arguments.out, results, cloud, images, at_ns, demo.given("model.smplx_dir"), truth)
    _say("")
    _say(f"results: {demo.results}   log: {demo.log}")
    _say(f"pictures: {', '.join(map(str, pictures))}")
    _say(f"done in {time.monotonic() - began:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chromm_ros demo", description=__doc__)
    names = list(BUNDLED)
    parser.add_argument(
        "input", nargs="?", default=names[0], help=f"a rosbag2, or one of: {', '.join(names)} (default: {names[0]})"
    )
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


def rig_frame(bag: BagReader, cameras: tuple[CameraTopics, ...]) -> str:
    """The frame to which static transforms tie all cameras' frames, or nothing where they do not."""
    parents = {transform.child: transform.parent for transform in bag.static_transforms()}
    roots = set()
    for camera in cameras:
        frame = bag.deserialize(next(bag.messages([camera.image]))).header.frame_id.lstrip("/")
        if frame not in parents:
            return ""
        while frame in parents:
            frame = parents[frame]
        roots.add(frame)
    return roots.pop() if len(roots) == 1 else ""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
