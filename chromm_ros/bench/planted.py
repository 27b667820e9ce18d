"""Sends planted worlds through the reconstruction and holds what comes back against the truth."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from chromm_ros.body.skeleton import BODY_JOINTS
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity, fit_points, fit_poses
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.records import Reconstruction
from chromm_ros.synthetic.oracle import Look, World
from chromm_ros.synthetic.scene import body

MATCH_M = 1.0
"""Farthest (mean over joints) that a person may be from the truth and still be taken for it; the rest is missed or false."""


@dataclass(frozen=True)
class Step:
    """One window, what came of it, and who was put together."""

    first: int
    """Number of its first frame-set."""
    look: Look
    """With the truth."""
    result: Reconstruction
    """Of the whole chain."""
    groups: Int[np.ndarray, "P"]
    """Group of each of the prediction's people."""


class _Listener:
    """An associator whose last answer can be read; the chain tells nobody which sights became one person."""

    def __init__(self, associator: Any) -> None:
        self._associator = associator
        self.groups = np.zeros(0, dtype=np.int64)

    def update(self, *arguments: Any) -> Int[np.ndarray, "P"]:
        self.groups = self._associator.update(*arguments)
        return self.groups

    def reset(self) -> None:
        self._associator.reset()


def replay(
    world: World, config: ReconstructConfig, windows: int, *, steps: int = 8, stride: int = 2, unit: float = 1.0
) -> Iterator[Step]:
    """Windows of a world one after the other, each in a world of its own.

    Args:
        world: planted.
        config: of the reconstruction.
        windows: how many.
        steps: frame-sets in a window.
        stride: frame-sets from one window to the next.
        unit: units of the network per metre: the planted error of scale.
    """
    chain = Reconstructor(body(), config)
    listener = _Listener(chain._associator)
    chain._associator = listener  # type: ignore[assignment]  # it has the same two methods
    for index in range(windows):
        look = world.look(index, index * stride, steps, window_world(world.seed, index, unit))
        result = chain.update(look.window, look.prediction)
        assert len(listener.groups) == len(look.person), "the chain left people out"
        yield Step(index * stride, look, result, listener.groups)


def window_world(seed: int, index: int, unit: float) -> Similarity:
    """From the true world to some world of a window's own."""
    turn, shift = np.random.default_rng([seed, 11, index]).normal(size=(2, 3))
    return Similarity(np.array(unit), matrix_from_rotvec(turn), 3.0 * shift)


def same_person(steps: Iterable[Step], *, newest: bool = True) -> tuple[int, int, int, int]:
    """Pairs of detections of one frame-set in two cameras: true and false positives, true and false negatives of "one person".

    Detections of nobody are nobody's, not even one another's. A frame-set counts in the window in which it is the newest, or all of
    a window's do.
    """
    counts = np.zeros(4, dtype=np.int64)
    for step in steps:
        p = step.look.prediction
        frame = np.asarray(p.person_frame)
        at, view = np.asarray(p.step)[frame], np.asarray(p.view)[frame]
        pair = (at[:, None] == at) & (view[:, None] < view)
        if newest:
            pair &= at[:, None] == len(step.result.stamps_ns) - 1
        who = step.look.person
        true = (who[:, None] == who) & (who >= 0)
        said = step.groups[:, None] == step.groups
        counts += [(pair & a & b).sum() for a, b in ((said, true), (said, ~true), (~said, ~true), (~said, true))]
    return tuple(counts.tolist())  # type: ignore[return-value]  # four of them


@dataclass(frozen=True)
class Errors:
    """How far the newest frame-set of windows is from the truth; means over people."""

    joints_mm: float
    """Body joints in the true world, after the rigid motion (no scale) that takes the cameras to the true ones: W-MPJPE-dagger."""
    head_mm: float
    """Heads, in the same way."""
    wa_mm: float
    """Joints after one similarity for all people of all windows, which takes away what is wrong with scale and world: WA-MPJPE."""
    pa_mm: float
    """Joints after a similarity for each person: the pose alone."""
    missed: float
    """Share of the people in sight of whom nothing came back."""
    false: float
    """People who are not there, per person who is."""


def errors(steps: Iterable[Step], world: World) -> Errors:
    """Errors of the people whom any camera detects."""
    found: list[tuple[float, float, float]] = []
    all_said, all_true = [], []
    there = extra = 0
    for step in steps:
        k, last = step.first + len(step.result.stamps_ns) - 1, len(step.result.stamps_ns) - 1
        truth = world.joints(k)[in_sight(step, last)][:, :BODY_JOINTS]
        said = [person.joints[last, :BODY_JOINTS] for person in step.result.people if person.visible[last]]
        there, extra = there + len(truth), extra + len(said)
        if not said or not len(truth):
            continue
        placed = truth_from_node(step, world, [last]).apply(np.stack(said).astype(np.float64))
        distance = np.linalg.norm(placed[:, None] - truth[None], axis=-1)  # S P J
        pairs = linear_sum_assignment(np.minimum(distance.mean(axis=-1), MATCH_M))
        for a, b in zip(*pairs, strict=True):
            if distance[a, b].mean() < MATCH_M:
                alone = fit_points(placed[a], truth[b]).apply(placed[a])
                pa = np.linalg.norm(alone - truth[b], axis=-1).mean()
                all_said.append(placed[a])
                all_true.append(truth[b])
                found.append((float(distance[a, b].mean()), float(distance[a, b, 15]), float(pa)))
    many = max(there, 1)
    rest = (1.0 - len(found) / many, (extra - len(found)) / many)
    if not found:
        return Errors(np.nan, np.nan, np.nan, np.nan, *rest)
    joints, head, pose = 1e3 * np.mean(found, axis=0)
    said_, true_ = np.concatenate(all_said), np.concatenate(all_true)
    together = 1e3 * np.linalg.norm(fit_points(said_, true_).apply(said_) - true_, axis=-1).mean()
    return Errors(float(joints), float(head), float(together), float(pose), *rest)


def in_sight(step: Step, t: int) -> Int[np.ndarray, "Q"]:
    """Who of the world is detected at a step of the window, in any camera."""
    p = step.look.prediction
    who: Int[np.ndarray, "R"] = np.unique(step.look.person[np.asarray(p.step)[np.asarray(p.person_frame)] == t])
    return who[who >= 0]


def truth_from_node(step: Step, world: World, at: list[int]) -> Similarity:
    """The rigid motion that takes the estimated cameras of some steps to the true ones, rotation first."""
    said = step.result.world_from_cam[at]
    there = _present(said)
    true = np.stack([world.cameras(step.first + t) for t in at])
    return fit_poses(said[there], true[there], scale=1.0)


def camera_errors(step: Step, world: World, truth: Similarity) -> tuple[float, float]:
    """Metres and degrees (means) by which the cameras of the newest step are off, once the node's world is taken to the true one."""
    last = len(step.result.stamps_ns) - 1
    said = step.result.world_from_cam[last]
    there = _present(said)
    placed, true = truth.apply_to_poses(said[there]), world.cameras(step.first + last)[there]
    distance = np.linalg.norm(placed[:, :3, 3] - true[:, :3, 3], axis=-1).mean()
    return float(distance), float(np.degrees(geodesic_angle(placed[:, :3, :3], true[:, :3, :3]).mean()))


def _present(poses: Float[np.ndarray, "*B 4 4"]) -> Bool[np.ndarray, "*B"]:
    return np.asarray(np.isfinite(poses).all(axis=(-2, -1)))
