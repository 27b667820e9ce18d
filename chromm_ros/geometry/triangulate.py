"""Where rays meet: closed-form least squares, and which rays have gone astray."""

import numpy as np
from jaxtyping import Bool, Float


def meet(
    places: Float[np.ndarray, "*B N 3"],
    unit: Float[np.ndarray, "*B N 3"],
    across: Float[np.ndarray, "*B N"],
    along: Float[np.ndarray, "*B N"],
) -> tuple[Float[np.ndarray, "*B 3"], Float[np.ndarray, "*B 3 3"]]:
    """The point x with the least sum_i across_i |(I - d_i d_i^T)(x - p_i)|^2 + along_i (d_i^T (x - p_i))^2.

    Its normal equations are linear. With no weight along the rays it is where they meet (Hartley and Sturm 1997); with
    equal weights along and across it is the mean of the places; with the inverse variances of errors across and along rays it is the
    best linear estimate.

    Args:
        places: p_i, one on each of N rays.
        unit: directions d_i of the rays, of length one.
        across: weights, not negative.
        along: weights, not negative; at least two rays that are not parallel, or one weight along a ray, must fix the point.

    Returns:
        The point, and the inverse of the normal matrix.
    """
    middle = places.mean(axis=-2, keepdims=True)  # relative to it: better conditioned
    start = places - middle
    own = (along - across) * dot(unit, start)
    inverse = np.linalg.inv(along_and_across(unit, across, along))
    right = _sum(across, start) + _sum(own, unit)
    return middle[..., 0, :] + (inverse @ right[..., None])[..., 0], inverse


def along_and_across(
    unit: Float[np.ndarray, "*B N 3"], across: Float[np.ndarray, "*B N"], along: Float[np.ndarray, "*B N"]
) -> Float[np.ndarray, "*B 3 3"]:
    """sum_i across_i (I - d_i d_i^T) + along_i d_i d_i^T."""
    own = np.swapaxes(unit, -1, -2) @ ((along - across)[..., None] * unit)
    return np.asarray(own + across.sum(axis=-1)[..., None, None] * np.eye(3))


def agreeing(
    origins: Float[np.ndarray, "*B N 3"],
    directions: Float[np.ndarray, "*B N 3"],
    weights: Float[np.ndarray, "*B N"],
    distances: Float[np.ndarray, "*B N"],
    limit: float,
    *,
    noise: float = 0.1,
    steps: int = 6,
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
        noise: standard deviation of the distances as a share of their root mean square.
        steps: linear solutions.
    """
    square = max(limit, 1e-9) ** 2
    unit = directions / np.sqrt(dot(directions, directions))[..., None]
    total = weights.sum(axis=-1, keepdims=True)
    weights = np.where(total > 0.0, weights, 1e-30)  # no weight at all stays solvable
    usual = (weights * distances**2).sum(axis=-1, keepdims=True) / weights.sum(axis=-1, keepdims=True)
    # Of a distance, relative to a ray: a short one is believed no more than others.
    belief = square / np.maximum(noise**2 * usual, 1e-6)
    places = origins + unit * distances[..., None]
    pull, convexity = weights, np.ones(1)
    for left in np.linspace(1.0, 0.0, steps):  # of the way from least squares
        along = np.maximum(np.maximum(left, 1e-6) * belief, 1e-12)  # parallel rays to far away stay solvable
        away = meet(places, unit, pull, pull * along)[0][..., None, :] - origins
        reached = dot(unit, away)
        miss = away - np.maximum(reached, 0.0)[..., None] * unit
        passed = dot(miss, miss)
        far = passed + along * (reached - distances) ** 2
        if left == 1.0:
            convexity = np.maximum(2.0 * np.where(weights > 0.0, far, 0.0).max(axis=-1, initial=0.0, keepdims=True) / square, 1.0)
        bend = square * convexity ** max(left - 1.0 / (steps - 1), 0.0)
        pull = weights * (bend / (bend + far)) ** 2
    return np.asarray((passed <= square) & (weights > 1e-30))


def _sum(weights: Float[np.ndarray, "*B N"], values: Float[np.ndarray, "*B N K"]) -> Float[np.ndarray, "*B K"]:
    return np.asarray((weights[..., None, :] @ values)[..., 0, :])


def dot(a: Float[np.ndarray, "*B 3"], b: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B"]:
    """Scalar products; several times as fast as a sum over so short an axis."""
    return np.asarray(np.einsum("...i,...i->...", a, b))
