#!/usr/bin/env python3
"""The program `replay_node`: plays a rosbag2 into topics, in real time or in step with the node.

In real time messages leave at the pace of the recording. In step, all images of one instant leave together, and the next ones
when the node has said, on `ack_topic`, that it has put them into its window: nothing is lost, whatever the speed of either side.
Depth images make no instants and are not waited for. They leave up to 0.1 s before their turn, so that an image finds its depth
though that was recorded after it.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from chromm_ros.data.bag import IMAGE_TYPES, BagMessage, BagReader
from chromm_ros.data.instants import DEPTH_AHEAD_NS, ahead, header_stamp_ns, instants
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.progress import Progress
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.inputs.depth_images import is_depth
from chromm_ros.ros import transport
from chromm_ros.ros.program import read_settings, run_program
from chromm_ros.ros.recorded import message_class, qos_to_play
from chromm_ros.settings import Settings, setting

_CLOCK_S = 0.02
"""Longest time between two messages of /clock."""
_WAIT_IN_STEP_S = 30.0
_DELIVERY_S = 5.0
"""At the end; Fast DDS asks for missing messages every 3 s."""
_BETWEEN_ROUNDS_S = 0.1
_MUTUAL_S = 0.5
"""After the subscribers are seen, until the first message: they see us some time after we see them, and miss what is sent before."""
_SETTLED_S = 2.0
"""A node subscribes to all its cameras at once; discovery takes less than this from the first to the last."""


@dataclass(frozen=True)
class ReplayConfig(Settings):
    """What is played, and how."""

    bag: str = setting("", "folder of the recording, or a .mcap or .db3 file")
    topics: tuple[str, ...] = setting((), "topics to play; empty plays all whose types are installed")
    prefix: str = setting("", "put in front of every topic but /tf, /tf_static and /clock")
    rate: float = setting(1.0, "speed, 1 is real time", at_least=0.01, at_most=1000.0)
    loop: bool = setting(default=False, doc="play again and again; stamps repeat")
    clock: bool = setting(default=True, doc="publish /clock, the time of the recording")
    step: bool = setting(default=False, doc="wait for the node after the images of each instant, instead of following the time")
    ack_topic: str = setting("chromm/frame_sets", "topic on which the node names the frame-sets that it took (with step)")
    step_spread_s: float = setting(
        0.015, "images whose stamps lie within this are of one instant (with step) [s]", at_least=0.0, at_most=10.0
    )
    step_timeout_s: float = setting(60.0, "longest wait for the node after an instant (with step) [s]", at_least=0.01)
    wait_for_subscribers: float = setting(
        0.0, "wait for subscribers of the image topics before the start, at most so long; 0 starts at once [s]", at_least=0.0
    )
    progress: bool = setting(default=True, doc="show how far the replay is")


class Replayer:
    """Plays one recording through a node."""

    def __init__(self, node: Node, bag: BagReader, config: ReplayConfig, asked_to_end: Callable[[], bool]) -> None:
        """Create the publishers.

        Raises:
            InputError: if a topic is not in the recording, or nothing can be played.
        """
        self._node, self._bag, self._config, self._asked_to_end = node, bag, config, asked_to_end
        self._log = node.get_logger()
        self._executor = transport.make_executor()
        self._executor.add_node(node)
        self._progress = Progress(self._log.info)
        self._publishers = self._make_publishers()
        self._clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=1)) if config.clock else None
        self._acks: set[int] = set()
        self._shift_ns: int | None = None
        if config.step:
            node.create_subscription(Header, config.ack_topic, self._on_ack, QoSProfile(depth=50))
        self.played: Counter[str] = Counter()
        """Messages published, by topic."""
        self.missed = 0
        """Instants that the node did not acknowledge in time."""

    def play(self) -> None:
        """Play until the end of the recording, or until asked to end.

        Raises:
            InputError: if nobody subscribes in time.
        """
        self._wait_for_subscribers()
        began = time.monotonic()
        while not self._asked_to_end():
            self._play_in_step() if self._config.step else self._play_in_time()
            self._wait_for_delivery(_BETWEEN_ROUNDS_S if self._config.loop else _DELIVERY_S)
            if not self._config.loop:
                break
        self._progress.end()
        counts = ", ".join(f"{topic} {count}" for topic, count in sorted(self.played.items()))
        missed = f", {self.missed} instants not acknowledged" if self._config.step else ""
        self._log.info(
            f"played {sum(self.played.values())} messages of {self._bag.path} in {time.monotonic() - began:.1f} s{missed}: {counts}"
        )

    # Topics

    def _make_publishers(self) -> dict[str, Any]:
        wanted = self._config.topics or tuple(self._bag.topics)
        for name in wanted:
            if name not in self._bag.topics:
                raise InputError(
                    f"the recording {self._bag.path} has no topic {name}, only {', '.join(sorted(self._bag.topics))}"
                )
        publishers = {}
        for name in wanted:
            topic = self._bag.topics[name]
            kind = message_class(topic.msgtype)
            if kind is None:
                self._log.warning(f"{name} is not played: its type {topic.msgtype} is not installed")
            elif name != "/clock":
                qos = qos_to_play(topic, reliable=self._config.step)
                publishers[name] = self._node.create_publisher(kind, self._renamed(name), qos)
        if not publishers:
            raise InputError(
                f"nothing of the recording {self._bag.path} can be played: no type of {', '.join(wanted)} is installed"
            )
        return publishers

    def _renamed(self, topic: str) -> str:
        keep = topic in {"/tf", "/tf_static"} or not self._config.prefix
        return topic if keep else f"{self._config.prefix.rstrip('/')}/{topic.lstrip('/')}"

    def _image_topics(self) -> list[str]:
        return [name for name in self._publishers if self._bag.topics[name].msgtype in IMAGE_TYPES]

    def _depth_topics(self) -> set[str]:
        """The image topics whose first message says that it holds depth."""
        firsts = [next(self._bag.messages([name]), None) for name in self._image_topics()]
        return {first.topic for first in firsts if first is not None and is_depth(self._bag.deserialize(first))}

    def _wait_for_subscribers(self) -> None:
        """Wait until every image topic is heard, or some are and no more of them have been for a while: a node may use a few only."""
        limit_s = self._config.wait_for_subscribers or (_WAIT_IN_STEP_S if self._config.step else 0.0)
        images, heard = self._image_topics(), 0
        end, settled = time.monotonic() + limit_s, 0.0
        while limit_s and not self._asked_to_end():
            deaf = [self._renamed(name) for name in images if not self._publishers[name].get_subscription_count()]
            mute = self._config.step and not self._node.count_publishers(self._config.ack_topic)
            if len(images) - len(deaf) > heard:
                heard, settled = len(images) - len(deaf), time.monotonic() + _SETTLED_S
            if not mute and (not deaf or (heard and time.monotonic() > settled)):
                if deaf:
                    self._log.warning(f"nobody listens to {', '.join(deaf)}: played all the same")
                self._serve_until(time.monotonic() + _MUTUAL_S)
                return
            if time.monotonic() > end:
                missing = [f"subscriber of {', '.join(deaf)}"] if deaf else []
                missing += [f"publisher of {self._node.resolve_topic_name(self._config.ack_topic)}"] if mute else []
                raise InputError(
                    f"after {limit_s:g} s there is no {' and no '.join(missing)}: "
                    "is the node running and active, and does it have these names?"
                )
            self._serve_until(time.monotonic() + 0.05)

    def _wait_for_delivery(self, limit_s: float) -> None:
        """Let reliable messages arrive before the stamps repeat or the publishers end; those who do not answer are given up."""
        end = time.monotonic() + limit_s
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, end - time.monotonic())))

    # Pace

    def _play_in_time(self) -> None:
        began = time.monotonic()
        for message in self._bag.messages(list(self._publishers)):
            due = began + (message.stamp_ns - self._bag.start_ns) / 1e9 / self._config.rate
            while not self._asked_to_end() and time.monotonic() < due:
                self._tell_time(message.stamp_ns - round((due - time.monotonic()) * 1e9 * self._config.rate))
                self._serve_until(min(due, time.monotonic() + _CLOCK_S))
            if self._asked_to_end():
                return
            self._publish(message)

    def _play_in_step(self) -> None:
        depths = self._depth_topics()
        images = set(self._image_topics()) - depths
        messages = ahead(self._bag.messages(list(self._publishers)), depths, DEPTH_AHEAD_NS)
        for instant in instants(messages, images, round(self._config.step_spread_s * 1e9)):
            if self._asked_to_end():
                return
            self._acks.clear()
            for message in instant:
                self._publish(message, timed=message.topic not in depths)
            stamps = [header_stamp_ns(message.raw) for message in instant if message.topic in images]
            if stamps:
                self._wait_for_ack(min(stamps), max(stamps))

    def _wait_for_ack(self, first_ns: int, last_ns: int) -> None:
        """Until a frame-set of these images was taken. The node may add a time offset to stamps; the first answer tells it."""

        def taken() -> bool:
            if self._shift_ns is None and self._acks:
                early = min(self._acks)
                self._shift_ns = 0 if first_ns <= early <= last_ns else early - first_ns
            shift_ns, spread_ns = self._shift_ns or 0, last_ns - first_ns
            return any(-spread_ns <= stamp_ns - shift_ns - first_ns <= 2 * spread_ns for stamp_ns in self._acks)

        end = time.monotonic() + self._config.step_timeout_s
        while not self._asked_to_end() and not taken():
            if time.monotonic() > end:
                self.missed += 1
                self._log.warning(
                    f"the node did not take the images of {first_ns / 1e9:.3f} s within {self._config.step_timeout_s:g} s; going on"
                )
                return
            self._serve_until(time.monotonic() + 0.05, or_when=taken)

    def _on_ack(self, header: Header) -> None:
        self._acks.add(stamp_ns(header.stamp))

    def _serve_until(self, end: float, or_when: Callable[[], bool] = lambda: False) -> None:
        """Serve our own callbacks until then, or until something has come true."""
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)
            if or_when():
                return

    # Messages

    def _publish(self, message: BagMessage, *, timed: bool = True) -> None:
        if timed:  # what leaves ahead of its turn must not move the clock, which would then jump back
            self._tell_time(message.stamp_ns)
        self._publishers[message.topic].publish(message.raw)
        self.played[message.topic] += 1
        if self._config.progress:
            length_ns = max(1, self._bag.end_ns - self._bag.start_ns)
            done_ns = message.stamp_ns - self._bag.start_ns
            self._progress.show(time.monotonic(), done_ns / length_ns, f"{done_ns / 1e9:.1f} of {length_ns / 1e9:.1f} s")

    def _tell_time(self, now_ns: int) -> None:
        if self._clock is not None:
            clock = Clock()
            clock.clock.sec, clock.clock.nanosec = divmod(max(0, now_ns), 1_000_000_000)
            self._clock.publish(clock)


def replay(node: Node, asked_to_end: Callable[[], bool]) -> None:
    """Play what the node's parameters say.

    Raises:
        ChrommError: if a parameter, the recording or the listeners do not fit.
    """
    config = read_settings(node, ReplayConfig())
    if not config.bag:
        raise ConfigError("the parameter bag is empty, expected the folder of a recording: --ros-args -p bag:=FOLDER")
    with BagReader(config.bag) as bag:
        Replayer(node, bag, config, asked_to_end).play()


def main(args: list[str] | None = None) -> int:
    """Run the program; 0 at the end of the recording or on a signal, 1 after an error."""
    transport.prepare_process()
    return run_program("replay", replay, args)


if __name__ == "__main__":
    sys.exit(main())
