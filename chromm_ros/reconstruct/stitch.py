"""Stitching: where a window's own world lies in the node's world, told by what both know.

What ties them, best first:

1. `rig`: poses known from TF, of a rig or of a base that moves. They replace the estimates of their frames; the fit only places the
   frames without one, and its residual tells how far the estimates were off.
2. `shared`: images (camera and stamp) that the window before had too. Their poses give a first fit, rotation first
   (`geometry.sim3.fit_poses`), so cameras on one line, or a single one, are no special case; static points in them refine it
   (`overlap`).
3. `static`: no image shared, as after dropped windows; cameras are taken to stand where they stood last.
4. `none`: the start, or nothing of the above. The world then begins in the window's first camera, with z up as far as people, the floor
   or that camera tell (`level`). Up stays as it is until a reset, or until TF knows better.

A fit is a similarity whose scale the filter of the scale has the last word on (`scale`); given the scale it is rigid. Cameras that do
not move can be held in their places (`fixed`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.geometry.sim3 import Similarity, fit_poses
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.fixed import FixedCameras
from chromm_ros.reconstruct.level import world_from_first
from chromm_ros.reconstruct.overlap import Overlap, OverlapMemory, Statics
from chromm_ros.settings import Settings, setting

Up = Callable[[], Float[np.ndarray, "3"] | None]
"""Asks, only where a world begins, which way is up in the window's world."""


LEVEL = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""world_from_cam of a level camera in the origin: x right, y forward, z up."""


@dataclass(frozen=True)
class StitchConfig(Settings):
    """How windows are joined."""

    min_baseline_m: float = setting(
        0.1, "spread (rms about their mean) that camera centres need before they tell the scale [m]", at_least=0.0
    )
    points: int = setting(
        64,
        "static points per image that are kept to refine how windows are joined; 0 joins them by poses alone",
        at_least=0,
        at_most=4096,
    )
    level: str = setting(
        "people",
        "what tells the world's up at the start where no pose is known: people (and the floor under them), or the first camera, "
        "taken to stand level",
        choices=("people", "camera"),
    )
    freeze_after: int = setting(
        0,
        "windows after which a camera that stood still is taken to be fixed, until it leaves its place; 0 never: a base that drives "
        "off slower than some 2 cm per window is taken to stand",
        at_least=0,
    )
    freeze_distance_m: float = setting(0.1, "farthest that a fixed camera may seem to be from its place [m]", at_least=0.0)
    freeze_angle_deg: float = setting(2.0, "farthest that a fixed camera may seem to be turned [degrees]", at_least=0.0)
    pool_intrinsics: int = setting(
        20,
        "windows over which the median of an uncalibrated camera's intrinsics is taken; 1 takes each as it comes",
        at_least=1,
        at_most=1000,
    )


@dataclass(frozen=True)
class Tie:
    """Cameras that are known in both worlds."""

    kind: str
    """`rig`, `shared`, `static` or `none`."""
    window_from_cam: Float[np.ndarray, "N 4 4"]
    """In the window's world, the network's unit."""
    world_from_cam: Float[np.ndarray, "N 4 4"]
    """In the node's world, metres."""
    scale: float
    """Metres per unit that they ask for; NaN where neither points nor centres tell."""
    overlap: Overlap | None = None
    """Points that both windows see, where they tell."""

    def fit(self, scale: float) -> Similarity:
        """From the window's to the node's world, with metres per unit given."""
        if self.overlap is not None:
            return self.overlap.fit(scale)
        return fit_poses(self.window_from_cam, self.world_from_cam, scale=scale)


class Stitcher:
    """Keeps where every image of the last window, and every camera, was in the node's world."""

    def __init__(self, config: StitchConfig) -> None:
        self._config = config
        self._overlap = OverlapMemory()
        self._fixed = FixedCameras(config.freeze_after, config.freeze_distance_m, config.freeze_angle_deg)
        self.reset()

    def reset(self) -> None:
        """Forget the world."""
        self._images: dict[tuple[int, int], Float[np.ndarray, "4 4"]] = {}  # (view, stamp) of the last window
        self._cameras: dict[int, Float[np.ndarray, "4 4"]] = {}  # by view, at its last frame
        self._overlap.reset()
        self._fixed.reset()

    def tie(self, cameras: Cameras, statics: Statics | None = None, up: Up = lambda: None) -> Tie:
        """What ties a new window to the node's world.

        Args:
            cameras: in the window's world.
            statics: of the window; without them poses alone tie it.
            up: asked where a world begins.
        """
        known = known_poses(cameras)
        keys = image_keys(cameras)
        if known.any():
            kind, chosen, targets = "rig", np.flatnonzero(known), cameras.known[known]
        elif any(key in self._images for key in keys):
            kind, chosen = "shared", np.array([i for i, key in enumerate(keys) if key in self._images])
            targets = np.stack([self._images[keys[i]] for i in chosen])
        elif any(view in self._cameras for view, _ in keys):
            kind, chosen = "static", np.array([i for i, (view, _) in enumerate(keys) if view in self._cameras])
            targets = np.stack([self._cameras[keys[i][0]] for i in chosen])
        else:
            kind, chosen = "none", np.arange(min(1, len(cameras)))
            targets = np.broadcast_to(self._start(cameras, up), (len(chosen), 4, 4))
        sources = cameras.world_from_cam[chosen]
        scale = self._scale(sources, targets)
        if kind == "shared" and statics is not None:
            joined = self._overlap.join(keys, cameras, statics, fit_poses(sources, targets))
            if joined is not None:
                return Tie(kind, sources, targets, joined[1], joined[0])
        return Tie(kind, sources, targets, scale)

    def place(self, cameras: Cameras, tie: Tie, scale: float, statics: Statics | None = None) -> tuple[Cameras, dict[str, float]]:
        """The window's cameras in the node's world, and how well they fit there.

        Args:
            cameras: in the window's world.
            tie: from `tie`.
            scale: metres per unit of the network.
            statics: of the window, to be kept for the next.
        """
        world_from_window = tie.fit(scale)
        placed = world_from_window.apply_to_poses(cameras.world_from_cam)
        health = residuals(world_from_window.apply_to_poses(tie.window_from_cam), tie)
        known, keys = known_poses(cameras), image_keys(cameras)
        placed[known] = cameras.known[known]
        new = np.array([key not in self._images for key in keys], dtype=bool)
        placed = self._fixed.hold(placed, cameras.view, new, ~known)
        self._images = dict(zip(keys, placed, strict=True))
        self._cameras.update(zip(cameras.view.tolist(), placed, strict=True))
        result = cameras.placed(placed, scale)
        if statics is not None:
            self._overlap.keep(keys, result, statics)
        return result, {**health, "cameras_fixed": float(self._fixed.count)}

    def _scale(self, sources: Float[np.ndarray, "N 4 4"], targets: Float[np.ndarray, "N 4 4"]) -> float:
        centres = targets[:, :3, 3]
        if len(centres) < 2 or np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=-1).mean()) < self._config.min_baseline_m:
            return math.nan
        return float(fit_poses(sources, targets).scale)

    def _start(self, cameras: Cameras, up: Up) -> Float[np.ndarray, "4 4"]:
        """The pose of the first camera in a world that begins in it."""
        told = up() if self._config.level == "people" and len(cameras) else None
        return LEVEL if told is None else world_from_first(cameras.world_from_cam[0], told)


def known_poses(cameras: Cameras) -> Bool[np.ndarray, "F"]:
    """Frames whose pose is known from TF."""
    return np.asarray(np.isfinite(cameras.known).all(axis=(-2, -1)))


def image_keys(cameras: Cameras) -> list[tuple[int, int]]:
    """What names an image across windows: its camera and stamp."""
    return list(zip(cameras.view.tolist(), cameras.stamp_ns.tolist(), strict=True))


def residuals(placed: Float[np.ndarray, "N 4 4"], tie: Tie) -> dict[str, float]:
    """Root mean square distance and mean angle that the fit leaves between the two worlds' cameras; 0 where nothing ties them."""
    if not len(placed):
        return {"stitch_cameras": 0.0, "stitch_residual_m": 0.0, "stitch_residual_deg": 0.0, **_points(tie)}
    distance = np.sqrt(((placed[:, :3, 3] - tie.world_from_cam[:, :3, 3]) ** 2).sum(axis=-1).mean())
    angle = np.degrees(geodesic_angle(placed[:, :3, :3], tie.world_from_cam[:, :3, :3]).mean())
    shared = 0 if tie.kind == "none" else len(placed)
    poses = {"stitch_cameras": float(shared), "stitch_residual_m": float(distance), "stitch_residual_deg": float(angle)}
    return {**poses, **_points(tie)}


def _points(tie: Tie) -> dict[str, float]:
    """Static points that took part, and how far apart the two windows see them, as a share of their distance (median)."""
    overlap = tie.overlap
    return {
        "stitch_points": float(len(overlap.weight)) if overlap is not None else 0.0,
        "stitch_points_error": overlap.error if overlap is not None else 0.0,
    }
