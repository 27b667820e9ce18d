"""Outputs over real DDS: this process publishes, another one listens."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from visualization_msgs.msg import Marker

sys.path.insert(0, str(Path(__file__).parents[1] / "outputs"))
from made_results import CAMERAS, CountingBody, make_person, make_result, make_window, without

from chromm_ros.errors import ConfigError
from chromm_ros.made_with import MadeWith
from chromm_ros.msg import SmplxBody
from chromm_ros.ros import cloud
from chromm_ros.ros.outputs import OutputConfig, Outputs
from chromm_ros.ros.status import Account
from chromm_ros.ros.tf import TfConfig

LAZY = ("scene/points", "markers/mesh", "markers/skeleton", "cameras/left/pose", "cameras/left/camera_info_estimated")
ALWAYS = ("bodies", "status")
ACCOUNT = Account(started_ns=9_000_000, windows_run=4, made_with=MadeWith("untrained", "cpu", "float32", "0"))


def wait(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


class Stage:
    """A node with outputs, its executor in a thread, and listeners in other processes."""

    def __init__(self, config: OutputConfig, tf_config: TfConfig) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("chromm", namespace="/robot", context=self.context)
        self.body, self.now_ns = CountingBody(), 20_000_000
        self.outputs = Outputs(self.node, config, tf_config, self.body, CAMERAS, monotonic_ns=lambda: self.now_ns)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()
        self.listeners: list[tuple[subprocess.Popen[str], list[dict[str, Any]]]] = []

    def _spin(self) -> None:
        while not self.ended.is_set():
            self.executor.spin_once(timeout_sec=0.05)

    def listen(self, *topics: str, matched: bool = True) -> list[dict[str, Any]]:
        """Start a listener and wait until it is known here; what it hears is appended to the list."""
        command = [sys.executable, str(Path(__file__).with_name("outputs_listener.py")), "/robot", "60", *topics]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        heard: list[dict[str, Any]] = []
        threading.Thread(target=lambda: [heard.append(json.loads(line)) for line in process.stdout or ()], daemon=True).start()
        self.listeners.append((process, heard))
        if matched:
            wait(lambda: all(self.node.count_subscribers(self.resolve(topic)) for topic in topics))
            time.sleep(0.3)  # the graph knows a subscription a little before the publisher does
        return heard

    def resolve(self, topic: str) -> str:
        return topic if topic.startswith("/") else f"/robot/{topic}"

    def publish(self, result: Any, **window: Any) -> Any:
        return self.outputs.publish(result, make_window(result, **window), ACCOUNT)

    def close(self) -> None:
        for process, _ in self.listeners:
            process.communicate(timeout=20)
        self.ended.set()
        self.thread.join(5)
        self.outputs.destroy()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def stage(ros_domain: int) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(config: OutputConfig | None = None, tf_config: TfConfig | None = None) -> Stage:
        stages.append(Stage(config or OutputConfig(), tf_config or TfConfig()))
        return stages[-1]

    yield make
    for made in stages:
        made.close()


def of(heard: Sequence[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
    return [told for told in heard if told["topic"] == topic]


def test_everything_arrives_with_the_stamp_of_the_newest_set(stage: Callable[..., Stage]) -> None:
    show = stage(OutputConfig(voxel_m=0.0))
    heard = show.listen(*LAZY, *ALWAYS, "/tf")
    people = [make_person(1), make_person(23, "occluded")]
    results = [make_result(index, people, epoch=2) for index in (1, 2)]
    for result in results:
        show.publish(result, missing=["rear"])
        show.now_ns += 10**9
    wait(lambda: all(len(of(heard, topic)) == 2 for topic in (*LAZY, *ALWAYS, "/tf")))

    for topic in (*LAZY, *ALWAYS):
        if topic.startswith("markers"):
            continue
        frame = "left_optical_frame" if topic.endswith("estimated") else "chromm_world"
        assert [(told["stamp"], told["frame"]) for told in of(heard, topic)] == [(r.stamps_ns[-1], frame) for r in results], topic
    for topic in ("markers/mesh", "markers/skeleton"):
        for told, result in zip(of(heard, topic), results, strict=True):
            assert {(frame, stamp) for *_, frame, stamp in told["markers"]} == {("chromm_world", result.stamps_ns[-1])}
            assert told["finite"]
    for told, result in zip(of(heard, "/tf"), results, strict=True):
        estimates = [f"{name}_optical_frame_est" for name in CAMERAS]
        assert told["edges"] == [["chromm_world", child, result.stamps_ns[-1]] for child in [*estimates, "body_b0001"]]

    (bodies, _), (status, _) = of(heard, "bodies"), of(heard, "status")
    place = [*people[0].joints[-1, 0].tolist(), people[0].deviation_m[-1]]
    assert bodies["finite"]
    assert bodies["cameras"] == ["left", "right"]
    assert bodies["bodies"][0] == ["b0001", 1, SmplxBody.TRACKED, ["left", "rear"], "smplx", "free", pytest.approx(place)]
    assert bodies["bodies"][1][:4] == ["b0023", 23, SmplxBody.OCCLUDED, []]
    assert of(heard, "scene/points")[0]["points"] == status["points"] == 50
    assert of(heard, "scene/points")[0]["bytes"] == 50 * 20
    assert of(heard, "scene/points")[0]["fields"] == list(cloud.FIELDS)
    assert (status["epoch"], status["window"], status["steps"], status["people"]) == (2, 1, 2, 2)
    assert status["present"] == [True, True, True, True, True, False]
    assert (status["latency_sync_ms"], status["latency_queue_ms"]) == (4.0, 4.0)
    assert (status["scale_ratio"], status["weights"]) == (0.0, "untrained")
    info, pose = of(heard, "cameras/left/camera_info_estimated")[0], of(heard, "cameras/left/pose")[0]
    left = results[0].cameras[0]
    assert info["size"] == [640, 480]
    of_ros = left.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]  # the centre of its first pixel is (0, 0)
    np.testing.assert_allclose(np.reshape(info["k"], (3, 3)), of_ros)
    np.testing.assert_allclose(np.reshape(info["p"], (3, 4)), np.pad(of_ros, ((0, 0), (0, 1))))
    np.testing.assert_allclose(pose["position"], left.world_from_cam[:3, 3])


def test_nothing_is_built_without_a_listener(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    show = stage()
    calls: list[str] = []
    monkeypatch.setattr("chromm_ros.ros.cloud.select_points", lambda *_, **__: calls.append("cloud"))
    monkeypatch.setattr("chromm_ros.ros.convert.to_pose_stamped", lambda *_: calls.append("pose"))
    monkeypatch.setattr("chromm_ros.ros.convert.to_camera_info", lambda *_: calls.append("info"))
    monkeypatch.setattr("chromm_ros.ros.outputs.pack_marker_array", lambda *_: calls.append("markers"))
    for index in range(3):
        status = show.publish(make_result(index, [make_person(1)]))
        assert (status.people, status.points) == (1, 0)
        show.now_ns += 10**9
    assert calls == []
    assert show.body.asked == 0


def test_a_late_listener_gets_the_newest_cloud(stage: Callable[..., Stage]) -> None:
    show = stage(OutputConfig(voxel_m=0.0))
    old, new = make_result(1, points=10), make_result(2, points=20)
    show.publish(old)
    show.publish(new)
    first = show.listen("scene/points")
    wait(lambda: len(first) > 0)
    second = show.listen("scene/points")  # this one from the history of DDS
    wait(lambda: len(second) > 0)
    for heard in (first, second):
        assert [(told["stamp"], told["points"]) for told in heard] == [(new.stamps_ns[-1], 20)]


def actions(told: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(ns, number, action) for ns, number, action, *_ in told["markers"]]


def test_whoever_leaves_is_deleted_and_a_new_epoch_starts_clean(stage: Callable[..., Stage]) -> None:
    show = stage()
    heard = show.listen("markers/mesh", "markers/skeleton")
    story = [(0, [1, 2]), (0, [2]), (1, [2, 3]), (1, [])]
    for index, (epoch, ids) in enumerate(story):
        show.publish(make_result(index, [make_person(track_id) for track_id in ids], epoch=epoch))
        show.now_ns += 10**9
    show.outputs.clear_markers(5)
    show.publish(make_result(9, [make_person(3)], epoch=1))
    wait(lambda: len(heard) == 12)

    clear, gone, new = ("", -1, Marker.DELETEALL), Marker.DELETE, Marker.ADD
    assert [actions(told) for told in of(heard, "markers/mesh")] == [
        [clear, ("mesh", 1, new), ("mesh", 2, new)],
        [("mesh", 1, gone), ("mesh", 2, new)],
        [clear, ("mesh", 2, new), ("mesh", 3, new)],
        [("mesh", 2, gone), ("mesh", 3, gone)],
        [clear],
        [("mesh", 3, new)],
    ]
    assert actions(of(heard, "markers/skeleton")[1]) == [
        ("label", 1, gone),
        ("skeleton", 1, gone),
        ("skeleton", 2, new),
        ("label", 2, new),
    ]


def test_meshes_have_a_rate_and_a_size_of_their_own(stage: Callable[..., Stage]) -> None:
    show = stage(OutputConfig(mesh_rate_hz=2.0, mesh_full=True))
    heard = show.listen("markers/mesh")
    for index in range(11):
        show.publish(make_result(index, [make_person(1)]))
        show.now_ns += 100_000_000
    wait(lambda: len(heard) == 3)
    assert [told["markers"][-1][5] for told in heard] == [make_result(index).stamps_ns[-1] for index in (0, 5, 10)]
    assert {told["markers"][-1][3] for told in heard} == {3 * len(show.body.faces)}
    show.outputs.configure(OutputConfig(mesh_rate_hz=1000.0), TfConfig())
    show.now_ns += 10**9
    show.publish(make_result(12, [make_person(1)]))
    wait(lambda: len(heard) == 4)
    assert heard[-1]["markers"][-1][3] == 3 * len(show.body.display_faces)


@pytest.mark.parametrize("mode", ["own", "anchor", "off"])
def test_tf_has_one_parent_per_frame(stage: Callable[..., Stage], mode: str) -> None:
    show = stage(tf_config=TfConfig(cameras=mode, anchor_camera="rear"))
    heard = show.listen("/tf")
    for index in range(2):
        show.publish(make_result(index, [make_person(1)]), frame_ids={"rear": "/gripper_optical"})
    wait(lambda: len(heard) == 2)
    robot = {"left_optical_frame", "right_optical_frame", "gripper_optical"}
    parents: dict[str, set[str]] = {}
    for told in heard:
        for parent, child, _ in told["edges"]:
            parents.setdefault(child, set()).add(parent)
    assert all(len(several) == 1 for several in parents.values())
    assert not robot & set(parents)
    assert parents.get("chromm_world") == ({"gripper_optical"} if mode == "anchor" else None)
    assert parents["body_b0001"] == {"chromm_world"}
    estimated = {child for child in parents if child.endswith("_est")}
    expected = {"own": CAMERAS, "anchor": CAMERAS[:2], "off": ()}[mode]
    assert estimated == {f"{name}_optical_frame_est" for name in expected}


@pytest.mark.parametrize("field", ["joints", "joint_scores", "deviation_m", "body_pose", "transl", "betas"])
def test_a_person_who_is_not_finite_is_left_out_and_counted(stage: Callable[..., Stage], field: str) -> None:
    show = stage()
    status = show.publish(make_result(1, [without(make_person(1), field), make_person(2)]))
    assert status.people == 1
    assert show.outputs.counters["people_not_finite"] == 1


def test_an_anchor_that_is_no_camera_is_refused(stage: Callable[..., Stage]) -> None:
    show = stage()
    with pytest.raises(ConfigError, match="'attic', expected one of left, right, rear"):
        show.outputs.configure(OutputConfig(), TfConfig(cameras="anchor", anchor_camera="attic"))


def test_qos_can_be_overridden(stage: Callable[..., Stage]) -> None:
    show = stage()
    assert show.node.get_parameter("qos_overrides./robot/scene/points.publisher.reliability").value == "reliable"
    assert show.node.get_parameter("qos_overrides./robot/bodies.publisher.depth").value == 5
