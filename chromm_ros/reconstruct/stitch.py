"""Stitching: where a window's own world lies in the node's world, told by cameras that both know.

What ties them, best first:

1. `rig`: poses known from TF. They replace the estimates of their frames; the fit only places the frames without one.
2. `shared`: images (camera and stamp) that the window before had too.
3. `static`: no image shared, as after dropped windows; cameras are taken to stand where they stood last.
4. `none`: the start, or nothing of the above. The world is then that of the window's first frame, z up, by the guess that this camera
   stands level: its y axis (down) is the world's minus z, its z axis (forward) the world's y.

The fit is rotation first (`geometry.sim3.fit_poses`), so cameras on one line, or a single one, are no special case.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.geometry.sim3 import fit_poses
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.settings import Settings, setting

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
        10, "windows after which a camera that stood still is taken to be fixed, until it leaves its place; 0 never", at_least=0
    )
    freeze_distance_m: float = setting(0.05, "farthest that a fixed camera may seem to be from its place [m]", at_least=0.0)
    freeze_angle_deg: float = setting(1.0, "farthest that a fixed camera may seem to be turned [degrees]", at_least=0.0)
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
    """Metres per unit that they ask for; NaN where their centres lie too close together to tell."""


class Stitcher:
    """Keeps where every image of the last window, and every camera, was in the node's world."""

    def __init__(self, config: StitchConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the world."""
        self._images: dict[tuple[int, int], Float[np.ndarray, "4 4"]] = {}  # (view, stamp) of the last window
        self._cameras: dict[int, Float[np.ndarray, "4 4"]] = {}  # by view, at its last frame

    def tie(self, cameras: Cameras) -> Tie:
        """What ties a new window to the node's world."""
        known = np.isfinite(cameras.known).all(axis=(-2, -1))
        keys = list(zip(cameras.view.tolist(), cameras.stamp_ns.tolist(), strict=True))
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
            targets = np.broadcast_to(LEVEL, (len(chosen), 4, 4))
        sources = cameras.world_from_cam[chosen]
        return Tie(kind, sources, targets, self._scale(sources, targets))

    def place(self, cameras: Cameras, tie: Tie, scale: float) -> tuple[Cameras, dict[str, float]]:
        """The window's cameras in the node's world, and how well they fit there.

        Args:
            cameras: in the window's world.
            tie: from `tie`.
            scale: metres per unit of the network.
        """
        world_from_window = fit_poses(tie.window_from_cam, tie.world_from_cam, scale=scale)
        placed = world_from_window.apply_to_poses(cameras.world_from_cam)
        health = residuals(world_from_window.apply_to_poses(tie.window_from_cam), tie)
        known = np.isfinite(cameras.known).all(axis=(-2, -1))
        placed[known] = cameras.known[known]
        keys = zip(cameras.view.tolist(), cameras.stamp_ns.tolist(), strict=True)
        self._images = dict(zip(keys, placed, strict=True))
        self._cameras.update(zip(cameras.view.tolist(), placed, strict=True))
        return cameras.placed(placed, scale), health

    def _scale(self, sources: Float[np.ndarray, "N 4 4"], targets: Float[np.ndarray, "N 4 4"]) -> float:
        centres = targets[:, :3, 3]
        if len(centres) < 2 or np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=-1).mean()) < self._config.min_baseline_m:
            return math.nan
        return float(fit_poses(sources, targets).scale)


def residuals(placed: Float[np.ndarray, "N 4 4"], tie: Tie) -> dict[str, float]:
    """Root mean square distance and mean angle that the fit leaves between the two worlds' cameras; 0 where nothing ties them."""
    if not len(placed):
        return {"stitch_cameras": 0.0, "stitch_residual_m": 0.0, "stitch_residual_deg": 0.0}
    distance = np.sqrt(((placed[:, :3, 3] - tie.world_from_cam[:, :3, 3]) ** 2).sum(axis=-1).mean())
    angle = np.degrees(geodesic_angle(placed[:, :3, :3], tie.world_from_cam[:, :3, :3]).mean())
    shared = 0 if tie.kind == "none" else len(placed)
    return {"stitch_cameras": float(shared), "stitch_residual_m": float(distance), "stitch_residual_deg": float(angle)}
