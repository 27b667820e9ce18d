"""What makes images arrive: memory, threads, the executor and Fast DDS, by what was measured (`python -m chromm_ros bench ros`).

Whoever receives images calls `prepare_process` first. Whoever starts processes gives them `fastdds_environment`: the profile
counts in the process that publishes the images.
"""

import ctypes
import importlib
import os
import platform
import sys
import time
from collections.abc import Mapping
from typing import Any

from chromm_ros.data.installed import package_folder

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Names of glibc's malloc.h."""
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Fast DDS up to 2, and from 3 on."""
_SWITCH_INTERVAL_S = 0.0005
_WAKE_S = 0.1


def prepare_process() -> bool:
    """Tune malloc and threads for large messages; once, at the start of a process and before torch is imported.

    glibc gives large blocks back to the system as soon as they are free, so that every large message pays for new pages: with the
    thresholds raised, a 1920x1080 image costs 4 instead of 15 ms of CPU. A shorter switch interval (5 ms by default) lets
    callbacks in while another thread runs Python.

    Returns:
        Whether malloc was tuned, which is possible on Linux with glibc only.
    """
    # torch's threads spin while they wait for one another. On two busy cores that made a window take 23 s instead of 1.7 s (measured).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, (2 << 30) - 1))


def fastdds_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that make Fast DDS use config/fastdds.xml, to be added to the environment of a process before it starts.

    Empty where the user has set a profile of their own, or where the file is not installed. Other middlewares ignore them.
    """
    folder = package_folder("config")
    if folder is None or any(name in environment for name in _PROFILE_VARIABLES):
        return {}
    return {name: str(folder / "fastdds.xml") for name in _PROFILE_VARIABLES}


def make_executor() -> Any:
    """The executor that costs least: EventsExecutor where the distribution has it, else SingleThreadedExecutor.

    MultiThreadedExecutor loses images at 8 x 100 Hz and adds 40-90 ms of latency, so it is never used.
    """
    try:
        factory = importlib.import_module("rclpy.experimental").EventsExecutor
    except (ImportError, AttributeError):
        return importlib.import_module("rclpy.executors").SingleThreadedExecutor()
    return _waking(type(factory()))()


def _waking(base: type) -> type:
    """EventsExecutor that comes back to Python ten times a second while it spins.

    Without a time-out, that of the PyPI wheels (rclpy 7.1.6) waits for ever and serves nothing, while with one it works. And
    Python's handlers of signals only run between two bytecodes.
    """

    class WakingEventsExecutor(base):  # type: ignore[misc]  # known at run time only
        def __init__(self) -> None:
            context = importlib.import_module("rclpy").get_default_context()
            super().__init__(context)
            context.on_shutdown(self.wake)

        def spin_once(self, timeout_sec: float | None = None) -> None:
            super().spin_once(_WAKE_S if timeout_sec is None or timeout_sec < 0 else timeout_sec)

        def spin(self) -> None:
            while self.context.ok():
                self.spin_once()

        def spin_until_future_complete(self, future: Any, timeout_sec: float | None = None) -> None:
            end = None if timeout_sec is None else time.monotonic() + timeout_sec
            while self.context.ok() and not future.done() and (end is None or time.monotonic() < end):
                self.spin_once(timeout_sec=_WAKE_S if end is None else min(_WAKE_S, max(end - time.monotonic(), 1e-4)))

    return WakingEventsExecutor
