"""Where rays meet: closed-form least squares with its own account of how good it is, and a version that leaves out rays gone astray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


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
    across = projectors(unit)
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


def agreeing(
    origins: Float[np.ndarray, "*B N 3"],
    directions: Float[np.ndarray, "*B N 3"],
    weights: Float[np.ndarray, "*B N"],
    distances: Float[np.ndarray, "*B N"],
    limit: float,
    *,
    noise: float = 0.1,
    steps: int = 8,
) -> Bool[np.ndarray, "*B N"]:
    """Which rays pass a common point within a limit; those gone astray pull little at it, however far they go.

    The point has the least sum of w_i limit^2 r_i^2 / (limit^2 + r_i^2) (Geman and McClure), r_i its distance from the ray, found by
    graduated non-convexity (Yang, Antonante, Tzoumas and Carlone, "Graduated Non-Convexity for Robust Spatial Perception", RA-L 2020): it
    starts as least squares and ends as that, in a fixed number of linear solutions. What each ray alone says of the distance is in r_i
    at the start and fades out: it tells which of several crossings is meant, and does not move the point in the end. A ray ends at its
    origin, so a point behind is as far as the origin. Rays need not fix a point; parallel ones agree where they run close together.

    Args:
        origins: where the N rays start.
        directions: of any length but zero.
        weights: not negative, 0 leaves a ray out; it never agrees.
        distances: of the point from each origin, as each ray alone says.
        limit: in the unit of the origins.
        noise: standard deviation of the distances as a share of them.
        steps: linear solutions.
    """
    square = max(limit, 1e-9) ** 2
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    across = projectors(unit)
    start = origins - origins.mean(axis=-2, keepdims=True)
    sideways = (across @ start[..., None])[..., 0]  # across each ray; what is left of a place that it says lies along it
    lengthwise = start + unit * distances[..., None] - sideways
    flat = across.reshape(*across.shape[:-2], 9)
    belief = square / np.maximum(noise * distances, 1e-3) ** 2  # of the distance, relative to that of the ray
    pull, convexity = weights, np.ones(1)
    for left in np.linspace(1.0, 0.0, steps):  # of the way from least squares
        along = np.maximum(np.maximum(left, 1e-6) * belief, 1e-12)  # parallel rays to far away stay solvable
        lead = pull * along
        normal = _sum(pull - lead, flat).reshape(*pull.shape[:-1], 3, 3)
        normal = normal + (lead.sum(axis=-1) + 1e-30)[..., None, None] * np.eye(3)  # no weight at all stays solvable
        right = _sum(pull, sideways) + _sum(lead, lengthwise)
        away = np.linalg.solve(normal, right[..., None])[..., None, :, 0] - start
        reached = np.einsum("...ni,...ni->...n", unit, away)
        miss = away - np.maximum(reached, 0.0)[..., None] * unit
        passed = np.einsum("...ni,...ni->...n", miss, miss)
        far = passed + along * (reached - distances) ** 2
        if left == 1.0:
            convexity = np.maximum(2.0 * np.where(weights > 0.0, far, 0.0).max(axis=-1, initial=0.0, keepdims=True) / square, 1.0)
        bend = square * convexity ** max(left - 1.0 / (steps - 1), 0.0)
        pull = weights * (bend / (bend + far)) ** 2
    return np.asarray((passed <= square) & (weights > 0.0))


def _sum(weights: Float[np.ndarray, "*B N"], values: Float[np.ndarray, "*B N K"]) -> Float[np.ndarray, "*B K"]:
    return np.asarray((weights[..., None, :] @ values)[..., 0, :])


def projectors(unit: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """I - d d^T of unit vectors: what is left of a vector across them."""
    return np.asarray(np.eye(3) - unit[..., :, None] * unit[..., None, :])
