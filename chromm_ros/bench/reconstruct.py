"""The reconstruction on planted worlds: the paper's ablations, drift, memory, and what it costs. No network and no ROS.

Worlds are seeded and noisy as `synthetic.noise` says: errors of depth, pixels, rotations and shape that partly last and are partly
shared by all views; cameras and units that err anew in each window; people who hide one another, are missed, or are not there. All
wear one uniform: tokens tell nothing. The levels are those with which one camera errs as in the paper's table; no number here was
used to choose them. So the order of rows may be compared with the paper's, not the numbers.

Errors are of the newest frame-set of each window, in millimetres: `W` is the mean joint error (22 of the body) after the rigid motion
without scale that takes the estimated cameras to the true ones, by rotations and centres (W-MPJPE-dagger's gauge, fit for cameras on a
line too); `WA` after one similarity for all people of all windows of a run; `PA` after one for each person. Rows are judged by
`bench.paired`: all pairs, on the same worlds, and what lies within its spread cannot be told.

What of the paper's orders comes out (full runs, 12 worlds a row, 60 for single frame-sets; the verdicts below each table are the measure,
this is how they read in November 2026):

- Scale: adjusted beats not adjusted, by far.
- Fusion: triangulation beats averaging where a person's depth is wrong by 5 % or more. At the 2 % that fit one camera's errors it
  does not: with estimated cameras averaging is better, with known ones the two cannot be told apart.
- Association: in part. At the noise once, everything is right whatever is compared. At three times the noise, single frame-sets, both
  ways with positions beat pose only, as in the paper, by far less (accuracy 99.4, 99.1 and 96.0 % where the paper has 91.3, 91.1 and
  70.6); position + pose and position only cannot be told apart. The noise was not tuned to reproduce the paper's numbers.
- Max-pooling needs a trained decoder and is not here.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from chromm_ros.bench.ablations import NOISY, association, fusion, rotation_means, scale, votes
from chromm_ros.bench.chain_cost import costs, crowd_cost
from chromm_ros.bench.endurance import drift, footprint
from chromm_ros.bench.paired import measured, row
from chromm_ros.bench.planted import errors, id_changes, rates, replay, same_person
from chromm_ros.bench.single_view import single_view
from chromm_ros.bench.table import Row, Table
from chromm_ros.reconstruct.reconstructor import ReconstructConfig
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World

CROWDS = (0, 1, 3, 6, 12, 20, 30)
"""People of a sweep."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Measure one table after the other.

    Args:
        quick: few seeds and windows, about a minute in all; else some minutes.
    """
    seeds, windows = (1, 5) if quick else (3, 12)
    depths = (Noise().depth, 0.1) if quick else (Noise().depth, 0.05, 0.1)
    parts: list[Callable[[], Table]] = [
        lambda: single_view(12 if quick else 40),
        lambda: association(5 * seeds, 1, steps=1, level=1.0),
        lambda: association(5 * seeds, 1, steps=1, level=3.0),
        lambda: association(seeds, windows, steps=8, level=3.0),
        lambda: votes(seeds, windows, level=3.0),
        lambda: votes(seeds, windows, level=3.0, lasting=0.0),
        lambda: fusion(seeds, windows, rig=False, depths=depths),
        lambda: fusion(seeds, windows, rig=True, depths=depths),
        lambda: rotation_means(seeds, windows),
        lambda: scale(seeds, windows, views=1),
        lambda: scale(seeds, windows, views=4),
        lambda: crowds(seeds, windows, CROWDS[::3] if quick else CROWDS),
        lambda: drift(100, seeds=1 if quick else 3, all_rigs=not quick),
        lambda: footprint(100 if quick else 500),
    ]
    for number, part in enumerate(parts):
        progress(number, len(parts) + 1)
        yield part()
    progress(len(parts), len(parts) + 1)
    yield from costs(quick=quick)


def progress(done: int, total: int) -> None:
    """How far it is, for whoever watches a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"part {done + 1} of {total} ...\r")
        sys.stderr.flush()


def crowds(seeds: int, windows: int, sizes: tuple[int, ...] = CROWDS) -> Table:
    """How well and how fast it works with nobody and with many."""

    def measure(world: World, config: ReconstructConfig) -> dict[str, float]:
        steps = list(replay(world, config, windows))
        found = errors(steps, world)
        changes = id_changes(steps, world) / world.people if world.people else float("nan")
        return rates(same_person(steps)) | {
            "W mm": found.joints_mm,
            "missed %": 100.0 * found.missed,
            "id changes per person": changes,
        }

    rows: list[Row] = []
    for people in sizes:
        some = [replace(NOISY, people=people, seed=100 * seed + people) for seed in range(seeds)]
        found = measured(some, {"": ReconstructConfig()}, measure)[""]
        rows.append(row(f"{people} people", found, {"CPU ms a window": crowd_cost(people)}))
    return Table(
        "How many people, 4 views, windows of 8 steps, one uniform, the noise once; mean ± standard error over worlds",
        "more people hide one another more often and stand closer; time of the CPU is the median of windows that slid, on one core",
        "CPU ms a window",
        rows,
    )
