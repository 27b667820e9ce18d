"""The Anny variant of Multi-HMR (multiHMR_672_L_anny): people as parameters of the Anny body, and the camera regressed with them.

Source: naver/multi-hmr, multi_hmr_anny/{encoder,hph,multi_hmr,pos_embed}.py (facts only; its code is non-commercial).
The network ends at the parameters. Posing the body itself needs the `anny` package (naver/anny) and is left out: this project's people
are SMPL-X people. The variant is here so that its names, count and parameters can be compared; `weights` recognises its published file and
refuses it, as nothing else here runs on it.
"""

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from chromm_ros.model.config import PATCH, AnnyConfig
from chromm_ros.model.human_branch import Detections, at_patch, detect
from chromm_ros.model.human_heads import PeopleLayers, rotations_from_6d
from chromm_ros.model.pinhole import back_project, pinhole
from chromm_ros.model.scene_branch import IMAGE_MEAN, IMAGE_STD
from chromm_ros.model.vit import VisionTransformer

BONES = 163
"""Bones of the Anny body; 0 is the root, 103 the head."""
MOVING = ((0, 7), (21, 27), (41, 45), (47, 105))
"""The 75 bones that the network turns, as half-open ranges: root and left leg, right leg, spine, then its last bone, arms with hands, neck,
head and jaw. Toes, breasts and face stay at the identity."""
SHAPES = (
    "gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness", "african", "asian", "caucasian",
)  # fmt: skip  # one list
"""What the shape's numbers mean, each in [0, 1]; upstream's body takes only the first six."""
LEAST_EXPONENTIAL = 1e-5
"""Focal length over distance is at least this."""


@dataclass(frozen=True)
class AnnyPeople:
    """P people in the images of a batch, by (image, row, column) of their heads."""

    image: Int[Tensor, "P"]
    """Whose image."""
    score: Float[Tensor, "P"]
    """Score of the head in [0, 1]."""
    location: Float[Tensor, "P 2"]
    """Pixel (x, y) of the head in the square image."""
    rotations: Float[Tensor, "P 163 3 3"]
    """Rotation of every bone, as the `anny` package takes them; 0 turns the body, which stands along z, into the camera."""
    shape: Float[Tensor, "P 11"]
    """Shape, as `SHAPES` names it."""
    distance: Float[Tensor, "P"]
    """Depth of the head along z, metres."""
    translation: Float[Tensor, "P 3"]
    """The head in the camera, metres."""

    def __getitem__(self, which: Tensor) -> "AnnyPeople":
        """Some of them, by mask or index."""
        return AnnyPeople(*(getattr(self, field.name)[which] for field in fields(self)))

    def nearest_first(self) -> "AnnyPeople":
        """By depth over all images together, as upstream returns them; equal depths keep their order."""
        return self[self.translation[:, 2].argsort(stable=True)]


@dataclass(frozen=True)
class AnnyOutput:
    """What the Anny variant says of F images."""

    people: AnnyPeople
    """People of all images, the nearest first."""
    field_of_view: Float[Tensor, "F"]
    """Regressed angle over the side of the square, radians."""
    regressed: Float[Tensor, "F 3 3"]
    """Intrinsics of that angle, pixels of the square."""
    intrinsics: Float[Tensor, "F 3 3"]
    """Intrinsics used: those given, else the regressed ones."""


class MultiHmrAnny(nn.Module):
    """Multi-HMR's Anny variant up to the body's parameters. Its table of positions belongs to one image size."""

    image_mean: Tensor
    image_std: Tensor
    fov_max: Tensor
    position: Tensor
    init_body_pose: Tensor
    useful_rotmat: Tensor

    def __init__(self, config: AnnyConfig) -> None:
        super().__init__()
        dim, people = config.dim, config.people_dim
        self.config = config
        self.backbone = VisionTransformer(dim, config.depth, config.heads, config.pos_grid, registers=0, antialias=False)
        self.classifier = _mlp(dim, dim, 1)
        self.field = _mlp(dim, dim, 1)
        self.embed = nn.Linear(dim, people)
        self.decoder = PeopleLayers(
            people, people, config.people_mlp, config.people_heads, config.people_head_dim, config.people_depth
        )
        self.offset = _mlp(people, people, 2)
        self.pose = _mlp(people + 6 * BONES, people, 6 * BONES)
        self.shape = _mlp(people, people, len(SHAPES))
        self.distance = _mlp(people, people, 1)
        # Constants that the published file holds.
        self.register_buffer("fov_max", torch.tensor([math.pi]))
        self.register_buffer("position", sine_positions(config.image_size // PATCH, people))
        self.register_buffer("init_body_pose", rest_pose()[None])
        self.register_buffer("useful_rotmat", moving_bones()[None])
        # Constants that it does not hold.
        self.register_buffer("image_mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)

    def forward(
        self,
        images: Float[Tensor, "F 3 S S"],
        intrinsics: Float[Tensor, "F 3 3"] | None = None,
        *,
        score_min: float = 0.3,
        nms: int = 3,
    ) -> AnnyOutput:
        """People of square images in [0, 1]; `intrinsics` (pixels of the squares) replace the regressed ones everywhere."""
        features = self.encode(images)
        field_of_view = self.field_of_view(features)
        regressed = self.intrinsics(field_of_view)
        used = regressed if intrinsics is None else intrinsics
        people = self.perceive(features, detect(self.scores(features), score_min, nms), used)
        return AnnyOutput(people.nearest_first(), field_of_view, regressed, used)

    def encode(self, images: Float[Tensor, "F 3 S S"]) -> Float[Tensor, "F T D"]:
        """Tokens of square images in [0, 1]: the class token, then the patches."""
        assert images.shape[-1] == self.config.image_size, images.shape
        return self.backbone.tokens((images - self.image_mean) / self.image_std)

    def scores(self, features: Float[Tensor, "F T D"]) -> Float[Tensor, "F n n"]:
        """Score of a head in every patch; unlike the SMPL-X variants' it may reach 0 and 1."""
        side = self.config.image_size // PATCH
        return self.classifier(features[:, 1:]).float()[..., 0].unflatten(1, (side, side)).sigmoid()  # type: ignore[no-any-return]

    def field_of_view(self, features: Float[Tensor, "F T D"]) -> Float[Tensor, "F"]:
        """Angle over the side of the square, from the class token, radians."""
        return self.fov_max * self.field(features[:, 0]).float()[:, 0].sigmoid()  # type: ignore[no-any-return]

    def intrinsics(self, field_of_view: Float[Tensor, "F"]) -> Float[Tensor, "F 3 3"]:
        """Pinhole camera of these angles, with the principal point at the centre of the square."""
        size = torch.full((len(field_of_view), 2), float(self.config.image_size), device=field_of_view.device)
        return pinhole(size[:, 0] / 2 / (field_of_view / 2).tan(), size)

    def perceive(self, features: Float[Tensor, "F T D"], found: Detections, intrinsics: Float[Tensor, "F 3 3"]) -> AnnyPeople:
        """People at the detections, in their order; everything is read from the decoded query."""
        tokens = self.embed(features[:, 1:]) + self.position  # (F, P, people)
        y = self.decoder(at_patch(tokens, found), found.image, tokens)
        matrix = intrinsics[found.image]
        place = torch.stack((found.column, found.row), -1) + 0.5
        location = (place + self.offset(y).float()) * PATCH
        distance = matrix[:, 0, 0] / self.distance(y).float()[:, 0].exp().clamp(min=LEAST_EXPONENTIAL)
        return AnnyPeople(
            found.image,
            found.score,
            location,
            self.rotations(y),
            self.shape(y).float().sigmoid(),
            distance,
            back_project(location, distance, matrix),
        )

    def rotations(self, y: Float[Tensor, "P D"]) -> Float[Tensor, "P 163 3 3"]:
        """Rotation of every bone; those that do not move get the identity."""
        start = self.init_body_pose.expand(len(y), -1)
        six = (self.pose(torch.cat((y, start), -1)) + start).float()
        # Row by row of the first two columns, where the SMPL-X variants have column by column.
        rotations = rotations_from_6d(six.unflatten(-1, (BONES, 3, 2)).mT.flatten(-2))
        useful = self.useful_rotmat[..., None, None]
        return useful * rotations + (1 - useful) * torch.eye(3, device=y.device)


def sine_positions(side: int, dim: int) -> Float[Tensor, "P D"]:
    """Sines and cosines of places in a square grid, row by row: half of the channels code the column, half the row, each sin then cos.

    The frequencies fall from 1 to nearly 1/10000 geometrically (He et al., MAE, which takes them from Vaswani et al. 2017).
    """
    frequency = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angle = torch.arange(side, dtype=torch.float64)[:, None] * frequency
    code = torch.cat((angle.sin(), angle.cos()), -1)  # (side, dim / 2)
    column, row = code[None].expand(side, -1, -1), code[:, None].expand(-1, side, -1)
    return torch.cat((column, row), -1).flatten(0, 1).float()


def rest_pose() -> Float[Tensor, "978"]:
    """Where poses start: the first two columns of each bone's rotation, row by row; the root a quarter turn about x, else the identity."""
    columns = torch.eye(3)[:, :2].repeat(BONES, 1, 1)
    columns[0] = torch.tensor(((1.0, 0.0), (0.0, 0.0), (0.0, 1.0)))
    return columns.flatten()


def moving_bones() -> Float[Tensor, "163"]:
    """1 for the bones of `MOVING`, 0 for the others."""
    useful = torch.zeros(BONES)
    for first, end in MOVING:
        useful[first:end] = 1.0
    return useful


def _mlp(dim_in: int, dim: int, dim_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim_in, dim), nn.ReLU(), nn.Linear(dim, dim_out))
