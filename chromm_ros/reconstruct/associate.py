"""Association: which tracks of different cameras are one person.

CHROMM (arXiv 2603.12789) compares people a and b of two cameras at the same time by

    C(a, b) = 0.8 |J_a - J_b| + 0.2 |J_a_canon - J_b_canon|

(metres, mean over joints; ours are the 22 of the body, since fingers say nothing about who it is), assigns them per pair of cameras by
the Hungarian method and cuts at a threshold. Ours, and no part of the paper: what J_a and J_b are apart along either camera's line of
sight counts less, the farther the more (`association.depth_tolerance`), for pixels are sure and depths are not. On planted worlds with
depths 13 % off, about those of `nano`, pairs of one person are found with an F1 of 98 % (4 people) and 94 % (8), and without it with 82
and 67 %; at the fitted noise it costs 0.3 %, at three times that it wins 1 (4 people) and 5 % (8).

Three things make that one answer over all cameras and over time:

- Votes. Every new frame-set lets each pair of tracks vote: an assigned pair for, by how far its cost is below the threshold, or
  against, by how far above; a pair that both see but that is not assigned against, by how far apart. Votes add up along tracks and
  fade, so one bad image does not swap people, a track that changed over to somebody else is found out, and images that come again in
  the next window do not vote again. They fade quickly: a track that changes over takes its votes along, so the longer they are kept
  the fewer pairs are found. In `bench reconstruct`, at three times the fitted noise, whose errors last, votes do not pay: a memory of
  2 finds fewer pairs than one of 1 or none, and one of 8 fewer still. They are there for the single bad frame-set, which all earlier
  votes together outweigh only where the memory is above 1 / ln 2 = 1.44: hence the default of 1.5.
- A partition. Pairs with votes above zero are joined in order of their votes. Two groups join only if the votes between all their
  members sum to more than zero: that settles cycles that disagree (a with b, b with c, but a not with c).
- No camera sees a person twice: groups with tracks of one camera in one frame-set never join.
"""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from chromm_ros.geometry.triangulate import dot
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.moved import along, by_axis, mean_length, square
from chromm_ros.reconstruct.people import People
from chromm_ros.settings import Settings, setting

WEIGHTS = {"both": (0.8, 0.2), "position": (1.0, 0.0), "pose": (0.0, 1.0)}
"""Weights of the two terms of the cost: the paper's, and those of its ablation."""
CUT = 1.25
"""Costs are cut at so many times the largest: how far beyond it a pair lies is worth nothing to an assignment, and time to find out. With 4
and 8 people, at the fitted noise, at three times that and with depths 13 % off, F1 lies within 0.4 % of what it is cut at 2, either way, and
the first window of 16 views and 30 people is associated in two thirds of the time."""


@dataclass(frozen=True)
class AssociationConfig(Settings):
    """When people of two cameras are one."""

    cost: str = setting(
        "both",
        "what people of two cameras are compared by: both (0.8 position + 0.2 pose, as in the paper), position or pose alone",
        choices=tuple(WEIGHTS),
    )
    depth_tolerance: float = setting(
        0.3,
        "noise of depths that is forgiven along both cameras' lines of sight, as a share of the distance; 0: none, as in the paper",
        at_least=0.0,
    )
    max_cost_m: float = setting(0.8, "largest cost (mean over joints) of one person in two cameras [m]", at_least=0.01)
    memory: float = setting(
        1.5, "how long votes on a pair of tracks count, their weight falling to 1/e [frame-sets]", at_least=1.0
    )


class Associator:
    """Votes between the tracks of all cameras."""

    def __init__(self, config: AssociationConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget all votes."""
        self._numbers = np.zeros(0, dtype=np.int64)
        self._votes = np.zeros((0, 0))
        self._counted_ns = -1

    def update(
        self,
        cameras: Cameras,
        people: People,
        joints: Float[np.ndarray, "P M 3"],
        tracks: Int[np.ndarray, "P"],
        alive: list[int],
        stamps_ns: tuple[int, ...],
    ) -> Int[np.ndarray, "P"]:
        """The group (0, 1, ...) of every person of a window; people of one group are one.

        Args:
            cameras: of the window.
            people: of the window.
            joints: of their bodies in the node's world.
            tracks: theirs, from the tracker.
            alive: all tracks that the tracker remembers.
            stamps_ns: of the window's frame-sets.
        """
        self._remember(np.array(sorted({*alive, *tracks.tolist()}), dtype=np.int64))
        place = np.searchsorted(self._numbers, tracks)
        step, view = cameras.step[people.frame], cameras.view[people.frame]
        keep = np.exp(-1.0 / self._config.memory)
        for t, stamp in enumerate(stamps_ns):
            here = np.flatnonzero(step == t)
            if stamp > self._counted_ns and len(here):
                here = here[np.argsort(view[here], kind="stable")]
                centres = cameras.world_from_cam[people.frame[here], :3, 3]
                share = shares(joints[here], people.canonical(here), view[here], centres, self._config)
                pairs = np.ix_(place[here], place[here])
                self._votes[pairs] = keep * self._votes[pairs] + ballots(share, view[here])
        self._counted_ns = max(self._counted_ns, *stamps_ns)
        seen = np.unique(place)
        together = overlaps(np.searchsorted(seen, place), len(seen), step, view)
        groups = partition(self._votes[np.ix_(seen, seen)], together)
        return groups[np.searchsorted(seen, place)]

    def _remember(self, numbers: Int[np.ndarray, "N"]) -> None:
        """Bring the table of votes to a new set of tracks."""
        if np.array_equal(numbers, self._numbers):
            return
        kept = np.isin(numbers, self._numbers)
        old = np.searchsorted(self._numbers, numbers[kept])
        votes = np.zeros((len(numbers), len(numbers)))
        votes[np.ix_(kept, kept)] = self._votes[np.ix_(old, old)]
        self._numbers, self._votes = numbers, votes


def shares(
    joints: Float[np.ndarray, "N M 3"],
    canonical: Float[np.ndarray, "N M 3"],
    view: Int[np.ndarray, "N"],
    centres: Float[np.ndarray, "N 3"],
    config: AssociationConfig,
) -> Float[np.ndarray, "N N"]:
    """C(a, b) of all pairs of different cameras over the largest cost, from 0 to `CUT`; `CUT` for pairs of one camera.

    Joints are compared only where it can matter: their mean distance is no less than the distance of their means.

    Args:
        joints: in the world, metres.
        canonical: the same without place and heading.
        view: of each person, rising.
        centres: of the cameras, one for each person, in the world.
        config: weights and limits.
    """
    (place, pose), limit = WEIGHTS[config.cost], CUT * config.max_cost_m
    middle = joints.mean(axis=1)
    ray = middle - centres
    far = np.maximum(np.linalg.norm(ray, axis=-1), 1e-9)
    stretch = 1.0 + config.depth_tolerance * far / config.max_cost_m  # of the largest cost, along the ray
    spread = np.sqrt(stretch**2 - 1.0)[:, None] * ray / far[:, None]
    least = place * _all_apart(middle, spread) if place else np.zeros((len(view), len(view)))
    if pose:
        least += pose * cdist(canonical.mean(axis=1), canonical.mean(axis=1))
    a, b = np.nonzero(np.triu((least < limit) & (view[:, None] != view), 1))
    cost = place * _apart(_between(joints, a, b), spread[a], spread[b]) if place else np.zeros(len(a))
    if pose:
        cost += pose * mean_length(square(_between(canonical, a, b)))
    share = np.full((len(view), len(view)), CUT)
    share[a, b] = share[b, a] = np.minimum(cost / config.max_cost_m, CUT)
    return share


def _all_apart(points: Float[np.ndarray, "N 3"], spread: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N N"]:
    """What `_apart` says of every pair of points, by products of matrices."""
    own, other = (points * spread).sum(axis=-1), points @ spread.T  # other[a, b]: point a along the ray of b
    p, q = own[:, None] - other.T, other - own
    size, common = 1.0 + (spread * spread).sum(axis=-1), spread @ spread.T
    forgiven = (size * p * p - 2.0 * common * p * q + size[:, None] * q * q) / np.maximum(
        np.outer(size, size) - common * common, 1.0
    )
    return np.asarray(np.sqrt(np.maximum(cdist(points, points, "sqeuclidean") - forgiven, 0.0)))


def _between(points: Float[np.ndarray, "N M 3"], a: Int[np.ndarray, "K"], b: Int[np.ndarray, "K"]) -> Float[np.ndarray, "3 K M"]:
    """What lies between points of pairs."""
    axes = by_axis(points, points[:1, 0].sum(axis=0))  # from a point among them, if there is any
    return np.asarray(axes.take(a, axis=1) - axes.take(b, axis=1))


def _apart(
    moved: Float[np.ndarray, "3 K M"], first: Float[np.ndarray, "K 3"], second: Float[np.ndarray, "K 3"]
) -> Float[np.ndarray, "K"]:
    """Mean length of what lies between points of pairs, shorter along two rays: sqrt(d' S^-1 d) with S = I + first first' + second second'.

    So it is the plain length where the rays are zero: nothing is forgiven.
    """
    p, q = along(moved, first), along(moved, second)
    aa, bb, ab = 1.0 + dot(first, first), 1.0 + dot(second, second), dot(first, second)
    pp, pq, qq = (part.astype(np.float32)[:, None] for part in np.stack([bb, -2.0 * ab, aa]) / (aa * bb - ab**2))  # Woodbury
    left = square(moved)
    left -= p * (pp * p + pq * q)
    left -= qq * q * q
    return mean_length(left)


def ballots(share: Float[np.ndarray, "N N"], view: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N N"]:
    """Votes of one frame-set, symmetric, in [-1, 1].

    Args:
        share: of the largest cost, for all pairs.
        view: of the people, rising.
    """
    vote = np.asarray(-np.minimum(share, 1.0))
    ends = np.flatnonzero(np.diff(view, append=view[-1:] + 1)) + 1
    parts = [slice(*pair) for pair in pairwise([0, *ends.tolist()])]
    for part in parts:
        vote[part, part] = 0.0
    chosen: list[tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"]]] = []
    for a, b in combinations(parts, 2):  # each pair of cameras is a problem of its own, solved in C
        rows, columns = linear_sum_assignment(share[a, b])
        chosen.append((rows + a.start, columns + b.start))
    if chosen:
        rows, columns = (np.concatenate(places) for places in zip(*chosen, strict=True))
        vote[rows, columns] = vote[columns, rows] = 1.0 - share[rows, columns]
    return vote


def overlaps(
    tracks: Int[np.ndarray, "P"], count: int, step: Int[np.ndarray, "P"], view: Int[np.ndarray, "P"]
) -> Bool[np.ndarray, "A A"]:
    """Which tracks are of one camera and were seen in one frame-set, so that they cannot be one person."""
    cells = step * (view.max(initial=0) + 1) + view
    table = np.zeros((count, int(cells.max(initial=-1)) + 1))
    table[tracks, cells] = 1.0
    together = (table @ table.T) > 0.0
    np.fill_diagonal(together, False)  # noqa: FBT003 - the value, as NumPy has it
    return np.asarray(together)


def partition(votes: Float[np.ndarray, "A A"], never: Bool[np.ndarray, "A A"]) -> Int[np.ndarray, "A"]:
    """Group numbers by greedy joining: strongest votes first, refused where groups' votes do not sum to more than zero or clash.

    Every joining changes the sums on which the next one depends, so joinings come one after the other; each is one sum of two rows.

    Args:
        votes: symmetric.
        never: symmetric; pairs that cannot be one.
    """
    between = np.where(never, -np.inf, votes)  # sums of votes between groups, each in the row of its first member
    group, members = list(range(len(votes))), [[i] for i in range(len(votes))]
    rows, columns = np.nonzero(np.triu(votes > 0.0, 1))
    order = np.argsort(-votes[rows, columns], kind="stable")
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if group[i] == group[j] or between[group[i], group[j]] <= 0.0:
            continue
        a, b = sorted((group[i], group[j]))  # the earlier name stays, in whatever order votes tie
        between[a] += between[b]
        between[:, a] = between[a]
        for member in members[b]:
            group[member] = a
        members[a] += members[b]
    return np.unique(np.array(group, dtype=np.int64), return_inverse=True)[1].reshape(-1)
