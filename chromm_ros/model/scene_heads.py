"""Pi3X's heads: token decoders, the convolutional heads of points and confidence, the camera head and the metric head.

Source: yyfz/Pi3, pi3/models/layers/{transformer_head,conv_head,camera_head}.py.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chromm_ros.model.rope import Rope
from chromm_ros.model.rope_blocks import CrossBlock
from chromm_ros.model.vit import Block

Z_LIMIT = 15.0
"""Largest logarithm of a depth (upstream's clamp)."""


class TokenDecoder(nn.Module):
    """A few blocks within each frame, between two projections; no norm at the end."""

    def __init__(self, dim_in: int, dim: int, dim_out: int, depth: int, heads: int) -> None:
        super().__init__()
        self.projects = nn.Linear(dim_in, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, scale=None) for _ in range(depth))
        self.linear_out = nn.Linear(dim, dim_out)

    def forward(self, hidden: Float[Tensor, "F T C"], rope: Rope) -> Float[Tensor, "F T D"]:
        """Tokens of every frame, specials first."""
        x = self.projects(hidden)
        for block in self.blocks:
            x = block(x, rope)
        return self.linear_out(x)  # type: ignore[no-any-return]  # modules are called untyped


class MetricDecoder(nn.Module):
    """One learned query per scene that looks at all tokens of all views."""

    def __init__(self, dim_in: int, dim: int, dim_out: int, depth: int, heads: int) -> None:
        super().__init__()
        self.projects_x = nn.Linear(dim_in, dim)
        self.projects_y = nn.Linear(dim_in, dim)
        self.blocks = nn.ModuleList(CrossBlock(dim, heads) for _ in range(depth))
        self.linear_out = nn.Linear(dim, dim_out)

    def forward(self, query: Float[Tensor, "B 1 C"], hidden: Float[Tensor, "B L C"], rope: Rope) -> Float[Tensor, "B 1 D"]:
        """The query's answer."""
        x, y = self.projects_x(query), self.projects_y(hidden)
        for block in self.blocks:
            x = block(x, y, rope)
        return self.linear_out(x)  # type: ignore[no-any-return]  # modules are called untyped


class ResidualConv(nn.Module):
    """GroupNorm, ReLU, widening convolution, and the same back, around a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            nn.GroupNorm(1, channels),
            nn.ReLU(),
            nn.Conv2d(channels, wide, 3, padding=1, padding_mode="replicate"),
            nn.GroupNorm(max(1, wide // 32), wide),
            nn.ReLU(),
            nn.Conv2d(wide, channels, 3, padding=1, padding_mode="replicate"),
        )

    def forward(self, x: Float[Tensor, "F c h w"]) -> Float[Tensor, "F c h w"]:
        """Residual."""
        return x + self.layers(x)  # type: ignore[no-any-return]  # modules are called untyped


class ConvHead(nn.Module):
    """Patch tokens to full-resolution maps: three stages that double the size, then a resize, then one small head per output.

    Where a pixel lies in the image (`uv_map`) is told before every stage and before the outputs.
    """

    def __init__(self, dim_in: int, up: tuple[int, int, int], last: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.upsample_blocks = nn.ModuleList(
            nn.Sequential(
                nn.Sequential(
                    nn.ConvTranspose2d(before + 2, after, 2, stride=2),
                    nn.Conv2d(after, after, 3, padding=1, padding_mode="replicate"),
                ),
                ResidualConv(after),
                ResidualConv(after),
            )
            for before, after in zip((dim_in, *up), up, strict=False)
        )
        self.output_block = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(up[-1] + 2, last, 3, padding=1, padding_mode="replicate"), nn.ReLU(), nn.Conv2d(last, channels, 1)
            )
            for channels in outputs
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # nn.Module.to's typing lacks it

    def forward(self, tokens: Float[Tensor, "F P D"], rows: int, columns: int) -> list[Tensor]:
        """One map [F, channels, 14 rows, 14 columns] per output."""
        x = tokens.mT.unflatten(-1, (rows, columns))  # (F, D, rows, columns)
        aspect = columns / rows
        for stage in self.upsample_blocks:
            x = stage(_with_uv(x, aspect))
        x = nn.functional.interpolate(x, size=(14 * rows, 14 * columns), mode="bilinear", align_corners=False)
        x = _with_uv(x, aspect)
        return [in_float32(block[-1], block[:-1](x)) for block in self.output_block]  # type: ignore[index]  # ModuleList forgets


class CameraResidual(nn.Module):
    """Three layers with ReLU around a residual, per token (named `res_conv` upstream, where it once was a convolution)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.res_conv1 = nn.Linear(dim, dim)
        self.res_conv2 = nn.Linear(dim, dim)
        self.res_conv3 = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "F P D"]) -> Float[Tensor, "F P D"]:
        """Residual."""
        return x + nn.functional.relu(self.res_conv3(nn.functional.relu(self.res_conv2(nn.functional.relu(self.res_conv1(x))))))


class CameraHead(nn.Module):
    """Patch tokens of a view to its pose."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.res_conv = nn.Sequential(CameraResidual(dim), CameraResidual(dim))
        self.more_mlps = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())
        self.fc_t = nn.Linear(dim, 3)
        self.fc_rot = nn.Linear(dim, 9)

    def forward(self, tokens: Float[Tensor, "F P D"]) -> Float[Tensor, "F 4 4"]:
        """world_from_cam in the network's own scale."""
        x = self.more_mlps(self.res_conv(tokens).mean(1))
        nine, translation = in_float32(self.fc_rot, x), in_float32(self.fc_t, x)
        with without_autocast(x.device):
            top = torch.cat((nearest_rotation(nine), translation[..., None]), -1)  # (F, 3, 4)
        return nn.functional.pad(top, (0, 0, 0, 1)) + top.new_tensor((0.0, 0.0, 0.0, 1.0)).diag()


def in_float32(layer: nn.Module, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A last layer outside autocast: bfloat16 has steps of 0.4 %, which would be seen as terraces in the logarithm of the depth."""
    with without_autocast(x.device):
        return layer(x.float())  # type: ignore[no-any-return]  # modules are called untyped


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Each tensor in its own precision; the meta device, on which shapes and operations are counted, knows no autocast."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def nearest_rotation(nine: Float[Tensor, "*B 9"]) -> Float[Tensor, "*B 3 3"]:
    """Rows to unit length, then the rotation nearest to them (SVD); ill-posed where det < 0 and the two smallest values meet."""
    rows = nn.functional.normalize(nine.unflatten(-1, (3, 3)), dim=-1, eps=1e-12)
    u, _, vt = torch.linalg.svd(rows)
    sign = torch.linalg.det(u @ vt)
    flip = torch.stack((torch.ones_like(sign), torch.ones_like(sign), sign), -1)
    nearest: Tensor = (u * flip[..., None, :]) @ vt
    return nearest


def uv_map(rows: int, columns: int, aspect: float, device: torch.device) -> Float[Tensor, "2 rows columns"]:
    """Place in the image in units of half its diagonal, from the centre: u to the right, v down."""
    diagonal = (1 + aspect * aspect) ** 0.5
    u = _span(columns, aspect / diagonal, device)
    v = _span(rows, 1 / diagonal, device)
    return torch.stack((u.expand(rows, -1), v[:, None].expand(-1, columns)))


def _span(count: int, half: float, device: torch.device) -> Float[Tensor, "n"]:
    edge = half * (count - 1) / count
    return torch.linspace(-edge, edge, count, device=device)


def _with_uv(x: Float[Tensor, "F c h w"], aspect: float) -> Float[Tensor, "F d h w"]:
    uv = uv_map(x.shape[2], x.shape[3], aspect, x.device).to(x.dtype)
    # Channels last: convolutions with few channels take half the time on a CPU.
    return torch.cat((x, uv.expand(len(x), -1, -1, -1)), 1).contiguous(memory_format=torch.channels_last)


def points_from_maps(xy: Float[Tensor, "F 2 H W"], z: Float[Tensor, "F 1 H W"]) -> tuple[Tensor, Tensor]:
    """Point map [F, H, W, 3] in the network's own scale and unit rays [F, H, W, 3]."""
    depth = z.clamp(max=Z_LIMIT).exp()
    plane = torch.cat((xy, torch.ones_like(z)), 1).permute(0, 2, 3, 1)  # (F, H, W, 3)
    length = (xy.square().sum(1) + 1).sqrt()  # much faster than a norm over the last axis of three
    return plane * depth.permute(0, 2, 3, 1), plane / length[..., None]
