"""What the reconstruction costs, step by step and with the number of views and people, on one core.

Times are of the CPU, all threads together: on one core that is the wall's where nobody else works, and others hardly change it.
There are no meshes in it: those are made where somebody asks for them. The aims are for the whole chain, with the maps of the network that
ships; maps of Pi3X's size have eighteen times as many points, so their cloud stands apart.
"""

import contextlib
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from chromm_ros.bench.planted import window_world
from chromm_ros.bench.table import Row, Table
from chromm_ros.reconstruct import reconstructor
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import Look, World
from chromm_ros.synthetic.scene import body

STEPS = 8
Size = tuple[int, int]
PI3X, NANO = (504, 378), (168, 126)
"""Width and height of the point maps that are timed: as many points as Pi3X gives for a 4:3 image, and `nano`."""
AIMS_MS = {(4, 6): 15.0, (16, 30): 150.0}
"""Most milliseconds by views and people."""
PARTS = {
    "Cameras.read": "read cameras", "People.read": "read people", "head_pelvis_ratio": "scale", "Stitcher.tie": "stitch",
    "Stitcher.place": "stitch", "Tracker.update": "track", "Associator.update": "associate", "fuse": "fuse", "pose": "pose",
    "Roster.update": "roster", "select": "cloud",
}  # fmt: skip
"""What `Reconstructor.update` calls, and the row in which its time stands."""


def costs(*, quick: bool) -> Iterator[Table]:
    """Cost by size, by step, and how it grows; each the median of repeats."""
    repeats = 3 if quick else 15
    with one_core():
        sizes = [(1, 1), (4, 3), (4, 6), (16, 30)]
        for maps in (NANO, PI3X):
            found = {size: measured(*size, repeats, maps) for size in sizes}
            yield by_step("the first window", {size: first for size, (first, _) in found.items()}, maps)
            yield by_step("a window that slid by one frame-set", {size: slid for size, (_, slid) in found.items()}, maps)
        yield growth("views", [(views, 6) for views in ((1, 4, 16) if quick else (1, 2, 4, 8, 16))], repeats)
        yield growth("people", [(4, people) for people in ((0, 6, 30) if quick else (0, 1, 3, 6, 12, 20, 30))], repeats)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Hold all threads of the process to one core, where the system can."""
    threads = [int(path.name) for path in Path("/proc/self/task").glob("*")] if hasattr(os, "sched_setaffinity") else []
    cores = {thread: os.sched_getaffinity(thread) for thread in threads}
    for thread in threads:
        os.sched_setaffinity(thread, {max(cores[thread])})
    try:
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, cores[thread])


def machine() -> str:
    """The CPU by its name, and the threads that may work at once."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, all threads held to one core (OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}), CPU time"


def by_step(what: str, found: dict[Size, dict[str, float]], maps: Size) -> Table:
    """One column per size, one row per step, the whole first."""
    names = dict.fromkeys(["whole", "without cloud", *PARTS.values(), "the rest"])
    columns = {size: f"{size[0]}x{STEPS}x{size[1]}" for size in found}
    rows = [Row(name, {columns[size]: spent.get(name, 0.0) for size, spent in found.items()}) for name in names]
    return Table(
        f"Cost of {what} on one core, CPU ms: views x steps x people, maps of {maps[0]}x{maps[1]}",
        f"measured on {machine()}; medians",
        f"4x{STEPS}x6",
        rows,
        [
            against_aim(columns[size], found[size][part], aim, part)
            for size, aim in AIMS_MS.items()
            if size in found
            for part in ("whole", "without cloud")
        ],
    )


def against_aim(size: str, spent_ms: float, aim_ms: float, part: str = "whole") -> str:
    """Met or missed, and by how much."""
    return (
        f"{size}, {part}: {'met' if spent_ms <= aim_ms else 'missed'}, {spent_ms:.1f} ms of CPU without meshes, aim {aim_ms:g} ms"
    )


def growth(what: str, sizes: list[tuple[int, int]], repeats: int) -> Table:
    """The whole chain against one number, with the power by which it grows from row to row."""
    rows: list[Row] = []
    before: tuple[int, float] | None = None
    for size in sizes:
        first, slid = measured(*size, repeats)
        count = size[0] if what == "views" else size[1]
        power = float(np.log(slid["whole"] / before[1]) / np.log(count / before[0])) if before and before[0] else None
        before = (count, slid["whole"])
        rows.append(
            Row(f"{size[0]}x{STEPS}x{size[1]}", {"first CPU ms": first["whole"], "slid CPU ms": slid["whole"], "power": power})
        )
    return Table(
        f"Cost against {what} (views x steps x people)",
        f"power 1 is linear, from the row before; on {machine()}",
        "slid CPU ms",
        rows,
    )


def measured(views: int, people: int, repeats: int, maps: Size = PI3X) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds of each part, medians: of first windows, and of windows that slid by one frame-set."""
    world = World(views=views, people=people, noise=Noise(), walk="eight", uniform=True)
    chain = Reconstructor(body(), ReconstructConfig())
    first, slid = [], []
    looks = [_look(world, index, maps) for index in range(repeats + 2)]
    for look in looks[:repeats]:
        chain.reset()
        first.append(timed(chain, look))
    chain.reset()
    for number, look in enumerate(looks):
        spent = timed(chain, look)
        if number > 1:
            slid.append(spent)
    return _median(first), _median(slid)


def crowd_cost(people: int, repeats: int = 5) -> float:
    """Milliseconds of a window of 4 views that slid, with the cloud."""
    with one_core():
        return measured(4, people, repeats)[1]["whole"]


def _look(world: World, index: int, size: Size) -> Look:
    """A window with maps of the real size: what the cameras see at one moment stands for all moments, which takes the same time."""
    look = world.look(index, index, STEPS, window_world(0, index, 1.0))
    maps: dict[str, Any] = _maps(world.views, world.people, size)
    return replace(look, prediction=replace(look.prediction, **maps))


@lru_cache(maxsize=1)
def _maps(views: int, people: int, size: Size) -> dict[str, np.ndarray]:
    """Point maps of the planted room and its people, all of them trusted, for every step and view; a mask of the patches of people."""
    shown = World(views=views, people=people, map_size=size).look(steps=1).prediction
    patches = np.asarray(shown.human_mask)[:, ::7, ::7]  # patches of 2 points there, of 14 here
    maps = {
        "points": np.asarray(shown.points, np.float32),
        "colors": np.asarray(shown.colors),
        "confidence": np.full(shown.confidence.shape, 0.9, np.float32),
        "human_mask": np.asarray(patches, np.float32),
    }
    return {name: np.tile(value, (STEPS, *(1,) * (value.ndim - 1))) for name, value in maps.items()}


def timed(chain: Reconstructor, look: Look) -> dict[str, float]:
    """Milliseconds of one window by part; parts are wrapped where the chain looks them up."""
    spent: dict[str, float] = defaultdict(float)
    with contextlib.ExitStack() as stack:
        for path, name in PARTS.items():
            owner, _, method = path.rpartition(".")
            place: Any = getattr(reconstructor, owner) if owner else reconstructor
            stack.enter_context(patch.object(place, method, _clocked(getattr(place, method), spent, name)))
        begin = time.process_time()
        chain.update(look.window, look.prediction)
        whole = 1e3 * (time.process_time() - begin)
    return {"whole": whole, "without cloud": whole - spent["cloud"], **spent, "the rest": whole - sum(spent.values())}


def _clocked(function: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    def clocked(*arguments: Any, **named: Any) -> Any:
        begin = time.process_time()
        result = function(*arguments, **named)
        spent[name] += 1e3 * (time.process_time() - begin)
        return result

    return clocked


def _median(spent: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([one.get(name, 0.0) for one in spent])) for name in spent[0]}
