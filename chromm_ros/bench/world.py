"""What pictures of the synthetic world cost, with everything that is true of them: views a second of one core.

A take is 4 views of 224 x 168 with 1 to 6 people. The aim is 100 views a second and core, whole frame included: posing, building the
scene, drawing, lens and sensor, of takes that are under way. Training sees one moment of each take, so what is made once for each (room,
people and their ways, cameras) has a column of its own.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from chromm_ros.bench.chain_cost import machine, one_core
from chromm_ros.bench.table import Row, Table
from chromm_ros.synthetic.feed import clip
from chromm_ros.synthetic.world.take import Take, TakeOptions

AIM = 100.0
"""Views of a second of one core's time."""
MOMENTS, PERIOD_S = 8, 0.1
"""Of a take under way, and the time between them."""
UNDER_WAY, ANEW = "views / s", "views / s, each moment a new take"
PHOTO = "with lens and sensor (blur, noise, exposure, JPEG)"
WAYS: Mapping[str, TakeOptions] = {
    "bare": TakeOptions(photo=False),
    PHOTO: TakeOptions(),
    "and distorted lenses": TakeOptions(distortion=0.2),
    "bare, 448 x 336": TakeOptions(photo=False, width=448, height=336),
}


def tables(*, quick: bool, **_options: Any) -> Iterator[Table]:
    """One row for each way of taking pictures; the machine's compiled code is warm."""
    takes = 6 if quick else 40
    with one_core():
        spent = {name: (_under_way(options, takes), _anew(options, takes)) for name, options in WAYS.items()}
    second, _ = spent[PHOTO]
    verdict = f"{'met' if second >= AIM else 'missed'}: {second:.0f} views a second and core with lens and sensor, aim {AIM:g}"
    yield Table(
        "Pictures of the synthetic world, 4 views of 224x168",
        f"measured on {machine()}, {takes} takes",
        UNDER_WAY,
        [Row(name, {UNDER_WAY: here, "ms / view": 1e3 / here, ANEW: anew}) for name, (here, anew) in spent.items()],
        [verdict],
    )


def _under_way(options: TakeOptions, takes: int) -> float:
    """Views a second of moments that follow one another."""
    Take(10**6, options).at(0.0)  # compiles, and fills caches
    views, spent = 0, 0.0
    for seed in range(max(takes // MOMENTS, 1)):
        take = Take(seed, options)
        take.at(0.0)
        begin = time.process_time()
        views += sum(len(take.at(k * PERIOD_S).images) for k in range(1, MOMENTS))
        spent += time.process_time() - begin
    return views / spent


def _anew(options: TakeOptions, takes: int) -> float:
    """Views a second where every moment is of another take, its making included."""
    views, begin = 0, time.process_time()
    for seed in range(takes):
        views += sum(len(moment.images) for moment in clip(seed, options, 1, PERIOD_S))
    return views / (time.process_time() - begin)
