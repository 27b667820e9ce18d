"""Frames that never move onto /tf_static, where late listeners find them."""

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.transform_broadcaster import as_list


class StaticTransformBroadcaster:
    """Publishes transforms on /tf_static; the one latched message holds everything that was ever sent.

    As upstream does in Jazzy, a child frame keeps the transform that was sent first: sending it again changes nothing.
    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        """Publish with `node`; reliable, latched, depth 1 by default."""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos or latched)
        self.net_message = TFMessage()
        self._child_frame_ids: set[str] = set()

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Add one transform or several to those that stand, and publish all of them."""
        for one in as_list(transform):
            if one.child_frame_id not in self._child_frame_ids:
                self._child_frame_ids.add(one.child_frame_id)
                self.net_message.transforms.append(one)
        self.pub_tf.publish(self.net_message)
