"""ROS parameters of the node: declared from the settings, checked by the settings, changed while the node runs where they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from chromm_ros.errors import ConfigError
from chromm_ros.ros.options import NodeSettings, parse
from chromm_ros.settings import Item

FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Parameters that rclpy itself declares; a trailing dot stands for a whole group."""
READ_ONLY = ("cameras", "autostart", "sync.policy", "diagnostics.period_s")
"""What shapes the list of parameters, or is looked at once when the node starts; the cameras' own parameters belong to it."""


class Parameters:
    """The settings of a node, kept equal to its ROS parameters."""

    def __init__(self, node: Node) -> None:
        """Check what the command line and YAML files say, and declare everything.

        Raises:
            ConfigError: for an unknown parameter or a value that is not allowed.
        """
        self.locked = False
        """Whether only dynamic settings may change, because the node is configured."""
        self._apply: Callable[[NodeSettings], None] = lambda _settings: None
        self.settings = parse(_overrides(node))
        self._items = {item.name: item for item in self.settings.items()}
        for item in self._items.values():
            value = list(item.default) if isinstance(item.default, tuple) else item.default
            node.declare_parameter(item.name, value, self._descriptor(item), ignore_override=True)
        node.add_on_set_parameters_callback(self._change)

    def on_change(self, apply: Callable[[NodeSettings], None]) -> None:
        """Have `apply` called with the new settings whenever some change; a ConfigError that it raises refuses the change."""
        self._apply = apply

    def _change(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {parameter.name: parameter.value for parameter in parameters if parameter.name in self._items}
        try:
            new = parse({**self.settings.flat(), **changes})
            self._check_lock(new)
            self._apply(new)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = new
        return SetParametersResult(successful=True)

    def _check_lock(self, new: NodeSettings) -> None:
        old = self.settings.flat()
        for name, value in new.flat().items():
            if self.locked and value != old[name] and not self._items[name].rule.dynamic:
                raise ConfigError(
                    f"{name} cannot change while the node is configured: deactivate and clean up first, then set it"
                )

    def _descriptor(self, item: Item) -> ParameterDescriptor:
        rule = item.rule
        camera = item.name.partition(".")[0] in self.settings.cameras
        read_only = camera or item.name in READ_ONLY
        when = "at start only" if read_only else "at any time" if rule.dynamic else "while not configured"
        limits = [f"one of {', '.join(rule.choices)}"] if rule.choices else []
        limits += [f"at least {rule.at_least:g}"] if rule.at_least is not None else []
        limits += [f"at most {rule.at_most:g}"] if rule.at_most is not None else []
        descriptor = ParameterDescriptor(
            description=rule.doc,
            additional_constraints="; ".join([*limits, f"set {when}"]),
            read_only=read_only,
            # Settings check the types; rclpy would refuse 1 for a float, an empty list of names, and YAML's false for the word off.
            dynamic_typing=item.kind in (float, tuple) or "off" in (rule.choices or ()),
        )
        if rule.at_least is not None and rule.at_most is not None:
            if item.kind is int:
                descriptor.integer_range = [IntegerRange(from_value=int(rule.at_least), to_value=int(rule.at_most))]
            if item.kind is float:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(rule.at_least), to_value=float(rule.at_most))
                ]
        return descriptor


def _overrides(node: Node) -> dict[str, Any]:
    # rclpy keeps them in a private field only; without it unknown names in a YAML file would pass in silence.
    given: dict[str, Parameter] = node._parameter_overrides
    return {name: parameter.value for name, parameter in given.items() if not name.startswith(FOREIGN)}
