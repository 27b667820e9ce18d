"""What runs in which type: under autocast the heads stay float32 unless asked otherwise."""

from functools import partial

import numpy as np
import pytest
import torch
from model.worlds import window
from torch import nn
from torch.utils.hooks import RemovableHandle

from chromm_ros.bench.parts import random_network
from chromm_ros.bench.windows import Runner
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import SIZES
from chromm_ros.model.half_weights import hold_in_half
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.human_heads import MultiHmr, assumed_focal
from chromm_ros.model.initialise import draw
from chromm_ros.model.people_heads import PelvisHead, SmplDecoder
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


@torch.inference_mode()
def test_autocast_makes_no_steps_in_what_is_said_of_people() -> None:
    """Distances above all: in bfloat16 the logarithm of 9 m has steps of 1.6 %, 14 cm."""
    sizes, noise = SIZES["tiny"], torch.Generator().manual_seed(0)
    hmr, smpl, pelvis = MultiHmr(sizes.human).eval(), SmplDecoder(sizes).eval(), PelvisHead(sizes.human.dim, sizes.people.dim)
    for module in (hmr, smpl, pelvis):
        draw(module, 0)
    hmr.perception.deccam.weight *= 0.01
    hmr.perception.deccam.bias[0] = 2.2  # 9 m
    last = {f"{part} {name}": layer for part in (hmr.perception, smpl) for name, layer in part.named_children() if "dec" in name}
    types: dict[str, torch.dtype] = {}
    for name, layer in (last | {"coarse": pelvis.coarse[-1], "fine": pelvis.fine[-1]}).items():
        layer.register_forward_hook(lambda _, __, out, name=name: types.update({name: out.dtype}))
    features = torch.randn(1, 64, sizes.human.dim, generator=noise)
    place = torch.arange(8)
    found = Detections(torch.zeros_like(place), place, place, torch.ones(8))
    focal = assumed_focal(sizes.human.image_size)
    lens = torch.tensor(((focal, 0, 56), (0, focal, 56), (0, 0, 1)))[None]
    tokens = torch.randn(8, sizes.people.dim, generator=noise)
    with torch.autocast("cpu", torch.bfloat16):
        distance = hmr.perceive(features, found, lens).distance
        smpl(tokens, found, features, lens)
        coarse = pelvis.first(tokens, torch.zeros(8, 2))
        pelvis.again(tokens, coarse, found, features, torch.ones(8, dtype=torch.bool))
    assert len(types) == 4 + 4 + 2
    assert set(types.values()) == {torch.float32}
    assert 8 < float(distance.min()) < float(distance.max()) < 10
    steps = distance.log() * 2**6
    assert ((steps - steps.round()).abs() > 0.01).sum() > 4, "of eight people"


@pytest.mark.parametrize("half_heads", [False, True])
def test_weights_held_in_half_change_no_bit(half_heads: bool) -> None:
    """With everything known, so that the conditions' modules run as well."""
    network = random_network(partial(Chromm, SIZES["tiny"]), torch.device("cpu"))
    network.scene.half_heads = half_heads
    runner = Runner(network, torch.device("cpu"), people=2, half=True)
    lens, depth = np.array(((60.0, 0, 32), (0, 60, 24), (0, 0, 1)), np.float32), np.full((48, 64), 2.0, np.float32)
    source = window([(64, 48)] * 2, 1, intrinsics=lens, depth=depth, world_from_cam=np.eye(4, dtype=np.float32))
    batch = runner.prepare(source)
    before = runner.infer(batch)
    hold_in_half(network)
    after = runner.infer(batch)
    for name, value in vars(before).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(getattr(after, name))), name
    held = {name for name, value in network.named_parameters() if value.dtype == torch.bfloat16}
    assert "scene.decoder.0.mlp.fc1.weight" in held
    heads = {f"scene.{name}" for name in ("point_head.upsample_blocks.0.0.0.weight", "camera_head.res_conv.0.res_conv1.weight")}
    assert heads & held == (heads if half_heads else set()), "read at every call, so held where they follow autocast"
