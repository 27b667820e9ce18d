"""Start the node on any number of cameras: `ros2 launch chromm_ros multicam.launch.py cameras:='[left, right]'`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from chromm_ros.ros.transport import fastdds_environment
from launch import Action, LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory("chromm_ros"))


def arguments() -> list[DeclareLaunchArgument]:
    """What can be set from the command line; what is given here wins over the YAML file."""
    return [
        DeclareLaunchArgument(
            "cameras",
            default_value="",
            description="names of the cameras, for example '[left, right]'; empty: those of params_file",
        ),
        DeclareLaunchArgument(
            "image_topic",
            default_value="",
            description="pattern of the image topics, {c} stands for the camera, for example '/{c}/image_raw'; empty: <camera>/image_raw",
        ),
        DeclareLaunchArgument(
            "info_topic", default_value="", description="pattern of the CameraInfo topics; empty: camera_info beside the images"
        ),
        DeclareLaunchArgument(
            "depth_topic",
            default_value="",
            description="pattern of topics of registered depth images, for example '/{c}/depth/image_raw'; empty: no depth",
        ),
        DeclareLaunchArgument(
            "params_file", default_value=str(SHARE / "config" / "multicam.yaml"), description="YAML file of parameters"
        ),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its relative topics"),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="auto",
            choices=["auto", "true", "false"],
            description="auto: true where a bag is played",
        ),
        DeclareLaunchArgument("bag", default_value="", description="folder of a recording to play; it waits for the node"),
        DeclareLaunchArgument("rate", default_value="1.0", description="speed of the recording, 1.0 is real time"),
        DeclareLaunchArgument(
            "loop", default_value="false", choices=["true", "false"], description="play the recording again and again"
        ),
        DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description="show everything in rviz2"),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="what the node logs",
        ),
    ]


def camera_names(text: str) -> list[str]:
    """`[a, b]`, `a, b` or `a b` as names; quotes do no harm. Not read as YAML, to which `y` and `on` are no names."""
    return [name.strip("'\"") for name in text.strip().strip("[]").replace(",", " ").split()]


def camera_parameters(names: list[str], patterns: dict[str, str]) -> dict[str, object]:
    """Parameters that the command line asks for.

    Raises:
        RuntimeError: if a pattern is given and no cameras, or a pattern would give all cameras one topic.
    """
    parameters: dict[str, object] = {"cameras": names} if names else {}
    for key, pattern in patterns.items():
        if pattern and not names:
            raise RuntimeError(f"{key}:='{pattern}' needs to know the cameras: add cameras:='[left, right]'")
        if pattern and "{c}" not in pattern and len(names) > 1:
            raise RuntimeError(f"{key}:='{pattern}' names one topic for {len(names)} cameras, expected {{c}} in it")
        parameters |= {f"{name}.{key}": pattern.replace("{c}", name) for name in names if pattern}
    return parameters


def start(context: LaunchContext) -> list[Action]:
    """The node itself, whose parameters depend on the list of cameras, and the recording where there is one."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    sim_time = {"auto": bool(given("bag"))}.get(given("use_sim_time"), given("use_sim_time") == "true")
    patterns = {key: given(key) for key in ("image_topic", "info_topic", "depth_topic")}
    parameters = camera_parameters(camera_names(given("cameras")), patterns) | {"use_sim_time": sim_time}
    recording = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).parent / "replay.launch.py")),
        launch_arguments={"wait_s": "120.0", **{name: given(name) for name in ("bag", "rate", "loop")}}.items(),
    )
    return [
        Node(
            package="chromm_ros",
            executable="chromm_node",
            name="chromm",  # launch_ros then writes the parameters under this very name, which wins over any pattern of the file
            namespace=given("namespace"),
            parameters=[given("params_file"), parameters],
            ros_arguments=[
                "--log-level",
                f"{'.'.join([*filter(None, given('namespace').split('/')), 'chromm'])}:={given('log_level')}",
            ],
            output="screen",
            emulate_tty=True,
            on_exit=Shutdown(reason="the node chromm has ended"),
        ),
        *([recording] if given("bag") else []),
    ]


def generate_launch_description() -> LaunchDescription:
    """The node, on demand a recording and rviz2, all with the Fast DDS profile for large images."""
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", str(SHARE / "config" / "chromm.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    environment = [SetEnvironmentVariable(name, value) for name, value in fastdds_environment().items()]
    return LaunchDescription([*arguments(), *environment, OpaqueFunction(function=start), rviz])
