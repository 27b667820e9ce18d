"""The launch files: they compile everywhere; where ROS's launch is installed (not on PyPI) they make what they promise."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "launch"


@pytest.mark.parametrize("name", ["multicam", "replay"])
def test_it_compiles(name: str) -> None:
    source = (FOLDER / f"{name}.launch.py").read_text()
    compile(source, name, "exec")
    assert "def generate_launch_description()" in source


@pytest.fixture(scope="module")
def multicam() -> ModuleType:
    for package in ("launch", "launch_ros"):
        pytest.importorskip(package, reason=f"{package} is not on PyPI; a ROS distribution brings it")
    spec = importlib.util.spec_from_file_location("multicam_launch", FOLDER / "multicam.launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def started(multicam: ModuleType, **given: str) -> list[Any]:
    """The actions of the launch file's second step, with these arguments."""
    from launch import LaunchContext

    context = LaunchContext()
    for argument in multicam.arguments():
        argument.execute(context)
    context.launch_configurations.update(given)
    return list(multicam.start(context))


def parameters(action: Any) -> dict[str, Any]:
    """What launch_ros writes into the last parameter file of a node: the arguments that win over the user's file."""
    from launch import LaunchContext

    action._perform_substitutions(LaunchContext())
    files = action._Node__expanded_parameter_arguments
    (values,) = yaml.load(Path(files[-1][0]).read_text(), yaml.FullLoader).values()
    return dict(values["ros__parameters"])


def test_every_argument_is_described(multicam: ModuleType) -> None:
    description = multicam.generate_launch_description()
    declared = {argument.name: argument for argument in description.get_launch_arguments()}
    wanted = {
        "cameras",
        "image_topic",
        "depth_topic",
        "params_file",
        "namespace",
        "use_sim_time",
        "bag",
        "rate",
        "rviz",
        "log_level",
    }
    assert wanted <= declared.keys()
    assert all(argument.description for argument in declared.values())
    assert declared["use_sim_time"].choices == ["auto", "true", "false"]
    assert Path(declared["params_file"].default_value[0].text).is_file()


def test_a_list_of_cameras_in_any_writing(multicam: ModuleType) -> None:
    for text in ("[y, on]", "['y', 'on']", "y,on", "y on", ' [ "y" , "on" ] '):
        assert multicam.camera_names(text) == ["y", "on"], text
    assert multicam.camera_names("") == []


def test_arguments_become_parameters_of_the_node(multicam: ModuleType) -> None:
    patterns = {"image_topic": "/rig/{c}/image", "depth_topic": "/{c}/depth"}
    (node,) = started(multicam, cameras="[y, b]", use_sim_time="true", **patterns)
    values = parameters(node)
    assert list(values["cameras"]) == ["y", "b"]
    assert values["use_sim_time"] is True
    flat = {**values, **{f"y.{key}": value for key, value in values.get("y", {}).items()}}
    assert flat["y.image_topic"] == "/rig/y/image"
    assert flat["y.depth_topic"] == "/y/depth"


def test_what_is_not_given_is_left_to_the_file(multicam: ModuleType) -> None:
    (node,) = started(multicam)
    assert parameters(node) == {"use_sim_time": False}


def test_a_bag_brings_its_player_and_its_time(multicam: ModuleType) -> None:
    node, recording = started(multicam, cameras="[a]", bag="/some/bag")
    assert parameters(node)["use_sim_time"] is True
    assert dict(recording.launch_arguments)["bag"] == "/some/bag"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"image_topic": "/{c}/image"}, "needs to know the cameras"),
        ({"cameras": "a b", "image_topic": "/image"}, "one topic for 2"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(multicam: ModuleType, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        started(multicam, **given)
