"""Videos of calibrated cameras as a recording.

All cameras share one clock; a video begins at its offset, frame i is at offset + i / fps. At every step of that clock (the slowest
video's rate, each `every`-th frame of it) each camera gives its nearest frame, with the frame's own stamp.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import floor, isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float

from chromm_ros.convert.calibration import CalibratedCamera
from chromm_ros.convert.choice import Choice
from chromm_ros.convert.footage import Footage
from chromm_ros.convert.images import BEGIN_NS, WORLD, ImageWriter, topic_names
from chromm_ros.convert.progress import Progress
from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.errors import ConfigError, InputError

_NOISE = 1e-6
"""Of a frame: a step in the middle between two frames must not fall to one, then to the other."""


@dataclass
class _Source:
    """One camera while it is read."""

    camera: CalibratedCamera
    footage: Footage
    offset_s: float
    out: ImageWriter
    ended: bool = False

    def step(self, time_s: float) -> None:
        """Write the frame that is nearest to a time, if it is not behind the last one or the end."""
        index = floor((time_s - self.offset_s) * self.footage.fps + 0.5 + _NOISE)
        if self.ended or index < self.footage.at:
            return
        frame = self.footage.frame(index)
        if frame is None:
            self.ended = True
            return
        stamp_ns = BEGIN_NS + round((self.offset_s + index / self.footage.fps) * 1e9)
        if isinstance(frame, Path):
            self.out.write_file(stamp_ns, frame, self._optics)
        else:
            self.out.write(stamp_ns, frame, self._optics)

    def _optics(self, size: tuple[int, int]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "N"], str]:
        return self.camera.of_image(size, self.out.name), self.camera.distortion, self.camera.model


def record(
    path: Path,
    cameras: Mapping[str, CalibratedCamera],
    videos: Mapping[str, Path],
    choice: Choice,
    fps: float | None = None,
    offsets_s: Mapping[str, float] | None = None,
) -> dict[str, int]:
    """Write a recording; gives how many images each camera has in it, by its name in topics.

    Args:
        path: folder of the new recording.
        cameras: by name.
        videos: of all of these cameras or some.
        choice: which part, on the common clock; `every` counts frames of the slowest video.
        fps: of all videos; None: what each says.
        offsets_s: when a camera's video begins, on the common clock; 0 where not said.

    Raises:
        FileError: if a video cannot be read, or the recording not be written.
        InputError: if images do not fit the calibration, or there are none.
        ConfigError: if the choice cannot be met.
    """
    offsets = offsets_s or {}
    for name, offset in offsets.items():
        if name not in videos or not isfinite(offset):
            raise ConfigError(f"--offset is {name}={offset:g}, expected seconds of one of {', '.join(videos)}")
    if fps is not None and not 0.0 < fps < 1e5:
        raise ConfigError(f"--fps is {fps:g}, expected more than 0")
    names = topic_names(list(videos))
    with ExitStack() as stack:
        footage = {name: Footage(video, fps) for name, video in videos.items()}
        for video in footage.values():
            stack.callback(video.close)
        bag = stack.enter_context(BagWriter(path))
        poses = {f"{names[name]}_optical_frame": cameras[name].world_from_cam for name in videos}
        known = {frame: pose for frame, pose in poses.items() if pose is not None}
        if known:
            bag.transforms(BEGIN_NS + round(choice.start_s * 1e9), WORLD, known, static=True)
        sources = [
            _Source(
                cameras[name],
                footage[name],
                offsets.get(name, 0.0),
                ImageWriter(bag, names[name], choice.width, choice.quality),
            )
            for name in videos
        ]
        _write(sources, choice)
    return {source.out.name: source.out.count for source in sources}


def _write(sources: list[_Source], choice: Choice) -> None:
    period = choice.every / min(source.footage.fps for source in sources)
    end = max(source.offset_s + source.footage.count / source.footage.fps for source in sources)
    length = max(0.0, end - choice.start_s) if choice.seconds is None else min(choice.seconds, max(0.0, end - choice.start_s))
    k = 0
    with Progress(f"{len(sources)} cameras, {length:.1f} s", round(length / period)) as progress:
        while not all(source.ended for source in sources) and (
            choice.seconds is None or k * period < choice.seconds - _NOISE * period
        ):
            for source in sources:
                source.step(choice.start_s + k * period)
            k += 1
            progress(k)
    empty = [source for source in sources if not source.out.count]
    if empty:
        raise InputError(
            f"{empty[0].footage.path} has no frame from {choice.start_s:g} s on"
            + (f" for {choice.seconds:g} s" if choice.seconds is not None else "")
            + f", expected some (it has about {empty[0].footage.count / empty[0].footage.fps:.2f} s): choose another --start or --offset"
        )
