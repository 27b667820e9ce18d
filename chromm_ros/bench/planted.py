"""Sends planted worlds through the reconstruction and holds what comes back against the truth."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from chromm_ros.body.skeleton import BODY_JOINTS, HEAD
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
    """What each of the prediction's people was taken for: equal where it is one person."""


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
    for index in range(windows):
        look = world.look(index, index * stride, steps, window_world(world.seed, index, unit))
        result = chain.update(look.window, look.prediction)
        assert (result.sight_ids >= 0).all(), "the chain left people out"
        yield Step(index * stride, look, result, result.sight_ids)


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


def rates(counts: tuple[int, int, int, int]) -> dict[str, float]:
    """Accuracy, precision, recall and F1 in percent of the counts of `same_person`; NaN where there is nothing to divide by."""
    tp, fp, tn, fn = counts

    def share(part: float, whole: float) -> float:
        return 100.0 * part / whole if whole else float("nan")

    return {
        "accuracy %": share(tp + tn, sum(counts)),
        "precision %": share(tp, tp + fp),
        "recall %": share(tp, tp + fn),
        "F1 %": share(2 * tp, 2 * tp + fp + fn),
    }


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
    met = [Met.at(step, world) for step in steps]
    there, extra = sum(m.there for m in met), sum(m.came - len(m.who) for m in met)
    said, true = (np.concatenate([getattr(m, name) for m in met] or [np.zeros((0, BODY_JOINTS, 3))]) for name in ("said", "true"))
    rest = (1.0 - len(said) / there if there else 0.0, extra / max(there, 1))
    if not len(said):
        return Errors(np.nan, np.nan, np.nan, np.nan, *rest)
    together, alone = fit_points(said.reshape(-1, 3), true.reshape(-1, 3)).apply(said), fit_points(said, true).apply(said)
    joints, wa, pa = (float(1e3 * np.linalg.norm(some - true, axis=-1).mean()) for some in (said, together, alone))
    head = float(1e3 * np.linalg.norm(said[:, HEAD] - true[:, HEAD], axis=-1).mean())
    return Errors(joints, head, wa, pa, *rest)


def id_changes(steps: Iterable[Step], world: World) -> int:
    """How often a person of the truth is under another id than before."""
    changes, last = 0, dict[int, int]()
    for step in steps:
        met = Met.at(step, world)
        for who, number in zip(met.who.tolist(), met.ids.tolist(), strict=True):
            changes += last.get(who, number) != number
            last[who] = number
    return changes


@dataclass(frozen=True)
class Met:
    """The N people of the newest frame-set of a window who came back near a true one, each true one once."""

    ids: Int[np.ndarray, "N"]
    """Theirs."""
    who: Int[np.ndarray, "N"]
    """Of the world they are."""
    said: Float[np.ndarray, "N J 3"]
    """Body joints in the true world, after the rigid motion that takes the cameras to the true ones."""
    true: Float[np.ndarray, "N J 3"]
    """What these should be."""
    there: int
    """People whom any camera detects."""
    came: int
    """People who came back, whoever they are."""

    @classmethod
    def at(cls, step: Step, world: World) -> "Met":
        """Pair by pair, by the least mean distance of joints in all."""
        last = len(step.result.stamps_ns) - 1
        k, sight = step.first + last, in_sight(step, last)
        truth = world.joints(k)[sight][:, :BODY_JOINTS]
        people = [person for person in step.result.people if person.visible[last]]
        joints = np.array([person.joints[last, :BODY_JOINTS] for person in people], dtype=np.float64).reshape(-1, BODY_JOINTS, 3)
        placed = truth_from_node(step, world, [last]).apply(joints) if len(joints) else joints
        distance = np.linalg.norm(placed[:, None] - truth[None], axis=-1).mean(axis=-1)
        rows, columns = linear_sum_assignment(np.minimum(distance, MATCH_M))
        near = distance[rows, columns] < MATCH_M
        rows, columns = rows[near], columns[near]
        ids = np.array([person.track_id for person in people], dtype=np.int64)
        return cls(ids[rows], sight[columns], placed[rows], truth[columns], len(truth), len(people))


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
