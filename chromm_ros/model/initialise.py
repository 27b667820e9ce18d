"""Weights drawn from a seed: the same on every machine, whatever else draws random numbers, and without touching the caller's generator.

Untrained weights know nothing of images. So that the machinery behind them meets legal values (rays of a camera, depths of metres, a few
people who stand), `make_plausible` sets by hand what a training would find first. All of it are properties of the initialisation:
the people it "finds" stand where the seed put them, whatever the images show.
"""

import math
import zlib

import torch
from torch import Tensor, nn

from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import suppress
from chromm_ros.model.scene_branch import SceneBranch

HALF_DIAGONAL = 0.75
"""Tangent of half the angle of view over the diagonal: about 74 degrees, a common wide lens."""
DEPTH = 3.0
"""Depth of everything, metres."""
HEADS = 3
"""Heads in a square image without content; borders hide none of them, for they lie in its middle half."""
TRIES = 4000
"""Detectors drawn until the heads lie there: one in 64 does."""


def untrained(config: NetworkConfig, seed: int) -> Chromm:
    """A network with weights of the seed, plausible from the start."""
    with torch.random.fork_rng(devices=[]):
        network = Chromm(config)
    draw(network, seed)
    make_plausible(network, seed)
    return network.eval().requires_grad_(requires_grad=False)


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
def make_plausible(network: Chromm, seed: int) -> None:
    """Start the outputs where sane answers lie; see the constants above."""
    _aim_scene(network.scene)
    for layer in (network.smpl.decpose, network.smpl.decshape, network.smpl.decexpression, network.smpl.decdepth):
        layer.weight.mul_(0.05)  # near the mean pose, the mean shape and the scene's depth
    network.mask.out.weight.mul_(0.1)
    network.mask.out.bias.fill_(-3.0)  # hardly anybody anywhere
    _last(network.human.offset).weight.mul_(0.1)
    _last(network.pelvis.fine).weight.mul_(0.1)
    coarse = _last(network.pelvis.coarse)
    coarse.weight.mul_(0.1)
    coarse.bias.copy_(torch.tensor((0.0, network.config.human.image_size / PATCH / 6)))  # below the head
    _aim_detector(network, seed)


def _aim_scene(scene: SceneBranch) -> None:
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
    last.weight.mul_(0.1)
    assert last.bias is not None
    last.bias.fill_(math.log(DEPTH))
    scene.camera_head.fc_rot.weight.mul_(0.02)
    scene.camera_head.fc_rot.bias.copy_(torch.eye(3).flatten())
    scene.camera_head.fc_t.weight.mul_(0.1)
    scene.metric_head.weight.mul_(0.05)


def _aim_detector(network: Chromm, seed: int) -> None:
    """A detector that answers to places more than to content, with exactly `HEADS` places above the usual threshold of 0.3.

    Positions are made as large as the content. Last layers are drawn until the strongest places of an image without content lie in its
    middle half both ways, then scaled so that they score about one half and the next ones fall below the threshold.
    """
    human = network.human
    human.backbone.pos_embed.mul_(50.0)
    side = network.config.human.image_size
    hidden = nn.functional.relu(
        human.classifier[0](human.encode(torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1).expand(1, 3, side, side)))
    )
    n = side // PATCH
    generator = torch.Generator().manual_seed(_seed(seed, "detector"))
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(TRIES):
        weight = torch.randn(hidden.shape[-1], generator=generator)
        logits = (hidden[0] @ weight).unflatten(0, (n, n))
        logits = logits - logits.min() + 1e-3  # positive, as `suppress` zeroes what falls
        peaks = suppress(logits[None], 3)[0].flatten()
        values, cells = peaks.topk(HEADS + 1)
        row, column = cells[:HEADS] // n, cells[:HEADS] % n
        central = bool(((row >= n // 4) & (row < n - n // 4) & (column >= n // 4) & (column < n - n // 4)).all())
        margin = float((values[HEADS - 1] - values[HEADS]) / logits.std())
        if central and (best is None or margin > best[0]):
            best = (margin, weight, values)
    assert best is not None, "no detector of the seed has its strongest places in the middle"
    _, weight, values = best
    raw = (hidden[0] @ weight).min() - 1e-3  # what was subtracted above, to put the bias where it belongs
    low, high = values[HEADS] + raw, values[HEADS - 1] + raw
    # Half way between the weakest head and the strongest other place lies the threshold; a unit of logit each way.
    factor = 2.0 / float((high - low).clamp(min=1e-3))
    last = _last(human.classifier)
    last.weight.copy_(weight[None] * factor)
    last.bias.fill_(math.log(0.3 / 0.7) - factor * float(high + low) / 2)


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
