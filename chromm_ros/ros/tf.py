"""Who is whose child in /tf.

No frame ever gets a second parent: frames of the robot keep theirs, ours have names of their own. And /tf speaks only of what was
seen at its stamp: a camera that is missing or a person who is hidden sends nothing, so that nobody takes old news for new.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from chromm_ros.data.outgoing import body_id, world_from_body
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.geometry.se3 import inverse
from chromm_ros.records import CameraEstimate, Person
from chromm_ros.settings import Settings, setting


@dataclass(frozen=True)
class TfConfig(Settings):
    """Which frames go to /tf.

    Raises:
        ConfigError: if the world is to be anchored and no camera is named.
    """

    cameras: str = setting(
        "own",
        "own: estimated cameras are children of the world; anchor: the world too becomes a child, of anchor_camera's frame; off",
        choices=("own", "anchor", "off"),
        dynamic=True,
    )
    anchor_camera: str = setting(
        "", "camera whose own TF frame becomes the parent of the world (with cameras: anchor)", dynamic=True
    )
    bodies: str = setting(
        "root", "root: a frame body_<id> at each pelvis, x forward, y left, z up; none", choices=("root", "none"), dynamic=True
    )
    prefix: str = setting("", "put before the names of all camera and body frames that we publish", dynamic=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cameras == "anchor" and not self.anchor_camera:
            raise ConfigError("anchor_camera is '', expected the name of a camera, because cameras is 'anchor'")


class Link(NamedTuple):
    """One edge of the tree."""

    parent: str
    """Frame."""
    child: str
    """Frame."""
    parent_from_child: Float[np.ndarray, "4 4"]
    """Metres."""


def camera_frame(config: TfConfig, camera: str) -> str:
    """Frame of a camera's estimate, with OpenCV's axes."""
    return f"{config.prefix}{camera}_optical_frame_est"


def body_frame(config: TfConfig, track_id: int) -> str:
    """Frame of a body's pelvis, with the axes of REP-155."""
    return f"{config.prefix}body_{body_id(track_id)}"


def links(
    config: TfConfig,
    world_frame: str,
    cameras: Sequence[CameraEstimate],
    people: Sequence[Person],
    frame_ids: Mapping[str, str],
    rig_frame: str = "",
) -> list[Link]:
    """The edges for one result.

    Args:
        config: which of them.
        world_frame: the node's world.
        cameras: estimates; those of this moment become children of the world, all but the anchor.
        people: the pelvises of those who are seen at this moment become children of the world.
        frame_ids: TF frame of the images of each camera, which belongs to the robot.
        rig_frame: frame of the robot in which poses of the cameras are known, so that it equals the world; empty where none are.

    Raises:
        InputError: if an edge would give a second parent to a frame of the robot.
    """
    edges = [*_camera_links(config, world_frame, cameras, frame_ids)]
    if config.cameras == "own" and rig_frame not in {"", world_frame}:
        edges.append(Link(rig_frame, world_frame, np.eye(4)))
    if config.bodies == "root":
        seen = (person for person in people if person.visible[-1])
        edges += [Link(world_frame, body_frame(config, person.track_id), world_from_body(person)) for person in seen]
    _check_parents(edges, {**frame_ids, "rig": rig_frame})
    return edges


def _camera_links(
    config: TfConfig, world_frame: str, cameras: Sequence[CameraEstimate], frame_ids: Mapping[str, str]
) -> Iterator[Link]:
    if config.cameras == "off":
        return
    for camera in (camera for camera in cameras if camera.present):
        anchor = frame_ids.get(camera.name, "")
        if config.cameras == "own" or camera.name != config.anchor_camera:
            yield Link(world_frame, camera_frame(config, camera.name), camera.world_from_cam)
        elif not anchor:
            raise InputError(
                f"the images of camera '{camera.name}' name no TF frame, and tf.cameras is 'anchor': "
                "set the frame_id in the camera's driver, or set tf.cameras to 'own'"
            )
        else:
            yield Link(anchor, world_frame, inverse(camera.world_from_cam))


def _check_parents(edges: Sequence[Link], frame_ids: Mapping[str, str]) -> None:
    children = {edge.child for edge in edges}
    assert len(children) == len(edges), "a frame has two parents of ours"
    for owner, frame_id in frame_ids.items():
        if frame_id in children:
            raise InputError(
                f"the robot's frame '{frame_id}' (of '{owner}') has the name of a frame that we publish, and would get a second parent: "
                "set tf.prefix (or output.world_frame) so that the names differ"
            )
