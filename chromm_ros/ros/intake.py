"""From image topics to windows: everything that exists only while the node is active. All of it runs in the executor's thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.node import Node

from chromm_ros.data.messages import stamp_ns
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.inputs.depth import DepthInput, DepthReport, make_pairing, take_times
from chromm_ros.records import Frame, FrameSet, Window
from chromm_ros.ros.cv_bridge_images import through_cv_bridge
from chromm_ros.ros.options import NodeSettings
from chromm_ros.ros.rig import Rig
from chromm_ros.ros.subscriptions import CameraTopics, Say
from chromm_ros.ros.watch import Watch
from chromm_ros.stream.counters import CameraCounters
from chromm_ros.stream.lane import Entry
from chromm_ros.stream.sync import FrameSync
from chromm_ros.stream.window import SlidingWindow


@dataclass(frozen=True)
class CameraReport:
    """How one camera is doing, for people."""

    camera: str
    """Name."""
    topic: str
    """The topic, or the ones looked for."""
    publishers: int
    """Of that topic."""
    reliability: str
    """Of our subscription; empty where there is none."""
    hz: float
    """Images per second."""
    lost: float
    """Share of images missing between the stamps."""
    age_s: float | None
    """Since the last image; None where there was none."""
    stamp_ns: int
    """Of the last image."""
    behind_ms: float
    """How far the last stamp lies behind the newest of all cameras."""
    received: int
    """Images that arrived."""
    refused: int
    """Images that could not be used."""
    info: bool
    """Whether a CameraInfo has come."""
    calibrated: bool
    """Whether its intrinsics are known."""
    poses_missing: int
    """Images whose pose TF did not know; 0 where poses are not asked for."""
    counters: CameraCounters
    """Of the synchroniser."""
    recent: tuple[int, int, int]
    """Images received, refused and too late since the tenth report before."""
    depth: DepthReport | None = None
    """Of its depth images; None where it has no topic of them."""


class Intake:
    """The cameras of a node, put in step and gathered into windows."""

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        sync: FrameSync,
        window: SlidingWindow,
        on_set: Callable[[FrameSet], None],
        on_window: Callable[[Window], object],
        on_reset: Callable[[int], None],
        say: Say,
    ) -> None:
        """No image is subscribed to before the first `look`.

        Args:
            node: that subscribes.
            settings: of the node.
            sync: puts the cameras in step.
            window: gathers frame-sets.
            on_set: called with each frame-set, after its window.
            on_window: called with each window.
            on_reset: called with the new epoch after a reset, of which nothing older should be seen.
            say: called as `say(kind, sentence)` about what is wrong.
        """
        self.sync, self.window = sync, window
        self.enabled = True
        """Whether images are used; otherwise they are not even decoded."""
        self._begun_ns = self._last_set_ns = time.monotonic_ns()
        self._on_set, self._on_window, self._on_reset = on_set, on_window, on_reset
        config = settings.node
        self._watches = {name: Watch() for name in sync.cameras}
        self._marks = {name: deque([(0, 0, 0)], maxlen=10) for name in sync.cameras}
        self._inputs: dict[str, CameraInput] = {}
        self._depths: dict[str, DepthInput] = {}
        self._topics: dict[str, CameraTopics] = {}
        for name, camera in settings.cameras.items():
            callbacks = (partial(self._on_image, name), partial(self._on_info, name), partial(self._on_depth, name))
            topics = self._topics[name] = CameraTopics(node, name, camera, config.qos, *callbacks, say)
            offset_ns = round(camera.time_offset_s * 1e9)
            of_camera = partial(_say_of, say, name)
            self._inputs[name] = CameraInput(
                name,
                of_camera,
                rectify=config.rectify == "auto",
                offset_ns=offset_ns,
                topic=topics.base,
                unknown=through_cv_bridge,
            )
            if camera.depth_topic:
                pairing = make_pairing(settings.chromm.sync, round(camera.depth_tolerance_s * 1e9))
                rectifier = partial(getattr, self._inputs[name], "rectifier")
                self._depths[name] = DepthInput(name, of_camera, pairing, rectifier, offset_ns)
        self._epoch = sync.epoch
        self._rig = Rig(node, config.rig.frame) if config.rig.source == "tf" else None  # last: it listens from now on

    def look(self) -> None:
        """Follow the graph: subscribe where a publisher has come, match where one has changed."""
        for name, topics in self._topics.items():
            self._inputs[name].expects_info = topics.look()

    def expire(self) -> None:
        """Let images and frame-sets go that have waited long enough."""
        now_ns = time.monotonic_ns()
        for depths in self._depths.values():
            self._push(depths.expire(now_ns), now_ns)
        self._take(self.sync.expire(now_ns))

    def reconfigure(self, settings: NodeSettings) -> None:
        """Take changed times of waiting; the synchroniser and the window are told by whoever owns them."""
        for depths in self._depths.values():
            take_times(depths.pairing, settings.chromm.sync)

    def reset(self) -> None:
        """Start a new epoch; nothing that waits anywhere gets into it."""
        for source in self._inputs.values():
            source.drop_held()
        for depths in self._depths.values():
            depths.pairing.reset()
        self.sync.reset()
        self.window.reset()
        self._follow(self.sync.epoch)
        self._on_reset(self.sync.epoch)

    def enable(self, *, on: bool) -> None:
        """Use images or leave them; either way a new epoch begins."""
        self.enabled = on
        self.reset()
        self._begun_ns = self._last_set_ns = time.monotonic_ns()

    def clock_jumped(self, now_ns: int) -> bool:
        """Start a new epoch if images of the time before the jump are here; returns whether that was so.

        If the images were first to jump, the synchroniser has seen it in their stamps, and what waits is new.
        """
        jumped = any(watch.last_stamp_ns > now_ns for watch in self._watches.values())
        if jumped:
            self.reset()
        return jumped

    def close(self) -> None:
        """End all subscriptions and drop what waits."""
        for topics in self._topics.values():
            topics.close()
        if self._rig is not None:
            self._rig.close()
        self.reset()

    def report(self) -> list[CameraReport]:
        """How each camera is doing now."""
        newest_ns = max(watch.last_stamp_ns for watch in self._watches.values())
        counters = self.sync.counters.cameras
        return [self._report(name, newest_ns, counters[name]) for name in self.sync.cameras]

    @property
    def no_set_s(self) -> float:
        """Since the last frame-set, or since the beginning."""
        return (time.monotonic_ns() - self._last_set_ns) / 1e9

    @property
    def silent_s(self) -> float:
        """How long there has been no frame-set, or no image of the camera that is silent longest."""
        last = [max(watch.last_arrival_ns, self._begun_ns) for watch in self._watches.values()]
        return max(self.no_set_s, (time.monotonic_ns() - min(last)) / 1e9)

    @property
    def pose_trouble(self) -> str:
        """Why poses were missing, in TF's words, or nothing."""
        return self._rig.reason if self._rig is not None else ""

    @property
    def depth_trouble(self) -> dict[str, str]:
        """Why images go on without depth, by camera; only the cameras with trouble."""
        return {
            name: report.trouble for name in self._depths if (report := self._depth_report(name)) is not None and report.trouble
        }

    def _depth_report(self, name: str) -> DepthReport | None:
        topics = self._topics[name]
        return self._depths[name].report(topics.expected_depth, topics.depth.publishers) if name in self._depths else None

    def _report(self, name: str, newest_ns: int, counters: CameraCounters) -> CameraReport:
        topics, watch, source = self._topics[name], self._watches[name], self._inputs[name]
        now_ns = time.monotonic_ns()
        mark = (source.received, source.refused, counters.late)
        oldest = self._marks[name][0]
        self._marks[name].append(mark)
        return CameraReport(
            camera=name,
            topic=topics.expected,
            publishers=topics.image.publishers,
            reliability=topics.image.reliability,
            hz=watch.hz(now_ns),
            lost=watch.lost(),
            age_s=(now_ns - watch.last_arrival_ns) / 1e9 if watch.last_arrival_ns else None,
            stamp_ns=watch.last_stamp_ns,
            behind_ms=(newest_ns - watch.last_stamp_ns) / 1e6 if watch.last_stamp_ns else 0.0,
            received=source.received,
            refused=source.refused,
            info=source.has_info,
            calibrated=source.calibration is not None,
            poses_missing=self._rig.missing[name] if self._rig is not None else 0,
            counters=counters,
            recent=(mark[0] - oldest[0], mark[1] - oldest[1], mark[2] - oldest[2]),
            depth=self._depth_report(name),
        )

    def _on_image(self, name: str, message: Any) -> None:
        now_ns = time.monotonic_ns()
        self._watches[name].see(stamp_ns(message.header.stamp), now_ns)
        if self.enabled:
            self._admit(name, self._inputs[name].on_image(message, now_ns), now_ns)

    def _on_info(self, name: str, message: Any) -> None:
        self._admit(name, self._inputs[name].on_info(message), time.monotonic_ns())

    def _on_depth(self, name: str, message: Any) -> None:
        now_ns = time.monotonic_ns()
        if self.enabled:
            self._push(self._depths[name].on_depth(message, now_ns), now_ns)

    def _admit(self, name: str, frames: list[Frame], now_ns: int) -> None:
        """Frames of one camera go to the synchroniser, by way of their depth where the camera has some."""
        depths = self._depths.get(name)
        for frame in frames:
            self._push(depths.on_frame(frame, now_ns) if depths else [Entry(frame, now_ns)], now_ns)

    def _push(self, entries: list[Entry], now_ns: int) -> None:
        for entry in entries:
            self._take(self.sync.push(entry.frame, entry.arrival_ns, now_ns))
            self._follow(self.sync.epoch)

    def _follow(self, epoch: int) -> None:
        """Have TF forget the old epoch, whether a reset ended it or stamps that jumped back."""
        if epoch != self._epoch and self._rig is not None:
            self._rig.reset()
        self._epoch = epoch

    def _take(self, frame_sets: list[FrameSet]) -> None:
        for frame_set in frame_sets:
            self._follow(frame_set.epoch)
            self._last_set_ns = time.monotonic_ns()
            window = self.window.push(self._rig.posed(frame_set) if self._rig is not None else frame_set)
            if window is not None:
                self._on_window(window)
            self._on_set(frame_set)


def _say_of(say: Say, camera: str, kind: str, sentence: str) -> None:
    """What one camera has to say must not hold back what another one has."""
    say(f"{kind} of {camera}", sentence)
