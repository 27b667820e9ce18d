"""Which part of footage is converted, and how images are written."""

from dataclasses import dataclass

from chromm_ros.errors import ConfigError


@dataclass(frozen=True)
class Choice:
    """What the command line says for videos and datasets alike."""

    start_s: float = 0.0
    """Where the recording begins."""
    seconds: float | None = None
    """Its length; None: to the end."""
    every: int = 1
    """Only each so-manieth moment."""
    width: int | None = None
    """Of the images; None: as they are."""
    quality: int = 90
    """Of JPEGs, 1 to 100."""

    def __post_init__(self) -> None:
        """Refuse what cannot be met."""
        for name, value, good, limits in (
            ("--start", self.start_s, 0.0 <= self.start_s < 1e9, "0 or more"),
            ("--seconds", self.seconds, self.seconds is None or self.seconds > 0.0, "more than 0"),
            ("--every", self.every, self.every >= 1, "1 or more"),
            ("--width", self.width, self.width is None or self.width >= 1, "1 or more"),
            ("--quality", self.quality, 1 <= self.quality <= 100, "1 to 100"),
        ):
            if not good:
                raise ConfigError(f"{name} is {value:g}, expected {limits}")
