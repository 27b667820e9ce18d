"""What the synchroniser counts: every frame and every frame-set ends in exactly one of these, and diagnostics show them."""

from dataclasses import dataclass, field


@dataclass
class CameraCounters:
    """What became of one camera's frames, since the start of the process."""

    received: int = 0
    """Frames that were pushed."""
    used: int = 0
    """Frames that left in a frame-set."""
    late: int = 0
    """Frames that came after their set had left, or that belong to the time before a jump back."""
    duplicate: int = 0
    """Frames with a stamp that the camera had already given."""
    unstamped: int = 0
    """Frames without a stamp (zero or less)."""
    overflow: int = 0
    """Times that the camera's queue was full, so that the oldest set had to leave early."""
    skipped: int = 0
    """Frames in time that no set asked for: the wrong ones of a faster camera, or sets thinned out by `rate_hz`."""
    short: int = 0
    """Frames of sets with too few cameras or without a required one."""
    ahead: int = 0
    """Frames whose stamps are seconds ahead of cameras that are alive (the clocks disagree), or leapt ahead alone."""
    cleared: int = 0
    """Frames that were waiting when the stream was reset."""


@dataclass
class SetCounters:
    """What became of the frame-sets."""

    complete: int = 0
    """Sets with all cameras."""
    partial: int = 0
    """Sets with some cameras missing."""
    short: int = 0
    """Sets with too few cameras or without a required one, never used."""
    skipped: int = 0
    """Sets left out by `rate_hz`."""


@dataclass
class SyncCounters:
    """Everything that the synchroniser counts; nothing is ever set back."""

    cameras: dict[str, CameraCounters]
    """By camera."""
    sets: SetCounters = field(default_factory=SetCounters)
    """Since the start of the process."""
    resets: int = 0
    """New epochs."""
