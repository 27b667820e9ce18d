"""Weights drawn from a seed: the same on every machine, whatever else draws random numbers, and without touching the caller's generator.

Untrained weights know nothing of images. So that the machinery behind them meets legal values (rays of a camera, depths of metres, a few
people who stand), `make_plausible` sets by hand what a training would find first. All of it are properties of the initialisation:
the people it "finds" stand where the seed put them, whatever the images show.
"""

import math
import zlib

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import HumanBranch, suppress
from chromm_ros.model.human_heads import FIELD_OF_VIEW, PerceptionHead
from chromm_ros.model.scene_branch import SceneBranch
from chromm_ros.model.vit import LayerScale

HALF_DIAGONAL = 0.75
"""Tangent of half the angle of view over the diagonal: about 74 degrees, a common wide lens."""
DEPTH = 3.0
"""Depth of everything, metres."""
HEADS = 3
"""Heads in every image; borders hide none of them, for they lie in the middle half of the square."""
TRIES = 1000
"""Detectors drawn, of which one in about 64 has its heads there."""
DEEP = 12
"""Blocks from which a backbone counts as deep: its LayerScale starts at upstream's 1e-5, so that its tokens are known without its blocks."""


class Undrawn(TorchFunctionMode):
    """Modules are made without drawing their first weights: at full size that takes 23 s on one core, for nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # so it is in torch
        """Leave the tensor as it is."""
        if func in {nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_}:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def build(config: NetworkConfig, mode: str = "chromm") -> Chromm | Composed:
    """A network for inference, its weights still to be filled, without touching the caller's random numbers.

    Args:
        config: sizes.
        mode: `chromm` or `compose`, as `ModelOptions.mode`.
    """
    with torch.random.fork_rng(devices=[]), Undrawn():
        network = Composed(config) if mode == "compose" else Chromm(config)
        return network.eval().requires_grad_(requires_grad=False)


def untrained(
    config: NetworkConfig, seed: int, device: torch.device | str = "cpu", mode: str = "chromm", *, detector: bool = True
) -> Chromm | Composed:
    """A network with weights of the seed, plausible from the start; both modes share the branches' weights.

    Args:
        config: sizes.
        seed: of all weights.
        device: where the network shall be.
        mode: as for `build`.
        detector: whether the detector is aimed, which runs the human backbone; no use where trained weights replace it.
    """
    network = build(config, mode)
    draw(network, seed)
    network.to(device)
    make_plausible(network, seed, detector=detector)
    return network


@torch.no_grad()
def draw(network: nn.Module, seed: int) -> None:
    """Every weight from its own generator, seeded by its name: no order of construction and no other module changes it.

    Layers with 1/sqrt(inputs), tokens and positions with 0.02, LayerScale 0.1 (upstream starts at 1e-5 and 0.01, for deeper networks),
    biases zero, norms neutral.
    """
    for name, module in network.named_modules():
        for key, value in module.named_parameters(recurse=False):
            generator = torch.Generator().manual_seed(_seed(seed, f"{name}.{key}"))
            if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
                value.fill_(float(key == "weight"))
            elif key == "bias":
                value.zero_()
            elif key == "gamma":
                value.fill_(0.1)
            elif isinstance(module, nn.ConvTranspose2d):
                value.normal_(std=value.shape[0] ** -0.5, generator=generator)
            elif isinstance(module, (nn.Linear, nn.Conv2d)):
                value.normal_(std=value[0].numel() ** -0.5, generator=generator)
            else:
                value.normal_(std=0.02, generator=generator)


@torch.no_grad()
def make_plausible(network: Chromm | Composed, seed: int, *, detector: bool = True) -> None:
    """Start the outputs where sane answers lie; see the constants above."""
    aim_scene(network.scene)
    _last(network.human.offset).weight.mul_(0.1)
    if isinstance(network, Chromm):
        _aim_people(network)
    else:
        _aim_perception(network.human.perception)
    if detector:
        _aim_detector(network.human, seed)


def _aim_people(network: Chromm) -> None:
    """People near the mean pose, the mean shape and the scene's depth, who stand below their heads, and hardly anybody in the mask."""
    for layer in (network.smpl.decpose, network.smpl.decshape, network.smpl.decexpression, network.smpl.decdepth):
        layer.weight.mul_(0.05)
    network.mask.out.weight.mul_(0.1)
    network.mask.out.bias.fill_(-3.0)
    _last(network.pelvis.fine).weight.mul_(0.1)
    coarse = _last(network.pelvis.coarse)
    coarse.weight.mul_(0.1)
    coarse.bias.copy_(torch.tensor((0.0, network.config.human.image_size / PATCH / 6)))  # below the head


def _aim_perception(head: PerceptionHead) -> None:
    """The same for Multi-HMR's own head: at the scene's depth, for the lens above on images of 4:3 (`distance_of` reads the number)."""
    for layer in (head.decpose, head.decshape, head.decexpression, head.deccam):
        layer.weight.mul_(0.05)
    focal = 0.625 / HALF_DIAGONAL  # in sides of the square; the half diagonal of 4:3 is 0.625 of the longer side
    normal = 0.5 / math.tan(FIELD_OF_VIEW / 2)
    head.deccam.bias[0] = math.log(DEPTH) * normal / focal


@torch.no_grad()
def aim_scene(scene: SceneBranch) -> None:
    """Rays of a pinhole camera, a depth of a few metres, cameras near the origin, scale 1.

    The point head sees u and v beside its channels: four of its hidden channels carry their positive and negative parts to the output.
    """
    rays, depth = scene.point_head.output_block
    first, last = _convolutions(rays)
    last.weight.mul_(0.02)
    first.weight[:4] = 0
    last.weight[:, :4] = 0
    for channel in range(2):  # u, then v: the last two inputs
        for sign, hidden in ((1.0, 2 * channel), (-1.0, 2 * channel + 1)):
            first.weight[hidden, channel - 2, 1, 1] = sign
            last.weight[channel, hidden, 0, 0] = sign * HALF_DIAGONAL
    _, last = _convolutions(depth)
    last.weight.mul_(0.01)  # smooth: noise of 3 % between neighbours would all be edges of depth, which no cloud shows
    assert last.bias is not None
    last.bias.fill_(math.log(DEPTH))
    scene.camera_head.fc_rot.weight.mul_(0.02)
    scene.camera_head.fc_rot.bias.copy_(torch.eye(3).flatten())
    scene.camera_head.fc_t.weight.mul_(0.1)
    scene.metric_head.weight.mul_(0.05)


def _aim_detector(human: HumanBranch, seed: int) -> None:
    """A detector that answers to places, not to content, with `HEADS` places above the usual threshold of 0.3.

    Positions are made larger than what images contribute. Then last layers are drawn and judged on a few images of coloured noise with
    and without borders: the strongest places must lie in the middle half both ways, and of those layers the one that tells these places
    best from all others, whatever the noise, is taken, with the threshold half way.
    """
    human.backbone.pos_embed.mul_(100.0)
    n = human.config.image_size // PATCH
    generator = torch.Generator().manual_seed(_seed(seed, "detector"))
    images = _noise(n * PATCH, generator).to(human.image_mean.device)
    hidden = nn.functional.relu(human.classifier[0](_tokens(human, images)))  # (I, n n, D)
    weights = torch.randn(TRIES, hidden.shape[2], generator=generator).to(hidden.device)
    logits = torch.einsum("td,ipd->tip", weights, hidden)
    average = logits.mean(1)  # (TRIES, n n)
    cells = suppress(average.softmax(1).unflatten(1, (n, n)), 3).flatten(1).topk(HEADS, 1).indices
    place = torch.stack((cells // n, cells % n))  # (2, TRIES, HEADS)
    central = ((place >= n // 4) & (place < n - n // 4)).all(0).all(1)
    grid = torch.stack((torch.arange(n * n) // n, torch.arange(n * n) % n)).to(cells.device)
    near = ((grid[:, None, None] - place[..., None]).abs().amax(0) <= 1).any(1)  # (TRIES, n n): neighbours that NMS silences
    weakest = logits.gather(2, cells[:, None].expand(-1, len(images), -1)).amin((1, 2))
    strongest_other = logits.masked_fill(near[:, None], -torch.inf).amax((1, 2))
    margin = (weakest - strongest_other) / average.std(1)
    best = int((margin + 1e3 * central).argmax())  # very small squares may have no detector that looks at the middle
    low, high = float(strongest_other[best]), float(weakest[best])
    # A unit of logit between the threshold and either side.
    factor = 2.0 / max(high - low, 0.1 * float(average[best].std()))
    last = _last(human.classifier)
    last.weight.copy_(weights[best, None] * factor)
    last.bias.fill_(math.log(0.3 / 0.7) - factor * (high + low) / 2)


def _tokens(human: HumanBranch, images: Float[Tensor, "I 3 S S"]) -> Float[Tensor, "I P D"]:
    """Features of the images. At full size the blocks would take a CPU ten minutes, so those of a deep backbone are all but silent."""
    backbone, blocks = human.backbone, human.backbone.blocks
    if len(blocks) < DEEP:
        return human.encode(images)
    for module in blocks.modules():
        if isinstance(module, LayerScale):
            module.gamma.fill_(1e-5)
    backbone.blocks = nn.ModuleList()
    try:
        return human.encode(images)
    finally:
        backbone.blocks = blocks


def _noise(side: int, generator: torch.Generator) -> Tensor:
    """A few square images of smooth coloured noise: [6, 3, side, side] without borders, with them above and below, and at the sides."""
    coarse = torch.rand(6, 3, 8, 8, generator=generator)
    images = nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    border = side // 4
    images[2:4, :, :border] = images[2:4, :, side - border :] = 0
    images[4:6, :, :, :border] = images[4:6, :, :, side - border :] = 0
    return images


def _last(layers: nn.Sequential) -> nn.Linear:
    assert isinstance(layers[-1], nn.Linear)
    return layers[-1]


def _convolutions(block: nn.Module) -> tuple[nn.Conv2d, nn.Conv2d]:
    assert isinstance(block, nn.Sequential)
    first, _, last = block
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    return first, last


def _seed(seed: int, name: str) -> int:
    return zlib.crc32(name.encode(), seed & 0xFFFFFFFF)
