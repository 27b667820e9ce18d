"""EgoHumans: people with glasses at play, seen by fixed fisheye cameras (Khirodkar et al., ICCV 2023; layout: rawalkhirodkar/egohumans).

    04_basketball/001_basketball/exo/cam01/images/00001.jpg
    04_basketball/001_basketball/processed_data/smpl/00001.npy
    04_basketball/001_basketball/colmap/workplace/{cameras.txt, images.txt, colmap_from_aria_transforms.pkl}

Files count from 1. The world is that of aria01's glasses, in metres; COLMAP's has another scale, which `colmap_from_aria_transforms`
holds within its rotations: they are similarities.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from chromm_ros.data.truth import Truth
from chromm_ros.datasets.colmap_text import Lens, Registered, read_lenses, read_poses
from chromm_ros.datasets.images import Fisheye, read_image, seen_by, stamp_ns
from chromm_ros.datasets.pickles import array, read_npy_dict, read_pickle
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.records import Frame

RATE = 20.0
"""Images per second (by Kineo's account)."""
_TABLE_CAMERAS = {
    "tagging": (1, 4, 6, 8),
    "lego": (2, 3, 4, 6),
    "fencing": (4, 5, 10, 13),
    "basketball": (1, 3, 4, 8),
    "volleyball": (2, 4, 8, 11),
    "badminton": (1, 2, 5, 7),
    "tennis": (4, 9, 12, 20),
}
"""The four views of HSfM's tables, by the activity that a sequence is named after."""
_BROKEN = {"010_basketball", "051_badminton"}
_FISHEYE_PARAMETERS = 8
_JOINTS = 24
"""The first of the 45 that a file holds are SMPL's."""


class EgoHumans:
    """One sequence, for example `04_basketball/001_basketball`; a `LabelledSequence`.

    Frames are those that have bodies, rectified to pinhole images with the lens's own focal length, with their true intrinsics and
    poses. Joints are SMPL's 24 and stand in the files, so no body model is needed.
    """

    def __init__(
        self,
        root: Path,
        sequence: str,
        cameras: Sequence[str] = (),
        body_models: Path | None = None,  # noqa: ARG002  # all datasets are opened alike
        every: int = 1,
    ) -> None:
        """Read calibrations and list files.

        Args:
            root: the folder with 01_tagging to 07_tennis.
            sequence: activity and sequence.
            cameras: for example `cam04`; none: the four of the field's tables.
            body_models: not needed.
            every: each so many-th frame alone, from the first on; the others' images are not read.

        Raises:
            FileError: if a part of the sequence is missing or damaged, or images of its frames are.
            InputError: if the activity is not one of the seven and no cameras are given.
        """
        self.name = sequence
        self._folder = root / sequence
        self.cameras = tuple(cameras) or _table_cameras(sequence)
        self._labels = sorted((self._folder / "processed_data" / "smpl").glob("[0-9]*.npy"))[::every]
        if not self._labels:
            raise FileError(f"{self._folder / 'processed_data' / 'smpl'} holds no bodies: expected 00001.npy and so on")
        for camera in self.cameras:
            self._check_images(camera)
        self._rig = _Rig(self._folder / "colmap" / "workplace", self.cameras)

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Images of all cameras frame by frame, each with its stamp; read when they are asked for."""
        for path in self._labels:
            number = int(path.stem)
            stamp = stamp_ns(number - 1, RATE)
            for camera in self.cameras:
                image, intrinsics = self._rig.lenses[camera].rectify(read_image(self._image(camera, path)))
                yield Frame(camera, stamp, image, intrinsics, world_from_cam=self._rig.world_from_cam(camera, number)), stamp

    def truth(self) -> Iterator[Truth]:
        """One for each frame that has bodies; people go by the number of their glasses.

        A person is said to be seen by the cameras whose image has most of the joints in it, hidden or not.

        Raises:
            FileError: if a file of bodies is damaged.
        """
        for path in self._labels:
            number = int(path.stem)
            bodies = read_npy_dict(path)
            people = sorted(bodies)
            joints = np.stack([_joints(bodies, path, person) for person in people]) if people else np.zeros((0, _JOINTS, 3))
            ids = np.array([int(person.removeprefix("aria")) for person in people], np.int64)
            poses = np.stack([self._rig.world_from_cam(camera, number) for camera in self.cameras])
            seen = seen_by(joints, self._rig.lenses, poses)
            yield Truth(stamp_ns(number - 1, RATE), ids, joints, "smpl", np.ones(len(ids), bool), poses, seen)

    def _image(self, camera: str, label: Path) -> Path:
        return self._folder / "exo" / camera / "images" / f"{label.stem}.jpg"

    def _check_images(self, camera: str) -> None:
        folder = self._folder / "exo" / camera / "images"
        there = {path.stem for path in folder.glob("*.jpg")}
        missing = [path.stem for path in self._labels if path.stem not in there]
        if missing:
            raise FileError(
                f"{folder} lacks {len(missing)} of the {len(self._labels)} images that have bodies, {missing[0]}.jpg first: "
                "was this camera released, and is it unpacked?"
            )


class _Rig:
    """Lenses and poses of the fixed cameras, in the world of aria01."""

    def __init__(self, workplace: Path, cameras: Sequence[str]) -> None:
        path = workplace / "colmap_from_aria_transforms.pkl"
        self._colmap_from_world = array(read_pickle(path), path, "aria01", shape=(4, 4))
        lenses = read_lenses(workplace / "cameras.txt")
        registered = list(read_poses(workplace / "images.txt"))
        self.lenses: dict[str, Fisheye] = {}
        self._poses: dict[str, dict[int, np.ndarray]] = {}
        for camera in cameras:
            own = [image for image in registered if image.name.startswith(f"{camera}/")]
            by_hand = workplace / f"{camera}.npy"  # of cameras that COLMAP could not place
            self._poses[camera] = _poses_by_hand(by_hand) if by_hand.is_file() else _poses(own)
            if not self._poses[camera]:
                raise FileError(
                    f"{workplace / 'images.txt'} has no pose of {camera}, and there is no {by_hand.name}: choose another camera"
                )
            # A camera without a lens has that of another: all are of one make.
            candidates = own or [image for image in registered if image.name.startswith("cam")]
            self.lenses[camera] = _fisheye(lenses, candidates, workplace / "cameras.txt")

    def world_from_cam(self, camera: str, number: int) -> Float[np.ndarray, "4 4"]:
        """By the registered image nearest in time; the cameras hardly move."""
        poses = self._poses[camera]
        scaled = poses[min(poses, key=lambda other: abs(other - number))] @ self._colmap_from_world
        scale = np.cbrt(np.linalg.det(scaled[:3, :3]))
        return se3.inverse(se3.compose(scaled[:3, :3] / scale, scaled[:3, 3] / scale))


def sequences(root: Path) -> list[str]:
    """All that are there but the two broken ones.

    Raises:
        FileError: if there are none.
    """
    folders = sorted(root.glob("0[1-7]_*/[0-9][0-9][0-9]_*"))
    found = [f"{path.parent.name}/{path.name}" for path in folders if path.is_dir() and path.name not in _BROKEN]
    if not found:
        raise FileError(f"{root} holds no sequences: expected folders such as 04_basketball/001_basketball")
    return found


def _table_cameras(sequence: str) -> tuple[str, ...]:
    activity = next((name for name in _TABLE_CAMERAS if name in sequence), None)
    if activity is None:
        raise InputError(
            f"no cameras are known for the sequence {sequence}: name them, or a sequence of {', '.join(_TABLE_CAMERAS)}"
        )
    return tuple(f"cam{number:02d}" for number in _TABLE_CAMERAS[activity])


def _joints(bodies: Any, path: Path, person: str) -> Float[np.ndarray, "24 3"]:
    return array(bodies, path, person, "joints", shape=(45, 3))[:_JOINTS]


def _poses(images: Sequence[Registered]) -> dict[int, np.ndarray]:
    return {int(Path(image.name).stem): image.cam_from_world for image in images}


def _poses_by_hand(path: Path) -> dict[int, np.ndarray]:
    try:
        matrix = np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read as a pose ({error}): download it again") from error
    if matrix.shape not in {(3, 4), (4, 4)}:
        raise FileError(f"{path} has shape {matrix.shape}, expected a pose of 3x4 or 4x4")
    return {1: np.vstack([matrix[:3], [0.0, 0.0, 0.0, 1.0]])}


def _fisheye(lenses: dict[int, Lens], images: Sequence[Registered], path: Path) -> Fisheye:
    lens = lenses.get(images[0].camera_id) if images else None
    if lens is None or lens.model != "OPENCV_FISHEYE" or len(lens.params) != _FISHEYE_PARAMETERS:
        found = "none" if lens is None else f"{lens.model} with {len(lens.params)} numbers"
        raise FileError(f"{path} has for a camera the lens {found}, expected OPENCV_FISHEYE with {_FISHEYE_PARAMETERS}")
    fx, fy, cx, cy = lens.params[:4]
    intrinsics = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return Fisheye(lens.size, intrinsics, lens.params[4:], intrinsics)
