#!/usr/bin/env python3
"""The node `chromm`: image topics in; TF, a cloud and people out. A lifecycle node that starts itself unless told otherwise.

Two threads: the executor's (messages, timers, services, parameters) and the worker's (the network and what it publishes).
While there is no worker, the executor's loads the network and tries it, so that two threads never use torch at once.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import rclpy
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from chromm_ros.errors import ChrommError
from chromm_ros.records import FrameSet
from chromm_ros.ros import transport
from chromm_ros.ros.convert import to_time
from chromm_ros.ros.ending import Ending
from chromm_ros.ros.engine import Engine
from chromm_ros.ros.intake import Intake
from chromm_ros.ros.options import NodeSettings
from chromm_ros.ros.params import Parameters
from chromm_ros.ros.voice import Voice
from chromm_ros.stream.sync import FrameSync
from chromm_ros.stream.window import SlidingWindow

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
DEADLINE_S = 0.02
LOOK_S = 0.5
Transition = Callable[["ChrommNode", LifecycleState], TransitionCallbackReturn]


def _loud(transition: Transition) -> Transition:
    """Log what a transition raises; rclpy would turn it into ERROR without a word."""

    @wraps(transition)
    def logged(node: ChrommNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().fatal(f"a transition failed, which is a defect of this program:\n{traceback.format_exc()}")
            raise

    return logged


class ChrommNode(LifecycleNode):  # type: ignore[misc]  # rclpy carries no types
    """Wires the intake (while active) to the engine (while configured)."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters and the services; nothing is loaded.

        Args:
            options: as for rclpy's Node.

        Raises:
            ConfigError: if a parameter is unknown or has a value that is not allowed.
        """
        super().__init__("chromm", **options)
        self.parameters = Parameters(self)
        settings = self.parameters.settings
        self._sync = _make_sync(settings)
        self._window = SlidingWindow(self._sync.cameras, settings.chromm.window)
        self.parameters.on_change(self._reconfigure)
        self._engine: Engine | None = None
        self._first_id = 1
        self._intake: Intake | None = None
        self._timers_active: list[Any] = []
        self._voice = Voice(self)
        self._frame_sets = self.create_publisher(Header, "~/frame_sets", QoSProfile(depth=50))
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(settings.node.diagnostics.period_s, self._diagnose, clock=self._steady)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    # Lifecycle

    def autostart(self) -> None:
        """Configure and activate, where the parameter `autostart` says so; what fails is logged and the node stays up."""
        if self.parameters.settings.node.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @_loud
    def on_configure(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and run it once."""
        settings, began = self.parameters.settings, time.monotonic()
        try:
            self._engine = Engine(self, settings, self._first_id)
            self._engine.warm_up(settings)
        except (ChrommError, ImportError, OSError, RuntimeError, MemoryError) as error:  # RuntimeError: torch, out of memory too
            self.get_logger().error(f"cannot configure, still unconfigured: {_sentence(error)}")
            self._release()
            return FAILURE
        self.parameters.locked = True
        predictor = self._engine.pipeline.predictor
        self.get_logger().info(
            f"configured in {time.monotonic() - began:.1f} s: weights '{predictor.weights}' on {predictor.device}, "
            f"{len(settings.cameras)} cameras: {', '.join(settings.cameras)}"
        )
        if self._engine.untrained:
            self.get_logger().warning(
                f"the weights are UNTRAINED ({predictor.weights}): the people that this node reports are not to be believed"
            )
        return SUCCESS

    @_loud
    def on_activate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._engine is not None
        engine = self._engine
        engine.start(self.parameters.settings)
        self._intake = Intake(
            self,
            self.parameters.settings,
            self._sync,
            self._window,
            on_set=self._on_set,
            on_window=lambda window: engine.submit(window, self._sync.epoch_sets),
            on_reset=engine.forget_before,
            say=self._voice.say,
        )
        self._intake.look()
        tasks = ((DEADLINE_S, self._intake.expire), (LOOK_S, self._intake.look), (1.0, self._watch))
        self._timers_active = [self.create_timer(period, task, clock=self._steady) for period, task in tasks]
        return SUCCESS

    @_loud
    def on_deactivate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the running window end, and clear the displays."""
        self._stop()
        return SUCCESS

    @_loud
    def on_cleanup(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    @_loud
    def on_shutdown(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """End everything, whatever the state."""
        self._stop()
        self._release()
        return SUCCESS

    @_loud
    def on_error(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured."""
        self._stop()
        self._release()
        return SUCCESS

    def close(self) -> None:
        """End everything at the end of the process, so that displays are cleared while there still is a middleware."""
        self._stop()
        self._release()
        self.destroy_node()

    def _stop(self) -> None:
        for timer in self._timers_active:
            self.destroy_timer(timer)
        self._timers_active = []
        if self._intake is not None:
            self._intake.close()
            self._intake = None
        if self._engine is not None:
            self._engine.stop()

    def _release(self) -> None:
        self.parameters.locked = False
        if self._engine is None:
            return
        self._first_id = self._engine.pipeline.next_id
        self._engine.close()
        self._engine = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    # What comes in

    def _on_set(self, frame_set: FrameSet) -> None:
        frame = self.parameters.settings.node.output.world_frame
        self._frame_sets.publish(Header(stamp=to_time(frame_set.stamp_ns), frame_id=frame))

    def _reconfigure(self, new: NodeSettings) -> None:
        """Take changed settings, all or none."""
        old = self.parameters.settings
        self._sync.reconfigure(new.chromm.sync)
        try:
            if self._engine is not None:
                self._engine.reconfigure(new)
        except ChrommError:
            self._sync.reconfigure(old.chromm.sync)
            raise
        self._window.reconfigure(new.chromm.window)
        if self._intake is not None:
            self._intake.reconfigure(new)

    def _on_jump(self, _jump: Any) -> None:
        if self._intake is not None and self._intake.clock_jumped(self.get_clock().now().nanoseconds):
            self.get_logger().warning("the clock jumped back: a new epoch begins")

    def _on_reset(self, _request: Any, response: Any) -> Any:
        response.success = self._intake is not None
        response.message = "a new epoch begins" if response.success else "the node is not active: activate it first"
        if self._intake is not None:
            self._intake.reset()
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        response.success = self._intake is not None
        response.message = "the node is not active: activate it first"
        if self._intake is not None and self._engine is not None:
            self._intake.enable(on=request.data)
            (self._engine.speak if request.data else self._engine.fall_silent)()
            response.message = "images are used" if request.data else "images are not used until enabled again"
        return response

    def _watch(self) -> None:
        if self._intake is not None and self._intake.enabled:
            self._voice.watch(self._intake, self.parameters.settings)

    def _diagnose(self) -> None:
        self._voice.diagnose(self._engine, self._intake, self.parameters.settings)


def _make_sync(settings: NodeSettings) -> FrameSync:
    """The synchroniser that `sync.policy` names."""
    names = tuple(settings.cameras)
    required = [name for name, camera in settings.cameras.items() if camera.required]
    if settings.chromm.sync.policy == "message_filters":
        from chromm_ros.ros.message_filters_sync import MessageFiltersSync  # needs a package that not everybody has

        return MessageFiltersSync(names, settings.chromm.sync, required)
    return FrameSync(names, settings.chromm.sync, required)


def _sentence(error: BaseException) -> str:
    if isinstance(error, ChrommError):
        return str(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; 0 then, 1 where it could not start."""
    transport.prepare_process()
    ending = Ending()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = ChrommNode()
    except (ChrommError, RCLError) as error:  # RCLError: a file of parameters that is missing or no YAML, a name that is none
        rclpy.logging.get_logger("chromm").fatal(_sentence(error))
        rclpy.try_shutdown()
        return 1
    except KeyboardInterrupt:
        rclpy.try_shutdown()
        return 0
    executor = transport.make_executor()
    executor.add_node(node)
    with suppress(KeyboardInterrupt):
        node.autostart()
    ending.interrupts = False
    executor.spin_until_future_complete(ending.asked)
    executor.remove_node(node)
    node.close()
    executor.shutdown()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is closed. Python would now spend one to five seconds on unloading torch, and `ros2 launch` sends SIGTERM after five.
    os._exit(code)
