"""CHROMM's own heads: who a person is (token fusion), how the body stands (SMPL decoder), where people are in the image (mask, pelvis).

Source: CHROMM, arXiv 2603.12789. The paper names the heads and what they read, not their form; each docstring says what we chose and why.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chromm_ros.model.config import PATCH, HumanConfig, NetworkConfig
from chromm_ros.model.human_branch import Detections, camera_embedding
from chromm_ros.model.human_heads import EXPRESSIONS, ROTATIONS, PeopleTransformer, mean_pose, rotations_from_6d
from chromm_ros.model.scene_heads import in_float32


@dataclass(frozen=True)
class Bodies:
    """SMPL-X parameters of P people, in their cameras."""

    rotations: Float[Tensor, "P 53 3 3"]
    """Rotation of every joint, 0 from body to camera."""
    betas: Float[Tensor, "P 10"]
    """Shape."""
    expression: Float[Tensor, "P 10"]
    """Expression."""
    depth_residual: Float[Tensor, "P"]
    """Metres from the scene's depth at the head to the head joint."""


class Fusion(nn.Module):
    """H = MLP[scene token; human token].

    The paper gives no form. One hidden layer is the least that can relate the two tokens; what needs more is left to the SMPL decoder, which
    is a transformer. Both inputs are normed first, because Pi3X's decoder ends without a norm and would drown the human token. Widths
    stand in `PeopleConfig`.
    """

    def __init__(self, scene_dim: int, human_dim: int, dim: int) -> None:
        super().__init__()
        self.norm_scene = nn.LayerNorm(scene_dim)
        self.norm_human = nn.LayerNorm(human_dim)
        self.fc1 = nn.Linear(scene_dim + human_dim, dim)
        self.fc2 = nn.Linear(dim, dim)

    def forward(self, scene: Float[Tensor, "*B C"], human: Float[Tensor, "*B D"]) -> Float[Tensor, "*B E"]:
        """Fused token."""
        both = torch.cat((self.norm_scene(scene), self.norm_human(human)), -1)
        return self.fc2(nn.functional.gelu(self.fc1(both)))  # type: ignore[no-any-return]  # modules are called untyped


class SmplDecoder(nn.Module):
    """H to SMPL-X parameters and the depth residual.

    The form is that of Multi-HMR's HPH (attention among the people of an image, then to its patches with their camera embedding): it is
    the design that was proven for this very task on these very features. Pose starts from a mean pose, everything else from zero: an
    average body at the depth that the scene shows. The residual is in metres and added, not a factor: it is mostly the way from the
    skin that the scene shows to the joint inside, which does not grow with the distance.
    """

    init_body_pose: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        human, people = config.human, config.people
        self.human: HumanConfig = human
        rays = 3 + 6 * human.bands
        self.transformer = PeopleTransformer(
            people.dim + rays, human.dim + rays, people.dim, people.mlp, people.heads, people.head_dim, people.depth
        )
        self.decpose = nn.Linear(people.dim, 6 * ROTATIONS)
        self.decshape = nn.Linear(people.dim, 10)
        self.decexpression = nn.Linear(people.dim, EXPRESSIONS)
        self.decdepth = nn.Linear(people.dim, 1)
        self.register_buffer("init_body_pose", mean_pose()[None])

    def forward(
        self,
        tokens: Float[Tensor, "K E"],
        found: Detections,
        features: Float[Tensor, "F P D"],
        intrinsics: Float[Tensor, "F 3 3"],
    ) -> Bodies:
        """Bodies of K people; `intrinsics` in pixels of the human branch's input."""
        side = round(features.shape[1] ** 0.5)
        rays = camera_embedding(intrinsics, side, self.human.bands, self.human.max_resolution).to(features.dtype)
        own_ray = rays[found.image, found.row * side + found.column]
        x = self.transformer(torch.cat((tokens, own_ray.to(tokens.dtype)), -1), found.image, torch.cat((features, rays), -1))
        pose = (in_float32(self.decpose, x) + self.init_body_pose).unflatten(-1, (ROTATIONS, 6))
        return Bodies(
            rotations=rotations_from_6d(pose),
            betas=in_float32(self.decshape, x),
            expression=in_float32(self.decexpression, x),
            depth_residual=in_float32(self.decdepth, x)[:, 0],
        )


class MaskHead(nn.Module):
    """Whether a patch of the scene's input shows a person: an MLP on the same pair of tokens as the fusion, at every patch.

    The paper says "mask MLP" and no more. One value per patch, not per pixel, is what a token can say without an upsampler of its own; who
    reads the mask asks which points belong to people, and errs to the safe side at their edges.
    """

    def __init__(self, scene_dim: int, human_dim: int, dim: int) -> None:
        super().__init__()
        self.fusion = Fusion(scene_dim, human_dim, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, scene: Float[Tensor, "F P C"], human: Float[Tensor, "F P D"]) -> Float[Tensor, "F P"]:
        """Logits."""
        return self.out(nn.functional.gelu(self.fusion(scene, human))).float()[..., 0]  # type: ignore[no-any-return]  # untyped modules


class PelvisHead(nn.Module):
    """Pelvis in the image: first from H, then again from the patch found there.

    Both are offsets in patches, from the head and from the centre of the patch, as Multi-HMR's own offset of the head is: regressed, not
    chosen from bins, since the second look needs only what is left within a patch. That patch is the backbone's single one under the
    coarse pixel; its token has seen its neighbours in every block, so more of them would add little. They are kept
    free of depth and focal length on purpose: the ratio of head-pelvis lengths in the image and of the body later measures the scale.
    """

    def __init__(self, human_dim: int, dim: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 2))
        self.fine = nn.Sequential(nn.Linear(dim + human_dim, dim), nn.GELU(), nn.Linear(dim, 2))

    def first(self, tokens: Float[Tensor, "K E"], head: Float[Tensor, "K 2"]) -> Float[Tensor, "K 2"]:
        """Coarse pixel in the square image, from the head's."""
        return head + PATCH * in_float32(self.coarse[-1], self.coarse[:-1](tokens))

    def again(
        self,
        tokens: Float[Tensor, "K E"],
        coarse: Float[Tensor, "K 2"],
        found: Detections,
        features: Float[Tensor, "F P D"],
        inside: Bool[Tensor, "K"],
    ) -> Float[Tensor, "K 2"]:
        """Refined pixel by the patch at the coarse one; coarse where that is not `inside` the image."""
        side = round(features.shape[1] ** 0.5)
        patch = (coarse / PATCH).floor().long().clamp(0, side - 1)  # (K, 2): column, row
        token = features[found.image, patch[:, 1] * side + patch[:, 0]]
        offset = in_float32(self.fine[-1], self.fine[:-1](torch.cat((tokens, token.to(tokens.dtype)), -1)))
        return torch.where(inside[:, None], (patch + 0.5 + offset) * PATCH, coarse)
