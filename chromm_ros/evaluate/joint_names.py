"""Names and limbs of the joint sets that truths come with (`data.truth.JOINT_SETS`)."""

from chromm_ros.body.skeleton import BODY_JOINTS, LIMBS, NAMES

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip  # COCO's order (Lin et al. 2014)
COCO_LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14),
    (14, 16),
)  # fmt: skip  # pairs
BODY = tuple(limb for limb in LIMBS if max(limb) < BODY_JOINTS)

JOINT_NAMES: dict[str, tuple[str, ...]] = {
    "smplx": NAMES,
    "smpl": (*NAMES[:BODY_JOINTS], "left_hand", "right_hand"),
    "coco": COCO,
}
"""By joint set, in its order."""
JOINT_LIMBS: dict[str, tuple[tuple[int, int], ...]] = {
    "smplx": LIMBS,
    "smpl": (*BODY, (20, 22), (21, 23)),
    "coco": COCO_LIMBS,
}
"""Pairs of joints to be joined by a line."""
