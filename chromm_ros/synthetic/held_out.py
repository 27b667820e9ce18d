"""What training never sees: seeds of takes, and with them arrangements of rooms and styles of motion.

A take's seed chooses its room among numbered arrangements and its people's ways among numbered styles. Seeds from `FIRST` on choose from
ranges that no other seed reaches, so a held-out take differs in all three.
"""

import numpy as np

from chromm_ros.errors import InputError

FIRST = 1_000_000_000
"""The first held-out seed; all above it are, too."""
SEEDS = tuple(range(FIRST, FIRST + 64))
"""The takes by which results are reported."""
ARRANGEMENTS = {False: (0, 20_000), True: (20_000, 21_000)}
"""Numbers of rooms' arrangements, by whether the take is held out: from, up to."""
STYLES = {False: (0, 20_000), True: (20_000, 21_000)}
"""Numbers of styles of motion."""


def is_held_out(seed: int) -> bool:
    """Whether a take of this seed may not be trained on."""
    return seed >= FIRST


def refuse(first: int, count: int) -> None:
    """Training calls this with the seeds that it is about to use.

    Raises:
        InputError: if one of them is held out.
    """
    if is_held_out(first + count - 1):
        raise InputError(
            f"seeds {first} to {first + count - 1} reach into those held out for tests (from {FIRST} on): train on lower ones"
        )


def arrangement(seed: int, rng: np.random.Generator) -> int:
    """Number of a room's arrangement that a take of this seed may use."""
    return int(rng.integers(*ARRANGEMENTS[is_held_out(seed)]))


def style(seed: int, rng: np.random.Generator) -> int:
    """Number of a style of motion that a take of this seed may use."""
    return int(rng.integers(*STYLES[is_held_out(seed)]))
