"""200 steps of the loop on 8 fixed scenes on a CPU learn them by heart, to a stated error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from chromm_ros.model.config import SIZES, NetworkConfig
from chromm_ros.model.initialise import untrained
from chromm_ros.synthetic.world.take import Take, TakeOptions
from chromm_ros.train.human_stage import HumanStage
from chromm_ros.train.log import JOURNAL, read_journal
from chromm_ros.train.loop import Loop, Run
from chromm_ros.train.options import TrainOptions
from chromm_ros.train.scene_stage import SceneStage
from chromm_ros.train.targets import Knowledge

OPTIONS = TrainOptions(
    steps=200, batch=8, lr=3e-3, warm_up=20, ema=0.9, weight_decay=0.0, validate_every=200, checkpoint_every=200, log_every=50
)
TINY = SIZES["tiny"]
SMALLER = replace(
    TINY.scene, decoder_depth=6, inject_after=(1,), encoder_depth=1, head_depth=1, up_channels=(16, 16, 8), pixels=1200
)


def told_after(stage: Any, config: NetworkConfig, views: int, folder: Path) -> dict[str, float]:
    """What the validation on the same scenes tells in the end."""
    takes = TakeOptions(views=views, people_min=1, people_max=2, photo=False, clothes="suits", rig="room", width=112, height=84)
    scenes = [(Take(seed, takes).at(1.0),) for seed in range(8)]

    @contextmanager
    def clips(numbers: Iterator[int]) -> Iterator[Iterator[Any]]:
        yield (scenes[number % 8] for number in numbers)

    network = untrained(config, 0, mode="compose", detector=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = Run(stage.at(config), network, OPTIONS, folder, clips, scenes)
        assert Loop(run)().why == "finished"
    finally:
        torch.set_num_threads(threads)
    (line,) = (line for line in read_journal(folder / JOURNAL) if line["kind"] == "validation" and line["step"] == 200)
    return line


def test_people_are_learnt_by_heart(tmp_path: Path) -> None:
    told = told_after(HumanStage(knowledge=Knowledge(1.0, 0.0, 0.0, 0.0)), TINY, 1, tmp_path)
    assert told["F1"] == 1.0 and told["head px"] < 1.0 and told["distance %"] < 3.0
    assert told["root deg"] < 5.0 and told["MPJPE mm"] < 25.0 and told["PA mm"] < 25.0


def test_scenes_are_learnt_by_heart(tmp_path: Path) -> None:
    told = told_after(SceneStage(knowledge=Knowledge(1.0, 1.0, 0.0, 0.0)), replace(TINY, scene=SMALLER), 2, tmp_path)
    assert told["depth %"] < 8.0 and told["d<1.25"] > 0.8 and told["rays"] < 0.04
    assert told["turn deg told"] == pytest.approx(0.0, abs=3.0)
