"""The node as a process of its own, talked to over DDS: what it publishes, what it survives, what it says.

Three drivers stand for what one meets: raw and reliable with depth, compressed, raw and best effort. All tests of the first part share one
node, each of them publishes stamps of its own.
"""

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CameraInfo, PointCloud2
from stage import Camera, NodeProcess, Person, nanoseconds, wait_until
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from chromm_ros.msg import SmplxBodyArray, WindowStatus

CLIP = Path(__file__).resolve().parents[1] / "data" / "pose2sim_clip"
CLIP_TOPICS = [f"/{name}/{topic}" for name in ("cam01", "cam02") for topic in ("image_raw/compressed", "camera_info")]
NAMES = ("left", "middle", "right")
PERIOD_NS = 100_000_000
_STARTS = itertools.count(1_700_000_000, 1000)


class Scene:
    """A node that runs, three cameras, and somebody who hears everything that it publishes."""

    def __init__(self, domain: int) -> None:
        self.node = NodeProcess(
            domain,
            "cameras:=[left, middle, right]",
            "model.checkpoint:=untrained",
            "window.length:=2",
            "sync.max_wait_s:=0.3",
            "output.confidence_min:=0.0",
            "diagnostics.period_s:=0.3",
            "left.depth_topic:=/left/depth/image_raw",
        )
        self.person = person = Person(domain)
        listen = person.listen
        self.status: list[WindowStatus] = listen(WindowStatus, "/status")
        self.sets: list[Header] = listen(Header, "/chromm/frame_sets")
        self.bodies: list[SmplxBodyArray] = listen(SmplxBodyArray, "/bodies")
        self.points: list[PointCloud2] = listen(PointCloud2, "/scene/points", latched=True)
        self.mesh: list[MarkerArray] = listen(MarkerArray, "/markers/mesh")
        self.skeletons: list[MarkerArray] = listen(MarkerArray, "/markers/skeleton")
        self.tf: list[TFMessage] = listen(TFMessage, "/tf")
        self.diagnostics: list[DiagnosticArray] = listen(DiagnosticArray, "/diagnostics")
        self.poses = {name: listen(PoseStamped, f"/cameras/{name}/pose") for name in NAMES}
        self.infos = {name: listen(CameraInfo, f"/cameras/{name}/camera_info_estimated") for name in NAMES}
        self.cameras = [
            Camera(person, "left", depth="32FC1"),
            Camera(person, "middle", encoding="jpeg"),
            Camera(person, "right", encoding="bgr8", reliable=False),
        ]
        self.wait_for_cameras()

    def wait_for_cameras(self) -> None:
        for camera in self.cameras:
            camera.wait_for_listener(60)

    def play(self, count: int, *, start_ns: int | None = None, only: tuple[str, ...] = NAMES) -> list[int]:
        """Publish so many moments, faster than a result takes; returns their stamps."""
        first = next(_STARTS) * 10**9 if start_ns is None else start_ns
        stamps = [first + index * PERIOD_NS for index in range(count)]
        for stamp_ns in stamps:
            for camera in self.cameras:
                if camera.name in only:
                    camera.publish(stamp_ns)
                if camera.name == "left":
                    camera.publish_depth(stamp_ns)
            self.wait_for_set(stamp_ns)
        return stamps

    def wait_for_set(self, stamp_ns: int) -> None:
        wait_until(
            lambda: any(nanoseconds(one.stamp) == stamp_ns for one in self.sets), 20, lambda: f"set {stamp_ns}: {self.node.log}"
        )

    def result(self, stamp_ns: int) -> WindowStatus:
        """The status of the window that ends at this stamp."""
        found: list[WindowStatus] = []

        def arrived() -> bool:
            found[:] = [one for one in self.status if nanoseconds(one.last_stamp) == stamp_ns]
            return bool(found)

        wait_until(arrived, 30, lambda: f"a result at {stamp_ns}: {self.node.log}")
        return found[-1]


@pytest.fixture(scope="module")
def scene(shared_domain: int) -> Iterator[Scene]:
    scene = Scene(shared_domain)
    yield scene
    exit_code, log = scene.node.end(), scene.node.log
    scene.person.leave()
    scene.node.kill()
    assert exit_code == 0, log
    assert "Traceback" not in log, log


def of_stamp(messages: list[Any], stamp_ns: int) -> Any:
    """The message with this stamp, once it has come."""
    wait_until(lambda: any(nanoseconds(one.header.stamp) == stamp_ns for one in messages), 10, lambda: f"a message of {stamp_ns}")
    return next(one for one in messages if nanoseconds(one.header.stamp) == stamp_ns)


def test_every_topic_arrives_with_the_stamp_and_the_frame(scene: Scene) -> None:
    stamps = scene.play(3)
    status = scene.result(stamps[-1])
    assert list(status.cameras) == list(NAMES)
    assert status.weights == "untrained"
    assert status.steps == 2
    assert list(status.present) == [True] * 6
    assert nanoseconds(status.first_stamp) == stamps[-2]
    parts = (status.latency_sync_ms, status.latency_queue_ms, status.latency_infer_ms, status.latency_publish_ms)
    assert all(part > 0 for part in parts)
    assert status.latency_total_ms >= sum(parts) - 1
    for messages in (scene.status, scene.bodies, scene.points):
        assert of_stamp(messages, stamps[-1]).header.frame_id == "chromm_world"
    assert of_stamp(scene.points, stamps[-1]).width == status.points > 0
    assert of_stamp(scene.bodies, stamps[-1]).epoch == status.epoch
    for name in NAMES:
        assert of_stamp(scene.poses[name], stamps[-1]).header.frame_id == "chromm_world"
        info = of_stamp(scene.infos[name], stamps[-1])
        assert info.header.frame_id == f"{name}_optical_frame"
        assert (info.width, info.height) == (64, 48)
    wait_until(lambda: bool(scene.mesh and scene.skeletons), 10, lambda: "markers")


def test_an_estimated_camera_info_is_in_the_convention_of_the_drivers(scene: Scene) -> None:
    info = of_stamp(scene.infos["left"], scene.play(3)[-1])
    assert info.k[2] == pytest.approx(31.5, abs=0.01)


def test_tf_has_one_parent_per_frame_and_the_stamps_of_the_results(scene: Scene) -> None:
    scene.play(3)
    wait_until(lambda: bool(scene.tf), 10, lambda: "tf")
    edges = [edge for message in list(scene.tf) for edge in message.transforms]
    parents: dict[str, set[str]] = {}
    for edge in edges:
        parents.setdefault(edge.child_frame_id, set()).add(edge.header.frame_id)
    assert all(len(names) == 1 for names in parents.values()), parents
    assert {f"{name}_optical_frame_est" for name in NAMES} <= parents.keys()
    assert not {f"{name}_optical_frame" for name in NAMES} & parents.keys(), "frames of the robot are not ours"
    results = {nanoseconds(one.last_stamp) for one in scene.status}
    wait_until(
        lambda: {nanoseconds(edge.header.stamp) for edge in edges} <= {nanoseconds(one.last_stamp) for one in scene.status},
        5,
        lambda: str(results),
    )


def test_a_camera_that_dies_leaves_partial_sets_and_comes_back(scene: Scene) -> None:
    stamps = scene.play(3)
    scene.result(stamps[-1])
    stamps = scene.play(8, start_ns=stamps[-1] + PERIOD_NS, only=("left", "right"))
    status = scene.result(stamps[-1])
    assert list(status.present) == [True, False, True] * 2
    assert status.sets_partial > 0
    stamps = scene.play(3, start_ns=stamps[-1] + PERIOD_NS)
    status = scene.result(stamps[-1])
    assert list(status.present)[-3:] == [True] * 3, "it is back"
    scene.cameras[1].die()
    scene.cameras[1] = Camera(scene.person, "middle", encoding="jpeg")
    scene.wait_for_cameras()
    stamps = scene.play(3, start_ns=stamps[-1] + PERIOD_NS)
    assert list(scene.result(stamps[-1]).present)[-3:] == [True] * 3, "its driver was started anew"


def test_a_recording_that_loops_starts_a_new_epoch(scene: Scene) -> None:
    first = scene.play(4)
    before = scene.result(first[-1])
    scene.sets.clear()
    scene.status.clear()
    again = scene.play(3, start_ns=first[0])
    after = scene.result(again[-1])
    assert after.epoch == before.epoch + 1
    assert after.window > before.window
    assert nanoseconds(after.first_stamp) >= again[0], "no window mixes two epochs"
    assert after.sets_complete == len(again)


def test_reset_and_enable(scene: Scene) -> None:
    person = scene.person
    before = scene.result(scene.play(2)[-1])
    assert person.ask(Trigger, "/chromm/reset", Trigger.Request()).success
    stamps = scene.play(2)
    after = scene.result(stamps[-1])
    assert after.epoch == before.epoch + 1
    scene.skeletons.clear()
    assert person.ask(SetBool, "/chromm/enable", SetBool.Request(data=False)).success
    heard = len(scene.sets)
    for camera in scene.cameras:
        camera.publish(stamps[-1] + PERIOD_NS)
    time.sleep(0.6)
    assert len(scene.sets) == heard
    assert scene.skeletons[-1].markers[0].action == Marker.DELETEALL, "the last word to the displays"
    assert person.ask(SetBool, "/chromm/enable", SetBool.Request(data=True)).success
    scene.result(scene.play(2)[-1])


def test_parameters_change_or_are_refused_with_a_reason(scene: Scene) -> None:
    person = scene.person
    assert person.set("window.length", 3) == (True, "")
    assert scene.result(scene.play(4)[-1]).steps == 3
    assert person.set("window.length", 2)[0]
    for name, value, reason in (
        ("window.length", 0, "out of range"),
        ("sync.min_cameras", 9, "expected at most 3"),
        ("sync.max_wait_s", "long", "type float"),
        ("qos.reliability", "reliable", "cannot change while the node is configured"),
        ("tf.anchor_camera", "nobody", "expected one of left, middle, right"),
        ("cameras", ["a"], "read-only"),
        ("windw.length", 3, ""),
    ):
        successful, why = person.set(name, value)
        assert not successful, name
        assert reason in why, why
    scene.result(scene.play(2)[-1])


def test_diagnostics_tell_about_every_camera(scene: Scene) -> None:
    scene.play(3)
    scene.diagnostics.clear()
    wait_until(lambda: len(scene.diagnostics) >= 2, 10, lambda: "diagnostics")
    entries = {entry.name.removeprefix("chromm: "): entry for entry in scene.diagnostics[-1].status}
    assert entries.keys() == {"inference", "reconstruction", "gpu", "model", "sync", *(f"camera {name}" for name in NAMES)}
    values = {name: {pair.key: pair.value for pair in entry.values} for name, entry in entries.items()}
    assert values["camera left"]["qos"] == "reliable"
    assert values["camera middle"]["topic"] == "/middle/image_raw/compressed"
    assert values["camera right"]["qos"] == "best_effort"
    assert values["camera left"]["calibrated"] == "True"
    assert values["camera left"]["depth_topic"] == "/left/depth/image_raw"
    assert int(values["camera left"]["depth_images_with"]) >= 3
    assert "depth_topic" not in values["camera right"]
    assert "untrained" in entries["model"].message
    assert float(values["reconstruction"]["scale"]) > 0


def test_two_cycles_of_life(scene: Scene) -> None:
    person = scene.person
    epoch = scene.result(scene.play(2)[-1]).epoch
    for _ in range(2):
        scene.mesh.clear()
        assert person.change("deactivate")
        assert person.state() == "inactive"
        deleted = [marker for message in scene.mesh for marker in message.markers if marker.action == Marker.DELETEALL]
        assert deleted, "the displays are cleared"
        assert not person.ask(Trigger, "/chromm/reset", Trigger.Request()).success
        assert person.change("cleanup")
        assert person.state() == "unconfigured"
        assert person.set("model.score_min", 0.4)[0], "all settings may change now"
        assert person.change("configure")
        assert person.change("activate")
        assert person.state() == "active"
        scene.wait_for_cameras()
        status = scene.result(scene.play(2)[-1])
        assert status.epoch > epoch
        epoch = status.epoch


# Nodes of their own


@pytest.fixture
def start(ros_domain: int) -> Iterator[Any]:
    processes: list[NodeProcess] = []

    def begin(*overrides: str, **options: str) -> NodeProcess:
        processes.append(NodeProcess(ros_domain, *overrides, **options))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


def test_a_wrong_parameter_at_start_ends_in_one_sentence(start: Any) -> None:
    node = start("cameras:=[left]", "windw.length:=3")
    assert node.process.wait(30) == 1
    assert "unknown parameter 'windw.length': did you mean 'window.length'?" in node.log
    assert "Traceback" not in node.log


def test_a_file_of_parameters_that_cannot_be_read_ends_in_one_sentence(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("a: [1, b\n")
    node = start(file=str(file))
    assert node.process.wait(30) == 1
    assert "Couldn't parse params file" in node.log
    assert "Traceback" not in node.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_without_complaint(start: Any, number: int, ros_domain: int) -> None:
    node = start("cameras:=[left]", "autostart:=false")
    person = Person(ros_domain)
    assert person.state() == "unconfigured"
    person.leave()
    assert node.end(number) == 0, node.log
    assert node.log == ""


def test_a_model_that_cannot_be_loaded_leaves_the_node_up(start: Any, ros_domain: int) -> None:
    node = start("cameras:=[left]", "model.checkpoint:=/no/such/file.safetensors")
    person = Person(ros_domain)
    try:
        node.wait_for("cannot configure")
        assert "/no/such/file.safetensors" in node.log
        assert person.state() == "unconfigured"
        assert person.set("model.checkpoint", "untrained")[0]
        assert person.change("configure")
        assert "UNTRAINED" in node.log
    finally:
        person.leave()
    assert node.end() == 0, node.log


def test_a_recording_played_in_a_loop_gives_one_epoch_per_round(start: Any, ros_domain: int) -> None:
    person = Person(ros_domain)
    results: list[WindowStatus] = person.listen(WindowStatus, "/status")
    words = ("cameras:=[cam01, cam02]", "window.length:=1", "use_sim_time:=true")
    node = start(*words)
    played = ("bag:=" + str(CLIP), "topics:=[" + ", ".join(CLIP_TOPICS) + "]", "loop:=true", "wait_for_subscribers:=60.0")
    player = start(*played, module="chromm_ros.ros.replay_node")
    try:
        wait_until(lambda: {one.epoch for one in results} >= {0, 1, 2}, 60, lambda: f"three rounds: {node.log}{player.log}")
    finally:
        person.leave()
    for before, after in itertools.pairwise(results):
        back = nanoseconds(after.last_stamp) < nanoseconds(before.last_stamp)
        assert after.epoch - before.epoch == back, "an epoch begins when time jumps back, once, though clock and stamps both jump"
    assert player.end() == 0, player.log
    assert node.end() == 0, node.log


def test_silence_is_explained(start: Any, ros_domain: int) -> None:
    person = Person(ros_domain)
    try:
        driver = Camera(person, "left", reliable=False)
        Camera(person, "elsewhere")
        node = start("cameras:=[left, ghost]", "qos.reliability:=reliable", "diagnostics.silence_s:=1.0")
        node.wait_for("a publisher of /left/image_raw offers less reliability than this node asks for")
        assert "set qos.reliability to match or best_effort" in node.log
        driver.publish(10**18)
        node.wait_for("nobody publishes the images of ghost; topics of images that exist: /elsewhere/image_raw, /left/image_raw")
        row = next(line for line in node.log.splitlines() if line.startswith("ghost"))
        assert row.split() == [
            "ghost",
            "/ghost/image_raw",
            "or",
            "/ghost/image_raw/compressed",
            "0",
            "not",
            "subscribed",
            "0.0",
            "none",
            "-",
            "0",
        ]
    finally:
        person.leave()
    assert node.end() == 0, node.log
