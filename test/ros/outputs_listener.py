"""A process that subscribes to topics of the node under test and tells as JSON lines what it hears.

Usage: outputs_listener.py NAMESPACE SECONDS TOPIC...     ends after SECONDS, or when its standard input is closed
"""

import json
import math
import sys
import threading
import time
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from chromm_ros.msg import SmplxBodyArray, WindowStatus


def kind_of(topic: str) -> type:
    ends = {
        "bodies": SmplxBodyArray,
        "status": WindowStatus,
        "scene/points": PointCloud2,
        "markers/mesh": MarkerArray,
        "markers/skeleton": MarkerArray,
        "pose": PoseStamped,
        "camera_info_estimated": CameraInfo,
        "tf": TFMessage,
    }
    return next(kind for end, kind in ends.items() if topic.endswith(end))


def stamp_of(header: Any) -> int:
    return int(header.stamp.sec * 10**9 + header.stamp.nanosec)


def numbers(message: Any) -> list[float]:
    """All numbers of a message, however deep."""
    if isinstance(message, (int, float, np.number)):
        return [float(message)]
    if isinstance(message, (str, bytes)):
        return []
    if hasattr(message, "get_fields_and_field_types"):
        return [n for name in message.get_fields_and_field_types() for n in numbers(getattr(message, name))]
    return [n for part in message for n in numbers(part)]


def tell(message: Any) -> dict[str, Any]:
    if isinstance(message, TFMessage):
        edges = [[t.header.frame_id, t.child_frame_id, stamp_of(t.header)] for t in message.transforms]
        return {"edges": edges}
    if isinstance(message, MarkerArray):
        parts = [[m.ns, m.id, m.action, len(m.points), m.header.frame_id, stamp_of(m.header)] for m in message.markers]
        return {"markers": parts, "finite": all(map(math.isfinite, numbers(message)))}
    told = {"stamp": stamp_of(message.header), "frame": message.header.frame_id}
    if isinstance(message, PointCloud2):
        return told | {"points": message.width, "bytes": len(message.data), "fields": [field.name for field in message.fields]}
    if isinstance(message, SmplxBodyArray):
        bodies = [
            [
                body.id,
                body.track_id,
                body.state,
                body.seen_by,
                body.model_type,
                body.body_file,
                list(map(float, [*body.joints[:3], body.deviation])),
            ]
            for body in message.bodies
        ]
        return told | {"bodies": bodies, "cameras": message.cameras, "finite": all(map(math.isfinite, numbers(message)))}
    if isinstance(message, WindowStatus):
        names = ("epoch", "window", "steps", "people", "points", "latency_sync_ms", "latency_queue_ms", "scale_ratio", "weights")
        return told | {name: getattr(message, name) for name in names} | {"present": [bool(flag) for flag in message.present]}
    if isinstance(message, CameraInfo):
        return told | {"size": [message.width, message.height], "k": list(message.k), "p": list(message.p)}
    position = message.pose.position
    return told | {"position": [position.x, position.y, position.z]}


def main(namespace: str, seconds: float, *topics: str) -> None:
    rclpy.init()
    node = rclpy.create_node("listener", namespace=namespace)
    lock = threading.Lock()

    def hear(topic: str, message: Any) -> None:
        with lock:
            sys.stdout.write(json.dumps({"topic": topic, **tell(message)}) + "\n")
            sys.stdout.flush()

    for topic in topics:
        late = DurabilityPolicy.TRANSIENT_LOCAL if topic == "scene/points" else DurabilityPolicy.VOLATILE
        node.create_subscription(
            kind_of(topic), topic, lambda message, topic=topic: hear(topic, message), QoSProfile(depth=50, durability=late)
        )
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    end = time.monotonic() + seconds
    while time.monotonic() < end and not closed.is_set():
        rclpy.spin_once(node, timeout_sec=0.05)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
