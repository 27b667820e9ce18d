"""The truth in the chain's place comes out right in every score, planted errors in their own, and the same input gives the same bytes."""

import gc
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chromm_ros.__main__ import main
from chromm_ros.config import ChrommConfig
from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import body_params, cloud_arrays
from chromm_ros.data.result_writer import NAMESPACE, ResultWriter
from chromm_ros.data.truth import Truth
from chromm_ros.errors import FileError, InputError
from chromm_ros.evaluate import motion, scenes, surface
from chromm_ros.evaluate.bag import room, run_chain
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.found import Found, Results, read_results
from chromm_ros.evaluate.judged import Judged
from chromm_ros.evaluate.moment import Moment, pair
from chromm_ros.evaluate.outcome import Outcome, Score1
from chromm_ros.evaluate.recording import LIMIT_M, read_bodies, score
from chromm_ros.evaluate.result import check_names, judge, one_world
from chromm_ros.evaluate.shown import views
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.made_with import MadeWith
from chromm_ros.records import BodyParams, CameraEstimate, Person, Reconstruction, Window

TAKE = Path(__file__).resolve().parents[1] / "data" / "synthetic_take"
CONFIG = ChrommConfig.from_mapping({"window": {"length": 2, "stride": 6}})
ABOUT = {"weights": "w", "device": "d", "precision": "p", "revision": "r"}
NO_CONFIG: Mapping[str, Any] = {"config": {}}
ELSEWHERE = se3.compose(matrix_from_rotvec(np.array([0.3, -0.2, 1.1])), np.array([4.0, -2.0, 1.0]))
"""own_from_world: where a chain that knows no poses may put its world."""


@cache
def truths() -> dict[int, Any]:
    return read_bodies(TAKE)


@cache
def room_points() -> np.ndarray:
    with BagReader(TAKE) as bag:
        return cloud_arrays(bag.deserialize(next(bag.messages(["/truth/points"]))))[0]


class Oracle:
    """In the chain's place: it says the truth of the newest step, with its ids from 101 on."""

    def __init__(self, sequence: BagSequence, own_from_world: np.ndarray) -> None:
        self._poses = {truth.stamp_ns: truth.world_from_cam for truth in sequence.truth()}
        self._own = own_from_world
        self.lengths: list[int] = []

    def __call__(self, window: Window) -> Reconstruction:
        stamp = window.sets[-1].stamp_ns
        self.lengths.append(len(window.sets))
        poses = self._own @ self._poses[stamp]
        cameras = tuple(
            CameraEstimate(name, pose, np.eye(3), (320, 240), stamp, present=True)
            for name, pose in zip(window.cameras, poses, strict=True)
        )
        people = tuple(self._person(body, window) for body in truths()[stamp].bodies)
        room = room_points()
        points = np.concatenate([se3.apply(self._own, room.astype(np.float64)), np.full((9, 3), 50.0)]).astype(np.float32)
        trusted = np.r_[np.ones(len(room), np.float32), np.zeros(9, np.float32)]
        return Reconstruction(
            window.epoch, window.index, tuple(one.stamp_ns for one in window.sets), cameras, poses[None], points,
            np.zeros((len(points), 3), np.uint8), trusted, people, metric_scale=1.0, scale_ratio=float("nan"),
        )  # fmt: skip  # in the order of its fields

    def _person(self, body: Any, window: Window) -> Person:
        params = body_params(body)
        joints = se3.apply(self._own, np.asarray(body.joints, np.float64).reshape(55, 3)).astype(np.float32)
        seen = np.array([[name in body.seen_by for name in window.cameras]])
        return Person(
            100 + body.track_id + 1, "tracked", 1.0, seen.any(axis=1), seen,
            BodyParams(**{name: value[None] for name, value in vars(params).items()}),
            joints[None], np.ones((1, 55), np.float32), np.zeros(1, np.float32),
        )  # fmt: skip  # in the order of its fields


def run(
    folder: Path, own_from_world: np.ndarray, *, poses: bool = True, frame: str = "world", cameras: tuple[str, ...] = ()
) -> tuple[Path, BagSequence, Oracle]:
    sequence = BagSequence(TAKE, poses=poses, cameras=cameras)
    chain = Oracle(sequence, own_from_world)
    told: list[int] = []
    with ResultWriter(room(folder), frame, gender="neutral", body_file="free", made_with=ABOUT) as writer:
        spent = run_chain(sequence, CONFIG, chain, writer, told.append)
    assert len(spent) == len(told) == 10 and told == sorted(told) and min(spent) > 0.0
    return folder / "results", sequence, chain


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BagSequence, Oracle]:
    return run(tmp_path_factory.mktemp("right"), np.eye(4))


def by_name(scores: tuple[Score1, ...]) -> dict[str, Score1]:
    assert len({score.name for score in scores}) == len(scores)
    return {score.name: score for score in scores}


def assert_right(scores: dict[str, Score1]) -> None:
    for name in ("W-MPJPE", "WA-MPJPE", "MPJPE", "PA-MPJPE"):
        assert scores[name].value == pytest.approx(0.0, abs=1e-2) and scores[name].count >= 28, name
    for name in ("RTE", "Accel"):
        assert scores[name].value == pytest.approx(0.0, abs=1e-3), name
    assert scores["Jitter"].value == pytest.approx(scores["Jitter of the truth"].value, rel=1e-3)
    for name in ("people precision", "people recall", "association accuracy", "association f1", "IDF1"):
        assert scores[name].value == 1.0, name
    assert scores["identity switches"].value == 0.0


def test_the_truth_in_the_chains_place_is_right_in_every_score(right: tuple[Path, BagSequence, Oracle]) -> None:
    path, sequence, chain = right
    assert chain.lengths == [1, *[2] * 9]
    outcome = judge(path, sequence, np.array([3.0]), "latency", dict(NO_CONFIG))
    assert any("worlds are one" in note and "at 10 of 10 moments" in note for note in outcome.notes), outcome.notes
    scores = by_name(outcome.scores)
    assert_right(scores)
    assert scores["W-MPJPE, nothing aligned"].value == pytest.approx(0.0, abs=1e-2)
    assert "told the cameras' poses" in scores["TE"].reason
    for name in surface.NAMES:
        assert scores[name].value == pytest.approx(0.0, abs=1e-5) and scores[name].count >= 10_000, "nobody trusts the stray ones"
    assert [track.person for track in outcome.tracks] == sorted({int(b.track_id) for m in truths().values() for b in m.bodies})
    np.testing.assert_allclose(outcome.cameras[2].found, outcome.cameras[2].truth, atol=1e-9)
    assert outcome.cameras[2].found.shape == outcome.cameras[2].truth.shape == (1, 4, 4), "it stands still"
    assert outcome.per_joint_mm["MPJPE"].shape == (22,) and np.nanmax(outcome.per_joint_mm["MPJPE"]) < 1e-2
    assert [view.camera for view in outcome.views] == ["cam1", "cam2", "cam3", "cam4"]
    for view in outcome.views:
        assert len(view.people) == len(view.truth) > 1 and view.image.shape == (240, 320, 3)
        np.testing.assert_allclose(view.found[:, :22], view.truth[:, :22], atol=1e-2)
        assert (np.abs(view.truth[:, 0] - [160.0, 120.0]) < [160.0, 140.0]).all(), "pelvises are about in the image"
    assert outcome.latency_ms.tolist() == [3.0] and "over chunks of 100" in outcome.notes[0]


def test_chunks_are_cut_by_the_rule_that_is_asked_for(right: tuple[Path, BagSequence, Oracle], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    told = ["eval", "result", str(right[0]), "--truth", str(TAKE), "--out", str(tmp_path)]
    for rule, there in (("tram", False), ("wham", True)):
        assert main([*told, "--chunks", rule]) == 0
        outcome = Outcome.read(tmp_path)
        scores = by_name(outcome.scores)
        assert outcome.config["chunks"] == rule and (scores["W-MPJPE"].value is not None) == there
    assert scores["MPJPE"].value is not None


def test_recorded_results_say_how_they_were_made(right: tuple[Path, BagSequence, Oracle]) -> None:
    again = judge(right[0], right[1], np.zeros(0), "latency", dict(NO_CONFIG))
    assert {name: getattr(again, name) for name in ABOUT} == ABOUT
    assert_right(by_name(again.scores))
    assert len(again.latency_ms) == 0 and again.runtime[0].value is None, "no clock was asked"


def test_the_same_recording_and_settings_give_the_same_bytes(right: tuple[Path, BagSequence, Oracle], tmp_path: Path) -> None:
    again, _, _ = run(tmp_path, np.eye(4))
    files = sorted(file.name for file in again.iterdir())
    assert files == ["metadata.yaml", "results.mcap"]
    for name in files:
        assert (again / name).read_bytes() == (right[0] / name).read_bytes(), name


def test_a_world_of_its_own_is_laid_on_the_truth_by_the_cameras(tmp_path: Path) -> None:
    """Whatever its frame is called: the truth's is `world`, too."""
    path, sequence, _ = run(tmp_path, ELSEWHERE, poses=False)
    truth = BagSequence(TAKE)
    outcome = judge(path, truth, np.zeros(0), "latency", dict(NO_CONFIG))
    assert any("worlds are two" in note and "at 0 of 10 moments" in note for note in outcome.notes), outcome.notes
    scores = by_name(outcome.scores)
    assert_right(scores)
    assert scores["W-MPJPE, by cameras"].value == pytest.approx(0.0, abs=1e-2)
    for name in ("TE", "s-TE", "AE"):
        assert scores[name].value == pytest.approx(0.0, abs=1e-4), name
    assert scores["RRA@10"].value == scores["CCA@10"].value == 1.0
    assert {scores[name].reason for name in surface.NAMES} == {"the results are in a world of their own"}
    assert sequence.rig_frame == "" and truth.rig_frame == "world"
    blind, results = BagSequence(TAKE, intrinsics=False, poses=False), read_results(path)
    laid = Judged("blind", pair(results.moments, blind.truth(), blind.cameras, same_world=False), blind.cameras, same_world=False)
    lenses = {frame.camera: frame.intrinsics for frame, _ in islice(truth.frames(), 8)}
    for one, other in zip(views(blind, laid, results.intrinsics), outcome.views, strict=True):
        lens = lenses[one.camera]
        assert lens is not None
        for mine, known in ((one.found, other.found), (one.truth, other.truth)):
            np.testing.assert_allclose(mine * np.diag(lens)[:2] + lens[:2, 2], known, atol=1e-2, err_msg="it was said to be 1")


def test_results_of_some_cameras_are_scored_by_these(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path, _, _ = run(tmp_path, ELSEWHERE, poses=False, cameras=("cam3", "cam1", "cam4"))
    for more, names in (([], ["cam1", "cam3", "cam4"]), (["--cameras", "cam4", "cam1"], ["cam4", "cam1"])):
        assert main(["eval", "result", str(path), "--truth", str(TAKE), "--out", str(tmp_path / "out"), *more]) == 0
        outcome = Outcome.read(tmp_path / "out")
        assert outcome.config["recording"]["cameras"] == names == [camera.name for camera in outcome.cameras]
        scores = by_name(outcome.scores)
        assert scores["RRA@10"].value == scores["CCA@10"].value == scores["people recall"].value == 1.0


def test_whom_a_camera_alone_sees_that_is_left_out_need_not_be_found() -> None:
    everybody, some = list(BagSequence(TAKE).truth()), list(BagSequence(TAKE, cameras=["cam2"]).truth())
    for whole, part in zip(everybody, some, strict=True):
        assert whole.seen_by is not None
        assert part.seen_by == tuple(tuple(name for name in names if name == "cam2") for names in whole.seen_by)
    assert any(not names for truth in some for names in truth.seen_by or ()), "somebody is not in its image"


def test_known_poses_tie_the_worlds_whatever_their_frames_are_called(right: tuple[Path, BagSequence, Oracle]) -> None:
    results, truth = read_results(right[0]), right[1]
    assert one_world(replace(results, frame="map"), truth)[0]
    late = tuple(
        replace(moment, world_from_cam={name: ELSEWHERE @ pose for name, pose in moment.world_from_cam.items()})
        for moment in results.moments
    )
    for count, same in ((4, True), (6, False)):
        assert one_world(replace(results, moments=(*late[:count], *results.moments[count:])), truth)[0] == same
    moving = tuple(
        replace(
            moment,
            world_from_cam={name: pose if name == "cam2" else ELSEWHERE @ pose for name, pose in moment.world_from_cam.items()},
        )
        for moment in results.moments
    )
    assert one_world(replace(results, moments=moving), truth)[0], "one camera ties them"
    blind = tuple(replace(moment, world_from_cam={}) for moment in results.moments)
    for frame, same in (("world", True), ("map", False)):
        said = one_world(replace(results, moments=blind, frame=frame), truth)
        assert said[0] == same and "names of their frames" in said[1]


def test_results_are_on_the_nodes_topics_with_its_fields(right: tuple[Path, BagSequence, Oracle]) -> None:
    with BagReader(right[0]) as bag:
        kinds = ("pose", "camera_info_estimated")
        wanted = {f"{NAMESPACE}/cameras/cam{k}/{kind}" for k in (1, 2, 3, 4) for kind in kinds}
        assert set(bag.topics) == wanted | {f"{NAMESPACE}/{name}" for name in ("bodies", "status", "scene/points")}
        assert bag.topics[f"{NAMESPACE}/scene/points"].count == 1, "the last one"
        array = bag.deserialize(next(bag.messages([f"{NAMESPACE}/bodies"])))
        status = [bag.deserialize(message) for message in bag.messages([f"{NAMESPACE}/status"])][-1]
        info = bag.deserialize(next(bag.messages([f"{NAMESPACE}/cameras/cam3/camera_info_estimated"])))
    assert array.header.frame_id == "world" and array.cameras == ["cam1", "cam2", "cam3", "cam4"]
    body, true = array.bodies[0], next(iter(truths().values())).bodies[0]
    assert (body.id, body.track_id, body.state, body.body_file) == ("b0101", 101, 1, "free")
    np.testing.assert_array_equal(body.body_pose, true.body_pose)
    q = [[getattr(one.pelvis.orientation, axis) for axis in "xyzw"] for one in (body, true)]
    assert abs(np.dot(*q)) == pytest.approx(1.0), "the same turn"
    assert (status.windows_run, status.window, status.people, status.steps) == (10, 9, 3, 2) and status.weights == "w"
    assert (status.device, status.precision, status.revision) == ("d", "p", "r")
    assert status.latency_total_ms == status.age_ms == 0.0 and status.present.tolist() == [True] * 8
    assert info.header.frame_id == "cam3_optical_frame" and info.k[2] == -0.5


# Single moments, by hand

PEOPLE = np.random.default_rng(5).normal(0.0, 0.3, (2, 55, 3)) + np.array([[[0.0, 0.0, 1.0]], [[3.0, 0.0, 1.0]]])
RIG = np.stack([se3.look_at(np.array(eye), np.array([1.0, 0.0, 1.0])) for eye in ([5.0, 0, 2], [0.0, 5, 2], [-5.0, 1, 2])])
NAMES = ("a", "b", "c")


def truth(at: int, joint_set: str = "smplx", **more: Any) -> Truth:
    joints = PEOPLE + 0.1 * at
    if joint_set == "coco":
        joints = np.concatenate([np.full((2, 5, 3), 9.0), joints[:, (16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8)]], axis=1)
    known = {"counted": np.ones(2, bool), "world_from_cam": RIG, "seen_by": (NAMES, NAMES), **more}
    return Truth(at, np.array([7, 9]), joints[:, : {"smpl": 24}.get(joint_set, 55)], joint_set, **known)


def said(at: int, ids: tuple[int, ...] = (1, 2), shift: float = 0.0, poses: np.ndarray = RIG) -> Found:
    seen = tuple(NAMES for _ in ids)
    joints = PEOPLE[: len(ids), :22] + 0.1 * at + np.array([shift, 0.0, 0.0])
    return Found(at, np.array(ids, np.int64), joints, seen, dict(zip(NAMES, poses, strict=True)))


def judged(
    found: list[Found], true: list[Truth], *, same_world: bool = True, limit_m: float = LIMIT_M, **more: Any
) -> dict[str, Score1]:
    moments = pair(found, true, NAMES, same_world=same_world, limit_m=limit_m)
    return by_name(Judged("by hand", moments, NAMES, same_world, **more).scores())


@pytest.mark.parametrize("joint_set", ["smplx", "smpl", "coco"])
def test_any_joint_set_is_compared_by_what_both_have(joint_set: str) -> None:
    scores = judged([said(k, shift=0.2) for k in range(4)], [truth(k, joint_set) for k in range(4)])
    assert scores["W-MPJPE, nothing aligned"].value == pytest.approx(200.0) and scores["MPJPE"].value == pytest.approx(
        0.0, abs=1e-6
    )
    assert scores["WA-MPJPE"].value == pytest.approx(0.0, abs=1e-6), "a shift of the whole world is no error of motion"


def test_moments_when_nobody_is_there_are_compared_too() -> None:
    nobody = Truth(0, np.zeros(0, np.int64), np.zeros((0, 55, 3)), "smplx", np.zeros(0, bool), RIG, ())
    scores = judged([said(0, ()), said(1), said(2)], [nobody, truth(1, "coco"), truth(2, "coco")])
    assert scores["MPJPE"].value == pytest.approx(0.0, abs=1e-6) and scores["people f1"].value == 1.0
    with pytest.raises(InputError, match="joints of coco and smpl, expected one set"):
        judged([said(1), said(2)], [truth(1, "coco"), truth(2, "smpl")])


def test_two_cameras_do_not_tell_an_error_with_free_scale() -> None:
    wrong = RIG.copy()
    wrong[:2, :3, 3] *= 1.5
    lost = RIG.copy()
    lost[2] = np.nan
    scores = judged([said(0, poses=wrong)], [truth(0, world_from_cam=lost)], same_world=False)
    assert scores["s-TE"].value is None and "three cameras" in scores["s-TE"].reason, "two centres are laid on any two"
    assert scores["TE"].value > 0.1
    scores = judged([said(k, poses=wrong) for k in (0, 1)], [truth(0, world_from_cam=lost), truth(1)], same_world=False)
    assert scores["s-TE"].value > 0.1 and scores["s-TE"].count == 3


def test_one_camera_tells_no_error_of_cameras_and_two_none_with_free_scale() -> None:
    wrong = RIG.copy()
    wrong[0, :3, 3] += 50.0
    for count in (1, 2, 3):
        known = RIG.copy()
        known[count:] = np.nan
        scores = judged([said(0, poses=wrong)], [truth(0, world_from_cam=known)], same_world=False)
        for least, names in ((2, ("TE", "AE", "RRA@15", "CCA@10", "CCA@15")), (3, ("s-TE", "s-CCA@10", "s-CCA@15"))):
            for name in names:
                assert (scores[name].value is None) == (count < least) == bool(scores[name].reason), (name, count)
    assert scores["RRA@10"].value == 1.0 and scores["CCA@15"].value < 1.0


def test_a_world_that_drifts_shows_in_the_cameras_way_alone() -> None:
    shift = np.zeros((6, 3, 4, 4))
    shift[..., 0, 3] = 0.1 * (-1.0) ** np.arange(6)[:, None]
    scores = judged([said(k, poses=RIG + shift[k]) for k in range(6)], [truth(k) for k in range(6)], same_world=False)
    assert scores["TE"].value == pytest.approx(0.0, abs=1e-9), "each moment is laid on the truth by itself"
    assert scores["camera ATE, no scale"].value == pytest.approx(0.1, rel=1e-3) and scores["camera ATE"].count == 18
    assert 0.05 < scores["camera ATE"].value <= 0.1
    large = Similarity(np.array(1.3), ELSEWHERE[:3, :3], ELSEWHERE[:3, 3])
    scores = judged([said(k, poses=large.apply_to_poses(RIG)) for k in range(6)], [truth(k) for k in range(6)], same_world=False)
    away = np.linalg.norm(RIG[:, :3, 3] - RIG[:, :3, 3].mean(axis=0), axis=-1).mean()
    assert scores["camera ATE"].value < 1e-9 and scores["camera ATE, no scale"].value == pytest.approx(0.3 * away)
    told = judged([said(0)], [truth(0)])
    assert told["camera ATE"].reason == told["camera ATE, no scale"].reason == "the chain was told the cameras' poses"


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("moving", [False, True])
def test_cameras_that_stand_in_one_or_two_places_tell_no_way(count: int, moving: bool) -> None:
    true, said_poses = np.tile(RIG, (8, 1, 1, 1)), np.tile(RIG, (8, 1, 1, 1))
    true[:, count:] = np.nan
    said_poses[..., :3, 3] += np.random.default_rng(4).normal(0.0, 0.02, (8, 3, 3))
    for poses in (true, said_poses):
        poses[:, 0, :3, 3] += moving * np.stack([np.arange(8.0), np.arange(8.0) ** 2 / 9.0, np.sin(np.arange(8.0))], axis=-1)
    found, known = ([make(k, **{name: poses[k]}) for k in range(8)] for make, name, poses in ((said, "poses", said_poses), (truth, "world_from_cam", true)))  # fmt: skip  # both sides
    scores = judged(found, known, same_world=False)
    for name, scale, least in (("camera ATE", True, 3), ("camera ATE, no scale", False, 2)):
        if moving or count >= least:
            centres = (poses[:, :count, :3, 3].reshape(-1, 3) for poses in (said_poses, true))
            expected = scenes.trajectory_error(*centres, with_scale=scale)
            assert scores[name].value == pytest.approx(expected.mean()) and scores[name].count == 8 * count
        else:
            assert scores[name].value is None and "still" in scores[name].reason


def test_all_people_of_a_moment_are_laid_on_the_truth_together() -> None:
    beside = PEOPLE[:, :22] + np.array([0.2, 0.0, 0.0])[None, None] * np.array([1.0, -1.0])[:, None, None]
    found = [replace(said(0), joints=1.2 * beside), said(1, (1,))]
    scores = judged(found, [truth(0), truth(1)], limit_m=np.inf)
    expected = scenes.ga_mpjpe(beside, PEOPLE[:, :22])
    assert scores["GA-MPJPE"].value == pytest.approx(expected.mean()) and scores["GA-MPJPE"].count == 2
    assert scores["PA-MPJPE"].value == pytest.approx(0.0, abs=1e-6) and scores["PA-MPJPE"].count == 3
    alone = judged([said(0, (1,))], [truth(0)])
    assert alone["GA-MPJPE"].value is None and "beside somebody else" in alone["GA-MPJPE"].reason


def test_what_is_kept_of_chunks_is_numbers_and_nothing_is_lost_between_them() -> None:
    count, shifts = 104, np.random.default_rng(2).normal(0.0, 0.1, 104)
    found = [said(k, (1,) if k == 50 else (1, 2), shift) for k, shift in enumerate(shifts)]
    one = Judged("by hand", pair(found, [truth(k) for k in range(count)], NAMES, same_world=True), NAMES, same_world=True)
    assert [len(chunk.stamps_ns) for chunk in one.chunks] == [100, 4] and one.ids == [7, 9]
    assert sum(type(thing) is Moment for thing in gc.get_objects()) == 1, "the one that pictures show"
    arrays = [
        value
        for value in [part for chunk in one.chunks for part in vars(chunk).values()]
        for value in (value.values() if isinstance(value, dict) else [value])
        if isinstance(value, np.ndarray)
    ]
    assert all(value.base is None or value.base.nbytes < 2 * value.nbytes for value in arrays), "no view of all joints"
    assert sum(value.nbytes for value in arrays) / count < 2 * 240 + 3 * 280 + 64, "of two people and three cameras"
    joints = np.stack([np.full((2, 22, 3), np.nan) for _ in found])
    for t, moment in enumerate(found):
        joints[t, : len(moment.joints)] = moment.joints
    np.testing.assert_allclose(one.errors["Jitter", "10 m/s^3"], motion.jitter(joints, one.fps), rtol=1e-9)
    np.testing.assert_allclose(one.errors["W-MPJPE, nothing aligned", "mm"][:, 0], 1e3 * np.abs(shifts), rtol=1e-6)
    assert one.errors["Accel", "m/s^2"].shape == (count - 2, 2)
    assert np.isnan(one.errors["Accel", "m/s^2"]).sum() == 3 and np.isnan(joints[50, 1]).all()


@pytest.mark.parametrize("rule", ["wham", "tram"])
def test_chunks_are_of_the_moments_that_count_as_in_one_go(rule: str) -> None:
    count, rng = 350, np.random.default_rng(8)
    shifts, uncounted = rng.normal(0.0, 0.1, count), {*range(5), 100, 101, 102, 180}
    found = [said(k, (1,) if k == 50 else (1, 2), shift) for k, shift in enumerate(shifts)]
    true = [truth(k, counted=np.full(2, k not in uncounted)) for k in range(count)]
    true[200] = replace(true[200], joints=np.where(np.arange(55)[:, None] == 3, np.nan, true[200].joints))
    moments = list(pair(found, true, NAMES, same_world=True))
    one = Judged("by hand", iter(moments), NAMES, same_world=True, rule=rule)
    a, b = (np.full((count, 2, 22, 3), np.nan) for _ in range(2))
    for t, moment in enumerate(moments):
        a[t, : len(moment.said)] = moment.said
        b[t] = np.where(moment.wanted[:, None, None], moment.true, np.nan)
    assert np.isnan(b[200]).any() and not np.isnan(b[200]).all(), "a moment with labels in part is in no chunk"
    for name, metric in (("W-MPJPE", motion.w_mpjpe), ("WA-MPJPE", motion.wa_mpjpe)):
        np.testing.assert_allclose(one.errors[name, "mm"], metric(a, b, rule=rule), rtol=1e-9, atol=1e-9)
        gone = 1 + (2 * len(uncounted) + 2) + (2 if rule == "tram" else 0)
        assert np.isfinite(one.errors[name, "mm"]).sum() == 2 * count - gone
    assert f"chunks of 100 that count ({rule.upper()}'s rule)" in one.notes()[0]


def test_a_metric_without_a_number_says_its_own_reason() -> None:
    late = judged([said(k, () if k < 2 else (1, 2)) for k in range(6)], [truth(k) for k in range(6)])
    assert late["W-MPJPE"].value is None and "first two counted moments" in late["W-MPJPE"].reason
    assert late["WA-MPJPE"].value == pytest.approx(0.0, abs=1e-6) and late["MPJPE"].count == 8
    one = judged([said(0)], [truth(0)])
    assert "goes anywhere" in one["RTE"].reason and "three moments" in one["Accel"].reason and "four" in one["Jitter"].reason
    short = judged([said(k) for k in range(6)], [truth(k) for k in range(6)], rule="tram")
    assert "6 moments count, and TRAM's rule asks for more than 100" in short["WA-MPJPE"].reason
    hole = np.where(np.arange(55)[:, None] == 3, np.nan, truth(0).joints)
    part = judged([said(0)], [replace(truth(0), joints=hole)])
    assert "every joint" in part["W-MPJPE"].reason and "every joint" in part["WA-MPJPE"].reason
    assert part["MPJPE"].value == pytest.approx(0.0, abs=1e-6)


def test_swapped_ids_cost_identity_but_no_error() -> None:
    swapped = replace(said(2), ids=np.array([2, 1]))
    scores = judged([said(0), said(1), swapped, said(3)], [truth(k) for k in range(4)])
    assert scores["identity switches"].value == 4.0 and scores["IDF1"].value == pytest.approx(0.75)
    assert scores["MPJPE"].value == pytest.approx(0.0, abs=1e-6) and scores["people f1"].value == 1.0


def test_whoever_need_not_be_found_counts_neither_way() -> None:
    for more in ({"counted": np.array([True, False])}, {"seen_by": (NAMES, ())}):
        for ids in ((1, 2), (1,)):
            scores = judged([said(0, ids)], [truth(0, **more)])
            assert scores["people precision"].value == scores["people recall"].value == scores["IDF1"].value == 1.0
            assert scores["MPJPE"].count == 1


def test_whom_only_cameras_see_that_are_not_in_use_need_not_be_found() -> None:
    moments = pair([said(0, (1,))], [truth(0, seen_by=(NAMES, ("d",)))], NAMES, same_world=True)
    scores = by_name(Judged("by hand", moments, NAMES, same_world=True).scores())
    assert scores["people recall"].value == 1.0 and scores["people recall"].count == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_people_of_whom_the_truth_knows_no_joint_need_not_be_found(bad: float) -> None:
    nowhere = np.where(np.array([False, True])[:, None, None], bad, truth(0).joints)
    scores = judged([said(0, (1,))], [replace(truth(0), joints=nowhere)])
    assert scores["people recall"].value == scores["people precision"].value == scores["IDF1"].value == 1.0
    scores = judged([said(0)], [replace(truth(0), joints=np.full_like(nowhere, bad))])
    for name in ("W-MPJPE", "MPJPE", "RTE", "people recall"):
        assert scores[name].value is None and "the truth knows no joint of them" in scores[name].reason, name
        assert scores[name].count == 0


def test_nobody_there_is_told_apart_from_nobody_found() -> None:
    nobody = Truth(0, np.zeros(0, np.int64), np.zeros((0, 55, 3)), "smplx", np.zeros(0, bool), RIG, ())
    scores = judged([said(0)], [nobody])
    assert (scores["people precision"].value, scores["people precision"].count) == (0.0, 2)
    for name in ("people recall", "MPJPE"):
        assert (scores[name].value, scores[name].count, scores[name].reason) == (None, 0, "nobody had to be found"), name
    assert scores["people f1"].value == scores["IDF1"].value == 0.0, "two strangers"
    empty = judged([said(0, ())], [nobody])
    assert empty["IDF1"].reason == empty["people f1"].reason == "nobody had to be found, and nobody was"
    lost = judged([said(0, ())], [truth(0)])
    assert (lost["people recall"].value, lost["people recall"].count, lost["IDF1"].value) == (0.0, 2, 0.0)
    assert lost["people precision"].reason == "nobody was found" and lost["people precision"].count == 0
    assert "nobody was matched" in lost["MPJPE"].reason


def test_bodies_of_a_recording_whose_truth_is_unknown_are_left_out() -> None:
    def bodies(joints: np.ndarray) -> Any:
        people = [SimpleNamespace(joints=person.reshape(-1), seen_by=["a"]) for person in joints]
        return SimpleNamespace(header=SimpleNamespace(frame_id="world"), bodies=people)

    unknown = np.where(np.array([False, True])[:, None, None], np.nan, PEOPLE)
    unknown[0, 3] = np.nan
    for limit in (1.0, np.inf):
        told = score({0: bodies(PEOPLE[:1])}, {0: bodies(unknown)}, limit)
        assert told.people.recall == told.people.precision == 1.0 and told.people.there == 1
        assert told.mpjpe_mm == pytest.approx([0.0])


def test_labels_that_are_missing_are_left_out() -> None:
    joints = truth(0).joints.copy()
    joints[0, 5] = np.nan
    scores = judged([said(0, shift=0.2)], [replace(truth(0), joints=joints)])
    assert scores["W-MPJPE, nothing aligned"].value == pytest.approx(200.0) and scores["people f1"].value == 1.0


def test_somebody_missing_and_strangers_are_counted() -> None:
    scores = judged([said(0, (1,)), said(1, shift=5.0)], [truth(0), truth(1)])
    assert scores["people precision"].value == pytest.approx(1 / 3) and scores["people recall"].value == pytest.approx(1 / 4)
    nobody = judged([said(0, ())], [truth(0)])
    assert nobody["MPJPE"].value is None and nobody["MPJPE"].reason and nobody["people recall"].value == 0.0


def test_what_cannot_be_compared_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no result of by hand has the stamp of a truth"):
        judged([said(3)], [truth(0)])
    with pytest.raises(InputError, match="in a world of their own"):
        judged([said(0, poses=np.full((3, 4, 4), np.nan))], [truth(0)], same_world=False)
    with pytest.raises(InputError, match=r"results on none, expected one topic .../bodies"):
        read_results(TAKE)
    poses = {"cam9": np.eye(4)}
    others = Results((replace(said(0), seen_by=(("cam9",), ("cam9",)), world_from_cam=poses),), "world", MadeWith(), np.zeros(0))
    with pytest.raises(InputError, match=r"results are of the cameras cam9 and .* has cam1, cam2, cam3, cam4"):
        check_names(others, BagSequence(TAKE))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "thesis.txt").write_text("dear")
    with pytest.raises(FileError, match="no recording of an earlier run"):
        room(tmp_path)
