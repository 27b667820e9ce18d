"""`eval live` and `eval bag` say the same of the same recording, and recorded transforms are looked up as tf2 does it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tf2_ros
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from chromm_ros.data.messages import matrix_from_transform
from chromm_ros.data.transforms import TransformTree
from chromm_ros.demo.main import BUNDLED
from chromm_ros.evaluate.found import read_results
from chromm_ros.evaluate.outcome import Outcome

LENGTH, STRIDE = 4, 14
WINDOWS = (60 - LENGTH) // STRIDE + 1
SETTINGS = (
    "model.checkpoint=untrained", "model.device=cpu", "model.score_min=0.0", "model.max_people=3",
    f"window.length={LENGTH}", f"window.min_length={LENGTH}", f"window.stride={STRIDE}",
)  # fmt: skip
"""Untrained heads are unsure of everybody: a score of 0 lets some people through."""
CLOSE = 1e-5
"""Metres, and units of rotation matrices. Both ways run the same code on the same bits, but for poses, which go through the quaternions
of tf2 (float64) here and not there: some 1e-16, of which a network of float32 makes its own rounding, 1e-7 of some metres; messages hold
float32. On one machine with the Python tf2 that we bring the difference was 0."""


def evaluate(verb: str, out: Path, *more: str) -> Outcome:
    command = [sys.executable, "-m", "chromm_ros", "eval", verb, str(BUNDLED["synthetic"]), "--out", str(out), *more]
    command += ["--set", *SETTINGS]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Outcome.read(out)


@pytest.mark.parametrize(
    ("more", "frame", "cameras"),
    [
        ((), "world", {"cam1", "cam2", "cam3", "cam4"}),
        (("--known", "nothing", "--cameras", "cam1", "cam3"), "chromm_world", {"cam1", "cam3"}),
    ],
    ids=["poses", "nothing"],
)
def test_the_node_and_the_chain_without_dds_agree(tmp_path: Path, more: tuple[str, ...], frame: str, cameras: set[str]) -> None:
    live, bag = evaluate("live", tmp_path / "live", *more), evaluate("bag", tmp_path / "bag", *more)
    a, b = read_results(tmp_path / "live" / "results"), read_results(tmp_path / "bag" / "results")
    assert (
        len(a.moments) == len(b.moments) == WINDOWS
        and a.frame == b.frame == frame
        and a.made_with.weights == b.made_with.weights == "untrained"
    )
    for one, other in zip(a.moments, b.moments, strict=True):
        assert one.stamp_ns == other.stamp_ns and one.seen_by == other.seen_by
        assert one.ids.tolist() == other.ids.tolist() and len(one.ids) > 0
        np.testing.assert_allclose(one.joints, other.joints, rtol=0.0, atol=CLOSE)
        assert one.world_from_cam.keys() == other.world_from_cam.keys() == cameras
        for name, pose in one.world_from_cam.items():
            np.testing.assert_allclose(pose, other.world_from_cam[name], rtol=0.0, atol=CLOSE)
    assert [score.name for score in live.scores] == [score.name for score in bag.scores]
    for one, other in zip(live.scores, bag.scores, strict=True):
        if one.name.startswith("cloud"):  # of one voxel each may have kept another point
            assert one.reason == other.reason
            assert one.value == (None if other.value is None else pytest.approx(other.value, rel=0.1))
            continue
        assert (one.count, one.reason) == (other.count, other.reason), one.name
        if one.value is not None:
            assert one.value == pytest.approx(other.value, rel=1e-4, abs=1e-3), one.name
    for name in ("weights", "device", "precision", "revision"):
        assert getattr(live, name) == getattr(bag, name) != "not told", name
    assert [row.name for row in live.runtime] == [row.name for row in bag.runtime] and live.runtime[4].value is not None
    assert len(live.views) == len(bag.views) == len(cameras)
    assert len(live.latency_ms) == len(bag.latency_ms) == WINDOWS and live.config["recording"] == bag.config["recording"]


def placed(rng: np.random.Generator, parent: str, child: str, at_ns: int) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(at_ns, 10**9)
    shift, turn = message.transform.translation, message.transform.rotation
    shift.x, shift.y, shift.z = rng.normal(size=3).tolist()
    turn.x, turn.y, turn.z, turn.w = Rotation.random(random_state=int(rng.integers(1000))).as_quat().tolist()
    return message


def test_recorded_transforms_are_looked_up_as_tf2_does_it() -> None:
    rng = np.random.default_rng(4)
    theirs, ours = tf2_ros.Buffer(), TransformTree()
    for parent, child in (("map", "rig"), ("base", "left"), ("base", "mast"), ("mast", "right")):
        message = placed(rng, parent, child, 0)
        theirs.set_transform_static(message, "test")
        ours.take(TFMessage(transforms=[message]), static=True)
    begin = 5 * 10**9
    for step in range(150):  # 15 s, of which tf2 keeps 10
        message = placed(rng, "rig", "base", begin + step * 10**8)
        theirs.set_transform(message, "test")
        ours.take(TFMessage(transforms=[message]), static=False)
    asked = [begin + int(t) for t in rng.uniform(-1e9, 16e9, 60)] + [
        begin + 149 * 10**8,
        begin + 149 * 10**8 + 1,
        begin + 140 * 10**8,
    ]
    known = 0
    for at_ns in asked:
        for target, source in (("map", "left"), ("left", "right"), ("left", "map"), ("map", "nobody"), ("right", "right")):
            mine = ours.lookup(target, source, at_ns)
            try:
                pose = matrix_from_transform(theirs.lookup_transform(target, source, Time(nanoseconds=at_ns)).transform)
            except tf2_ros.TransformException:
                assert mine is None, (target, source, at_ns)
                continue
            assert mine is not None, (target, source, at_ns)
            np.testing.assert_allclose(mine, pose, rtol=0.0, atol=1e-9)
            known += 1
    assert known > 100
