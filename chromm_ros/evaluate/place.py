"""Where reports go: a place is tried before anything is computed, and what cannot be written is one sentence."""

import re
from pathlib import Path

from chromm_ros.errors import FileError
from chromm_ros.evaluate import outcome, report

REPORT = (report.FILE, outcome.FILE)
PICTURE = re.compile(r"^!\[.*\]\((\w+\.png)\)$", re.MULTILINE)
"""How a report names its pictures."""


def folder(path: Path) -> Path:
    """Make a folder, with those above it, and try that one can write into it.

    Raises:
        FileError: if one cannot.
    """
    probe = path / ".chromm_ros"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}; name another folder") from None
    return path


def file(path: Path) -> Path:
    """Make the folder of a file, and try that one can write it; a file that is there stays as it is.

    Raises:
        FileError: if one cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}; name another file") from None
    return path


def write(path: Path, text: str) -> None:
    """Write a text.

    Raises:
        FileError: if it cannot be written.
    """
    try:
        path.write_text(text)
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}") from None


def clear(path: Path) -> Path:
    """A folder without the report of an earlier run: neither its text and its numbers nor its pictures and images; all else stays.

    Raises:
        FileError: if it cannot be written.
    """
    folder(path)
    try:
        text = (path / REPORT[0]).read_text() if (path / REPORT[0]).is_file() else ""
        for old in (*PICTURE.findall(text), *REPORT):
            (path / old).unlink(missing_ok=True)
        for image in path.glob("images/view[0-9][0-9].png"):
            image.unlink()
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}; name another folder") from None
    return path
