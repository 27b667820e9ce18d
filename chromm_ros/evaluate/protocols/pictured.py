"""A few images of closed sets with found and true joints in them, for reports.

What was found goes through the found cameras, what is true through the true ones: both are what a camera saw, whatever the worlds. So
they show whether bodies fit the images; where they stand is for the numbers.
"""

import cv2
import numpy as np
from jaxtyping import Float64

from chromm_ros.data.truth import JOINT_SETS
from chromm_ros.evaluate.outcome import View
from chromm_ros.evaluate.protocols.closed import Labelled, Said
from chromm_ros.evaluate.protocols.joints import Joints
from chromm_ros.evaluate.protocols.matching import Owner, pixels
from chromm_ros.records import Frame

MOST = 8
"""Images of a report."""
LONGEST = 1280
"""Pixels of an image's longer side; data sets have images of up to 40 MB."""


def views(name: str, moment: Labelled, said: Said, owner: Owner, joints: Joints) -> tuple[View, ...]:
    """The images of one moment.

    Args:
        name: of the sequence.
        moment: with its images.
        said: of it.
        owner: who of those found is whom.
        joints: the set that is compared.
    """
    there = [(view, frame) for view, frame in enumerate(moment.frames) if frame is not None]
    return tuple(_view(name, view, frame, moment, said, owner, joints) for view, frame in there)


def _view(name: str, view: int, frame: Frame, moment: Labelled, said: Said, owner: Owner, joints: Joints) -> View:
    truth, lens = moment.known.truth, moment.known.intrinsics[view]
    places = list(joints.truth)
    found = np.full((len(said.ids), JOINT_SETS[truth.joint_set], 3), np.nan)
    found[:, places] = said.joints[:, joints.found]
    told = np.isfinite(lens).all()
    scale = min(1.0, LONGEST / max(frame.image.shape))
    image = frame.image if scale == 1.0 else cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    owners = np.array([int(truth.ids[k]) if k >= 0 else -1 for k in owner], np.int64)
    return View(
        name,
        frame.camera,
        frame.stamp_ns,
        np.asarray(image),
        owners,
        scale * _seen(found, said.cameras[view], said.intrinsics[view]),
        scale * _seen(truth.joints, truth.world_from_cam[view], lens if told else said.intrinsics[view]),
    )


def _seen(
    points: Float64[np.ndarray, "P J 3"], world_from_cam: Float64[np.ndarray, "4 4"], intrinsics: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "P J 2"]:
    """Pixels, NaN where the camera is not known."""
    if not (np.isfinite(world_from_cam).all() and np.isfinite(intrinsics).all()):
        return np.full((*points.shape[:2], 2), np.nan)
    return pixels(points, world_from_cam, intrinsics)
