"""Which reader a calibration is for."""

from pathlib import Path

from chromm_ros.convert import colmap, opencv_file, qualisys, toml_file
from chromm_ros.convert.calibration import Calibration
from chromm_ros.errors import FileError

FORMATS = "Qualisys .qca.txt, OpenCV YAML, XML or JSON, Anipose and Pose2Sim .toml, a COLMAP folder"


def read(path: Path) -> Calibration:
    """Any calibration that we know, told by what it is, by its ending where nothing else tells.

    Raises:
        FileError: if there is none, it is of an unknown format, or damaged.
        InputError: if a lens or a pose cannot be meant.
    """
    if not path.exists():
        raise FileError(f"there is no calibration at {path}: expected {FORMATS}")
    try:
        return _read(path)
    except OSError as error:
        raise FileError(f"the calibration {path} cannot be read: {error}") from error


def _read(path: Path) -> Calibration:
    folder = colmap.folder_of(path)
    if folder is not None:
        return colmap.read(folder)
    if path.is_dir():
        if (path / "intri.yml").is_file():
            return opencv_file.read(path / "intri.yml")
        raise FileError(f"the folder {path} holds no calibration (cameras.txt, cameras.bin or intri.yml): expected {FORMATS}")
    with path.open("rb") as file:
        head = file.read(4096).decode("utf-8", errors="replace")
    if path.suffix == ".toml":
        return toml_file.read(path)
    if "<opencv_storage" in head or head.startswith("%YAML") or path.suffix in {".yml", ".yaml", ".json"}:
        return opencv_file.read(path)
    if "<calibration" in head or path.name.endswith(".qca.txt"):
        return qualisys.read(path)
    raise FileError(f"{path} is of an unknown format: expected {FORMATS}")
