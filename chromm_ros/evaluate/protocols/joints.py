"""Which joints are compared: ours are SMPL-X's 55, truths come with others (`data.truth.JOINT_SETS`).

The field's tables have SMPL's 24 joints, some have the first 22 alone. SMPL-X shares these 22; SMPL's two hands (22 and 23) lie at the
knuckles, where SMPL-X has the first joint of the middle finger. That stands for them unless SMPL's own joints are taken from the licensed
surface (`datasets.smpl_from_smplx`), as the tables do. COCO's points are of the surface: the twelve of arms and legs have a joint
beneath them, those of the face have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from chromm_ros.evaluate.moment import BODY, COMMON
from chromm_ros.records import Person

if TYPE_CHECKING:
    from chromm_ros.datasets.smpl_from_smplx import SmplFromSmplx

MIDDLE = (28, 43)
"""First joints of SMPL-X's middle fingers, left and right."""


@dataclass(frozen=True)
class Joints:
    """A set of joints that both sides have."""

    name: str
    """For tables."""
    found: tuple[int, ...]
    """Places in the found joints."""
    truth: tuple[int, ...]
    """The same ones in the truth's set."""
    hips: tuple[int, int]
    """Left and right hip among them."""
    root: tuple[int, ...]
    """Whose middle is the root, among them: the pelvis, or both hips where the truth has none."""
    note: str
    """Sentence for a report."""


class Ours:
    """What is taken from the bodies that the chain finds: SMPL-X's 55 joints.

    Args:
        smpl: takes SMPL's 24 from the surface instead, where the body is the licensed one and truths are SMPL's.
    """

    def __init__(self, smpl: SmplFromSmplx | None = None) -> None:
        self._smpl = smpl

    def joints(self, person: Person) -> Float64[np.ndarray, "T J 3"]:
        """In the world, metres."""
        if self._smpl is None:
            return person.joints.astype(np.float64)
        return self._smpl.pose(person.body, "neutral").astype(np.float64)

    def sets(self, truth: str) -> tuple[Joints, ...]:
        """What can be compared with a truth's joint set, that of the tables first."""
        if truth == "smpl":
            return (SURFACE if self._smpl else HANDS_STOOD_FOR), BODY_22
        assert self._smpl is None, f"SMPL's joints are not compared with {truth}"
        return (LIMBS_12,) if truth == "coco" else (BODY_22, BODY_24)


SMPL_24 = tuple(range(24))
BODY_22 = Joints("22 joints", BODY, BODY, (1, 2), (0,), "22 joints: those of the body that SMPL and SMPL-X share.")
BODY_24 = Joints(
    "24 joints",
    (*BODY, *MIDDLE),
    (*BODY, *MIDDLE),
    (1, 2),
    (0,),
    "24 joints: the 22 and the first joint of each middle finger, SMPL-X's on both sides.",
)
HANDS_STOOD_FOR = Joints(
    "24 joints, middle fingers for hands",
    (*BODY, *MIDDLE),
    SMPL_24,
    (1, 2),
    (0,),
    "24 joints: SMPL's; for its hands stand the first joints of our middle fingers.",
)
SURFACE = Joints(
    "24 joints",
    SMPL_24,
    SMPL_24,
    (1, 2),
    (0,),
    "24 joints: SMPL's, ours taken from the surface by the transfer that comes with SMPL-X.",
)
LIMBS_12 = Joints(
    "12 joints",
    *COMMON["coco"],
    COMMON["coco"][2],
    "12 joints: SMPL-X's shoulders, elbows, wrists, hips, knees and ankles against COCO's points; the face's five are left out.",
)
