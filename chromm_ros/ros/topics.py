"""Topics that cost nothing while nobody listens."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message

try:
    from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, UnsupportedEventTypeError

Message = Any
"""A generated ROS message, or its CDR bytes."""


class LazyTopic:
    """A reliable topic whose messages are built only when somebody listens.

    A latched one (transient_local) keeps the recipe of the newest message while nobody listens and builds it for whoever comes
    later, where rclpy tells of new subscribers (Jazzy on; on Humble a late one waits for the next message). The lock is there because the worker
    offers messages and the executor learns of subscribers.
    """

    def __init__(self, node: Node, kind: type, name: str, depth: int, *, latched: bool = False) -> None:
        """Create the publisher; its QoS can be changed by the parameters `qos_overrides.<topic>.publisher.*`."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        self._node, self._kind, self._latched = node, kind, latched
        self._lock = threading.Lock()
        self._waiting: Callable[[], Message] | None = None
        self.built = 0
        """Messages that were built."""
        self.publisher = _create_publisher(node, kind, name, qos, self._on_matched if latched else None)

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self.publisher.get_subscription_count())

    def offer(self, build: Callable[[], Message]) -> bool:
        """Build and publish a message if somebody listens; returns whether that was so."""
        with self._lock:
            if not self.heard:
                self._waiting = build if self._latched else None
                return False
            self._waiting = None
            self._publish(build())
            return True

    def destroy(self) -> None:
        """Remove the publisher."""
        self._node.destroy_publisher(self.publisher)

    def _on_matched(self, info: Any) -> None:
        with self._lock:
            build, self._waiting = (self._waiting, None) if info.current_count > 0 else (None, self._waiting)
            if build is not None:
                self._publish(build())

    def _publish(self, message: Message) -> None:
        self.built += 1
        try:
            self.publisher.publish(message)
        except TypeError:
            if not isinstance(message, bytes):
                raise
            self.publisher.publish(deserialize_message(message, self._kind))  # an rclpy that takes no bytes


def _create_publisher(node: Node, kind: type, name: str, qos: QoSProfile, on_matched: Callable[[Any], None] | None) -> Any:
    overrides = QoSOverridingOptions.with_default_policies()
    known = inspect.signature(PublisherEventCallbacks.__init__).parameters
    if on_matched is not None and "matched" in known:
        events = PublisherEventCallbacks(matched=on_matched)
        try:
            return node.create_publisher(kind, name, qos, event_callbacks=events, qos_overriding_options=overrides)
        except UnsupportedEventTypeError:
            node.get_logger().debug(f"this middleware does not tell who subscribes to {name}")
    return node.create_publisher(kind, name, qos, qos_overriding_options=overrides)
