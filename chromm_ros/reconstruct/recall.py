"""Images that come again: a window shares most of its images with the one before, and what is known of these need not be asked twice.

Who they show is told by the places of heads alone, and a track moves only with the newest image in which it was seen. So all images
that show nobody new are named at once here, and only the others go through the tracker one after the other. Numbers and tracks are
those that the tracker would find alone.
"""

from collections import Counter
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.tracks import CameraTracks, Seen


def by_frame(people: People, frames: int) -> list[Int[np.ndarray, "_"]]:
    """The people of every frame."""
    order = np.argsort(people.frame, kind="stable")
    ends = np.searchsorted(people.frame[order], np.arange(frames + 1)).tolist()
    return [order[first:last] for first, last in pairwise(ends)]


def recall(
    known: dict[int, CameraTracks],
    cameras: Cameras,
    people: People,
    members: list[Int[np.ndarray, "_"]],
    same: float,
    numbers: Int[np.ndarray, "P"],
) -> tuple[Bool[np.ndarray, "F"], Bool[np.ndarray, "P"]]:
    """Name the people of images that came before and show nobody new, and remember where they are now.

    Args:
        known: tracks by camera.
        cameras: of the window.
        people: of the window.
        members: the people of every frame.
        same: distance of two predictions of one head that is still the same head, as a share of the image's longer side.
        numbers: of the tracks, written for those who are named.

    Returns:
        The frames that are left, and the people named who were never seen later: their tracks follow them.
    """
    left, newest = np.ones(len(cameras), dtype=bool), np.zeros(len(people), dtype=bool)
    keys = list(zip(cameras.view.tolist(), cameras.stamp_ns.tolist(), strict=True))
    count = Counter(keys)  # an image that comes twice in one window is left
    before = {
        frame: known[view].images[stamp]
        for frame, (view, stamp) in enumerate(keys)
        if view in known and stamp in known[view].images and count[view, stamp] == 1 and len(members[frame])
    }
    if not before:
        return left, newest
    frames, here = np.array(list(before)), [members[frame] for frame in before]
    same_px = same * cameras.size[frames].max(axis=1)
    named, sure = _named(list(before.values()), [people.head_pixel[one] for one in here], same_px)
    for k in np.flatnonzero(~sure).tolist():
        named[k, : len(here[k])] = before[frames[k]].carried(people.head_pixel[here[k]], same_px[k])
    counts = np.array([len(one) for one in here])
    told = np.flatnonzero((named >= 0).sum(axis=1) == counts)
    latest = _last_seen(known, named) <= cameras.stamp_ns[frames, None]
    for k in told.tolist():
        (view, stamp), one, found = keys[frames[k]], here[k], named[k, : counts[k]]
        numbers[one], newest[one] = found, latest[k, : counts[k]]
        known[view].note(stamp, found, people.head_pixel[one])
    left[frames[told]] = False
    return left, newest


def _named(
    before: list[Seen], pixels: list[Float[np.ndarray, "_ 2"]], same_px: Float[np.ndarray, "K"]
) -> tuple[Int[np.ndarray, "K N"], Bool[np.ndarray, "K"]]:
    """Tracks of the people of K images, -1 for empty places, and for which images they are beyond doubt.

    Where who is near whom is one to one, the best assignment is just that.
    """
    now, then = _filled(pixels, np.inf), _filled([seen.pixel for seen in before], -np.inf)
    known = _filled([seen.number for seen in before], -1)
    away = now[:, :, None] - then[:, None]
    near = np.sqrt(away[..., 0] ** 2 + away[..., 1] ** 2) < same_px[:, None, None]
    place, person = near.sum(axis=2), near.sum(axis=1)
    there = np.isfinite(now[..., 0])
    sure = (place == there).all(axis=1) & (person <= 1).all(axis=1)
    return np.where(there, np.take_along_axis(known, near.argmax(axis=2), axis=1), -1), sure


def _filled(parts: list[np.ndarray], value: float) -> np.ndarray:
    """Arrays of different lengths as one table with a column at least, the shorter ones filled up."""
    counts = np.array([len(part) for part in parts])
    table = np.full((len(parts), max(1, counts.max()), *parts[0].shape[1:]), value, dtype=parts[0].dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = np.concatenate(parts)
    return table


def _last_seen(known: dict[int, CameraTracks], numbers: Int[np.ndarray, "K N"]) -> Int[np.ndarray, "K N"]:
    """Stamps of the images in which tracks were last seen; anything where nobody is known."""
    every = np.concatenate([tracks.number for tracks in known.values()])
    if not len(every):
        return np.zeros(numbers.shape, np.int64)
    last = np.concatenate([tracks.last_ns for tracks in known.values()])
    order = np.argsort(every)
    return np.asarray(last[order][np.minimum(np.searchsorted(every[order], numbers), len(every) - 1)])
