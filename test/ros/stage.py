"""Two sides of a conversation over DDS: the node as a process of its own, and a person who publishes, listens and asks."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

WIDTH, HEIGHT = 64, 48
TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
}


class NodeProcess:
    """The program of the node, or another one of ours; its log goes to a file."""

    def __init__(self, domain: int, *overrides: str, module: str = "chromm_ros.ros.node", file: str = "") -> None:
        words = [word for override in overrides for word in ("-p", override)]
        command = [sys.executable, "-m", module, "--ros-args", *words, *(("--params-file", file) if file else ())]
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "RCUTILS_LOGGING_BUFFERED_STREAM": "0",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._log = Path(tempfile.mkstemp(suffix=".log", prefix="chromm_node_")[1])
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    @property
    def log(self) -> str:
        """What the node has said so far."""
        return self._log.read_text()

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until the log has this text."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, timeout_s, lambda: f"{text!r} in:\n{self.log}")
        assert text in self.log, self.log

    def end(self, number: int = signal.SIGINT, timeout_s: float = 30.0) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """At the end of a test, whatever came of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.unlink(missing_ok=True)


def wait_until(holds: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
    """Poll until it holds, or fail with what was waited for."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"not within {timeout_s} s: {what()}"
        time.sleep(0.01)


class Person:
    """A node of the test's own process, spun in the background."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("person", context=self.context)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def listen(self, kind: type, topic: str, *, depth: int = 100, latched: bool = False) -> list[Any]:
        """Keep all messages of a topic; returns the growing list."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        self.node.create_subscription(kind, topic, self.heard[topic].append, QoSProfile(depth=depth, durability=durability))
        return self.heard[topic]

    def ask(self, kind: type, service: str, request: Any, timeout_s: float = 60.0) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_s), f"no service {service}"
        future = client.call_async(request)
        wait_until(future.done, timeout_s, lambda: f"an answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def change(self, transition: str) -> bool:
        """Ask the node for a transition; returns whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        return bool(self.ask(ChangeState, "/chromm/change_state", request).success)

    def state(self) -> str:
        """State of the node."""
        return str(self.ask(GetState, "/chromm/get_state", GetState.Request()).current_state.label)

    def set(self, name: str, value: object) -> tuple[bool, str]:
        """Set one of the node's parameters; returns whether it was taken and the reason if not."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        (result,) = self.ask(SetParameters, "/chromm/set_parameters", request).results
        return result.successful, result.reason

    def leave(self) -> None:
        """End the conversation."""
        self._executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()
        self.context.try_shutdown()


class Camera:
    """Publishes small images, their calibration and depth as a driver does."""

    def __init__(
        self, person: Person, name: str, *, encoding: str = "rgb8", reliable: bool = True, info: bool = True, depth: str = ""
    ) -> None:
        """Create the publishers; `depth` is an encoding, or `compressedDepth`, or empty where it has none."""
        self.name, self._encoding, self._depth, self._person = name, encoding, depth, person
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=10, reliability=reliability)
        kind, suffix = (CompressedImage, "/compressed") if encoding == "jpeg" else (Image, "")
        create = person.node.create_publisher
        self._images = create(kind, f"/{name}/image_raw{suffix}", qos)
        self._infos = create(CameraInfo, f"/{name}/camera_info", qos) if info else None
        kind, suffix = (CompressedImage, "/compressedDepth") if depth == "compressedDepth" else (Image, "")
        self._depths = create(kind, f"/{name}/depth/image_raw{suffix}", qos) if depth else None
        self._topics = [topic for topic in (self._images, self._infos, self._depths) if topic is not None]
        self._pixels = np.random.default_rng(len(name)).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def wait_for_listener(self, timeout_s: float = 30.0) -> None:
        """Wait until the node has subscribed to all of it."""
        wait_until(
            lambda: all(topic.get_subscription_count() for topic in self._topics),
            timeout_s,
            lambda: f"a subscriber of {self.name}",
        )

    def publish(self, stamp_ns: int) -> None:
        """One CameraInfo and one image, as far as it has them."""
        if self._infos is not None:
            info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
            info.k = np.array([60.0, 0, WIDTH / 2 - 0.5, 0, 60.0, HEIGHT / 2 - 0.5, 0, 0, 1])
            self._send(self._infos, info, stamp_ns)
        image: Any
        if self._encoding == "jpeg":
            image = CompressedImage(format="jpeg")
            image.data.frombytes(cv2.imencode(".jpg", self._pixels)[1].tobytes())
        else:
            image = Image(width=WIDTH, height=HEIGHT, encoding=self._encoding, step=3 * WIDTH)
            image.data.frombytes(self._pixels.tobytes())
        self._send(self._images, image, stamp_ns)

    def publish_depth(self, stamp_ns: int, millimetres: int = 2000) -> None:
        """One depth image of half the size, the same depth everywhere but for an unknown first row."""
        values = np.full((HEIGHT // 2, WIDTH // 2), millimetres, np.uint16)
        values[0] = 0
        message: Any
        if self._depth == "compressedDepth":
            message = CompressedImage(format="16UC1; compressedDepth png")
            message.data.frombytes(bytes(12) + cv2.imencode(".png", values)[1].tobytes())
        else:
            pixels = values if self._depth == "16UC1" else np.where(values, values / 1000, np.nan).astype(np.float32)
            message = Image(width=WIDTH // 2, height=HEIGHT // 2, encoding=self._depth, step=pixels.strides[0])
            message.data.frombytes(pixels.tobytes())
        self._send(self._depths, message, stamp_ns)

    def _send(self, publisher: Any, message: Any, stamp_ns: int) -> None:
        message.header.frame_id = f"{self.name}_optical_frame"
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        publisher.publish(message)

    def die(self) -> None:
        """Take the publishers away."""
        for topic in self._topics:
            self._person.node.destroy_publisher(topic)


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time as one number."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
