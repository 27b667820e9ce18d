"""Pi3X: images of one scene to point maps, cameras and a metric scale, in any order and with whatever is known of the cameras.

Source: yyfz/Pi3, pi3/models/pi3x.py, commit 9fa3ddb3 (BSD-3 code). Parameters carry upstream's names. Precision follows upstream: under
autocast the transformers run in bfloat16; conditions, convolutional heads, camera head and metric head in float32. `half_heads` departs
from it: the convolutional heads and the camera head, a tenth of all operations, then follow autocast up to their last layers.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chromm_ros.model.config import PATCH, SceneConfig
from chromm_ros.model.rope import Prope, Rope, grid_positions, prope_table, rope_table
from chromm_ros.model.rope_blocks import PoseInject, repeat_rope
from chromm_ros.model.scene_conditions import Conditions, Prepared, prepare_conditions
from chromm_ros.model.scene_heads import CameraHead, ConvHead, MetricDecoder, TokenDecoder, points_from_maps, without_autocast
from chromm_ros.model.vit import Block, PatchEmbed, VisionTransformer

SPECIALS = 5
"""Register tokens of the decoder, in front of the patches of every view."""
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SceneOutput:
    """What Pi3X says of B scenes of N views; lengths in metres."""

    local_points: Float[Tensor, "B N H W 3"]
    """Point maps in the cameras."""
    rays: Float[Tensor, "B N H W 3"]
    """Unit direction of every pixel."""
    confidence: Float[Tensor, "B N H W"]
    """Logit of how far a point can be trusted."""
    world_from_cam: Float[Tensor, "B N 4 4"]
    """Camera poses."""
    metric: Float[Tensor, "B"]
    """Factor that made the scene metric."""
    tokens: Float[Tensor, "B N P C"]
    """The decoder's patch tokens (two layers side by side), which CHROMM's heads read."""


class SceneBranch(nn.Module):
    """The network; `encode` looks at single frames, `decode` at a whole scene."""

    half_heads: bool = False
    """Whether the convolutional heads and the camera head follow autocast; their last layers and all geometry stay float32."""
    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: SceneConfig) -> None:
        super().__init__()
        dim, heads, width = config.dim, config.heads, 2 * config.dim
        self.config = config
        self.encoder = VisionTransformer(dim, config.encoder_depth, heads, config.pos_grid, registers=4, antialias=True)
        self.register_token = nn.Parameter(torch.zeros(1, 1, SPECIALS, dim))
        self.decoder = nn.ModuleList(Block(dim, heads, scale=0.01, qk_norm=True) for _ in range(config.decoder_depth))
        if config.conditioned:
            self.depth_encoder = VisionTransformer(
                dim, config.encoder_depth, heads, config.pos_grid, channels=2, registers=4, antialias=True
            )
            self.depth_emb = nn.Parameter(torch.zeros(1, 1, dim))
            self.ray_embed = PatchEmbed(2, dim)
            self.pose_inject_blk = nn.ModuleList(PoseInject(dim, heads) for _ in config.inject_after)
        self.point_decoder = TokenDecoder(width, dim, dim, config.head_depth, heads)
        self.conf_decoder = TokenDecoder(width, dim, dim, config.head_depth, heads)
        self.camera_decoder = TokenDecoder(width, dim, config.camera_dim, config.head_depth, heads)
        self.point_head = ConvHead(dim, config.up_channels, config.last_channels, (2, 1))
        self.conf_head = ConvHead(dim, config.up_channels, config.last_channels, (1,))
        self.camera_head = CameraHead(config.camera_dim)
        self.metric_token = nn.Parameter(torch.zeros(1, 1, width))
        self.metric_decoder = MetricDecoder(width, config.metric_dim, config.metric_out, config.head_depth, config.metric_heads)
        self.metric_head = nn.Linear(config.metric_out, 1)
        self.register_buffer("image_mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1))
        self.register_buffer("image_std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1))

    def forward(self, images: Float[Tensor, "B N 3 H W"], known: Conditions | None = None) -> SceneOutput:
        """One call from images in [0, 1] to everything; sides are multiples of 14."""
        features = self.encode(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return self.decode(features, (images.shape[-2], images.shape[-1]), known)

    def encode(self, images: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F P D"]:
        """Patch tokens of single frames, images in [0, 1]."""
        return self.encoder((images - self.image_mean) / self.image_std)  # type: ignore[no-any-return]  # modules are untyped

    def decode(self, features: Float[Tensor, "B N P D"], size: tuple[int, int], known: Conditions | None = None) -> SceneOutput:
        """A scene from its frames' tokens, in any order of the views.

        Args:
            features: what `encode` gave.
            size: height and width of the images in pixels.
            known: conditions; None when nothing is known or wanted.
        """
        scenes, views = features.shape[:2]
        rows, columns = size[0] // PATCH, size[1] // PATCH
        prepared = None
        if known is not None and self.config.conditioned:
            with without_autocast(features.device):
                prepared = prepare_conditions(known, scenes, views, *size, features.device)
                features = self.add_conditions(features.float(), prepared)
        hidden, rope = self.decode_tokens(features, rows, columns, prepared)
        return self.read_out(hidden, rope, rows, columns)

    def add_conditions(self, features: Float[Tensor, "B N P D"], known: Prepared) -> Float[Tensor, "B N P D"]:
        """Patch tokens plus what rays and depths say, where they are known."""
        shape = features.shape[:2]
        if known.rays is not None:
            rays = self.ray_embed(known.rays.flatten(0, 1)).unflatten(0, shape)
            features = features + rays * known.ray_mask[..., None, None]
        if known.depths is not None:
            depths = self.depth_encoder(known.depths.flatten(0, 1)).unflatten(0, shape) + self.depth_emb
            features = features + depths * known.depth_mask[..., None, None]
        return features

    def decode_tokens(
        self, features: Float[Tensor, "B N P D"], rows: int, columns: int, known: Prepared | None
    ) -> tuple[Float[Tensor, "B N T C"], Rope]:
        """The decoder: frame and global attention in turn, known poses injected. Gives the last two layers side by side."""
        scenes, views = features.shape[:2]
        head_dim = self.config.dim // self.config.heads
        frame_rope = rope_table(grid_positions(rows, columns, specials=SPECIALS, device=features.device), head_dim)
        world_rope = repeat_rope(frame_rope, views)
        inject = _Injection.of(known, rows, columns, head_dim)
        x = torch.cat((self.register_token.expand(scenes, views, -1, -1), features), 2)  # (B, N, T, D)
        layers = []
        for index, block in enumerate(self.decoder):
            if index % 2 == 0:
                x = block(x.flatten(0, 1), frame_rope).unflatten(0, (scenes, views))
            else:
                x = block(x.flatten(1, 2), world_rope).unflatten(1, (views, -1))
            if inject is not None and index in self.config.inject_after:
                injector = self.pose_inject_blk[self.config.inject_after.index(index)]
                x = inject.add(injector, x)  # type: ignore[arg-type]  # ModuleList forgets the class
            if index >= len(self.decoder) - 2:
                layers.append(x)
        return torch.cat(layers, -1), frame_rope

    def read_out(self, hidden: Float[Tensor, "B N T C"], rope: Rope, rows: int, columns: int) -> SceneOutput:
        """All heads on the decoder's tokens."""
        shape, flat = hidden.shape[:2], hidden.flatten(0, 1)  # (B N, T, C)
        points = self.point_decoder(flat, rope)[:, SPECIALS:]
        confidence = self.conf_decoder(flat, rope)[:, SPECIALS:]
        cameras = self.camera_decoder(flat, rope)[:, SPECIALS:]
        query = self.metric_token.expand(len(hidden), -1, -1)
        metric = self.metric_decoder(query, hidden.flatten(1, 2), repeat_rope(rope, shape[1]))
        if not self.half_heads:
            points, confidence, cameras = points.float(), confidence.float(), cameras.float()
        with nullcontext() if self.half_heads else without_autocast(hidden.device):
            xy, z = self.point_head(points, rows, columns)
            (confidence,) = self.conf_head(confidence, rows, columns)
            poses = self.camera_head(cameras)
        with without_autocast(hidden.device):
            local, rays = points_from_maps(xy, z)
            scale = self.metric_head(metric.float()).flatten().exp()  # (B,)
            poses = torch.cat((poses[:, :, :3], poses[:, :, 3:] * _homogeneous(scale, shape[1])), -1)
        return SceneOutput(
            local_points=local.unflatten(0, shape) * scale[:, None, None, None, None],
            rays=rays.unflatten(0, shape),
            confidence=confidence[:, 0].unflatten(0, shape),
            world_from_cam=poses.unflatten(0, shape),
            metric=scale,
            tokens=hidden[:, :, SPECIALS:],
        )


@dataclass(frozen=True)
class _Injection:
    """What every pose-inject block needs, computed once."""

    prope: Prope
    on: Bool[Tensor, "B N"]
    seen: Bool[Tensor, "B 1 1 NP"] | None

    @classmethod
    def of(cls, known: Prepared | None, rows: int, columns: int, head_dim: int) -> "_Injection | None":
        if known is None or known.poses is None:
            return None
        on = known.pose_mask
        # A scene without any pose sees everything: its rows would be NaN, and they are multiplied by zero anyway.
        seen = (on | ~on.any(1, keepdim=True)).repeat_interleave(rows * columns, 1)[:, None, None]
        return cls(prope_table(known.poses, rows, columns, head_dim), on, None if bool(seen.all()) else seen)

    def add(self, block: PoseInject, x: Float[Tensor, "B N T D"]) -> Float[Tensor, "B N T D"]:
        patches = x[:, :, SPECIALS:]  # (B, N, P, D)
        more = block.inject(patches.flatten(1, 2), self.prope, self.seen).unflatten(1, patches.shape[1:3])
        return torch.cat((x[:, :, :SPECIALS], patches + more * self.on[..., None, None]), 2)


def _homogeneous(scale: Float[Tensor, "B"], views: int) -> Float[Tensor, "F 4 1"]:
    """Column that multiplies the translation of every pose by its scene's scale and leaves the 1 below."""
    column = scale.repeat_interleave(views)[:, None].expand(-1, 3)
    return torch.cat((column, torch.ones_like(column[:, :1])), 1)[..., None]
