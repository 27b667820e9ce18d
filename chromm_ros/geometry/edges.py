"""Jumps of depth in a map of points: between a thing and what is behind it, a network draws points that float in the air.

The two rules of Pi3 (yyfz/Pi3, pi3/utils/geometry.py: `depth_edge`, `depth_normal_edge`), with its limits. Depth alone also marks floors
that are seen at a grazing angle, where depth grows fast from pixel to pixel; that the surface bends as well tells an edge from a floor.
Normals are computed only where depth jumps: few pixels of a real image, so the stricter rule costs little more than the first one.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

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
    known = np.ones(depth.shape, np.bool_) if valid is None else valid
    single = depth.astype(np.float32, copy=False)
    farthest = cv2.dilate(np.where(known, single, -np.float32(np.inf)), np.ones((3, 3), np.uint8))
    nearest = cv2.erode(np.where(known, single, np.float32(np.inf)), np.ones((3, 3), np.uint8))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(((farthest - nearest) / single > DEPTH_SHARE) & known)


def depth_normal_jumps(
    points: Float[np.ndarray, "H W 3"], valid: Bool[np.ndarray, "H W"] | None = None
) -> Bool[np.ndarray, "H W"]:
    """Those of `depth_jumps` near which the surface bends by more than `BEND` between two neighbours, or ends.

    A pixel without a triangle of valid neighbours lies on no surface and stays, as it does upstream.

    Args:
        points: in the camera, metres.
        valid: which pixels count, for others as well; None: all. Those that are not finite or not in front of the camera never do.
    """
    single = points.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(single @ np.ones(3, np.float32))  # a sum is not finite where one of its parts is not
    known = finite & (single[..., 2] > 0)
    known = known if valid is None else known & valid
    jumps = depth_jumps(single[..., 2], known)
    width = points.shape[1] + 4  # a frame of two invalid pixels around all maps, which are flat from here on
    space = _framed(np.where(known, np.moveaxis(single, -1, 0), np.float32(0))).reshape(3, -1)
    there = _framed(known).reshape(-1)
    normals, facing = np.zeros_like(space), np.zeros_like(there)
    at = np.flatnonzero(_framed(_grown(jumps, 5)) & _framed(known))
    normals[:, at], facing[at] = _normals(space, there, at, width)
    at = np.flatnonzero(_framed(_grown(jumps, 3)))
    bent = np.zeros_like(there)
    bent[at] = _bends(normals, facing, at, width)
    near_a_bend, on_a_surface = _grown(bent.reshape(-1, width), 3), facing.reshape(-1, width)
    return np.asarray(jumps & (near_a_bend & on_a_surface)[2:-2, 2:-2])


def _normals(
    points: Float[np.ndarray, "3 N"], valid: Bool[np.ndarray, "N"], at: Int[np.ndarray, "K"], width: int
) -> tuple[Float[np.ndarray, "3 K"], Bool[np.ndarray, "K"]]:
    """Unit normals of some valid pixels, the mean over the triangles with their four neighbours, and whether there is any triangle."""
    beside = [at + row * width + column for row, column in _RING]
    spokes = [points.take(index, axis=1) - points.take(at, axis=1) for index in beside]
    total, some = np.zeros((3, len(at)), np.float32), np.zeros(len(at), np.bool_)
    for this in range(4):
        after = (this + 1) % 4
        whole = valid[beside[this]] & valid[beside[after]]
        total += np.where(whole, _unit(_cross(spokes[this], spokes[after])), np.float32(0))
        some |= whole
    return _unit(total), some


def _bends(
    normals: Float[np.ndarray, "3 N"], facing: Bool[np.ndarray, "N"], at: Int[np.ndarray, "K"], width: int
) -> Bool[np.ndarray, "K"]:
    """Whether a normal differs from one of those around it; a missing one differs from any that is there."""
    here, limit = normals.take(at, axis=1), np.float32(np.cos(np.deg2rad(BEND)))
    bent = np.zeros(len(at), np.bool_)
    for row, column in _BLOCK:
        index = at + row * width + column
        bent |= facing[index] & ((here * normals.take(index, axis=1)).sum(0) < limit)
    return bent


def _cross(a: Float[np.ndarray, "3 K"], b: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Cross product of columns: several times as fast as NumPy's."""
    return np.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


def _unit(vectors: Float[np.ndarray, "3 K"]) -> Float[np.ndarray, "3 K"]:
    """Columns of length one; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.sqrt((vectors * vectors).sum(0)), np.float32(_SMALLEST)))


def _framed(values: Shaped[np.ndarray, "*B H W"]) -> Shaped[np.ndarray, "*B H+4 W+4"]:
    """With two rows and columns of zeros on each side."""
    return np.pad(values, (*((0, 0),) * (values.ndim - 2), (2, 2), (2, 2)))


def _grown(mask: Bool[np.ndarray, "H W"], side: int) -> Bool[np.ndarray, "H W"]:
    """Every pixel that has one of the mask in the square around it."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)) > 0)
