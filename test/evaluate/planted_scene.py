"""A scene as a labelled sequence, and chains that say the truth of it, each answer in a world of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from chromm_ros.data.truth import Truth
from chromm_ros.evaluate.moment import COMMON
from chromm_ros.evaluate.protocols.joints import MIDDLE
from chromm_ros.evaluate.told import Told
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.model.predictor import Predictor
from chromm_ros.records import BodyParams, CameraEstimate, Frame, Person, Prediction, Reconstruction, Window
from chromm_ros.synthetic.oracle import SIZE, K, World
from chromm_ros.synthetic.scene import PERIOD_NS, Scene

IMAGE = np.zeros((4, 4, 3), np.uint8)
NOTHING = Told(intrinsics=False, poses=False)
Spoil = Callable[[np.ndarray, int], np.ndarray]


@dataclass
class Planted:
    """A scene as a labelled sequence; `unwanted` are (frame, person) who do not count."""

    scene: Scene
    frames_count: int
    joint_set: str = "smplx"
    unwanted: frozenset[tuple[int, int]] = frozenset()
    name: str = "planted"

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(f"cam{view}" for view in range(self.scene.views))

    def frames(self) -> Iterator[tuple[Frame, int]]:
        for k in range(self.frames_count):
            for name, pose in zip(self.cameras, self.scene.cameras(k), strict=True):
                yield Frame(name, k * PERIOD_NS, IMAGE, K, world_from_cam=pose), k * PERIOD_NS

    def truth(self) -> Iterator[Truth]:
        ids = np.arange(self.scene.people, dtype=np.int64) + 7
        for k in range(self.frames_count):
            counted = np.array([(k, person) not in self.unwanted for person in range(self.scene.people)])
            yield Truth(k * PERIOD_NS, ids, self._joints(k), self.joint_set, counted, self.scene.cameras(k))

    def _joints(self, k: int) -> np.ndarray:
        joints = self.scene.joints(k)
        if self.joint_set == "smplx":
            return joints
        if self.joint_set == "smpl":
            return joints[:, [*range(22), *MIDDLE]]
        coco = np.full((len(joints), 17, 3), np.nan)  # no point of the face, and no left wrist
        ours, theirs, _ = COMMON["coco"]
        coco[:, theirs] = joints[:, ours]
        coco[:, 9] = np.nan
        return coco


class Says:
    """In the pipeline's place: the truth of a scene, each answer in the next of some worlds, people in another order each time.

    Args:
        scene: whose truth.
        worlds: from the true world to that of each answer, in turn.
        spoil: what is done to the joints (A, J, 3) of a frame before.
        lost: (frame, person) who is not found.
    """

    def __init__(
        self,
        scene: Scene,
        worlds: list[Similarity],
        spoil: Spoil = lambda joints, _: joints,
        lost: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:
        self.scene, self.worlds, self.spoil, self.lost = scene, worlds, spoil, lost
        self.windows: list[Window] = []

    def __call__(self, window: Window) -> Reconstruction:
        world = self.worlds[len(self.windows) % len(self.worlds)]
        self.windows.append(window)
        ks = [s.stamp_ns // PERIOD_NS for s in window.sets]
        cameras = np.stack([world.apply_to_poses(self.scene.cameras(k)) for k in ks])
        joints = np.stack([world.apply(self.spoil(self.scene.joints(k), k)) for k in ks])
        order = np.roll(np.arange(self.scene.people), len(self.windows))
        people = tuple(self._person(int(n), joints[:, n], [(k, n) not in self.lost for k in ks]) for n in order)
        estimates = tuple(
            CameraEstimate(name, cameras[-1, v], K, SIZE, window.sets[-1].stamp_ns, present=True)
            for v, name in enumerate(window.cameras)
        )
        nothing = np.zeros((0, 3), np.float32)
        return Reconstruction(
            window.epoch, window.index, tuple(s.stamp_ns for s in window.sets), estimates, cameras,
            nothing, nothing.astype(np.uint8), nothing[:, 0], people, 1.0, 1.0,
        )  # fmt: skip  # no cloud

    def _person(self, number: int, joints: np.ndarray, seen: list[bool]) -> Person:
        zero, steps = np.zeros((len(joints), 3), np.float32), len(joints)
        hands, ten = np.zeros((steps, 15, 3), np.float32), np.zeros((steps, 10), np.float32)
        body = BodyParams(zero, np.zeros((steps, 21, 3), np.float32), hands, hands, zero, zero, zero, ten, ten, zero)
        there = np.array(seen)
        return Person(
            100 + number, "tracked", 1.0, there, np.repeat(there[:, None], self.scene.views, axis=1), body,
            joints.astype(np.float32), np.ones((steps, 55), np.float32), np.zeros(steps, np.float32),
        )  # fmt: skip  # all of it


def world(seed: int, scale: float = 1.0) -> Similarity:
    rng = np.random.default_rng(seed)
    return Similarity(np.array(scale), matrix_from_rotvec(2.0 * rng.normal(size=3)), 3.0 * rng.normal(size=3))


class Oracle(Predictor):
    """In the network's place: exact predictions of a scene, each window in a world and a unit of its own."""

    def __init__(self, oracle: World) -> None:
        self.oracle, self.asked = oracle, 0  # nothing is loaded
        self.weights = "oracle"

    @property
    def device(self) -> str:
        return "cpu"

    def prepare(self, window: Window) -> Window:  # type: ignore[override]  # it needs no batch
        return window

    def infer(self, window: Window, *, keep: bool = False) -> Prediction:  # type: ignore[override]
        del keep
        self.asked += 1
        first = window.sets[0].stamp_ns // PERIOD_NS
        return self.oracle.look(0, first, len(window.sets), gauge=world(self.asked, 0.8 + 0.1 * self.asked)).prediction
