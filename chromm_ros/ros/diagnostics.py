"""What the node says about its health: /diagnostics for tools, and one table in the log when nothing comes."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from chromm_ros.ros.intake import CameraReport, Intake
from chromm_ros.ros.options import DiagnosticsConfig
from chromm_ros.stream.sync import FrameSync

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
FAILURE_SHOWN_S = 30.0
"""How long a window that failed stays a warning."""
PARTS = ("sync", "queue", "prepare", "infer", "reconstruct", "publish", "total")
"""Latencies of a WindowStatus, in the order in which they pass."""


def status(name: str, level: bytes, message: str, **values: object) -> DiagnosticStatus:
    """One entry of /diagnostics."""
    pairs = [KeyValue(key=key, value=f"{value:.3f}" if isinstance(value, float) else str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=f"chromm: {name}", level=level, message=message, hardware_id=socket.gethostname(), values=pairs)


def judged(health: Mapping[str, float], people: int) -> tuple[bytes, str]:
    """Level and message of the reconstruction by the health numbers of its last window."""
    troubles = {
        "window_refused": "the last window could not be meant and was left out",
        "rig_odd_deg": f"camera number {health.get('rig_odd_camera', -1.0) + 1:.0f} of `cameras` looks {health.get('rig_odd_deg', 0.0):.0f} "
        "degrees away from where its images show: check its pose in TF",
        "scale_alarm": "people and known cameras disagree on the scale: check calibration and units",
        "static_contradicted": "cameras that no image ties to the world have moved: give their poses by TF, or more frames per window",
    }
    for name, message in troubles.items():
        if health.get(name, 0.0) > 0.0:
            return WARN, message
    return OK, f"{people} people"


def camera_status(report: CameraReport, config: DiagnosticsConfig) -> DiagnosticStatus:
    """How one camera is doing."""
    level, message = _judge(report, config)
    counters = {key: value for key, value in vars(report.counters).items() if key != "received"}
    depth = {f"depth_{key}": value for key, value in vars(report.depth).items() if key != "trouble"} if report.depth else {}
    return status(
        f"camera {report.camera}",
        level,
        message,
        topic=report.topic,
        publishers=report.publishers,
        qos=report.reliability,
        rate_hz=report.hz,
        lost=report.lost,
        age_s=report.age_s if report.age_s is not None else "",
        received=report.received,
        refused=report.refused,
        calibrated=report.calibrated,
        poses_missing=report.poses_missing,
        **counters,
        **depth,
    )


def _judge(report: CameraReport, config: DiagnosticsConfig) -> tuple[bytes, str]:
    if report.publishers == 0:
        return STALE, "nobody publishes its images"
    if report.age_s is None or report.age_s > config.silence_s:
        return ERROR, "silent" if report.age_s is None else f"silent for {report.age_s:.0f} s"
    if report.lost > config.loss_warn:
        return WARN, f"{report.lost:.0%} of the images get lost: give the driver the Fast DDS profile of this package"
    received, refused, late = report.recent
    if late > config.loss_warn * received:
        return WARN, f"{late} of {received} images came too late for their frame-set: raise sync.max_wait_s"
    if refused:
        return WARN, f"{refused} of {received} images were refused, the log says why"
    if report.info and not report.calibrated:
        return WARN, "its camera_info cannot be used, the log says why: the camera counts as uncalibrated"
    if report.depth and report.depth.trouble:
        return WARN, report.depth.trouble
    return OK, f"{report.hz:.1f} Hz"


def intake_statuses(intake: Intake, config: DiagnosticsConfig) -> list[DiagnosticStatus]:
    """The cameras and how well they are in step; nothing is wrong with what was told to stop."""
    if not intake.enabled:
        return [status("sync", OK, "disabled by ~/enable")]
    cameras = [camera_status(report, config) for report in intake.report()]
    return [*cameras, sync_status(intake.sync, intake.no_set_s, config)]


def sync_status(sync: FrameSync, silent_s: float, config: DiagnosticsConfig) -> DiagnosticStatus:
    """How well the cameras are in step."""
    sets, spreads = sync.counters.sets, np.array(sync.recent_spreads_ns or (0,)) / 1e6
    level, message = (WARN, sync.warning) if sync.warning else (OK, "in step")
    if silent_s > config.silence_s:
        level, message = ERROR, f"no frame-set for {silent_s:.0f} s"
    return status(
        "sync",
        level,
        message,
        epoch=sync.epoch,
        sets_complete=sets.complete,
        sets_partial=sets.partial,
        sets_short=sets.short,
        sets_skipped=sets.skipped,
        spread_p50_ms=float(np.percentile(spreads, 50)),
        spread_p95_ms=float(np.percentile(spreads, 95)),
        tolerance_ms=sync.tolerance_ns / 1e6,
        resets=sync.counters.resets,
        stale=", ".join(sorted(sync.stale)),
    )


@dataclass
class Latencies:
    """The last hundred results; written by the worker's thread, read by the executor's (a deque's append is atomic)."""

    _rows: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=100))
    people: int = 0
    """In the last result."""
    failure: tuple[float, str] = (-FAILURE_SHOWN_S, "")
    """When (monotonic seconds) a window failed last, and why."""

    def see(self, message: Any) -> None:
        """Note a WindowStatus."""
        self._rows.append(tuple(getattr(message, f"latency_{part}_ms") for part in PARTS))
        self.people = message.people

    def status(self, config: DiagnosticsConfig, **values: object) -> DiagnosticStatus:
        """How long results take, with further values."""
        rows = np.array(list(self._rows) or [(0.0,) * len(PARTS)])
        middle, high = np.percentile(rows, [50, 95], axis=0)
        slow = bool(self._rows) and middle[-1] > config.latency_warn_ms
        if time.monotonic() - self.failure[0] < FAILURE_SHOWN_S:
            level, message = WARN, f"a window failed: {self.failure[1]}"
        elif slow:
            level, message = (
                WARN,
                f"results come {middle[-1]:.0f} ms after their images: shorten window.length or use fewer cameras",
            )
        else:
            level, message = OK, f"{middle[-1]:.0f} ms" if self._rows else "no result yet"
        spans = {f"{part}_ms": f"{a:.1f} / {b:.1f}" for part, a, b in zip(PARTS, middle, high, strict=True)}
        return status("inference", level, message, people=self.people, **spans, **values)


def untrained(weights: str) -> bool:
    """Whether a name of weights says that some were drawn, not learnt (`model/load.py` names them)."""
    return "untrained" in weights


def model_status(weights: str, device: str) -> DiagnosticStatus:
    """Which network runs."""
    if untrained(weights):
        return status("model", WARN, "untrained weights: the people are not to be believed", weights=weights, device=device)
    return status("model", OK, weights, weights=weights, device=device)


def silence_table(reports: Sequence[CameraReport], asked_reliability: str) -> str:
    """All cameras, one line each, for the log."""
    head = ("camera", "topic", "publishers", f"qos ({asked_reliability})", "Hz", "last stamp [s]", "behind [ms]", "refused")
    rows = [
        (
            report.camera,
            report.topic,
            str(report.publishers),
            report.reliability or "not subscribed",
            f"{report.hz:.1f}",
            f"{report.stamp_ns / 1e9:.3f}" if report.stamp_ns else "none",
            f"{report.behind_ms:.0f}" if report.stamp_ns else "-",
            str(report.refused),
        )
        for report in reports
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )


def why_silent(reports: Sequence[CameraReport], known_topics: Sequence[str]) -> str:
    """One sentence on what to look at first."""
    absent = [report.camera for report in reports if report.publishers == 0]
    refused = [report.camera for report in reports if report.publishers and report.received and report.refused == report.received]
    mute = [report.camera for report in reports if report.publishers and not report.received]
    if absent:
        topics = ", ".join(known_topics) or "none at all"
        return f"nobody publishes the images of {', '.join(absent)}; topics of images that exist: {topics}"
    if mute:
        return f"{', '.join(mute)}: there are publishers, but no image arrives: look at their QoS, ROS_DOMAIN_ID and the network"
    if refused:
        return f"every image of {', '.join(refused)} is refused, the log says why"
    unstamped = [report.camera for report in reports if report.counters.unstamped]
    if unstamped:
        return f"the images of {', '.join(unstamped)} carry no stamp (0): let the driver fill header.stamp"
    return "images stopped coming, or no frame-set has enough cameras: look at sync.min_cameras and required"
