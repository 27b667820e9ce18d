"""What a truth must have in common with a recording, asked before minutes of computing are spent on what cannot be scored."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from chromm_ros.data.bag import BagReader
from chromm_ros.data.instants import header_stamp_ns
from chromm_ros.errors import InputError
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.chunk import one_joint_set


def check(sequence: BagSequence, world: str) -> None:
    """See that results of a recording can be scored by its truth; a recording without any is not scored, and fits.

    Args:
        sequence: with everything that the chain will be told.
        world: frame of the results to come.

    Raises:
        InputError: if the truth cannot be read, no image has the stamp of one, or nothing tells where the results lie in its world.
    """
    if not sequence.truth_frame:
        return
    images, truths, joint_sets, placed = _image_stamps(sequence), set[int](), set[str](), False
    for truth in sequence.truth():
        truths.add(truth.stamp_ns)
        joint_sets |= {truth.joint_set} if len(truth.ids) else set()
        placed |= truth.stamp_ns in images and bool(np.isfinite(truth.world_from_cam).all(axis=(-2, -1)).any())
    check_stamps(f"the images of {sequence.path}", images, f"the truth of {sequence.truth_path}", truths)
    one_joint_set(joint_sets, sequence.name)
    if not placed and world != sequence.truth_frame:
        raise InputError(
            f"the truth is in '{sequence.truth_frame}', the results will be in '{world}', and /tf and /tf_static tell of no camera "
            f"where it is in '{sequence.truth_frame}', expected at least one: record its transforms beside the truth or the images"
        )


def check_stamps(what: str, stamps: Collection[int], others: str, truths: Collection[int]) -> None:
    """See that two sides have a stamp in common.

    Args:
        what: the first side, in words.
        stamps: its stamps, nanoseconds.
        others: the second side.
        truths: its stamps.

    Raises:
        InputError: if there is none, with the counts, the first and the last of both.
    """
    if set(stamps).isdisjoint(truths):
        raise InputError(
            f"{_span(what, stamps)} and {_span(others, truths)} have no stamp in common, expected equal ones to the nanosecond: "
            "is it the truth of this recording?"
        )


def _span(what: str, stamps: Collection[int]) -> str:
    return f"{len(stamps)} stamps of {what}" + (f" ({_seconds(min(stamps))} to {_seconds(max(stamps))} s)" if stamps else "")


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"


def _image_stamps(sequence: BagSequence) -> set[int]:
    with BagReader(sequence.path) as bag:
        return {header_stamp_ns(message.raw) for message in bag.messages([camera.image for camera in sequence.topics])}
