"""Formulas against what torch counts, and against the numbers that were derived for the published size."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from chromm_ros.bench.flops import Load, human_flops, perception_flops, scene_flops, window_flops
from chromm_ros.bench.parts import Inputs, Part, human_parts, perception_parts, random_network, window_parts
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import MULTIHMR, PI3X, SIZES, NetworkConfig
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.scene_branch import SceneBranch

META = torch.device("meta")
PUBLISHED = Load(1, 36, 36, 0)
LESS_DEEP = NetworkConfig(
    replace(PI3X, encoder_depth=2, decoder_depth=3, inject_after=(1,), head_depth=1),
    replace(MULTIHMR["896_L"], depth=2),
    SIZES["full"].people,
)
"""The published widths; a block more or less is a sum that the other tests cover."""
GFLOP = {
    "encode scene": 953.7,
    "point decoder": 206.6,
    "confidence decoder": 206.6,
    "camera decoder": 205.2,
    "metric decoder": 9.6,
    "point head": 189.9,
    "confidence head": 180.3,
    "camera head": 4.1,
}
"""One view of 504 x 504 at the published size."""


def assert_counted(parts: dict[str, Part], flops: dict[str, int]) -> None:
    assert parts.keys() == flops.keys()
    for name, part in parts.items():
        with FlopCounterMode(display=False) as counter:
            part()
        assert counter.get_total_flops() == pytest.approx(flops[name], rel=0.01), name


@pytest.mark.parametrize(("config", "load"), [(SIZES["nano"], Load(3, 7, 9, 2)), (LESS_DEEP, Load(4, 27, 48, 4))])
def test_formulas_agree_with_the_counter(config: NetworkConfig, load: Load) -> None:
    network = random_network(lambda: Chromm(config), META)
    assert_counted(window_parts(network, Inputs(config, load, META)), window_flops(config, load))


@pytest.mark.parametrize("name", MULTIHMR)
def test_formulas_agree_on_multi_hmr(name: str) -> None:
    config, load = replace(MULTIHMR[name], depth=2), Load(2, 2, 2, 4)
    network = random_network(lambda: MultiHmr(config), META)
    inputs = Inputs(replace(SIZES["full"], human=config), load, META)
    parts = human_parts(network, inputs) | perception_parts(network, inputs)
    assert_counted(parts, human_flops(config, load) | perception_flops(config, load))


def test_formulas_give_the_published_numbers() -> None:
    flops = scene_flops(PI3X, PUBLISHED)
    assert {name: round(flops[name] / 1e9, 1) for name in GFLOP} == GFLOP
    backbone = {name: round(human_flops(config, PUBLISHED)["encode human"] / 1e9, 1) for name, config in MULTIHMR.items()}
    assert backbone == {"896_L": 4129.5, "672_L": 1917.2, "672_B": 589.5, "672_S": 196.9}


def test_the_whole_scene_is_the_sum_of_its_parts() -> None:
    """No part is forgotten: the call that the node makes costs what the parts do."""
    load, config = Load(2, 3, 4, 0), SIZES["tiny"]
    network = random_network(lambda: SceneBranch(config.scene), META)
    flops = scene_flops(config.scene, load)
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 2, 3, 42, 56, device=META))
    del flops["rays, depths and poses"]
    assert counter.get_total_flops() == pytest.approx(sum(flops.values()), rel=0.01)
