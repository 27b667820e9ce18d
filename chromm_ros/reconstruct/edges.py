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
_BLOCK = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)
_SMALLEST = 1e-12


def depth_jumps(
    depth: Float[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"] | None = None, spacing: int = 1
) -> Bool[np.ndarray, "H W"]:
    """Valid pixels around which depth spans more than `DEPTH_SHARE` of their own, in a square of 3 x 3.

    Args:
        depth: metres along z.
        valid: which pixels count, for others as well; None: all.
        spacing: pixels of the full map from one of these to the next; on one surface depth spans so many times as much then.
    """
    single, square = np.ascontiguousarray(depth, np.float32), np.ones((3, 3), np.uint8)
    known = None if valid is None or valid.all() else valid
    farthest = opencv().dilate(_instead(single, known, -np.inf), square)
    nearest = opencv().erode(_instead(single, known, np.inf), square)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        jumps = (farthest - nearest) / single > np.float32(spacing * DEPTH_SHARE)
    return np.asarray(jumps if known is None else jumps & known)


def depth_normal_jumps(
    points: Float[np.ndarray, "H W 3"],
    valid: Bool[np.ndarray, "H W"] | None = None,
    asked: Bool[np.ndarray, "H W"] | None = None,
    crowded: float = math.inf,
    spacing: int = 1,
) -> Bool[np.ndarray, "H W"]:
    """Those of `depth_jumps` near which the surface bends by more than `BEND` between two neighbours, or ends.

    A pixel without a triangle of valid neighbours lies on no surface and stays, as it does upstream.

    Args:
        points: in the camera, metres.
        valid: which pixels count, for others as well; None: all. Those that are not finite or not in front of the camera never do.
        asked: for which pixels to answer, the others are in no result; None: all.
        crowded: share of the image from which jumps are noise and no edges: then all are returned, since normals would cost much there
            and tell nothing.
        spacing: as in `depth_jumps`.
    """
    single = np.ascontiguousarray(points, np.float32)
    # A sum is not finite where one of its parts is not.
    finite = np.isfinite(opencv().transform(single, np.ones((1, 3), np.float32)))
    depth = np.ascontiguousarray(single[..., 2])
    known = finite & (depth > 0)
    known = known if valid is None else known & valid
    jumps = depth_jumps(depth, known, spacing)
    if np.count_nonzero(jumps) >= crowded * jumps.size:
        return jumps if asked is None else jumps & asked
    if asked is not None:
        jumps &= asked
    # Few pixels of an image matter, so normals are written into a list; a map with a frame says where in it, the rest at its empty end.
    cv2, width, there = opencv(), known.shape[1] + 2, np.pad(known, 1).reshape(-1)
    framed = cv2.copyMakeBorder(single, 1, 1, 1, 1, cv2.BORDER_CONSTANT).reshape(-1, 3)
    around = _within_frame(_grown(jumps, 5) & known)
    normals, facing = _normals(framed, there, around, width)
    place = np.full(len(there), len(around), np.int32)
    place[around] = np.arange(len(around), dtype=np.int32)
    bent, surface = np.zeros(len(there), np.bool_), np.zeros(len(there), np.bool_)
    surface[around] = facing[:-1]
    near = _within_frame(_grown(jumps, 3))
    bent[near] = _bends(normals, facing, place, near, width)
    bent, surface = (flat.reshape(-1, width)[1:-1, 1:-1] for flat in (bent, surface))
    return np.asarray(jumps & _grown(np.ascontiguousarray(bent), 3) & surface)


def _normals(
    points: Float[np.ndarray, "N 3"], valid: Bool[np.ndarray, "N"], place: Int[np.ndarray, "K"], width: int
) -> tuple[Float[np.ndarray, "3 K+1"], Bool[np.ndarray, "K+1"]]:
    """Unit normals of some valid pixels, the mean over the triangles with their four neighbours, and whether there is any triangle.

    The last entry is that of a pixel that has none.

    Args:
        points: of the map in its frame, row by row.
        valid: which of them count.
        place: of the pixels that are asked for.
        width: of a row.
    """
    here = _columns(points, place)
    total, some = np.zeros((3, len(place) + 1), np.float32), np.zeros(len(place) + 1, np.bool_)
    beside = [place + (down * width + right) for down, right in _RING]
    known = [valid.take(index) for index in beside]
    with np.errstate(invalid="ignore", over="ignore"):
        spokes = [_columns(points, index) - here for index in beside]
        for this, after in ((0, 1), (1, 2), (2, 3), (3, 0)):
            whole = known[this] & known[after]
            total[:, :-1] += np.where(whole, _unit(_cross(spokes[this], spokes[after])), np.float32(0))
            some[:-1] |= whole
    return _unit(total), some


def _bends(
    normals: Float[np.ndarray, "3 N"],
    facing: Bool[np.ndarray, "N"],
    place: Int[np.ndarray, "M"],
    asked: Int[np.ndarray, "K"],
    width: int,
) -> Bool[np.ndarray, "K"]:
    """Whether a normal differs from one of those around it; a missing one differs from any that is there."""
    here, limit = normals.take(place.take(asked), axis=1), np.float32(np.cos(np.deg2rad(BEND)))
    bent = np.zeros(len(asked), np.bool_)
    for down, right in _BLOCK:
        index = place.take(asked + (down * width + right))
        bent |= facing.take(index) & (_dot(here, normals.take(index, axis=1)) < limit)
    return bent


def _columns(points: Float[np.ndarray, "N 3"], place: Int[np.ndarray, "K"]) -> Float[np.ndarray, "3 K"]:
    return np.ascontiguousarray(points.take(place, axis=0).T)


def _dot(a: Float[np.ndarray, "3 K"], b: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "K"]:
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def _cross(a: Float[np.ndarray, "3 K"], b: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Cross product of columns: several times as fast as NumPy's."""
    return np.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


def _unit(vectors: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Columns of length one; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.sqrt(_dot(vectors, vectors)), np.float32(_SMALLEST)))


def _instead(image: Float[np.ndarray, "H W"], known: Bool[np.ndarray, "H W"] | None, other: float) -> Float[np.ndarray, "H W"]:
    """The image, and a number where it is not known: `np.where`, which takes twenty times as long where the mask has no pattern."""
    if known is None:
        return image
    filled = np.full_like(image, other)
    opencv().copyTo(image, known.view(np.uint8), filled)
    return filled


def _within_frame(mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, "K"]:
    """Places of the pixels of a mask in the map with a frame, row by row."""
    flat = np.flatnonzero(mask)
    return np.asarray(flat + 2 * (flat // max(mask.shape[1], 1)) + mask.shape[1] + 3)


def _grown(mask: Bool[np.ndarray, "H W"], side: int) -> Bool[np.ndarray, "H W"]:
    """Every pixel that has one of the mask in the square around it."""
    return np.asarray(opencv().dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)) > 0)


def opencv() -> Any:
    """OpenCV, asked for only where it is used: settings load without it."""
    return require("cv2", extra="opencv")
