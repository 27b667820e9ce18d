"""The network as a library: images in, cameras, point maps and people out. No ROS, no stream, no lasting ids.

    model = load("NAME")
    prediction = model([left, right], intrinsics=[K, None])

For video with people who keep their ids see `pipeline.Pipeline`.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from chromm_ros.body.placed import PosedBodies, place_bodies
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.errors import ConfigError, InputError, require
from chromm_ros.geometry.rotation import is_rotation
from chromm_ros.model.checkpoint import read_card
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.load import UNTRAINED
from chromm_ros.model.predictor import Predictor
from chromm_ros.model.weight_files import find_weights
from chromm_ros.records import Frame, FrameSet, Prediction, Window

LARGEST = 1e9
"""Largest number of a pose (metres) or of intrinsics (pixels): float64 knows a place that far off to a tenth of a micrometre."""


def load(name_or_path: str | Path = "", **options: Any) -> "Model":
    """A network, ready to run.

    Args:
        name_or_path: trained weights, a file or a name that `python -m chromm_ros weights list` shows; empty: those that ship
            (`nano`); `untrained`: drawn from the seed, for trying the machinery. Weights of one branch alone, as published, fill that
            branch; the rest is untrained, and `Model.weights` says so. For people from published weights give both: `load(mode="compose", scene_weights="pi3x",
            human_weights="multiHMR_896_L")`.
        options: fields of `model.config.ModelOptions`, for example `device="cuda:0"`, `score_min=0.2`, `smplx_dir="~/smplx"`.
            `cache_features` changes nothing here: images are new at every call. `support` is 0 unless given: with it, all images count
            as those of one moment.

    Raises:
        ConfigError: if an option is unknown, has no such value or contradicts the weights.
        DependencyError: if a Python package is missing.
        FileError: if weights or body cannot be read.
    """
    if "checkpoint" in options:
        raise ConfigError("checkpoint is an option here, expected the weights as the first argument: load('NAME')")
    settings = {"support": 0.0, **{name: str(value) if isinstance(value, Path) else value for name, value in options.items()}}
    if named := str(name_or_path):
        setting = _setting_of(named)
        if settings.get(setting):
            raise ConfigError(f"{setting} is '{settings[setting]}', but '{named}' holds the same part: give one of them")
        settings[setting] = named
    return Model(ModelOptions.from_mapping(settings))


def _setting_of(weights: str) -> str:
    """The option that takes weights of this kind."""
    if weights == UNTRAINED:
        return "checkpoint"
    card = read_card(find_weights(weights))
    return (
        "checkpoint" if card is None else {"chromm": "checkpoint", "scene": "scene_weights", "human": "human_weights"}[card.kind]
    )


class Model:
    """A network that is loaded; call it from one thread at a time."""

    def __init__(self, options: ModelOptions) -> None:
        self.options = options
        self._bodies: dict[torch.device, SmplxBody] = {}
        forgetful = replace(
            options, cache_features=False
        )  # every call has frames of its own: what is kept could never be used again
        self._predictor = Predictor(forgetful, body=self.body if options.mode == "compose" else None)

    @property
    def weights(self) -> str:
        """Name of the weights; one with the word `untrained` says that people and scene are not to be believed."""
        return self._predictor.weights

    @cached_property
    def body(self) -> SmplxBody:
        """The body model that `smplx_dir` names, on the CPU; it is read when it is first needed."""
        return SmplxBody.load(self.options.smplx_dir)

    @property
    def faces(self) -> Int[np.ndarray, "M 3"]:
        """Triangles of every body's vertices, counter-clockwise seen from outside."""
        return self.body.faces

    def __call__(
        self,
        images: Iterable[Any],
        intrinsics: Iterable[Any] | None = None,
        poses: Iterable[Any] | None = None,
        depths: Iterable[Any] | None = None,
    ) -> Prediction:
        """Look at images of one scene, of one moment or of several, in any order and of mixed sizes.

        What is known of the cameras is used; each list has one entry per image, None where nothing is known of it.

        Args:
            images: RGB, height x width x 3, uint8: NumPy arrays, torch tensors or PIL images; or paths of image files.
                PIL images and files are turned upright as their EXIF says; intrinsics and depths are those of the upright image.
            intrinsics: 3x3 pinhole matrices, in pixels of their images, which count from the corner: the centre of the top-left pixel
                is (0.5, 0.5), that of an image is (width / 2, height / 2). OpenCV and ROS count from the centre of that pixel: add 0.5
                to the principal point of their calibrations. Lenses are pinholes: undistort before.
            poses: 4x4 world_from_cam in metres, any common world, its origin may be far off; cameras look along z, x right, y down (OpenCV). A single one says
                nothing.
            depths: height x width of their images, floating point, metres along z; zero, negative or not finite where unknown.

        Returns:
            Everything that the network says, each field with its shape, unit and frame in `records.Prediction`. `step` is 0 for all
            images, `view` their index. Intrinsics and pixels count as said above. Tensors lie on the network's device.

        Raises:
            InputError: if there is no image, a list has another length, or an entry is not what is said above.
        """
        pictures = _pictures(images)
        known = zip(
            pictures,
            _matched("intrinsics", intrinsics, len(pictures)),
            _matched("poses", poses, len(pictures)),
            _matched("depths", depths, len(pictures)),
            strict=True,
        )
        frames = tuple(
            Frame(str(index), 0, image, _pinhole(index, matrix), _depth(index, depth, image.shape[:2]), _rigid(index, pose))
            for index, (image, matrix, pose, depth) in enumerate(known)
        )
        window = Window(0, 0, tuple(frame.camera for frame in frames), (FrameSet(0, 0, 0, 0, frames),))
        return self._predictor.infer(self._predictor.prepare(window))

    @torch.no_grad()
    def bodies(self, prediction: Prediction) -> PosedBodies:
        """Vertices and joints of all P people, metres, each in the camera of the image that shows the person.

        That image is `prediction.person_frame[p]`, and `prediction.world_from_cam` of it leads to the prediction's world. The joints'
        names are `body.skeleton.NAMES` and `LANDMARKS`; the head, joint 15, lies at `prediction.head_position`.
        """
        device = prediction.head_position.device
        if device not in self._bodies:
            self._bodies[device] = self.body.to(device)
        parts = (prediction.rotations, prediction.betas, prediction.expression, prediction.head_position)
        return place_bodies(self._bodies[device], *(part.float() for part in parts))


def _pictures(images: Iterable[Any]) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    if isinstance(images, (str, Path)):
        raise InputError(f"images is the path '{images}', expected a list of images: put it into [ ]")
    pictures = [_picture(index, image) for index, image in enumerate(images)]
    if not pictures:
        raise InputError("there are no images, expected a list of at least one")
    return pictures


def _picture(index: int, image: Any) -> UInt8[np.ndarray, "_ _ 3"]:
    if isinstance(image, (str, Path)):
        return _file(index, image)
    array = _array(_upright(index, image) if hasattr(image, "getexif") else image)
    if array.dtype != np.uint8:
        raise InputError(f"image {index} has values of type {array.dtype}, expected uint8 from 0 to 255: convert it")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(f"image {index} has the shape {array.shape}, expected height x width x 3 (RGB): rearrange its axes")
    return array


def _file(index: int, path: str | Path) -> UInt8[np.ndarray, "_ _ 3"]:
    try:
        read, reason = cv2.imread(str(Path(path).expanduser()), cv2.IMREAD_COLOR), ""
    except cv2.error as error:  # a header that claims more pixels than OpenCV takes
        read, reason = None, f" ({error.err})"
    if read is None:
        raise InputError(f"image {index}, '{path}', cannot be read{reason}, expected a file such as PNG or JPEG: check it")
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def _upright(index: int, image: Any) -> Any:
    """A PIL image, read whole and turned as its EXIF says; OpenCV turns files so."""
    try:
        return require("PIL.ImageOps", extra="model").exif_transpose(image)
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for files that are cut, damaged or closed
        raise InputError(f"image {index} cannot be read ({error}), expected a whole picture: fetch or open it again") from error


def _matched(name: str, values: Iterable[Any] | None, count: int) -> list[Any]:
    """One entry per image, None where nothing is known."""
    listed = [None] * count if values is None else list(values)
    if len(listed) != count:
        raise InputError(f"{name} has {len(listed)} entries for {count} images, expected one for each: None where it is unknown")
    return listed


def _pinhole(index: int, matrix: Any) -> Float[np.ndarray, "3 3"] | None:
    if matrix is None:
        return None
    array = _numbers(f"intrinsics of image {index}", matrix, (3, 3)).astype(np.float32)
    if not (array[0, 0] > 0 and array[1, 1] > 0 and array[2, 2] == 1 and not np.tril(array, -1).any()):
        raise InputError(
            f"intrinsics of image {index} are {array.tolist()}, "
            "expected ((fx, skew, cx), (0, fy, cy), (0, 0, 1)) with positive fx and fy: pass None if they are unknown"
        )
    return array


def _rigid(index: int, pose: Any) -> Float[np.ndarray, "4 4"] | None:
    if pose is None:
        return None
    array = _numbers(f"pose of image {index}", pose, (4, 4))
    if not is_rotation(array[:3, :3]) or array[3].astype(np.float32).tolist() != [0, 0, 0, 1]:
        raise InputError(
            f"pose of image {index} is not rigid, expected a rotation and a translation in metres, world_from_cam, "
            "above the row (0, 0, 0, 1): remove scale and mirroring"
        )
    return array


def _depth(index: int, depth: Any, shape: tuple[int, int]) -> Float[np.ndarray, "H W"] | None:
    if depth is None:
        return None
    array = _array(depth)
    if array.dtype.kind != "f":
        raise InputError(f"depth of image {index} has values of type {array.dtype}, expected metres as float: convert it")
    if array.shape != shape:
        raise InputError(f"depth of image {index} has the shape {array.shape}, expected {shape}, that of its image: resize it")
    return array.astype(np.float32)


def _numbers(name: str, values: Any, shape: tuple[int, int]) -> Float[np.ndarray, "n n"]:
    """Finite numbers of this shape, float64."""
    array = _array(values)
    if array.dtype.kind not in "fiu" or array.shape != shape:
        raise InputError(f"{name} has the shape {array.shape} and type {array.dtype}, expected numbers {shape[0]} x {shape[1]}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity, expected finite numbers: pass None if it is unknown")
    largest = np.abs(array.astype(np.float64)).max()
    if largest > LARGEST:
        raise InputError(
            f"{name} holds {largest:g}, expected numbers up to {LARGEST:g}: move the origin, or pass None if it is unknown"
        )
    return array.astype(np.float64)


def _array(values: Any) -> np.ndarray:
    """What NumPy makes of it; what it can make nothing of comes as type `object`."""
    if isinstance(values, torch.Tensor):
        tensor = values.detach().cpu()
        return np.asarray(tensor.float() if tensor.dtype == torch.bfloat16 else tensor)  # NumPy knows no bfloat16
    try:
        return np.asarray(values)
    except ValueError:  # rows of different lengths
        return np.asarray(None, object)
