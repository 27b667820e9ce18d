#!/usr/bin/env python3
"""The program `record_node`: records topics into a rosbag2 (MCAP), where `ros2 bag record` is not installed or to be embedded.

Messages are taken serialised and written as they are. Each topic is subscribed to as its publishers offer it, so that latched
messages from before the start are recorded too.
"""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from chromm_ros.data.typestore import make_typestore
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.ros import transport
from chromm_ros.ros.program import read_settings, run_program
from chromm_ros.ros.recorded import message_class, qos_to_bag, qos_to_record
from chromm_ros.settings import Settings, setting

_LOOK_S = 0.1
"""How often new topics are looked for."""


@dataclass(frozen=True)
class RecordConfig(Settings):
    """What is recorded, and where."""

    output: str = setting("", "folder of the recording, which must not exist")
    topics: tuple[str, ...] = setting((), "topics to record, as soon as somebody publishes them")
    pattern: str = setting("", "regular expression; every topic whose whole name fits is recorded too, for example /chromm/.*")
    depth: int = setting(100, "messages that may wait per topic", at_least=1, at_most=10_000)


@dataclass
class TopicCount:
    """What was recorded of one topic."""

    messages: int = 0
    """Messages."""
    size: int = 0
    """Bytes of the serialised messages."""


class Recorder:
    """Records through a node that somebody spins, from its construction until `close`."""

    def __init__(self, node: Node, config: RecordConfig) -> None:
        """Create the recording and begin to look for topics.

        Raises:
            ConfigError: if the pattern is no regular expression, or nothing is to be recorded.
            FileError: if the folder cannot be created.
        """
        self._node, self._config = node, config
        self._pattern = _pattern(config)
        self._typestore = make_typestore()
        self._writer = Writer(_fresh(config.output), version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self.path = Path(config.output)
        self.counts: dict[str, TopicCount] = {}
        """What was recorded so far, by topic."""
        self._subscriptions: dict[str, Any] = {}
        self._refused: set[str] = set()
        self._timer = node.create_timer(_LOOK_S, self.look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.look()

    def look(self) -> None:
        """Subscribe to what is new in the graph."""
        for topic, types in self._node.get_topic_names_and_types():
            if topic in self._subscriptions or topic in self._refused or not self._wants(topic):
                continue
            offered = [info.qos_profile for info in self._node.get_publishers_info_by_topic(topic)]
            if offered:
                self._subscribe(topic, types[0], offered)

    def close(self) -> None:
        """End the subscriptions and complete the recording."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._writer.close()

    def summary(self) -> str:
        """One line on what was recorded."""
        size = sum(count.size for count in self.counts.values())
        each = ", ".join(f"{topic} {count.messages}" for topic, count in sorted(self.counts.items()))
        messages = sum(count.messages for count in self.counts.values())
        return f"recorded {messages} messages, {size / 1e6:.2f} MB, into {self.path}: {each or 'nobody published these topics'}"

    def _wants(self, topic: str) -> bool:
        named = (self._node.resolve_topic_name(name) for name in self._config.topics)
        return topic in named or (self._pattern is not None and self._pattern.fullmatch(topic) is not None)

    def _subscribe(self, topic: str, msgtype: str, offered: list[Any]) -> None:
        kind = message_class(msgtype)
        if kind is None or msgtype not in self._typestore.fielddefs:
            self._refused.add(topic)
            self._node.get_logger().warning(f"{topic} is not recorded: the definition of its type {msgtype} is not installed")
            return
        connection = self._writer.add_connection(
            topic, msgtype, typestore=self._typestore, offered_qos_profiles=[qos_to_bag(profile) for profile in offered]
        )
        self.counts[topic] = TopicCount()
        qos = qos_to_record(offered, self._config.depth)
        self._subscriptions[topic] = self._node.create_subscription(kind, topic, partial(self._write, connection), qos, raw=True)

    def _write(self, connection: Connection, raw: bytes) -> None:
        self._writer.write(connection, self._node.get_clock().now().nanoseconds, raw)
        count = self.counts[connection.topic]
        count.messages += 1
        count.size += len(raw)


def _pattern(config: RecordConfig) -> re.Pattern[str] | None:
    if not config.topics and not config.pattern:
        raise ConfigError("nothing is to be recorded: set topics to a list of names, or pattern to a regular expression")
    try:
        return re.compile(config.pattern) if config.pattern else None
    except re.error as error:
        raise ConfigError(f"pattern is {config.pattern!r}, which is no regular expression: {error}") from None


def _fresh(output: str) -> Path:
    if not output:
        raise ConfigError("the parameter output is empty, expected the folder to be created: --ros-args -p output:=FOLDER")
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder of {output} cannot be created: {error}") from error
    if Path(output).exists():
        raise FileError(f"{output} exists already: remove it or choose another folder")
    return Path(output)


def record(node: Node, asked_to_end: Callable[[], bool]) -> None:
    """Record what the node's parameters say, until asked to end.

    Raises:
        ChrommError: if a parameter or the folder does not fit.
    """
    recorder = Recorder(node, read_settings(node, RecordConfig()))
    executor = transport.make_executor()
    executor.add_node(node)
    node.get_logger().info(f"recording into {recorder.path}")
    try:
        while not asked_to_end():
            executor.spin_once(timeout_sec=_LOOK_S)
        drain = time.monotonic() + 0.2  # what has arrived but was not served yet
        while time.monotonic() < drain:
            executor.spin_once(timeout_sec=0.01)
    finally:
        recorder.close()
    node.get_logger().info(recorder.summary())


def main(args: list[str] | None = None) -> int:
    """Run the program; 0 after a signal, 1 after an error."""
    transport.prepare_process()
    return run_program("record", record, args)


if __name__ == "__main__":
    sys.exit(main())
