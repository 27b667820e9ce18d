"""Similarities: scale, rotation and translation, and their least-squares fits.

S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 13(4), 1991; the numbers of the
equations below are his.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from chromm_ros.geometry.rotation import mean_rotation, nearest_rotation


@dataclass(frozen=True)
class Similarity:
    """y = scale * rotation @ x + translation, with leading axes B."""

    scale: Float[np.ndarray, "*B"]
    """Factor, greater than zero."""
    rotation: Float[np.ndarray, "*B 3 3"]
    """Rotation matrix."""
    translation: Float[np.ndarray, "*B 3"]
    """In the units of the target."""

    @classmethod
    def identity(cls) -> Similarity:
        """The one that changes nothing."""
        return cls(np.ones(()), np.eye(3), np.zeros(3))

    def apply(self, points: Float[np.ndarray, "*#B N 3"]) -> Float[np.ndarray, "... N 3"]:
        """Points of the source in the target."""
        moved = np.asarray(points @ (self.scale[..., None, None] * np.swapaxes(self.rotation, -1, -2)))
        moved += self.translation[..., None, :]
        return moved

    def apply_to_poses(self, source_from_cam: Float[np.ndarray, "*#B N 4 4"]) -> Float[np.ndarray, "... N 4 4"]:
        """Camera poses of the source in the target: they stay rigid, only their centres are scaled.

        A point at x in the camera then lies at `target_from_cam @ (scale * x)`.
        """
        target_from_cam = np.array(
            np.broadcast_to(source_from_cam, np.broadcast_shapes(source_from_cam.shape, (*self.scale.shape, 1, 1, 1)))
        )
        target_from_cam[..., :3, :3] = self.rotation[..., None, :, :] @ source_from_cam[..., :3, :3]
        target_from_cam[..., :3, 3] = self.apply(source_from_cam[..., :3, 3])
        return target_from_cam

    def inverse(self) -> Similarity:
        """From the target to the source."""
        back = np.swapaxes(self.rotation, -1, -2)
        shift = (back @ self.translation[..., None])[..., 0] / self.scale[..., None]
        return Similarity(np.asarray(1.0 / self.scale), back, -shift)

    def after(self, first: Similarity) -> Similarity:
        """The similarity that does `first` and then this one."""
        turned = (self.rotation @ first.translation[..., None])[..., 0]
        translation = self.scale[..., None] * turned + self.translation
        return Similarity(np.asarray(self.scale * first.scale), self.rotation @ first.rotation, translation)


def fit_points(
    source: Float[np.ndarray, "*B N 3"],
    target: Float[np.ndarray, "*B N 3"],
    weights: Float[np.ndarray, "*B N"] | None = None,
    *,
    with_scale: bool = True,
) -> Similarity:
    """The similarity that takes `source` to `target` with least weighted squared error (Umeyama 1991, eq. 34 to 43).

    Degenerate cases, all answered by finite numbers: three points that are not on one line fix the rotation; points on a line leave
    the turn about the line free and one such turn is returned; coinciding source points (or no weight at all) give scale 1 and a
    pure translation of the means. Where the best orthogonal matrix is a reflection, the best rotation is returned (eq. 43).

    Args:
        source: N points.
        target: the same points in the frame asked for.
        weights: not negative; None for equal ones.
        with_scale: whether the scale is free; otherwise it is 1.
    """
    w = np.ones(source.shape[:-1]) if weights is None else weights
    total = w.sum(axis=-1, keepdims=True)
    w = w / np.where(total > 0.0, total, 1.0)
    mean_source = (w[..., None, :] @ source)[..., 0, :]  # eq. 34
    mean_target = (w[..., None, :] @ target)[..., 0, :]  # eq. 35
    x = source - mean_source[..., None, :]
    y = target - mean_target[..., None, :]
    if weights is None:  # equal ones are left for the sums
        share = 1.0 / max(source.shape[-2], 1)
        variance = np.asarray(share * np.einsum("...nd,...nd->...", x, x))  # eq. 36
        covariance = share * (np.swapaxes(y, -1, -2) @ x)  # eq. 38
    else:
        weighted = w[..., None] * x
        variance = np.asarray(np.einsum("...nd,...nd->...", weighted, x))
        covariance = np.swapaxes(y, -1, -2) @ weighted
    rotation = nearest_rotation(covariance)  # eq. 40, with S of eq. 39 and 43
    scale = np.ones(variance.shape)
    if with_scale:
        # tr(D S) of eq. 42 is the trace of R^T times the covariance.
        scale = _ratio(np.asarray(np.einsum("...ij,...ij->...", rotation, covariance)), variance)
    translation = mean_target - scale[..., None] * (rotation @ mean_source[..., None])[..., 0]  # eq. 41
    return Similarity(scale, rotation, translation)


def fit_poses(
    source_from_cam: Float[np.ndarray, "*B N 4 4"],
    target_from_cam: Float[np.ndarray, "*B N 4 4"],
    weights: Float[np.ndarray, "*B N"] | None = None,
    *,
    scale: float | None = None,
) -> Similarity:
    """The similarity that takes camera poses to camera poses, rotation first.

    The rotation is the mean of R_target R_source^T over the cameras, so a rig with its centres on one line, or a single camera, is
    no special case, as it is for a fit of the centres alone. Scale and translation then follow from the centres (eq. 41 and 42
    with the rotation held). Coinciding centres say nothing of the scale: it is 1 then.

    Args:
        source_from_cam: N camera poses.
        target_from_cam: the same cameras in the world asked for.
        weights: not negative; None for equal ones.
        scale: the scale where it is known; None to fit it.
    """
    w = np.ones(source_from_cam.shape[:-2]) if weights is None else weights
    total = w.sum(axis=-1, keepdims=True)
    w = w / np.where(total > 0.0, total, 1.0)
    steps = target_from_cam[..., :3, :3] @ np.swapaxes(source_from_cam[..., :3, :3], -1, -2)
    rotation = mean_rotation(steps, w)
    mean_source = np.einsum("...n,...nd->...d", w, source_from_cam[..., :3, 3])
    mean_target = np.einsum("...n,...nd->...d", w, target_from_cam[..., :3, 3])
    x = (source_from_cam[..., :3, 3] - mean_source[..., None, :]) @ np.swapaxes(rotation, -1, -2)
    y = target_from_cam[..., :3, 3] - mean_target[..., None, :]
    factor = np.full(w.shape[:-1], 1.0 if scale is None else scale)
    if scale is None:
        factor = _ratio(
            np.asarray(np.einsum("...n,...nd,...nd->...", w, x, y)), np.asarray(np.einsum("...n,...nd->...", w, x * x))
        )
    translation = mean_target - factor[..., None] * (rotation @ mean_source[..., None])[..., 0]
    return Similarity(factor, rotation, translation)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient where that is a scale (greater than zero), else 1."""
    usable = (denominator > 1e-18) & (numerator > 1e-18)
    return np.asarray(np.where(usable, numerator, 1.0) / np.where(usable, denominator, 1.0))
