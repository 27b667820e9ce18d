"""How many floating point operations each part takes, by closed formulas.

One multiply-add is two operations; linear layers, convolutions and the two products of attention count, nothing else (no softmax, norms,
GELU, RoPE, interpolation): what `torch.utils.flop_counter` counts too. Sources: Pi3X (yyfz/Pi3, pi3/models/pi3x.py) and Multi-HMR
(naver/multi-hmr, model.py), written out for any size. D is a width, T the tokens of a view, P its patches, N the views.
"""

from dataclasses import dataclass

from chromm_ros.model.config import PATCH, HumanConfig, NetworkConfig, PeopleConfig, SceneConfig

SPECIALS = 5
"""Tokens of Pi3X that are no patches, in its encoder (1 cls, 4 registers) and in its decoder (5 registers) alike."""
RAYS = 3
"""A ray and, per band, its sines and cosines: 3 + 6 x bands channels."""
POSE = 53 * 6
"""Numbers of a pose."""
EXPRESSIONS = 10


@dataclass(frozen=True)
class Load:
    """One window."""

    frames: int
    """All frames of all cameras; Pi3X's views."""
    rows: int
    """Patches of the scene branch's input, from top to bottom."""
    columns: int
    """And from left to right."""
    people: int
    """People in each frame."""

    @property
    def patches(self) -> int:
        """P of the scene branch."""
        return self.rows * self.columns


def window_flops(config: NetworkConfig, load: Load) -> dict[str, int]:
    """Operations of every part of `parts.window_parts`, by its name."""
    return scene_flops(config.scene, load) | human_flops(config.human, load) | people_flops(config, load)


def scene_flops(config: SceneConfig, load: Load) -> dict[str, int]:
    """Pi3X, one scene."""
    dim, depth, frames, patches = config.dim, config.head_depth, load.frames, load.patches
    tokens = patches + SPECIALS
    encoder = config.encoder_depth * _block(dim, tokens, tokens) + patches * _conv(3, dim, PATCH)
    across = config.decoder_depth // 2
    decoder = (config.decoder_depth - across) * _block(dim, tokens, tokens) + across * _block(dim, tokens, frames * tokens)

    def token_decoder(out: int) -> int:
        return frames * (tokens * _linear(2 * dim, dim) + depth * _block(dim, tokens, tokens) + tokens * _linear(dim, out))

    flops = {
        "encode scene": frames * encoder,
        "decoder": frames * decoder,
        "point decoder": token_decoder(dim),
        "confidence decoder": token_decoder(dim),
        "camera decoder": token_decoder(config.camera_dim),
        "metric decoder": _metric_decoder(config, frames * tokens),
        "point head": frames * patches * _conv_head(config, (2, 1)),
        "confidence head": frames * patches * _conv_head(config, (1,)),
        "camera head": frames * _camera_head(config.camera_dim, patches),
    }
    if config.conditioned:
        more = encoder + patches * (_conv(2, dim, PATCH) - _conv(3, dim, PATCH)) + patches * _conv(2, dim, PATCH)
        # PRoPE turns half of the channels of queries, keys, values and the result by 4x4 matrices.
        inject = len(config.inject_after) * (_block(dim, patches, frames * patches) + patches * 4 * (dim // 2) * 8)
        flops["rays, depths and poses"] = frames * (more + inject + patches * PATCH * PATCH * _linear(3, 2))
    return flops


def human_flops(config: HumanConfig, load: Load) -> dict[str, int]:
    """Multi-HMR's backbone and detection."""
    dim, patches, frames = config.dim, (config.image_size // PATCH) ** 2, load.frames
    stem = _conv_stem(dim) if config.stem == "conv" else _conv(3, dim, PATCH)
    backbone = config.depth * _block(dim, patches + 1, patches + 1) + patches * stem
    detect = patches * (_linear(dim, dim) + _linear(dim, 1)) + load.people * (_linear(dim, dim) + _linear(dim, 2))
    return {"encode human": frames * backbone, "detect": frames * detect}


def perception_flops(config: HumanConfig, load: Load) -> dict[str, int]:
    """Multi-HMR's own head of SMPL-X (HPH)."""
    context = config.dim + RAYS + 6 * config.bands
    sizes = PeopleConfig(config.people_dim, config.people_mlp, config.people_heads, config.people_head_dim, config.people_depth)
    numbers = POSE + config.betas + 3
    transformer = _people_transformer(sizes, context + numbers, context, (config.image_size // PATCH) ** 2, load.people)
    outputs = load.people * _linear(config.people_dim, numbers + EXPRESSIONS)
    return {"perceive": load.frames * (transformer + outputs)}


def people_flops(config: NetworkConfig, load: Load) -> dict[str, int]:
    """CHROMM's own heads."""
    scene, human, dim = 2 * config.scene.dim, config.human.dim, config.people.dim
    rays = RAYS + 6 * config.human.bands
    fuse = _linear(scene + human, dim) + _linear(dim, dim)
    body = _linear(dim, POSE + 10 + EXPRESSIONS + 1)
    pelvis = _linear(dim, dim) + _linear(dim, 2) + _linear(dim + human, dim) + _linear(dim, 2)
    transformer = _people_transformer(
        config.people, dim + rays, human + rays, (config.human.image_size // PATCH) ** 2, load.people
    )
    return {
        "people": load.frames * (transformer + load.people * (fuse + body + pelvis)),
        "mask": load.frames * load.patches * (fuse + _linear(dim, 1)),
    }


def _linear(inputs: int, outputs: int) -> int:
    return 2 * inputs * outputs


def _conv(inputs: int, outputs: int, side: int) -> int:
    """Per pixel of the output."""
    return 2 * inputs * outputs * side * side


def _block(dim: int, tokens: int, seen: int) -> int:
    """A transformer block on `tokens`, each of which looks at `seen` tokens: 24 D^2 T + 4 D T S."""
    return 24 * dim * dim * tokens + 4 * dim * tokens * seen


def _metric_decoder(config: SceneConfig, tokens: int) -> int:
    """Linear in the tokens, for only one query looks at them; the last layer is the metric head."""
    wide, dim = 2 * config.dim, config.metric_dim
    of_tokens = _linear(wide, dim) + config.head_depth * (2 * _linear(dim, dim) + 4 * dim)
    of_query = _linear(wide, dim) + config.head_depth * (2 * _linear(dim, dim) + 2 * _linear(dim, 4 * dim))
    return tokens * of_tokens + of_query + _linear(dim, config.metric_out) + _linear(config.metric_out, 1)


def _conv_head(config: SceneConfig, outputs: tuple[int, ...]) -> int:
    """Per patch. A stage: a transposed 2x2 convolution, then one 3x3 and two residuals that widen to twice the channels and back."""
    total, pixels, before = 0, 1, config.dim
    for after in config.up_channels:
        total += pixels * _conv(before + 2, after, 2)
        pixels *= 4
        total += pixels * (_conv(after, after, 3) + 2 * (_conv(after, 2 * after, 3) + _conv(2 * after, after, 3)))
        before = after
    last = config.last_channels
    return total + PATCH * PATCH * sum(_conv(before + 2, last, 3) + _linear(last, channels) for channels in outputs)


def _camera_head(dim: int, patches: int) -> int:
    """Six layers per patch, four after the mean."""
    return patches * 6 * _linear(dim, dim) + 2 * _linear(dim, dim) + _linear(dim, 3) + _linear(dim, 9)


def _conv_stem(dim: int) -> int:
    """Per patch; see `vit.ConvStem`."""
    width, half = max(8, dim // 6), PATCH // 2
    return half * half * (_conv(3, width, 3) + _conv(width, width, 3)) + _conv(width, dim, half)


def _people_transformer(config: PeopleConfig, queries: int, context: int, patches: int, people: int) -> int:
    """Per image: keys and values of its patches once, the rest per person (`human_heads.PeopleTransformer`)."""
    dim, inner = config.dim, config.heads * config.head_dim
    layers = 4 * _linear(dim, inner) + 2 * _linear(inner, dim) + 2 * _linear(dim, config.mlp)
    looks = 4 * inner * (patches + people)
    of_person = _linear(queries, dim) + config.depth * (layers + looks)
    return people * of_person + (config.depth * patches * _linear(context, 2 * inner) if people else 0)
