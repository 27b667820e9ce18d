"""Which video belongs to which camera, by their names."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from chromm_ros.errors import ConfigError

RULE = (
    "A video belongs to the camera whose name is in the video's name, word by word: letters and numbers are words, case, separators "
    "and leading zeros do not matter (camera cam_01: trial2-Cam1.mp4; camera 26580: gait_Miqus_3_26580.avi). The name of its folder is asked "
    "where its own does not tell. NAME=VIDEO says it outright."
)
_WORDS = re.compile(r"[a-z]+|[0-9]+")


def words(name: str) -> tuple[str, ...]:
    """Letters and numbers of a name.

    >>> words("Cam_01")
    ('cam', '1')
    """
    return tuple(word.lstrip("0") or "0" if word.isdigit() else word for word in _WORDS.findall(name.lower()))


def match(cameras: Sequence[str], videos: Iterable[str], *, some: bool) -> dict[str, Path]:
    """The video of each camera, in the order of the cameras.

    Args:
        cameras: names in the calibration.
        videos: paths, or `NAME=PATH`.
        some: whether cameras may have no video, and are left out then.

    Raises:
        ConfigError: if the names do not tell, or videos and cameras are not as many.
    """
    given = list(videos)
    found: dict[str, Path] = {}
    for text in given:
        name, path = _named(text, cameras)
        if name in found:
            raise ConfigError(f"{found[name]} and {path} are both videos of camera {name}: expected one (NAME=VIDEO says which)")
        found[name] = path
    missing = [name for name in cameras if name not in found]
    if missing and not some:
        raise ConfigError(
            f"the calibration has {len(cameras)} cameras and {len(given)} videos were given, none of {', '.join(missing)}: "
            "give theirs too, or --some to leave these cameras out"
        )
    return {name: found[name] for name in cameras if name in found}


def _named(text: str, cameras: Sequence[str]) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if equals and name in cameras:
        return name, Path(path)
    if equals and not Path(text).exists():
        raise ConfigError(f"the calibration has no camera '{name}', only {', '.join(cameras)}")
    video = Path(text)
    for part in (video.stem, video.absolute().parent.name):
        fits = [camera for camera in cameras if _within(words(camera), words(part))]
        exact = [camera for camera in fits if words(camera) == words(part)]
        if len(exact or fits) == 1:
            return (exact or fits)[0], video
        if fits:
            raise ConfigError(f"{video} may be of the cameras {' and '.join(fits)}: say NAME={video}")
    raise ConfigError(f"{video} is of no camera of the calibration ({', '.join(cameras)}): say NAME={video}")


def _within(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return bool(inner) and any(outer[k : k + len(inner)] == inner for k in range(len(outer) - len(inner) + 1))
