"""What the network costs and how far shortcuts move its answers: parameters, operations, time, memory, precision.

Weights are random; time and operations do not depend on them. People stand in fixed places, so many per frame, for the same reason.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from chromm_ros.bench.clock import cost_of, describe, matrix_peak
from chromm_ros.bench.counts import CONDITIONS, multi_hmr, operations, parameters
from chromm_ros.bench.flops import window_flops
from chromm_ros.bench.heads import heads_table
from chromm_ros.bench.parts import Inputs, Part, autocast, random_network, window_parts
from chromm_ros.bench.posing import posing
from chromm_ros.bench.setup import IMAGE, PEOPLE, Setup
from chromm_ros.bench.table import Row, Table
from chromm_ros.bench.windows import Runner, make_window, slides
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compiled import compile_blocks
from chromm_ros.model.half_weights import hold_in_half
from chromm_ros.records import Window


def tables(**options: Any) -> Iterator[Table]:
    """Measure one table after the other; `Setup.of` reads the options.

    Raises:
        ConfigError: if an option names what does not exist.
    """
    setup = Setup.of(options)
    yield parameters(setup)
    for size in setup.sizes:
        yield operations(setup, size)
    peaks = {name: matrix_peak(setup.device, getattr(torch, name)) for name in setup.precisions}
    for size in setup.sizes:
        yield from _measured(setup, size, peaks)
    yield multi_hmr(setup, timed="full" in setup.sizes)
    yield posing(setup.device, setup.seconds)


def _measured(setup: Setup, size: str, peaks: dict[str, float]) -> Iterator[Table]:
    """All tables that need real weights; each precision has a network of its own, as in the node."""
    rows: list[Row] = []
    for precision in setup.precisions:
        network = random_network(partial(Chromm, setup.config(size)), setup.device)
        if precision == setup.precisions[0] and setup.weighs_heads(size):
            yield heads_table(network, size, setup.device)
        if precision == "bfloat16":
            hold_in_half(network)
        if precision == setup.usual_precision:
            yield times(setup, size, network, peaks)
            if any(steps > 1 for _, steps in setup.shapes):
                yield sliding(setup, size, network)
        for compiled in setup.compiled:
            if compiled:
                compile_blocks(network.blocks())
            rows += _windows(setup, size, network, precision, peaks[precision], "compiled" if compiled else "eager")
        del network  # before the next one is made
    yield Table(
        f"One window of {size} from its images on {describe(setup.device)}, measured peak {_peaks(peaks)}",
        "memory is the peak while it runs, weights included; TFLOP/s by the formulas",
        "ms per frame",
        rows,
    )


def _windows(setup: Setup, size: str, network: Chromm, precision: str, peak: float, way: str) -> list[Row]:
    rows = []
    for views, steps in setup.shapes:
        runner = Runner(network, setup.device, PEOPLE, half=precision == "bfloat16")
        batch = runner.prepare(make_window(views, steps, IMAGE))
        cost = cost_of(partial(runner.infer, batch), setup.device, setup.seconds)
        flops = window_flops(setup.config(size), setup.load(size, (views, steps)))
        rate = (sum(flops.values()) - flops.get(CONDITIONS, 0)) / cost.ms * 1e3
        values = {
            "ms": cost.ms,
            "ms per frame": cost.ms / (views * steps),
            "TFLOP/s": rate / 1e12,
            "% of peak": 100 * rate / peak,
            "memory MB": cost.memory_mb,
        }
        rows.append(Row(f"{views}x{steps}, {precision}, {way}", values))
    return rows


def times(setup: Setup, size: str, network: Chromm, peaks: dict[str, float]) -> Table:
    """Every part alone, in the first precision of a CPU and the last of a GPU, for the largest window."""
    shape, config = setup.shapes[-1], setup.config(size)
    precision = setup.usual_precision
    load = setup.load(size, shape)
    flops: dict[str, int | None] = dict(window_flops(config, load))
    runner = Runner(network, setup.device, PEOPLE, half=precision == "bfloat16")
    window = make_window(*shape, IMAGE)
    batch = runner.prepare(window)
    parts: dict[str, Part] = {
        "everything": lambda: runner.infer(batch),
        "prepare (CPU)": lambda: Runner(network, setup.device, PEOPLE, half=False).prepare(
            window
        ),  # a new one remembers no frame
        **window_parts(network, Inputs(config, load, setup.device)),
        "post-processing": runner.afterwards(batch),
    }
    flops["everything"] = sum(value or 0 for name, value in flops.items() if name != CONDITIONS)
    rows = []
    with torch.inference_mode(), autocast(setup.device, half=precision == "bfloat16"):
        for name, part in parts.items():
            ms = cost_of(part, setup.device, setup.seconds / 4).ms
            rows.append(Row(name, {"ms": ms} | _rate(flops.get(name), ms, peaks[precision])))
    return Table(
        f"Parts of {size}, window of {shape[0]}x{shape[1]}, {precision}, on {describe(setup.device)}, measured peak {_peaks(peaks)}",
        f"parts are timed alone; '{CONDITIONS}' runs only where something is known",
        "ms",
        rows,
    )


def _rate(flops: int | None, ms: float, peak: float) -> dict[str, float | None]:
    if flops is None:
        return {"GFLOP": None, "TFLOP/s": None, "% of peak": None}
    return {"GFLOP": flops / 1e9, "TFLOP/s": flops / ms / 1e9, "% of peak": 100 * flops / ms * 1e3 / peak}


def _peaks(peaks: dict[str, float]) -> str:
    return ", ".join(f"{peak / 1e12:.3g} TFLOP/s {name}" for name, peak in peaks.items())


def sliding(setup: Setup, size: str, network: Chromm) -> Table:
    """A window that slid by one step, with and without kept features."""
    views, steps = max(setup.shapes, key=lambda shape: shape[1])
    precision = setup.usual_precision
    rows = []
    for name, cached in (("all frames encoded again", False), ("features of old frames kept", True)):
        runner = Runner(network, setup.device, PEOPLE, half=precision == "bfloat16", cached=cached)
        windows = slides(views, steps, IMAGE)
        runner.infer(runner.prepare(next(windows)))
        cost = cost_of(partial(_slide, runner, windows), setup.device, setup.seconds)
        rows.append(Row(name, {"ms": cost.ms, "frames encoded": float(views if cached else views * steps)}))
    return Table(f"Window of {views}x{steps} of {size} that slid by one step, {precision}", "keep features of frames", "ms", rows)


def _slide(runner: Runner, windows: Iterator[Window]) -> None:
    runner.infer(runner.prepare(next(windows)))
