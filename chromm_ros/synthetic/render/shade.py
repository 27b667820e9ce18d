"""The colour of what a pixel sees: pattern, light from everywhere, lamps, and a mirror image of these on what shines."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from chromm_ros.synthetic.render.compiled import compiled
from chromm_ros.synthetic.render.patterns import MEANS, noise, share_of_b
from chromm_ros.synthetic.render.raster import edges

Triple: TypeAlias = tuple[float, float, float]
"""A point, a direction or a colour: compiled code keeps it in registers, not in memory."""

_HOPS = 6
"""Most cuts that follow one another."""
_HALVES = 9
_GRAIN = 25.0
"""Spots of grain per metre."""


@compiled
def vertex_normals(
    vertices: Float32[np.ndarray, "N 3"], faces: Int32[np.ndarray, "M 3"], smooth: Bool[np.ndarray, "M"]
) -> Float32[np.ndarray, "N 3"]:
    """Sums of the normals of the smooth faces around each vertex, weighted by area."""
    normals = np.zeros(vertices.shape, np.float32)
    for f in range(len(faces)):
        if smooth[f]:
            normal = face_normal(vertices, faces, f)
            for k in range(3):
                for d in range(3):
                    normals[faces[f, k], d] += normal[d]
    return normals


@compiled
def face_normal(vertices: Float32[np.ndarray, "N 3"], faces: Int32[np.ndarray, "M 3"], f: int) -> Triple:
    """Twice the area times the unit normal, to the side from which the face is counter-clockwise."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
    vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@compiled
def between(table: Float32[np.ndarray, "N 3"], i: int, j: int, k: int, b0: float, b1: float, b2: float) -> Triple:
    """The mean of three rows by the weights of a triangle's corners."""
    return (
        b0 * table[i, 0] + b1 * table[j, 0] + b2 * table[k, 0],
        b0 * table[i, 1] + b1 * table[j, 1] + b2 * table[k, 1],
        b0 * table[i, 2] + b1 * table[j, 2] + b2 * table[k, 2],
    )


@compiled
def along(pattern_from_rest: Float64[np.ndarray, "K 3 4"], row: int, axis: int, at: Triple) -> float:
    """A point at rest along one axis of a pattern."""
    sum_ = pattern_from_rest[row, axis, 3] + pattern_from_rest[row, axis, 0] * at[0]
    return float(sum_ + pattern_from_rest[row, axis, 1] * at[1] + pattern_from_rest[row, axis, 2] * at[2])


@compiled
def seen_material(row: int, rest: Triple, cut: Float32[np.ndarray, "K 4"], other: Int32[np.ndarray, "K"]) -> int:
    """The row that is seen at a point: cuts lead from one to the next."""
    for _ in range(_HOPS):
        if other[row] < 0 or cut[row, 0] * rest[0] + cut[row, 1] * rest[1] + cut[row, 2] * rest[2] + cut[row, 3] >= 0.0:
            break
        row = other[row]
    return row


@compiled
def paint(
    row: int,
    rest: Triple,
    footprint: float,
    colors: Float32[np.ndarray, "K 2 3"],
    pattern: Int32[np.ndarray, "K"],
    pattern_from_rest: Float64[np.ndarray, "K 3 4"],
    grain: float,
) -> Triple:
    """What the surface reflects. A pattern finer than a pixel (`footprint`, metres) fades to its mean."""
    kind = pattern[row]
    share = 0.0
    if kind:
        share = share_of_b(
            kind,
            along(pattern_from_rest, row, 0, rest),
            along(pattern_from_rest, row, 1, rest),
            along(pattern_from_rest, row, 2, rest),
        )
        unit = abs(pattern_from_rest[row, 0, 0]) + abs(pattern_from_rest[row, 0, 1]) + abs(pattern_from_rest[row, 0, 2])
        clear = min(max(1.6 - 2.0 * footprint * unit, 0.0), 1.0) if kind != _HALVES else 1.0
        share = clear * share + (1.0 - clear) * MEANS[kind]
    dark = 1.0
    if share > 1.0:
        dark, share = 1.6 - 0.6 * share, 0.5
    if grain > 0.0:
        dark *= 1.0 + grain * (2.0 * noise(_GRAIN * rest[0], _GRAIN * rest[1], _GRAIN * rest[2]) - 1.0)
    return (
        dark * ((1.0 - share) * colors[row, 0, 0] + share * colors[row, 1, 0]),
        dark * ((1.0 - share) * colors[row, 0, 1] + share * colors[row, 1, 1]),
        dark * ((1.0 - share) * colors[row, 0, 2] + share * colors[row, 1, 2]),
    )


@compiled
def lit(
    at: Triple,
    normal: Triple,
    view: Triple,
    shine: float,
    ambient: Float32[np.ndarray, "2 3"],
    places: Float32[np.ndarray, "L 4"],
    lamps: Float32[np.ndarray, "L 3"],
    color: Triple,
) -> Triple:
    """The colour times the light that falls on it (Lambert), and what shines (Blinn 1977)."""
    up = 0.5 + 0.5 * normal[2]
    light = (
        up * ambient[0, 0] + (1.0 - up) * ambient[1, 0],
        up * ambient[0, 1] + (1.0 - up) * ambient[1, 1],
        up * ambient[0, 2] + (1.0 - up) * ambient[1, 2],
    )
    red, green, blue = light[0] * color[0], light[1] * color[1], light[2] * color[2]
    for k in range(len(places)):
        x, y, z = places[k, 0] - places[k, 3] * at[0], places[k, 1] - places[k, 3] * at[1], places[k, 2] - places[k, 3] * at[2]
        squared = x * x + y * y + z * z
        length = np.sqrt(squared) + 1e-9
        x, y, z = x / length, y / length, z / length
        facing = x * normal[0] + y * normal[1] + z * normal[2]
        if facing <= 0.0:
            continue
        fall = 1.25 / (1.0 + 0.25 * squared) if places[k, 3] > 0.0 else 1.0
        mirror = 0.0
        if shine > 0.0:
            hx, hy, hz = x + view[0], y + view[1], z + view[2]
            half = (hx * normal[0] + hy * normal[1] + hz * normal[2]) / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9)
            half = half * half
            half = half * half
            half = half * half
            mirror = shine * half * half * half  # to the 24th
        red += fall * lamps[k, 0] * (facing * color[0] + mirror)
        green += fall * lamps[k, 1] * (facing * color[1] + mirror)
        blue += fall * lamps[k, 2] * (facing * color[2] + mirror)
    return red, green, blue


@compiled
def shaded(
    nearest: Int32[np.ndarray, "H W"],
    points: Float64[np.ndarray, "N 3"],
    eye: Float64[np.ndarray, "3"],
    focal: float,
    vertices: Float32[np.ndarray, "N 3"],
    rest: Float32[np.ndarray, "N 3"],
    normals: Float32[np.ndarray, "N 3"],
    faces: Int32[np.ndarray, "M 3"],
    material: Int32[np.ndarray, "M"],
    smooth: Bool[np.ndarray, "M"],
    colors: Float32[np.ndarray, "K 2 3"],
    pattern: Int32[np.ndarray, "K"],
    pattern_from_rest: Float64[np.ndarray, "K 3 4"],
    look: Float32[np.ndarray, "K 2"],
    cut: Float32[np.ndarray, "K 4"],
    other: Int32[np.ndarray, "K"],
    ambient: Float32[np.ndarray, "2 3"],
    places: Float32[np.ndarray, "L 4"],
    lamps: Float32[np.ndarray, "L 3"],
    background: Float32[np.ndarray, "3"],
) -> Float32[np.ndarray, "H W 3"]:
    """Linear light of every pixel, given the face that it sees; so long a list because compiled code takes arrays, not records."""
    height, width = nearest.shape
    image = np.empty((height, width, 3), np.float32)
    e = np.empty((3, 3))
    last, i, j, k, flat = -1, 0, 0, 0, (0.0, 0.0, 0.0)  # neighbours mostly see the same face
    for y in range(height):
        for x in range(width):
            f = nearest[y, x]
            if f < 0:
                image[y, x] = background
                continue
            if f != last:
                edges(points, faces, f, e)
                flat = face_normal(vertices, faces, f)
                i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
                last = f
            u, v = x + 0.5, y + 0.5
            b0, b1, b2 = (
                e[0, 0] * u + e[0, 1] * v + e[0, 2],
                e[1, 0] * u + e[1, 1] * v + e[1, 2],
                e[2, 0] * u + e[2, 1] * v + e[2, 2],
            )
            total = b0 + b1 + b2
            b0, b1, b2 = b0 / total, b1 / total, b2 / total
            at, where = between(vertices, i, j, k, b0, b1, b2), between(rest, i, j, k, b0, b1, b2)
            normal = between(normals, i, j, k, b0, b1, b2) if smooth[f] else flat
            view = (eye[0] - at[0], eye[1] - at[1], eye[2] - at[2])
            away = np.sqrt(view[0] ** 2 + view[1] ** 2 + view[2] ** 2) + 1e-9
            length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) + 1e-20
            facing = (normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2]) / (away * length)
            turn = (-1.0 if facing < 0.0 and not smooth[f] else 1.0) / length
            normal = (normal[0] * turn, normal[1] * turn, normal[2] * turn)
            view = (view[0] / away, view[1] / away, view[2] / away)
            row = seen_material(material[f], where, cut, other)
            footprint = away / (focal * max(abs(facing), 0.1))
            color = paint(row, where, footprint, colors, pattern, pattern_from_rest, look[row, 0])
            color = lit(at, normal, view, look[row, 1], ambient, places, lamps, color)
            image[y, x, 0], image[y, x, 1], image[y, x, 2] = color
    return image


@compiled
def developed(image: Float32[np.ndarray, "h w 3"], supersample: int, table: np.ndarray) -> np.ndarray:
    """Linear light as sRGB of 8 bits (H W 3), `supersample` squared samples to a pixel, by a table over [0, 1]."""
    height, width = image.shape[0] // supersample, image.shape[1] // supersample
    result = np.empty((height, width, 3), np.uint8)
    last, per = len(table) - 1, 1.0 / (supersample * supersample)
    for y in range(height):
        for x in range(width):
            for d in range(3):
                total = 0.0
                for i in range(supersample):
                    for j in range(supersample):
                        total += min(image[y * supersample + i, x * supersample + j, d], 1.0)
                result[y, x, d] = table[int(total * per * last + 0.5)]
    return result
