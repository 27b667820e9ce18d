"""A chain that says the truth has no error in any protocol, whatever world each of its answers is in, and planted errors show as defined."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from chromm_ros.data.truth import LabelledSequence, Truth
from chromm_ros.errors import InputError
from chromm_ros.evaluate.judged import COMMON
from chromm_ros.evaluate.protocols.closed import Runner
from chromm_ros.evaluate.protocols.joints import MIDDLE, Ours
from chromm_ros.evaluate.protocols.main import evaluate
from chromm_ros.evaluate.protocols.segments import Cut, segments
from chromm_ros.evaluate.takes import Told
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.records import BodyParams, CameraEstimate, Frame, Person, Reconstruction, Window
from chromm_ros.synthetic.oracle import SIZE, K
from chromm_ros.synthetic.scene import PERIOD_NS, Scene

IMAGE = np.zeros((4, 4, 3), np.uint8)
NOTHING = Told(intrinsics=False, poses=False)
Spoil = Callable[[np.ndarray, int], np.ndarray]


@dataclass
class Planted:
    """A scene as a labelled sequence; `wanted` and `lost` are (frame, person)."""

    scene: Scene
    frames_count: int
    joint_set: str = "smplx"
    unwanted: frozenset[tuple[int, int]] = frozenset()
    name: str = "planted"
    told: list[Frame] = field(default_factory=list)

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
        order = np.random.default_rng(len(self.windows)).permutation(self.scene.people)
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


def scores(sequence: LabelledSequence, chain: Says, way: str, told: Told = NOTHING) -> dict[str, Any]:
    fields = evaluate(iter([sequence]), Runner(chain, told, Ours()), way, tell=lambda _: None)
    return {score.name: score for score in fields["scores"]}


RIGID = [world(1), world(2), world(3)]


@pytest.mark.parametrize("joint_set", ["smplx", "smpl"])
def test_one_camera_that_moves_says_the_truth_in_a_new_world_for_each_segment(joint_set: str) -> None:
    scene = Scene(views=1, people=2, moving=True)
    chain = Says(scene, RIGID)
    told = scores(Planted(scene, 120, joint_set), chain, "mono")
    assert [len(window.sets) for window in chain.windows] == [100, 20]
    assert len({window.epoch for window in chain.windows}) == 2
    for name in (
        "WA-MPJPE",
        "W-MPJPE",
        "RTE",
        "PA-MPJPE",
        "WA-MPJPE, 24 joints" if joint_set == "smplx" else "WA-MPJPE, 22 joints",
    ):
        assert told[name].value < 5e-3 and told[name].count == 240, name
    assert told["people f1"].value == 1.0


def test_scale_is_no_error_but_of_the_way() -> None:
    scene, scale = Scene(views=1, people=1, moving=True), 1.3
    told = scores(Planted(scene, 60), Says(scene, [world(4, scale)]), "mono")
    assert told["WA-MPJPE"].value < 5e-3 and told["W-MPJPE"].value < 5e-3
    root = np.stack([scene.joints(k)[0, 0] for k in range(60)])
    way = np.linalg.norm(np.diff(root, axis=0), axis=-1).sum()
    expected = 100.0 * (scale - 1.0) * np.linalg.norm(root - root.mean(axis=0), axis=-1).mean() / way
    assert told["RTE"].value == pytest.approx(expected, rel=1e-4)


def test_chunks_in_worlds_of_their_own_are_joined_by_their_cameras() -> None:
    scene = Scene(views=4, people=3)
    worlds = [world(5), *(world(6 + n, scale) for n, scale in enumerate((0.5, 2.0, 1.3)))]
    chain = Says(scene, worlds)
    told = scores(Planted(scene, 100), chain, "multi")
    assert [len(window.sets) for window in chain.windows] == [25] * 4
    for name in ("WA-MPJPE", "W-MPJPE", "RTE"):
        assert told[name].value < 5e-3 and told[name].count == 300, name
    assert told["people f1"].value == 1.0


def test_cameras_on_a_line_join_chunks_too() -> None:
    scene = Scene(views=3, people=2, layout="line")
    told = scores(Planted(scene, 50), Says(scene, [world(11), world(12, 3.0)]), "multi")
    assert told["WA-MPJPE"].value < 5e-3 and told["RTE"].value < 5e-3


def test_a_chunk_that_is_off_shows_in_the_segment() -> None:
    scene = Scene(views=4, people=2)
    shift = np.array([0.3, 0.0, 0.0])

    def spoil(joints: np.ndarray, k: int) -> np.ndarray:
        return joints + (shift if k >= 25 else 0.0)

    told = scores(Planted(scene, 100), Says(scene, [world(5), world(6, 2.0)], spoil), "multi")
    assert told["W-MPJPE"].value == pytest.approx(0.75 * 300.0, rel=1e-3)  # three chunks of four, after the fit of two frames
    assert 1.0 < told["WA-MPJPE"].value < 225.0 and told["PA-MPJPE"].value < 5e-3


def test_chunks_are_not_joined_by_cameras_that_move() -> None:
    scene = Scene(views=2, people=1, moving=True)
    with pytest.raises(InputError, match="moves, and chunks are joined by cameras that stand still"):
        scores(Planted(scene, 30), Says(scene, RIGID), "multi")


def test_whoever_is_missed_or_does_not_count_is_told_apart() -> None:
    scene = Scene(views=1, people=2, moving=True)
    sequence = Planted(scene, 20, unwanted=frozenset((k, 0) for k in range(5)))
    told = scores(sequence, Says(scene, RIGID, lost=frozenset((k, 1) for k in range(10, 14))), "mono")
    assert told["people recall"].value == pytest.approx(31 / 35)  # 40 presences, 5 do not count, 4 are missed
    assert told["people precision"].value == 1.0 and told["WA-MPJPE"].count == 31


def test_frames_that_do_not_count_move_the_first_two_on() -> None:
    scene = Scene(views=1, people=1, moving=True)
    sequence = Planted(scene, 20, unwanted=frozenset((k, 0) for k in range(5)))

    def spoil(joints: np.ndarray, k: int) -> np.ndarray:
        return joints + (10.0 if k < 5 else 0.0)

    told = scores(sequence, Says(scene, RIGID, spoil), "mono")
    assert told["W-MPJPE"].value < 5e-3 and told["W-MPJPE"].count == 15


@pytest.mark.parametrize("joint_set", ["smplx", "smpl", "coco"])
def test_single_moments_of_the_truth_have_no_error(joint_set: str) -> None:
    scene = Scene(views=4, people=3)
    chain = Says(scene, RIGID)
    told = scores(Planted(scene, 5, joint_set), chain, "steps")
    assert [len(window.sets) for window in chain.windows] == [1] * 5
    for name in ("W-MPJPE-dagger by centres", "W-MPJPE-dagger by rotations", "GA-MPJPE", "PA-MPJPE"):
        assert told[name].value < 5e-6 and told[name].count == 15, name
    for name in ("TE", "s-TE", "AE"):
        assert told[name].value < 1e-5, name
    assert told["RRA@10"].value == told["CCA@10"].value == told["s-CCA@15"].value == told["people f1"].value == 1.0


def test_dagger_is_the_scale_times_the_distance_from_the_rig() -> None:
    scene, scale = Scene(views=4, people=3), 1.2
    told = scores(Planted(scene, 1), Says(scene, [world(8, scale)]), "steps")
    centres = scene.cameras(0)[:, :3, 3]
    away = np.linalg.norm(scene.joints(0)[:, :22] - centres.mean(axis=0), axis=-1).mean()
    for gauge in ("centres", "rotations"):
        assert told[f"W-MPJPE-dagger by {gauge}"].value == pytest.approx((scale - 1.0) * away, rel=1e-5), gauge
    spread = np.linalg.norm(centres - centres.mean(axis=0), axis=-1)
    assert told["TE"].value == pytest.approx((scale - 1.0) * spread.mean(), rel=1e-5)
    assert told["CCA@10"].value == 0.0  # all centres but for small ones are off by a fifth of their distance
    for name in ("GA-MPJPE", "PA-MPJPE", "s-TE", "AE"):
        assert told[name].value < 1e-4, name


def test_people_who_all_stand_beside_their_place_show_in_dagger_alone() -> None:
    scene = Scene(views=4, people=3)
    told = scores(Planted(scene, 2), Says(scene, RIGID, lambda joints, _: joints + np.array([0.0, 0.25, 0.0])), "steps")
    assert told["W-MPJPE-dagger by centres"].value == pytest.approx(0.25, rel=1e-5)
    assert told["GA-MPJPE"].value < 5e-6 and told["PA-MPJPE"].value < 5e-6 and told["TE"].value < 5e-6


def test_one_person_who_is_off_shows_in_ga_and_not_in_pa() -> None:
    scene = Scene(views=4, people=3)

    def spoil(joints: np.ndarray, _: int) -> np.ndarray:
        return joints + 0.3 * np.eye(3)[:, None, :1] * np.array([1.0, 0.0, 0.0])

    told = scores(Planted(scene, 1), Says(scene, RIGID, spoil), "steps")
    assert told["W-MPJPE-dagger by centres"].value == pytest.approx(0.1, rel=1e-5)
    assert told["GA-MPJPE"].value > 0.02 and told["PA-MPJPE"].value < 5e-6


def test_two_cameras_have_no_gauge_by_centres() -> None:
    scene = Scene(views=2, people=1)
    told = scores(Planted(scene, 1), Says(scene, RIGID), "steps")
    assert told["W-MPJPE-dagger by centres"].value is None and "line" in told["W-MPJPE-dagger by centres"].reason
    assert told["W-MPJPE-dagger by rotations"].value < 5e-6
    assert told["GA-MPJPE"].value is None and "one person" in told["GA-MPJPE"].reason


def test_nobody_found_has_reasons_and_no_values() -> None:
    scene = Scene(views=4, people=1)
    nobody = frozenset((k, 0) for k in range(3))
    for way in ("steps", "multi"):
        told = scores(Planted(scene, 3), Says(scene, RIGID, lost=nobody), way)
        assert told["people recall"].value == 0.0 and told["PA-MPJPE"].value is None and told["PA-MPJPE"].reason


def test_the_chain_is_told_no_more_than_is_said() -> None:
    scene = Scene(views=2, people=1)
    for intrinsics, poses in ((False, False), (True, False), (True, True)):
        chain = Says(scene, RIGID)
        scores(Planted(scene, 1), chain, "steps", Told(intrinsics, poses))
        for frame in chain.windows[0].sets[0].frames:
            assert frame is not None
            assert (frame.intrinsics is not None) == intrinsics and (frame.world_from_cam is not None) == poses


def test_moments_without_a_truth_are_left_out() -> None:
    scene = Scene(views=2, people=1)

    class Sparse(Planted):
        def truth(self) -> Iterator[Truth]:
            yield from (truth for k, truth in enumerate(super().truth()) if k in {1, 4})
            yield replace(next(super().truth()), stamp_ns=10**15)

    chain = Says(scene, RIGID)
    scores(Sparse(scene, 6), chain, "steps")
    assert [window.sets[0].stamp_ns // PERIOD_NS for window in chain.windows] == [1, 4]
    with pytest.raises(InputError, match="no sequence has an image with a truth"):
        scores(Planted(scene, 0), chain, "steps")


def test_one_chunk_of_images_is_held_at_a_time() -> None:
    scene, read = Scene(views=2, people=1), list[int]()

    class Counted(Planted):
        def frames(self) -> Iterator[tuple[Frame, int]]:
            for frame, stamp in super().frames():
                read.append(stamp)
                yield frame, stamp

    chain = Says(scene, RIGID)
    run = Runner(chain, Told(), Ours())
    begun = segments(Counted(scene, 40), run, Cut(segment=10, chunk=5))
    next(begun)
    assert len(chain.windows) == 2 and len(read) <= 2 * 11


def test_cuts_fit_into_segments() -> None:
    assert Cut(segment=10, chunk=4).sizes == [4, 4, 2]
    with pytest.raises(InputError, match="expected from 1 to as many"):
        Cut(segment=10, chunk=11)
