"""A labelled sequence goes into a recording and comes back as it was: who, where, counted or not, seen by whom, by which camera."""

from collections.abc import Iterator
from pathlib import Path

import calibration_files as rig
import numpy as np
import pytest

from chromm_ros.__main__ import main
from chromm_ros.convert.choice import Choice
from chromm_ros.convert.dataset import record
from chromm_ros.convert.images import BEGIN_NS
from chromm_ros.data.bag import BagReader
from chromm_ros.data.truth import JOINT_SETS, Truth
from chromm_ros.datasets import catalog
from chromm_ros.errors import ChrommError, InputError
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.records import Frame

CAMERAS = ("gp 01", "gp 02")
TOPICS = ("gp_01", "gp_02")
STEP_NS = 100_000_000
MOMENTS = 5


class Planted:
    """Two people, one of them not always counted, seen by two cameras that walk or stand; the middle stamp has no truth."""

    name = "planted"
    cameras = CAMERAS

    def __init__(self, joint_set: str = "smpl", *, moves: bool = False, told: bool = True) -> None:
        self.joint_set, self.moves, self.told = joint_set, moves, told
        self.size = (64, 48)

    def poses(self, k: int) -> np.ndarray:
        poses = np.array(rig.poses()[:2])
        poses[1, :3, 3] += 0.1 * k * self.moves
        return poses

    def frames(self) -> Iterator[tuple[Frame, int]]:
        for k in range(MOMENTS):
            for view, camera in enumerate(CAMERAS):
                image = np.full((self.size[1], self.size[0], 3), (200, 40 * k, 10 + view), np.uint8)
                intrinsics = np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1]], np.float32)
                yield Frame(camera, k * STEP_NS, image, intrinsics, world_from_cam=self.poses(k)[view]), k * STEP_NS

    def truth(self) -> Iterator[Truth]:
        rng = np.random.default_rng(0)
        for k in range(MOMENTS):
            joints = rng.normal(size=(2, JOINT_SETS[self.joint_set], 3))
            joints[0, 3] = np.nan
            seen = ((CAMERAS[0],), ()) if self.told else None
            if k != 2:
                counted = np.array([True, k % 2 == 0])
                yield Truth(k * STEP_NS, np.array([7, 3]), joints, self.joint_set, counted, self.poses(k), seen)


@pytest.mark.parametrize(("joint_set", "moves"), list(zip(JOINT_SETS, (False, True, False), strict=True)))
def test_a_sequence_comes_back(joint_set: str, moves: bool, tmp_path: Path) -> None:
    planted = Planted(joint_set, moves=moves)
    assert record(tmp_path / "bag", planted, Choice(quality=95)) == dict.fromkeys(TOPICS, MOMENTS)
    found = BagSequence(tmp_path / "bag")
    assert found.cameras == TOPICS and found.truth_frame == found.rig_frame == "world"
    for (a, _), (b, _) in zip(planted.frames(), found.frames(), strict=True):
        assert b.stamp_ns == BEGIN_NS + a.stamp_ns and b.camera == TOPICS[CAMERAS.index(a.camera)]
        np.testing.assert_allclose(b.intrinsics, a.intrinsics, atol=1e-5)
        np.testing.assert_allclose(b.image.astype(int), a.image, atol=4)
        assert b.world_from_cam is not None
        np.testing.assert_allclose(b.world_from_cam, a.world_from_cam, atol=1e-9)
    truths = list(zip(planted.truth(), found.truth(), strict=True))
    assert len(truths) == MOMENTS - 1
    for a, b in truths:
        assert b.stamp_ns == BEGIN_NS + a.stamp_ns and b.joint_set == joint_set and b.ids.tolist() == [7, 3]
        np.testing.assert_allclose(b.joints, a.joints, atol=1e-6)
        np.testing.assert_array_equal(b.counted, a.counted)
        np.testing.assert_allclose(b.world_from_cam, a.world_from_cam, atol=1e-9)
        assert b.seen_by == ((TOPICS[0],), ())
    with BagReader(tmp_path / "bag") as bag:
        assert ("/tf" in bag.topics) == moves and ("/tf_static" in bag.topics) == (not moves)


def test_bodies_say_that_only_their_joints_are_known(tmp_path: Path) -> None:
    record(tmp_path / "bag", Planted("coco"), Choice())
    with BagReader(tmp_path / "bag") as bag:
        message = bag.deserialize(next(bag.messages(["/truth/bodies"])))
    first = next(Planted("coco").truth())
    body = message.bodies[1]
    assert (body.model_type, body.body_file, body.track_id, body.state) == ("coco", "", 3, 1)
    np.testing.assert_allclose([body.pelvis.position.x, body.pelvis.position.z], first.joints[1, [11, 12]].mean(axis=0)[[0, 2]])
    assert not any(np.any(getattr(body, name)) for name in ("betas", "body_pose", "global_orient", "transl"))
    assert np.isfinite(message.bodies[0].joints).all() and message.bodies[0].joint_scores[3] == 0.0
    assert list(message.cameras) == list(TOPICS)


def test_a_part_of_a_sequence(tmp_path: Path) -> None:
    """And of a truth that does not say who is seen: everybody is to be found everywhere."""
    counts = record(tmp_path / "bag", Planted(moves=True, told=False), Choice(start_s=0.1, seconds=0.3, every=2, width=32))
    assert counts == dict.fromkeys(TOPICS, 2)
    found = BagSequence(tmp_path / "bag")
    frames = [frame for frame, _ in found.frames()]
    assert [frame.stamp_ns - BEGIN_NS for frame in frames] == [STEP_NS, STEP_NS, 3 * STEP_NS, 3 * STEP_NS]
    np.testing.assert_allclose(frames[0].intrinsics, [[25, 0, 16], [0, 25, 12], [0, 0, 1]])
    truths = list(found.truth())
    assert [truth.stamp_ns - BEGIN_NS for truth in truths] == [STEP_NS, 3 * STEP_NS]
    assert {truth.seen_by for truth in truths} == {(TOPICS, TOPICS)}
    with pytest.raises(InputError, match="no frame from 9 s on"):
        record(tmp_path / "late", Planted(), Choice(start_s=9.0))


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def opened(root: Path, sequence: str, cameras: tuple[str, ...] = (), body_models: Path | None = None) -> Planted:
        asked.append((root, sequence, cameras, body_models))
        return Planted()

    monkeypatch.setitem(catalog.DATASETS, "planted", catalog.Dataset("Planted", opened, lambda root: ["one"]))
    call = ["convert", "dataset", "planted", str(tmp_path), "one", "--cameras", "a,b", "--out", str(tmp_path / "bag")]
    assert main(call) == 0
    assert asked == [(tmp_path, "one", ("a", "b"), None)]
    assert "gp_01 5, gp_02 5; truth on /truth/bodies" in capsys.readouterr().out
    assert main(call) == 1 and "exists already" in capsys.readouterr().err
    assert main(["convert", "dataset", "unheard", str(tmp_path), "one", "--out", str(tmp_path / "b")]) == 1
    assert "there is no dataset called 'unheard'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["convert", "dataset", "--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in catalog.DATASETS if name != "planted")


def test_a_sequence_that_breaks_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Planted):
        def frames(self) -> Iterator[tuple[Frame, int]]:
            yield from list(super().frames())[:3]
            raise InputError("the third image is missing")

    monkeypatch.setitem(catalog.DATASETS, "planted", catalog.Dataset("Planted", lambda *_: Broken(), lambda root: []))
    assert main(["convert", "dataset", "planted", str(tmp_path), "x", "--out", str(tmp_path / "place" / "bag")]) == 1
    assert list((tmp_path / "place").iterdir()) == []
    with pytest.raises(ChrommError, match="third image"):
        record(tmp_path / "bag", Broken(), Choice())
