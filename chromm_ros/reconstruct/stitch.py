"""Stitching: where a window's own world lies in the node's world, told by what both know.

What ties them, best first:

1. `rig`: poses known from TF, of a rig or of a base that moves. They replace the estimates of their frames and anchor the world. Frames
   without one are placed by a fit to the known ones and to what the window before had too, as long as that window stands in the
   same world (`tie.Tie.anchored`); alone, the errors of few known cameras would swing all others. The residual tells how far the
   estimates were off.
2. `shared`: images (camera and stamp) that the window before had too. Their poses give a first fit, rotation first
   (`geometry.sim3.fit_poses`), so cameras on one line, or a single one, are no special case; static points in them refine it
   (`overlap`).
3. `static`: no image shared, as after dropped windows; cameras are taken to stand where they stood last. If they see something else
   now, or are not where they were to one another, that is contradicted: the tie is then all there is, and wrong.
4. `none`: the start, or nothing of the above. The world then begins in the window's first camera, with z up as far as people, the floor
   or that camera tell (`level`). Up stays as it is until a reset, or until TF knows better.

A fit is a similarity whose scale the filter of the scale has the last word on (`scale`); given the scale it is rigid. Cameras that do
not move can be held in their places (`fixed`).

A window that cannot be meant (`tie.Tie.absurd`) is refused: nothing of it is remembered, and cameras are told to be where they were
last. After `PATIENCE` of them in a row it is the memory that is wrong, and the world begins anew.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry.sim3 import fit_poses
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.fixed import FixedCameras
from chromm_ros.reconstruct.level import world_from_first
from chromm_ros.reconstruct.overlap import Overlap, OverlapMemory, Statics
from chromm_ros.reconstruct.tie import CHANGED, MOVED, MOVED_DEG, SMALLEST_M, Tie
from chromm_ros.settings import Settings, setting

Up = Callable[[], Float[np.ndarray, "3"] | None]
"""Asks, only where a world begins, which way is up in the window's world."""


LEVEL = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""world_from_cam of a level camera in the origin: x right, y forward, z up."""
UNKNOWN = np.full((4, 4), np.nan)
AGREE = 0.02
"""Largest difference of any entry between the known pose of an image and the same image's pose in the window before, in one world."""
PATIENCE = 5
"""Windows in a row that may be refused."""


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


class Stitcher:
    """Keeps where every image of the last window, and every camera, was in the node's world."""

    def __init__(self, config: StitchConfig) -> None:
        self._config = config
        self._overlap = OverlapMemory()
        self._fixed = FixedCameras(config.freeze_after, config.freeze_distance_m, config.freeze_angle_deg)
        self.reset()

    def reset(self) -> None:
        """Forget the world."""
        self._refused = 0  # windows in a row
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
        known, keys = known_poses(cameras), image_keys(cameras)
        last = np.array([self._images.get(key, UNKNOWN) for key in keys]).reshape(-1, 4, 4)
        shared = np.isfinite(last[:, 0, 0])
        if known.any():
            shared &= bool((np.abs(last - cameras.known)[shared & known] < AGREE).all() and (shared & known).any())
            targets = np.where(known[:, None, None], cameras.known, last)
            return self._tied("rig", cameras, statics, targets, known, shared).anchored(cameras.step[known | shared])
        if shared.any():
            return self._tied("shared", cameras, statics, last, known, shared)
        stood = np.array([self._cameras.get(view, UNKNOWN) for view, _ in keys]).reshape(-1, 4, 4)
        if np.isfinite(stood).any():
            return self._tied("static", cameras, statics, stood, known, np.isfinite(stood[:, 0, 0]))
        first = cameras.world_from_cam[:1]
        return Tie("none", first, np.broadcast_to(self._start(cameras, up), first.shape), known[:1])

    def _tied(
        self,
        kind: str,
        cameras: Cameras,
        statics: Statics | None,
        targets: Float[np.ndarray, "F 4 4"],
        known: Bool[np.ndarray, "F"],
        carries: Bool[np.ndarray, "F"],
    ) -> Tie:
        """A tie of the frames that are known or that the last window carries over."""
        chosen, poses = known | carries, cameras.world_from_cam
        sources, targets, known = poses[chosen], targets[chosen], known[chosen]
        size = max(SMALLEST_M, spread(targets) + self._overlap.reach_m)
        tie = Tie(
            kind,
            sources,
            targets,
            known,
            self._scale(sources[known], targets[known]),
            size_m=size,
            shared=kind != "static" and bool(carries.any()),
        )
        seen = None
        if statics is not None and carries.any():
            start = fit_poses(sources, targets)
            seen = self._overlap.join(image_keys(cameras), cameras, statics, start, standing=kind == "static")
        if seen is not None:
            tie = replace(tie, seen=seen.unit)
        if seen is not None and seen.tells:
            tie = replace(tie, carried=float(seen.free.scale), overlap=None if known.all() else seen)
        else:
            tie = replace(tie, carried=self._scale(poses[carries], targets[carries[chosen]]))
        return _doubted(tie, seen) if kind == "static" else tie

    def believes(self, tie: Tie, scale: float, most: float) -> bool:
        """Whether a window may be placed; asked once for each.

        Args:
            tie: of the window.
            scale: metres per unit in the window before.
            most: largest factor, up or down, by which the unit may change from window to window.
        """
        again = self._refused > 0 and tie.contradicted  # what stands then is taken from a memory in doubt
        self._refused = self._refused + 1 if again or tie.absurd(scale, most) else 0
        return not self._refused

    @property
    def fixed(self) -> int:
        """Cameras that are held in their places now."""
        return self._fixed.count

    @property
    def lost(self) -> bool:
        """Whether so many windows were refused that the world has to begin anew (`reset`)."""
        return self._refused > PATIENCE

    def stay(self, cameras: Cameras) -> Cameras:
        """The frames of a refused window whose pose is known, or was: there, or where their camera was last."""
        known, keys = known_poses(cameras), image_keys(cameras)
        last = np.array([self._images.get(key, self._cameras.get(key[0], UNKNOWN)) for key in keys]).reshape(-1, 4, 4)
        poses = np.where(known[:, None, None], cameras.known, last)
        return only(cameras.placed(poses, cameras.unit), np.flatnonzero(np.isfinite(poses[:, 0, 0])))

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
        known, keys = known_poses(cameras), image_keys(cameras)
        placed[known] = cameras.known[known]
        if math.isfinite(tie.carried) and not math.isclose(scale, tie.told):
            self._fixed.follow(world_from_window.after(tie.fit(tie.carried).inverse()))  # people changed the scale of the world
        new = np.array([key not in self._images for key in keys], dtype=bool)
        placed = self._fixed.hold(placed, cameras.view, new, ~known)
        self._images = dict(zip(keys, placed, strict=True))
        self._cameras.update(zip(cameras.view.tolist(), placed, strict=True))
        result = cameras.placed(placed, scale)
        if statics is not None:
            self._overlap.keep(keys, result, statics)
        return result, {**tie.health(scale), "cameras_fixed": float(self.fixed)}

    def _scale(self, sources: Float[np.ndarray, "N 4 4"], targets: Float[np.ndarray, "N 4 4"]) -> float:
        """Metres per unit that poses ask for; NaN where they are too few or too close together."""
        if len(targets) < 2 or spread(targets) < self._config.min_baseline_m:
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


def only(cameras: Cameras, rows: Int[np.ndarray, "K"]) -> Cameras:
    """Some of the frames."""
    return replace(cameras, **{name: values[rows] for name, values in vars(cameras).items() if name != "unit"})


def spread(poses: Float[np.ndarray, "N 4 4"]) -> float:
    """Root mean square distance of cameras from their middle."""
    centres = poses[:, :3, 3]
    return float(np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=-1).mean()))


def _doubted(tie: Tie, seen: Overlap | None) -> Tie:
    """A static tie, without what it says of the unit where it is contradicted."""
    free = float(fit_poses(tie.window_from_cam, tie.world_from_cam).scale)
    distance, angle = tie.left(tie.carried if math.isfinite(tie.carried) else free)
    changed = seen.changed if seen is not None else 0.0
    tie = replace(tie, changed=changed)
    if changed <= CHANGED and distance <= MOVED * tie.size_m and angle <= MOVED_DEG:
        return tie
    return replace(tie, contradicted=True, carried=math.nan, seen=math.nan, overlap=None)
