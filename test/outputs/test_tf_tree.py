from dataclasses import replace

import numpy as np
import pytest
from made_results import CAMERAS, make_cameras, make_person

from chromm_ros.errors import ConfigError, InputError
from chromm_ros.ros.tf import TfConfig, links

ROBOT = {name: f"{name}_optical_frame" for name in CAMERAS}
PEOPLE = [make_person(1), make_person(2, "occluded")]


@pytest.mark.parametrize("mode", ["own", "anchor", "off"])
@pytest.mark.parametrize("bodies", ["root", "none"])
@pytest.mark.parametrize("prefix", ["", "chromm/"])
def test_no_frame_has_two_parents(mode: str, bodies: str, prefix: str) -> None:
    config = TfConfig(cameras=mode, anchor_camera="right", bodies=bodies, prefix=prefix)
    edges = links(config, "world", make_cameras(), PEOPLE, ROBOT)
    children = [edge.child for edge in edges]
    assert len(set(children)) == len(children)
    assert not set(children) & set(ROBOT.values()), "the robot's frames keep their own parents"
    estimates = {f"{prefix}{name}_optical_frame_est" for name in CAMERAS}
    pelvises = {f"{prefix}body_b0001"} if bodies == "root" else set()
    expected = {"own": estimates, "anchor": estimates - {f"{prefix}right_optical_frame_est"} | {"world"}, "off": set()}
    assert set(children) == expected[mode] | pelvises


def test_the_anchor_puts_the_world_where_its_camera_sees_it() -> None:
    cameras = make_cameras()
    edges = {edge.child: edge for edge in links(TfConfig(cameras="anchor", anchor_camera="right"), "world", cameras, [], ROBOT)}
    assert edges["world"].parent == "right_optical_frame"
    anchor_from_left = edges["world"].parent_from_child @ edges["left_optical_frame_est"].parent_from_child
    right_from_left = np.linalg.inv(cameras[1].world_from_cam) @ cameras[0].world_from_cam
    np.testing.assert_allclose(anchor_from_left, right_from_left, atol=1e-12)


@pytest.mark.parametrize("mode", ["own", "anchor"])
def test_what_is_missing_sends_nothing(mode: str) -> None:
    left, right, rear = make_cameras()
    cameras = [left, replace(right, present=False), rear]
    edges = links(TfConfig(cameras=mode, anchor_camera="right"), "world", cameras, [make_person(5, "lost")], ROBOT)
    assert {edge.child for edge in edges} == {"left_optical_frame_est", "rear_optical_frame_est"}


def test_a_robot_that_uses_our_names_is_refused() -> None:
    with pytest.raises(InputError, match=r"set tf\.prefix"):
        links(TfConfig(), "world", make_cameras(), [], ROBOT | {"left": "left_optical_frame_est"})
    with pytest.raises(InputError, match=r"set tf\.prefix"):
        links(TfConfig(cameras="anchor", anchor_camera="left"), "world", make_cameras(), [], ROBOT | {"left": "world"})


def test_an_anchor_without_a_frame_is_refused() -> None:
    with pytest.raises(InputError, match="'right' name no TF frame"):
        links(TfConfig(cameras="anchor", anchor_camera="right"), "world", make_cameras(), [], {"left": "a"})
    with pytest.raises(ConfigError, match="anchor_camera"):
        TfConfig(cameras="anchor")


def test_a_world_that_equals_the_rigs_frame_hangs_below_it() -> None:
    edges = {edge.child: edge for edge in links(TfConfig(), "world", make_cameras(), [], ROBOT, "map")}
    assert edges["world"].parent == "map" and np.array_equal(edges["world"].parent_from_child, np.eye(4))
    assert "map" not in edges
    same = {edge.child for edge in links(TfConfig(), "map", make_cameras(), [], ROBOT, "map")}
    assert "map" not in same
    anchor = TfConfig(cameras="anchor", anchor_camera="right")
    assert {edge.parent for edge in links(anchor, "world", make_cameras(), [], ROBOT, "map") if edge.child == "world"} != {"map"}
    with pytest.raises(InputError, match="would get a second parent"):
        links(anchor, "map", make_cameras(), [], ROBOT, "map")
