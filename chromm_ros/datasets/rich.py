"""RICH: people in scanned scenes, seen by up to eight calibrated cameras (Huang et al., CVPR 2022; layout: the rich_toolkit).

    images/<split>/<seq>/cam_00/00042_00.bmp (or png, jpeg, jpg; also scaled copies)
    bodies/<split>/<seq>/00042/017.pkl       SMPL-X parameters of subject 017
    scan_calibration/<scene>/calibration/000.xml

The files' world is the first camera, in metres; here it is turned so that z is up where that camera's image is up, which is level as far as
that camera is. Lens distortion is in the files; like the toolkit, this leaves it out.
The matrices are OpenCV's, which counts pixels from the centre of the first one; half a pixel of the full size is added here.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from chromm_ros.data.truth import Truth
from chromm_ros.datasets.body_models import TRANSFER_FILE, JointModel, load_model, need_models
from chromm_ros.datasets.images import read_image, stamp_ns
from chromm_ros.datasets.pickles import array, read_pickle
from chromm_ros.datasets.rich_test import TEST_CAMERAS, gender_of
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.records import BodyParams, Frame

RATE = 30.0
"""Images per second; frames are numbered by it, from wherever the sequence was cut."""
_Z_UP = se3.compose(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]), np.zeros(3))
"""From the first camera (x right, y down, z forward) to our world (x right, y forward, z up)."""
_LONG_SIDE = 4112
"""Pixels of the images that were calibrated; users keep smaller copies."""
_TO_CENTRES = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
"""From OpenCV's pixels to ours, which begin at the outer corner of the first one."""
_HAND_COMPONENTS = 12
"""Of the PCA of each hand, about the mean hand, with which RICH was fitted."""
_ENDINGS = ("bmp", "png", "jpeg", "jpg")


class Rich:
    """One sequence of any split, for example `Gym_011_pushup1`; a `LabelledSequence`.

    Frames are those that have bodies, with the true intrinsics and poses. Joints need a folder of body models: where it holds
    SMPL-X's transfer to SMPL (`smplx2smpl_deftrafo_setup.pkl`) and SMPL_NEUTRAL, they are SMPL's 24, as in the field's tables; else
    SMPL-X's own 55.
    """

    def __init__(self, root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None) -> None:
        """Read calibrations and list files.

        Args:
            root: the folder with images, bodies and scan_calibration.
            sequence: its name.
            cameras: for example `cam_03`; none: those of the field's tables, or all that there are outside the test split.
            body_models: folder with SMPL-X's models, for `truth`.

        Raises:
            FileError: if a part of the sequence is missing, or images are.
        """
        self.name = sequence
        bodies = _one(root, "bodies", sequence)
        images = _one(root, "images", sequence)
        self.cameras = tuple(cameras) or TEST_CAMERAS.get(sequence) or tuple(sorted(path.name for path in images.glob("cam_*")))
        self._models = body_models
        self._frames = sorted(path for path in bodies.iterdir() if path.is_dir() and path.name.isdigit())
        if not self._frames:
            raise FileError(f"{bodies} holds no bodies: expected folders such as 00042 with one pickle for each subject")
        self._first = int(self._frames[0].name)
        self._calibrations = [_calibration(root, sequence, camera) for camera in self.cameras]
        self._images = [_images(images / camera, camera, self._frames) for camera in self.cameras]

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Images of all cameras frame by frame, each with its stamp; read when they are asked for."""
        for place, folder in enumerate(self._frames):
            stamp = self._stamp(folder)
            for camera, paths, (intrinsics, world_from_cam) in zip(self.cameras, self._images, self._calibrations, strict=True):
                image = read_image(paths[place])
                scale = max(image.shape) / _LONG_SIDE
                scaled = np.diag([scale, scale, 1.0]) @ intrinsics
                yield Frame(camera, stamp, image, scaled, world_from_cam=world_from_cam), stamp

    def truth(self) -> Iterator[Truth]:
        """One for each frame that has bodies; people go by their subject's number.

        Raises:
            ConfigError: if no folder of body models was given.
            FileError: if a body or its model is missing or damaged.
        """
        models = need_models(self._models, "smplx", "RICH")
        pose, joint_set = (_posed_surface(models), "smpl") if (models / TRANSFER_FILE).is_file() else (_posed, "smplx")
        poses = np.stack([world_from_cam for _, world_from_cam in self._calibrations])
        for folder in self._frames:
            people = sorted(folder.glob("*.pkl"))
            if not people:
                raise FileError(f"{folder} holds no body: expected a pickle for each subject")
            joints = se3.apply(_Z_UP, np.stack([pose(_body(path, models)) for path in people]))
            ids = np.array([int(path.stem) for path in people], np.int64)
            yield Truth(self._stamp(folder), ids, joints, joint_set, np.ones(len(ids), bool), poses)

    def _stamp(self, folder: Path) -> int:
        return stamp_ns(int(folder.name) - self._first, RATE)


def sequences(root: Path) -> list[str]:
    """Those of the test split that the field's tables have (51, two-person ones left out) and that are there.

    Raises:
        FileError: if none is.
    """
    found = [name for name in TEST_CAMERAS if (root / "bodies" / "test" / name).is_dir()]
    if not found:
        raise FileError(
            f"{root / 'bodies' / 'test'} holds no sequence of RICH's test split, expected for example Gym_011_pushup1"
        )
    return found


def _one(root: Path, part: str, sequence: str) -> Path:
    """The folder of a sequence in whichever split."""
    found = sorted(path for path in root.glob(f"{part}/*/{sequence}") if path.is_dir())
    if not found:
        raise FileError(
            f"there is no {part}/<split>/{sequence} in {root}: expected RICH as it is unpacked, with split train, val or test"
        )
    return found[0]


def _calibration(root: Path, sequence: str, camera: str) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"]]:
    """Intrinsics and world_from_cam."""
    number = camera.removeprefix("cam_")
    if not number.isdigit():
        raise InputError(f"RICH has no camera {camera}: they are called cam_00, cam_01 and so on")
    path = root / "scan_calibration" / sequence.partition("_")[0] / "calibration" / f"{int(number):03d}.xml"
    try:
        tree = ET.parse(path)  # noqa: S314  # the XML library refuses bombs of entities by itself
    except FileNotFoundError:
        raise FileError(f"there is no calibration {path} of {camera}: a camera that moves has none, choose others") from None
    except ET.ParseError as error:
        raise FileError(f"the calibration {path} is no XML ({error}): unpack it again") from error
    extrinsics, intrinsics = _matrix(tree, path, "CameraMatrix", (3, 4)), _matrix(tree, path, "Intrinsics", (3, 3))
    return _TO_CENTRES @ intrinsics, _Z_UP @ se3.inverse(se3.compose(extrinsics[:, :3], extrinsics[:, 3]))


def _matrix(tree: Any, path: Path, name: str, shape: tuple[int, int]) -> Float[np.ndarray, "n m"]:
    text = tree.findtext(f"./{name}/data") or ""
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise FileError(f"{name} of {path} holds something else than numbers ({error}): unpack it again") from None
    if values.size != shape[0] * shape[1]:
        raise FileError(f"{name} of {path} has {values.size} numbers, expected {shape[0]}x{shape[1]}")
    return values.reshape(shape)


def _images(folder: Path, camera: str, frames: Sequence[Path]) -> list[Path]:
    """The camera's image of each frame."""
    number = int(camera.removeprefix("cam_"))
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    found = []
    for frame in frames:
        names = [f"{frame.name}_{number:02d}.{ending}" for ending in _ENDINGS]
        name = next((name for name in names if name in there), None)
        if name is None:
            raise FileError(
                f"{folder} has no image {names[0]} (or {', '.join(_ENDINGS[1:])}) for a labelled frame, and {len(there)} others"
            )
        found.append(folder / name)
    return found


@dataclass(frozen=True)
class _Body:
    """One body as its file has it."""

    model: JointModel
    gender: str
    pose: Float[np.ndarray, "55 3"]
    betas: Float[np.ndarray, "b"]
    expression: Float[np.ndarray, "e"]
    transl: Float[np.ndarray, "3"]


def _body(path: Path, models: Path) -> _Body:
    gender = gender_of(int(path.stem)) if path.stem.isdigit() else None
    if gender is None:
        raise FileError(f"{path} is of no subject that RICH has: expected a number from 000 to 021")
    model = load_model(models, "smplx", gender)
    labels = read_pickle(path)
    single = {"global_orient": 3, "body_pose": 63, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "transl": 3}
    part = {key: array(labels, path, key, shape=(1, size))[0] for key, size in single.items()}
    part |= {key: array(labels, path, key, shape=(1, 10))[0] for key in ("betas", "expression")}
    face = [part[key] for key in ("jaw_pose", "leye_pose", "reye_pose")]
    pose = np.concatenate([part["global_orient"], part["body_pose"], *face]).reshape(-1, 3)
    hands = [array(labels, path, f"{side}_hand_pose", shape=(1, _HAND_COMPONENTS))[0] for side in ("left", "right")]
    if model.hands is None:
        raise FileError(f"the SMPL-X model for {path} has no hands_componentsl: get the file that fits RICH, with its hands")
    full = np.concatenate([pose, model.hand_poses(*hands)])
    return _Body(model, gender, full, part["betas"], part["expression"], part["transl"])


def _posed(body: _Body) -> Float[np.ndarray, "55 3"]:
    return body.model.joints(body.pose, body.betas, body.transl, body.expression)


def _posed_surface(models: Path) -> Callable[[_Body], Float[np.ndarray, "24 3"]]:
    from chromm_ros.datasets.smpl_from_smplx import SmplFromSmplx  # it loads torch, which nothing else here needs

    transfer = SmplFromSmplx(models)

    def posed(body: _Body) -> Float[np.ndarray, "24 3"]:
        parts = np.split(body.pose, [1, 22, 23, 24, 25, 40])
        root, jaw, left_eye, right_eye = (parts[place][0] for place in (0, 2, 3, 4))
        params = BodyParams(
            root, parts[1], parts[5], parts[6], jaw, left_eye, right_eye, body.betas, body.expression, body.transl
        )
        return transfer.pose(params, body.gender)

    return posed
