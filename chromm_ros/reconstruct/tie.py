"""What ties a window to the world: cameras, and points, that are known in both, and whether that can be meant."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.geometry.sim3 import Similarity, fit_poses
from chromm_ros.reconstruct.overlap import Overlap

KINDS = ("rig", "shared", "static")
MOVED, MOVED_DEG = 0.1, 5.0
"""What a fit may leave of distances, as a share of the scene's size, and of directions, before cameras did not stand."""
CHANGED = 0.05
"""Share of points at other distances from which cameras did not stand: none are where they stand, with twice the usual noise too; a
tenth or more after they drove a metre and a half in a room of seven (planted)."""
ASTRAY, ASTRAY_DEG = 0.5, 30.0
"""What a fit may leave at most where images that both windows have take part: a share of the scene's size, and the mean angle."""
ASTRAY_ELSE = 10.0
"""Sizes of the scene that it may leave where none do: known poses may err, and cameras that are taken to stand may have moved."""
TORN, TORN_DEG = 0.03, 4.0
"""How far known cameras may lie from where the others say, as a share of the scene's size, before they stand in another world: more than
the usual noise makes of one known among four (planted). By less the others are drawn to them, within some twenty windows."""
SMALLEST_M = 1.0
"""Least size of a scene."""


@dataclass(frozen=True)
class Tie:
    """N cameras that are known in both worlds."""

    kind: str
    """`rig`, `shared`, `static` or `none`."""
    window_from_cam: Float[np.ndarray, "N 4 4"]
    """In the window's world, the network's unit."""
    world_from_cam: Float[np.ndarray, "N 4 4"]
    """In the node's world, metres."""
    known: Bool[np.ndarray, "N"]
    """Which of them are known from outside."""
    told: float = math.nan
    """Metres per unit that the known ones ask for; NaN where they are too few or too close together."""
    carried: float = math.nan
    """Metres per unit that what the window before had too asks for; NaN where neither points nor centres tell."""
    seen: float = math.nan
    """The same by the distances of points alone (median), whether they fit together or not; NaN where there are none."""
    overlap: Overlap | None = None
    """Points that both windows see, where they tell."""
    shared: bool = False
    """Whether images that both windows have take part."""
    size_m: float = SMALLEST_M
    """Of the scene: how far the cameras are spread and how far they look."""
    changed: float = 0.0
    """Share of points that lie at other distances than where the cameras are taken to stand; 0 where these are not."""
    contradicted: bool = False
    """Whether cameras that are taken to stand see something else, or are not where they were to one another."""

    @property
    def scale(self) -> float:
        """Metres per unit, by known poses first."""
        return self.told if math.isfinite(self.told) else self.carried

    @property
    def strayed(self) -> float:
        """How far the network sees known cameras elsewhere, as a share of their rms distance from their middle: what a similarity leaves.

        0 where there are none, or all in one place.
        """
        there = self.world_from_cam[self.known]
        spread = np.sqrt(((there[:, :3, 3] - there[:, :3, 3].mean(axis=0)) ** 2).sum(axis=-1).mean()) if len(there) else 0.0
        if spread < 1e-6:
            return 0.0
        here = self.window_from_cam[self.known]
        return float(_apart(fit_poses(here, there).apply_to_poses(here), there)[0] / spread)

    def fit(self, scale: float) -> Similarity:
        """From the window's to the node's world, with metres per unit given."""
        if self.overlap is not None:
            return self.overlap.fit(scale)
        return fit_poses(self.window_from_cam, self.world_from_cam, scale=scale)

    def left(self, scale: float) -> tuple[float, float]:
        """Root mean square distance in metres and mean angle in degrees that the fit leaves between the cameras of both worlds."""
        if not len(self.known):
            return 0.0, 0.0
        return _apart(self.fit(scale).apply_to_poses(self.window_from_cam), self.world_from_cam)

    def anchored(self, step: Int[np.ndarray, "N"]) -> Tie:
        """The newest known cameras alone where the others agree with one another, but not with the known: TF jumped, as in a corrected map.

        What the window before left then stands in the world as it was, and would hold the others there; only its unit still counts.

        Args:
            step: of each camera in the window.
        """
        unit = next((unit for unit in (self.seen, self.told, self.carried) if math.isfinite(unit)), math.nan)
        if not self.shared or not self.known.any() or self.known.all() or math.isnan(unit):
            return self
        others, known = self._of(~self.known), self._of(self.known)
        distance, angle = others.left(unit)
        off, turned = _apart(others.fit(unit).apply_to_poses(known.window_from_cam), known.world_from_cam)
        one = distance <= MOVED * self.size_m and angle <= MOVED_DEG
        if not one or (off <= TORN * self.size_m and turned <= TORN_DEG):
            return self
        return self._of(self.known & (step == step[self.known].max()))

    def _of(self, rows: Bool[np.ndarray, "N"]) -> Tie:
        """Some of the cameras alone, joined by their poses."""
        return replace(
            self,
            window_from_cam=self.window_from_cam[rows],
            world_from_cam=self.world_from_cam[rows],
            known=self.known[rows],
            told=math.nan if math.isfinite(self.seen) else self.told,
            carried=self.seen,
            overlap=None,
            shared=False,
        )

    def absurd(self, scale: float, most: float) -> bool:
        """Whether the window cannot be meant: its unit is another one, or its cameras or points lie where no noise puts them.

        Args:
            scale: metres per unit in the window before.
            most: largest factor, up or down, by which the unit may change from window to window.
        """
        if self.kind not in KINDS or self.known.all():
            return False
        units = [unit for unit in (self.carried, self.seen) if math.isfinite(unit)]
        if any(abs(math.log(unit / scale)) > math.log(most) for unit in units):
            return True
        distance, angle = self.left(scale)
        if self.shared:
            return not (distance <= ASTRAY * self.size_m and angle <= ASTRAY_DEG)
        return not distance <= ASTRAY_ELSE * self.size_m

    def health(self, scale: float) -> dict[str, float]:
        """What kind of tie it is, how many cameras and points take part, and what the fit leaves between the two worlds.

        `stitch_points_error` is how far apart the two windows see points, as a share of their distance (median).
        """
        distance, angle = self.left(scale)
        return {
            **{f"tie_{kind}": float(self.kind == kind) for kind in KINDS},
            "static_contradicted": float(self.contradicted),
            "static_changed": self.changed,
            "stitch_cameras": 0.0 if self.kind == "none" else float(len(self.known)),
            "stitch_residual_m": distance,
            "stitch_residual_deg": angle,
            "stitch_points": float(self.overlap.count) if self.overlap is not None else 0.0,
            "stitch_points_error": self.overlap.error if self.overlap is not None else 0.0,
        }


def _apart(placed: Float[np.ndarray, "N 4 4"], there: Float[np.ndarray, "N 4 4"]) -> tuple[float, float]:
    """Root mean square distance in metres and mean angle in degrees."""
    distance = np.sqrt(((placed[:, :3, 3] - there[:, :3, 3]) ** 2).sum(axis=-1).mean())
    return float(distance), float(np.degrees(geodesic_angle(placed[:, :3, :3], there[:, :3, :3]).mean()))
