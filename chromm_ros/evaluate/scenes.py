"""One moment of one scene: people and cameras of several views against the truth, by the protocol of HSfM (arXiv 2412.17806).

W-MPJPE-dagger takes the found cameras to the true ones by a rigid motion and looks where people are then. By the cameras' centres alone
(`centres`, HSfM's gauge) the turn about the line through two cameras, or many on one line, is free, and the number then means nothing;
by their rotations first (`rotations`, Kineo's) it holds for any rig. Whoever reports it names the gauge.

What is not known or was not found is NaN or infinite. It is left out of every fit, and gets NaN. Leading axes B are moments, each of which
is judged by itself.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.evaluate.bodies import LEAST, MM, distances, finite, in_blocks, lengths, moved
from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.geometry.sim3 import Similarity, fit_points, fit_poses

GAUGES = ("centres", "rotations")
FEW = {
    2: "no moment has two cameras with a found and a true pose: one is laid on its truth exactly",
    3: "no moment has three cameras with a found and a true pose: a similarity takes two centres to any other two",
}
"""Why errors of centres, after a rigid motion and after a similarity, mean nothing."""
STILL_M = 0.05
"""Farthest that a camera which stands still may be from where it was first."""


def gauge(
    found: Float[np.ndarray, "*B C 4 4"], truth: Float[np.ndarray, "*B C 4 4"], by: str, *, with_scale: bool = False
) -> Similarity:
    """What takes found cameras (world_from_cam) to the true ones, by those that both have; NaN where there are none."""
    assert by in GAUGES, by
    both = _known(found) & _known(truth)
    a, b = (np.where(both[..., None, None], poses.astype(np.float64), np.eye(4)) for poses in (found, truth))
    weights = both.astype(np.float64)
    if by == "centres":
        fit = fit_points(a[..., :3, 3], b[..., :3, 3], weights, with_scale=with_scale)
    else:
        fit = fit_poses(a, b, weights, scale=None if with_scale else 1.0)
    return replace(fit, translation=np.where(both.any(axis=-1)[..., None], fit.translation, np.nan))


def _known(poses: Float[np.ndarray, "*B C 4 4"]) -> Bool[np.ndarray, "*B C"]:
    return np.asarray(np.isfinite(poses).all(axis=(-2, -1)))


def turn_is_free(found: Float[np.ndarray, "C 4 4"], truth: Float[np.ndarray, "C 4 4"]) -> bool:
    """Whether the cameras that both have leave a turn free where they are laid on one another by their centres: they are on a line."""
    both = _known(found) & _known(truth)
    return on_a_line(found[both]) or on_a_line(truth[both])


def on_a_line(cameras: Float[np.ndarray, "C 4 4"], share: float = 0.01) -> bool:
    """Whether centres are so near to one line (`share` of their spread) that they leave a turn about it free."""
    centres = cameras[_known(cameras), :3, 3].astype(np.float64)
    spread = np.linalg.svd(centres - centres.mean(axis=0), compute_uv=False) if len(centres) > 2 else np.zeros(2)
    return bool(spread[1] <= share * spread[0])


def w_mpjpe_dagger(
    found_cameras: Float[np.ndarray, "*B C 4 4"],
    true_cameras: Float[np.ndarray, "*B C 4 4"],
    found: Float[np.ndarray, "*B P J 3"],
    truth: Float[np.ndarray, "*B P J 3"],
    by: str = "centres",
) -> Float[np.ndarray, "*B P"]:
    """Mean joint error in the world that the cameras agree on, no scale (W-MPJPE of the multi-view protocol), mm."""
    return _placed_error(gauge(found_cameras, true_cameras, by), found, truth)


def ga_mpjpe(found: Float[np.ndarray, "*B P J 3"], truth: Float[np.ndarray, "*B P J 3"]) -> Float[np.ndarray, "*B P"]:
    """Mean joint error after one similarity for all people of the scene (GA-MPJPE), mm."""
    return in_blocks(_ga_mpjpe, found, truth) if found.ndim > 3 else _ga_mpjpe(found, truth)


def _ga_mpjpe(found: Float[np.ndarray, "*B P J 3"], truth: Float[np.ndarray, "*B P J 3"]) -> Float[np.ndarray, "*B P"]:
    lead, count = found.shape[:-3], found.shape[-3] * found.shape[-2]
    a, b = (points.reshape(*lead, count, 3).astype(np.float64, copy=False) for points in (found, truth))
    if count >= LEAST and np.isfinite(a).all() and np.isfinite(b).all():
        return _placed_error(fit_points(a, b), found, truth)
    both = np.asarray(np.isfinite(a).all(axis=-1) & np.isfinite(b).all(axis=-1))
    a, b = (np.where(both[..., None], points, 0.0) for points in (a, b))
    error = _placed_error(fit_points(a, b, both.astype(np.float64)), found, truth)
    return np.where((both.sum(axis=-1) >= LEAST)[..., None], error, np.nan)


def _placed_error(
    fit: Similarity, found: Float[np.ndarray, "*B P J 3"], truth: Float[np.ndarray, "*B P J 3"]
) -> Float[np.ndarray, "*B P"]:
    def metric(scale: np.ndarray, rotation: np.ndarray, translation: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        points = finite(a)
        flat = points.reshape(*points.shape[:-3], points.shape[-3] * points.shape[-2], 3)
        return distances(moved(flat, Similarity(scale, rotation, translation)).reshape(points.shape), b)

    arrays = (fit.scale, fit.rotation, fit.translation, found, truth)
    return in_blocks(metric, *arrays) if found.ndim > 3 else metric(*arrays)


def translation_error(
    found: Float[np.ndarray, "*B C 4 4"], truth: Float[np.ndarray, "*B C 4 4"], *, with_scale: bool = False
) -> Float[np.ndarray, "*B C"]:
    """Distance of camera centres after a rigid motion of the centres (TE), or a similarity (s-TE), metres."""
    placed = gauge(found, truth, "centres", with_scale=with_scale).apply(finite(found[..., :3, 3]))
    return lengths(placed - finite(truth[..., :3, 3]))


def of_many(errors: Float[np.ndarray, "*B C"], least: int) -> Float[np.ndarray, "*B C"]:
    """Errors of the moments where at least so many cameras have one, NaN elsewhere: see `FEW`."""
    return np.where(np.isfinite(errors).sum(axis=-1, keepdims=True) >= least, errors, np.nan)


def scale_is_told(errors: Float[np.ndarray, "*B C"]) -> Bool[np.ndarray, "*B"]:
    """Whether errors of centres after a similarity mean anything: it lays two on any two, so three are needed (Kineo's rule)."""
    return np.asarray(np.isfinite(errors).sum(axis=-1) >= LEAST)


def angle_error(found: Float[np.ndarray, "*B C 4 4"], truth: Float[np.ndarray, "*B C 4 4"]) -> Float[np.ndarray, "*B K"]:
    """Angle between found and true relative rotation of each of the K pairs of cameras (AE), degrees; in no gauge."""
    first, second = np.triu_indices(found.shape[-3], 1)
    known = [np.where(_known(poses)[..., None, None], poses[..., :3, :3].astype(np.float64), np.nan) for poses in (found, truth)]
    relative = [np.swapaxes(r[..., first, :, :], -1, -2) @ r[..., second, :, :] for r in known]
    return np.asarray(np.degrees(geodesic_angle(*relative)))


def share_below(
    errors: Float[np.ndarray, "*B K"], limit: float | Float[np.ndarray, "*B"], counted: Bool[np.ndarray, "*B K"] | None = None
) -> Float[np.ndarray, "*B"]:
    """Share of errors below a limit: RRA@t of `angle_error`; NaN without any; GHOST counts those on the limit, too.

    An error of NaN, of a camera that was not found, is not below.

    Args:
        errors: of cameras, or pairs of them.
        limit: in their unit.
        counted: which of them count; None: all.
    """
    there = np.ones(errors.shape, dtype=bool) if counted is None else counted
    below = there & (errors < np.asarray(limit)[..., None])
    return np.asarray(below.sum(axis=-1) / np.where(there.any(axis=-1), there.sum(axis=-1), np.nan))


def true_pairs(truth: Float[np.ndarray, "*B C 4 4"]) -> Bool[np.ndarray, "*B K"]:
    """Which pairs of cameras have true poses, in the order of `angle_error`."""
    first, second = np.triu_indices(truth.shape[-3], 1)
    known = _known(truth)
    return np.asarray(known[..., first] & known[..., second])


def scene_size(truth: Float[np.ndarray, "*B C 4 4"]) -> Float[np.ndarray, "*B"]:
    """Farthest true camera from the middle of all (RelPose++, eq. 7), metres: what CCA@t is a share of."""
    known = _known(truth)
    centres = np.where(known[..., None], truth[..., :3, 3].astype(np.float64), 0.0)
    middle = centres.sum(axis=-2, keepdims=True) / np.maximum(known.sum(axis=-1), 1)[..., None, None]
    return np.asarray(np.where(known, lengths(centres - middle), 0.0).max(axis=-1, initial=0.0))


def camera_centre_accuracy(
    found: Float[np.ndarray, "*B C 4 4"], truth: Float[np.ndarray, "*B C 4 4"], percent: float, *, with_scale: bool = False
) -> Float[np.ndarray, "*B"]:
    """Share of cameras whose centre is off by less than some percent of the scene's size (CCA@t, s-CCA@t).

    Those whose true pose is known count; whichever of them was not found is wrong, and so is one that was found alone.
    """
    off = of_many(translation_error(found, truth, with_scale=with_scale), 2)
    return share_below(off, scene_size(truth) * percent / 100.0, _known(truth))


def trajectory_error(
    found: Float[np.ndarray, "T 3"], truth: Float[np.ndarray, "T 3"], *, with_scale: bool = True
) -> Float[np.ndarray, "T"]:
    """Distance of a camera's centres after the best similarity, or rigid motion, of the whole way (ATE by evo), metres."""
    a, b = found.astype(np.float64), truth.astype(np.float64)
    both = np.isfinite(a).all(axis=-1) & np.isfinite(b).all(axis=-1)
    error = np.full(len(a), np.nan)
    if both.sum() >= LEAST:
        error[both] = lengths(fit_points(a[both], b[both], with_scale=with_scale).apply(a[both]) - b[both])
    return error


def rig_trajectory_error(
    found: Float[np.ndarray, "T V 3"], truth: Float[np.ndarray, "T V 3"], *, with_scale: bool = True
) -> Float[np.ndarray, "T V"]:
    """The same for several cameras, whose ways are laid on the true ones together.

    NaN where that tells nothing: a rigid motion lays one camera that stands still on its place, a similarity two.
    """
    both = np.isfinite(found).all(axis=-1, keepdims=True) & np.isfinite(truth).all(axis=-1, keepdims=True)
    ways = np.moveaxis(np.where(both, truth, np.nan), 1, 0)
    places = sum(LEAST if moves(way) else 1 for way in ways if np.isfinite(way).any())
    if places < (LEAST if with_scale else 2):
        return np.full(found.shape[:2], np.nan)
    error = trajectory_error(found.reshape(-1, 3), truth.reshape(-1, 3), with_scale=with_scale)
    return error.reshape(found.shape[:2])


def moves(way: Float[np.ndarray, "T 3"]) -> bool:
    """Whether a camera with these true centres, NaN where not known, does not stand still."""
    known = way[np.isfinite(way).all(axis=-1)]
    return len(known) > 0 and bool(lengths(known - known[0]).max() > STILL_M)


def metres(error_mm: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """The multi-view protocol reports metres."""
    return np.asarray(error_mm / MM)
