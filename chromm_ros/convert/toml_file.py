"""TOML calibrations as Anipose writes them, and Pose2Sim and FreeMoCap after it.

    [cam_1]
    name = "cam01"
    size = [1088.0, 1920.0]
    matrix = [[...], [...], [...]]
    distortions = [k1, k2, p1, p2]
    rotation = [x, y, z]               axis-angle, camera from world
    translation = [x, y, z]            camera from world, in the unit of the calibration board
    fisheye = false

Other tables, as [metadata], have no matrix and are passed over.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from chromm_ros.convert.calibration import Calibration
from chromm_ros.convert.opencv_file import camera_from
from chromm_ros.errors import FileError, require


def read(path: Path) -> Calibration:
    """All tables with a matrix, named by their `name`, else by the table's.

    Raises:
        FileError: if the file is no TOML or has no camera, or a part of one is missing.
        InputError: if a lens or pose cannot be meant.
    """
    library = import_module("tomllib") if sys.version_info >= (3, 11) else require("tomli", extra="convert")
    try:
        tables: dict[str, Any] = library.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path} is no TOML ({error}): is it cut?") from None
    found = {name: table for name, table in tables.items() if isinstance(table, dict) and "matrix" in table}
    if not found:
        raise FileError(f"{path} has no table with a matrix, expected one for each camera, as Anipose and Pose2Sim write them")
    cameras = {str(table.get("name", key)): camera_from(table, f"[{key}] of {path}") for key, table in found.items()}
    if len(cameras) < len(found):
        raise FileError(f"{path} has two cameras of the same name")
    return Calibration(f"{path} (TOML)", cameras, 1.0)
