"""Coarser meshes on a body's own vertices, so that what holds for a vertex (weights, shapes) holds for theirs.

Edges are collapsed onto one of their ends, the cheapest first by the quadric error (Garland and Heckbert, SIGGRAPH 1997). Many that
are far enough apart go at once, which keeps the work in NumPy: below a second for a body of 20 000 triangles.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csr_array

_CHEAPEST = 0.2
"""Share of the edges that a round may choose from: less is nearer to one edge at a time, more is faster."""
_UPRIGHT = 0.2
"""Least cosine between a triangle's normal before and after: none may fold over."""
_SHORT = 1e-3
"""Weight of an edge's length, so that flat parts get even triangles."""


def coarse_faces(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], most: int) -> Int[np.ndarray, "D 3"]:
    """At most `most` triangles, if the mesh allows it, whose corners are vertices of the mesh.

    A closed mesh stays closed, its parts stay parts, and the result depends on the mesh alone. Open edges are left as they are.

    Args:
        vertices: at rest, metres.
        faces: indices of vertices.
        most: limit of triangles.
    """
    faces = faces.astype(np.int64)
    quadrics = _quadrics(vertices, faces)
    while len(faces) > most:
        merged = _round(vertices, faces, quadrics, (len(faces) - most + 1) // 2)
        if not len(merged):
            break
        onto = np.arange(len(vertices))
        onto[merged[:, 0]] = merged[:, 1]
        quadrics[merged[:, 1]] += quadrics[merged[:, 0]]
        faces = onto[faces]
        faces = faces[(faces != np.roll(faces, 1, axis=1)).all(1)]
    return faces


def _round(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], quadrics: Float[np.ndarray, "V 4 4"], most: int
) -> Int[np.ndarray, "K 2"]:
    """At most `most` edges (vanishing end, lasting end) of which no two have ends that are neighbours, cheap ones first."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    one = np.ones(len(edges), np.int32)
    sides = csr_array(coo_array((one, edges.T), shape=(len(vertices), len(vertices))))  # sums what comes twice
    neighbours = csr_array(((sides + sides.T) > 0).astype(np.int32))
    common = csr_array((neighbours @ neighbours).multiply(neighbours))
    pairs = np.stack((common == 2).nonzero(), axis=-1)  # both directions; with more, the surface would touch itself
    pairs = pairs[~_at_a_border(sides)[pairs[:, 0]]]
    pairs = pairs[np.argsort(_cost(vertices, quadrics, pairs), kind="stable")]
    cheap = pairs[: int(_CHEAPEST * len(pairs))]
    cheap = cheap[_keeps_upright(vertices, faces, cheap)]
    return _apart(cheap if len(cheap) else pairs[_keeps_upright(vertices, faces, pairs)], neighbours, most)


def _quadrics(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"]) -> Float[np.ndarray, "V 4 4"]:
    """Squared distance to the planes of a vertex's triangles, weighted by their areas, as a form of (x, y, z, 1)."""
    normals = _normals(vertices[faces])
    areas = np.linalg.norm(normals, axis=-1, keepdims=True)
    units = normals / np.maximum(areas, 1e-12)
    planes = np.concatenate([units, -(units * vertices[faces[:, 0]]).sum(-1, keepdims=True)], axis=-1)
    forms = areas[..., None] * planes[:, :, None] * planes[:, None, :]
    quadrics = np.zeros((len(vertices), 4, 4))
    for corner in range(3):
        np.add.at(quadrics, faces[:, corner], forms)
    return quadrics


def _normals(corners: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    return np.asarray(np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]))


def _cost(
    vertices: Float[np.ndarray, "V 3"], quadrics: Float[np.ndarray, "V 4 4"], pairs: Int[np.ndarray, "E 2"]
) -> Float[np.ndarray, "E"]:
    """The error of drawing each pair's first vertex to the second."""
    goal = np.concatenate([vertices[pairs[:, 1]], np.ones((len(pairs), 1))], axis=-1)
    error = np.einsum("ei,eij,ej->e", goal, quadrics[pairs[:, 0]] + quadrics[pairs[:, 1]], goal)
    length = np.square(vertices[pairs[:, 0]] - vertices[pairs[:, 1]]).sum(-1)
    return np.asarray(error + _SHORT * length**2)


def _at_a_border(sides: "csr_array") -> Bool[np.ndarray, "V"]:
    """Vertices of edges that have not exactly one triangle on each side."""
    odd = csr_array(abs(sides - sides.T) + (sides > 1).astype(np.int32))
    locked = np.zeros(odd.shape[0], bool)
    for ends in odd.nonzero():
        locked[ends] = True
    return locked


def _keeps_upright(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], pairs: Int[np.ndarray, "E 2"]
) -> Bool[np.ndarray, "E"]:
    """Which pairs let every triangle of the vanishing vertex that lasts keep its side."""
    corner = np.argsort(faces.reshape(-1), kind="stable")
    first = np.searchsorted(faces.reshape(-1)[corner], np.arange(len(vertices) + 1))
    count = np.diff(first)[pairs[:, 0]]
    pair = np.repeat(np.arange(len(pairs)), count)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    touched = corner[first[pairs[pair, 0]] + within]  # corner of a triangle that is drawn away, for every pair
    ring = faces[touched // 3]
    lasts = (ring != pairs[pair, 1:]).all(1)
    pair, touched, ring = pair[lasts], touched[lasts], ring[lasts]
    before, corners = vertices[ring], vertices[ring]
    corners[np.arange(len(ring)), touched % 3] = vertices[pairs[pair, 1]]
    old, new = _normals(before), _normals(corners)
    cosine = (old * new).sum(-1) / np.maximum(np.linalg.norm(old, axis=-1) * np.linalg.norm(new, axis=-1), 1e-20)
    return np.asarray(np.bincount(pair[cosine < _UPRIGHT], minlength=len(pairs)) == 0)


def _apart(pairs: Int[np.ndarray, "E 2"], neighbours: "csr_array", most: int) -> Int[np.ndarray, "K 2"]:
    """The first pairs whose ends are neither ends nor neighbours of the ends of those taken before."""
    taken = np.zeros(neighbours.shape[0], bool)
    start, ring = neighbours.indptr, neighbours.indices
    chosen: list[tuple[int, int]] = []
    for a, b in pairs.tolist():
        if len(chosen) == most:
            break
        if not (taken[a] or taken[b]):
            chosen.append((a, b))
            for end in (a, b):
                taken[end] = True
                taken[ring[start[end] : start[end + 1]]] = True
    return np.array(chosen, np.int64).reshape(-1, 2)
