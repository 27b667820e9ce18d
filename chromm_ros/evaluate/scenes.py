"""One moment of one scene: people and cameras of several views against the truth, by the protocol of HSfM (arXiv 2412.17806).

W-MPJPE-dagger takes the found cameras to the true ones by a rigid motion and looks where people are then. By the cameras' centres alone
(`centres`, HSfM's gauge) the turn about the line through two cameras, or many on one line, is free, and the number then means nothing;
by their rotations first (`rotations`, Kineo's) it holds for any rig. Whoever reports it names the gauge.

What is not known or was not found is NaN or infinite. It is left out of every fit, and gets NaN.
"""

import numpy as np
from jaxtyping import Bool, Float

from chromm_ros.evaluate.bodies import LEAST, MM, distances, finite, lengths
from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.geometry.sim3 import Similarity, fit_points, fit_poses

GAUGES = ("centres", "rotations")


def gauge(
    found: Float[np.ndarray, "C 4 4"], truth: Float[np.ndarray, "C 4 4"], by: str, *, with_scale: bool = False
) -> Similarity:
    """What takes found cameras (world_from_cam) to the true ones, by those that both have; NaN where there are none."""
    assert by in GAUGES, by
    both = _known(found) & _known(truth)
    a, b = found[both].astype(np.float64), truth[both].astype(np.float64)
    if not len(a):
        return Similarity(np.ones(()), np.eye(3), np.full(3, np.nan))
    if by == "centres":
        return fit_points(a[:, :3, 3], b[:, :3, 3], with_scale=with_scale)
    return fit_poses(a, b, scale=None if with_scale else 1.0)


def _known(poses: Float[np.ndarray, "C 4 4"]) -> Bool[np.ndarray, "C"]:
    return np.asarray(np.isfinite(poses).all(axis=(-2, -1)))


def on_a_line(cameras: Float[np.ndarray, "C 4 4"], share: float = 0.01) -> bool:
    """Whether centres are so near to one line (`share` of their spread) that they leave a turn about it free."""
    centres = cameras[_known(cameras), :3, 3].astype(np.float64)
    spread = np.linalg.svd(centres - centres.mean(axis=0), compute_uv=False) if len(centres) > 2 else np.zeros(2)
    return bool(spread[1] <= share * spread[0])


def w_mpjpe_dagger(
    found_cameras: Float[np.ndarray, "C 4 4"],
    true_cameras: Float[np.ndarray, "C 4 4"],
    found: Float[np.ndarray, "P J 3"],
    truth: Float[np.ndarray, "P J 3"],
    by: str = "centres",
) -> Float[np.ndarray, "P"]:
    """Mean joint error in the world that the cameras agree on, no scale (W-MPJPE of the multi-view protocol), mm."""
    return distances(gauge(found_cameras, true_cameras, by).apply(finite(found)), truth)


def ga_mpjpe(found: Float[np.ndarray, "P J 3"], truth: Float[np.ndarray, "P J 3"]) -> Float[np.ndarray, "P"]:
    """Mean joint error after one similarity for all people of the scene (GA-MPJPE), mm."""
    a, b = found.reshape(-1, 3).astype(np.float64), truth.reshape(-1, 3).astype(np.float64)
    both = np.isfinite(a).all(axis=-1) & np.isfinite(b).all(axis=-1)
    if both.sum() < LEAST:
        return np.full(len(found), np.nan)
    return distances(fit_points(a[both], b[both]).apply(finite(found)), truth)


def translation_error(
    found: Float[np.ndarray, "C 4 4"], truth: Float[np.ndarray, "C 4 4"], *, with_scale: bool = False
) -> Float[np.ndarray, "C"]:
    """Distance of camera centres after a rigid motion of the centres (TE), or a similarity (s-TE), metres."""
    placed = gauge(found, truth, "centres", with_scale=with_scale).apply(finite(found[:, :3, 3]))
    return lengths(placed - finite(truth[:, :3, 3]))


def scale_is_told(errors: Float[np.ndarray, "C"]) -> bool:
    """Whether errors of centres after a similarity mean anything: it lays two on any two, so three are needed (Kineo's rule)."""
    return int(np.isfinite(errors).sum()) >= LEAST


def angle_error(found: Float[np.ndarray, "C 4 4"], truth: Float[np.ndarray, "C 4 4"]) -> Float[np.ndarray, "K"]:
    """Angle between found and true relative rotation of each of the K pairs of cameras (AE), degrees; in no gauge."""
    first, second = np.triu_indices(len(found), 1)
    a, b = (np.where(_known(poses)[:, None, None], poses[:, :3, :3].astype(np.float64), np.nan) for poses in (found, truth))
    relative = [np.swapaxes(r[first], -1, -2) @ r[second] for r in (a, b)]
    return np.asarray(np.degrees(geodesic_angle(*relative)))


def share_below(errors: Float[np.ndarray, "K"], limit: float) -> float:
    """Share of errors below a limit: RRA@t of `angle_error`; NaN without any; GHOST counts those on the limit, too.

    An error of NaN, of a camera that was not found, is not below.
    """
    return float((errors < limit).mean()) if len(errors) else float("nan")


def scene_size(truth: Float[np.ndarray, "C 4 4"]) -> float:
    """Farthest true camera from the middle of all (RelPose++, eq. 7), metres: what CCA@t is a share of."""
    centres = truth[_known(truth), :3, 3].astype(np.float64)
    return float(np.linalg.norm(centres - centres.mean(axis=0), axis=-1).max(initial=0.0)) if len(centres) else 0.0


def camera_centre_accuracy(
    found: Float[np.ndarray, "C 4 4"], truth: Float[np.ndarray, "C 4 4"], percent: float, *, with_scale: bool = False
) -> float:
    """Share of cameras whose centre is off by less than some percent of the scene's size (CCA@t, s-CCA@t).

    Those whose true pose is known count; whichever of them was not found is wrong.
    """
    off = translation_error(found, truth, with_scale=with_scale)[_known(truth)]
    return share_below(off, scene_size(truth) * percent / 100.0)


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


def metres(error_mm: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """The multi-view protocol reports metres."""
    return np.asarray(error_mm / MM)
