"""Windows of images without meaning, for tests that ask about shapes and laws."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from chromm_ros.records import Frame, FrameSet, Window


def image(width: int, height: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def window(sizes: Sequence[tuple[int, int]], steps: int, *, start: int = 0, **known: object) -> Window:
    """One camera per size; every frame has its own image."""
    sets = tuple(
        FrameSet(0, step, step, 0, tuple(Frame(f"cam{view}", step, image(*size, 100 * step + view), **known) for view, size in enumerate(sizes)))
        for step in range(start, start + steps)
    )  # fmt: skip  # one frame in one line
    return Window(0, start, tuple(f"cam{view}" for view in range(len(sizes))), sets)


def without(source: Window, *missing: tuple[int, int]) -> Window:
    """The window with the frames (step, view) missing."""
    sets = tuple(
        replace(entry, frames=tuple(None if (step, view) in missing else frame for view, frame in enumerate(entry.frames)))
        for step, entry in enumerate(source.sets)
    )
    return replace(source, sets=sets)


def with_frame(source: Window, step: int, view: int, **known: object) -> Window:
    """The window with more known of one frame."""
    frames = list(source.sets[step].frames)
    frames[view] = replace(frames[view], **known)
    sets = list(source.sets)
    sets[step] = replace(sets[step], frames=tuple(frames))
    return replace(source, sets=tuple(sets))
