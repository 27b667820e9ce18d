"""Ego-Exo4D: one person, seen by fixed fisheye cameras (Grauman et al., CVPR 2024; layout: facebookresearch/Ego4d).

    takes.json, annotations/ego_pose/val/body/annotation/<take_uid>.json      17 points at a few frames
    takes/<take>/trajectory/gopro_calibs.csv                                   lens and pose of each camera
    takes/<take>/frame_aligned_videos/cam01.mp4 (or downscaled/448/cam01.mp4)

The world is gravity-aligned, z up, in metres. Aria's pixels count from the centre of the first, ours from its corner.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from chromm_ros.data.truth import Truth
from chromm_ros.datasets.images import Fisheye, seen_by, stamp_ns, video_frames
from chromm_ros.datasets.pickles import array, entry
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.records import Frame

RATE = 30.0
"""Frames per second of the aligned videos."""
COCO = (
    "nose", "left-eye", "right-eye", "left-ear", "right-ear", "left-shoulder", "right-shoulder", "left-elbow", "right-elbow",
    "left-wrist", "right-wrist", "left-hip", "right-hip", "left-knee", "right-knee", "left-ankle", "right-ankle",
)  # fmt: skip  # one region per line
"""The 17 points by the dataset's names, in COCO's order."""
_SPLITS = ("val", "train", "test")
_HANDS_ONLY = ("covid", "bike", "pcr")
"""In the names of takes whose annotation is of hands."""
_BROKEN = {"cmu_soccer16_2", "uniandes_dance_002_2", "uniandes_dance_002_11"}
_LENS = "KANNALABRANDTK3"


class EgoExo4D:
    """One take, for example `upenn_0721_Piano_2_5`; a `LabelledSequence`.

    Frames are those that have points, rectified to pinhole images, with their true intrinsics and poses. The points are COCO's 17, NaN
    where too few views saw one.
    """

    def __init__(
        self,
        root: Path,
        sequence: str,
        cameras: Sequence[str] = (),
        body_models: Path | None = None,  # noqa: ARG002  # all datasets are opened alike
        least_views: int = 1,
    ) -> None:
        """Read annotations and calibrations, no video.

        Args:
            root: the folder with takes.json, takes and annotations.
            sequence: name of the take.
            cameras: for example `cam01` or `gp01`; none: all that were localised.
            body_models: not needed.
            least_views: points that fewer views saw are not labelled; the benchmark's own code asks for 3.

        Raises:
            FileError: if a part of the take is missing or damaged.
            InputError: if a camera is asked for that is not there or was not localised.
        """
        self.name = sequence
        self._least_views = least_views
        self._take = _take(root, sequence)
        self._folder = root / "takes" / sequence
        self._labels, self._path = _annotation(root, str(self._take["take_uid"]))
        lenses, poses = _calibrations(self._folder / "trajectory" / "gopro_calibs.csv")
        self.cameras = tuple(cameras) or tuple(lenses)
        for camera in self.cameras:
            if camera not in lenses:
                raise InputError(f"the take {sequence} has no camera {camera} that was localised, only {', '.join(lenses)}")
        self._lenses = {camera: lenses[camera] for camera in self.cameras}
        self._poses = {camera: poses[camera] for camera in self.cameras}
        self._videos = {camera: self._video(camera) for camera in self.cameras}

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """The annotated frames of all cameras, each with its stamp; videos are decoded as far as one asks."""
        videos = [video_frames(self._videos[camera], self._labels) for camera in self.cameras]
        for together in zip(*videos, strict=True):
            for camera, (index, raw) in zip(self.cameras, together, strict=True):
                image, intrinsics = self._lenses[camera].rectify(raw)
                stamp = stamp_ns(index, RATE)
                yield Frame(camera, stamp, image, intrinsics, world_from_cam=self._poses[camera]), stamp

    def truth(self) -> Iterator[Truth]:
        """One for each annotated frame.

        Raises:
            FileError: if an annotation is damaged.
        """
        poses = np.stack(list(self._poses.values()))
        for index, labels in self._labels.items():
            points = _points(labels, self._path, self._least_views)[None]
            seen = seen_by(points, self._lenses, poses)
            yield Truth(stamp_ns(index, RATE), np.zeros(1, np.int64), points, "coco", np.ones(1, bool), poses, seen)

    def _video(self, camera: str) -> Path:
        """The video that takes.json names, else the usual places, the full size first."""
        listed = self._take.get("frame_aligned_videos", {}).get(camera, {}).get("0", {}).get("relative_path")
        base = self._folder / "frame_aligned_videos"
        places = [base / f"{camera}.mp4", base / "downscaled" / "448" / f"{camera}.mp4"]
        places = [self._folder / listed, *places] if listed else places
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise FileError(f"no video of {camera} at {' or '.join(map(str, places))}: download the take's frame_aligned_videos")
        return found


def sequences(root: Path) -> list[str]:
    """Takes of the validation split whose bodies are annotated, less those with hands alone and three of bad truth.

    Raises:
        FileError: if there are none.
    """
    by_uid = {str(take["take_uid"]): str(take["take_name"]) for take in _takes(root / "takes.json")}
    annotated = sorted(path.stem for path in _annotations(root, "val").glob("*.json"))
    names = sorted(by_uid[uid] for uid in annotated if uid in by_uid)
    found = [name for name in names if name not in _BROKEN and not any(word in name.lower() for word in _HANDS_ONLY)]
    if not found:
        raise FileError(
            f"{_annotations(root, 'val')} holds no annotations of takes in takes.json: download egopose with annotations"
        )
    return found


def _annotations(root: Path, split: str) -> Path:
    return root / "annotations" / "ego_pose" / split / "body" / "annotation"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"there is no file {path}: expected it where Ego-Exo4D has it") from None
    except ValueError as error:
        raise FileError(f"{path} is no JSON ({error}): download it again") from error


@lru_cache(maxsize=2)
def _takes(path: Path) -> list[dict[str, Any]]:
    takes = _json(path)
    if not isinstance(takes, list) or not all(
        isinstance(take, dict) and {"take_uid", "take_name"} <= set(take) for take in takes
    ):
        raise FileError(f"{path} is no list of takes with take_uid and take_name: download Ego-Exo4D's takes.json")
    return takes


def _take(root: Path, name: str) -> dict[str, Any]:
    take = next((take for take in _takes(root / "takes.json") if take["take_name"] == name), None)
    if take is None:
        raise FileError(f"{root / 'takes.json'} has no take called {name}")
    return take


def _annotation(root: Path, uid: str) -> tuple[dict[int, Any], Path]:
    """Annotations by frame, in order, of whichever split has them."""
    places = [_annotations(root, split) / f"{uid}.json" for split in _SPLITS]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileError(f"there is no annotation {places[0]}, nor in train or test: this take has no labelled body")
    labels = _json(path)
    if not isinstance(labels, dict) or not labels or not all(str(key).isdigit() and value for key, value in labels.items()):
        raise FileError(f"{path} is no table of annotations by frame: download it again")
    return {int(key): labels[key][0] for key in sorted(labels, key=int)}, path


def _points(labels: Any, path: Path, least_views: int) -> Float[np.ndarray, "17 3"]:
    points = np.full((len(COCO), 3), np.nan)
    there = entry(labels, path, "annotation3D")
    for place, name in enumerate(COCO):
        if name in there and entry(there, path, name, "num_views_for_3d") >= least_views:
            points[place] = [float(array(there, path, name, axis, shape=())) for axis in "xyz"]
    return points


def _calibrations(path: Path) -> tuple[dict[str, Fisheye], dict[str, Float[np.ndarray, "4 4"]]]:
    """Lenses and world_from_cam of the cameras that were localised."""
    if not path.is_file():
        raise FileError(f"there is no calibration {path}: download the take's trajectory")
    lenses, poses = {}, {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                if float(row.get("quality", 1.0)) != 1.0:
                    continue
                lenses[row["cam_uid"]], poses[row["cam_uid"]] = _lens(row, path), _pose(row)
            except (KeyError, ValueError, TypeError) as error:
                raise FileError(
                    f"{path} has a row that is no calibration ({type(error).__name__}: {error}): download it again"
                ) from error
    if not lenses:
        raise FileError(f"{path} has no camera that was localised (quality 1)")
    return lenses, poses


def _lens(row: dict[str, str], path: Path) -> Fisheye:
    if row["intrinsics_type"] != _LENS:
        raise FileError(f"{path} has a lens of type {row['intrinsics_type']}, expected {_LENS}")
    fx, fy, cx, cy, *distortion = (float(row[f"intrinsics_{place}"]) for place in range(8))
    intrinsics = np.array([[fx, 0.0, cx + 0.5], [0.0, fy, cy + 0.5], [0.0, 0.0, 1.0]])
    return Fisheye((int(row["image_width"]), int(row["image_height"])), intrinsics, np.array(distortion), intrinsics)


def _pose(row: dict[str, str]) -> Float[np.ndarray, "4 4"]:
    turn = Rotation.from_quat([float(row[f"q{axis}_world_cam"]) for axis in "xyzw"]).as_matrix()
    return se3.compose(turn, np.array([float(row[f"t{axis}_world_cam"]) for axis in "xyz"]))
