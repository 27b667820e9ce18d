"""SMPL-X's skeleton as facts: names, parents, what to draw, and REP-155's names where there are any.

Source: SMPL-X (Pavlakos et al., CVPR 2019), joint order of the `smplx` library; REP-155 (human body model in ROS) for the names.
"""

NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye",
    "left_index1", "left_index2", "left_index3", "left_middle1", "left_middle2", "left_middle3", "left_pinky1", "left_pinky2",
    "left_pinky3", "left_ring1", "left_ring2", "left_ring3", "left_thumb1", "left_thumb2", "left_thumb3",
    "right_index1", "right_index2", "right_index3", "right_middle1", "right_middle2", "right_middle3", "right_pinky1",
    "right_pinky2", "right_pinky3", "right_ring1", "right_ring2", "right_ring3", "right_thumb1", "right_thumb2", "right_thumb3",
)  # fmt: skip  # one region per line
"""The 55 joints; left is the person's own."""

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)  # fmt: skip  # body, left hand, right hand
"""Parent of each joint; -1 for the root."""

JOINTS = len(NAMES)
PELVIS, HEAD = 0, 15
BODY_JOINTS = 22
"""Joints 0..21 are the body, as in SMPL."""

LIMBS: tuple[tuple[int, int], ...] = tuple((PARENTS[joint], joint) for joint in range(1, JOINTS))
"""Every bone from parent to child, to be drawn as lines."""

REP155: dict[int, str] = {
    0: "body", 1: "l_hip", 2: "r_hip", 4: "l_knee", 5: "r_knee", 7: "l_ankle", 8: "r_ankle", 9: "torso", 15: "head",
    16: "l_shoulder", 17: "r_shoulder", 18: "l_elbow", 19: "r_elbow", 20: "l_wrist", 21: "r_wrist",
}  # fmt: skip  # reads as a table
"""REP-155's names of frames, for the joints that it knows."""
