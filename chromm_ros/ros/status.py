"""The account of one window, published after all its other outputs."""

from dataclasses import dataclass, field

import numpy as np

from chromm_ros.made_with import MadeWith
from chromm_ros.msg import WindowStatus
from chromm_ros.records import Reconstruction, Window
from chromm_ros.ros.convert import to_header, to_time
from chromm_ros.ros.pack import Stamped


@dataclass(frozen=True)
class Account:
    """What only the node knows of a window that was run."""

    started_ns: int
    """Monotonic time at which the worker took the window."""
    sets_complete: int = 0
    """Frame-sets with all cameras, since the start of the epoch."""
    sets_partial: int = 0
    """Frame-sets with some cameras missing, since the start of the epoch."""
    sets_dropped: int = 0
    """Frame-sets with too few cameras, since the start of the epoch."""
    windows_run: int = 0
    """Since activation."""
    windows_dropped: int = 0
    """Replaced by a newer one before they ran, since activation."""
    windows_failed: int = 0
    """Ended in an error, since activation."""
    gpu_mb: float = 0.0
    """Memory the network holds on its GPU."""
    made_with: MadeWith = field(default_factory=MadeWith)
    """What computes."""


@dataclass(frozen=True)
class Published:
    """What became of a window's outputs."""

    points: int
    """In the cloud that was published; 0 where nobody listens."""
    people: int
    """In the array of bodies."""
    publish_ms: float
    """Packing and publishing of all outputs but the status."""
    done_ns: int
    """Monotonic time after them."""
    age_ms: float
    """The node's clock minus the stamp of the result."""


def to_status(header: Stamped, result: Reconstruction, window: Window, account: Account, published: Published) -> WindowStatus:
    """The account as a message; a number that is not known is 0."""
    newest = window.sets[-1]
    message = WindowStatus(
        header=to_header(header),
        epoch=result.epoch,
        window=result.index,
        first_stamp=to_time(window.sets[0].stamp_ns),
        last_stamp=to_time(newest.stamp_ns),
        cameras=list(window.cameras),
        steps=len(window.sets),
        present=[frame is not None for frame_set in window.sets for frame in frame_set.frames],
        spread_ms=[frame_set.spread_ns / 1e6 for frame_set in window.sets],
        people=published.people,
        points=published.points,
        metric_scale=_finite(result.metric_scale),
        scale_ratio=_finite(result.scale_ratio),
        latency_sync_ms=(newest.ready_ns - newest.arrival_ns) / 1e6,
        latency_queue_ms=(account.started_ns - newest.ready_ns) / 1e6,
        latency_publish_ms=published.publish_ms,
        latency_total_ms=(published.done_ns - newest.arrival_ns) / 1e6,
        age_ms=published.age_ms,
        gpu_mb=float(account.gpu_mb),
        **vars(account.made_with),
    )
    for part in ("prepare", "infer", "reconstruct"):
        setattr(message, f"latency_{part}_ms", float(result.timings_ms.get(part, 0.0)))
    for name in ("sets_complete", "sets_partial", "sets_dropped", "windows_run", "windows_dropped", "windows_failed"):
        setattr(message, name, getattr(account, name))
    return message


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
