"""What many windows do: how far the world drifts, and whether memory stays what it is."""

import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chromm_ros.bench.ablations import NOISY
from chromm_ros.bench.paired import measured, row
from chromm_ros.bench.planted import camera_errors, replay, truth_from_node
from chromm_ros.bench.table import Row, Table
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

UNITS = ("m", "degrees", "scale %")
"""Of what drifts."""
SETTLED = 500
"""Windows from which memory has settled, so that growth can be told from filling."""
FLAT = 1.1
"""Largest factor between the most memory of two spans that is still no growth: people come and go."""
COMING_AND_GOING = replace(Noise(), missed=0.1, false=0.2)
"""Tracks are born and die all the time."""
FOREIGN = {"_body", "_config", "_decode"}
"""Parts of a reconstructor that it was given."""


def drift(windows: int, *, seeds: int, all_rigs: bool) -> Table:
    """What is left of the world after a lap; one world a seed."""
    rigs: dict[str, dict[str, Any]] = {
        "ring, stands": {"layout": "ring"},
        "ring, moves once around": {"layout": "ring", "moving": True},
        "robot, stands": {"layout": "robot"},
        "robot, drives once around": {"layout": "robot", "moving": True},
        "robot, drives once around, poses known": {"layout": "robot", "moving": True, "rig": True},
    }
    chosen = list(rigs) if all_rigs else ["ring, stands", "robot, drives once around"]
    rows = []
    for name in chosen:
        worlds = [World(**{**vars(NOISY), "people": 4, "seed": seed, **rigs[name]}) for seed in range(1, seeds + 1)]
        rows.append(row(name, measured(worlds, {"": None}, lambda world, _: _strayed(world, windows))[""]))
    return Table(
        f"Drift over {windows} windows of 8 steps, 3 apart (half a minute), 4 views, 4 people: how far cameras are off at the end and at "
        f"most, once the first window was laid on the truth; {'one world' if seeds == 1 else f'mean ± standard error over {seeds} worlds'}",
        "a world that nobody ties down drifts; known poses (TF) tie it",
        "end m",
        rows,
    )


def _strayed(world: World, windows: int) -> dict[str, float]:
    """Errors of the cameras and of the scale at the end of all windows, and the largest on the way."""
    truth, off = None, []
    for step in replay(world, ReconstructConfig(), windows, stride=3):
        truth = truth or truth_from_node(step, world, list(range(len(step.result.stamps_ns))))
        off.append((*camera_errors(step, world, truth), 100.0 * abs(step.result.metric_scale - 1.0)))
    ends = {"end": np.mean(off[-3:], axis=0).tolist(), "most": np.max(off, axis=0).tolist()}
    return {f"{when} {unit}": value for when, values in ends.items() for unit, value in zip(UNITS, values, strict=True)}


def footprint(windows: int) -> Table:
    """Memory of a reconstructor, by what it holds (pickled) and by what Python has allocated in all."""
    tracemalloc.start()
    try:
        held, traced = np.array(list(footprints(windows))).T / 1024.0
    finally:
        tracemalloc.stop()
    first, half = len(held) // 5, 3 * len(held) // 5  # the first windows fill it
    spans = {"from the first fifth on": slice(first, half), "the last two fifths": slice(half, None)}
    rows = [Row(name, {"held kB": float(held[s].max()), "allocated kB": float(traced[s].max())}) for name, s in spans.items()]
    return Table(
        f"Memory over {windows} windows of 2 steps, 2 views, 3 people who walk and are often missed, and others who are not there",
        f"flat if the most of the last span is no more than {FLAT:g} times the most of the span before",
        "held kB",
        rows,
        [flatness(column, rows[0], rows[1]) for column in ("held kB", "allocated kB")] if windows >= SETTLED else (),
    )


def flatness(column: str, before: Row, after: Row) -> str:
    """Whether the last span takes no more than the one before."""
    first, last = before.values[column], after.values[column]
    assert first is not None and last is not None, column
    return f"{column}: {'flat' if last <= FLAT * first else 'grows'}, x{last / first:.3f}"


def footprints(windows: int, every: int = 10, config: ReconstructConfig | None = None) -> Iterator[tuple[int, int]]:
    """Bytes that the chain holds and, where tracemalloc runs, that Python has allocated; after every so many windows."""
    world = World(views=2, people=3, noise=COMING_AND_GOING, walk="eight", uniform=True, map_size=(4, 4))
    chain = Reconstructor(body(), config or ReconstructConfig())
    for index in range(windows):
        look = world.look(index, index, 2)
        chain.update(look.window, look.prediction)
        del look
        if index % every == every - 1:
            for remembered in (World._sight, World.joints, World.rotations):
                remembered.cache_clear()  # what the planted world keeps is not the chain's
            yield holds(chain), tracemalloc.get_traced_memory()[0]


def holds(chain: Reconstructor) -> int:
    """Bytes of all that a reconstructor remembers."""
    return len(pickle.dumps({name: part for name, part in vars(chain).items() if name not in FOREIGN}))
