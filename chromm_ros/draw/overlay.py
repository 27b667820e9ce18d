"""Bodies drawn over the image that a camera saw."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

_LIGHT = np.array([0.3, -0.6, -0.75]) / np.linalg.norm([0.3, -0.6, -0.75])
"""Direction towards the lamp in the camera's axes: from above and behind the camera."""
_NEAR_M = 0.05
_LINE_PX, _LETTER_PX = 17, 8
"""Height of a line of a caption, and width that a letter may take."""
_SHIFT = 4
"""Fractional bits of OpenCV's polygon corners."""


@dataclass(frozen=True)
class DrawnMesh:
    """One mesh in the axes of the camera that draws it."""

    vertices: Float[np.ndarray, "V 3"]
    """Metres, OpenCV axes."""
    faces: Int[np.ndarray, "M 3"]
    """Triangles as indices of vertices, counter-clockwise seen from outside."""
    color: tuple[int, int, int]
    """RGB."""
    label: str = ""
    """Written at the top of the mesh."""


def draw_meshes(
    image: UInt8[np.ndarray, "H W 3"], meshes: Sequence[DrawnMesh], intrinsics: Float[np.ndarray, "3 3"], opacity: float = 0.75
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw meshes over an image, the nearest triangle last (painter's algorithm), lit by one lamp.

    Args:
        image: RGB.
        meshes: what to draw; triangles that reach behind the camera are left out.
        intrinsics: pinhole matrix in pixels of `image`; the centre of the top-left pixel is (0.5, 0.5).
        opacity: of the meshes, in [0, 1].
    """
    triangles, colors = [np.empty((0, 3, 3))], [np.empty((0, 3))]
    for mesh in meshes:
        corners = mesh.vertices[mesh.faces].astype(np.float64)  # (M, 3 corners, 3)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-12
        facing = (normals * corners[:, 0]).sum(-1) < 0
        visible = (corners[..., 2] > _NEAR_M).all(-1) & facing
        shade = 0.35 + 0.65 * np.clip(normals[visible] @ _LIGHT, 0, 1)
        triangles.append(corners[visible])
        colors.append(shade[:, None] * np.array(mesh.color))
    corners, rgb = np.concatenate(triangles), np.concatenate(colors)
    order = np.argsort(-corners[..., 2].mean(-1))
    pixels = corners[order] @ intrinsics.T.astype(np.float64)
    pixels = pixels[..., :2] / pixels[..., 2:] - 0.5  # OpenCV counts pixel centres from 0
    reach = 4 * max(image.shape)
    pixels = np.round(np.clip(pixels, -reach, reach) * (1 << _SHIFT)).astype(np.int32)

    layer, covered = image.copy(), np.zeros(image.shape[:2], np.uint8)
    for corner, color in zip(pixels, rgb[order], strict=True):
        cv2.fillConvexPoly(layer, corner, color.tolist(), cv2.LINE_8, _SHIFT)
        cv2.fillConvexPoly(covered, corner, 255, cv2.LINE_8, _SHIFT)
    alpha = (covered[..., None] > 0) * opacity
    drawn: UInt8[np.ndarray, "H W 3"] = np.round(image * (1 - alpha) + layer * alpha).astype(np.uint8)
    for mesh in meshes:
        _write_label(drawn, mesh, intrinsics)
    return drawn


def write_caption(image: UInt8[np.ndarray, "H W 3"], text: str) -> UInt8[np.ndarray, "_ W 3"]:
    """A copy of the image with text on a dark bar below it, in as many lines as its width asks for."""
    room = max(24, (image.shape[1] - 12) // _LETTER_PX)
    lines = textwrap.wrap(text, room)
    bar = np.full((_LINE_PX * len(lines) + 8, image.shape[1], 3), 24, np.uint8)
    for number, line in enumerate(lines, start=1):
        cv2.putText(bar, line, (6, _LINE_PX * number), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([image, bar])


def _write_label(image: UInt8[np.ndarray, "H W 3"], mesh: DrawnMesh, intrinsics: Float[np.ndarray, "3 3"]) -> None:
    ahead = mesh.vertices[mesh.vertices[:, 2] > _NEAR_M]
    if not mesh.label or not len(ahead):
        return
    top = ahead[np.argmin(ahead[:, 1] / ahead[:, 2])].astype(np.float64)
    u, v = (intrinsics @ top)[:2] / top[2]
    if not (0 <= u < image.shape[1] and 0 <= v < image.shape[0]):
        return
    place = (int(u) - 6, max(12, int(v) - 4))
    cv2.putText(image, mesh.label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(image, mesh.label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
