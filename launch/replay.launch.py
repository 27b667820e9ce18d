"""Play a recording's images, calibrations and transforms, with /clock: `ros2 launch chromm_ros replay.launch.py bag:=FOLDER`."""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from chromm_ros.ros.transport import fastdds_environment
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The replay node, with the Fast DDS profile that large images need at their publisher."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="folder of the recording, MCAP or SQLite"),
            DeclareLaunchArgument("rate", default_value="1.0", description="speed, 1.0 is real time"),
            DeclareLaunchArgument(
                "loop", default_value="false", choices=["true", "false"], description="play it again and again"
            ),
            DeclareLaunchArgument(
                "wait_s",
                default_value="0.0",
                description="wait at most so long until all images have a subscriber; 0 starts at once",
            ),
            *(SetEnvironmentVariable(name, value) for name, value in fastdds_environment().items()),
            Node(
                package="chromm_ros",
                executable="replay_node",
                name="replay",
                parameters=[
                    {
                        "bag": ParameterValue(LaunchConfiguration("bag"), value_type=str),
                        "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                        "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                        "wait_for_subscribers": ParameterValue(LaunchConfiguration("wait_s"), value_type=float),
                    }
                ],
                output="screen",
                emulate_tty=True,
            ),
        ]
    )
