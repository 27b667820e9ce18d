"""EMDB-2: one person, one moving camera (Kaufmann et al., ICCV 2023; layout: dataset.md of eth-ait/emdb).

    P0/09_outdoor_walk/images/00000.jpg, P0/09_outdoor_walk/P0_09_outdoor_walk_data.pkl

The pickle holds SMPL parameters of the sequence's gender, one K, poses `cam_from_world` and `good_frames_mask`. Its world is y up, in
metres; here z is up, as everywhere in the package. K comes from ARKit, which counts pixels from the outer corner of the first one, as
the package does (Apple's documentation of the intrinsic matrix), so it is taken as it is; the data set itself does not say.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from chromm_ros.data.truth import Truth
from chromm_ros.datasets.body_models import load_model, need_models
from chromm_ros.datasets.images import read_image, stamp_ns
from chromm_ros.datasets.pickles import array, entry, read_pickle
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.records import Frame

RATE = 30.0
"""Images per second."""
CAMERA = "camera"
_Z_UP_FROM_Y_UP = se3.compose(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]), np.zeros(3))


class Emdb:
    """One sequence, for example `P0_09_outdoor_walk`; a `LabelledSequence`.

    Frames carry the true intrinsics and poses. Joints are SMPL's 24 and need a folder of body models.
    """

    def __init__(self, root: Path, sequence: str, cameras: Sequence[str] = (), body_models: Path | None = None) -> None:
        """Read the labels, no image.

        Args:
            root: the folder with P0 to P9.
            sequence: `P0_09_outdoor_walk` or `P0/09_outdoor_walk`.
            cameras: there is only `camera`.
            body_models: folder with SMPL's models, for `truth`.

        Raises:
            FileError: if the sequence or a part of it is missing or damaged.
            InputError: if another camera is asked for.
        """
        if set(cameras) - {CAMERA}:
            raise InputError(f"EMDB has one camera, called {CAMERA}, not {', '.join(cameras)}")
        self.name = sequence.replace("/", "_", 1)
        self.cameras = (CAMERA,)
        self._models = body_models
        self._folder = root / self.name[:2] / self.name[3:]
        self._path = self._folder / f"{self.name}_data.pkl"
        self._labels = read_pickle(self._path)
        self._count = int(entry(self._labels, self._path, "n_frames"))
        self._intrinsics = array(self._labels, self._path, "camera", "intrinsics", shape=(3, 3))
        extrinsics = array(self._labels, self._path, "camera", "extrinsics", shape=(self._count, 4, 4))
        self._world_from_cam = _Z_UP_FROM_Y_UP @ se3.inverse(extrinsics)
        self._good = array(self._labels, self._path, "good_frames_mask", shape=(self._count,)) > 0
        images = len(list((self._folder / "images").glob("*.jpg")))
        if images != self._count:
            raise FileError(f"{self._folder / 'images'} holds {images} images, the labels have {self._count}: unpack it again")

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """All images in order, each with its stamp; read when they are asked for."""
        for index in range(self._count):
            stamp = stamp_ns(index, RATE)
            image = read_image(self._folder / "images" / f"{index:05d}.jpg")
            yield Frame(CAMERA, stamp, image, self._intrinsics, world_from_cam=self._world_from_cam[index]), stamp

    def truth(self) -> Iterator[Truth]:
        """One for each image; frames in which the person cannot be seen are not counted.

        Raises:
            ConfigError: if no folder of body models was given.
            FileError: if the body's model is missing there, or the parameters have other shapes.
        """
        for index, joints in enumerate(self._joints()):
            counted = self._good[index : index + 1]
            poses = self._world_from_cam[index : index + 1]
            yield Truth(stamp_ns(index, RATE), np.zeros(1, np.int64), joints[None], "smpl", counted, poses)

    def _joints(self) -> np.ndarray:
        model = load_model(need_models(self._models, "smpl", "EMDB"), "smpl", str(entry(self._labels, self._path, "gender")))
        shapes = {"poses_root": (self._count, 3), "poses_body": (self._count, 69), "trans": (self._count, 3), "betas": (10,)}
        root, body, transl, betas = (array(self._labels, self._path, "smpl", key, shape=shape) for key, shape in shapes.items())
        pose = np.concatenate([root, body], axis=1).reshape(self._count, 24, 3)
        return se3.apply(_Z_UP_FROM_Y_UP, model.joints(pose, np.tile(betas, (self._count, 1)), transl))


def sequences(root: Path) -> list[str]:
    """Those whose labels say that they belong to EMDB-2 (25 in the whole data set), by name.

    Raises:
        FileError: if there are none, or labels are damaged.
    """
    files = sorted(root.glob("P[0-9]/*/*_data.pkl"))
    found = [path.name.removesuffix("_data.pkl") for path in files if bool(entry(read_pickle(path), path, "emdb2"))]
    if not found:
        raise FileError(f"{root} holds no sequence of EMDB-2: expected folders P0 to P9 with <name>/<P>_<name>_data.pkl")
    return found
