"""What our small ROS programs (replay, record) share: parameters from settings, one sentence for an error, an end by signal."""

import signal
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from chromm_ros.errors import ChrommError
from chromm_ros.settings import Settings, describe

S = TypeVar("S", bound=Settings)
_FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Parameters that rclpy itself declares."""


def read_settings(node: Node, default: S) -> S:
    """Declare every setting as a read-only parameter and return the settings that the command line asks for.

    Raises:
        ConfigError: for an unknown parameter or a value that is not allowed.
    """
    # rclpy keeps them in a private field only; without it unknown names would pass in silence.
    given: dict[str, Any] = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
    settings = type(default).from_mapping({name: value for name, value in given.items() if not name.startswith(_FOREIGN)})
    for item in describe(settings):
        value = list(item.default) if isinstance(item.default, tuple) else item.default
        descriptor = ParameterDescriptor(description=item.rule.doc, read_only=True, dynamic_typing=item.kind in (float, tuple))
        node.declare_parameter(item.name, value, descriptor, ignore_override=True)
    return settings


def run_program(name: str, work: Callable[[Node, Callable[[], bool]], None], args: list[str] | None) -> int:
    """Run `work(node, asked_to_end)` in a node of that name; returns 0, or 1 after one sentence about a ChrommError.

    SIGINT and SIGTERM make `asked_to_end()` true and leave the middleware alive, so that files and publishers end in good order.
    """
    asked: list[int] = []
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    node = rclpy.create_node(name)
    try:
        work(node, lambda: bool(asked))
    except ChrommError as error:
        node.get_logger().fatal(str(error))
        return 1
    else:
        return 0
    finally:
        node.destroy_node()
        rclpy.shutdown()
