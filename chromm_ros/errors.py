"""What can go wrong by bad input, each kind with one sentence: what was found, what was expected, what to do.

A programmer's slip is an `assert`; everything a user can cause is a `ChrommError`. The command line and the node catch
`ChrommError` and print its sentence; nothing below them exits, prints or swallows an exception.
"""

import importlib
from types import ModuleType


class ChrommError(Exception):
    """Base of every error that a user can cause."""


class ConfigError(ChrommError):
    """A setting is unknown, of the wrong type or out of its range."""


class InputError(ChrommError):
    """An image, a calibration, a recording or a message does not hold what it must."""


class FileError(ChrommError):
    """A file is missing, truncated or of another kind."""


class DependencyError(ChrommError):
    """An optional package or tool is not installed."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package where it is used.

    Args:
        module: importable name, for example `smplx`.
        extra: the extra of our setup.py that installs it.

    Raises:
        DependencyError: if it is not installed, naming the pip line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise DependencyError(
            f"the Python package '{module}' is needed for this and is not installed: pip install 'chromm_ros[{extra}]'"
        ) from error
