"""What a recording or a dataset must offer to be run through the pipeline."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from chromm_ros.records import Frame


@runtime_checkable
class Sequence(Protocol):
    """Images of several cameras in the order in which they arrived. One dataset, one file, one class with these members."""

    @property
    def name(self) -> str:
        """Name of the sequence, for reports."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras; their order is the order in frame-sets."""

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Every frame with the time at which it arrived (nanoseconds), in order of arrival.

        A dataset without times of arrival gives the stamps.
        """
