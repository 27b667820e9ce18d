"""Who of those found is whom, at one known.

One camera: as Human3R does it (and AGORA before it), joints in the image, nearest pairs first, boxes overlapping by 0.05 at least.
Several cameras: no image is everybody's, so joints in the world are compared, after the found cameras were laid on the true ones by a
similarity (rotations first); the least sum of distances, one to one. There is no limit: whoever was found far off is still somebody's, as
with methods that are told who is who; a person too many finds nobody left.
"""

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.evaluate import bodies
from chromm_ros.evaluate.identity import DetectionCounts, match_in_image
from chromm_ros.evaluate.protocols.closed import Known, Said
from chromm_ros.evaluate.protocols.joints import Joints
from chromm_ros.evaluate.recording import NOBODY, match
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project
from chromm_ros.geometry.sim3 import Similarity

Owner = Int64[np.ndarray, "A"]
"""Index of the true person that each found one is; -1 for nobody."""


def in_image(said: Said, known: Known, joints: Joints) -> Owner:
    """By the image of the one camera; found people go through the found camera, true ones through the true one."""
    assert len(said.cameras) == 1, "one camera"
    owner = np.full(len(said.ids), NOBODY)
    true_intrinsics = known.intrinsics[0]
    if not np.isfinite(true_intrinsics).all():
        true_intrinsics = said.intrinsics[0]
    if np.isfinite(said.cameras).all() and len(owner):
        found = pixels(said.joints[:, joints.found], said.cameras[0], said.intrinsics[0])
        truth = pixels(known.truth.joints[:, joints.truth], known.truth.world_from_cam[0], true_intrinsics)
        pairs = match_in_image(found, truth)
        owner[pairs[:, 0]] = pairs[:, 1]
    return owner


def pixels(
    points: Float64[np.ndarray, "P J 3"], world_from_cam: Float64[np.ndarray, "4 4"], intrinsics: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "P J 2"]:
    """Of points in the world."""
    return np.asarray(project(se3.apply(se3.inverse(world_from_cam), points), intrinsics))


def in_world(said: Said, known: Known, joints: Joints, to_truth: Similarity) -> Owner:
    """By the world, once the found one is laid on the true one."""
    owner = np.full(len(said.ids), NOBODY)
    placed, truth = to_truth.apply(said.joints[:, joints.found]), known.truth.joints[:, joints.truth]
    distance = bodies.distances(*np.broadcast_arrays(placed[:, None], truth[None])) / bodies.MM
    rows, columns = (np.flatnonzero(np.isfinite(distance).any(axis=axis)) for axis in (1, 0))
    chosen = distance[np.ix_(rows, columns)]
    if np.isfinite(chosen).all():  # a person who is known in part only has a distance as well
        mine = match(chosen, np.inf)
        owner[rows] = np.where(mine >= 0, columns[mine] if len(columns) else NOBODY, NOBODY)
    return owner


def counts(owner: Owner, known: Known) -> DetectionCounts:
    """Who was found; people who need not be found count neither way."""
    wanted = known.wanted
    hit = int(wanted[owner[owner >= 0]].sum())
    return DetectionCounts(hit, int((owner == NOBODY).sum()), int(wanted.sum()) - hit)
