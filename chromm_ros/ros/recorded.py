"""Between a recording's words for types and QoS and those of rclpy."""

import importlib
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from chromm_ros.data.bag import BagTopic

_FOREVER = QosTime(9223372036, 854775807)
"""What rosbag2 writes for a time that is not set."""


def message_class(msgtype: str) -> Any | None:
    """The class of `package/msg/Name`, or None where its package is not installed (rosidl_runtime_py is not everywhere)."""
    package, _, rest = msgtype.partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.{rest.rpartition('/')[0]}"), rest.rpartition("/")[2], None)
    except ModuleNotFoundError:
        return None


def is_static(topic: str) -> bool:
    """Whether a topic carries static transforms, which whoever comes later must get as well."""
    return topic.rpartition("/")[2] == "tf_static"


def qos_to_play(topic: BagTopic, *, reliable: bool = False) -> QoSProfile:
    """What to offer for a recorded topic: as its publishers did, else latched for static transforms and reliable for the rest.

    Args:
        topic: of the recording.
        reliable: whether to offer reliable delivery whatever was recorded, for a replay that must not lose anything.
    """
    if not topic.qos:
        durability = DurabilityPolicy.TRANSIENT_LOCAL if is_static(topic.name) else DurabilityPolicy.VOLATILE
        return QoSProfile(depth=100 if is_static(topic.name) else 10, durability=durability)
    best_effort = all(qos.reliability == QosReliability.BEST_EFFORT for qos in topic.qos) and not reliable
    latched = any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in topic.qos)
    return QoSProfile(
        depth=max(10, *(qos.depth for qos in topic.qos)),
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def qos_to_record(offered: list[QoSProfile], depth: int) -> QoSProfile:
    """The strictest request that all publishers of a topic meet."""
    reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered)
    latched = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def qos_to_bag(profile: QoSProfile) -> Qos:
    """A publisher's profile as a recording keeps it."""
    best_effort = profile.reliability == ReliabilityPolicy.BEST_EFFORT
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return Qos(
        QosHistory.KEEP_ALL if profile.history == HistoryPolicy.KEEP_ALL else QosHistory.KEEP_LAST,
        max(1, profile.depth),
        QosReliability.BEST_EFFORT if best_effort else QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        avoid_ros_namespace_conventions=False,
    )
