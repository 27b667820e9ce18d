"""What a chain is told of the cameras, by the words of the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """What the chain is told of the cameras."""

    intrinsics: bool = True
    """Whether it knows their intrinsics."""
    poses: bool = True
    """Whether it knows where they are."""

    @property
    def text(self) -> str:
        """For tables."""
        known = [name for name, on in (("intrinsics", self.intrinsics), ("poses", self.poses)) if on]
        return " and ".join(known) + " known" if known else "nothing known"


KNOWN = {"poses": Told(), "intrinsics": Told(poses=False), "nothing": Told(intrinsics=False, poses=False)}
"""By the most that is told."""
