"""The roster: who is known, under which id, and what each looked like when last seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from chromm_ros.body.skeleton import HEAD
from chromm_ros.reconstruct.fuse import Bodies
from chromm_ros.reconstruct.handover import Whereabouts, handed_over
from chromm_ros.reconstruct.posed import Posed, joined
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.records import Person

WALKS_MPS = 1.0
"""How fast somebody may walk off while nobody sees him, as a standard deviation: a stroll."""


@dataclass
class Member:
    """What is kept of a person beside the body last seen."""

    hits: int = 0
    """Frame-sets in which the person was seen, each counted once however often windows repeat it."""
    counted_ns: int = -1
    """Newest frame-set that was counted."""
    last_ns: int = -1
    """Newest frame-set in which the person was seen."""


class Roster:
    """Gives ids to groups of tracks, and turns fused bodies into people over time.

    A person lives as long as any of the tracks that once belonged to him; ids count up and are never reused.
    """

    def __init__(self, config: TrackingConfig, first_id: int = 1) -> None:
        self._config = config
        self.next_id = first_id
        """The id that the next new person gets."""
        self.reset()

    def reset(self) -> None:
        """Forget everybody; ids go on."""
        self._id_of: dict[int, int] = {}  # by track
        self._view_of: dict[int, int] = {}  # by track
        self._members: dict[int, Member] = {}
        self._last: Posed | None = None  # bodies last seen, in the order of _last_ids
        self._last_ids: list[int] = []

    def update(
        self,
        stamps_ns: tuple[int, ...],
        bodies: Bodies,
        posed: Posed,
        tracks: Int[np.ndarray, "P"],
        views: Int[np.ndarray, "P"],
        groups: Int[np.ndarray, "P"],
        alive: list[int],
    ) -> tuple[tuple[Person, ...], tuple[int, ...], Int[np.ndarray, "P"]]:
        """Everybody who is known at the newest frame-set, by id; the ids that were forgotten; the id of each of the window's people.

        Args:
            stamps_ns: of the window's frame-sets.
            bodies: fused, G of them.
            posed: the same bodies posed.
            tracks: of the window's people in images.
            views: the cameras that see them.
            groups: theirs.
            alive: all tracks that the tracker remembers.
        """
        id_of_group = self._name(stamps_ns, bodies, tracks, groups)
        self._id_of.update(zip(tracks.tolist(), id_of_group[groups].tolist(), strict=True))
        self._view_of.update(zip(tracks.tolist(), views.tolist(), strict=True))
        self._count(stamps_ns, bodies, id_of_group)
        left = self._forget(set(alive))
        ids = sorted(self._members)
        table = np.full((len(ids), len(stamps_ns)), -1)
        table[np.searchsorted(ids, id_of_group[bodies.group]), bodies.step] = np.arange(len(bodies.group))
        pool, sources = self._filled(ids, posed, table)
        self._last, self._last_ids = pool[sources[:, -1]], ids
        shown = [n for n, number in enumerate(ids) if table[n, -1] >= 0 or self._members[number].hits >= self._config.min_hits]
        rows = pool[sources[shown]].rows()
        people = tuple(self._person(ids[n], row, bodies, table[n], stamps_ns) for n, row in zip(shown, rows, strict=True))
        return people, left, id_of_group[groups]

    def _name(
        self, stamps_ns: tuple[int, ...], bodies: Bodies, tracks: Int[np.ndarray, "P"], groups: Int[np.ndarray, "P"]
    ) -> Int[np.ndarray, "N"]:
        """The id of every group: the one that most of its sights carry already, or that of somebody handed over; else a new one.

        Two groups have one id only where no frame-set shows both.
        """
        rows = np.full((groups.max(initial=-1) + 1, len(stamps_ns)), -1)  # of the bodies
        rows[bodies.group, bodies.step] = np.arange(len(bodies.group))
        names = self._carried(tracks, groups, rows >= 0)
        first = (rows >= 0).argmax(axis=1)
        first_sight = np.unique(groups, return_index=True)[1]
        for step in np.unique(first[names < 0]).tolist():  # who gets a name may be handed over later in the same window
            new = np.flatnonzero((names < 0) & (first == step))
            if self._config.handover_m > 0.0:
                names[new] = self._handed_over(new, step, names, rows, bodies, stamps_ns)
            fresh = new[names[new] < 0]
            fresh = fresh[np.argsort(first_sight[fresh])]  # not by the groups' numbers, which depend on rounding
            names[fresh] = self.next_id + np.arange(len(fresh))
            self.next_id += len(fresh)
        return names

    def _carried(
        self, tracks: Int[np.ndarray, "P"], groups: Int[np.ndarray, "P"], present: Bool[np.ndarray, "N T"]
    ) -> Int[np.ndarray, "N"]:
        """The id that most sights of every group carry, -1 where none does, or another group of the same frame-sets has it."""
        names = np.full(len(present), -1)
        carried = np.array([self._id_of.get(int(track), -1) for track in tracks], dtype=np.int64)
        old = carried >= 0
        keys, weights = np.unique(groups[old] * self.next_id + carried[old], return_counts=True)  # ids are below the next one
        for key in keys[np.lexsort((keys % self.next_id, -weights))].tolist():
            group, number = divmod(key, self.next_id)
            if names[group] < 0 and not (present[names == number] & present[group]).any():
                names[group] = number
        return names

    def _handed_over(
        self,
        new: Int[np.ndarray, "K"],
        step: int,
        names: Int[np.ndarray, "N"],
        rows: Int[np.ndarray, "N T"],
        bodies: Bodies,
        stamps_ns: tuple[int, ...],
    ) -> Int[np.ndarray, "K"]:
        """The ids of those whom other cameras lost where new groups are first seen, all of them at one step; -1 for nobody's."""
        ids = np.union1d(np.array(self._last_ids, dtype=np.int64), names[names >= 0])
        if not len(ids):
            return np.full(len(new), -1)
        views = np.zeros((len(names), bodies.seen_by.shape[1]), dtype=bool)
        np.logical_or.at(views, bodies.group, bodies.seen_by)
        lost = self._whereabouts(ids, step, names, rows, bodies, views, stamps_ns)
        found = Whereabouts(bodies.head[rows[new, step]], np.full(len(new), stamps_ns[step]), rows[new] >= 0, views[new])
        which = handed_over(found, lost, self._config.handover_m, self._config.max_gap_s)
        return np.where(which >= 0, ids[which], -1)

    def _whereabouts(
        self,
        ids: Int[np.ndarray, "I"],
        step: int,
        names: Int[np.ndarray, "N"],
        rows: Int[np.ndarray, "N T"],
        bodies: Bodies,
        views: Bool[np.ndarray, "N V"],
        stamps_ns: tuple[int, ...],
    ) -> Whereabouts:
        """Where everybody was seen last before a step: in this window, else in those before; who was not has a stamp after all of them."""
        named = np.flatnonzero(names >= 0)
        of = np.searchsorted(ids, names[named])
        table = np.full((len(ids), rows.shape[1]), -1)
        np.maximum.at(table, of, rows[named])
        seen = np.zeros((len(ids), views.shape[1]), dtype=bool)
        np.logical_or.at(seen, of, views[named])
        for track, number in self._id_of.items():
            seen[np.searchsorted(ids, number), self._view_of[track]] = True
        head, stamp = np.zeros((len(ids), 3)), np.full(len(ids), np.iinfo(np.int64).max)
        if self._last is not None:
            place = np.searchsorted(ids, self._last_ids)
            head[place], stamp[place] = self._last.joints[:, HEAD], self._last.stamp_ns
        latest = np.where(table[:, :step] >= 0, np.arange(step), -1).max(axis=1, initial=-1)
        here = np.flatnonzero(latest >= 0)
        head[here], stamp[here] = bodies.head[table[here, latest[here]]], np.array(stamps_ns)[latest[here]]
        return Whereabouts(head, stamp, table >= 0, seen)

    def _count(self, stamps_ns: tuple[int, ...], bodies: Bodies, id_of_group: Int[np.ndarray, "N"]) -> None:
        for number, step in zip(id_of_group[bodies.group].tolist(), bodies.step.tolist(), strict=True):
            member, stamp = self._members.setdefault(number, Member()), stamps_ns[step]
            member.last_ns = max(member.last_ns, stamp)
            if stamp > member.counted_ns:  # steps come in order
                member.hits, member.counted_ns = member.hits + 1, stamp

    def _forget(self, alive: set[int]) -> tuple[int, ...]:
        self._id_of = {track: number for track, number in self._id_of.items() if track in alive}
        self._view_of = {track: self._view_of[track] for track in self._id_of}
        known = set(self._id_of.values())
        left = tuple(sorted(number for number in self._members if number not in known))
        self._members = {number: member for number, member in self._members.items() if number in known}
        return left

    def _filled(self, ids: list[int], posed: Posed, table: Int[np.ndarray, "N T"]) -> tuple[Posed, Int[np.ndarray, "N T"]]:
        """A pool of bodies, and for every person and step which of them: seen then, else last seen before, else first seen after."""
        pool = posed if self._last is None else joined(posed, self._last)
        place = {number: len(posed) + k for k, number in enumerate(self._last_ids)}
        before = np.array([place.get(number, -1) for number in ids], dtype=np.int64)
        steps = np.arange(table.shape[1])
        latest = np.maximum.accumulate(np.where(table >= 0, steps, -1), axis=1)
        held = np.take_along_axis(table, np.maximum(latest, 0), axis=1)
        first = np.take_along_axis(table, (table >= 0).argmax(axis=1)[:, None], axis=1)
        start = np.where(before[:, None] >= 0, before[:, None], first)
        return pool, np.where(latest >= 0, held, start)

    def _person(self, number: int, posed: Posed, bodies: Bodies, row: Int[np.ndarray, "T"], stamps_ns: tuple[int, ...]) -> Person:
        seen_by = np.zeros((len(row), bodies.seen_by.shape[1]), dtype=bool)
        seen_by[row >= 0] = bodies.seen_by[row[row >= 0]]
        age = np.abs(np.array(stamps_ns) - posed.stamp_ns) * 1e-9
        trust = np.clip(1.0 - age / max(self._config.max_gap_s, 1e-9), 0.0, 1.0)
        return Person(
            track_id=number,
            state=self._state(self._members[number], seen=bool(row[-1] >= 0), gap_s=float(age[-1])),
            score=float(posed.score[-1] * trust[-1]),
            visible=row >= 0,
            seen_by=seen_by,
            body=posed.params,
            joints=posed.joints,
            joint_scores=(posed.joint_scores * trust[:, None]).astype(np.float32),
            deviation_m=np.hypot(posed.deviation_m, WALKS_MPS * age),
        )

    def _state(self, member: Member, *, seen: bool, gap_s: float) -> str:
        if member.hits < self._config.min_hits:
            return "tentative"
        if seen:
            return "tracked"
        return "occluded" if gap_s <= self._config.max_gap_s / 2.0 else "lost"
