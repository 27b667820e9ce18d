"""The tree of frames over time, without waiting and without ROS entities (upstream: tf2/src/buffer_core.cpp, tf2_py)."""

import math
import threading
from typing import Any

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.time import Time

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.rigid import Rigid
from tf2_ros.time_cache import Placement, StaticCache, TimeCache

QUATERNION_TOLERANCE = 1e-2
"""How far the squared length of a quaternion may be from one: upstream's QUATERNION_NORMALIZATION_TOLERANCE."""


def nanoseconds(time: Any) -> int:
    """Of a message (sec, nanosec) or of an rclpy Time, as upstream's bindings take both."""
    if hasattr(time, "nanosec"):
        return int(time.sec) * 1_000_000_000 + int(time.nanosec)
    return int(time.nanoseconds)


def refusal(parent: str, child: str, shift: Vector3, turn: Quaternion) -> str | None:
    """Why a transform cannot be taken, or None. The four checks of upstream's setTransformImpl."""
    if parent == child:
        return f'TF_SELF_TRANSFORM: frame_id and child_frame_id are both "{child}"'
    if not child:
        return "TF_NO_CHILD_FRAME_ID: child_frame_id not set"
    if not parent:
        return f'TF_NO_FRAME_ID: frame_id of child_frame_id "{child}" not set'
    numbers = (shift.x, shift.y, shift.z, turn.x, turn.y, turn.z, turn.w)
    if any(map(math.isnan, numbers)):
        return f'TF_NAN_INPUT: a nan value in the transform of child_frame_id "{child}": {numbers}'
    if not abs(sum(number * number for number in numbers[3:]) - 1.0) < QUATERNION_TOLERANCE:
        return f'TF_DENORMALIZED_QUATERNION: the quaternion of child_frame_id "{child}" is not of length one: {numbers[3:]}'
    return None


class BufferCore:
    """Frames by name, each with its placements over time. All methods may be called from any thread."""

    def __init__(self, cache_time: Duration | None = None) -> None:
        """Keep `cache_time` of placements per moving frame, 10 s by default."""
        self._cache_ns = (cache_time or Duration(seconds=10)).nanoseconds
        self._caches: dict[str, TimeCache | StaticCache] = {}
        self._frames: set[str] = set()
        self._authorities: dict[str, str] = {}
        self._lock = threading.RLock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Take the place of a moving frame at its stamp. A transform that makes no sense is logged and left out."""
        self._set(transform, authority, TimeCache)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Take the place of a frame that never moves."""
        self._set(transform, authority, StaticCache)

    def _set(self, transform: TransformStamped, authority: str, kind: type[TimeCache] | type[StaticCache]) -> None:
        parent = transform.header.frame_id.removeprefix("/")
        child = transform.child_frame_id.removeprefix("/")
        reason = refusal(parent, child, transform.transform.translation, transform.transform.rotation)
        if reason is not None:
            get_logger("tf2").error(f'Ignoring transform from authority "{authority}": {reason}')
            return
        placement = Placement(nanoseconds(transform.header.stamp), parent, Rigid.from_msg(transform.transform))
        with self._lock:
            if not isinstance(self._caches.get(child), kind):  # a frame that changes its kind starts anew
                self._caches[child] = StaticCache() if kind is StaticCache else TimeCache(self._cache_ns)
            self._frames.update((parent, child))
            if self._caches[child].insert(placement):
                self._authorities[child] = authority
            else:
                get_logger("tf2").warning(f"TF_OLD_DATA ignoring data from the past for frame {child} from {authority}")

    def clear(self) -> None:
        """Forget all moving frames' placements; static frames stay."""
        with self._lock:
            for cache in self._caches.values():
                cache.clear()

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        """`target_from_source` at a time; time 0 is the latest at which the whole path is known.

        Raises:
            InvalidArgumentException: if a name is empty or starts with a slash.
            LookupException: if a frame is unknown, or the tree has a loop.
            ConnectivityException: if no path joins the frames.
            ExtrapolationException: if the path is not known at this time.
        """
        with self._lock:
            stamp_ns, pose = self._lookup(target_frame, source_frame, nanoseconds(time))
        return self._answer(target_frame, source_frame, stamp_ns, pose)

    def lookup_transform_full_core(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> TransformStamped:
        """`target(target_time)_from_source(source_time)`, with `fixed_frame` taken to stand still in between."""
        with self._lock:
            for frame in (target_frame, source_frame, fixed_frame):
                self._check(frame)
            _, fixed_from_source = self._lookup(fixed_frame, source_frame, nanoseconds(source_time))
            stamp_ns, target_from_fixed = self._lookup(target_frame, fixed_frame, nanoseconds(target_time))
        return self._answer(target_frame, source_frame, stamp_ns, target_from_fixed @ fixed_from_source)

    def can_transform_core(self, target_frame: str, source_frame: str, time: Time) -> tuple[bool, str]:
        """Whether the look-up of the same arguments would succeed, and if not, why."""
        try:
            self.lookup_transform_core(target_frame, source_frame, time)
        except TransformException as error:
            return False, str(error)
        return True, ""

    def can_transform_full_core(
        self, target_frame: str, target_time: Time, source_frame: str, source_time: Time, fixed_frame: str
    ) -> tuple[bool, str]:
        """Whether the full look-up of the same arguments would succeed, and if not, why."""
        try:
            self.lookup_transform_full_core(target_frame, target_time, source_frame, source_time, fixed_frame)
        except TransformException as error:
            return False, str(error)
        return True, ""

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """The newest time at which the whole path between two frames is known; 0 if all of it is static."""
        with self._lock:
            self._check(target_frame)
            self._check(source_frame)
            return Time(nanoseconds=self._latest_common_ns(target_frame, source_frame))

    def all_frames_as_yaml(self) -> str:
        """Every placed frame with its parent, its authority and the times that are known."""
        lines = []
        with self._lock:
            for frame, cache in self._caches.items():
                placement = cache.latest()
                if placement is None:
                    continue
                oldest_ns, newest_ns = cache.span_ns()
                lines += [
                    f"{frame}: ",
                    f"  parent: '{placement.parent}'",
                    f"  broadcaster: '{self._authorities[frame]}'",
                    f"  rate: {len(cache) / max((newest_ns - oldest_ns) / 1e9, 1e-4):.3f}",
                    f"  most_recent_transform: {newest_ns / 1e9:.6f}",
                    f"  oldest_transform: {oldest_ns / 1e9:.6f}",
                    f"  buffer_length: {(newest_ns - oldest_ns) / 1e9:.3f}",
                ]
        return "\n".join(lines) + "\n" if lines else "[]"

    def _check(self, frame: str) -> None:
        if not frame or frame.startswith("/"):
            problem = "cannot start with a '/'" if frame else "cannot be empty"
            raise InvalidArgumentException(f'Invalid argument "{frame}" - in tf2 frame_ids {problem}')
        if frame not in self._frames:
            raise LookupException(f'frame "{frame}" does not exist')

    def _lookup(self, target: str, source: str, stamp_ns: int) -> tuple[int, Rigid]:
        """The stamp of the answer and `target_from_source`."""
        if target == source:  # asked of any name, known or not, as upstream does
            latest = self._caches[target].latest() if stamp_ns == 0 and target in self._caches else None
            return (latest.stamp_ns if latest else stamp_ns), Rigid.identity()
        self._check(target)
        self._check(source)
        stamp_ns = stamp_ns or self._latest_common_ns(target, source)
        from_source, source_problem = self._climb(source, stamp_ns)
        from_target, target_problem = self._climb(target, stamp_ns)
        common = next((frame for frame in from_target if frame in from_source), None)
        if common is None:
            problem = target_problem or source_problem
            if problem is None:
                raise self._unconnected(target, source)
            raise ExtrapolationException(f"{problem}, when looking up transform from frame [{source}] to frame [{target}]")
        return stamp_ns, from_target[common].inverse() @ from_source[common]

    def _climb(self, frame: str, stamp_ns: int) -> tuple[dict[str, Rigid], ExtrapolationException | None]:
        """`ancestor_from_frame` of every ancestor that can be reached at this time, and what stopped the climb below the root."""
        reached = {frame: Rigid.identity()}
        pose = reached[frame]
        while (cache := self._caches.get(frame)) is not None:
            try:
                placement = cache.at(stamp_ns or self._newest_ns(cache))
            except ExtrapolationException as problem:
                return reached, problem
            pose = placement.pose @ pose
            frame = placement.parent
            if frame in reached:
                raise LookupException(f"The tf tree is invalid because it contains a loop through '{frame}'.")
            reached[frame] = pose
        return reached, None

    @staticmethod
    def _newest_ns(cache: TimeCache | StaticCache) -> int:
        """Time 0 is left only where all of the path is static; what moves above it does not matter, so any time will do."""
        return cache.span_ns()[1]

    def _latest_common_ns(self, target: str, source: str) -> int:
        """The oldest of the newest stamps on the path, static frames left out; 0 if there are no others."""
        above_source = self._newest_above(source)
        above_target = self._newest_above(target)
        common = next((frame for frame in above_target if frame in above_source), None)
        if common is None:
            raise self._unconnected(target, source)
        stamps = []
        for above in (above_source, above_target):
            for frame, stamp_ns in above.items():
                if frame == common:
                    break
                stamps.append(stamp_ns)
        return min((stamp_ns for stamp_ns in stamps if stamp_ns), default=0)

    def _newest_above(self, frame: str) -> dict[str, int]:
        """The frame and its ancestors of now, each with the newest stamp of its place in its parent (0: static, or a root)."""
        newest: dict[str, int] = {}
        while True:
            if frame in newest:
                raise LookupException(f"The tf tree is invalid because it contains a loop through '{frame}'.")
            cache = self._caches.get(frame)
            placement = cache.latest() if cache is not None else None
            newest[frame] = placement.stamp_ns if placement else 0
            if placement is None:
                return newest
            frame = placement.parent

    @staticmethod
    def _unconnected(target: str, source: str) -> ConnectivityException:
        return ConnectivityException(
            f"Could not find a connection between '{target}' and '{source}' because they are not part of the same tree."
            "Tf has two or more unconnected trees."
        )

    @staticmethod
    def _answer(target: str, source: str, stamp_ns: int, pose: Rigid) -> TransformStamped:
        msg = TransformStamped(child_frame_id=source, transform=pose.to_msg())
        msg.header.frame_id = target
        msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        return msg
