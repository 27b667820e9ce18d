"""What is counted: parameters, and operations by formulas and by torch's counter; Multi-HMR's published sizes are timed, too."""

from dataclasses import replace
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from chromm_ros.bench.clock import cost_of, describe
from chromm_ros.bench.flops import Load, human_flops, perception_flops, window_flops
from chromm_ros.bench.parts import Inputs, Part, autocast, human_parts, perception_parts, random_network, window_parts
from chromm_ros.bench.setup import PEOPLE, Setup
from chromm_ros.bench.table import Row, Table
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import MULTIHMR, PATCH, SIZES, HumanConfig
from chromm_ros.model.half_weights import hold_in_half
from chromm_ros.model.human_heads import MultiHmr

META = torch.device("meta")
AGREE = 0.01
"""How far formulas and counter may lie apart."""
CONDITIONS = "rays, depths and poses"
"""The part that only runs where something is known; in no total."""


def parameters(setup: Setup) -> Table:
    """Millions of parameters by part, for each size."""
    counts = {size: _parameters(random_network(partial(Chromm, setup.config(size)), META)) for size in setup.sizes}
    first = counts[setup.sizes[0]]
    rows = [Row(part, {f"{size} M": count[part] / 1e6 for size, count in counts.items()}) for part in first]
    return Table("Parameters, millions", "4 bytes each; bfloat16 halves what is read", f"{setup.sizes[-1]} M", rows)


def _parameters(network: Chromm) -> dict[str, int]:
    """By part; the conditioning modules of Pi3X are told apart."""
    known = ("depth_encoder", "depth_emb", "ray_embed", "pose_inject_blk")
    total = {
        "everything": 0,
        "Pi3X without conditions": 0,
        "Pi3X's conditions": 0,
        "Multi-HMR's backbone and detector": 0,
        "CHROMM's heads": 0,
    }
    for name, value in network.named_parameters():
        branch, _, rest = name.partition(".")
        if branch == "scene":
            part = "Pi3X's conditions" if rest.startswith(known) else "Pi3X without conditions"
        else:
            part = "Multi-HMR's backbone and detector" if branch == "human" else "CHROMM's heads"
        total[part] += value.numel()
        total["everything"] += value.numel()
    return total


def operations(setup: Setup, size: str) -> Table:
    """GFLOP of every part by the formulas, and what torch's counter says of the same modules on the meta device."""
    config = setup.config(size)
    network = random_network(partial(Chromm, config), META)
    formulas, counts = {}, {}
    for shape in setup.shapes:
        load = setup.load(size, shape)
        formulas[shape] = _with_total(window_flops(config, load))
        counts[shape] = _with_total(_counted(window_parts(network, Inputs(config, load, META))))
    last, rows, worst = setup.shapes[-1], [], 0.0
    for part in formulas[last]:
        ratios = [counts[shape][part] / formulas[shape][part] for shape in setup.shapes]
        off = max(ratios, key=lambda ratio: abs(ratio - 1))
        worst = max(worst, abs(off - 1))
        columns = {f"{views}x{steps} GFLOP": formulas[views, steps][part] / 1e9 for views, steps in setup.shapes}
        rows.append(Row(part, columns | {"counted/formula": off}))
    return Table(
        f"Operations of {size}, windows of cameras x time steps, images of {_pixels(setup, size)}, {PEOPLE} people per frame",
        agreement(worst),
        f"{last[0]}x{last[1]} GFLOP",
        rows,
    )


def agreement(worst: float) -> str:
    """Says whether formulas and counter agree, from the largest relative difference."""
    if worst <= AGREE:
        return f"closed formulas and torch's counter agree within {worst:.2%}"
    return f"DEFECT: closed formulas and torch's counter disagree by {worst:.1%}, more than {AGREE:.0%}"


def _with_total(flops: dict[str, int]) -> dict[str, int]:
    return {"everything, nothing known": sum(value for name, value in flops.items() if name != CONDITIONS)} | flops


def _counted(parts: dict[str, Part]) -> dict[str, int]:
    counts = {}
    for name, part in parts.items():
        with FlopCounterMode(display=False) as counter:
            part()
        counts[name] = counter.get_total_flops()
    return counts


def _pixels(setup: Setup, size: str) -> str:
    load, side = setup.load(size, (1, 1)), setup.config(size).human.image_size
    return f"{load.columns * PATCH}x{load.rows * PATCH} and {side}x{side}"


def multi_hmr(setup: Setup, *, timed: bool) -> Table:
    """The published sizes of Multi-HMR, one image, as parts; timed where `full` is measured at all."""
    precision = setup.usual_precision
    rows, worst = [], 0.0
    for name, published in MULTIHMR.items():
        config, load = replace(published, image_size=setup.human_size or published.image_size), Load(1, 1, 1, PEOPLE)
        formula = sum((human_flops(config, load) | perception_flops(config, load)).values())
        network = random_network(partial(MultiHmr, config), META)
        counted = sum(_counted(_multi_hmr_parts(network, load, META)).values())
        worst = max(worst, abs(counted / formula - 1))
        values = {"M parameters": _count(network) / 1e6, "GFLOP": formula / 1e9, "counted/formula": counted / formula}
        ms = _multi_hmr_ms(config, load, setup, precision) if timed else None
        rows.append(Row(name, values | {"ms": ms, "TFLOP/s": None if ms is None else formula / ms / 1e9}))
    title = f"Multi-HMR of the published sizes, one image, {PEOPLE} people, {precision} on {describe(setup.device)}"
    return Table(title, agreement(worst), "GFLOP", rows)


def _multi_hmr_parts(network: MultiHmr, load: Load, device: torch.device) -> dict[str, Part]:
    inputs = Inputs(replace(SIZES["full"], human=network.config), load, device)
    return human_parts(network, inputs) | perception_parts(network, inputs)


def _multi_hmr_ms(config: HumanConfig, load: Load, setup: Setup, precision: str) -> float:
    """As in the node's compose mode, beside the smallest scene branch, which is not run."""
    network = random_network(partial(Composed, replace(SIZES["tiny"], human=config)), setup.device)
    if precision == "bfloat16":
        hold_in_half(network)
    parts = _multi_hmr_parts(network.human, load, setup.device)
    with torch.inference_mode(), autocast(setup.device, half=precision == "bfloat16"):
        return cost_of(lambda: [part() for part in parts.values()], setup.device, setup.seconds).ms


def _count(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())
