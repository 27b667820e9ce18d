"""Message definitions without ROS: those of ROS 2 and our own, for `rosbags`."""

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from chromm_ros.data.installed import package_folder


def make_typestore() -> Typestore:
    """The types of ROS 2 Jazzy (tf2_msgs among them), and ours where the `msg` folder is installed."""
    store = get_typestore(Stores.ROS2_JAZZY)
    folder = package_folder("msg")
    for path in sorted(folder.glob("*.msg")) if folder else ():
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), f"chromm_ros/msg/{path.stem}"))
    return store
