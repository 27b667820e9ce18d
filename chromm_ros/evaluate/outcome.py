"""What every evaluation ends in and every report is made from: scores, errors over time, ways, reprojections, and how it was made.

`Outcome.write(folder)` gives `report.json` (this file's format), `report.md` and pictures (`evaluate/report.py`); `Outcome.read(folder)`
gives the same outcome again. JSON knows no NaN: a value that there is none of is null, and a score without a value says why.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from chromm_ros.data.truth import JOINT_SETS
from chromm_ros.errors import FileError, InputError

VERSION = 1
"""Of the format. Another one is refused."""
FILE = "report.json"
IMAGES = "images"
"""Folder of the views' images, which are no JSON."""
UPS = ("x", "-x", "y", "-y", "z", "-z")

Array = Float64[np.ndarray, "_"]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Score1:
    """One number of a table."""

    name: str
    """For people; the same quantity has the same name in every outcome."""
    value: float | None
    """Finite; None where there is none."""
    unit: str
    """Empty for shares and counts."""
    count: int
    """Of single values that it is the mean (or whatever the name says) of."""
    reason: str = ""
    """Why there is no value; empty where there is one."""

    def __post_init__(self) -> None:
        _expect(self.value is None or math.isfinite(self.value), f"score '{self.name}' is {self.value}, expected a finite number")
        _expect((self.value is None) == bool(self.reason), f"score '{self.name}' needs either a value or a reason why not")


def summary(name: str, values: Any, unit: str, reason: str = "nothing to measure") -> Score1:
    """Mean of the values that are finite, of any shape.

    Args:
        name: of the score.
        values: single errors; what is not finite is left out and not counted.
        unit: of each.
        reason: why there may be none at all.
    """
    array = np.asarray(values, np.float64).reshape(-1)
    good = array[np.isfinite(array)]
    if len(good):
        return Score1(name, float(good.mean()), unit, len(good))
    return Score1(name, None, unit, 0, reason if not len(array) else f"none of {len(array)} values is finite: {reason}")


def share(name: str, value: float, count: int, reason: str) -> Score1:
    """A share of `count` things; where it is not finite, there is none, for this reason."""
    return Score1(name, value, "", count) if np.isfinite(value) else Score1(name, None, "", count, reason)


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of one person over the frames of one sequence."""

    metric: str
    """For example `W-MPJPE`."""
    unit: str
    """Of the values."""
    sequence: str
    """Name of the sequence."""
    person: int
    """True id; -1 for what is not one person's (a camera's, a whole frame's)."""
    stamps_ns: Int64[np.ndarray, "N"]
    """Of each value."""
    values: Array
    """NaN where there is none."""

    def __post_init__(self) -> None:
        _expect(
            self.stamps_ns.shape == self.values.shape, f"series '{self.metric}' of '{self.sequence}' needs a stamp for each value"
        )


@dataclass(frozen=True, eq=False)
class Track:
    """Way of one person's pelvis in the truth's world."""

    sequence: str
    """Name of the sequence."""
    person: int
    """True id."""
    stamps_ns: Int64[np.ndarray, "N"]
    """Of each place."""
    found: Float64[np.ndarray, "N 3"]
    """Metres; NaN where not found."""
    truth: Float64[np.ndarray, "N 3"]
    """Metres; NaN where not known."""

    def __post_init__(self) -> None:
        shape = (len(self.stamps_ns), 3)
        _expect(self.found.shape == self.truth.shape == shape, f"track of person {self.person} needs places of shape {shape}")


@dataclass(frozen=True, eq=False)
class CameraTrack:
    """Poses of one camera in the truth's world; whichever side stands still may have one."""

    sequence: str
    """Name of the sequence."""
    name: str
    """Of the camera."""
    found: Float64[np.ndarray, "N 4 4"]
    """world_from_cam; NaN where not found."""
    truth: Float64[np.ndarray, "M 4 4"]
    """world_from_cam; NaN where not known."""

    def shortened(self) -> "CameraTrack":
        """The same with one pose where all are equal."""
        return replace(self, found=_one_if_still(self.found), truth=_one_if_still(self.truth))


def _one_if_still(poses: Float64[np.ndarray, "N 4 4"]) -> Float64[np.ndarray, "M 4 4"]:
    still = len(poses) > 1 and np.array_equal(poses, np.broadcast_to(poses[:1], poses.shape), equal_nan=True)
    return poses[:1].copy() if still else poses


@dataclass(frozen=True, eq=False)
class View:
    """One image with everybody's joints in it."""

    sequence: str
    """Name of the sequence."""
    camera: str
    """Its name."""
    stamp_ns: int
    """Of the image."""
    image: UInt8[np.ndarray, "H W 3"]
    """RGB."""
    people: Int64[np.ndarray, "P"]
    """True ids of those who were found here; a stranger's is -1."""
    found: Float64[np.ndarray, "P J 2"]
    """Joints in pixels of the image (`records.py`); NaN where behind the camera or not known."""
    truth: Float64[np.ndarray, "Q J 2"]
    """The same of everybody who is there."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that one evaluation tells."""

    title: str
    """One line."""
    config: Mapping[str, Any]
    """Resolved settings of the chain and of the protocol, plain values."""
    weights: str
    """Name, as status has it."""
    device: str
    """For example `cuda (NVIDIA H100)`."""
    precision: str
    """Of the network."""
    revision: str
    """Version of the package and commit of the code."""
    scores: tuple[Score1, ...] = ()
    """In the order of the table."""
    runtime: tuple[Score1, ...] = ()
    """Measured times (`evaluate/runtime.py`)."""
    notes: tuple[str, ...] = ()
    """Sentences that belong under the table: the gauge, the joint set, what was left out."""
    series: tuple[Series, ...] = ()
    """Errors over time."""
    up: str = "z"
    """Axis of the truth's world that points up, one of `UPS`; for the view from above."""
    joint_set: str = "smpl"
    """Key of `data.truth.JOINT_SETS`; tells names of joints."""
    per_joint_mm: Mapping[str, Array] = field(default_factory=dict)
    """By metric (`MPJPE`): mean error of each joint, in the order of the joint set, its first so many; NaN where there is none."""
    tracks: tuple[Track, ...] = ()
    """Ways of people, for the view from above."""
    cameras: tuple[CameraTrack, ...] = ()
    """Ways of cameras, for the view from above."""
    views: tuple[View, ...] = ()
    """Images with joints; a few."""
    latency_ms: Array = field(default_factory=lambda: np.zeros(0))
    """Of each result, from the newest exposure or arrival (a note says which) to the result."""

    def __post_init__(self) -> None:
        _expect(self.up in UPS, f"up is '{self.up}', expected one of {', '.join(UPS)}")
        _expect(self.joint_set in JOINT_SETS, f"there is no joint set '{self.joint_set}', there are {', '.join(JOINT_SETS)}")
        most = JOINT_SETS[self.joint_set]
        for name, values in self.per_joint_mm.items():
            _expect(values.ndim == 1 and len(values) <= most, f"'{name}' per joint: {values.shape} for {most} joints")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        same = len(self.views) == len(other.views) and _plain(self) == _plain(other)
        return same and all(np.array_equal(a.image, b.image) for a, b in zip(self.views, other.views, strict=True))

    def write(self, folder: Path) -> None:
        """Write the JSON, the Markdown and the pictures; what is there of an earlier report is replaced.

        Raises:
            DependencyError: if matplotlib is not installed.
            FileError: if the folder cannot be written.
        """
        from chromm_ros.evaluate import report  # which knows this file

        write_json(self, folder)
        report.write(self, folder)

    @classmethod
    def read(cls, folder: Path) -> "Outcome":
        """What was written.

        Raises:
            FileError: if it is missing, damaged or of another version.
        """
        return read_json(folder)


def write_json(outcome: Outcome, folder: Path) -> None:
    """Write `report.json` and the images that belong to it, losslessly.

    Raises:
        FileError: if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, view in enumerate(outcome.views):
            path = _image_file(folder, number)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(cv2.imencode(".png", view.image[..., ::-1])[1].tobytes())
        with (folder / FILE).open("w") as file:
            file.writelines(_lines(outcome))
    except OSError as error:
        raise FileError(f"'{folder}' cannot be written: {error.strerror}") from None


def read_json(folder: Path) -> Outcome:
    """The other way round.

    Raises:
        FileError: if it is missing, damaged or of another version.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(), parse_constant=_no_constant)
    except OSError as error:
        raise FileError(f"'{path}' cannot be read: {error.strerror}; name a folder that an evaluation wrote") from None
    except ValueError as error:
        raise FileError(f"'{path}' is no JSON: {error}") from None
    version = content.pop("version", None) if isinstance(content, dict) else None
    if version != VERSION:
        raise FileError(f"'{path}' is a report of version {version}, expected {VERSION}: evaluate again")
    try:
        return _outcome(content, folder)
    except InputError as error:
        raise FileError(f"'{path}' is damaged: {error}") from None


_DTYPES: Mapping[str, type] = {
    "stamps_ns": np.int64, "values": np.float64, "found": np.float64, "truth": np.float64, "latency_ms": np.float64, "people": np.int64,
}  # fmt: skip  # fields that are arrays, whoever's they are


def _outcome(plain: Any, folder: Path) -> Outcome:
    entries = _entries(Outcome, plain)
    kinds: tuple[tuple[str, type], ...] = (
        ("scores", Score1), ("runtime", Score1), ("series", Series), ("tracks", Track), ("cameras", CameraTrack),
    )  # fmt: skip
    for name, kind in kinds:
        entries[name] = tuple(_record(kind, row) for row in _list(entries[name], name))
    entries["views"] = tuple(
        _record(View, row, image=_read_image(folder, number)) for number, row in enumerate(_list(entries["views"], "views"))
    )
    entries["notes"] = tuple(_list(entries["notes"], "notes"))
    _expect(isinstance(entries["per_joint_mm"], dict), "'per_joint_mm' is no mapping")
    entries["per_joint_mm"] = {name: _array("values", row) for name, row in entries["per_joint_mm"].items()}
    entries["latency_ms"] = _array("latency_ms", entries["latency_ms"])
    return Outcome(**entries)


def _record(kind: type[Record], plain: Any, **more: Any) -> Record:
    entries = _entries(kind, plain, *more)
    return kind(**{name: _array(name, value) if name in _DTYPES else value for name, value in entries.items()}, **more)


def _entries(kind: type, plain: Any, *without: str) -> dict[str, Any]:
    wanted = {entry.name for entry in fields(kind)} - set(without)
    _expect(isinstance(plain, dict) and set(plain) == wanted, f"a {kind.__name__} must have just {', '.join(sorted(wanted))}")
    return dict(plain)


def _list(plain: Any, name: str) -> list[Any]:
    _expect(isinstance(plain, list), f"'{name}' is no list")
    return list(plain)


def _array(name: str, plain: Any) -> np.ndarray:
    """Lists of numbers and nulls (NaN); the shape stands beside them, as lists cannot tell it of nothing."""
    _expect(isinstance(plain, dict) and set(plain) == {"shape", "values"}, f"'{name}' is no array")
    try:
        flat: np.ndarray = np.array([np.nan if value is None else value for value in plain["values"]], _DTYPES[name])
        return flat.reshape(plain["shape"])
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"'{name}' holds no array of shape {plain['shape']}") from None


def _plain(value: Any) -> Any:
    """Records, arrays and mappings as JSON has them; images are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value) if entry.name != "image"}
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1).tolist()
        return {
            "shape": list(value.shape),
            "values": [None if isinstance(v, float) and not math.isfinite(v) else v for v in flat],
        }
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value


def _lines(outcome: Outcome) -> Iterator[str]:
    """JSON with one line for each entry, and for each record of a list; one line is held at a time."""
    yield f'{{\n"version": {VERSION}'
    for entry in fields(outcome):
        value = getattr(outcome, entry.name)
        yield f",\n{json.dumps(entry.name)}: "
        if isinstance(value, tuple) and value:
            for number, row in enumerate(value):
                yield "[\n" if number == 0 else ",\n"
                yield json.dumps(_plain(row), allow_nan=False)
            yield "\n]"
        else:
            yield json.dumps(_plain(value), allow_nan=False)
    yield "\n}\n"


def _image_file(folder: Path, number: int) -> Path:
    return folder / IMAGES / f"view{number:02}.png"


def _read_image(folder: Path, number: int) -> UInt8[np.ndarray, "H W 3"]:
    path = _image_file(folder, number)
    image = cv2.imread(str(path)) if path.exists() else None
    if image is None:
        raise FileError(f"'{path}' is missing or no image, and the report beside it needs it")
    return np.ascontiguousarray(image[..., ::-1])


def _no_constant(name: str) -> float:
    raise ValueError(f"it has {name}, which JSON does not know")


def _expect(good: object, complaint: str) -> None:
    if not good:
        raise InputError(complaint)
