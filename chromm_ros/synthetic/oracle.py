"""What a network would say of a scene: windows with their predictions, exact or with planted errors, at a few milliseconds each.

    world = World(views=4, people=6, noise=Noise())
    look = world.look(index=0, first=0, steps=8)
    look.window, look.prediction    # as the network would give them
    look.person                     # who each of the prediction's people truly is, -1 for nobody

Every error can be planted by itself: a frame that is lost (`missing`), somebody unseen (`unseen`), a unit that is not the metre
(`gauge`), and all of `noise.Noise`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from chromm_ros.body.skeleton import HEAD, PELVIS
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import inside, pixel_grid, project, rays, resized
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.records import Frame, FrameSet, Prediction, Window
from chromm_ros.synthetic.noise import EXACT, TOKEN, Errors, Gauge, Noise, Strangers
from chromm_ros.synthetic.scene import PERIOD_NS, Scene
from chromm_ros.synthetic.shape import first_surface, hidden

SIZE = (640, 480)
"""Width and height of all images."""
K = np.array([[420.0, 0.0, 320.0], [0.0, 420.0, 240.0], [0.0, 0.0, 1.0]])
"""Intrinsics of all cameras."""
IMAGE = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
FACING = np.diag([1.0, -1.0, -1.0])
"""Root of a person who stands upright and looks into the camera."""
CONFIDENCE = 0.9
"""Of every point."""
PEOPLE = (
    "person_frame", "person_score", "person_token", "head_pixel", "pelvis_pixel", "head_position", "rotations", "betas",
    "expression",
)  # fmt: skip
"""Fields of a prediction with one entry per person."""


@dataclass(frozen=True)
class Look:
    """A window, what the network says of it, and the truth of that."""

    window: Window
    """The images are black."""
    prediction: Prediction
    """NumPy arrays."""
    person: Int[np.ndarray, "P"]
    """Who of the scene each detected person is; -1 for nobody."""


@dataclass(frozen=True)
class Sight:
    """What the V images of one frame-set show of the scene's P people and one stranger (last in P1), whatever the window."""

    poses: Float[np.ndarray, "V 4 4"]
    """True world_from_cam."""
    shown: Bool[np.ndarray, "V P1"]
    """Who is detected."""
    score: Float[np.ndarray, "V P1"]
    """Of the detection."""
    token: Float[np.ndarray, "V P1 K"]
    """Looks."""
    pixels: Float[np.ndarray, "V P1 2 2"]
    """Head and pelvis."""
    depth: Float[np.ndarray, "V P1"]
    """Of the head, metres."""
    rotations: Float[np.ndarray, "V P1 53 3 3"]
    """The root's to the camera."""
    betas: Float[np.ndarray, "V P1 10"]
    """Shape."""
    points: Float[np.ndarray, "V H W 3"]
    """In the camera, metres."""
    mask: Float[np.ndarray, "V h w"]
    """1 for a patch that touches a person, else 0."""
    colors: UInt8[np.ndarray, "V H W 3"]
    """Random."""


@dataclass(frozen=True)
class World(Scene):
    """A scene, and a network that looks at it."""

    rig: bool = False
    """Whether frames carry the known poses of their cameras."""
    noise: Noise = EXACT
    """Levels of the network's errors."""
    uniform: bool = False
    """Whether people wear one uniform: their tokens then tell nothing of who they are."""
    map_size: tuple[int, int] = (16, 12)
    """Width and height of the point maps; a patch of the human mask is 2 x 2 points."""

    def tokens(self) -> Float[np.ndarray, "P K"]:
        """Looks of everybody."""
        looks = 4.0 * np.random.default_rng([self.seed, 7]).normal(size=(self.people, TOKEN))
        return looks * (0.0 if self.uniform else 1.0)

    def look(
        self,
        index: int = 0,
        first: int = 0,
        steps: int = 4,
        gauge: Similarity | None = None,
        missing: frozenset[tuple[int, int]] = frozenset(),
        unseen: frozenset[tuple[int, int, int]] = frozenset(),
    ) -> Look:
        """A window and the prediction of it.

        Args:
            index: of the window; with noise, its cameras and its unit err in their own way.
            first: number of its first frame-set.
            steps: frame-sets in it.
            gauge: from the world in metres to the window's own world and unit.
            missing: (frame-set, view) whose frame is lost.
            unseen: (frame-set, view, person) whom the network misses.
        """
        ks = range(first, first + steps)
        sights = [self._sight(k) for k in ks]
        present = np.array([[(k, v) not in missing for v in range(self.views)] for k in ks], dtype=bool).reshape(-1, self.views)
        shown = np.stack([sight.shown for sight in sights]) & present[:, :, None]  # T V P1
        for k, v, who in unseen:
            if k in ks:
                shown[k - first, v, who] = False
        wrong = Gauge.draw(self.noise, self.seed, index, steps, self.views)
        to_window = gauge or Similarity.identity()
        to_window = replace(to_window, scale=np.array(float(to_window.scale) * wrong.unit))
        window = Window(0, index, tuple(f"cam{v}" for v in range(self.views)), tuple(self._frame_set(k, missing) for k in ks))
        prediction = self._prediction(sights, present, shown, to_window, wrong)
        person = np.append(np.arange(self.people), -1)
        return Look(window, prediction, np.broadcast_to(person, shown.shape)[shown])

    def _prediction(
        self,
        sights: list[Sight],
        present: Bool[np.ndarray, "T V"],
        shown: Bool[np.ndarray, "T V P1"],
        to_window: Similarity,
        wrong: Gauge,
    ) -> Prediction:
        step, view = np.nonzero(present)
        frame = np.where(present, np.cumsum(present).reshape(present.shape) - 1, -1)
        person_frame = np.broadcast_to(frame[:, :, None], shown.shape)[shown]
        intrinsics = np.tile(K, (len(view), 1, 1))
        intrinsics[:, [0, 1], [0, 1]] *= wrong.focal[view, None]
        poses = np.stack([sight.poses for sight in sights]) @ se3.compose(wrong.turns, wrong.shifts)

        def of(name: str, mask: Bool[np.ndarray, "T *M"]) -> np.ndarray:
            return np.concatenate([getattr(sight, name)[here] for sight, here in zip(sights, mask, strict=True)])

        pixels, unit = of("pixels", shown), float(to_window.scale)
        return Prediction(
            step=step,
            view=view,
            image_size=np.tile(np.array(SIZE), (len(step), 1)),
            intrinsics=intrinsics,
            world_from_cam=to_window.apply_to_poses(poses[present]),
            points=unit * of("points", present),
            confidence=np.full((len(step), *self.map_size[::-1]), CONFIDENCE),
            colors=of("colors", present),
            human_mask=of("mask", present),
            metric_scale=1.0,
            person_frame=person_frame,
            person_score=of("score", shown),
            person_token=of("token", shown),
            head_pixel=pixels[:, 0],
            pelvis_pixel=pixels[:, 1],
            head_position=unit * of("depth", shown)[:, None] * rays(pixels[:, 0], intrinsics[person_frame]),
            rotations=of("rotations", shown),
            betas=of("betas", shown),
            expression=np.zeros((len(pixels), 10)),
        )

    def window(
        self,
        index: int = 0,
        first: int = 0,
        steps: int = 4,
        gauge: Similarity | None = None,
        missing: frozenset[tuple[int, int]] = frozenset(),
        unseen: frozenset[tuple[int, int, int]] = frozenset(),
    ) -> tuple[Window, Prediction]:
        """`look` without the truth."""
        look = self.look(index, first, steps, gauge, missing, unseen)
        return look.window, look.prediction

    def _frame_set(self, k: int, missing: frozenset[tuple[int, int]]) -> FrameSet:
        poses = self.cameras(k)
        frames = tuple(
            None
            if (k, v) in missing
            else Frame(f"cam{v}", k * PERIOD_NS + v * 1000, IMAGE, world_from_cam=poses[v] if self.rig else None)
            for v in range(self.views)
        )
        return FrameSet(0, k, k * PERIOD_NS, 1000 * self.views, frames)

    @lru_cache(maxsize=64)  # noqa: B019 - worlds are few, frozen and small; slid windows share their images
    def _sight(self, k: int) -> Sight:
        poses, world = self.cameras(k), self.joints(k)
        cam_from_world = se3.inverse(poses)
        joints = se3.apply(cam_from_world[:, None], world)  # V P 55 3
        errors = Errors.draw(self.noise, self.seed, k, self.views, self.people)
        strangers = Strangers.draw(self.noise, self.seed, k, self.views)
        pixels = np.nan_to_num(project(joints[:, :, [HEAD, PELVIS]], K), nan=-1e4) + errors.pixels
        shown = errors.detected & inside(pixels[:, :, 0], np.array(SIZE, dtype=np.float64))
        if self.noise.occlusion:
            shown &= ~hidden(poses[:, :3, 3], world)
        rotations = np.repeat(self.rotations(k)[None], self.views, axis=0)
        rotations[:, :, 0] = cam_from_world[:, None, :3, :3] @ rotations[:, :, 0]
        stranger = np.tile(np.eye(3), (self.views, 1, 53, 1, 1))
        stranger[:, :, 0] = FACING
        points, mask = self._map(k, poses)
        return Sight(
            poses=poses,
            shown=_with(shown, strangers.seen),
            score=_with(errors.score, strangers.score),
            token=_with(self.tokens()[errors.looks_of] + errors.tokens, strangers.tokens * (0.0 if self.uniform else 1.0)),
            pixels=_with(pixels, strangers.pixels * np.array(SIZE)),
            depth=_with(joints[:, :, HEAD, 2] * errors.depth, strangers.depth),
            rotations=np.concatenate([rotations @ errors.turns, stranger], axis=1),
            betas=_with(self.betas() + errors.betas, np.zeros((self.views, 10))),
            points=points,
            mask=mask,
            colors=np.random.default_rng([self.seed, 8, k]).integers(0, 255, points.shape, dtype=np.uint8),
        )

    def _map(self, k: int, poses: Float[np.ndarray, "V 4 4"]) -> tuple[Float[np.ndarray, "V H W 3"], Float[np.ndarray, "V h w"]]:
        """Points of the room and of people, and the mask of these."""
        width, height = self.map_size
        grid = pixel_grid(width, height).reshape(-1, 2)
        toward = rays(grid, resized(K, SIZE, self.map_size))
        half = self.distance + 2.0
        room = np.array([[-half, half], [-half, half], [0.0, 6.0]])
        depth, person = first_surface(poses, toward, self.joints(k), room)
        depth *= np.exp(self.noise.point * np.random.default_rng([self.seed, 9, k]).normal(size=depth.shape))
        patches = person.reshape(self.views, height // 2, 2, width // 2, 2).any(axis=(2, 4))
        points = np.asarray(depth[..., None] * toward).reshape(self.views, height, width, 3)
        return points, np.asarray(patches, dtype=np.float64)


def _with(people: np.ndarray, stranger: np.ndarray) -> np.ndarray:
    """V P ... and V ... as V P+1 ..."""
    return np.concatenate([people, stranger[:, None]], axis=1)


def reordered(prediction: Prediction, order: Int[np.ndarray, "Q"]) -> Prediction:
    """The same people in another order, or some of them."""
    return replace(prediction, **{name: getattr(prediction, name)[order] for name in PEOPLE})
