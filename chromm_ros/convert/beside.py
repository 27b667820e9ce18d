"""Results that are whole or not there: they are written beside their place, and moved when they are done."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from chromm_ros.errors import FileError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Where to write what shall be `path`; whatever goes wrong, Ctrl-C too, nothing of it stays.

    Raises:
        FileError: if the path exists, its folder cannot be written to, or the disk is full.
    """
    if path.exists():
        raise FileError(f"'{path}' exists already: remove it, or name another by --out")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.absolute().parent))
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}") from error
    try:
        yield folder / path.name
        (folder / path.name).rename(path)
    except OSError as error:
        raise FileError(f"'{path}' was not written: {error}") from error
    finally:
        shutil.rmtree(folder)
