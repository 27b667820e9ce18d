"""Pinhole cameras: points to pixels and back, and what resizing, cropping and padding do to the intrinsics.

Pixels are those of `records.py`: (u, v) = (column, row), the centre of the top-left pixel is (0.5, 0.5). The image then covers
[0, W] x [0, H], so resizing is a pure scaling of K and needs no half-pixel terms.
"""

import numpy as np
from jaxtyping import Float


def project(points: Float[np.ndarray, "*B 3"], intrinsics: Float[np.ndarray, "*#B 3 3"]) -> Float[np.ndarray, "*B 2"]:
    """Pixels of points given in the camera; NaN for a point that is not in front of it."""
    z = points[..., 2:]
    front = z > 1e-6
    flat = np.where(front, points, np.nan) / np.where(front, z, 1.0)
    return np.asarray((intrinsics @ flat[..., None])[..., :2, 0])


def rays(pixels: Float[np.ndarray, "*B 2"], intrinsics: Float[np.ndarray, "*#B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Directions through pixels, in the camera, with z = 1 (not unit length)."""
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return np.asarray((np.linalg.inv(intrinsics) @ homogeneous[..., None])[..., 0])


def unproject(
    pixels: Float[np.ndarray, "*B 2"], depth: Float[np.ndarray, "*B"], intrinsics: Float[np.ndarray, "*#B 3 3"]
) -> Float[np.ndarray, "*B 3"]:
    """Points in the camera at pixels and depths (metres along z)."""
    return np.asarray(rays(pixels, intrinsics) * depth[..., None])


def pixel_grid(width: int, height: int) -> Float[np.ndarray, "H W 2"]:
    """Centres of all pixels of an image."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([u, v], axis=-1)


def resized(
    intrinsics: Float[np.ndarray, "*B 3 3"], old_size: tuple[int, int], new_size: tuple[int, int]
) -> Float[np.ndarray, "*B 3 3"]:
    """Intrinsics after the image was resized; sizes are (width, height)."""
    factors = np.array([new_size[0] / old_size[0], new_size[1] / old_size[1], 1.0])
    return np.asarray(intrinsics * factors[:, None])


def cropped(intrinsics: Float[np.ndarray, "*B 3 3"], left: float, top: float) -> Float[np.ndarray, "*B 3 3"]:
    """Intrinsics after `left` columns and `top` rows were cut away; negative numbers are padding."""
    moved = intrinsics.copy()
    moved[..., 0, :] -= left * intrinsics[..., 2, :]
    moved[..., 1, :] -= top * intrinsics[..., 2, :]
    return moved


def padded(intrinsics: Float[np.ndarray, "*B 3 3"], left: float, top: float) -> Float[np.ndarray, "*B 3 3"]:
    """Intrinsics after `left` columns and `top` rows were added."""
    return cropped(intrinsics, -left, -top)


def inside(pixels: Float[np.ndarray, "*B 2"], size: Float[np.ndarray, "*#B 2"]) -> np.ndarray:
    """Whether pixels lie in an image of (width, height); NaN does not. Shape *B."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixels >= 0.0) & (pixels < size)).all(axis=-1))
