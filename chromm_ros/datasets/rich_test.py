"""RICH's test split as facts: which fixed cameras each sequence is judged in, and who the subjects are.

Source: the toolkit's meta data (Huang et al., CVPR 2022). LectureHall_009_021_reparingprojector1 has two people; the field's tables
leave it out, and so does this.
"""

_GROUPS = {
    "ParkingLot2_017": "burpeejump2 023, burpeejump1 015, overfence1 034, overfence2 014, eating1 024, pushup1 0145, pushup2 045",
    "ParkingLot2_009": "burpeejump1 0123, burpeejump2 0234, overfence1 0345, overfence2 0145, spray1 0123, impro1 0234, impro2 0345,"
    " impro5 0245",
    "LectureHall_009": "sidebalancerun1 0145",
    "LectureHall_010": "plankjack1 0246, sidebalancerun1 0124",
    "LectureHall_021": "plankjack1 0356, sidebalancerun1 0456",
    "LectureHall_019": "wipingchairs1 0123",
    "Gym_010": "pushup1 3456, pushup2 2345, mountainclimber1 3456, mountainclimber2 3456, lunge1 1456, lunge2 0245, dips1 0456,"
    " dips2 1245, cooking1 1345",
    "Gym_011": "pushup1 2345, pushup2 2345, burpee2 2345, cooking1 456, cooking2 245, dips1 1345, dips4 0245, dips3 0345, dips2 1345",
    "Gym_012": "pushup2 3456, lunge1 0345, lunge2 0456, cooking2 345",
    "Gym_013": "dips1 0345, dips2 1245, dips3 1245, lunge1 1456, lunge2 0456, pushup1 0345, pushup2 1245, burpee4 0456",
}
_FEMALE = {9, 10, 12, 13, 16, 17, 18, 19, 21}
_LAST_SUBJECT = 21

TEST_CAMERAS: dict[str, tuple[str, ...]] = {
    f"{group}_{action}": tuple(f"cam_{int(digit):02d}" for digit in cameras)
    for group, actions in _GROUPS.items()
    for action, cameras in (item.split() for item in actions.split(","))
}
"""Sequence to cameras."""


def gender_of(subject: int) -> str | None:
    """`male` or `female`; None for a number that RICH does not have."""
    if not 0 <= subject <= _LAST_SUBJECT:
        return None
    return "female" if subject in _FEMALE else "male"
