"""Clips come in order, the same from any process, and nobody is left behind."""

import hashlib
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from chromm_ros.errors import InputError
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.feed import Clip, Feed, clip
from chromm_ros.synthetic.world.take import TakeOptions

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = TakeOptions(views=2, width=64, height=48, photo=False)

ALONE = """
import hashlib, json, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "smplx", "rosbags"}:
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
from chromm_ros.synthetic.feed import clip
from chromm_ros.synthetic.world.take import TakeOptions
(moment,) = clip(7, TakeOptions(**json.loads(sys.argv[2])), 1, 0.1)
for part in (moment.images, moment.depth, moment.person, moment.joints, moment.visible):
    print(hashlib.sha256(part.tobytes()).hexdigest())
"""


def takes(steps: int = 1, period_s: float = 0.1) -> Callable[[int], Clip]:
    return partial(clip, options=OPTIONS, steps=steps, period_s=period_s)


def digests(moments: Clip) -> list[str]:
    parts = [[m.images, m.depth, m.person, m.joints, m.visible] for m in moments]
    return [hashlib.sha256(array.tobytes()).hexdigest() for moment in parts for array in moment]


def test_another_process_without_torch_makes_the_same_bytes() -> None:
    with Feed([7], takes()) as feed:
        here = digests(next(feed))
    options = {name: value for name, value in asdict(OPTIONS).items() if name != "effects"}
    there = subprocess.run(
        [sys.executable, "-c", ALONE, str(ROOT), json.dumps(options)], capture_output=True, text=True, timeout=120, check=False
    )
    assert there.returncode == 0, there.stderr
    assert there.stdout.split() == here


def test_workers_give_what_the_caller_would_make_in_the_same_order_from_any_start_and_end_with_an_error() -> None:
    with Feed(range(3, 7), takes(steps=2)) as feed:
        expected = [digests(each) for each in feed]

    def fails() -> None:
        with Feed(range(5, 100), takes(steps=2), workers=2, queue=3) as feed:
            assert [digests(each) for each in islice(feed, 2)] == expected[2:]
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert multiprocessing.active_children() == []
    assert len(expected) == 4 and len(expected[0]) == 10


def test_a_clip_follows_one_take() -> None:
    with Feed([11], takes(steps=3, period_s=0.2)) as feed:
        moments = next(feed)
        assert next(feed, None) is None
    stamps = [moment.stamp_ns for moment in moments]
    np.testing.assert_allclose(np.diff(stamps), 2e8, atol=2)
    for before, after in pairwise(moments):
        common = [(list(before.ids).index(i), list(after.ids).index(i)) for i in set(before.ids) & set(after.ids)]
        assert common
        for a, b in common:
            assert np.linalg.norm(before.joints[a, 0] - after.joints[b, 0]) < 0.5
            np.testing.assert_array_equal(before.body.betas[a], after.body.betas[b])


def test_training_may_not_use_what_is_held_out() -> None:
    held_out.refuse(0, 10_000_000)
    for seed in held_out.SEEDS:
        assert held_out.is_held_out(seed)
        with pytest.raises(InputError, match="held out"):
            held_out.refuse(seed, 1)
    with pytest.raises(InputError, match="held out"):
        held_out.refuse(held_out.FIRST - 5, 6)


def test_held_out_rooms_and_motions_are_no_others() -> None:
    rng = np.random.default_rng(0)
    for number in (held_out.arrangement, held_out.style):
        trained = {number(seed, rng) for seed in range(3000)}
        tested = {number(seed, rng) for seed in held_out.SEEDS}
        assert not trained & tested and len(tested) > 50
