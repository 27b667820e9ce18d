"""Multi-HMR's human branch: a backbone over the square image, who is where in it, and the camera told to every patch.

Source: naver/multi-hmr, model.py, blocks/{dinov2,camera_embed}.py, utils/{camera,humans}.py (facts only; its code is non-commercial).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from chromm_ros.model.config import PATCH, HumanConfig
from chromm_ros.model.scene_branch import IMAGE_MEAN, IMAGE_STD
from chromm_ros.model.vit import VisionTransformer

SCORE_EDGE = 1e-4
"""Scores are kept this far from 0 and 1."""


@dataclass(frozen=True)
class Detections:
    """P heads found in the images, by (image, row, column)."""

    image: Int[Tensor, "P"]
    """Whose image."""
    row: Int[Tensor, "P"]
    """Row of the patch."""
    column: Int[Tensor, "P"]
    """Column of the patch."""
    score: Float[Tensor, "P"]
    """Score in [0, 1]."""

    def __getitem__(self, which: Tensor) -> "Detections":
        """Some of them, by mask or index."""
        return Detections(self.image[which], self.row[which], self.column[which], self.score[which])


class HumanBranch(nn.Module):
    """Backbone, detection of heads and their place."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: HumanConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.backbone = VisionTransformer(
            dim, config.depth, config.heads, config.pos_grid, registers=0, antialias=False, stem=config.stem
        )
        self.classifier = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        self.offset = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 2))
        # Constants that Multi-HMR's files do not hold.
        self.register_buffer("image_mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)

    def encode(self, images: Float[Tensor, "F 3 S S"]) -> Float[Tensor, "F P D"]:
        """Patch tokens of square images in [0, 1]."""
        return self.backbone((images - self.image_mean) / self.image_std)  # type: ignore[no-any-return]  # modules are untyped

    def scores(self, features: Float[Tensor, "F P D"]) -> Float[Tensor, "F n n"]:
        """Score of a head in every patch, in [1e-4, 1 - 1e-4]."""
        side = round(features.shape[1] ** 0.5)
        logits = self.classifier(features).float()[..., 0].unflatten(1, (side, side))
        return logits.sigmoid().clamp(SCORE_EDGE, 1 - SCORE_EDGE)  # type: ignore[no-any-return]  # modules are untyped

    def locate(self, features: Float[Tensor, "F P D"], found: Detections) -> Float[Tensor, "K 2"]:
        """Pixel (x, y) of every head in the square image."""
        offset = self.offset(at_patch(features, found)).float()
        return (torch.stack((found.column, found.row), -1) + 0.5 + offset) * PATCH  # type: ignore[no-any-return]

    def find(
        self, features: Float[Tensor, "F P D"], score_min: float = 0.3, nms: int = 3
    ) -> tuple[Detections, Float[Tensor, "K 2"]]:
        """Heads, and their pixels in the square image; `HumanConfig.apart` goes before `nms`."""
        apart = self.config.apart * PATCH
        found = detect(self.scores(features), score_min, 1 if apart else nms)
        pixel = self.locate(features, found)
        if not apart:
            return found, pixel
        stay = strongest_around(found, pixel, apart)
        return found[stay], pixel[stay]


def at_patch(features: Float[Tensor, "F P D"], found: Detections) -> Float[Tensor, "K D"]:
    """Token of the patch in which each head was found."""
    side = round(features.shape[1] ** 0.5)
    return features[found.image, found.row * side + found.column]


def detect(scores: Float[Tensor, "F n n"], score_min: float, nms: int) -> Detections:
    """Heads: the strongest of their neighbourhood of `nms` x `nms` patches (ties all stay) with at least `score_min`."""
    kept = suppress(scores, nms)
    image, row, column = (kept >= score_min).nonzero(as_tuple=True)
    return Detections(image, row, column, kept[image, row, column])


def suppress(scores: Float[Tensor, "F n n"], nms: int) -> Float[Tensor, "F n n"]:
    """Scores with all but the strongest of each neighbourhood set to zero; an even neighbourhood reaches up and left, as upstream."""
    if nms <= 1:
        return scores
    padding = nms // 2 if nms in (2, 4) else (nms - 1) // 2
    strongest = nn.functional.max_pool2d(scores[:, None], nms, stride=1, padding=padding)[:, 0]
    return scores * (scores == strongest[:, : scores.shape[1], : scores.shape[2]])


def strongest_around(found: Detections, pixel: Float[Tensor, "K 2"], apart: float) -> Bool[Tensor, "K"]:
    """Which heads have no stronger one of their image within `apart` pixels; of equals the first."""
    stronger = (found.image[:, None] == found.image) & _before(found)
    return ~(stronger & (torch.cdist(pixel, pixel) < apart)).any(1)


def strongest_per_image(found: Detections, most: int) -> Bool[Tensor, "K"]:
    """Which heads are among the `most` strongest of their image; of equals the first."""
    return ((found.image[:, None] == found.image) & _before(found)).sum(1) < most


def places_in_image(image: Int[Tensor, "P"], images: int) -> tuple[Int[Tensor, "P"], Int[Tensor, "F"]]:
    """Place of each of the P people, sorted by image, among those of its image, and how many each of the F images has."""
    count = image.bincount(minlength=images)
    return torch.arange(len(image), device=image.device) - (count.cumsum(0) - count)[image], count


def _before(found: Detections) -> Bool[Tensor, "K K"]:
    """Which detection (column) is stronger than which (row), or as strong and earlier."""
    first = torch.arange(len(found.score), device=found.score.device)
    return (found.score > found.score[:, None]) | ((found.score == found.score[:, None]) & (first < first[:, None]))


def camera_embedding(intrinsics: Float[Tensor, "F 3 3"], side: int, bands: int, max_resolution: int) -> Float[Tensor, "F P E"]:
    """What each patch knows of its ray: the ray and its sines and cosines, 3 + 6 x bands channels.

    Upstream unprojects (row, column) as if they were (x, y), a transposed map of rays; the published weights were trained with it.
    """
    place = torch.arange(side, device=intrinsics.device) * float(PATCH) + PATCH // 2
    row, column = torch.meshgrid(place, place, indexing="ij")
    pixels = torch.stack((row, column, torch.ones_like(row)), -1).flatten(0, 1)  # (P, 3), row first
    rays = (torch.linalg.inv(intrinsics)[:, None] * pixels[:, None]).sum(-1)  # (F, P, 3); autocast would round a product
    return fourier(rays, bands, max_resolution)


def fourier(rays: Float[Tensor, "*B 3"], bands: int, max_resolution: int) -> Float[Tensor, "*B E"]:
    """The rays, then sin and cos of pi r f for f from 1 to half the resolution."""
    frequency = torch.linspace(1.0, max_resolution / 2, bands, device=rays.device, dtype=rays.dtype)
    angle = (rays[..., None] * frequency * torch.pi).flatten(-2)  # (*B, 3 bands)
    return torch.cat((rays, angle.sin(), angle.cos()), -1)
