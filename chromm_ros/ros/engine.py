"""What exists while the node is configured: the network and the publishers, and what happens to one window in between."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from chromm_ros.errors import ChrommError
from chromm_ros.made_with import MadeWith
from chromm_ros.records import Reconstruction, Window
from chromm_ros.ros.diagnostics import OK, Latencies, judged, model_status, status, untrained
from chromm_ros.ros.options import NodeSettings
from chromm_ros.ros.outputs import Outputs
from chromm_ros.ros.status import Account
from chromm_ros.stream.counters import SetCounters
from chromm_ros.stream.worker import Worker, WorkerCounters

if TYPE_CHECKING:
    from chromm_ros.pipeline import Pipeline


@dataclass(frozen=True)
class Job:
    """What the worker gets."""

    window: Window
    """To be run."""
    sets: SetCounters
    """Frame-sets of its epoch when it was made."""


class Engine:
    """Runs windows and publishes what comes out, in the worker's thread."""

    def __init__(self, node: Node, settings: NodeSettings, first_id: int) -> None:
        """Load the model and try it once; this imports torch and takes seconds.

        Raises:
            ChrommError: if the settings do not fit the cameras, or a file is missing or of another kind.
            RuntimeError: if the device has no room for the model.
        """
        from chromm_ros.pipeline import Pipeline  # imports torch, which must not be needed before configure

        self._node = node
        self.pipeline: Pipeline = Pipeline(settings.chromm, first_id=first_id)
        rig = settings.node.rig
        self.outputs = Outputs(
            node,
            settings.node.output,
            settings.node.tf,
            self.pipeline.body,
            tuple(settings.cameras),
            rig_frame=rig.frame if rig.source == "tf" else "",
        )
        predictor = self.pipeline.predictor
        self._made_with = MadeWith.of(predictor.weights, predictor.device, settings.chromm.model.precision)
        self.latencies = Latencies()
        self._worker: Worker[Job, Reconstruction] | None = None
        self._epoch = 0
        self._gpu_mb = 0.0
        self._health: dict[str, float] = {}
        self._started_ns = 0
        self._publishing = threading.Lock()
        """Held while messages leave, so that displays are not cleared in the middle of a result."""
        self._silent = True

    def warm_up(self, settings: NodeSettings) -> None:
        """Run the network once with the shapes of a full window, so that the first one does not pay for it.

        In the caller's thread: there is no worker yet, so that two threads never use torch at once.
        """
        assert self._worker is None
        self.pipeline.warm_up(len(settings.cameras))
        self._gpu_mb = self.pipeline.predictor.gpu_mb()

    def start(self, settings: NodeSettings) -> None:
        """Start the worker."""
        self._worker = Worker(self._run, self._publish, self._report, settings.chromm.worker)
        self._worker.start()
        self.speak()

    def submit(self, window: Window, sets: SetCounters) -> bool:
        """Hand over a window, and what became of the frame-sets of its epoch so far; returns whether it was taken."""
        return self._worker is not None and self._worker.submit(Job(window, sets))

    def forget_before(self, epoch: int) -> None:
        """Drop the windows of older epochs that wait, and the result of the one that runs; they are counted as dropped."""
        with self._publishing:
            self._epoch = epoch
        if self._worker is not None:
            self._worker.clear()

    def stop(self) -> None:
        """Clear the displays and end the worker after the window that it runs."""
        self.fall_silent()
        if self._worker is not None:
            self._worker.stop()
            self._worker.join()
            self._worker = None

    def speak(self) -> None:
        """Publish results from now on, on displays that are empty."""
        with self._publishing:
            self._silent = False
            self.outputs.clear_markers(self._node.get_clock().now().nanoseconds)

    def fall_silent(self) -> None:
        """Clear the displays and publish nothing more, not even the window that runs now."""
        with self._publishing:
            self._silent = True
            self.outputs.clear_markers(self._node.get_clock().now().nanoseconds)

    def reconfigure(self, settings: NodeSettings) -> None:
        """Take dynamic settings.

        Raises:
            ConfigError: if they do not fit.
        """
        self.outputs.configure(settings.node.output, settings.node.tf)

    def close(self) -> None:
        """Give the publishers back; the network's memory goes with the last reference."""
        self.outputs.destroy()

    @property
    def counters(self) -> WorkerCounters:
        """What became of the windows since activation."""
        return self._worker.counters if self._worker is not None else WorkerCounters()

    def statuses(self, settings: NodeSettings) -> list[DiagnosticStatus]:
        """Entries of /diagnostics about the model, the device and the windows."""
        predictor, counters = self.pipeline.predictor, self.counters
        windows = {"windows_run": counters.run, "windows_dropped": counters.dropped, "windows_failed": counters.failed}
        gpu = status("gpu", OK, predictor.device, device=predictor.device, memory_mb=float(self._gpu_mb))
        model = model_status(predictor.weights, predictor.device)
        level, message = judged(self._health, self.latencies.people)
        reconstruction = status("reconstruction", level, message, **self._health)
        return [self.latencies.status(settings.node.diagnostics, **windows), reconstruction, gpu, model]

    @property
    def untrained(self) -> bool:
        """Whether weights, all or some, were drawn and not learnt."""
        return untrained(self.pipeline.predictor.weights)

    def _run(self, job: Job) -> Reconstruction:
        self._started_ns = time.monotonic_ns()
        result = self.pipeline(job.window)
        self._gpu_mb = self.pipeline.predictor.gpu_mb()
        return result

    def _publish(self, job: Job, result: Reconstruction) -> bool:
        counters, sets = self.counters, job.sets
        account = Account(
            started_ns=self._started_ns,
            sets_complete=sets.complete,
            sets_partial=sets.partial,
            sets_dropped=sets.short,
            windows_run=counters.run + 1,
            windows_dropped=counters.dropped,
            windows_failed=counters.failed,
            gpu_mb=self._gpu_mb,
            made_with=self._made_with,
        )
        with self._publishing:
            if self._silent or job.window.epoch < self._epoch:
                return False
            self.latencies.see(self.outputs.publish(result, job.window, account))
            self._health = result.health
            return True

    def _report(self, job: Job, error: Exception) -> None:
        reason = str(error) if isinstance(error, ChrommError) else f"{type(error).__name__}: {error}"
        self.latencies.failure = (time.monotonic(), reason)
        log = self._node.get_logger()
        log.error(f"window {job.window.index} failed and the next one runs: {reason}", throttle_duration_sec=5.0)
        if not isinstance(error, ChrommError):
            log.debug("".join(traceback.format_exception(error)))
