"""Time, memory and the matrix-product peak of a device."""

import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

_LONG_S = 0.2
"""A matrix product that takes longer is measured once, and no larger one is tried."""
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Cost(NamedTuple):
    """What a call costs."""

    ms: float
    """Milliseconds, the median of several calls."""
    memory_mb: float | None
    """Most memory at a time: what torch allocated on a GPU, the resident set of the process on a CPU (Linux only)."""


def cost_of(call: Callable[[], object], device: torch.device, seconds: float) -> Cost:
    """Measure a call for about that many seconds, at least once; the device is waited for.

    One call goes before and is not measured, however long it takes: it may compile, load kernels or fill caches.
    """
    _once(call, device)
    _forget_peak(device)
    spent = [_once(call, device)]
    while sum(spent) < seconds and len(spent) < 100:
        spent.append(_once(call, device))
    return Cost(1e3 * statistics.median(spent), _peak_mb(device))


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product, the fastest of several sizes and tries; the first of each size warms up."""
    best = 0.0
    for side in (4096, 8192, 16384) if device.type == "cuda" else (512, 1024, 2048):
        a = torch.randn(side, side, device=device, dtype=dtype)
        b = torch.randn(side, side, device=device, dtype=dtype)
        product = partial(torch.nn.functional.linear, a, b)
        _once(product, device)
        spent = [_once(product, device)]
        while spent[0] < _LONG_S and len(spent) < 10:
            spent.append(_once(product, device))
        best = max(best, 2 * side**3 / min(spent))
        if spent[0] >= _LONG_S:  # bfloat16 that is only imitated
            break
    return best


def describe(device: torch.device) -> str:
    """The device by its name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def _once(call: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    begin = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _can_measure():
        _RESET.write_text("5")  # proc(5): resets the peak of the resident set


def _peak_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if not _can_measure():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    return int(found[1]) * 1024 / 1e6 if found else None


def _can_measure() -> bool:
    return _STATUS.exists() and _RESET.exists()
