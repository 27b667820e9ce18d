"""The Vision Transformer of DINOv2 (facebookresearch/dinov2, dinov2/models/vision_transformer.py) and the blocks both branches share.

Parameters carry upstream's names, so published files load by short tables (`weight_maps`).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chromm_ros.model.config import PATCH
from chromm_ros.model.rope import Rope, rotate

EPS = 1e-6
"""Epsilon of the norms of DINOv2 and of Pi3's decoder blocks."""


class Mlp(nn.Module):
    """Linear, GELU (exact), Linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*B T D"]) -> Float[Tensor, "*B T D"]:
        """Per token."""
        return self.fc2(nn.functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]  # modules are called untyped


class LayerScale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, dim: int, start: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), start))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Scale."""
        return x * self.gamma


class Attention(nn.Module):
    """Self-attention with a fused projection (rows q, k, v, each split by heads)."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        # Pi3 normalises queries and keys per head with torch's default epsilon, 1e-5, not with 1e-6.
        self.q_norm: nn.Module = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.k_norm: nn.Module = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()

    def split(self, x: Float[Tensor, "B T D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (both normalised) and values, each [B, heads, T, d]."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype), v

    def merge(self, x: Float[Tensor, "B h T d"]) -> Float[Tensor, "B T D"]:
        """Heads side by side again, projected."""
        return self.proj(x.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # modules are called untyped

    def forward(self, x: Float[Tensor, "B T D"], rope: Rope | None = None) -> Float[Tensor, "B T D"]:
        """Every token looks at every token of its row of the batch."""
        q, k, v = self.split(x)
        if rope is not None:
            q, k = rotate(q, rope), rotate(k, rope)
        return self.merge(nn.functional.scaled_dot_product_attention(q, k, v))


class Block(nn.Module):
    """Pre-norm transformer block: attention, then MLP, each with LayerScale where `scale` starts it."""

    def __init__(self, dim: int, heads: int, *, scale: float | None, qk_norm: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = Attention(dim, heads, qk_norm=qk_norm)
        self.ls1: nn.Module = nn.Identity() if scale is None else LayerScale(dim, scale)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, 4 * dim)
        self.ls2: nn.Module = nn.Identity() if scale is None else LayerScale(dim, scale)

    def forward(self, x: Float[Tensor, "B T D"], rope: Rope | None = None) -> Float[Tensor, "B T D"]:
        """Residual around both halves."""
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]  # modules are called untyped


class PatchEmbed(nn.Module):
    """One token per patch of 14 x 14 pixels, row by row."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, PATCH, PATCH)

    def forward(self, x: Float[Tensor, "B c H W"]) -> Float[Tensor, "B P D"]:
        """Image to tokens."""
        return self.proj(x).flatten(2).mT  # type: ignore[no-any-return]  # modules are called untyped


class ConvStem(nn.Module):
    """Three convolutions in place of one: local edges before the patches, for networks trained from scratch.

    It reaches the accuracy of the plain patches with a fifth of the images (our measurements on a synthetic world).
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        width = max(8, dim // 6)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, dim, PATCH // 2, stride=PATCH // 2),
        )

    def forward(self, x: Float[Tensor, "B c H W"]) -> Float[Tensor, "B P D"]:
        """Image to tokens."""
        return self.layers(x).flatten(2).mT  # type: ignore[no-any-return]  # modules are called untyped


class VisionTransformer(nn.Module):
    """DINOv2's encoder: [cls, registers, patches] through pre-norm blocks; gives the normed patch tokens.

    Args:
        dim: width.
        depth: blocks.
        heads: attention heads.
        pos_grid: side of the learned grid of positions (37 as published).
        channels: of the image.
        registers: register tokens (Pi3X 4, Multi-HMR none); they get no position.
        antialias: how positions are resized: True as Pi3X does, False as Multi-HMR does.
        stem: `patch` or `conv`.
    """

    def __init__(
        self, dim: int, depth: int, heads: int, pos_grid: int, *, channels: int = 3, registers: int, antialias: bool, stem: str = "patch"
    ) -> None:  # fmt: skip
        super().__init__()
        self.antialias = antialias
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + pos_grid * pos_grid, dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, registers, dim)) if registers else None
        self.patch_embed = (ConvStem if stem == "conv" else PatchEmbed)(channels, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, scale=1e-5) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=EPS)

    def forward(self, images: Float[Tensor, "B c H W"]) -> Float[Tensor, "B P D"]:
        """Patch tokens of normalised images whose sides are multiples of 14."""
        patches = (images.shape[-2] // PATCH) * (images.shape[-1] // PATCH)
        return self.tokens(images)[:, -patches:]

    def tokens(self, images: Float[Tensor, "B c H W"]) -> Float[Tensor, "B T D"]:
        """All tokens of them: cls, registers, patches."""
        rows, columns = images.shape[-2] // PATCH, images.shape[-1] // PATCH
        position = resize_positions(self.pos_embed, rows, columns, antialias=self.antialias)
        x = self.patch_embed(images) + position[:, 1:]
        first = [self.cls_token + position[:, :1]]
        if self.register_tokens is not None:
            first.append(self.register_tokens)
        specials = torch.cat(first, 1).expand(len(x), -1, -1)
        x = torch.cat((specials, x), 1)  # (B, 1 + registers + P, D)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)  # type: ignore[no-any-return]  # modules are called untyped


def resize_positions(pos_embed: Float[Tensor, "1 L D"], rows: int, columns: int, *, antialias: bool) -> Float[Tensor, "1 M D"]:
    """Positions for another grid, bicubic, in float32; the first entry (cls) stays as it is.

    Two histories of DINOv2 live on in the published weights: Pi3X resizes to the output's size with antialiasing (which changes the
    kernel even when nothing shrinks), Multi-HMR by a scale factor with 0.1 added to the grid, without antialiasing.
    """
    side = round((pos_embed.shape[1] - 1) ** 0.5)
    if rows == columns == side:
        return pos_embed
    grid = pos_embed[:, 1:].float().unflatten(1, (side, side)).permute(0, 3, 1, 2)  # (1, D, side, side)
    if antialias:
        grid = nn.functional.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True)
    else:
        factor = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = nn.functional.interpolate(grid, scale_factor=factor, mode="bicubic")
    assert grid.shape[-2:] == (rows, columns), grid.shape
    return torch.cat((pos_embed[:, :1], grid.flatten(2).mT.to(pos_embed.dtype)), 1)
