"""Where rays meet: closed-form least squares with its own account of how good it is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Meeting:
    """The point nearest to a bundle of rays."""

    point: Float[np.ndarray, "*B 3"]
    """In the frame of the rays."""
    residual: Float[np.ndarray, "*B"]
    """Weighted root mean square distance of the point from the rays' lines, in the unit of the origins."""
    spread: Float[np.ndarray, "*B"]
    """How well the rays fix the point, 0 (parallel, or fewer than two) to 2/3: the smallest eigenvalue of the normal matrix with
    weights that sum to one. Two rays of equal weight that cross at the angle a have (1 - cos a) / 2."""
    ahead: Float[np.ndarray, "*B N"]
    """Distance of the point along each ray; negative where it lies behind the ray's origin."""


def meet(
    origins: Float[np.ndarray, "*B N 3"],
    directions: Float[np.ndarray, "*B N 3"],
    weights: Float[np.ndarray, "*B N"] | None = None,
) -> Meeting:
    """The point x with the least sum_i w_i |(I - d_i d_i^T)(x - o_i)|^2: its normal equations are linear (Hartley and Sturm 1997).

    Where the rays do not fix a point (parallel, one ray, no weight) the directions they leave open keep the mean of the origins,
    so the result is finite; `spread` tells.

    Args:
        origins: where the N rays start.
        directions: of any length but zero.
        weights: not negative; None for equal ones, 0 leaves a ray out.
    """
    w = np.ones(origins.shape[:-1]) if weights is None else weights
    total = w.sum(axis=-1, keepdims=True)
    w = w / np.where(total > 0.0, total, 1.0)
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    across = np.eye(3) - unit[..., :, None] * unit[..., None, :]  # *B N 3 3
    centre = np.einsum("...n,...nd->...d", w, origins)
    start = origins - centre[..., None, :]  # relative to their mean: better conditioned, and the answer where nothing is known
    normal = np.einsum("...n,...nij->...ij", w, across)
    right = np.einsum("...n,...nij,...nj->...i", w, across, start)
    values, vectors = np.linalg.eigh(normal)
    known = values > 1e-10
    along = np.einsum("...ji,...j->...i", vectors, right)  # components of the right side along each eigenvector
    solved = np.where(known, along, 0.0) / np.where(known, values, 1.0)
    offset = np.einsum("...ij,...j->...i", vectors, solved)
    miss = np.einsum("...nij,...nj->...ni", across, offset[..., None, :] - start)
    residual = np.asarray(np.sqrt(np.einsum("...n,...ni->...", w, miss * miss)))
    ahead = np.einsum("...ni,...ni->...n", unit, offset[..., None, :] - start)
    return Meeting(centre + offset, residual, np.asarray(np.maximum(values[..., 0], 0.0)), ahead)
