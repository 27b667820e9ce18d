"""Pictures of one run: the scene as a map, and every camera's image with the bodies drawn over it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.data.bag import BagReader, CameraTopics
from chromm_ros.data.messages import body_params
from chromm_ros.demo.results import Results
from chromm_ros.demo.truth import OUT_OF_DOMAIN, out_of_domain
from chromm_ros.draw.overlay import DrawnMesh, draw_meshes, write_caption
from chromm_ros.draw.palette import color_of
from chromm_ros.draw.scene import DrawnBody, DrawnCamera, draw_scene
from chromm_ros.geometry.se3 import apply, inverse
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.ros.diagnostics import untrained

Cloud: TypeAlias = tuple[Float[np.ndarray, "N 3"], UInt8[np.ndarray, "N 3"]]
_TRUE_COLOR = (0, 0, 0)
_SAME_MOMENT_NS = 50_000_000
"""How far the images of one frame-set may lie apart here."""


def input_images(recording: Path, cameras: tuple[CameraTopics, ...], at_ns: int) -> dict[str, UInt8[np.ndarray, "H W 3"]]:
    """The images nearest to a moment, by camera, rectified in the way in which the node does it."""
    nearest: dict[str, tuple[int, UInt8[np.ndarray, "H W 3"]]] = {}
    with BagReader(recording) as bag:
        for camera in cameras:
            source = CameraInput(camera.name, say=lambda *_: None, topic=camera.image)
            for message in bag.messages([topic for topic in (camera.info, camera.image) if topic]):
                content = bag.deserialize(message)
                frames = source.on_info(content) if message.topic == camera.info else source.on_image(content, 0)
                for frame in frames:
                    distance = abs(frame.stamp_ns - at_ns)
                    if distance < nearest.get(camera.name, (_SAME_MOMENT_NS, frame.image))[0]:
                        nearest[camera.name] = (distance, frame.image)
    return {name: image for name, (_, image) in nearest.items()}


def write_pictures(
    folder: Path,
    results: Results,
    cloud: Cloud,
    images: dict[str, UInt8[np.ndarray, "H W 3"]],
    at_ns: int,
    smplx_dir: str,
    truth: Mapping[int, Any],
) -> list[Path]:
    """Write `scene.png` and one `<camera>.png` per image.

    Args:
        folder: where to.
        results: of the run.
        cloud: positions and RGB of the points of that moment.
        images: by camera, the ones of the moment `at_ns`, as the node saw them.
        at_ns: the moment to draw.
        smplx_dir: folder of the body that the node used; empty for the free one.
        truth: true bodies by stamp, in the world of the results; may be empty. The map shows them as outlines.

    Returns:
        The files that were written.
    """
    body = SmplxBody.load(smplx_dir)
    people = results.bodies[at_ns].bodies
    vertices = {person.track_id: body.vertices(body_params(person)).astype(np.float64) for person in people}
    weights = results.statuses[-1].weights
    caption = _caption(weights, len(people), strange=out_of_domain(weights, truth))
    written = [folder / "scene.png"]
    drawn = [DrawnBody(world, body.faces, color_of(track), str(track)) for track, world in vertices.items()]
    legend = f"{caption}; coloured: estimate, outlined: truth" if truth else caption
    _draw_map(written[0], results, cloud, at_ns, _true_bodies(truth.get(at_ns)) + drawn, legend)
    for camera, image in images.items():
        if camera not in results.poses[at_ns]:
            continue
        cam_from_world = inverse(results.poses[at_ns][camera])
        meshes = [
            DrawnMesh(apply(cam_from_world, world), body.faces, color_of(track), str(track)) for track, world in vertices.items()
        ]
        shown = draw_meshes(image, meshes, _intrinsics(results.infos[at_ns][camera]))
        written.append(folder / f"{camera}.png")
        cv2.imwrite(str(written[-1]), cv2.cvtColor(write_caption(shown, f"{camera}: {caption}"), cv2.COLOR_RGB2BGR))
    return written


def _draw_map(
    path: Path,
    results: Results,
    cloud: Cloud,
    at_ns: int,
    bodies: list[DrawnBody],
    caption: str,
) -> None:
    infos = results.infos[at_ns]
    cameras = [
        DrawnCamera(name, pose, _intrinsics(infos[name]), (infos[name].width, infos[name].height))
        for name, pose in results.poses[at_ns].items()
        if name in infos
    ]
    draw_scene(path, *cloud, cameras, bodies, caption)


def _true_bodies(message: Any) -> list[DrawnBody]:
    """Outlines of everybody of one moment's truth; none where there is none."""
    if message is None:
        return []
    free = SmplxBody.load("")
    return [
        DrawnBody(free.vertices(body_params(person)).astype(np.float64), free.faces, _TRUE_COLOR, "", outline=True)
        for person in message.bodies
    ]


def _intrinsics(info: Any) -> Float[np.ndarray, "3 3"]:
    """Our pinhole matrix: ROS counts pixel centres from 0, `records.py` from 0.5."""
    matrix = np.array(info.k, np.float64).reshape(3, 3)
    matrix[:2, 2] += 0.5
    return matrix


def _caption(weights: str, people: int, *, strange: bool) -> str:
    if untrained(weights):
        return f"{people} bodies from UNTRAINED weights: the chain works, the people are not where they seem"
    return f"{people} people, weights {weights}{f'; {OUT_OF_DOMAIN}' if strange else ''}"
