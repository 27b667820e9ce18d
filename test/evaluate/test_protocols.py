"""A chain that says the truth has no error in any protocol, whatever world each of its answers is in, and planted errors show as defined."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted_scene import NOTHING, Oracle, Planted, Says, world

from chromm_ros.config import ChrommConfig
from chromm_ros.data.truth import LabelledSequence, Truth
from chromm_ros.errors import InputError
from chromm_ros.evaluate.protocols.closed import SETTINGS, Runner
from chromm_ros.evaluate.protocols.joints import Ours
from chromm_ros.evaluate.protocols.main import evaluate
from chromm_ros.evaluate.protocols.outcomes import of_segments
from chromm_ros.evaluate.protocols.segments import Cut, segments
from chromm_ros.evaluate.told import Told
from chromm_ros.pipeline import Pipeline
from chromm_ros.records import Frame, Reconstruction, Window
from chromm_ros.settings import merged
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import PERIOD_NS, Scene, body


def scores(
    sequence: LabelledSequence, chain: Says | Pipeline, way: str, told: Told = NOTHING, cut: Cut | None = None
) -> dict[str, Any]:
    """Scores by name; `cut` instead of the protocol's own."""
    run = Runner(chain, told, Ours())
    if cut is None:
        fields = evaluate(iter([sequence]), run, way, tell=lambda _: None)
    else:
        fields = of_segments(list(segments(sequence, run, cut)), cut)
    return {score.name: score for score in fields["scores"]}


FOUR = Cut(segment=24, chunk=6)
RIGID = [world(1), world(2), world(3)]


@pytest.mark.parametrize("joint_set", ["smplx", "smpl"])
def test_one_camera_that_moves_says_the_truth_in_a_new_world_for_each_segment(joint_set: str) -> None:
    scene = Scene(views=1, people=1, moving=True)
    chain = Says(scene, RIGID)
    told = scores(Planted(scene, 104, joint_set), chain, "mono")
    assert [len(window.sets) for window in chain.windows] == [100, 4]
    assert len({window.epoch for window in chain.windows}) == 2
    for name in (
        "WA-MPJPE",
        "W-MPJPE",
        "RTE",
        "PA-MPJPE",
        "WA-MPJPE, 24 joints" if joint_set == "smplx" else "WA-MPJPE, 22 joints",
    ):
        assert told[name].value < 5e-3 and told[name].count == 104, name
    assert told["people f1"].value == 1.0
    assert told["camera ATE"].value < 1e-6 and told["camera ATE"].count == 104, "its way is the true one in every segment"


def test_scale_is_no_error_but_of_the_way() -> None:
    scene, scale = Scene(views=1, people=1, moving=True), 1.3
    told = scores(Planted(scene, 20), Says(scene, [world(4, scale)]), "mono")
    assert told["WA-MPJPE"].value < 5e-3 and told["W-MPJPE"].value < 5e-3
    root = np.stack([scene.joints(k)[0, 0] for k in range(20)])
    eyes = np.stack([scene.cameras(k)[0, :3, 3] for k in range(20)])
    assert told["camera ATE"].value < 1e-6
    away = np.linalg.norm(eyes - eyes.mean(axis=0), axis=-1).mean()
    assert told["camera ATE, no scale"].value == pytest.approx((scale - 1.0) * away, rel=1e-6)
    way = np.linalg.norm(np.diff(root, axis=0), axis=-1).sum()
    expected = 100.0 * (scale - 1.0) * np.linalg.norm(root - root.mean(axis=0), axis=-1).mean() / way
    assert told["RTE"].value == pytest.approx(expected, rel=1e-4)


def test_chunks_in_worlds_of_their_own_are_joined_by_their_cameras() -> None:
    scene = Scene(views=4, people=3)
    worlds = [world(5), *(world(6 + n, scale) for n, scale in enumerate((0.5, 2.0, 1.3)))]
    chain = Says(scene, worlds)
    told = scores(Planted(scene, 24), chain, "multi", cut=FOUR)
    assert [len(window.sets) for window in chain.windows] == [6] * 4
    for name in ("WA-MPJPE", "W-MPJPE", "RTE"):
        assert told[name].value < 5e-3 and told[name].count == 72, name
    assert told["people f1"].value == 1.0


def test_cameras_on_a_line_join_chunks_too() -> None:
    scene = Scene(views=3, people=2, layout="line")
    told = scores(Planted(scene, 12), Says(scene, [world(11), world(12, 3.0)]), "multi", cut=FOUR)
    assert told["WA-MPJPE"].value < 5e-3 and told["RTE"].value < 5e-3


def test_a_chunk_that_is_off_shows_in_the_segment() -> None:
    scene = Scene(views=4, people=2)
    shift = np.array([0.3, 0.0, 0.0])

    def spoil(joints: np.ndarray, k: int) -> np.ndarray:
        return joints + (shift if k >= 6 else 0.0)

    told = scores(Planted(scene, 24), Says(scene, [world(5), world(6, 2.0)], spoil), "multi", cut=FOUR)
    assert told["W-MPJPE"].value == pytest.approx(0.75 * 300.0, rel=1e-3)  # three chunks of four, after the fit of two frames
    assert 1.0 < told["WA-MPJPE"].value < 225.0 and told["PA-MPJPE"].value < 5e-3


def test_multi_is_chunks_of_25() -> None:
    scene = Scene(views=2, people=1)
    chain = Says(scene, RIGID)
    scores(Planted(scene, 27), chain, "multi")
    assert [len(window.sets) for window in chain.windows] == [25, 2] and {len(s.frames) for s in chain.windows[0].sets} == {2}


@pytest.mark.parametrize(("views", "chunk"), [(1, 12), (4, 4)])
def test_by_trams_rule_the_last_segment_takes_what_is_left(views: int, chunk: int) -> None:
    scene = Scene(views=views, people=1, moving=views == 1)
    chain, cut = Says(scene, RIGID), Cut(segment=12, chunk=chunk, rule="tram")
    told = scores(Planted(scene, 50), chain, "mono", cut=cut)
    last = [13] if views == 1 else [4, 4, 4, 1]
    assert [len(window.sets) for window in chain.windows] == ([12] * 3 if views == 1 else [4] * 9) + last
    assert told["W-MPJPE"].count == 49 and told["W-MPJPE"].value < 5e-3 and told["people recall"].count == 49
    assert not list(segments(Planted(scene, 12), Runner(chain, NOTHING, Ours()), cut)), "none has less than 12 behind it"
    parts = list(segments(Planted(scene, 40), Runner(chain, NOTHING, Ours()), cut))
    assert [len(part.stamps_ns) for part in parts] == [12, 12, 15]
    assert "TRAM's rule" in of_segments(parts, cut)["notes"][0]


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


def test_who_is_seen_elsewhere_in_the_image_is_nobody() -> None:
    scene = Scene(views=1, people=2, moving=True)

    def spoil(joints: np.ndarray, k: int) -> np.ndarray:
        beside = scene.cameras(k)[0, :3, 0]  # to the right in the image
        return joints + np.array([8.0, 0.0])[:, None, None] * beside

    told = scores(Planted(scene, 4), Says(scene, RIGID, spoil), "mono")
    assert told["people precision"].value == told["people recall"].value == 0.5
    assert told["PA-MPJPE"].count == 4 and told["WA-MPJPE"].value < 5e-3


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


def test_single_moments_are_seen_from_above_beside_the_truth() -> None:
    scene = Scene(views=4, people=3)
    fields = evaluate(iter([Planted(scene, 2)]), Runner(Says(scene, RIGID), NOTHING, Ours()), "steps", tell=lambda _: None)
    assert len(fields["tracks"]) == 3 and len(fields["cameras"]) == 4
    for track in fields["tracks"]:
        assert len(track.stamps_ns) == 2 and np.isfinite(track.truth).all()
        np.testing.assert_allclose(track.found, track.truth, atol=1e-5)
    for view, camera in enumerate(fields["cameras"]):
        np.testing.assert_allclose(camera.truth, [scene.cameras(k)[view] for k in range(2)], atol=1e-9)
        np.testing.assert_allclose(camera.found, camera.truth, atol=1e-5)


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
    assert told["s-TE"].value is None and told["TE"].value < 5e-6
    assert told["GA-MPJPE"].value is None and "one person" in told["GA-MPJPE"].reason


class Lost(Says):
    """The truth, but that some cameras are not found."""

    views: tuple[int, ...] = ()

    def __call__(self, window: Window) -> Reconstruction:
        result = super().__call__(window)
        result.world_from_cam[:, self.views] = np.nan
        return result


@pytest.mark.parametrize("found", [0, 1, 2, 3])
def test_cameras_that_were_not_found_leave_no_number_without_meaning(found: int) -> None:
    scene = Scene(views=4, people=3)
    chain = Lost(scene, RIGID)
    chain.views = tuple(range(found, 4))
    told = scores(Planted(scene, 2), chain, "steps")
    for name, least in (("W-MPJPE-dagger by rotations", 1), ("W-MPJPE-dagger by centres", 3), ("TE", 2), ("AE", 2), ("s-TE", 3)):
        assert (told[name].value is None) == (found < least) == bool(told[name].reason), name
        assert found < least or told[name].value < 1e-5, name
    for limit in (10, 15):
        assert told[f"RRA@{limit}"].value == pytest.approx(found * (found - 1) / 12), "of six pairs"
        assert told[f"CCA@{limit}"].value == (found / 4 if found > 1 else 0.0)
        assert told[f"s-CCA@{limit}"].value == (0.75 if found == 3 else None)
    if found == 0:
        assert "no camera has a found and a true pose" in told["PA-MPJPE"].reason


@pytest.mark.parametrize("known", [0, 1, 2, 3])
def test_cameras_whose_true_pose_is_unknown_count_neither_way(known: int) -> None:
    scene = Scene(views=4, people=3)

    class Unsure(Planted):
        def truth(self) -> Iterator[Truth]:
            for truth in super().truth():
                poses = truth.world_from_cam.copy()
                poses[known:] = np.nan
                yield replace(truth, world_from_cam=poses)

    told = scores(Unsure(scene, 2), Says(scene, RIGID), "steps")
    for name, least in (("RRA@10", 2), ("RRA@15", 2), ("CCA@10", 2), ("CCA@15", 2), ("s-CCA@10", 3)):
        assert told[name].value == (1.0 if known >= least else None), name
    assert (told["W-MPJPE-dagger by centres"].value is None) == (known < 3) and (told["TE"].value is None) == (known < 2)


def test_nobody_found_has_reasons_and_no_values() -> None:
    scene = Scene(views=4, people=1)
    nobody = frozenset((k, 0) for k in range(3))
    for way in ("steps", "multi"):
        told = scores(Planted(scene, 3), Says(scene, RIGID, lost=nobody), way)
        assert told["people recall"].value == 0.0 and told["PA-MPJPE"].value is None and told["PA-MPJPE"].reason


@pytest.mark.parametrize("way", ["steps", "multi", "mono"])
def test_people_of_whom_the_truth_knows_no_joint_need_not_be_found(way: str) -> None:
    scene = Scene(views=1 if way == "mono" else 4, people=2)

    class Unknown(Planted):
        whom = slice(1)

        def truth(self) -> Iterator[Truth]:
            for truth in super().truth():
                joints = truth.joints.copy()
                joints[self.whom] = np.nan
                yield replace(truth, joints=joints)

    one = frozenset((k, 0) for k in range(3))
    told = scores(Unknown(scene, 3), Says(scene, RIGID, lost=one), way)
    assert told["people recall"].value == told["people precision"].value == 1.0 and told["PA-MPJPE"].count == 3
    sequence = Unknown(scene, 3)
    sequence.whom = slice(2)
    told = scores(sequence, Says(scene, RIGID), way)
    assert told["people recall"].value is None and "the truth knows no joint of them" in told["people recall"].reason
    assert "the truth knows no joint of them" in told["PA-MPJPE"].reason


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
    assert Cut(segment=10, chunk=4).sizes(10) == [4, 4, 2] and Cut(segment=10, chunk=10).sizes(7) == [7]
    with pytest.raises(InputError, match="expected from 1 to as many"):
        Cut(segment=10, chunk=11)


@pytest.mark.parametrize(("way", "views", "frames"), [("mono", 1, 12), ("multi", 4, 12), ("steps", 4, 2)])
def test_the_chain_itself_on_exact_predictions(way: str, views: int, frames: int) -> None:
    oracle = World(views=views, people=2, moving=way == "mono")
    config = merged(ChrommConfig(), SETTINGS, {"scale": {"statistic": "iterated"}})
    chain = Pipeline(config, predictor=Oracle(oracle), body=body())
    cut = Cut(segment=12, chunk=4) if way == "multi" else None
    told = {name: score.value for name, score in scores(Planted(oracle, frames), chain, way, cut=cut).items()}
    assert told["people recall"] == told["people precision"] == 1.0
    if way == "steps":
        assert max(told["W-MPJPE-dagger by centres"], told["W-MPJPE-dagger by rotations"], told["GA-MPJPE"], told["TE"]) < 1e-5
    else:
        assert max(told["WA-MPJPE"], told["W-MPJPE"], told["RTE"], told["PA-MPJPE"]) < 1e-2
