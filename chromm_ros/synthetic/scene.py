"""The truth: cameras that stand or move, people who walk and turn, and a room. z is up, lengths are metres, moments are numbered."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.body.skeleton import HEAD
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec

LAP = 314
"""Frame-sets in which moving cameras go once around, at `PERIOD_NS` about half a minute."""
PERIOD_NS = 100_000_000
"""Time between frame-sets."""
LAYOUTS = ("ring", "line", "robot", "same", "facing")
"""Cameras around the people; side by side on one straight line; on a robot that looks at them; all in one place; face to face."""
WALKS = ("spots", "eight")
"""Everybody around a place of his own in a pose of his own; or all along one figure eight, where they pass and hide one another, with
one gait in which they differ little, as people who walk do."""
GAIT = {1: (0.0, 0.45), 2: (0.0, -0.45), 4: (0.4, 0.3), 5: (0.4, -0.3), 16: (0.0, -0.3), 17: (0.0, 0.3)}
"""By joint (hips, knees, shoulders): turn about x (radians) at rest, and how far it swings."""
ARMS_DOWN = {16: -1.2, 17: 1.2}
"""By shoulder: turn about z (radians) from the T pose."""
UPRIGHT = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
"""The body's y (up) becomes the world's z, its z (forward) the world's minus y."""


@cache
def body() -> SmplxBody:
    """The free body, loaded once."""
    return SmplxBody.load("")


@dataclass(frozen=True)
class Scene:
    """Who is where at frame-set k."""

    views: int = 4
    """Cameras."""
    people: int = 3
    """People."""
    seed: int = 0
    """Of the people's shapes, poses and looks."""
    moving: bool = False
    """Whether the cameras move."""
    layout: str = "ring"
    """Where the cameras are, one of `LAYOUTS`."""
    walk: str = "spots"
    """How people walk, one of `WALKS`."""

    def __post_init__(self) -> None:
        assert self.layout in LAYOUTS and self.walk in WALKS, (self.layout, self.walk)

    @property
    def crowd(self) -> float:
        """Radius of the circle around which people stand: enough that 30 of them do not touch."""
        return max(1.6, 0.16 * self.people)

    @property
    def distance(self) -> float:
        """From the cameras to the middle."""
        return self.crowd + 3.4

    def cameras(self, k: int) -> Float[np.ndarray, "V 4 4"]:
        """world_from_cam of all cameras."""
        view = np.arange(self.views)
        side = view - (self.views - 1) / 2.0
        turn = 2.0 * np.pi * k / LAP if self.moving else 0.0
        middle = np.array([0.0, 0.0, 1.0])
        if self.layout == "robot":
            eye = np.stack([0.1 + 0.0 * side, 0.25 * side, 1.2 + 0.0 * side], axis=-1)
            ahead = np.stack([np.cos(0.1 * side), np.sin(0.1 * side), -0.02 + 0.0 * side], axis=-1)
            return np.asarray(self._base(turn) @ se3.look_at(eye, eye + ahead))
        angle = {"ring": 2.0 * np.pi * view / max(self.views, 3), "facing": np.pi * (view % 2)}.get(self.layout, 0.0 * side)
        height = 1.6 + (0.2 * view if self.layout == "ring" else 0.0 * side)
        eye = np.stack([self.distance * np.cos(angle + turn), self.distance * np.sin(angle + turn), height], axis=-1)
        if self.layout == "line":
            eye += 0.8 * side[:, None] * np.array([-np.sin(turn), np.cos(turn), 0.0])
        if self.layout == "facing":
            middle = np.array([0.0, 0.0, 1.6])
        return se3.look_at(eye, np.broadcast_to(middle, eye.shape))

    def _base(self, turn: float) -> Float[np.ndarray, "4 4"]:
        """world_from_robot: it drives around the people sideways, so that it always looks at them (x is forward)."""
        facing = matrix_from_rotvec(np.array([0.0, 0.0, turn + np.pi]))
        return se3.compose(facing, self.distance * np.array([np.cos(turn), np.sin(turn), 0.0]))

    def camera(self, view: int, k: int) -> Float[np.ndarray, "4 4"]:
        """world_from_cam of one camera."""
        return np.asarray(self.cameras(k)[view])

    def heads(self, k: int) -> Float[np.ndarray, "P 3"]:
        """Heads, at most about 1 m/s fast."""
        place, _ = self._path(k)
        return np.concatenate([place, 1.6 + 0.02 * np.arange(self.people)[:, None]], axis=-1)

    def _path(self, k: int) -> tuple[Float[np.ndarray, "P 2"], Float[np.ndarray, "P"]]:
        """Places on the floor and headings (radians from x)."""
        rank = np.arange(self.people)
        if self.walk == "spots":
            turn = 2.0 * np.pi * rank / max(self.people, 1)
            around = self.crowd * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
            step = 0.3 * np.stack([np.cos(0.3 * k + turn), np.sin(0.3 * k + turn)], axis=-1)
            return around + step, np.random.default_rng(self.seed).uniform(0.0, 6.0, self.people) + 0.05 * k
        phase = (
            2.0 * np.pi * rank / (self.people + 0.5) + 0.035 * k + self.seed
        )  # nobody is quite opposite: all miss the crossing
        place = self.crowd * np.stack([1.2 * np.sin(phase), 0.8 * np.sin(2.0 * phase)], axis=-1)
        return place, np.arctan2(1.6 * np.cos(2.0 * phase), 1.2 * np.cos(phase)) + np.pi / 2.0

    @lru_cache(maxsize=256)  # noqa: B019 - scenes are few, frozen and small
    def rotations(self, k: int) -> Float[np.ndarray, "P 53 3 3"]:
        """Rotations in Multi-HMR's order, the root's from body to world; not to be written to."""
        rng = np.random.default_rng([self.seed, 1])
        rest, swing = 0.25 * rng.normal(size=(2, self.people, 53, 3))
        if self.walk == "spots":
            rotations = matrix_from_rotvec(rest + 0.6 * swing * np.sin(0.6 * k))
        else:
            rotations = _gait(0.6 * k + rng.uniform(0.0, 2.0 * np.pi, self.people)) @ matrix_from_rotvec(0.4 * rest)
        heading = self._path(k)[1][:, None] * np.array([0.0, 0.0, 1.0])
        rotations[:, 0] = matrix_from_rotvec(heading) @ UPRIGHT @ matrix_from_rotvec(0.2 * rest[:, 0])
        return rotations

    def betas(self) -> Float[np.ndarray, "P 10"]:
        """Shapes."""
        return 0.5 * np.random.default_rng([self.seed, 2]).normal(size=(self.people, 10))

    @lru_cache(maxsize=256)  # noqa: B019 - scenes are few, frozen and small
    def joints(self, k: int) -> Float[np.ndarray, "P 55 3"]:
        """Joints in the world; not to be written to."""
        params = params_from_rotations(self.rotations(k), self.betas(), np.zeros((self.people, 10)))
        joints = body().joints(params).astype(np.float64)
        return np.asarray(joints - joints[:, HEAD : HEAD + 1] + self.heads(k)[:, None])


def _gait(phase: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P 53 3 3"]:
    """How everybody walks, each at a moment of his own."""
    swing, down = np.zeros((2, len(phase), 53, 3))
    for joint, (middle, amplitude) in GAIT.items():
        swing[:, joint, 0] = middle + amplitude * np.sin(phase)
    for joint, angle in ARMS_DOWN.items():
        down[:, joint, 2] = angle
    return np.asarray(matrix_from_rotvec(swing) @ matrix_from_rotvec(down))
