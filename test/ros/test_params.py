"""Parameters are the settings: every one declared, every wrong one refused with a reason, at start and while the node runs."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from chromm_ros.errors import ConfigError
from chromm_ros.ros.options import NodeSettings, parse
from chromm_ros.ros.params import Parameters

MakeNode = Callable[..., Node]


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    contexts = []

    def make(*overrides: str, extra: tuple[str, ...] = ()) -> Node:
        context = rclpy.Context()
        contexts.append(context)
        pairs = [word for override in overrides for word in ("-p", override)]
        rclpy.init(args=["--ros-args", *pairs, *extra], context=context)
        return Node("chromm", context=context)

    yield make
    for context in contexts:
        context.try_shutdown()


def change(node: Node, **values: Any) -> tuple[bool, str]:
    result = node.set_parameters_atomically([Parameter(name.replace("__", "."), value=value) for name, value in values.items()])
    return result.successful, result.reason


def test_every_setting_is_a_parameter_with_a_description(make_node: MakeNode) -> None:
    node = make_node("cameras:=[left, right]")
    settings = Parameters(node).settings
    for item in settings.items():
        descriptor = node.describe_parameter(item.name)
        assert len(descriptor.description) > 5, item.name
        value = node.get_parameter(item.name).value
        assert value == (list(item.default) if isinstance(item.default, tuple) else item.default), item.name
    for name in ("cameras", "left.image_topic", "sync.policy", "diagnostics.period_s"):
        assert node.describe_parameter(name).read_only, name
    assert not node.describe_parameter("window.length").read_only
    assert "one of match, best_effort, reliable" in node.describe_parameter("qos.reliability").additional_constraints
    (limits,) = node.describe_parameter("window.length").integer_range
    assert limits.from_value == 1


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("windw.length:=3", "unknown parameter 'windw.length': did you mean 'window.length'"),
        ("middle.required:=true", "unknown parameter 'middle.required'"),
        ("window.length:=0", "window.length is 0, expected at least 1"),
        ("window.length:=many", "window.length is 'many', expected a value of type int"),
        ("qos.reliability:=good", "expected one of match, best_effort, reliable"),
        ("tf.anchor_camera:=middle", "tf.anchor_camera is 'middle', expected one of left, right"),
        ("cameras:=[left, left]", "every name once"),
        ("cameras:=[1, 2]", "expected at least one name"),
        ("cameras:=[sync]", "a camera is called 'sync'"),
        ("cameras:=['a b']", "a camera is called 'a b'"),
        ("left.image_topic:='bad topic'", "left.image_topic is 'bad topic', expected the name of a topic"),
        ("left.info_topic:=a//b", "left.info_topic is 'a//b', expected the name of a topic"),
        ("left.image_topic:='{nobody}/image'", "left.image_topic is '{nobody}/image', expected the name of a topic"),
        ("left.image_topic:=/compressed", "left.image_topic is '/compressed', expected the name of a topic"),
        ("rig.frame:=/map", "rig.frame is '/map', expected"),
    ],
)
def test_a_wrong_value_at_start_is_refused(make_node: MakeNode, override: str, sentence: str) -> None:
    node = make_node("cameras:=[left, right]", override)
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        Parameters(node)


def test_poses_from_tf_need_the_name_of_a_frame() -> None:
    parse({"cameras": ["left"], "rig.frame": ""})
    with pytest.raises(ConfigError, match=r"rig\.frame is '', expected the name of a TF frame"):
        parse({"cameras": ["left"], "rig.source": "tf", "rig.frame": ""})


@pytest.mark.parametrize(
    "topic", ["", "image", "/a/image", "~/image", "{node}/image", "{ns}/image", "a/image/compressed", "/compressed2"]
)
def test_every_name_that_ros_takes_is_taken(topic: str) -> None:
    assert parse({"cameras": ["left"], "left.image_topic": topic}).cameras["left"].image_topic == topic


def test_no_cameras_is_refused_with_an_example(make_node: MakeNode) -> None:
    with pytest.raises(ConfigError, match=r"cameras: \[left, right\]"):
        Parameters(make_node())


def test_yaml_files_are_read_and_their_slips_named(make_node: MakeNode, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    cameras: [left]\n    left:\n      time_offset_s: 1\n    tf:\n      cameras: off\n"
    )
    settings = Parameters(make_node(extra=("--params-file", str(file)))).settings
    assert settings.cameras["left"].time_offset_s == 1.0
    assert settings.node.tf.cameras == "off", "YAML reads a bare off as false"
    file.write_text(file.read_text().replace("time_offset_s", "time_ofset_s"))
    with pytest.raises(ConfigError, match=r"'left\.time_ofset_s': did you mean 'left\.time_offset_s'"):
        Parameters(make_node(extra=("--params-file", str(file))))


def test_the_shipped_yaml_is_valid(make_node: MakeNode) -> None:
    file = Path(__file__).resolve().parents[2] / "config" / "multicam.yaml"
    assert Parameters(make_node("cameras:=[left]", extra=("--params-file", str(file)))).settings.cameras.keys() == {"left"}


def test_what_rclpy_declares_itself_is_no_unknown_name(make_node: MakeNode) -> None:
    Parameters(make_node("cameras:=[left]", "use_sim_time:=true", "qos_overrides./left/image_raw.subscription.depth:=9"))


def test_changes_at_run_time_reach_the_node_or_are_refused_with_a_reason(make_node: MakeNode) -> None:
    node = make_node("cameras:=[left, right]")
    parameters = Parameters(node)
    seen: list[NodeSettings] = []
    parameters.on_change(seen.append)
    assert change(node, window__length=3) == (True, "")
    assert seen[-1].chromm.window.length == parameters.settings.chromm.window.length == 3
    assert change(node, sync__max_wait_s=1) == (True, ""), "an int serves as a float"
    for name, value, reason in (
        ("sync__max_wait_s", "long", "expected a value of type float"),
        ("qos__reliability", "good", "expected one of match"),
        ("tf__cameras", "anchor", "anchor_camera"),
        ("cameras", ["middle"], "read-only"),
        ("left__image_topic", "/other", "read-only"),
    ):
        successful, why = change(node, **{name: value})
        assert not successful, name
        assert reason in why
    assert change(node, tf__cameras="anchor", tf__anchor_camera="left")[0], "both at once are fine"
    assert len(seen) == 3
    assert parameters.settings.node.tf.anchor_camera == "left"


def test_a_change_that_the_node_refuses_is_not_kept(make_node: MakeNode) -> None:
    node = make_node("cameras:=[left]")
    parameters = Parameters(node)

    def refuse(_settings: NodeSettings) -> None:
        raise ConfigError("not now")

    parameters.on_change(refuse)
    assert change(node, window__length=3) == (False, "not now")
    assert node.get_parameter("window.length").value == parameters.settings.chromm.window.length != 3


def test_only_dynamic_settings_change_while_configured(make_node: MakeNode) -> None:
    node = make_node("cameras:=[left]")
    parameters = Parameters(node)
    parameters.locked = True
    successful, why = change(node, model__device="cpu")
    assert not successful
    assert "clean up first" in why
    assert change(node, window__stride=2)[0]
    parameters.locked = False
    assert change(node, model__device="cpu")[0]


def test_flat_and_nested_settings_are_the_same() -> None:
    settings = parse({"cameras": ["a", "b"], "b.required": True, "window.length": 2, "output.labels": False})
    assert parse(settings.flat()) == settings
