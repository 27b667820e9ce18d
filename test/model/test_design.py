"""Speed and memory by design: one kind of attention, context maps used once per image, nothing recorded for gradients."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from model.worlds import window
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from chromm_ros.bench.flops import Load, perception_flops
from chromm_ros.bench.parts import Inputs, perception_parts, random_network, window_parts
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import SIZES, ModelOptions
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.predictor import Predictor

TINY = SIZES["tiny"]
CPU = torch.device("cpu")


class Watch(TorchFunctionMode):
    """Counts the functions of torch that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        self.calls[name] = self.calls.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


def test_all_attention_is_torchs_own() -> None:
    scene, human, people = TINY.scene, TINY.human, TINY.people
    parts = window_parts(random_network(partial(Chromm, TINY), CPU), Inputs(TINY, Load(2, 2, 3, 1), CPU))
    with torch.inference_mode(), Watch() as watch:
        for part in parts.values():
            part()
    expected = scene.encoder_depth + scene.decoder_depth + 4 * scene.head_depth + human.depth + 2 * people.depth
    conditions = scene.encoder_depth + len(scene.inject_after)
    assert watch.calls["scaled_dot_product_attention"] == expected + conditions
    assert not {"softmax", "bmm", "baddbmm"} & watch.calls.keys()


@pytest.mark.parametrize("people", [1, 6])
def test_the_context_map_costs_the_same_for_one_person_and_for_many(people: int) -> None:
    """The formula has it once per image; a copy per person would show in the operations of its keys and values."""
    load = Load(2, 2, 2, people)
    network = random_network(partial(MultiHmr, TINY.human), CPU)
    # The counter does not know the CPU's own kernel of attention.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        perception_parts(network, Inputs(TINY, load, CPU))["perceive"]()
    assert counter.get_total_flops() == pytest.approx(perception_flops(TINY.human, load)["perceive"], rel=0.01)


def test_predictions_carry_no_history() -> None:
    options = ModelOptions(checkpoint="untrained", scene_pixels=7840, human_size=112, device="cpu")
    predictor = Predictor(replace(options, heads_precision="bfloat16"))
    result = predictor.infer(predictor.prepare(window([(64, 48)], 1)))
    tensors = {name: value for name, value in vars(result).items() if isinstance(value, Tensor)}
    made = [name for name in tensors if name not in {"step", "view", "image_size", "colors"}]  # these come with the batch
    assert made
    assert all(tensors[name].is_inference() for name in made)
    assert predictor.network.scene.half_heads
