"""Which triangle a pixel sees, in homogeneous pixel coordinates, so that nothing is clipped.

Source: Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous Coordinates", 1997. A vertex is p = K (R x + t), and the ray
of a pixel is r = (u, v, 1) in the same coordinates. With e0 = p1 x p2 and so on, r meets the triangle where all e . r have one sign,
at depth z = p0 . e0 / (e0 + e1 + e2) . r: each pixel is cut at the near plane by itself. Everything is float64, and a shared edge
gives exactly opposite numbers on both sides, so no ray slips through between two faces.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from chromm_ros.synthetic.render.compiled import compiled

NEAR = 0.02
"""Depth below which nothing is seen, metres."""


@compiled
def projected(vertices: Float32[np.ndarray, "N 3"], pixel_from_world: Float64[np.ndarray, "3 4"]) -> Float64[np.ndarray, "N 3"]:
    """Vertices in homogeneous pixel coordinates (u z, v z, z)."""
    points = np.empty(vertices.shape, np.float64)
    for n in range(len(vertices)):
        for d in range(3):
            points[n, d] = pixel_from_world[d, 3]
            for k in range(3):
                points[n, d] += pixel_from_world[d, k] * vertices[n, k]
    return points


@compiled
def bounds(points: Float64[np.ndarray, "N 3"], faces: Int32[np.ndarray, "M 3"], f: int) -> tuple[float, float, float, float]:
    """Least and greatest u and v of the part of a triangle beyond the near plane; nothing is between them where there is no such part."""
    low_u, high_u, low_v, high_v = np.inf, -np.inf, np.inf, -np.inf
    for k in range(3):
        a, b = faces[f, k], faces[f, (k + 1) % 3]
        za, zb = points[a, 2], points[b, 2]
        if za >= NEAR:
            u, v = points[a, 0] / za, points[a, 1] / za
            low_u, high_u, low_v, high_v = min(low_u, u), max(high_u, u), min(low_v, v), max(high_v, v)
        if (za >= NEAR) != (zb >= NEAR):
            share = (NEAR - za) / (zb - za)
            u = (points[a, 0] + share * (points[b, 0] - points[a, 0])) / NEAR
            v = (points[a, 1] + share * (points[b, 1] - points[a, 1])) / NEAR
            low_u, high_u, low_v, high_v = min(low_u, u), max(high_u, u), min(low_v, v), max(high_v, v)
    return low_u, high_u, low_v, high_v


@compiled
def edges(points: Float64[np.ndarray, "N 3"], faces: Int32[np.ndarray, "M 3"], f: int, e: Float64[np.ndarray, "3 3"]) -> float:
    """Fills `e` with e0, e1, e2 of face `f` and gives the determinant p0 . e0."""
    for k in range(3):
        a, b = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
        for d in range(3):
            i, j = (d + 1) % 3, (d + 2) % 3
            e[k, d] = points[a, i] * points[b, j] - points[a, j] * points[b, i]
    a = faces[f, 0]
    return points[a, 0] * e[0, 0] + points[a, 1] * e[0, 1] + points[a, 2] * e[0, 2]  # type: ignore[no-any-return]  # numba would not take a cast


@compiled
def span(row: Float64[np.ndarray, "3 2"], first: int, last: int) -> tuple[int, int]:
    """The columns between `first` and `last` (not counted) that may lie inside three edges a u + c >= 0, one more on each side."""
    low, high = float(first), float(last)
    for k in range(3):
        a, c = row[k, 0], row[k, 1]
        if a > 0.0:
            low = max(low, -c / a - 1.5)
        elif a < 0.0:
            high = min(high, -c / a + 1.5)
        elif c < 0.0:
            return 0, 0
    return (int(low), int(high)) if high > low else (0, 0)


@compiled
def visible(
    points: Float64[np.ndarray, "N 3"],
    faces: Int32[np.ndarray, "M 3"],
    one_sided: Bool[np.ndarray, "M"],
    width: int,
    height: int,
) -> tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
    """The face that the centre of each pixel sees (-1: none) and its depth (metres; 0: none).

    Args:
        points: vertices in homogeneous pixel coordinates.
        faces: indices of vertices.
        one_sided: faces that are seen only from where they are counter-clockwise.
        width: pixels.
        height: pixels.
    """
    nearest = np.full((height, width), -1, np.int32)
    inverse = np.zeros((height, width), np.float64)
    e, row = np.empty((3, 3)), np.empty((3, 2))
    for f in range(len(faces)):
        low_u, high_u, low_v, high_v = bounds(points, faces, f)
        if not (low_u < width and high_u > 0.0 and low_v < height and high_v > 0.0):
            continue
        # Pixels whose centres lie between the bounds; the sums below decide.
        left, right = int(max(low_u, 0.0)), min(int(min(high_u, width) + 0.5), width)
        top, bottom = int(max(low_v, 0.0)), min(int(min(high_v, height) + 0.5), height)
        if left >= right or top >= bottom:
            continue
        determinant = edges(points, faces, f, e)
        if determinant == 0.0 or (determinant > 0.0 and one_sided[f]):
            continue
        if determinant < 0.0:
            for k in range(3):
                for d in range(3):
                    e[k, d] = -e[k, d]
            determinant = -determinant
        per_depth = 1.0 / determinant
        for y in range(top, bottom):
            v = y + 0.5
            for k in range(3):
                row[k, 0], row[k, 1] = e[k, 0], e[k, 1] * v + e[k, 2]
            first, last = (left, right) if right - left < 8 else span(row, left, right)
            for x in range(first, last):
                u = x + 0.5
                w0, w1, w2 = row[0, 0] * u + row[0, 1], row[1, 0] * u + row[1, 1], row[2, 0] * u + row[2, 1]
                if w0 >= 0.0 and w1 >= 0.0 and w2 >= 0.0:
                    here = (w0 + w1 + w2) * per_depth
                    if here > inverse[y, x] and here <= 1.0 / NEAR:
                        inverse[y, x] = here
                        nearest[y, x] = f
    depth = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if nearest[y, x] >= 0:
                depth[y, x] = 1.0 / inverse[y, x]
    return nearest, depth
