"""Subscriptions that follow the graph: they wait for a publisher, take its transport and its reliability, and say what is wrong.

A best-effort subscription to a reliable publisher loses large images for nothing, and a reliable one to a best-effort publisher
gets none at all. So nothing is guessed: `look` asks who publishes and subscribes to match; called again, it follows changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from chromm_ros.ros.options import CameraConfig, QosConfig

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

SUFFIX, DEPTH_SUFFIX = "/compressed", "/compressedDepth"
_TYPES = {
    Image: "sensor_msgs/msg/Image",
    CompressedImage: "sensor_msgs/msg/CompressedImage",
    CameraInfo: "sensor_msgs/msg/CameraInfo",
}
Say = Callable[[str, str], None]
"""`say(kind, sentence)`: a warning; the same sentence again need not be repeated."""


@dataclass(frozen=True)
class Offer:
    """Who publishes a topic of the type that we want."""

    count: int
    """Publishers of that type."""
    reliable: bool
    """Whether all of them offer reliable delivery."""
    other_types: tuple[str, ...]
    """Types of publishers that we cannot take."""


def offer(node: Node, topic: str, kind: type) -> Offer:
    """What the graph says about a topic (a resolved name)."""
    infos = node.get_publishers_info_by_topic(topic)
    ours = [info for info in infos if info.topic_type == _TYPES[kind]]
    reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in ours)
    return Offer(len(ours), reliable, tuple(sorted({info.topic_type for info in infos} - {_TYPES[kind]})))


class MatchedSubscription:
    """One topic, subscribed to as its publishers want it; made anew when that changes."""

    def __init__(self, node: Node, config: QosConfig, callback: Callable[[Any], None], say: Say) -> None:
        """Nothing is subscribed to yet."""
        self._node, self._config, self._callback, self._say = node, config, callback, say
        self._subscription: Any = None
        self._made: tuple[type, str, ReliabilityPolicy] | None = None

    @property
    def topic(self) -> str:
        """Name of the topic subscribed to, empty while there is none."""
        return self._made[1] if self._made else ""

    @property
    def reliability(self) -> str:
        """`reliable` or `best_effort` as subscribed, empty while there is none."""
        return self._made[2].name.lower() if self._made else ""

    @property
    def publishers(self) -> int:
        """Publishers of the topic that the graph knows, of whatever type and QoS."""
        return self._node.count_publishers(self.topic) if self._made else 0

    def follow(self, kind: type, topic: str, found: Offer) -> None:
        """Subscribe as `found` wants it, if that is not so already."""
        wanted = ReliabilityPolicy.RELIABLE if self._reliable(found) else ReliabilityPolicy.BEST_EFFORT
        if (kind, topic, wanted) == self._made:
            return
        self.close()
        qos = QoSProfile(depth=self._config.depth, reliability=wanted)
        self._subscription = self._node.create_subscription(
            kind,
            topic,
            self._callback,
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda event: self._on_incompatible(topic, event)),
            qos_overriding_options=QoSOverridingOptions(self._overridable(topic)),
        )
        self._made = (kind, topic, wanted)

    def close(self) -> None:
        """End the subscription."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._made = None

    def _reliable(self, found: Offer) -> bool:
        return found.reliable if self._config.reliability == "match" else self._config.reliability == "reliable"

    def _overridable(self, topic: str) -> tuple[QoSPolicyKind, ...]:
        """The policies for which rclpy declares `qos_overrides` parameters.

        They are declared once and keep their value, so reliability may only be among them where it is not ours to follow.
        """
        name = f"qos_overrides.{topic}.subscription.reliability"
        told = self._config.reliability != "match" or name in self._node._parameter_overrides
        always = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
        return (*always, QoSPolicyKind.RELIABILITY) if told else always

    def _on_incompatible(self, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        if policy == "reliability" and self._config.reliability == "match":
            return  # a best-effort publisher joined: the next look follows it
        cure = (
            "set qos.reliability to match or best_effort"
            if policy == "reliability"
            else f"correct qos_overrides.{topic}.subscription"
        )
        self._say(
            f"qos {topic}",
            f"a publisher of {topic} offers less {policy} than this node asks for, so that none of its messages arrive: {cure}",
        )


class CameraTopics:
    """The image topic of one camera, the CameraInfo beside it, and its depth images where it has some."""

    def __init__(
        self,
        node: Node,
        camera: str,
        config: CameraConfig,
        qos: QosConfig,
        on_image: Callable[[Any], None],
        on_info: Callable[[Any], None],
        on_depth: Callable[[Any], None],
        say: Say,
    ) -> None:
        """Resolve the names, remapping included; nothing is subscribed to before `look`."""
        self._node, self._say, self.camera = node, say, camera
        self.base, self.transport = _base(node.resolve_topic_name(config.image_topic or f"{camera}/image_raw"), config.transport)
        beside = f"{self.base.rpartition('/')[0]}/camera_info"
        self.info_topic = node.resolve_topic_name(config.info_topic or beside)
        self.depth_base = node.resolve_topic_name(config.depth_topic) if config.depth_topic else ""
        self.image = MatchedSubscription(node, qos, on_image, say)
        self.info = MatchedSubscription(node, qos, on_info, say)
        self.depth = MatchedSubscription(node, qos, on_depth, say)

    def look(self) -> bool:
        """Follow the graph; returns whether somebody publishes the CameraInfo."""
        self._follow(self.image, self._candidates(), "image_topic to a topic of images")
        self._follow(self.depth, self._depth_candidates(), "depth_topic to a topic of depth images")
        found = offer(self._node, self.info_topic, CameraInfo)
        if found.count:
            self.info.follow(CameraInfo, self.info_topic, found)
        return bool(found.count)

    def _follow(self, subscription: MatchedSubscription, candidates: list[tuple[type, str]], cure: str) -> None:
        """Subscribe to the first of the topics that somebody publishes."""
        for kind, topic in candidates:
            found = offer(self._node, topic, kind)
            if found.count:
                subscription.follow(kind, topic, found)
                break
            if found.other_types:
                self._say(
                    f"type {topic}",
                    f"{self.camera}: {topic} carries {', '.join(found.other_types)}, expected {_TYPES[kind]}: "
                    f"set {self.camera}.{cure}",
                )

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in (self.image, self.info, self.depth):
            subscription.close()

    @property
    def expected(self) -> str:
        """The topic that is subscribed to, or the names of those that would be."""
        return self.image.topic or " or ".join(topic for _, topic in self._candidates())

    @property
    def expected_depth(self) -> str:
        """The same for the depth images; empty where the camera has none."""
        return self.depth.topic or " or ".join(topic for _, topic in self._depth_candidates())

    def _candidates(self) -> list[tuple[type, str]]:
        raw, compressed = (Image, self.base), (CompressedImage, self.base + SUFFIX)
        return {"raw": [raw], "compressed": [compressed]}.get(self.transport, [raw, compressed])

    def _depth_candidates(self) -> list[tuple[type, str]]:
        if not self.depth_base:
            return []
        if self.depth_base.endswith(DEPTH_SUFFIX):
            return [(CompressedImage, self.depth_base)]
        return [(Image, self.depth_base), (CompressedImage, self.depth_base + DEPTH_SUFFIX)]


def _base(topic: str, transport: str) -> tuple[str, str]:
    """The topic without the suffix of a transport, and the transport that the suffix stands for."""
    if topic.endswith(SUFFIX):
        return topic.removesuffix(SUFFIX), "compressed"
    return topic, transport


def image_topics(node: Node) -> list[str]:
    """All topics on which somebody publishes images, for the hint when one is missing."""
    kinds = {_TYPES[Image], _TYPES[CompressedImage]}
    named = sorted(topic for topic, types in node.get_topic_names_and_types() if kinds & set(types))
    return [topic for topic in named if node.count_publishers(topic)]
