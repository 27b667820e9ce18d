"""What the node says: warnings that do not repeat themselves, the table when nothing comes, and /diagnostics."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from chromm_ros.ros.diagnostics import STALE, intake_statuses, silence_table, status, why_silent
from chromm_ros.ros.engine import Engine
from chromm_ros.ros.intake import Intake
from chromm_ros.ros.options import NodeSettings
from chromm_ros.ros.subscriptions import image_topics

REPEAT_S = 10.0
"""The same warning again at most so often."""
OF_A_KIND_S = 1.0
"""Different warnings of one kind at most so often: they may carry numbers that change."""
TABLE_AGAIN_S = 30.0
"""The table of silent cameras at most so often."""


class Voice:
    """The log and the diagnostics of one node."""

    def __init__(self, node: Node) -> None:
        """Create the publisher of /diagnostics."""
        self._node = node
        self._said: dict[str, tuple[str, float]] = {}
        self._table_after_s = 0.0
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))

    def say(self, kind: str, sentence: str) -> None:
        """Warn, if this has not just been said."""
        said, when = self._said.get(kind, ("", -REPEAT_S))
        now = time.monotonic()
        if now - when >= (REPEAT_S if said == sentence else OF_A_KIND_S):
            self._said[kind] = (sentence, now)
            self._node.get_logger().warning(sentence)

    def watch(self, intake: Intake, settings: NodeSettings) -> None:
        """Explain what is wrong with the stream, if something is."""
        if intake.sync.warning:
            self.say("sync", intake.sync.warning)
        if intake.pose_trouble:
            self.say("rig", f"poses of cameras are not known, so that they are estimated: {intake.pose_trouble}")
        for camera, trouble in intake.depth_trouble.items():
            self.say(f"depth of {camera}", f"{camera}: {trouble}")
        silent = intake.silent_s
        if silent <= settings.node.diagnostics.silence_s or time.monotonic() < self._table_after_s:
            return
        self._table_after_s = time.monotonic() + TABLE_AGAIN_S
        reports = intake.report()
        reason = why_silent(reports, image_topics(self._node))
        table = silence_table(reports, settings.node.qos.reliability)
        self._node.get_logger().warning(f"no images or frame-sets for {silent:.0f} s: {reason}\n{table}")

    def diagnose(self, engine: Engine | None, intake: Intake | None, settings: NodeSettings) -> None:
        """Publish /diagnostics."""
        entries = [status("model", STALE, "not configured")] if engine is None else engine.statuses(settings)
        if intake is not None:
            entries += intake_statuses(intake, settings.node.diagnostics)
        owner = self._node.get_namespace().strip("/")
        for entry in entries if owner else ():  # two nodes must not write each other's entries
            entry.name = f"{owner}/{entry.name}"
        stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(DiagnosticArray(header=Header(stamp=stamp), status=entries))
