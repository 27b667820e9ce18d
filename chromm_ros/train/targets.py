"""From moments of takes to what the network takes and what it should say.

Images pass through `model.inputs`' own functions, so training sees what the node sees. Everything that people should be is given in the
camera, where the network says it; a camera's true pose is that in its scene's first camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from chromm_ros.body.skeleton import HEAD
from chromm_ros.data.moment import Moment
from chromm_ros.errors import InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.inputs import Views, human_from_image, letterbox, resize, scene_from_image, scene_size
from chromm_ros.synthetic.finding import HIDDEN, in_image, to_find

T = TypeVar("T")


@dataclass(frozen=True)
class Knowledge:
    """Shares of all clips in which something is told, of all their views alike."""

    intrinsics: float = 0.8
    poses: float = 0.6
    """Never without intrinsics, as with real rigs."""
    depth: float = 0.1
    nothing: float = 0.1
    """In which nothing at all is."""

    def __post_init__(self) -> None:
        assert self.poses <= self.intrinsics <= 1.0 - self.nothing >= self.depth, "shares of one whole"

    def told(self, rng: np.random.Generator) -> tuple[bool, bool, bool]:
        """Whether intrinsics, poses and depths of one clip are."""
        one, other = rng.random(2)
        something = one < 1.0 - self.nothing
        depth = something and other * (1.0 - self.nothing) < self.depth
        return bool(one < self.intrinsics), bool(one < self.poses), bool(depth)


@dataclass(frozen=True)
class People:
    """P people as the images show them, in the order of their images; metres in the camera."""

    heads: Detections
    """Where they are to be found in the square image, score 1."""
    head_pixel: Float[Tensor, "P 2"]
    """In the original image."""
    pelvis_pixel: Float[Tensor, "P 2"]
    """In the original image, maybe beyond it."""
    head: Float[Tensor, "P 3"]
    """Joint 15."""
    rotations: Float[Tensor, "P 53 3 3"]
    """In the network's order, 0 from body to camera."""
    betas: Float[Tensor, "P 10"]
    """Shape."""
    joints: Float[Tensor, "P 55 3"]
    """SMPL-X."""


@dataclass(frozen=True)
class Batch:
    """S scenes of N frames each, F = S N, scene by scene."""

    scenes: int
    """S."""
    scene_images: UInt8[Tensor, "F 3 H W"]
    """For the scene branch."""
    human_images: UInt8[Tensor, "F 3 Q Q"]
    """For the human branch."""
    views: Views
    """What is told; its poses are the true ones, in the scene's first camera, wherever `pose_known` says that they are told."""
    true_intrinsics: Float[Tensor, "F 3 3"]
    """In original pixels, told or not."""
    depth: Float[Tensor, "F H W"]
    """True depth at the scene branch's input, metres; 0 where nothing is."""
    mask: Float[Tensor, "F h w"]
    """Share of each patch of the scene's input that shows people."""
    open: Bool[Tensor, "F n n"]
    """Patches of the square image where nobody says whether a head is to be found."""
    people: People
    """Who is to be found."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same on a device."""
        return moved(self, torch.device(device))

    def scene(self, index: int) -> tuple[slice, Bool[Tensor, "P"]]:
        """Frames and people of one scene."""
        count = len(self.scene_images) // self.scenes
        frames = slice(index * count, (index + 1) * count)
        image = self.people.heads.image
        return frames, (image >= frames.start) & (image < frames.stop)


def moved(value: T, device: torch.device) -> T:
    """A dataclass with all its tensors on a device."""
    if isinstance(value, Tensor):
        return cast(T, value.to(device))
    if is_dataclass(value) and not isinstance(value, type):
        parts: dict[str, Any] = {entry.name: moved(getattr(value, entry.name), device) for entry in fields(value)}
        return replace(value, **parts)
    return value


def batch_of(clips: Sequence[Sequence[Moment]], config: NetworkConfig, knowledge: Knowledge, rng: np.random.Generator) -> Batch:
    """One batch; all clips have as many moments and views, and images of one size.

    Args:
        clips: a scene each; its frames are the views of its moments, moment by moment.
        config: sizes of the inputs.
        knowledge: what is told how often.
        rng: tells it.

    Raises:
        InputError: if a lens is no pinhole: the network's cameras are, and the node rectifies what it is given.
    """
    if any(moment.distortion.any() for clip in clips for moment in clip):
        raise InputError("a take has distorted lenses, but the network is trained on rectified images: set takes.distortion to 0")
    scenes = [_frames(clip, config) for clip in clips]
    told = [knowledge.told(rng) for _ in clips]
    count = len(scenes[0].images)
    height, width = scenes[0].images.shape[1:3]
    size, side = scene_size(width, height, config.scene.pixels), config.human.image_size
    images = torch.from_numpy(np.concatenate([scene.images for scene in scenes])).permute(0, 3, 1, 2)
    depth = torch.from_numpy(np.concatenate([scene.depth for scene in scenes]))
    known = torch.tensor(told).repeat_interleave(count, 0)  # (F, 3)
    true = _tensor(np.concatenate([scene.intrinsics for scene in scenes]))
    frames, cameras = len(images), len(clips[0][0].images)
    views = Views(
        step=torch.arange(len(clips[0])).repeat_interleave(cameras).repeat(len(clips)),
        view=torch.arange(cameras).repeat(frames // cameras),
        seconds=_tensor(
            np.array([1e-9 * (moment.stamp_ns - clip[0].stamp_ns) for clip in clips for moment in clip])
        ).repeat_interleave(cameras),
        image_size=torch.tensor([[width, height]], dtype=torch.float32).expand(frames, 2),
        scene_from_image=_tensor(scene_from_image(width, height, *size)).expand(frames, 3, 3),
        human_from_image=_tensor(human_from_image(width, height, side)).expand(frames, 3, 3),
        intrinsics=torch.where(known[:, 0, None, None], true, torch.eye(3)),
        intrinsics_known=known[:, 0],
        world_from_cam=_tensor(np.concatenate([scene.first_from_cam for scene in scenes])),
        pose_known=known[:, 1],
        depth=torch.where(known[:, 2, None, None], depth, 0.0) if bool(known[:, 2].any()) else None,
        depth_known=known[:, 2],
    )
    heads, open_ = _heads(scenes, (height, width), side)
    return Batch(
        scenes=len(clips),
        scene_images=torch.stack([resize(image, *size, "lanczos", exact=False) for image in images]),
        human_images=_letterboxed(images, side),
        views=views,
        true_intrinsics=true,
        depth=depth,
        mask=torch.from_numpy(np.concatenate([scene.mask for scene in scenes])),
        open=open_,
        people=_people(scenes, heads),
    )


@dataclass(frozen=True)
class _Scene:
    """One clip's N frames; what is per person is flat, with the frame of each sight."""

    images: UInt8[np.ndarray, "N H W 3"]
    depth: Float[np.ndarray, "N h w"]
    mask: Float[np.ndarray, "N r c"]
    intrinsics: Float[np.ndarray, "N 3 3"]
    first_from_cam: Float[np.ndarray, "N 4 4"]
    frame: Int[np.ndarray, "Q"]
    """Of each of Q sights, seen or not."""
    wanted: Bool[np.ndarray, "Q"]
    open: Bool[np.ndarray, "Q"]
    head_pixel: Float[np.ndarray, "Q 2"]
    pelvis_pixel: Float[np.ndarray, "Q 2"]
    rotations: Float[np.ndarray, "Q 53 3 3"]
    betas: Float[np.ndarray, "Q 10"]
    joints: Float[np.ndarray, "Q 55 3"]


def _frames(clip: Sequence[Moment], config: NetworkConfig) -> _Scene:
    height, width = clip[0].images.shape[1:3]
    size = scene_size(width, height, config.scene.pixels)
    views = len(clip[0].images)
    depth = np.concatenate([moment.depth for moment in clip])
    person = np.concatenate([moment.person for moment in clip])
    poses = np.concatenate([moment.world_from_cam for moment in clip])
    sights = [_sights(moment, views * step) for step, moment in enumerate(clip)]
    return _Scene(
        images=np.concatenate([moment.images for moment in clip]),
        depth=np.stack([cv2.resize(each, size, interpolation=cv2.INTER_NEAREST_EXACT) for each in depth]),
        mask=np.stack([_shares(each > 0, (size[0] // PATCH, size[1] // PATCH)) for each in person]),
        intrinsics=np.concatenate([moment.intrinsics for moment in clip]),
        first_from_cam=se3.inverse(poses[0]) @ poses,
        **{name: np.concatenate([sight[name] for sight in sights]) for name in sights[0]},
    )


def _sights(moment: Moment, first_frame: int) -> dict[str, np.ndarray]:
    """All people in all views of a moment, by view, then person."""
    views, people = moment.visible.shape
    cam_from_world = se3.inverse(moment.world_from_cam)
    joints = se3.apply(cam_from_world[:, None], moment.joints[None])  # (V, P, 55, 3)
    body = moment.body
    turns = matrix_from_rotvec(
        np.concatenate(
            [body.global_orient[:, None], body.body_pose, body.left_hand_pose, body.right_hand_pose, body.jaw_pose[:, None]],
            axis=1,
        ).astype(np.float64)
    )
    rotations = np.broadcast_to(turns, (views, *turns.shape)).copy()
    rotations[:, :, 0] = cam_from_world[:, None, :3, :3] @ turns[:, 0]
    flat, wanted = views * people, to_find(moment)
    return {
        "frame": first_frame + np.repeat(np.arange(views), people),
        "wanted": wanted.reshape(flat),
        "open": (in_image(moment) & (moment.head_visible >= HIDDEN) & ~wanted).reshape(flat),
        "head_pixel": moment.head_pixel.reshape(flat, 2),
        "pelvis_pixel": moment.pelvis_pixel.reshape(flat, 2),
        "rotations": rotations.reshape(flat, 53, 3, 3),
        "betas": np.broadcast_to(body.betas, (views, people, 10)).reshape(flat, 10),
        "joints": joints.reshape(flat, 55, 3),
    }


def _heads(
    scenes: Sequence[_Scene], size: tuple[int, int], side: int
) -> tuple[tuple[Int[np.ndarray, "K"], Detections], Bool[Tensor, "F n n"]]:
    """Who is to be found, as indices into all sights of all scenes, with the patches; and the patches that are left open.

    Of two heads in one patch the nearer is taken.
    """
    height, width = size
    grid = side // PATCH
    frames = len(scenes[0].images)
    frame = np.concatenate([k * frames + scene.frame for k, scene in enumerate(scenes)])
    pixel = np.concatenate([scene.head_pixel for scene in scenes])
    depth = np.concatenate([scene.joints[:, HEAD, 2] for scene in scenes])
    sure, unsure = (np.concatenate([getattr(scene, name) for scene in scenes]) for name in ("wanted", "open"))
    square = human_from_image(width, height, side)
    place = np.floor(np.where((sure | unsure)[:, None], pixel * np.diag(square)[:2] + square[:2, 2], 0.0) / PATCH).astype(
        np.int64
    )
    open_ = np.zeros((frames * len(scenes), grid, grid), bool)
    open_[frame[unsure], place[unsure, 1], place[unsure, 0]] = True
    wanted = np.flatnonzero(sure)
    wanted = wanted[np.lexsort((depth[wanted], place[wanted, 0], place[wanted, 1], frame[wanted]))]
    cell = np.stack([frame[wanted], place[wanted, 1], place[wanted, 0]], -1)
    _, first = np.unique(cell, axis=0, return_index=True)
    wanted, cell = wanted[first], cell[first]
    open_[tuple(cell.T)] = False
    image, row, column = torch.from_numpy(cell).unbind(-1)
    return (wanted, Detections(image, row, column, torch.ones(len(cell)))), torch.from_numpy(open_)


def _people(scenes: Sequence[_Scene], heads: tuple[np.ndarray, Detections]) -> People:
    which, found = heads

    def taken(name: str) -> Tensor:
        return _tensor(np.concatenate([getattr(scene, name) for scene in scenes])[which])

    joints = taken("joints")
    return People(found, taken("head_pixel"), taken("pelvis_pixel"), joints[:, HEAD], taken("rotations"), taken("betas"), joints)


def _letterboxed(images: UInt8[Tensor, "F 3 H W"], side: int) -> UInt8[Tensor, "F 3 Q Q"]:
    width, height, left, top = letterbox(images.shape[3], images.shape[2], side)
    square = torch.zeros(len(images), 3, side, side, dtype=torch.uint8)
    square[:, :, top : top + height, left : left + width] = torch.stack(
        [resize(image, width, height, "bicubic", exact=False) for image in images]
    )
    return square


def _shares(mask: Bool[np.ndarray, "H W"], size: tuple[int, int]) -> Float[np.ndarray, "r c"]:
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
