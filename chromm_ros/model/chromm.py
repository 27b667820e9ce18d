"""CHROMM: Pi3X and Multi-HMR side by side, and heads that read both (arXiv 2603.12789).

    images ── scene.encode ── scene.decode ──► points, cameras, scale ───────────┐ depth at the head
       └───── human.encode ── heads found ──── fuse [scene; human] ── smpl ──────┴─► bodies in their cameras
                                                     └── pelvis, mask

Nothing of the human side enters the scene decoder (early fusion hurt its geometry), so the scene is Pi3X's own to the last bit.
`encode` looks at single frames and may be kept; `decode` sees the window.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import Detections, HumanBranch, at_patch, detect, strongest_per_image
from chromm_ros.model.inputs import Views
from chromm_ros.model.people_heads import Bodies, Fusion, MaskHead, PelvisHead, SmplDecoder
from chromm_ros.model.pinhole import back_project, compose, inside, intrinsics_from_rays, median_depth, move_pixels, sample_map
from chromm_ros.model.scene_branch import SceneBranch, SceneOutput

NEAREST = 0.1
"""Smallest depth of a head, metres: nearer is inside the camera."""


@dataclass(frozen=True)
class Picking:
    """Which detections become people."""

    score_min: float = 0.3
    """Lowest score."""
    nms: int = 3
    """Neighbourhood in which only the strongest stays, patches."""
    max_people: int = 16
    """Most people of one image."""


@dataclass(frozen=True)
class Features:
    """What the encoders say of F frames, each looked at alone."""

    scene: Float[Tensor, "F P D"]
    """Pi3X's patch tokens."""
    human: Float[Tensor, "F Q E"]
    """Multi-HMR's patch tokens."""


@dataclass(frozen=True)
class ChrommOutput:
    """What the network says of one window; pixels are those of the original images, lengths metres."""

    scene: SceneOutput
    """Pi3X's output, one scene of F views."""
    intrinsics: Float[Tensor, "F 3 3"]
    """Known ones, or fitted to Pi3X's rays."""
    mask: Float[Tensor, "F h w"]
    """Logit of a person in each patch of the scene's input."""
    found: Detections
    """The P people."""
    token: Float[Tensor, "P C"]
    """Fused token of each."""
    head_pixel: Float[Tensor, "P 2"]
    """Head in the image."""
    pelvis_coarse: Float[Tensor, "P 2"]
    """Pelvis by the head's token alone."""
    pelvis_pixel: Float[Tensor, "P 2"]
    """Pelvis, refined."""
    head_position: Float[Tensor, "P 3"]
    """Head in the camera."""
    bodies: Bodies
    """SMPL-X parameters."""


class Chromm(nn.Module):
    """The whole network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        scene_dim, human_dim, dim = 2 * config.scene.dim, config.human.dim, config.people.dim
        self.scene = SceneBranch(config.scene)
        self.human = HumanBranch(config.human)
        self.fuse = Fusion(scene_dim, human_dim, dim)
        self.smpl = SmplDecoder(config)
        self.mask = MaskHead(scene_dim, human_dim, dim)
        self.pelvis = PelvisHead(human_dim, dim)

    def forward(
        self,
        scene_images: Float[Tensor, "F 3 H W"],
        human_images: Float[Tensor, "F 3 S S"],
        views: Views,
        picking: Picking = Picking(),
    ) -> ChrommOutput:
        """One call from images in [0, 1] to everything."""
        return self.decode(
            self.encode(scene_images, human_images), views, (scene_images.shape[2], scene_images.shape[3]), picking
        )

    def blocks(self) -> Iterator[nn.Module]:
        """The transformer blocks of encoders and decoder, where nearly all the time goes; what torch.compile is for."""
        yield from self.scene.encoder.blocks
        yield from self.scene.decoder
        yield from self.human.backbone.blocks

    def encode(self, scene_images: Float[Tensor, "F 3 H W"], human_images: Float[Tensor, "F 3 S S"]) -> Features:
        """Features of single frames, images in [0, 1]."""
        return Features(self.scene.encode(scene_images), self.human.encode(human_images))

    def decode(
        self,
        features: Features,
        views: Views,
        size: tuple[int, int],
        picking: Picking = Picking(),
        heads: Detections | None = None,
    ) -> ChrommOutput:
        """The window from its frames' features.

        Args:
            features: of all F frames, in any order that `views` shares.
            views: what is known of the frames.
            size: height and width of the scene branch's input.
            picking: which detections become people.
            heads: people to describe instead of those that the network finds (for training).
        """
        # The scene, by Pi3X alone.
        scene = self.scene.decode(features.scene[None], size, views.conditions())
        fitted = intrinsics_from_rays(scene.rays[0], views.scene_from_image, views.image_size)
        intrinsics = torch.where(views.intrinsics_known[:, None, None], views.intrinsics, fitted)
        # Who is there, and the tokens of both branches at the heads.
        found = self.pick(features.human, views, picking) if heads is None else heads
        image_from_human = torch.linalg.inv(views.human_from_image)
        head = self.human.locate(features.human, found)
        head_pixel = move_pixels(image_from_human[found.image], head)
        head_scene = move_pixels(views.scene_from_image[found.image], head_pixel)
        grid = scene.tokens[0].unflatten(1, (size[0] // PATCH, size[1] // PATCH))  # (F, h, w, C)
        token = self.fuse(sample_map(grid, found.image, head_scene / PATCH), at_patch(features.human, found))
        # The bodies: rotations and shape from the token, depth from the scene plus a residual.
        bodies = self.smpl(token, found, features.human, compose(views.human_from_image, intrinsics))
        depth = median_depth(scene.local_points[0, ..., 2], found.image, head_scene) + bodies.depth_residual
        head_position = back_project(head_pixel, depth.clamp(min=NEAREST), intrinsics[found.image])
        # The pelvis in the image, coarse, then by the patch there.
        coarse = self.pelvis.first(token, head)
        coarse_pixel = move_pixels(image_from_human[found.image], coarse)
        on_image = inside(coarse_pixel, views.image_size[found.image])
        pelvis = self.pelvis.again(token, coarse, found, features.human, on_image)
        return ChrommOutput(
            scene=scene,
            intrinsics=intrinsics,
            mask=self.human_mask(features.human, grid, views),
            found=found,
            token=token.float(),
            head_pixel=head_pixel,
            pelvis_coarse=coarse_pixel,
            pelvis_pixel=move_pixels(image_from_human[found.image], pelvis),
            head_position=head_position,
            bodies=bodies,
        )

    def pick(self, human: Float[Tensor, "F Q E"], views: Views, picking: Picking) -> Detections:
        """Heads that are strong enough, strongest in their neighbourhood and on the image, not on its border."""
        found = detect(self.human.scores(human), picking.score_min, picking.nms)
        pixel = move_pixels(torch.linalg.inv(views.human_from_image)[found.image], self.human.locate(human, found))
        return strongest_per_image(found[inside(pixel, views.image_size[found.image])], picking.max_people)

    def human_mask(self, human: Float[Tensor, "F Q E"], grid: Float[Tensor, "F h w C"], views: Views) -> Float[Tensor, "F h w"]:
        """Logits per patch of the scene's input; the human features are resampled at its centres."""
        frames, rows, columns = grid.shape[:3]
        side = round(human.shape[1] ** 0.5)
        row, column = torch.meshgrid(
            torch.arange(rows, device=grid.device) + 0.5, torch.arange(columns, device=grid.device) + 0.5, indexing="ij"
        )
        centres = torch.stack((column, row), -1).flatten(0, 1) * PATCH  # (P, 2)
        human_from_scene = compose(views.human_from_image, torch.linalg.inv(views.scene_from_image))
        place = move_pixels(
            human_from_scene[:, None].expand(-1, len(centres), -1, -1), centres.expand(frames, -1, -1)
        )  # (F, P, 2), pixels of the square
        maps = human.float().mT.unflatten(-1, (side, side))
        there = nn.functional.grid_sample(
            maps, (2 * place / (side * PATCH) - 1)[:, None], align_corners=False, padding_mode="border"
        )
        return self.mask(grid.flatten(1, 2), there[:, :, 0].mT).unflatten(1, (rows, columns))  # type: ignore[no-any-return]
