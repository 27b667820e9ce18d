"""`python -m chromm_ros convert WHAT`: videos with a calibration, or a sequence of a dataset, as a rosbag2.

What the recordings hold, and which calibrations are read, is told in docs/recordings.md.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chromm_ros.errors import ConfigError

if TYPE_CHECKING:
    from chromm_ros.convert.choice import Choice

EXAMPLES = """examples:
  python -m chromm_ros convert videos --calibration Calib.qca.txt --out bag videos/*.avi
  python -m chromm_ros convert videos --calibration Calib.toml --every 2 --width 960 --offset cam2=0.04 left=a.mp4 cam2=b.mp4
  python -m chromm_ros convert videos --calibration sparse/0 --scale 1 --fps 30 images/cam1 images/cam2
  python -m chromm_ros convert dataset rich /data/RICH BBQ_001_guitar --body-models /data/smpl --out bag"""


def main(argv: list[str]) -> int:
    """Make a recording; 0 when it is whole.

    Raises:
        ChrommError: for input that cannot be read or meant, or files that cannot be written; nothing is left behind.
    """
    arguments = _parser().parse_args(argv)
    {"videos": _videos, "dataset": _dataset}[arguments.what](arguments)
    return 0


def _videos(arguments: argparse.Namespace) -> None:
    import numpy as np  # which --help must not load

    from chromm_ros.convert import formats, matching, videos
    from chromm_ros.convert.beside import written_beside
    from chromm_ros.convert.calibration import in_metres, z_up

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # silent: what is wrong with a video is said in one sentence
    read = formats.read(arguments.calibration)
    calibration = z_up(in_metres(read, arguments.scale), np.array(_numbers(arguments.up)))
    found = matching.match(list(calibration.cameras), arguments.video, some=arguments.some)
    with written_beside(arguments.out) as path:
        counts = videos.record(path, calibration.cameras, found, _choice(arguments), arguments.fps, _offsets(arguments.offset))
    lost = [name for name in found if calibration.cameras[name].world_from_cam is None]
    _tell(arguments.out, counts, f"no pose is known of {', '.join(lost)}" if lost else f"poses in 'world', up is {arguments.up}")


def _dataset(arguments: argparse.Namespace) -> None:
    from chromm_ros.convert import dataset
    from chromm_ros.convert.beside import written_beside
    from chromm_ros.datasets import catalog

    cameras = tuple(name for name in arguments.cameras.split(",") if name)
    sequence = catalog.dataset(arguments.name).open(arguments.root, arguments.sequence, cameras, arguments.body_models)
    with written_beside(arguments.out) as path:
        counts = dataset.record(path, sequence, _choice(arguments))
    _tell(arguments.out, counts, f"truth on {dataset.TRUTH}")


def _choice(arguments: argparse.Namespace) -> "Choice":
    from chromm_ros.convert.choice import Choice

    return Choice(arguments.start, arguments.seconds, arguments.every, arguments.width, arguments.quality)


def _offsets(texts: list[str]) -> dict[str, float]:
    pairs = {}
    for text in texts:
        name, equals, seconds = text.rpartition("=")
        try:
            pairs[name] = float(seconds)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"--offset is '{text}', expected CAMERA=SECONDS, for example cam2=0.04")
    return pairs


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3:
        raise ConfigError(f"--up is '{text}', expected a direction of three numbers, for example 0,-1,0")
    return numbers


def _tell(out: Path, counts: dict[str, int], remark: str) -> None:
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    images = ", ".join(f"{name} {count}" for name, count in counts.items())
    sys.stdout.write(f"{out}: images of {images}; {remark}; {size:.1f} MB\n")


def _parser() -> argparse.ArgumentParser:
    from chromm_ros.convert.matching import RULE

    parser = argparse.ArgumentParser(
        prog="python -m chromm_ros convert",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", required=True)
    videos = what.add_parser("videos", help="videos (or folders of images) and a calibration", description=RULE)
    add = videos.add_argument
    add("video", nargs="+", metavar="VIDEO", help="a video or a folder of images, or NAME=VIDEO")
    add(
        "--calibration",
        type=Path,
        required=True,
        metavar="FILE",
        help="Qualisys .qca.txt, OpenCV YAML/XML/JSON, .toml, COLMAP folder",
    )
    add("--some", action="store_true", help="leave cameras out of which no video is given")
    add("--fps", type=float, help="frames in a second of all videos (default: what they say; folders of images do not)")
    add("--offset", action="append", default=[], metavar="CAMERA=SECONDS", help="when this camera's video begins (default: 0)")
    add(
        "--scale",
        type=float,
        help="metres per unit of the calibration, COLMAP needs it (default: metres; Qualisys is in millimetres)",
    )
    add("--up", default="0,0,1", metavar="X,Y,Z", help="the direction in the calibration's world that is up (default: 0,0,1)")
    dataset = what.add_parser("dataset", help="a sequence of a dataset, with its truth")
    add = dataset.add_argument
    add("name", help="emdb2, rich, egohumans, egoexo4d or bedlam")
    add("root", type=Path, help="folder of the dataset")
    add("sequence", help="name of the sequence")
    add("--cameras", default="", metavar="A,B", help="(default: those that the field's tables use)")
    add("--body-models", type=Path, metavar="DIR", help="folder of the body models that the truth is given in")
    for parts, quality in ((videos, 90), (dataset, 95)):
        add = parts.add_argument
        add("--out", type=Path, default=Path("bag"), metavar="BAG", help="folder of the new recording (default: bag)")
        add("--start", type=float, default=0.0, help="where the recording begins [s] (default: 0)")
        add("--seconds", type=float, help="its length [s] (default: to the end)")
        add("--every", type=int, default=1, metavar="N", help="only each N-th frame (default: 1)")
        add("--width", type=int, help="of the images [pixels]; intrinsics follow (default: as they are)")
        add("--quality", type=int, default=quality, help=f"of the JPEGs, 1 to 100 (default: {quality})")
    return parser
