"""The scene as a map: cloud, cameras and bodies seen from above and from the side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from chromm_ros.errors import require

_GRAIN_M = 0.01
"""Of silhouettes."""


@dataclass(frozen=True)
class DrawnCamera:
    """A camera on the map."""

    name: str
    """Written beside it."""
    world_from_cam: Float[np.ndarray, "4 4"]
    """Metres."""
    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole matrix, pixels."""
    image_size: tuple[int, int]
    """Width and height, pixels."""


@dataclass(frozen=True)
class DrawnBody:
    """A body on the map."""

    vertices: Float[np.ndarray, "V 3"]
    """World, metres."""
    faces: Int[np.ndarray, "M 3"]
    """Triangles as indices of vertices."""
    color: tuple[int, int, int]
    """RGB."""
    label: str
    """Written beside it."""
    outline: bool = False
    """Whether only its silhouette is drawn, over all other bodies."""


def draw_scene(
    path: Path,
    points: Float[np.ndarray, "N 3"],
    colors: UInt8[np.ndarray, "N 3"],
    cameras: Sequence[DrawnCamera],
    bodies: Sequence[DrawnBody],
    title: str,
) -> None:
    """Write a PNG with two panels, from above and from the side, both in metres of the world (z up).

    Raises:
        DependencyError: if matplotlib is not installed.
    """
    require("matplotlib", extra="draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = _extent(points, cameras, bodies)
    figure = Figure(figsize=(14, 7.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    for panel, (across, up, away, name) in enumerate(((0, 1, -2, "from above"), (0, 2, 1, "from the side")), start=1):
        axes = figure.add_subplot(1, 2, panel)
        axes.set_title(f"{name}: {'xyz'[across]} to the right, {'xyz'[up]} up")
        order = _far_to_near(points, away)
        axes.scatter(points[order, across], points[order, up], s=1.2, c=colors[order] / 255.0, linewidths=0, rasterized=True)
        for body in bodies:
            if body.outline:
                _draw_outline(axes, body, across, up)
            else:
                _draw_body(axes, body, across, up, away)
        for camera in cameras:
            _draw_camera(axes, camera, across, up, size_m=0.06 * float(np.max(high - low)))
        half = float(np.max(high - low)) / 2  # the same square metre in both panels
        for axis, set_limits in ((across, axes.set_xlim), (up, axes.set_ylim)):
            middle = (low[axis] + high[axis]) / 2
            set_limits(middle - half, middle + half)
        axes.set_aspect("equal")
        axes.set_xlabel(f"{'xyz'[across]} [m]")
        axes.set_ylabel(f"{'xyz'[up]} [m]")
        axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _far_to_near(points: Float[np.ndarray, "N 3"], away: int) -> Int[np.ndarray, "N"]:
    """Order in which the nearest to the eye comes last; `away` is the axis that leads from the eye, negative when it leads to it."""
    depth = points[:, abs(away)] * (1 if away > 0 else -1)
    return np.argsort(-depth, kind="stable")


def _extent(
    points: Float[np.ndarray, "N 3"], cameras: Sequence[DrawnCamera], bodies: Sequence[DrawnBody]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Corners of what is worth seeing: all cameras and bodies, and the cloud but for its farthest few percent."""
    parts = [camera.world_from_cam[None, :3, 3] for camera in cameras] + [body.vertices for body in bodies]
    if len(points):
        parts.append(np.percentile(points, [3, 97], axis=0))
    everything = np.concatenate([*parts, np.zeros((1, 3))]).astype(np.float64)
    low, high = everything.min(0), everything.max(0)
    margin = 0.08 * max(1.0, float(np.max(high - low)))
    return low - margin, high + margin


def _draw_body(axes: object, body: DrawnBody, across: int, up: int, away: int) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.patheffects import withStroke

    corners = body.vertices[body.faces]  # (M, 3 corners, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-12
    towards_eye = normals[:, abs(away)] * (-1 if away > 0 else 1)
    order = _far_to_near(corners.mean(1), away)
    order = order[towards_eye[order] > 0]
    shade = 0.4 + 0.6 * towards_eye[order]
    faces = PolyCollection(
        list(corners[order][..., [across, up]]), facecolors=shade[:, None] * np.array(body.color) / 255.0, edgecolors="none"
    )
    axes.add_collection(faces)  # type: ignore[attr-defined]  # matplotlib carries no types here
    place = body.vertices.mean(0)[[across, up]]
    outline = [withStroke(linewidth=2.5, foreground="white")]
    axes.annotate(body.label, tuple(place), ha="center", va="center", fontsize=9, weight="bold", path_effects=outline)  # type: ignore[attr-defined]


def _draw_outline(axes: object, body: DrawnBody, across: int, up: int) -> None:
    """The contour of the body's shadow, which is laid out on a grid."""
    flat = body.vertices[:, [across, up]]
    low = flat.min(axis=0) - 2 * _GRAIN_M
    cells = np.round((flat - low) / _GRAIN_M).astype(np.int32)
    shadow = np.zeros(cells.max(axis=0)[::-1] + 3, np.uint8)
    for triangle in cells[body.faces]:
        cv2.fillConvexPoly(shadow, triangle, 255)
    contours, _ = cv2.findContours(shadow, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        around = low + _GRAIN_M * np.concatenate([contour, contour[:1]])[:, 0]
        for color, width in (("white", 2.6), (np.array(body.color) / 255.0, 1.4)):
            axes.plot(around[:, 0], around[:, 1], color=color, linewidth=width, zorder=2.5)  # type: ignore[attr-defined]


def _draw_camera(axes: object, camera: DrawnCamera, across: int, up: int, size_m: float) -> None:
    """The four edges of the view and the far rectangle, as a wire."""
    width, height = camera.image_size
    pixels = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
    corners = pixels @ np.linalg.inv(camera.intrinsics).T * size_m
    rotation, centre = camera.world_from_cam[:3, :3], camera.world_from_cam[:3, 3]
    corners = corners @ rotation.T + centre
    for k in range(4):
        wire = np.stack([centre, corners[k], corners[(k + 1) % 4]])
        axes.plot(wire[:, across], wire[:, up], color="black", linewidth=1.1)  # type: ignore[attr-defined]
    axes.annotate(camera.name, (centre[across], centre[up]), fontsize=9, color="black")  # type: ignore[attr-defined]
