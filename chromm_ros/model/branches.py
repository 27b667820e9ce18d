"""The two published branches side by side: what CHROMM and compose mode share.

`encode` looks at single frames and may be kept; `look` sees the window. Nothing of the human side enters the scene decoder (early fusion
hurt its geometry), so the scene is Pi3X's own to the last bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from chromm_ros.model.config import NetworkConfig
from chromm_ros.model.human_branch import Detections, HumanBranch, strongest_per_image
from chromm_ros.model.inputs import Views
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.pinhole import NEAREST, back_project, fit_intrinsics, inside, median_depth, move_pixels
from chromm_ros.model.scene_branch import SceneBranch, SceneOutput
from chromm_ros.model.support import WEAK, supported


@dataclass(frozen=True)
class Picking:
    """Which detections become people. Score and neighbourhood are Multi-HMR's (demo.py), which made the detector; each image is alone in it.

    The paper names no most of people; 16 keeps the memory of a window known beforehand.
    """

    score_min: float = 0.3
    """Lowest score."""
    nms: int = 3
    """Neighbourhood in which only the strongest stays, patches."""
    max_people: int = 16
    """Most people of one image."""
    support: float = 0.0
    """What other moments and other cameras count in a score beside the own image, see `support.supported`."""

    @property
    def lowest(self) -> float:
        """Lowest score by the own image alone that may yet count."""
        return min(self.score_min, WEAK) if self.support else self.score_min

    @property
    def most(self) -> int:
        """Most heads of one image by the own image alone, so that one of equals is not cut here and there in turn."""
        return 2 * self.max_people if self.support else self.max_people


USUAL = Picking()
"""What holds where nobody says otherwise."""


@dataclass(frozen=True)
class Features:
    """What the encoders say of F frames, each looked at alone."""

    scene: Float[Tensor, "F P D"]
    """Pi3X's patch tokens."""
    human: Float[Tensor, "F Q E"]
    """Multi-HMR's patch tokens."""


@dataclass(frozen=True)
class Sight:
    """What both branches see of one window before any body is described."""

    scene: SceneOutput
    """Pi3X's output, one scene of F views."""
    intrinsics: Float[Tensor, "F 3 3"]
    """Known ones, or fitted to Pi3X's rays; pixels of the original images."""
    found: Detections
    """The P people."""
    head_human: Float[Tensor, "P 2"]
    """Head in pixels of the human branch's input."""
    head_pixel: Float[Tensor, "P 2"]
    """Head in the image."""
    head_scene: Float[Tensor, "P 2"]
    """Head in pixels of the scene branch's input."""

    def supported(self, views: Views, picking: Picking) -> "Sight":
        """Only the people who are strong enough by all images together, with the scores that they have by these."""
        image = self.found.image
        depth = self.scene.local_points[0, ..., 2]
        at_head = median_depth(depth, image, self.head_scene).clamp(min=NEAREST)
        head = back_project(self.head_pixel, at_head, self.intrinsics[image])
        poses = self.scene.world_from_cam[0]
        score = supported(self.found, self.head_pixel, head, depth, poses, self.intrinsics, views, picking.support)
        found = replace(self.found, score=score)
        stay = ((score >= picking.score_min) & strongest_per_image(found, picking.max_people)).nonzero()[:, 0]
        return replace(
            self,
            found=found[stay],
            head_human=self.head_human[stay],
            head_pixel=self.head_pixel[stay],
            head_scene=self.head_scene[stay],
        )


@dataclass(frozen=True)
class Output:
    """What is said of one window; pixels are those of the original images, lengths metres."""

    scene: SceneOutput
    """Pi3X's output, one scene of F views."""
    intrinsics: Float[Tensor, "F 3 3"]
    """Known ones, or fitted to Pi3X's rays."""
    mask: Float[Tensor, "F h w"]
    """Logit of a person in each patch of the scene's input."""
    found: Detections
    """The P people."""
    token: Float[Tensor, "P C"]
    """By which a person is told from others over time."""
    head_pixel: Float[Tensor, "P 2"]
    """Head in the image."""
    pelvis_pixel: Float[Tensor, "P 2"]
    """Pelvis in the image, or beyond it."""
    head_position: Float[Tensor, "P 3"]
    """Head in the camera."""
    bodies: Bodies
    """SMPL-X parameters."""


class Branches(nn.Module):
    """Pi3X and Multi-HMR's backbone with its detector; what describes people is added by those who inherit.

    Args:
        config: sizes.
        human: the human branch, with or without its own head.
    """

    intrinsics_fit: str = "robust"
    """How unknown intrinsics are fitted, as `ModelOptions` names it."""

    def __init__(self, config: NetworkConfig, human: HumanBranch) -> None:
        super().__init__()
        self.config = config
        self.scene = SceneBranch(config.scene)
        self.human = human

    def blocks(self) -> Iterator[nn.Module]:
        """The transformer blocks of encoders and decoder, where nearly all the time goes; what torch.compile is for."""
        yield from self.scene.encoder.blocks
        yield from self.scene.decoder
        yield from self.human.backbone.blocks

    def encode(self, scene_images: Float[Tensor, "F 3 H W"], human_images: Float[Tensor, "F 3 S S"]) -> Features:
        """Features of single frames, images in [0, 1]."""
        return Features(self.scene.encode(scene_images), self.human.encode(human_images))

    def look(
        self, features: Features, views: Views, size: tuple[int, int], picking: Picking, heads: Detections | None = None
    ) -> Sight:
        """The scene by Pi3X alone, the cameras, and who is there.

        Args:
            features: of all F frames, in any order that `views` shares.
            views: what is known of the frames.
            size: height and width of the scene branch's input.
            picking: which detections become people.
            heads: people to describe instead of those that the network finds (for training).
        """
        scene = self.scene.decode(features.scene[None], size, views.conditions())
        fitted = fit_intrinsics(scene.rays[0], views.scene_from_image, views.image_size, self.intrinsics_fit)
        found = self.pick(features.human, views, picking) if heads is None else heads
        head = self.human.locate(features.human, found)
        pixel = move_pixels(torch.linalg.inv(views.human_from_image)[found.image], head)
        sight = Sight(
            scene=scene,
            intrinsics=torch.where(views.intrinsics_known[:, None, None], views.intrinsics, fitted),
            found=found,
            head_human=head,
            head_pixel=pixel,
            head_scene=move_pixels(views.scene_from_image[found.image], pixel),
        )
        return sight if heads is not None or not picking.support else sight.supported(views, picking)

    def pick(self, human: Float[Tensor, "F Q E"], views: Views, picking: Picking) -> Detections:
        """Heads that may be strong enough, strongest in their neighbourhood and on the image, not on its border."""
        found, pixel = self.human.find(human, picking.lowest, picking.nms)
        pixel = move_pixels(torch.linalg.inv(views.human_from_image)[found.image], pixel)
        found = found[inside(pixel, views.image_size[found.image])]
        return found[strongest_per_image(found, picking.most)]
