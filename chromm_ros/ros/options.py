"""The node's own settings, and how all settings together become one flat list of named parameters and back.

No parameter is written down twice: the list is made by walking the dataclasses, of the library (`ChrommConfig`) as well as of the
node (`NodeConfig`), and once per camera `CameraConfig` under the camera's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

from chromm_ros.config import ChrommConfig
from chromm_ros.errors import ConfigError
from chromm_ros.inputs.depth import DEPTH_TOLERANCE_S
from chromm_ros.ros.outputs import OutputConfig
from chromm_ros.ros.tf import TfConfig
from chromm_ros.settings import Item, Settings, describe, setting

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class QosConfig(Settings):
    """How images are subscribed to."""

    reliability: str = setting(
        "match",
        "match: reliable where every publisher of a topic offers it, else best effort; or always one of the two",
        choices=("match", "best_effort", "reliable"),
    )
    depth: int = setting(5, "images that may wait per topic; more only helps a recording that is played in bursts", at_least=1)


@dataclass(frozen=True)
class RigConfig(Settings):
    """Where known camera poses come from."""

    source: str = setting(
        "none", "tf: poses of the cameras are looked up in TF at the stamp of the images", choices=("none", "tf")
    )
    frame: str = setting("map", "TF frame in which the cameras' poses are asked for (with source: tf)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frame.startswith("/") or (self.source == "tf" and not self.frame):
            raise ConfigError(f"rig.frame is '{self.frame}', expected the name of a TF frame, without a slash at its beginning")


@dataclass(frozen=True)
class DiagnosticsConfig(Settings):
    """What the node says about its own health."""

    period_s: float = setting(1.0, "interval of /diagnostics [s]", at_least=0.1, at_most=60.0)
    silence_s: float = setting(
        5.0, "without an image or a frame-set for so long, a table of all cameras is logged [s]", at_least=0.5, dynamic=True
    )
    latency_warn_ms: float = setting(
        1000.0, "results later than this after their images are a warning [ms]", at_least=0.0, dynamic=True
    )
    loss_warn: float = setting(
        0.05, "share of a camera's images that may get lost before it is a warning", at_least=0.0, at_most=1.0, dynamic=True
    )


@dataclass(frozen=True)
class CameraConfig(Settings):
    """One camera; its parameters stand under its name, for example `left.image_topic`."""

    image_topic: str = setting("", "topic of the images without /compressed; empty means <camera>/image_raw")
    info_topic: str = setting("", "topic of the CameraInfo; empty means camera_info beside the image topic")
    depth_topic: str = setting(
        "",
        "topic of depth images registered to the colour images: 16UC1 in mm or 32FC1 in m, of any size, raw or with /compressedDepth; "
        "empty: none",
    )
    depth_tolerance_s: float = setting(
        DEPTH_TOLERANCE_S,
        "farthest that the stamp of a depth image may lie from that of its image [s]",
        at_least=0.0,
        at_most=1.0,
    )
    transport: str = setting(
        "auto", "raw, compressed, or auto: what is published, raw where both are", choices=("auto", "raw", "compressed")
    )
    time_offset_s: float = setting(0.0, "added to the camera's stamps [s]")
    required: bool = setting(default=False, doc="whether frame-sets without this camera are dropped")


@dataclass(frozen=True)
class NodeConfig(Settings):
    """Settings of the node beyond those of the library."""

    cameras: tuple[str, ...] = setting((), "names of the cameras, any number")
    autostart: bool = setting(default=True, doc="configure and activate at start; false leaves both to a lifecycle manager")
    rectify: str = setting(
        "auto", "auto: images of a distorted lens are rectified; off: taken as they are", choices=("auto", "off")
    )
    qos: QosConfig = field(default_factory=QosConfig)
    rig: RigConfig = field(default_factory=RigConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    tf: TfConfig = field(default_factory=TfConfig)
    diagnostics: DiagnosticsConfig = field(default_factory=DiagnosticsConfig)


@dataclass(frozen=True)
class NodeSettings:
    """All settings of the node."""

    chromm: ChrommConfig
    """Of the library."""
    node: NodeConfig
    """Of the node."""
    cameras: dict[str, CameraConfig]
    """Per camera, in the order of `cameras`."""

    def items(self) -> Iterator[Item]:
        """Every setting under its parameter's name."""
        yield from describe(self.node)
        yield from describe(self.chromm)
        for name, camera in self.cameras.items():
            yield from describe(camera, f"{name}.")

    def flat(self) -> dict[str, Any]:
        """Every value under its parameter's name."""
        return {item.name: item.default for item in self.items()}


def parse(values: Mapping[str, Any]) -> NodeSettings:
    """Settings from flat named values; what is not named keeps its default.

    Raises:
        ConfigError: for an unknown name (with the nearest known one), a wrong type, a value out of its limits, or cameras without
            usable names.
    """
    cameras = _camera_names(values.get("cameras", ()))
    defaults = NodeSettings(ChrommConfig(), NodeConfig(), dict.fromkeys(cameras, CameraConfig()))
    known = {item.name: item for item in defaults.items()}
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(sorted(known))}"
            raise ConfigError(f"unknown parameter '{name}': {hint}")
    tree = _nested({name: _word(known[name], value) for name, value in values.items()})
    library = {entry.name for entry in fields(ChrommConfig)}
    settings = NodeSettings(
        chromm=ChrommConfig.from_mapping({key: value for key, value in tree.items() if key in library}),
        node=NodeConfig.from_mapping({key: value for key, value in tree.items() if key not in library and key not in cameras}),
        cameras={name: CameraConfig.from_mapping(tree.get(name, {}), where=f"{name}.") for name in cameras},
    )
    anchor = settings.node.tf.anchor_camera
    if anchor and anchor not in cameras:
        raise ConfigError(f"tf.anchor_camera is '{anchor}', expected one of {', '.join(cameras)}")
    for name, camera in settings.cameras.items():
        _check_topic(f"{name}.image_topic", camera.image_topic)
        _check_topic(f"{name}.info_topic", camera.info_topic)
        _check_topic(f"{name}.depth_topic", camera.depth_topic)
    return settings


def _check_topic(name: str, topic: str) -> None:
    """Whether ROS can make a topic of this; a name that it cannot would end an activation with a traceback."""
    try:
        if topic:
            validate_full_topic_name(expand_topic_name(topic.removesuffix("/compressed") or "/", "node", "/ns"))
    except (InvalidTopicNameException, ValueError) as error:
        reason = str(error).partition("\n")[0].partition(", at /")[0].rstrip(":")  # without the place in rcl's source
        raise ConfigError(f"{name} is '{topic}', expected the name of a topic: {reason}") from error


def _camera_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"cameras is {value!r}, expected at least one name, for example cameras: [left, right]")
    groups = {entry.name for config in (ChrommConfig, NodeConfig) for entry in fields(config)}
    for name in value:
        if not _NAME.match(name) or name in groups:
            raise ConfigError(
                f"a camera is called {name!r}, expected a letter, then letters, digits or _, and none of {', '.join(sorted(groups))}"
            )
    if len(set(value)) != len(value):
        raise ConfigError(f"cameras is {list(value)}, expected every name once")
    return tuple(value)


def _word(item: Item, value: Any) -> Any:
    """Undo YAML's reading of a bare `off` as false where the word itself is a choice."""
    choices = item.rule.choices or ()
    word = {False: "off", True: "on"}.get(value) if isinstance(value, bool) else None
    return word if word in choices else value


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, leaf = name.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[leaf] = value
    return tree
