"""What runs in which type: under autocast the heads stay float32 unless asked otherwise."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from chromm_ros.bench.parts import random_network
from chromm_ros.bench.windows import Runner, make_window
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import SIZES
from chromm_ros.model.half_weights import EXACT, hold_in_half
from chromm_ros.model.initialise import draw
from chromm_ros.model.scene_branch import SceneBranch, SceneOutput

HEADS = ("point_head", "conf_head", "camera_head", "metric_head")


@pytest.fixture(scope="module")
def scene() -> SceneBranch:
    branch = SceneBranch(SIZES["tiny"].scene).eval().requires_grad_(requires_grad=False)
    draw(branch, 0)
    return branch


def run(scene: SceneBranch, *, half: bool, half_heads: bool = False) -> tuple[SceneOutput, dict[str, set[torch.dtype]]]:
    """The output, and the types that linear and convolutional layers gave, by top-level part."""
    types: dict[str, set[torch.dtype]] = {}

    def watch(part: str, module: nn.Module) -> RemovableHandle:
        return module.register_forward_hook(lambda _, __, out: types.setdefault(part, set()).add(out.dtype))

    hooks = [
        watch(name.partition(".")[0], module)
        for name, module in scene.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))
    ]
    images = torch.rand(1, 2, 3, 28, 42, generator=torch.Generator().manual_seed(0))
    scene.half_heads = half_heads
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return scene(images), types
    finally:
        scene.half_heads = False
        for hook in hooks:
            hook.remove()


def test_autocast_leaves_the_heads_in_float32(scene: SceneBranch) -> None:
    _, types = run(scene, half=True)
    assert {types[name] == {torch.float32} for name in HEADS} == {True}
    assert {types[name] == {torch.bfloat16} for name in ("encoder", "decoder", "point_decoder", "metric_decoder")} == {True}


def test_the_heads_follow_autocast_where_asked(scene: SceneBranch) -> None:
    exact, _ = run(scene, half=True)
    output, types = run(scene, half=True, half_heads=True)
    for name in ("point_head", "conf_head", "camera_head"):
        assert types[name] == {torch.bfloat16, torch.float32}, f"{name}: only its last layers are float32"
    assert types["metric_head"] == {torch.float32}
    for name, value in vars(output).items():
        reference = getattr(exact, name)
        assert value.dtype == reference.dtype, name
        assert value.isfinite().all(), name
        error = float((value.float() - reference.float()).abs().max() / reference.float().abs().max())
        assert error < 0.03, f"{name}: {error}"
    assert not torch.equal(output.local_points, exact.local_points)
    rotation = output.world_from_cam[0, :, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)


def test_without_autocast_nothing_changes(scene: SceneBranch) -> None:
    plain, _ = run(scene, half=False)
    asked, types = run(scene, half=False, half_heads=True)
    assert set().union(*types.values()) == {torch.float32}
    assert all(torch.equal(value, getattr(plain, name)) for name, value in vars(asked).items())


def test_weights_held_in_half_change_no_bit() -> None:
    network = random_network(partial(Chromm, SIZES["tiny"]), torch.device("cpu"))
    runner = Runner(network, torch.device("cpu"), people=2, half=True)
    batch = runner.prepare(make_window(2, 1, (64, 48)))
    before = runner.infer(batch)
    hold_in_half(network)
    after = runner.infer(batch)
    for name, value in vars(before).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(getattr(after, name))), name
    held = {name for name, value in network.named_parameters() if value.dtype == torch.bfloat16}
    assert "scene.decoder.0.mlp.fc1.weight" in held
    assert not any(name.startswith(EXACT) for name in held)
