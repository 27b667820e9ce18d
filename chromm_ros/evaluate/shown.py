"""A few images of a recording with everybody's joints in them, for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float64

from chromm_ros.data.truth import JOINT_SETS
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.judged import Judged
from chromm_ros.evaluate.moment import COMMON, Moment
from chromm_ros.evaluate.outcome import View
from chromm_ros.geometry import camera, se3
from chromm_ros.records import Frame

MOST = 4
"""Images."""


Lenses = Mapping[tuple[str, int], Float64[np.ndarray, "3 3"]]
"""Estimated intrinsics by camera and stamp of the image."""


def views(sequence: BagSequence, judged: Judged, estimated: Lenses) -> tuple[View, ...]:
    """The images of one moment, those whose camera is known.

    It is `Judged.shown`: images in front of it are decoded once more. Where the images have intrinsics, cameras
    are the true ones and images are rectified. Where nobody told any, images are as they came and cameras are the estimated ones, in whose world
    the truth is laid: what is seen then is how well the results fit the image, and the truth the results.
    """
    moment = judged.shown
    assert moment is not None
    made = []
    for frame, _ in sequence.frames():
        if frame.stamp_ns > moment.truth.stamp_ns + 10**9:
            break
        view = sequence.cameras.index(frame.camera)
        pose, lens = moment.truth.world_from_cam[view], frame.intrinsics
        if lens is None:
            pose, lens = moment.to_truth.apply_to_poses(moment.cameras)[view], estimated.get((frame.camera, frame.stamp_ns))
        if frame.stamp_ns == moment.truth.stamp_ns and lens is not None and np.isfinite(pose).all():
            made.append(_view(judged, moment, replace(frame, intrinsics=lens), pose))
    return tuple(made[:MOST])


def _view(judged: Judged, moment: Moment, frame: Frame, world_from_cam: Float64[np.ndarray, "4 4"]) -> View:
    seen = [k for k, names in enumerate(moment.found.seen_by) if frame.camera in names]
    there = _there(moment, frame.camera)
    owners = [int(moment.truth.ids[moment.owner[k]]) if moment.owner[k] >= 0 else -1 for k in seen]
    return View(
        judged.name,
        frame.camera,
        frame.stamp_ns,
        frame.image,
        np.array(owners, np.int64),
        _pixels(_in_full(moment.placed[seen], judged.joint_set), frame, world_from_cam),
        _pixels(moment.truth.joints[there], frame, world_from_cam),
    )


def _there(moment: Moment, name: str) -> Sequence[int]:
    seen_by = moment.truth.seen_by
    return [k for k in range(len(moment.truth.ids)) if seen_by is None or name in seen_by[k]]


def _in_full(joints: Float64[np.ndarray, "P j 3"], joint_set: str) -> Float64[np.ndarray, "P J 3"]:
    """At their places in the truth's set; NaN for those that only the truth has."""
    full = np.full((len(joints), JOINT_SETS[joint_set], 3), np.nan)
    full[:, list(COMMON[joint_set].places)] = joints
    return full


def _pixels(
    joints: Float64[np.ndarray, "P J 3"], frame: Frame, world_from_cam: Float[np.ndarray, "4 4"]
) -> Float64[np.ndarray, "P J 2"]:
    assert frame.intrinsics is not None
    return camera.project(se3.apply(se3.inverse(world_from_cam), joints), frame.intrinsics.astype(np.float64))
