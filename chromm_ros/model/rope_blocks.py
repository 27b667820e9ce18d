"""The blocks that only Pi3X has: injection of known poses, and the cross-attention of the metric decoder.

Source: yyfz/Pi3, pi3/models/layers/block.py, attention.py and transformer_head.py.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chromm_ros.model.rope import Prope, Rope, prope_back, prope_keys, prope_queries, rotate
from chromm_ros.model.vit import EPS, Block, Mlp


class PoseInject(Block):
    """What known poses add to the patch tokens: attention and MLP side by side, both of the same input, no residual inside."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads, scale=0.01, qk_norm=True)

    def inject(self, x: Float[Tensor, "B NP D"], prope: Prope, seen: Bool[Tensor, "B 1 1 NP"] | None) -> Float[Tensor, "B NP D"]:
        """The summand for the patches of all views; only tokens that are `seen` are looked at (None: all).

        Upstream masks rows too, which gives zero for views whose pose is unknown; the caller multiplies those by zero.
        """
        q, k, v = self.attn.split(self.norm1(x))
        q, k, v = prope_queries(q, prope), prope_keys(k, prope), prope_keys(v, prope)
        o = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        o = self.ls1(self.attn.merge(prope_back(o, prope)))
        return o + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]  # modules are called untyped


class CrossAttention(nn.Module):
    """Attention of a query to other tokens, with separate projections."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "B Q D"], y: Float[Tensor, "B L D"], rope: Rope) -> Float[Tensor, "B Q D"]:
        """The queries stand at (0, 0), where RoPE turns nothing; only the keys are turned."""
        q, k, v = (
            layer(t).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, ., d)
            for layer, t in ((self.q_proj, x), (self.k_proj, y), (self.v_proj, y))
        )
        o = nn.functional.scaled_dot_product_attention(q, rotate(k, rope), v)
        return self.proj(o.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # modules are called untyped


class CrossBlock(nn.Module):
    """Cross-attention, then MLP; the tokens looked at stay as they are."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.norm_y = nn.LayerNorm(dim, eps=EPS)
        self.cross_attn = CrossAttention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Float[Tensor, "B Q D"], y: Float[Tensor, "B L D"], rope: Rope) -> Float[Tensor, "B Q D"]:
        """Residual around both halves."""
        x = x + self.cross_attn(self.norm2(x), self.norm_y(y), rope)
        return x + self.mlp(self.norm3(x))  # type: ignore[no-any-return]  # modules are called untyped


def repeat_rope(rope: Rope, times: int) -> Rope:
    """The same positions once per view, for tokens of several views in one row."""
    cos, sin = rope
    return torch.cat([cos] * times), torch.cat([sin] * times)
