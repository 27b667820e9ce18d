"""What pictures of the synthetic world cost, with everything that is true of them: views a second of one core.

A take is 4 views of 224 x 168 with 1 to 6 people; what is made once for each take (room, people, cameras) counts as well, spread over
the moments that a clip of training has. The aim is 100 views a second and core, whole frame included.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from chromm_ros.bench.chain_cost import machine, one_core
from chromm_ros.bench.table import Row, Table
from chromm_ros.synthetic.feed import clip
from chromm_ros.synthetic.world.take import TakeOptions

AIM = 100.0
"""Views of a second of one core's time."""
WAYS: Mapping[str, TakeOptions] = {
    "bare": TakeOptions(photo=False),
    "with lens and sensor (blur, noise, exposure, JPEG)": TakeOptions(),
    "and distorted lenses": TakeOptions(distortion=0.2),
    "bare, 448 x 336": TakeOptions(photo=False, width=448, height=336),
}


def tables(*, quick: bool, **_options: Any) -> Iterator[Table]:
    """One row for each way of taking pictures; the machine's compiled code is warm."""
    takes = 6 if quick else 40
    with one_core():
        spent = {name: _views_per_second(options, takes) for name, options in WAYS.items()}
    second = spent["with lens and sensor (blur, noise, exposure, JPEG)"]
    verdict = f"{'met' if second >= AIM else 'missed'}: {second:.0f} views a second and core with lens and sensor, aim {AIM:g}"
    yield Table(
        "Pictures of the synthetic world, 4 views of 224x168, one moment of each take",
        f"measured on {machine()}, {takes} takes",
        "views / s",
        [Row(name, {"views / s": rate, "ms / view": 1e3 / rate}) for name, rate in spent.items()],
        [verdict],
    )


def _views_per_second(options: TakeOptions, takes: int) -> float:
    clip(10**6, options, 1, 0.1)  # compiles, and fills caches
    views, begin = 0, time.process_time()
    for seed in range(takes):
        views += sum(len(moment.images) for moment in clip(seed, options, 1, 0.1))
    return views / (time.process_time() - begin)
