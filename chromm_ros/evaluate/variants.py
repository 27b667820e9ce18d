"""What `eval ablations` compares: ways of running the chain, in groups that differ in one thing each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chromm_ros.evaluate.told import Told

STEPS, VIEWS, MOST_VIEWS = 8, 4, 6
"""Moments of a take and cameras of a variant, unless they are told otherwise; most cameras of a variant."""
STREAM = 4
"""Moments of a window of the stream."""


@dataclass(frozen=True)
class Variant:
    """One way of running the chain."""

    name: str
    """For the table."""
    views: int = VIEWS
    """Cameras, the first of the take's."""
    steps: int | None = None
    """Moments of a window, the last of the take's; None: all."""
    told: Told = field(default_factory=Told)
    """What the chain knows of the cameras."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of the reconstruction, by group, and `support` of the model; what is not named stays as it is."""
    newest: int | None = None
    """Of how many of the newest moments people count, the same in a whole group; None: all."""
    stream: bool = False
    """Whether windows of `STREAM` moments slide over the take, instead of one window that holds all of it."""

    def runs_as(self, other: Variant) -> bool:
        """Whether both are one way under two names."""
        return vars(self) | {"name": ""} == vars(other) | {"name": ""}


@dataclass(frozen=True)
class Group:
    """Variants that are held against their first one."""

    title: str
    """What differs."""
    key: str
    """Measure that the difference is told of."""
    variants: tuple[Variant, ...]
    """The first is what the package does unless it is told otherwise, or what stands nearest to it."""


W, F1, ASSOCIATION = "W-MPJPE mm", "head F1", "association"
ALONE = Told(poses=False)


def groups(steps: int = STEPS) -> tuple[Group, ...]:
    """The paper's ablations and more, on takes of so many moments, `STREAM` at least.

    The scale is asked with one camera whose place nobody tells: known cameras tell it better than people can.
    """
    slid = steps - STREAM + 1
    lengths = (steps, *(n for n in (1, 2, 4, 8, 16) if n < steps))
    return (
        Group("scale by people (1 camera, place unknown)", W, (
            Variant("adjusted", views=1, told=ALONE),
            Variant("not adjusted", views=1, told=ALONE, settings={"scale": {"adjust": False}}),
        )),
        Group("heads found by", F1, (
            Variant("all images"),
            Variant("each image alone", settings={"model": {"support": 0.0}}),
        )),
        Group("fusion", W, (
            Variant("average + triangulate"),
            Variant("max-pool + triangulate", settings={"fusion": {"mode": "maxpool_triangulate"}}),
            Variant("average", settings={"fusion": {"mode": "average"}}),
        )),
        Group("association by", ASSOCIATION, (
            Variant("position + pose"),
            Variant("position", settings={"association": {"cost": "position"}}),
            Variant("pose", settings={"association": {"cost": "pose"}}),
        )),
        Group("views", W, tuple(Variant(str(n), views=n) for n in (VIEWS, 1, 2, 3, 5, MOST_VIEWS))),
        Group("window length (newest moment)", W, tuple(Variant(str(n), steps=n, newest=1) for n in lengths)),
        Group("known of the cameras", W, (
            Variant("intrinsics and poses"),
            Variant("intrinsics", told=ALONE),
            Variant("nothing", told=Told(intrinsics=False, poses=False)),
        )),
        Group(f"one shot or stream (last {slid} moments)", W, (
            Variant(f"one window of {steps}", newest=slid),
            Variant(f"windows of {STREAM}, one after the other", newest=slid, stream=True),
        )),
    )  # fmt: skip  # groups side by side
