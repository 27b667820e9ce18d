"""What exists while the node is configured: the network and the publishers, and what happens to one window in between."""

from __future__ import annotations

import threading
import time
import traceback
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from chromm_ros.errors import ChrommError
from chromm_ros.records import Reconstruction, Window
from chromm_ros.ros.diagnostics import OK, UNTRAINED, Latencies, model_status, status
from chromm_ros.ros.options import NodeSettings
from chromm_ros.ros.outputs import Outputs
from chromm_ros.ros.status import Account
from chromm_ros.stream.counters import SetCounters
from chromm_ros.stream.worker import Worker, WorkerCounters

if TYPE_CHECKING:
    from chromm_ros.pipeline import Pipeline


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
        self.latencies = Latencies()
        self.sets = SetCounters()
        """Frame-sets of the epoch, kept current by whoever feeds the worker."""
        self._worker: Worker[Reconstruction] | None = None
        self._started_ns = 0
        self._publishing = threading.Lock()
        """Held while messages leave, so that displays are not cleared in the middle of a result."""
        self._silent = True

    def warm_up(self, settings: NodeSettings) -> None:
        """Run the network once with the shapes of a full window, so that the first one does not pay for it."""
        self.pipeline.warm_up(len(settings.cameras))

    def start(self, settings: NodeSettings) -> Worker[Reconstruction]:
        """A running worker."""
        self._worker = Worker(self._run, self._publish, self._report, settings.chromm.worker)
        self._worker.start()
        self.speak()
        return self._worker

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
        gpu = status("gpu", OK, predictor.device, device=predictor.device, memory_mb=float(predictor.gpu_mb()))
        model = model_status(predictor.weights, predictor.device)
        return [self.latencies.status(settings.node.diagnostics, **windows), gpu, model]

    @property
    def untrained(self) -> bool:
        """Whether the weights were drawn, not learnt."""
        return bool(self.pipeline.predictor.weights == UNTRAINED)

    def _run(self, window: Window) -> Reconstruction:
        self._started_ns = time.monotonic_ns()
        return self.pipeline(window)

    def _publish(self, window: Window, result: Reconstruction) -> None:
        counters, sets, predictor = self.counters, self.sets, self.pipeline.predictor
        account = Account(
            started_ns=self._started_ns,
            sets_complete=sets.complete,
            sets_partial=sets.partial,
            sets_dropped=sets.short,
            windows_run=counters.run + 1,
            windows_dropped=counters.dropped,
            windows_failed=counters.failed,
            gpu_mb=predictor.gpu_mb(),
            device=predictor.device,
            weights=predictor.weights,
        )
        with self._publishing:
            if not self._silent:
                self.latencies.see(self.outputs.publish(result, window, account))

    def _report(self, window: Window, error: Exception) -> None:
        reason = str(error) if isinstance(error, ChrommError) else f"{type(error).__name__}: {error}"
        self.latencies.failure = (time.monotonic(), reason)
        log = self._node.get_logger()
        log.error(f"window {window.index} failed and the next one runs: {reason}", throttle_duration_sec=5.0)
        if not isinstance(error, ChrommError):
            log.debug("".join(traceback.format_exception(error)))
