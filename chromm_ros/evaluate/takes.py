"""Weights and settings on held-out takes of the synthetic world: the node's own chain, one window of several steps for each take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.body.skeleton import BODY_JOINTS, HEAD
from chromm_ros.evaluate import bodies, scenes
from chromm_ros.evaluate.identity import DetectionCounts, PairCounts, association
from chromm_ros.evaluate.told import Told
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.pipeline import Pipeline
from chromm_ros.records import Frame, FrameSet, Prediction, Reconstruction, Window
from chromm_ros.synthetic.feed import Clip
from chromm_ros.synthetic.finding import may_be_found, on_image, to_find

NEAR = 0.08
"""Farthest that a found head may be from the true one and still be its own, as a share of the image's longer side."""


def window_of(clip: Clip, told: Told, index: int = 0, first: int = 0) -> Window:
    """Moments of one take as a window of its epoch, the take's number; `first` is the number of the first moment there."""
    cameras = tuple(f"cam{view}" for view in range(len(clip[0].images)))
    sets = []
    for k, moment in enumerate(clip):
        frames = tuple(
            Frame(
                camera=name,
                stamp_ns=moment.stamp_ns,
                image=moment.images[view],
                intrinsics=moment.intrinsics[view] if told.intrinsics else None,
                world_from_cam=moment.world_from_cam[view] if told.poses else None,
            )
            for view, name in enumerate(cameras)
        )
        sets.append(FrameSet(epoch=index, index=first + k, stamp_ns=moment.stamp_ns, spread_ns=0, frames=frames))
    return Window(epoch=index, index=first, cameras=cameras, sets=tuple(sets))


@dataclass
class Tally:
    """What was counted and measured over takes."""

    found: DetectionCounts = field(default_factory=DetectionCounts)
    """Heads in single images."""
    pairs: PairCounts = field(default_factory=PairCounts)
    """Sights of two views that were taken for one person."""
    people: DetectionCounts = field(default_factory=DetectionCounts)
    """Fused people at single moments."""
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Single errors by name."""

    def __add__(self, other: Tally) -> Tally:
        both = Tally(self.found + other.found, self.pairs + other.pairs, self.people + other.people)
        for values in (self.values, other.values):
            for name, each in values.items():
                both.values[name] += each
        return both

    def row(self) -> dict[str, float]:
        """One line of a table: medians where the name says so, else means; NaN where there was nothing."""
        told = {
            "head F1": self.found.f1,
            "head precision": self.found.precision,
            "head recall": self.found.recall,
            "association": self.pairs.accuracy,
            "association precision": self.pairs.precision,
            "association recall": self.pairs.recall,
            "people F1": self.people.f1,
        }
        for name, values in self.values.items():
            told[name] = float((np.nanmedian if name.endswith("median") else np.nanmean)(values)) if values else float("nan")
        return told


def judge(
    pipeline: Pipeline, clip: Clip, told: Told, tally: Tally, index: int = 0, *, first: int = 0, newest: int | None = None
) -> Reconstruction:
    """Run one window of a take and add what it tells.

    Args:
        pipeline: with the weights and settings to be judged.
        clip: moments of a take.
        told: what of the cameras.
        tally: to add to.
        index: of the take; every take is an epoch of its own.
        first: number of the window's first moment in the epoch.
        newest: of how many of the newest moments the fused people and the association count; None: all.
    """
    prediction, result = pipeline.both(window_of(clip, told, index, first))
    who = _matched(clip, prediction, tally)
    _sights(pipeline, clip, prediction, who, tally)
    _depth(clip, prediction, tally)
    _fused(clip, prediction, result, who, tally, len(clip) - (newest or len(clip)))
    if not told.poses:
        _cameras(clip, result, tally)
    return result


def _frame_of(prediction: Prediction) -> tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P"]]:
    """Step and view of each of the prediction's people."""
    frame = np.asarray(prediction.person_frame.cpu())
    return np.asarray(prediction.step.cpu())[frame], np.asarray(prediction.view.cpu())[frame]


def _matched(clip: Clip, prediction: Prediction, tally: Tally) -> Int[np.ndarray, "P"]:
    """Index (in its moment) of the true person that each found head is; -1 for nobody. Counts what was found, missed and false."""
    step, view = _frame_of(prediction)
    pixel = np.asarray(prediction.head_pixel.cpu(), np.float64)
    who = np.full(len(pixel), -1)
    for t, moment in enumerate(clip):
        there, wanted, spare = on_image(moment), to_find(moment), may_be_found(moment)
        limit = NEAR * max(moment.images.shape[1:3])
        for v in range(len(moment.images)):
            mine, people = np.flatnonzero((step == t) & (view == v)), np.flatnonzero(there[v])
            distance = np.linalg.norm(pixel[mine, None] - moment.head_pixel[v, people], axis=-1)
            # Whom one had to find comes first: a hidden person beside him takes no detection away.
            cost = np.minimum(distance, limit) + limit * np.where(wanted[v, people], 0.0, 2.0)
            rows, columns = linear_sum_assignment(np.where(distance < limit, cost, 10.0 * limit))
            good = distance[rows, columns] < limit
            who[mine[rows[good]]] = people[columns[good]]
            hit = int(wanted[v, people[columns[good]]].sum())
            free = int(spare[v, people[columns[good]]].sum())
            tally.found += DetectionCounts(hit, len(mine) - hit - free, int(wanted[v].sum()) - hit)
    return who


def _sights(pipeline: Pipeline, clip: Clip, prediction: Prediction, who: Int[np.ndarray, "P"], tally: Tally) -> None:
    """Single sights of people who had to be found: depth of the head, orientation of the root, pose."""
    step, view = _frame_of(prediction)
    rotations = np.asarray(prediction.rotations.float().cpu(), np.float64)
    arrays = (
        np.asarray(value.float().cpu(), np.float32) for value in (prediction.rotations, prediction.betas, prediction.expression)
    )
    joints = pipeline.body.joints(params_from_rotations(*arrays))
    head = np.asarray(prediction.head_position.cpu(), np.float64)
    for k in np.flatnonzero(who >= 0):
        moment, person = clip[step[k]], who[k]
        if not to_find(moment)[view[k], person]:
            continue
        cam_from_world = se3.inverse(moment.world_from_cam[view[k]])
        truth = se3.apply(cam_from_world, moment.joints[person])
        root = cam_from_world[:3, :3] @ matrix_from_rotvec(moment.body.global_orient[person].astype(np.float64))
        add = tally.values
        add["head depth % median"].append(100.0 * abs(head[k, 2] - truth[HEAD, 2]) / truth[HEAD, 2])
        add["root deg median"].append(float(np.degrees(geodesic_angle(rotations[k, 0], root))))
        add["sight MPJPE mm"].append(float(bodies.mpjpe(joints[k, :BODY_JOINTS], truth[:BODY_JOINTS])))
        add["sight PA-MPJPE mm"].append(float(bodies.pa_mpjpe(joints[k, :BODY_JOINTS], truth[:BODY_JOINTS])))


def _depth(clip: Clip, prediction: Prediction, tally: Tally) -> None:
    """Depth of the point maps in metres, every tenth pixel."""
    step, view = (np.asarray(value.cpu()) for value in (prediction.step, prediction.view))
    said = np.asarray(prediction.points[..., 2].float().cpu(), np.float64)
    for frame in range(len(step)):
        true = cv2.resize(clip[step[frame]].depth[view[frame]], said.shape[:0:-1], interpolation=cv2.INTER_NEAREST_EXACT)
        there = true > 0.0
        error = 100.0 * np.abs(said[frame][there] - true[there]) / true[there]
        tally.values["scene depth % median"] += error[::10].tolist()


def _fused(
    clip: Clip, prediction: Prediction, result: Reconstruction, who: Int[np.ndarray, "P"], tally: Tally, since: int
) -> None:
    """Association of the sights, and the fused people in the world, laid on the truth by the cameras (rotations first, no scale).

    Moments before `since` are left out.
    """
    step, view = _frame_of(prediction)
    ids = np.array([clip[t].ids[k] if k >= 0 else -1 for t, k in zip(step, who, strict=True)], dtype=np.int64)
    late = step >= since
    tally.pairs += association(step[late], view[late], result.sight_ids[late], ids[late])
    true_cameras = np.stack([moment.world_from_cam for moment in clip])
    known = np.isfinite(result.world_from_cam).all(axis=(-2, -1))
    to_truth = scenes.gauge(result.world_from_cam[known], true_cameras[known], "rotations")
    owner = _owners(result, ids)
    for t, moment in enumerate(clip[since:], since):
        wanted = set(moment.ids[to_find(moment).any(axis=0)].tolist())
        said = {owner[p.track_id]: p for p in result.people if p.visible[t] and p.track_id in owner}
        strangers = sum(bool(p.visible[t]) for p in result.people) - len(said)
        there = [k for k in said if k in set(moment.ids.tolist())]
        hit = len(wanted & set(there))
        tally.people += DetectionCounts(hit, strangers, len(wanted) - hit)
        for k in there:
            truth = moment.joints[int(np.flatnonzero(moment.ids == k)[0]), :BODY_JOINTS]
            placed = to_truth.apply(said[k].joints[t, :BODY_JOINTS].astype(np.float64))
            add = tally.values
            add["W-MPJPE mm"].append(float(bodies.distances(placed, truth)))
            add["MPJPE mm"].append(float(bodies.mpjpe(placed, truth)))
            add["PA-MPJPE mm"].append(float(bodies.pa_mpjpe(placed, truth)))


def _owners(result: Reconstruction, ids: Int[np.ndarray, "P"]) -> dict[int, int]:
    """The true person whose sights most of a track's are, by track id; each person has one track, that with most of them."""
    votes: dict[tuple[int, int], int] = defaultdict(int)
    for track, person in zip(result.sight_ids.tolist(), ids.tolist(), strict=True):
        if track >= 0 and person >= 0:
            votes[track, person] += 1
    owner: dict[int, int] = {}
    for (track, person), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if track not in owner and person not in owner.values():
            owner[track] = person
    return owner


def _cameras(clip: Clip, result: Reconstruction, tally: Tally) -> None:
    """Cameras of the newest moment where nobody told their poses."""
    said, true = result.world_from_cam[-1], clip[-1].world_from_cam
    there = np.isfinite(said).all(axis=(-2, -1))
    if there.sum() > 1:
        tally.values["camera deg"] += scenes.angle_error(said[there], true[there]).tolist()
        tally.values["camera m"] += scenes.translation_error(said[there], true[there]).tolist()


def on_takes(pipeline: Pipeline, clips: Iterator[Clip], told: Told) -> Tally:
    """One tally of many takes."""
    tally = Tally()
    with torch.inference_mode():
        for index, clip in enumerate(clips):
            judge(pipeline, clip, told, tally, index)
    return tally
