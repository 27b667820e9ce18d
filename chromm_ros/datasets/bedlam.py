"""BEDLAM: rendered people in rendered scenes, one camera each (Black et al., CVPR 2023; layout: pixelite1201/BEDLAM).

    <scene>/png/seq_000000/seq_000000_0000.png
    <scene>/depth/seq_000000/seq_000000_0000_depth.exr       centimetres along z
    <scene>/masks/seq_000000/seq_000000_0000_00_body.png     also _clothing and _hair of each actor
    <scene>/be_seq.csv, <scene>/ground_truth/camera/seq_000000_camera.csv
    processed_labels/<scene>.npz (or <scene>_6fps.npz, <scene>_30fps.npz)

Unreal's world is left-handed, z up, in centimetres; here it is right-handed, z up, in metres. Labels give SMPL-X bodies (neutral, flat
hands) in the camera: their translation is `trans_cam` plus the translation of `cam_ext`, whose rotation leaves the camera's yaw out, so
poses of cameras come from the CSV.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from chromm_ros.data.truth import Truth
from chromm_ros.datasets.body_models import JointModel, load_model, need_models
from chromm_ros.datasets.images import read_image, stamp_ns
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.records import Frame

RATE = 30.0
"""Images per second; labels of every fifth are usual."""
CAMERA = "camera"
HDRI_SCENES = frozenset(
    {"20221010_3_1000_batch01hand", "20221017_3_1000_batch01hand", "20221018_3-8_250_batch01hand", "20221019_3_250_highbmihand"}
)
"""Their backgrounds are photographs, so depth is not true there; CUT3R and Human3R leave them out, and so do `sequences`."""
HELD_OUT_SCENES = frozenset(
    {
        "20221018_1_250_batch01hand_zoom_suburb_b",
        "20221018_3_250_batch01hand_orbit_archVizUI3_time15",
        "20221019_3-8_250_highbmihand_orbit_stadium",
    }
)
"""Which Human3R validates on; training leaves them out."""
_LABELS = {"imgname": (), "pose_cam": (165,), "shape": (-1,), "trans_cam": (3,), "cam_ext": (4, 4), "cam_int": (3, 3), "sub": ()}
_Z_UP_FROM_CV = se3.compose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))


@dataclass(frozen=True)
class CameraBodies:
    """P bodies of one image, in its camera."""

    ids: Int[np.ndarray, "P"]
    """Number of the actor within the sequence, as masks count them."""
    pose: Float[np.ndarray, "P 55 3"]
    """Axis-angle in SMPL-X's order, the root's from body to camera."""
    betas: Float[np.ndarray, "P b"]
    """10 or 11 of the neutral body."""
    transl: Float[np.ndarray, "P 3"]
    """Metres; not the pelvis."""


class Bedlam:
    """One sequence, for example `20221018_1_250_batch01hand_zoom_suburb_b/seq_000000`; a `LabelledSequence`.

    Frames are those that are labelled, with the true intrinsics and poses. Joints are SMPL-X's 55 and need a folder of body models.
    What training needs beside is in `bedlam_moments`.
    """

    def __init__(self, root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None) -> None:
        """Read the labels, no image.

        Args:
            root: the folder with the scenes and processed_labels.
            sequence: scene and sequence.
            cameras: there is only `camera`.
            body_models: folder with the neutral SMPL-X model, for `truth`.

        Raises:
            FileError: if a part of the sequence is missing or damaged.
            InputError: if another camera is asked for, or a scene whose images are turned by 90 degrees.
        """
        if set(cameras) - {CAMERA}:
            raise InputError(f"BEDLAM has one camera, called {CAMERA}, not {', '.join(cameras)}")
        scene, _, short = sequence.partition("/")
        if "closeup" in scene:
            raise InputError(f"images of {scene} are turned by 90 degrees and show no true depth: choose another scene")
        self.name = sequence
        self.cameras = (CAMERA,)
        self.folder, self.short = root / scene, short
        self._models = body_models
        self._path = label_file(root, scene)
        self._labels = _read_labels(self._path)
        rows = np.flatnonzero(np.char.startswith(self._labels["imgname"], f"{short}/"))
        if not len(rows):
            raise FileError(f"{self._path} has no labels of {short}: of sequences in which nobody is seen well there are none")
        self._actors = _actors(self.folder / "be_seq.csv", short)
        self._rows = {name: rows[self._labels["imgname"][rows] == name] for name in sorted(set(self._labels["imgname"][rows]))}
        self._poses = _camera_poses(self.folder / "ground_truth" / "camera" / f"{short}_camera.csv")
        if self.numbers()[-1] >= len(self._poses):
            raise FileError(
                f"{self._path} labels image {self.numbers()[-1]} of {short}, its cameras are given for {len(self._poses)}"
            )

    def numbers(self) -> list[int]:
        """Which images are labelled, counted from 0."""
        try:
            return [int(Path(name).stem.rpartition("_")[2]) for name in self._rows]
        except ValueError:
            raise FileError(
                f"{self._path} labels images without a number, expected names such as {self.short}_0005.png"
            ) from None

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Labelled images in order, each with its stamp; read when they are asked for."""
        for (name, rows), number in zip(self._rows.items(), self.numbers(), strict=True):
            stamp = stamp_ns(number, RATE)
            image = read_image(self.folder / "png" / name)
            yield Frame(CAMERA, stamp, image, self._labels["cam_int"][rows[0]], world_from_cam=self._poses[number]), stamp

    def truth(self) -> Iterator[Truth]:
        """One for each labelled image; people go by their actor's number. Who is hardly in the image is not labelled.

        Raises:
            ConfigError: if no folder of body models was given.
            FileError: if the body's model is missing there.
        """
        model = self.model()
        for number in self.numbers():
            bodies = self.bodies(number)
            joints = model.joints(bodies.pose, bodies.betas, bodies.transl)
            world = se3.apply(self._poses[number], joints)
            counted = np.ones(len(joints), bool)
            yield Truth(stamp_ns(number, RATE), bodies.ids, world, "smplx", counted, self._poses[number][None])

    def model(self) -> JointModel:
        """The neutral body that the labels are of.

        Raises:
            ConfigError: if no folder of body models was given.
            FileError: if it is missing there.
        """
        return load_model(need_models(self._models, "smplx", "BEDLAM"), "smplx", "neutral")

    def bodies(self, number: int) -> CameraBodies:
        """The labels of one image."""
        rows = self._rows[f"{self.short}/{self.short}_{number:04d}.png"]
        part = {name: self._labels[name][rows] for name in ("pose_cam", "shape", "trans_cam", "cam_ext")}
        unknown = sorted(set(self._labels["sub"][rows]) - set(self._actors))
        if unknown:
            raise FileError(f"{self.folder / 'be_seq.csv'} has no body {unknown[0]} in {self.short}, which {self._path} labels")
        ids = np.array([self._actors[sub] for sub in self._labels["sub"][rows]], np.int64)
        order = np.argsort(ids)
        transl = part["trans_cam"] + part["cam_ext"][:, :3, 3]
        return CameraBodies(ids[order], part["pose_cam"].reshape(-1, 55, 3)[order], part["shape"][order], transl[order])

    def camera(self, number: int) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"]]:
        """Intrinsics and world_from_cam of one image."""
        rows = self._rows[f"{self.short}/{self.short}_{number:04d}.png"]
        return self._labels["cam_int"][rows[0]], self._poses[number]


def sequences(root: Path) -> list[str]:
    """All labelled sequences whose depth is true: no photographed backgrounds, no close-ups.

    Raises:
        FileError: if there are none, or labels are damaged.
    """
    scenes = sorted(path.parent.name for path in root.glob("*/png") if path.parent.name not in HDRI_SCENES)
    found = []
    for scene in scenes:
        if "closeup" not in scene:
            names = _read_labels(label_file(root, scene))["imgname"]
            found += [f"{scene}/{short}" for short in sorted({str(name).partition("/")[0] for name in names})]
    if not found:
        raise FileError(f"{root} holds no scenes with true depth: expected folders with png, and processed_labels/<scene>.npz")
    return found


def label_file(root: Path, scene: str) -> Path:
    """Where the labels of a scene are.

    Raises:
        FileError: if they are nowhere.
    """
    places = [root / "processed_labels" / f"{scene}{ending}.npz" for ending in ("", "_6fps", "_30fps")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileError(
            f"no labels {' or '.join(place.name for place in places)} in {places[0].parent}: download the processed labels"
        )
    return found


@lru_cache(maxsize=8)
def _read_labels(path: Path) -> dict[str, np.ndarray]:
    """What of a scene's labels is used, tens of megabytes; the last scenes' stay, for sequences of a scene share them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in _LABELS}
    except KeyError as error:
        raise FileError(f"{path} lacks labels ({error.args[0]}): are these BEDLAM's processed labels?") from error
    except Exception as error:  # zip files fail in many ways
        raise FileError(f"{path} cannot be read as labels ({error}): download it again") from error
    for name, shape in _LABELS.items():
        have = found[name].shape
        if (
            len(have) != len(shape) + 1
            or have[0] != len(found["imgname"])
            or any(a not in {-1, b} for a, b in zip(shape, have[1:], strict=True))
        ):
            raise FileError(f"{name} of {path} has shape {have}, expected {(len(found['imgname']), *shape)}: is the file cut?")
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise FileError(f"there is no file {path}: download the scene's ground truth")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _actors(path: Path, sequence: str) -> dict[str, int]:
    """Number of each body of a sequence, in the order in which Unreal was given them."""
    found: dict[str, int] = {}
    inside = False
    for row in _rows(path):
        comment = row.get("Comment") or ""
        if "sequence_name" in comment:
            inside = comment.split(";")[0].partition("=")[2] == sequence
        elif inside and "start_frame" in comment:
            found.setdefault((row.get("Body") or "").rpartition("_")[0], len(found))
    if not found:
        raise FileError(f"{path} has no bodies of {sequence}: is it the scene's be_seq.csv, and whole?")
    return found


def _camera_poses(path: Path) -> Float[np.ndarray, "F 4 4"]:
    """world_from_cam of each image, from positions in centimetres and angles in degrees as Unreal writes them."""
    try:
        rows = [[float(row[name]) for name in ("x", "y", "z", "yaw", "pitch", "roll")] for row in _rows(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{path} is no table of cameras with x, y, z, yaw, pitch and roll ({error}): download it again"
        ) from error
    x, y, z, yaw, pitch, roll = np.array(rows).reshape(-1, 6).T
    centre = np.stack([y, -z, x], axis=-1) / 100.0
    cam_from_cv = Rotation.from_euler("ZXY", np.stack([-roll, -pitch, -yaw], axis=-1), degrees=True).as_matrix()
    return np.asarray(_Z_UP_FROM_CV @ se3.compose(np.swapaxes(cam_from_cv, -1, -2), centre))
