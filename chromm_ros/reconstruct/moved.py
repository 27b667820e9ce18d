"""What lies between the joints of many pairs of bodies: by axis and in float32, where a micrometre is left, for there are many pairs."""

import numpy as np
from jaxtyping import Float


def by_axis(points: Float[np.ndarray, "N M 3"], origin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 N M"]:
    """Points from an origin near them, the axes first: all arithmetic then runs along the joints."""
    return np.asarray((points - origin).transpose(2, 0, 1), np.float32, order="C")


def square(moved: Float[np.ndarray, "3 *K M"]) -> Float[np.ndarray, "*K M"]:
    """Squares of lengths."""
    x, y, z = moved
    total = x * x
    total += y * y
    total += z * z
    return np.asarray(total)


def along(moved: Float[np.ndarray, "3 *K M"], ray: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "*K M"]:
    """How far along rays, one for each of the last pairs' axis."""
    (x, y, z), (a, b, c) = moved, ray.T.astype(np.float32)[..., None]
    total = x * a
    total += y * b
    total += z * c
    return np.asarray(total)


def mean_length(squares: Float[np.ndarray, "*K M"]) -> Float[np.ndarray, "*K"]:
    """Means over the joints of lengths whose squares are given and are used up; rounding may have made some negative."""
    return np.asarray(np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares).mean(axis=-1), np.float64)
