"""CHROMM: Pi3X and Multi-HMR side by side, and heads that read both (arXiv 2603.12789).

    images ── scene.encode ── scene.decode ──► points, cameras, scale ───────────┐ depth at the head
       └───── human.encode ── heads found ──── fuse [scene; human] ── smpl ──────┴─► bodies in their cameras
                                                     └── pelvis, mask

Nothing of the human side enters the scene decoder (early fusion hurt its geometry), so the scene is Pi3X's own to the last bit.
`encode` looks at single frames and may be kept; `decode` sees the window. `branches.py` holds what compose mode shares.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chromm_ros.model.branches import USUAL, Branches, Features, Output, Picking
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import Detections, HumanBranch, at_patch
from chromm_ros.model.inputs import Views
from chromm_ros.model.people_heads import Fusion, MaskHead, PelvisHead, SmplDecoder
from chromm_ros.model.pinhole import NEAREST, back_project, compose, inside, median_depth, move_pixels, sample_map


@dataclass(frozen=True)
class ChrommOutput(Output):
    """What the network says of one window; pixels are those of the original images, lengths metres."""

    pelvis_coarse: Float[Tensor, "P 2"]
    """Pelvis by the head's token alone."""


class Chromm(Branches):
    """The whole network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, HumanBranch(config.human))
        scene_dim, human_dim, dim = 2 * config.scene.dim, config.human.dim, config.people.dim
        self.fuse = Fusion(scene_dim, human_dim, dim)
        self.smpl = SmplDecoder(config)
        self.mask = MaskHead(scene_dim, human_dim, dim)
        self.pelvis = PelvisHead(human_dim, dim)

    def forward(
        self,
        scene_images: Float[Tensor, "F 3 H W"],
        human_images: Float[Tensor, "F 3 S S"],
        views: Views,
        picking: Picking = USUAL,
    ) -> ChrommOutput:
        """One call from images in [0, 1] to everything."""
        return self.decode(
            self.encode(scene_images, human_images), views, (scene_images.shape[2], scene_images.shape[3]), picking
        )

    def decode(
        self,
        features: Features,
        views: Views,
        size: tuple[int, int],
        picking: Picking = USUAL,
        heads: Detections | None = None,
    ) -> ChrommOutput:
        """The window from its frames' features; arguments as `Branches.look`."""
        sight = self.look(features, views, size, picking, heads)
        scene, found, image_from_human = sight.scene, sight.found, torch.linalg.inv(views.human_from_image)
        # The tokens of both branches at the heads: the scene's between patches, for a head seldom lies at the centre of one, the human's
        # from the patch where it was found, which its detector was trained to describe it in.
        grid = scene.tokens[0].unflatten(1, (size[0] // PATCH, size[1] // PATCH))  # (F, h, w, C)
        token = self.fuse(sample_map(grid, found.image, sight.head_scene / PATCH), at_patch(features.human, found))
        # The bodies: rotations and shape from the token, depth from the scene plus a residual.
        bodies = self.smpl(token, found, features.human, compose(views.human_from_image, sight.intrinsics))
        depth = median_depth(scene.local_points[0, ..., 2], found.image, sight.head_scene) + bodies.depth_residual
        # The pelvis in the image, coarse, then by the patch there.
        coarse = self.pelvis.first(token, sight.head_human)
        coarse_pixel = move_pixels(image_from_human[found.image], coarse)
        on_image = inside(coarse_pixel, views.image_size[found.image])
        pelvis = self.pelvis.again(token, coarse, found, features.human, on_image)
        return ChrommOutput(
            scene=scene,
            intrinsics=sight.intrinsics,
            mask=self.human_mask(features.human, grid, views),
            found=found,
            token=token.float(),
            head_pixel=sight.head_pixel,
            pelvis_coarse=coarse_pixel,
            pelvis_pixel=move_pixels(image_from_human[found.image], pelvis),
            head_position=back_project(sight.head_pixel, depth.clamp(min=NEAREST), sight.intrinsics[found.image]),
            bodies=bodies,
        )

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
