"""Three processes over DDS: the node, the replay node, and this one, which records what comes out and tells how far it is."""

import fcntl
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from chromm_ros.data.bag import BagReader, CameraTopics
from chromm_ros.data.instants import header_stamp_ns
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.progress import Progress
from chromm_ros.errors import ChrommError, FileError
from chromm_ros.msg import WindowStatus
from chromm_ros.ros import transport
from chromm_ros.ros.record_node import RecordConfig, Recorder

_START_S = 180.0
"""The node loads torch and the model and runs it once; a slow machine takes a minute."""
_LAST_WINDOW_S = 120.0
_SILENCE_S = 5.0
"""Least time without a result after which the last window was the last one: a stride may leave the last images out."""
_ASK_AGAIN_S = 5.0
_DISCOVERY_S = 2.0
_END_S = 20.0


@dataclass(frozen=True)
class Demo:
    """What is played, and where everything goes."""

    recording: Path
    """The rosbag2 that is played."""
    cameras: tuple[CameraTopics, ...]
    """Its cameras."""
    out: Path
    """Folder of everything that is written."""
    rig_frame: str = ""
    """Frame to which the recording's static transforms tie its cameras; empty where they do not."""
    step: bool = False
    """Whether the replay waits for the node at every image."""
    parameters: Sequence[str] = field(default_factory=list)
    """More parameters of the node, `name:=value`."""
    namespace: str = "/chromm"
    """Of the node."""

    def given(self, name: str) -> str:
        """The value that a parameter was given, or nothing."""
        return next((value for key, _, value in (given.partition(":=") for given in self.parameters) if key == name), "")

    @property
    def results(self) -> Path:
        """The rosbag2 of every output."""
        return self.out / "results"

    @property
    def log(self) -> Path:
        """What the node and the replay node said."""
        return self.out / "demo.log"


def play(demo: Demo, say: Callable[[str], None]) -> None:
    """Run all of it; the outputs are in `demo.results` afterwards.

    Args:
        demo: what to do.
        say: takes the lines that a user should see.

    Raises:
        ChrommError: if the node or the replay node ends early, with the reason that it gave.
    """
    lock = _alone(demo)
    _make_room(demo)
    transport.prepare_process()
    interrupted: list[int] = []
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # a flag: an exception in the middle of a callback is lost in rclpy
        signal.signal(number, lambda number, _: interrupted.append(number))
    last_ns = _last_image_ns(demo)
    with demo.log.open("w") as log, _recorder(demo, say, interrupted) as watch, _process(_node_command(demo), log) as node:
        say("starting the node: loads the network and tries it once")
        with _process(_replay_command(demo), log) as replay:
            while replay.poll() is None:
                watch.look()
                _check_alive(node, watch, demo)
        if replay.returncode:
            raise ChrommError(f"the replay ended with an error: {_last_error(demo)}; all of it is in {demo.log}")
        watch.played()
        while watch.newest_ns < last_ns and not watch.silent:
            watch.look()
            _check_alive(node, watch, demo)
        for _ in range(10):  # what is on its way
            watch.look()
        watch.finish()
        if not watch.newest_ns:
            say(f"no window came within {_LAST_WINDOW_S:.0f} s; {demo.log} may say why")
    lock.close()


class Watch:
    """Records the outputs and shows how far the node is."""

    def __init__(self, node: Node, demo: Demo, say: Callable[[str], None], interrupted: list[int]) -> None:
        """Begin to record.

        Args:
            node: to listen with.
            demo: what is done.
            say: takes the lines of progress.
            interrupted: the signals that asked this process to end.

        Raises:
            ChrommError: if a node of this name runs already: two would mix their results.
        """
        self._interrupted, self._text = interrupted, "nothing yet"
        _refuse_a_second(node, demo)
        self.newest_ns = 0
        """Stamp of the newest result."""
        self.refused = False
        """Whether the node could not be configured; it stays up then, as lifecycle nodes do. It answers only after its start."""
        self.recorder = Recorder(node, RecordConfig(output=str(demo.results), pattern=f"{demo.namespace}/.*|/tf|/diagnostics"))
        self.progress = Progress(say)
        with BagReader(demo.recording) as bag:
            self._began_ns, self._length_ns = bag.start_ns, max(1, bag.end_ns - bag.start_ns)
        self._executor = transport.make_executor()
        self._executor.add_node(node)
        node.create_subscription(WindowStatus, f"{demo.namespace}/status", self._on_status, QoSProfile(depth=10))
        self._state = node.create_client(GetState, f"{demo.namespace}/chromm/get_state")
        self._answer: Any = None
        self._ask_again_s = 0.0
        self._heard_s, self._longest_s = math.nan, 0.0  # of results: the last one, and the longest time between two

    def look(self) -> None:
        """Serve what has come.

        Raises:
            KeyboardInterrupt: if a signal has asked for the end.
        """
        self._executor.spin_once(timeout_sec=0.1)
        if self._interrupted:
            raise KeyboardInterrupt
        if self._answer is not None and self._answer.done():
            self.refused = self._answer.result().current_state.id == State.PRIMARY_STATE_UNCONFIGURED
        elif self._state.service_is_ready() and time.monotonic() > self._ask_again_s:
            self._answer, self._ask_again_s = self._state.call_async(GetState.Request()), time.monotonic() + _ASK_AGAIN_S

    def played(self) -> None:
        """From now on no more images come."""
        self._heard_s = time.monotonic()

    @property
    def silent(self) -> bool:
        """Whether no result came for three times as long as it ever took to the next one; the first may take its time."""
        patience = max(_SILENCE_S, 3.0 * self._longest_s) if self.newest_ns else _LAST_WINDOW_S
        return time.monotonic() - self._heard_s > min(patience, _LAST_WINDOW_S)

    def _on_status(self, status: Any) -> None:
        now = time.monotonic()
        if self.newest_ns:
            self._longest_s = max(self._longest_s, now - self._heard_s)
        self._heard_s = now
        self.newest_ns = max(self.newest_ns, stamp_ns(status.last_stamp))
        self._text = f"{status.windows_run} windows run, {status.windows_dropped} dropped, {status.people} people"
        self._text += f", {status.latency_total_ms:.0f} ms"
        share = (self.newest_ns - self._began_ns) / self._length_ns
        self.progress.show(time.monotonic(), min(max(share, 0.0), 1.0), self._text)

    def finish(self) -> None:
        """Show that nothing more comes."""
        self.progress.show(math.inf, 1.0, self._text)
        self.progress.end()


def _alone(demo: Demo) -> IO[str]:
    """A lock that no other demo of this machine and ROS_DOMAIN_ID holds; it goes with the process, whatever ends that.

    What DDS tells of others comes late on a busy machine; a file does not.

    Raises:
        ChrommError: if another demo has it.
    """
    name = f"chromm_demo_{os.getuid()}_{os.environ.get('ROS_DOMAIN_ID', '0')}_{demo.namespace.strip('/').replace('/', '_')}.lock"
    file = (Path(tempfile.gettempdir()) / name).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _second(demo) from None
    return file


def _second(demo: Demo) -> ChrommError:
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    return ChrommError(
        f"a node {demo.namespace}/chromm runs in ROS_DOMAIN_ID {domain} already, of another demo perhaps: "
        "end it, or set another ROS_DOMAIN_ID"
    )


def _refuse_a_second(node: Node, demo: Demo) -> None:
    """Look for another demo, or its node: the demo's own is there from its first second, its child's much later.

    Raises:
        ChrommError: if one is there.
    """
    give_up = time.monotonic() + _DISCOVERY_S
    while time.monotonic() < give_up:
        time.sleep(0.1)
        there = node.get_node_names_and_namespaces()
        if ("chromm", demo.namespace) in there or there.count((node.get_name(), demo.namespace)) > 1:
            raise _second(demo)


@contextmanager
def _recorder(demo: Demo, say: Callable[[str], None], interrupted: list[int]) -> Iterator[Watch]:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("chromm_demo", namespace=demo.namespace)
    try:
        watch = Watch(node, demo, say, interrupted)
        try:
            yield watch
        finally:
            _close(watch.recorder)
    finally:
        node.destroy_node()
        rclpy.shutdown()


def _close(recorder: Recorder) -> None:
    try:
        recorder.close()
    except OSError as error:
        raise FileError(f"the recording {recorder.path} cannot be completed: {error.strerror}: was it removed?") from error


@contextmanager
def _process(command: list[str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is asked to end, as by Ctrl-C, when its time is over."""
    environment = {**os.environ, **transport.fastdds_environment()}
    child = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)  # noqa: S603  # our own programs
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(_END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _node_command(demo: Demo) -> list[str]:
    names = [camera.name for camera in demo.cameras]
    parameters = {"cameras": f"[{', '.join(names)}]", "use_sim_time": "true"}
    if demo.rig_frame and demo.given("rig.source") in {"", "tf"}:  # the recording knows where its cameras are
        parameters |= {"rig.source": "tf", "rig.frame": demo.rig_frame, "output.world_frame": demo.rig_frame}
    for camera in demo.cameras:
        parameters[f"{camera.name}.image_topic"] = camera.image.removesuffix("/compressed")
    if demo.step:
        parameters["worker.policy"] = "all"
    given = [f"{name}:={value}" for name, value in parameters.items()] + list(demo.parameters)
    return _program("node", ["-r", f"__ns:={demo.namespace}"], given)


def _replay_command(demo: Demo) -> list[str]:
    given = [
        f"bag:={demo.recording}",
        f"step:={str(demo.step).lower()}",
        f"ack_topic:={demo.namespace}/chromm/frame_sets",
        f"wait_for_subscribers:={_START_S}",
    ]
    return _program("replay_node", [], given)


def _program(module: str, remaps: list[str], parameters: list[str]) -> list[str]:
    options = [word for parameter in parameters for word in ("-p", parameter)]
    return [sys.executable, "-m", f"chromm_ros.ros.{module}", "--ros-args", *remaps, *options]


def _make_room(demo: Demo) -> None:
    """Remove an earlier run's results and pictures, and nothing that is not one.

    Raises:
        FileError: if something else is in the way, or nothing can be written there.
    """
    try:
        demo.out.mkdir(parents=True, exist_ok=True)
        if demo.results.exists():
            if not (demo.results / "metadata.yaml").exists() and not any(demo.results.glob("*.mcap")):
                raise FileError(
                    f"{demo.results} exists and is no recording of an earlier run: move it away, or choose another --out"
                )
            for name in ("scene", *_recorded_cameras(demo)):
                (demo.out / f"{name}.png").unlink(missing_ok=True)
            shutil.rmtree(demo.results)
        demo.log.touch()
    except OSError as error:
        raise FileError(
            f"{demo.out} cannot be used for the results ({error.strerror}): choose another folder by --out"
        ) from error


def _recorded_cameras(demo: Demo) -> set[str]:
    """Cameras of an earlier run, by the topics of its recording; none where that is not whole."""
    try:
        with BagReader(demo.results) as bag:
            parts = [topic.removeprefix(f"{demo.namespace}/").split("/") for topic in bag.topics]
    except FileError:
        return set()
    return {words[1] for words in parts if words[0] == "cameras" and len(words) == 3}


def _last_image_ns(demo: Demo) -> int:
    """Stamp of the newest moment of which every camera has an image."""
    newest: dict[str, int] = {}
    with BagReader(demo.recording) as bag:
        for message in bag.messages([camera.image for camera in demo.cameras]):
            newest[message.topic] = header_stamp_ns(message.raw)
    return min(newest.values())


def _check_alive(node: subprocess.Popen[bytes], watch: Watch, demo: Demo) -> None:
    if node.poll() is not None or watch.refused:
        raise ChrommError(f"the node did not start: {_last_error(demo)}; all of it is in {demo.log}")


def _last_error(demo: Demo) -> str:
    lines = [line.strip() for line in demo.log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "[FATAL]" in line or "[ERROR]" in line]
    return (errors or lines or ["it said nothing"])[-1]
