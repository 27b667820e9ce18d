"""Multi-HMR's head that perceives whole people, and the small mathematics around it.

Source: naver/multi-hmr, model.py (HPH), blocks/cross_attn_transformer.py, utils/{rot6d,camera}.py (facts only; its code is non-commercial).
CHROMM's SMPL decoder shares `PeopleTransformer`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from chromm_ros.model.config import HumanConfig
from chromm_ros.model.human_branch import Detections, HumanBranch, at_patch, camera_embedding, places_in_image
from chromm_ros.model.scene_heads import in_float32

ROTATIONS = 53
"""0 global, 1..21 body, 22..36 left hand, 37..51 right hand, 52 jaw."""
EXPRESSIONS = 10
FARTHEST = 50.0
"""Largest distance that Multi-HMR gives, metres."""
FIELD_OF_VIEW = math.pi / 3
"""Angle over the side of the square of the camera that Multi-HMR assumes, and whose focal length is the norm of its distances."""


@dataclass(frozen=True)
class PeopleOutput:
    """What Multi-HMR says of P people."""

    rotations: Float[Tensor, "P 53 3 3"]
    """Rotation of every joint."""
    betas: Float[Tensor, "P b"]
    """Shape."""
    expression: Float[Tensor, "P 10"]
    """Expression."""
    distance: Float[Tensor, "P"]
    """Depth of the head along z, metres."""
    token: Float[Tensor, "P D"]
    """Token of the head's last layer, from which all of the above is read."""


class PeopleAttention(nn.Module):
    """Attention among the people of an image, or (with `context_dim`) from them to the image's patches."""

    def __init__(self, dim: int, heads: int, head_dim: int, context_dim: int | None = None) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads = heads
        self.norm = nn.LayerNorm(dim)  # torch's default epsilon, 1e-5
        if context_dim is None:
            self.to_qkv = nn.Linear(dim, 3 * inner, bias=False)
        else:
            self.to_q = nn.Linear(dim, inner, bias=False)
            self.to_kv = nn.Linear(context_dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim)

    def forward(
        self, x: Float[Tensor, "B M D"], context: Float[Tensor, "B L E"] | None, mask: Bool[Tensor, "B 1 1 M"] | None
    ) -> Float[Tensor, "B M D"]:
        """Residual; the context is taken as it is, without a norm."""
        own = self.norm(x)
        parts = self.to_qkv(own).chunk(3, -1) if context is None else (self.to_q(own), *self.to_kv(context).chunk(2, -1))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)  # (B, h, ., d)
        o = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return x + self.to_out(o.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # modules are called untyped


class PeopleLayer(nn.Module):
    """Among people, to the image, per person."""

    def __init__(self, dim: int, mlp: int, heads: int, head_dim: int, context_dim: int) -> None:
        super().__init__()
        self.among = PeopleAttention(dim, heads, head_dim)
        self.across = PeopleAttention(dim, heads, head_dim, context_dim)
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, mlp)
        self.fc2 = nn.Linear(mlp, dim)

    def forward(
        self, x: Float[Tensor, "B M D"], context: Float[Tensor, "B L E"], mask: Bool[Tensor, "B 1 1 M"]
    ) -> Float[Tensor, "B M D"]:
        """Three residuals."""
        x = self.across(self.among(x, None, mask), context, None)
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))  # type: ignore[no-any-return]  # modules are called untyped


class PeopleLayers(nn.Module):
    """People as queries over the patches of their own image; no norm at the end."""

    def __init__(self, context_dim: int, dim: int, mlp: int, heads: int, head_dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PeopleLayer(dim, mlp, heads, head_dim, context_dim) for _ in range(depth))

    def forward(
        self, queries: Float[Tensor, "K D"], image: Int[Tensor, "K"], context: Float[Tensor, "F L E"]
    ) -> Float[Tensor, "K D"]:
        """Tokens of K people, told whose image shows them; images without people cost nothing.

        The people of one image form one row, padded and masked; the context map is used once per image, never once per person.
        """
        if not len(image):
            return queries
        images, row = image.unique(return_inverse=True)  # rows of the padded batch
        slot, count = places_in_image(row, len(images))
        x = queries.new_zeros(len(images), int(count.max()), queries.shape[1])
        x[row, slot] = queries
        mask = (torch.arange(x.shape[1], device=row.device) < count[:, None])[:, None, None]
        context = context[images]
        for layer in self.layers:
            x = layer(x, context, mask)
        return x[row, slot]


class PeopleTransformer(PeopleLayers):
    """The same behind an embedding of wider queries."""

    def __init__(self, dim_in: int, context_dim: int, dim: int, mlp: int, heads: int, head_dim: int, depth: int) -> None:
        super().__init__(context_dim, dim, mlp, heads, head_dim, depth)
        self.embed = nn.Linear(dim_in, dim)
        self.position = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(
        self, queries: Float[Tensor, "K C"], image: Int[Tensor, "K"], context: Float[Tensor, "F L E"]
    ) -> Float[Tensor, "K D"]:
        """Tokens of K people, told whose image shows them."""
        return super().forward(self.embed(queries) + self.position[0], image, context)


class PerceptionHead(nn.Module):
    """Multi-HMR's HPH: from detections to SMPL-X parameters and distance. Tables of places belong to one image size."""

    init_body_pose: Tensor
    init_betas: Tensor
    init_cam: Tensor
    init_expression: Tensor

    def __init__(self, config: HumanConfig, side: int) -> None:
        super().__init__()
        context = config.dim + 3 + 6 * config.bands
        pose = 6 * ROTATIONS
        self.cross_queries_x = nn.Parameter(torch.zeros(side, context))
        self.cross_queries_y = nn.Parameter(torch.zeros(side, context))
        self.cross_values_x = nn.Parameter(torch.zeros(side, context))
        self.cross_values_y = nn.Parameter(torch.zeros(side, context))
        self.transformer = PeopleTransformer(
            context + pose + config.betas + 3, context, config.people_dim, config.people_mlp,
            config.people_heads, config.people_head_dim, config.people_depth,
        )  # fmt: skip  # sizes side by side
        self.decpose = nn.Linear(config.people_dim, pose)
        self.decshape = nn.Linear(config.people_dim, config.betas)
        self.deccam = nn.Linear(config.people_dim, 3)
        self.decexpression = nn.Linear(config.people_dim, EXPRESSIONS)
        self.register_buffer("init_body_pose", mean_pose()[None])
        self.register_buffer("init_betas", torch.zeros(1, config.betas))
        self.register_buffer("init_cam", torch.zeros(1, 3))
        self.register_buffer("init_expression", torch.zeros(1, EXPRESSIONS))

    def forward(
        self, context: Float[Tensor, "F L E"], found: Detections
    ) -> tuple[Float[Tensor, "P 318"], Float[Tensor, "P b"], Float[Tensor, "P 10"], Float[Tensor, "P 3"], Float[Tensor, "P D"]]:
        """Pose (6D), betas, expression, camera numbers and token of every detection.

        `_x` tables are indexed by the row and `_y` tables by the column, as upstream's are.
        """
        place = self.cross_queries_x[found.row] + self.cross_queries_y[found.column]
        start = torch.cat((self.init_body_pose, self.init_betas, self.init_cam), -1).expand(len(place), -1)
        queries = torch.cat((at_patch(context, found) + place, start), -1)
        side = round(context.shape[1] ** 0.5)
        context = context.clone()
        context[found.image, found.row * side + found.column] += (
            self.cross_values_x[found.row] + self.cross_values_y[found.column]
        ).to(context.dtype)
        x = self.transformer(queries, found.image, context)
        return (
            in_float32(self.decpose, x) + self.init_body_pose,
            in_float32(self.decshape, x) + self.init_betas,
            in_float32(self.decexpression, x) + self.init_expression,
            in_float32(self.deccam, x) + self.init_cam,
            x,
        )


class MultiHmr(HumanBranch):
    """The whole of Multi-HMR up to SMPL-X parameters (the body itself is posed by `body`)."""

    def __init__(self, config: HumanConfig) -> None:
        super().__init__(config)
        self.perception = PerceptionHead(config, config.image_size // 14)

    def perceive(self, features: Float[Tensor, "F P D"], found: Detections, intrinsics: Float[Tensor, "F 3 3"]) -> PeopleOutput:
        """People at the detections; `intrinsics` in pixels of the square images."""
        rays = camera_embedding(intrinsics, round(features.shape[1] ** 0.5), self.config.bands, self.config.max_resolution)
        pose, betas, expression, camera, token = self.perception(torch.cat((features, rays.to(features.dtype)), -1), found)
        distance = distance_of(camera[:, 0], intrinsics[found.image, 0, 0], self.config.image_size)
        rotations = rotations_from_6d(pose.unflatten(-1, (ROTATIONS, 6)))
        return PeopleOutput(rotations, betas, expression, distance, token.float())


def rotations_from_6d(six: Float[Tensor, "*B 6"]) -> Float[Tensor, "*B 3 3"]:
    """Gram-Schmidt: the first three numbers are the first column, the next three lead to the second (Multi-HMR's layout)."""
    a, b = six[..., :3], six[..., 3:]
    x = a / a.norm(dim=-1, keepdim=True)
    y = b - (x * b).sum(-1, keepdim=True) * x
    y = y / y.norm(dim=-1, keepdim=True)
    return torch.stack((x, y, torch.linalg.cross(x, y)), -1)


def distance_of(y: Float[Tensor, "P"], focal: Float[Tensor, "P"], size: int) -> Float[Tensor, "P"]:
    """Metres from the network's number, which is a logarithm for a camera of 60 degrees over the side; upstream scales the logarithm."""
    return ((y * (focal / assumed_focal(size))).exp() - 1e-10).clamp(0.0, FARTHEST)


def assumed_focal(side: int) -> float:
    """Focal length in pixels where nothing is known of the camera."""
    return side / (2 * math.tan(FIELD_OF_VIEW / 2))


def mean_pose() -> Float[Tensor, "318"]:
    """Someone who faces the camera upright with the arms lowered by 60 degrees, as 53 6D rotations: where poses start from.

    Published files bring their own mean pose and overwrite this one. SMPL-X bodies look along +z with y up, cameras along +z with y
    down: facing the camera is half a turn about x. Joints 16 and 17 are the shoulders.
    """
    six = torch.tensor((1.0, 0.0, 0.0, 0.0, 1.0, 0.0)).repeat(ROTATIONS, 1)
    six[0] = torch.tensor((1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    cos, sin = 0.5, 3**0.5 / 2
    six[16] = torch.tensor((cos, -sin, 0.0, sin, cos, 0.0))
    six[17] = torch.tensor((cos, sin, 0.0, -sin, cos, 0.0))
    return six.flatten()
