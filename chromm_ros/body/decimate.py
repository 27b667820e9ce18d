"""A coarser mesh for display that uses the body's own vertices, so that it is posed with no work of its own."""

import numpy as np
from jaxtyping import Float, Int


def display_faces(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], most: int) -> Int[np.ndarray, "D 3"]:
    """At most `most` triangles whose corners are vertices of the mesh: vertex clustering (Rossignac and Borrel 1993).

    Vertices that share a cell of a grid become the one nearest to their mean; triangles that lose a corner vanish. The cell is the
    smallest that keeps the limit, found by bisection, so the result depends on the mesh alone.

    Args:
        vertices: at rest, metres; limbs should not touch.
        faces: indices of vertices.
        most: limit of triangles.
    """
    if len(faces) <= most:
        return faces
    low, high = 1e-4, float(np.ptp(vertices, axis=0).max())
    best = np.empty((0, 3), np.int64)
    for _ in range(24):
        cell = np.sqrt(low * high)
        coarse = _clustered(vertices, faces, cell)
        if len(coarse) > most:
            low = cell
        else:
            high, best = cell, coarse
    return best


def _clustered(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], cell: float) -> Int[np.ndarray, "D 3"]:
    centred = vertices - vertices.mean(0)  # left and right get cells alike
    _, cluster = np.unique(np.round(centred / cell).astype(np.int64), axis=0, return_inverse=True)
    cluster = cluster.reshape(-1)  # NumPy 2.0 kept the axis
    counts = np.bincount(cluster)
    means = np.stack([np.bincount(cluster, centred[:, axis]) / counts for axis in range(3)], axis=-1)
    distance = np.linalg.norm(centred - means[cluster], axis=-1)
    order = np.lexsort((distance, cluster))
    first = np.unique(cluster[order], return_index=True)[1]
    nearest = order[first]  # of each cluster, the vertex nearest to its mean
    corners = nearest[cluster[faces]]
    whole = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    corners = corners[whole]
    turned = np.take_along_axis(corners, (np.argmin(corners, 1)[:, None] + np.arange(3)) % 3, 1)
    return np.unique(turned, axis=0)
