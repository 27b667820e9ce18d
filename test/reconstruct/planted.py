"""A small world whose truth is known: cameras in a ring, people who walk in it, and what a perfect network would say of it."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.records import Frame, FrameSet, Prediction, Window

SIZE = (640, 480)
K = np.array([[420.0, 0.0, 320.0], [0.0, 420.0, 240.0], [0.0, 0.0, 1.0]])
PERIOD_NS = 100_000_000
IMAGE = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
UPRIGHT = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))  # the body's y up becomes the world's z up


@cache
def body() -> SmplxBody:
    return SmplxBody.load("")


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """world_from_cam of a camera that looks at a point, with the horizon level."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return se3.compose(np.stack([right, np.cross(forward, right), forward], axis=-1), eye)


@dataclass(frozen=True)
class World:
    """The truth; z is up, lengths are metres."""

    views: int = 4
    people: int = 3
    seed: int = 0
    rig: bool = False
    """Whether frames carry the known poses of their cameras."""
    moving: bool = False
    """Whether the cameras move."""

    def camera(self, view: int, k: int) -> np.ndarray:
        """world_from_cam at frame-set k."""
        angle = 2.0 * np.pi * view / max(self.views, 3) + (0.02 * k if self.moving else 0.0)
        return look_at(np.array([5.0 * np.cos(angle), 5.0 * np.sin(angle), 1.6 + 0.2 * view]), np.array([0.0, 0.0, 1.0]))

    def rotations(self, k: int) -> np.ndarray:
        """People 53 3 3, the root's in the world."""
        rng = np.random.default_rng(self.seed)
        rest = 0.25 * rng.normal(size=(self.people, 53, 3))
        swing = 0.15 * rng.normal(size=(self.people, 53, 3)) * np.sin(0.6 * k)
        rotations = matrix_from_rotvec(rest + swing)
        heading = rng.uniform(0.0, 6.0, self.people) + 0.05 * k
        rotations[:, 0] = matrix_from_rotvec(heading[:, None] * [0.0, 0.0, 1.0]) @ UPRIGHT @ matrix_from_rotvec(0.2 * rest[:, 0])
        return rotations

    def betas(self) -> np.ndarray:
        return 0.5 * np.random.default_rng(self.seed + 1).normal(size=(self.people, 10))

    def tokens(self) -> np.ndarray:
        return 4.0 * np.random.default_rng(self.seed + 2).normal(size=(self.people, 16))

    def heads(self, k: int) -> np.ndarray:
        """Heads walk on circles of their own."""
        turn = 2.0 * np.pi * np.arange(self.people) / max(self.people, 1)
        around = 1.6 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        walk = 0.3 * np.stack([np.cos(0.3 * k + turn), np.sin(0.3 * k + turn)], axis=-1)
        return np.concatenate([around + walk, 1.6 + 0.02 * np.arange(self.people)[:, None]], axis=-1)

    @cache  # noqa: B019 - a World is frozen and a handful exist
    def joints(self, k: int) -> np.ndarray:
        """People 55 3 in the world."""
        zeros = np.zeros((self.people, 10))
        joints = np.asarray(body().joints(params_from_rotations(self.rotations(k), self.betas(), zeros)), dtype=np.float64)
        return joints - joints[:, 15:16] + self.heads(k)[:, None]

    def window(
        self,
        index: int = 0,
        first: int = 0,
        steps: int = 4,
        gauge: Similarity | None = None,
        missing: frozenset[tuple[int, int]] = frozenset(),
        unseen: frozenset[tuple[int, int, int]] = frozenset(),
    ) -> tuple[Window, Prediction]:
        """A window and the perfect prediction of it.

        Args:
            index: of the window.
            first: number of its first frame-set.
            steps: frame-sets in it.
            gauge: from the world in metres to the window's own world and unit.
            missing: (frame-set, view) whose frame is lost.
            unseen: (frame-set, view, person) whom the network misses.
        """
        sets = tuple(self._frame_set(first + t, missing) for t in range(steps))
        window = Window(0, index, tuple(f"cam{v}" for v in range(self.views)), sets)
        present = [(t, v) for t in range(steps) for v in range(self.views) if (first + t, v) not in missing]
        gauge = gauge or Similarity.identity()
        parts = [self._sight(first + t, v, float(gauge.scale), unseen) for t, v in present]
        counts = [len(part["person_score"]) for part in parts]
        poses = np.stack([self.camera(v, first + t) for t, v in present]) if present else np.zeros((0, 4, 4))
        rng = np.random.default_rng(index)
        frames = len(present)
        prediction = Prediction(
            step=np.array([t for t, _ in present], dtype=np.int64),
            view=np.array([v for _, v in present], dtype=np.int64),
            image_size=np.tile(np.array(SIZE), (frames, 1)),
            intrinsics=np.tile(K, (frames, 1, 1)),
            world_from_cam=gauge.apply_to_poses(poses),
            points=gauge.scale * rng.uniform([-1.0, -1.0, 3.0], [1.0, 1.0, 5.0], (frames, 12, 16, 3)),
            confidence=np.full((frames, 12, 16), 0.9),
            colors=rng.integers(0, 255, (frames, 12, 16, 3), dtype=np.uint8),
            human_mask=np.zeros((frames, 6, 8)),
            metric_scale=1.0,
            person_frame=np.repeat(np.arange(frames), counts),
            **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else _nobody(),
        )
        return window, prediction

    def _frame_set(self, k: int, missing: frozenset[tuple[int, int]]) -> FrameSet:
        frames = tuple(
            None
            if (k, v) in missing
            else Frame(f"cam{v}", k * PERIOD_NS + v * 1000, IMAGE, world_from_cam=self.camera(v, k) if self.rig else None)
            for v in range(self.views)
        )
        return FrameSet(0, k, k * PERIOD_NS, 1000 * self.views, frames)

    def _sight(self, k: int, view: int, unit: float, unseen: frozenset[tuple[int, int, int]]) -> dict[str, np.ndarray]:
        """What one image shows: whose head lies in it."""
        cam_from_world = se3.inverse(self.camera(view, k))
        joints = se3.apply(cam_from_world, self.joints(k).reshape(-1, 3)).reshape(self.people, 55, 3)
        pixels = project(joints[:, [15, 0]], K)
        shown = ((pixels[:, 0] >= 0) & (pixels[:, 0] < SIZE)).all(axis=-1)
        shown &= np.array([(k, view, person) not in unseen for person in range(self.people)], dtype=bool)
        rotations = self.rotations(k)
        rotations[:, 0] = cam_from_world[:3, :3] @ rotations[:, 0]
        everybody = {
            "person_score": np.full(self.people, 0.9),
            "person_token": self.tokens(),
            "head_pixel": pixels[:, 0],
            "pelvis_pixel": pixels[:, 1],
            "head_position": unit * joints[:, 15],
            "rotations": rotations,
            "betas": self.betas(),
            "expression": np.zeros((self.people, 10)),
        }
        return {name: value[shown] for name, value in everybody.items()}


def _nobody() -> dict[str, np.ndarray]:
    shapes = {"person_score": (), "person_token": (16,), "head_pixel": (2,), "pelvis_pixel": (2,), "head_position": (3,)}
    shapes |= {"rotations": (53, 3, 3), "betas": (10,), "expression": (10,)}
    return {name: np.zeros((0, *shape)) for name, shape in shapes.items()}


def reordered(prediction: Prediction, order: np.ndarray) -> Prediction:
    """The same people in another order."""
    names = (
        "person_frame",
        "person_score",
        "person_token",
        "head_pixel",
        "pelvis_pixel",
        "head_position",
        "rotations",
        "betas",
        "expression",
    )
    return replace(prediction, **{name: getattr(prediction, name)[order] for name in names})
