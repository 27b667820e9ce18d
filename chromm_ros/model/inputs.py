"""From frames to what the two branches take, with the maps that carry pixels and intrinsics there and back.

The scene branch takes one size for all frames of a window (Pi3X's rule), the human branch a square with black borders (Multi-HMR's).
Pixel centres lie at +0.5, so a resize is a plain scaling of coordinates.

Resizing: upstream uses Pillow (LANCZOS for Pi3X, BICUBIC for Multi-HMR). torch resizes bytes by the same filters in a tenth of the time
(1920x1080 to 252x140 on one core: 2.3 ms against 25 ms), and a stream of four cameras pays this for every frame, twice. It differs from
Pillow by one grey level in less than 1 % of the pixels; for a few ratios of sizes the two disagree about the filter's outermost tap, by a
few levels where the image is noise. So torch is the default, and Pillow stays for exact comparisons (`exact`) and for versions of torch
without the LANCZOS filter.
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any
from warnings import catch_warnings, simplefilter
from weakref import ReferenceType, ref

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from chromm_ros.errors import require
from chromm_ros.geometry import se3
from chromm_ros.model.config import PATCH
from chromm_ros.model.pinhole import compose
from chromm_ros.model.scene_conditions import Conditions
from chromm_ros.records import Frame, Window


@dataclass(frozen=True)
class Views:
    """What is known of the F frames of a window apart from their pixels."""

    step: Int[Tensor, "F"]
    """Index of their time step."""
    view: Int[Tensor, "F"]
    """Index of their camera."""
    seconds: Float[Tensor, "F"]
    """When they were seen, after the first of them."""
    image_size: Float[Tensor, "F 2"]
    """Width and height of the original images."""
    scene_from_image: Float[Tensor, "F 3 3"]
    """Original pixels to pixels of the scene branch's input."""
    human_from_image: Float[Tensor, "F 3 3"]
    """Original pixels to pixels of the human branch's input."""
    intrinsics: Float[Tensor, "F 3 3"]
    """In original pixels; anything where unknown."""
    intrinsics_known: Bool[Tensor, "F"]
    """Where they are known."""
    world_from_cam: Float[Tensor, "F 4 4"]
    """Camera poses in the first known one's camera; where unknown, that camera, too."""
    pose_known: Bool[Tensor, "F"]
    """Where they are known."""
    depth: Float[Tensor, "F H W"] | None
    """Metres at the scene branch's input, 0 where unknown; None when no frame has a depth image."""
    depth_known: Bool[Tensor, "F"]
    """Which frames have one."""

    def to(self, device: torch.device) -> "Views":
        """The same on a device."""
        values: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        moved: dict[str, Any] = {name: None if value is None else value.to(device) for name, value in values.items()}
        return Views(**moved)

    def conditions(self) -> Conditions:
        """What Pi3X is told: rays, poses and depths, each where it is known."""
        return Conditions(
            intrinsics=compose(self.scene_from_image, self.intrinsics)[None],
            ray_mask=self.intrinsics_known[None],
            poses=self.world_from_cam[None],
            pose_mask=self.pose_known[None],
            depths=None if self.depth is None else self.depth[None],
            depth_mask=None if self.depth is None else self.depth_known[None],
        )


@dataclass(frozen=True)
class Batch:
    """One window as the network takes it; only frames that are present."""

    frames: tuple[Frame, ...]
    """The F frames, by step, then by camera."""
    scene_images: UInt8[Tensor, "F 3 H W"]
    """RGB for the scene branch."""
    human_images: UInt8[Tensor, "F 3 S S"]
    """RGB for the human branch, with black borders."""
    views: Views
    """Everything else that is known."""


@dataclass(frozen=True)
class _Ready:
    """One frame, resized."""

    source: "ReferenceType[Frame]"
    scene: Tensor
    human: Tensor
    depth: Tensor | None


class InputMaker:
    """Makes batches of windows; what it made of a frame is kept as long as the frame lives and is in the window."""

    def __init__(self, scene_pixels: int, human_size: int, *, exact: bool) -> None:
        self.scene_pixels = scene_pixels
        self.human_size = human_size
        self.exact = exact
        self._ready: dict[tuple[int, int, int], _Ready] = {}

    def __call__(self, window: Window) -> Batch:
        """Resize, collect what is known. All frames take the size of the first camera that is present."""
        present = [
            (step, view, frame)
            for step, frame_set in enumerate(window.sets)
            for view, frame in enumerate(frame_set.frames)
            if frame is not None
        ]
        assert present, "a window without any frame has nothing to look at"
        _, _, leader = min(present, key=lambda entry: entry[1])
        size = scene_size(leader.image.shape[1], leader.image.shape[0], self.scene_pixels)
        frames = tuple(frame for _, _, frame in present)
        ready = [self._take(frame, size) for frame in frames]
        self._ready = {(id(frame), *size): entry for frame, entry in zip(frames, ready, strict=True)}
        return Batch(
            frames=frames,
            scene_images=torch.stack([entry.scene for entry in ready]),
            human_images=torch.stack([entry.human for entry in ready]),
            views=self._views(present, size, [entry.depth for entry in ready]),
        )

    def _take(self, frame: Frame, size: tuple[int, int]) -> _Ready:
        kept = self._ready.get((id(frame), *size))
        if kept is not None and kept.source() is frame:  # an id alone may have been given to another frame since
            return kept
        with catch_warnings():  # images that come straight from messages cannot be written to; here they are only read
            simplefilter("ignore", UserWarning)
            image = torch.from_numpy(np.ascontiguousarray(frame.image)).permute(2, 0, 1)
        width, height, left, top = letterbox(image.shape[2], image.shape[1], self.human_size)
        human = torch.zeros(3, self.human_size, self.human_size, dtype=torch.uint8)
        human[:, top : top + height, left : left + width] = resize(image, width, height, "bicubic", exact=self.exact)
        depth = None
        if frame.depth is not None:
            # EXACT counts from centres as the rays do; plain NEAREST from corners, which shifts all by half a pixel of the input
            nearest = cv2.resize(np.asarray(frame.depth, np.float32), size, interpolation=cv2.INTER_NEAREST_EXACT)
            depth = torch.from_numpy(np.where(np.isfinite(nearest) & (nearest > 0), nearest, 0.0).astype(np.float32))
        key = (id(frame), *size)
        source = ref(frame, lambda _: self._ready.pop(key, None))  # who asks once, as the library does, pays for no memory
        return _Ready(source, resize(image, *size, "lanczos", exact=self.exact), human, depth)

    def _views(self, present: list[tuple[int, int, Frame]], size: tuple[int, int], depths: list[Tensor | None]) -> Views:
        steps, cameras, frames = zip(*present, strict=True)
        stamps = np.array([frame.stamp_ns for frame in frames], np.int64)
        sizes = [(frame.image.shape[1], frame.image.shape[0]) for frame in frames]
        poses = [frame.world_from_cam for frame in frames]
        # Float32 knows a place on the globe to half a metre, but the way from camera to camera exactly: the world is left before the cast.
        # Upstream scales all translations by their mean distance to the first view, unknown ones too: keep them near the known.
        first = next((pose.astype(np.float64) for pose in poses if pose is not None), np.eye(4))
        first_from_world = se3.inverse(first)
        empty = torch.zeros(size[1], size[0])
        return Views(
            step=torch.tensor(steps),
            view=torch.tensor(cameras),
            seconds=torch.from_numpy(((stamps - stamps.min()) * 1e-9).astype(np.float32)),
            image_size=torch.tensor(sizes, dtype=torch.float32),
            scene_from_image=_stack([scene_from_image(*pair, *size) for pair in sizes]),
            human_from_image=_stack([human_from_image(*pair, self.human_size) for pair in sizes]),
            intrinsics=_stack([np.eye(3) if frame.intrinsics is None else frame.intrinsics for frame in frames]),
            intrinsics_known=torch.tensor([frame.intrinsics is not None for frame in frames]),
            world_from_cam=_stack([first_from_world @ (first if pose is None else pose) for pose in poses]),
            pose_known=torch.tensor([pose is not None for pose in poses]),
            depth=None if all(depth is None for depth in depths) else torch.stack([empty if d is None else d for d in depths]),
            depth_known=torch.tensor([depth is not None for depth in depths]),
        )


def scene_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """Width and height for the scene branch: multiples of 14, at most `pixels`, near the aspect (yyfz/Pi3, pi3/utils/basic.py)."""
    scale = (pixels / (width * height)) ** 0.5
    wide, high = width * scale, height * scale
    columns, rows = round(wide / PATCH), round(high / PATCH)
    while columns * rows * PATCH * PATCH > pixels:
        if rows == 0 or columns / rows > wide / high:
            columns -= 1
        else:
            rows -= 1
    return max(1, columns) * PATCH, max(1, rows) * PATCH


def letterbox(width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """New width and height with the longer side filling the square, and the left and top border (naver/multi-hmr, utils/image.py)."""
    longer = max(width, height)
    new_width = side if width == longer else max(1, round(width / longer * side))
    new_height = side if height == longer else max(1, round(height / longer * side))
    return new_width, new_height, round((side - new_width) * 0.5), round((side - new_height) * 0.5)


def scene_from_image(width: int, height: int, new_width: int, new_height: int) -> Float[np.ndarray, "3 3"]:
    """Original pixels to the scene branch's."""
    return np.diag((new_width / width, new_height / height, 1.0))


def human_from_image(width: int, height: int, side: int) -> Float[np.ndarray, "3 3"]:
    """Original pixels to the human branch's."""
    new_width, new_height, left, top = letterbox(width, height, side)
    return np.array(((new_width / width, 0.0, left), (0.0, new_height / height, top), (0.0, 0.0, 1.0)))


def resize(image: UInt8[Tensor, "3 H W"], width: int, height: int, kind: str, *, exact: bool) -> UInt8[Tensor, "3 h w"]:
    """Resize with antialiasing; `kind` is `lanczos` or `bicubic`.

    Raises:
        DependencyError: if Pillow is needed and not installed.
    """
    if (image.shape[2], image.shape[1]) == (width, height):
        return image.contiguous()
    if exact or (kind == "lanczos" and not _torch_has_lanczos()):
        pillow = require("PIL.Image", extra="model")
        picture = pillow.fromarray(image.permute(1, 2, 0).numpy())
        resized = picture.resize((width, height), pillow.Resampling[kind.upper()])
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()
    return nn.functional.interpolate(image[None], size=(height, width), mode=kind, antialias=True)[0].contiguous()


@cache
def _torch_has_lanczos() -> bool:
    try:
        nn.functional.interpolate(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), size=(2, 2), mode="lanczos", antialias=True)
    except (NotImplementedError, ValueError):
        return False
    return True


def _stack(matrices: list[np.ndarray]) -> Float[Tensor, "F r c"]:
    return torch.from_numpy(np.stack(matrices).astype(np.float32))
