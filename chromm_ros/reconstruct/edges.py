"""Jumps of depth in a map of points: between a thing and what is behind it, a network draws points that float in the air.

The two rules of Pi3 (yyfz/Pi3, pi3/utils/geometry.py: `depth_edge`, `depth_normal_edge`), with its limits. Depth alone also marks floors
that are seen at a grazing angle, where depth grows fast from pixel to pixel; that the surface bends as well tells an edge from a floor.
Normals are computed only where depth jumps: few pixels of a real image, so the stricter rule costs little more than the first one.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.errors import require

DEPTH_SHARE = 0.03
"""Largest span of depth among a pixel and its neighbours on one surface, as a share of its own depth: upstream's `rtol`."""
BEND = 5.0
"""Largest angle between the normals of neighbours on one surface, degrees: upstream's `normal_tol_deg`."""
_RING = ((-1, 0), (0, -1), (1, 0), (0, 1))
"""Up, left, down, right: any two that follow one another span a triangle with the pixel, always turned the same way."""
_BLOCK = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))
_SMALLEST = 1e-12


def depth_jumps(depth: Float[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"] | None = None) -> Bool[np.ndarray, "H W"]:
    """Valid pixels around which depth spans more than `DEPTH_SHARE` of their own, in a square of 3 x 3.

    Args:
        depth: metres along z.
        valid: which pixels count, for others as well; None: all.
    """
    single, square = np.ascontiguousarray(depth, np.float32), np.ones((3, 3), np.uint8)
    known = None if valid is None or valid.all() else valid
    farthest = _cv2().dilate(_instead(single, known, -np.inf), square)
    nearest = _cv2().erode(_instead(single, known, np.inf), square)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        jumps = (farthest - nearest) / single > DEPTH_SHARE
    return np.asarray(jumps if known is None else jumps & known)


def depth_normal_jumps(
    points: Float[np.ndarray, "H W 3"], valid: Bool[np.ndarray, "H W"] | None = None, crowded: float = math.inf
) -> Bool[np.ndarray, "H W"]:
    """Those of `depth_jumps` near which the surface bends by more than `BEND` between two neighbours, or ends.

    A pixel without a triangle of valid neighbours lies on no surface and stays, as it does upstream.

    Args:
        points: in the camera, metres.
        valid: which pixels count, for others as well; None: all. Those that are not finite or not in front of the camera never do.
        crowded: share of the image from which jumps are noise and no edges: then all are returned, since normals would cost much there
            and tell nothing.
    """
    single = np.ascontiguousarray(points, np.float32)
    # A sum is not finite where one of its parts is not.
    finite = np.isfinite(_cv2().transform(single, np.ones((1, 3), np.float32)))
    depth = np.ascontiguousarray(single[..., 2])
    known = finite & (depth > 0)
    known = known if valid is None else known & valid
    jumps = depth_jumps(depth, known)
    if np.count_nonzero(jumps) >= crowded * jumps.size:
        return jumps
    # Few pixels of an image matter, so normals are written into a list; a map with a frame says where in it, the rest at its empty end.
    row, column = _places(_grown(jumps, 5) & known)
    normals, facing = _normals(single, known, row, column)
    place = np.full((known.shape[0] + 2, known.shape[1] + 2), len(row), np.int32)
    place[row + 1, column + 1] = np.arange(len(row), dtype=np.int32)
    bent, surface = np.zeros_like(jumps), np.zeros_like(jumps)
    surface[row, column] = facing[:-1]
    row, column = _places(_grown(jumps, 3))
    bent[row, column] = _bends(normals, facing, place, row, column)
    return np.asarray(jumps & _grown(bent, 3) & surface)


def _normals(
    points: Float[np.ndarray, "H W 3"], valid: Bool[np.ndarray, "H W"], row: Int[np.ndarray, "K"], column: Int[np.ndarray, "K"]
) -> tuple[Float[np.ndarray, "3 K+1"], Bool[np.ndarray, "K+1"]]:
    """Unit normals of some valid pixels, the mean over the triangles with their four neighbours, and whether there is any triangle.

    The last entry is that of a pixel that has none.
    """
    there, here = np.pad(valid, 1), points[row, column].T
    total, some = np.zeros((3, len(row) + 1), np.float32), np.zeros(len(row) + 1, np.bool_)
    last_row, last_column = valid.shape[0] - 1, valid.shape[1] - 1
    known = [there[row + 1 + down, column + 1 + right] for down, right in _RING]
    with np.errstate(invalid="ignore", over="ignore"):
        spokes = [points[(row + down).clip(0, last_row), (column + right).clip(0, last_column)].T - here for down, right in _RING]
        for this, after in ((0, 1), (1, 2), (2, 3), (3, 0)):
            whole = known[this] & known[after]
            total[:, :-1] += np.where(whole, _unit(_cross(spokes[this], spokes[after])), np.float32(0))
            some[:-1] |= whole
    return _unit(total), some


def _bends(
    normals: Float[np.ndarray, "3 N"],
    facing: Bool[np.ndarray, "N"],
    place: Int[np.ndarray, "H W"],
    row: Int[np.ndarray, "K"],
    column: Int[np.ndarray, "K"],
) -> Bool[np.ndarray, "K"]:
    """Whether a normal differs from one of those around it; a missing one differs from any that is there."""
    here, limit = normals.take(place[row + 1, column + 1], axis=1), np.float32(np.cos(np.deg2rad(BEND)))
    bent = np.zeros(len(row), np.bool_)
    for down, right in _BLOCK:
        index = place[row + 1 + down, column + 1 + right]
        bent |= facing[index] & ((here * normals.take(index, axis=1)).sum(0) < limit)
    return bent


def _cross(a: Float[np.ndarray, "3 K"], b: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Cross product of columns: several times as fast as NumPy's."""
    return np.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


def _unit(vectors: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Columns of length one; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.sqrt((vectors * vectors).sum(0)), np.float32(_SMALLEST)))


def _instead(image: Float[np.ndarray, "H W"], known: Bool[np.ndarray, "H W"] | None, other: float) -> Float[np.ndarray, "H W"]:
    """The image, and a number where it is not known: `np.where`, which takes twenty times as long where the mask has no pattern."""
    if known is None:
        return image
    filled = np.full_like(image, other)
    _cv2().copyTo(image, known.view(np.uint8), filled)
    return filled


def _places(mask: Bool[np.ndarray, "H W"]) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Rows and columns of the pixels of a mask: several times as fast as NumPy's in two dimensions where they are few."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def _grown(mask: Bool[np.ndarray, "H W"], side: int) -> Bool[np.ndarray, "H W"]:
    """Every pixel that has one of the mask in the square around it."""
    return np.asarray(_cv2().dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _cv2() -> Any:
    """OpenCV, asked for only where an edge is looked for: settings load without it."""
    return require("cv2", extra="opencv")
