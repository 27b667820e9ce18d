"""What is known about one frame's place in its parent: over time, or once and for all (upstream: tf2/src/cache.cpp, static_cache.cpp)."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from tf2_ros.exceptions import ExtrapolationException
from tf2_ros.rigid import Rigid


class Placement(NamedTuple):
    """Where a frame was: `pose` is parent_from_frame. A static frame has stamp 0, which stands for every time."""

    stamp_ns: int
    parent: str
    pose: Rigid


class TimeCache:
    """The placements of a moving frame in order of time, over the last `cache_ns` nanoseconds."""

    def __init__(self, cache_ns: int) -> None:
        self._cache_ns = cache_ns
        self._stamps: list[int] = []
        self._placements: list[Placement] = []

    def insert(self, placement: Placement) -> bool:
        """Keep a placement; one of the same stamp is replaced. False if it is older than the cache reaches."""
        if self._stamps and placement.stamp_ns < self._stamps[-1] - self._cache_ns:
            return False
        place = bisect_left(self._stamps, placement.stamp_ns)
        known = place < len(self._stamps) and self._stamps[place] == placement.stamp_ns
        self._stamps[place : place + known] = [placement.stamp_ns]
        self._placements[place : place + known] = [placement]
        expired = bisect_left(self._stamps, self._stamps[-1] - self._cache_ns)
        del self._stamps[:expired], self._placements[:expired]
        return True

    def at(self, stamp_ns: int) -> Placement:
        """The placement at a time, between two known ones if need be. Where the parent changed, the older one holds.

        Raises:
            ExtrapolationException: if the time lies outside what is known.
        """
        place = bisect_right(self._stamps, stamp_ns)
        if place > 0 and self._stamps[place - 1] == stamp_ns:
            return self._placements[place - 1]
        if place in {0, len(self._stamps)}:
            raise ExtrapolationException(self._outside(stamp_ns))
        older, newer = self._placements[place - 1 : place + 1]
        if older.parent != newer.parent:
            return older
        ratio = (stamp_ns - older.stamp_ns) / (newer.stamp_ns - older.stamp_ns)
        return Placement(stamp_ns, older.parent, older.pose.interpolate(newer.pose, ratio))

    def _outside(self, stamp_ns: int) -> str:
        if len(self._stamps) < 2:
            only = f"{self._stamps[0] / 1e9:.6f}" if self._stamps else "0.000000"
            return f"Lookup would require extrapolation at time {stamp_ns / 1e9:.6f}, but only time {only} is in the buffer"
        future = stamp_ns > self._stamps[-1]
        direction, edge = ("the future", "latest") if future else ("the past", "earliest")
        return (
            f"Lookup would require extrapolation into {direction}.  Requested time {stamp_ns / 1e9:.6f} but the {edge} data "
            f"is at time {self._stamps[-1 if future else 0] / 1e9:.6f}"
        )

    def latest(self) -> Placement | None:
        """The newest placement, if there is one."""
        return self._placements[-1] if self._placements else None

    def span_ns(self) -> tuple[int, int]:
        """Stamps of the oldest and of the newest placement."""
        return (self._stamps[0], self._stamps[-1]) if self._stamps else (0, 0)

    def __len__(self) -> int:
        """How many placements are kept."""
        return len(self._stamps)

    def clear(self) -> None:
        """Forget everything."""
        self._stamps.clear()
        self._placements.clear()


class StaticCache:
    """The one placement of a frame that never moves. The newest wins; `clear` leaves it, as upstream does."""

    def __init__(self) -> None:
        self._placement: Placement | None = None

    def insert(self, placement: Placement) -> bool:
        """Keep the placement for every time."""
        self._placement = placement._replace(stamp_ns=0)
        return True

    def at(self, stamp_ns: int) -> Placement:
        """The placement, whatever the time."""
        assert self._placement is not None, "a static frame is made with its placement"
        return self._placement._replace(stamp_ns=stamp_ns)

    def latest(self) -> Placement | None:
        """The placement."""
        return self._placement

    def span_ns(self) -> tuple[int, int]:
        """No time at all."""
        return (0, 0)

    def __len__(self) -> int:
        """One placement is kept."""
        return 1

    def clear(self) -> None:
        """Nothing: a static frame outlives a jump of the clock."""
