"""Stage 0 of the human branch, as Multi-HMR trains: find heads, then say the body at each true head.

Ours, since no encoder of nano's size can be downloaded. The whole of Multi-HMR is trained, its own head (HPH) included; CHROMM's SMPL
decoder later starts from that head's layers.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from chromm_ros.model.compose import Composed
from chromm_ros.model.config import PATCH
from chromm_ros.model.human_branch import Detections, at_patch
from chromm_ros.model.human_heads import PeopleOutput
from chromm_ros.model.pinhole import back_project, compose, move_pixels, project
from chromm_ros.train import losses, scores
from chromm_ros.train.bodies import joints_from_head
from chromm_ros.train.build import composed
from chromm_ros.train.stage import Defaults, Start
from chromm_ros.train.take_stage import TakeStage
from chromm_ros.train.targets import Batch, Knowledge

WEIGHTS = {
    "detection": 1.0,
    "offset": 0.5,
    "distance": 1.0,
    "root": 2.0,
    "body": 1.0,
    "hands": 0.1,
    "shape": 0.02,
    "joints": 5.0,
    "pixels": 1.0,
}
"""Joints 5.0 as in CHROMM's stage 1; half of what is left goes to the root: from far away it is most of a pose, and hardest to learn.
Hands and shape show little at nano's size."""
GUESS = 0.15
"""Relative error (standard deviation) of a focal length where intrinsics are not told: about that of one read off Pi3X's rays."""


@dataclass(frozen=True)
class HumanStage(TakeStage):
    """Trains `human.*` of a composed network."""

    name: str = "human"
    defaults: Defaults = field(default_factory=lambda: Defaults(steps=20_000, batch=4, lr=4e-4, warm_up=300))
    knowledge: Knowledge = field(default_factory=lambda: Knowledge(intrinsics=0.85, poses=0.0, depth=0.0, nothing=0.0))

    def build(self, start: Start) -> nn.Module:
        """Both branches side by side, on the CPU."""
        return composed(start)

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        """All of the human branch but the expression, which nobody in the synthetic world has."""
        return [(n, value) for n, value in network.named_parameters() if n.startswith("human.") and "decexpression" not in n]

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All terms of `WEIGHTS`; a detector that is drawn learns by focal entropy for a quarter of the run, by plain one from the middle on."""
        assert isinstance(network, Composed)
        human, people = network.human, batch.people
        features = human.encode(batch.human_images.float() / 255.0)
        side = round(features.shape[1] ** 0.5)
        logits = human.classifier(features).float()[..., 0].unflatten(1, (side, side))
        offset = human.offset(at_patch(features, people.heads)).float()
        intrinsics = self._told(batch)
        said = human.perceive(features, people.heads, intrinsics)
        exponent = 0.0 if self.begun else 2.0 * min(max(2.0 - 4.0 * progress, 0.0), 1.0)
        terms = {
            "detection": losses.detection(logits, people.heads, batch.open, exponent),
            "offset": losses.mean((offset - _offset(batch)).abs()),
            "distance": losses.mean(losses.log_ratio(said.distance.float(), people.head[:, 2])),
            "shape": losses.mean((said.betas[:, :10].float() - people.betas).abs()),
        }
        terms["root"], terms["body"], terms["hands"] = losses.rotation_l1(said.rotations.float(), people.rotations)
        terms |= _joint_terms(said, batch)
        return {name: WEIGHTS[name] * value for name, value in terms.items()}

    @torch.no_grad()
    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Detection by itself, bodies at the true heads."""
        assert isinstance(network, Composed)
        human, people = network.human, batch.people
        features = human.encode(batch.human_images.float() / 255.0)
        found, pixel = human.find(features)
        said = human.perceive(features, people.heads, compose(batch.views.human_from_image, batch.true_intrinsics))
        truth = move_pixels(batch.views.human_from_image[people.heads.image], people.head_pixel)
        return {
            **scores.detection(found, pixel, people.heads, truth, batch.open),
            "distance %": scores.relative(said.distance, people.head[:, 2]),
            **scores.bodies(said.rotations.float(), said.betas[:, :10].float(), people),
        }

    @torch.no_grad()
    def panel(self, network: nn.Module, batch: Batch) -> UInt8[np.ndarray, "H W 3"]:
        """Input, truth (white) and estimate (yellow) of some images."""
        assert isinstance(network, Composed)
        people = batch.people
        features = network.human.encode(batch.human_images.float() / 255.0)
        intrinsics = compose(batch.views.human_from_image, batch.true_intrinsics)
        said = network.human.perceive(features, people.heads, intrinsics)
        head = network.human.locate(features, people.heads)
        k = intrinsics[people.heads.image]
        place = back_project(head, said.distance.float().clamp(min=0.1), k)
        joints = joints_from_head(said.rotations, said.betas[:, :10]) + place[:, None]
        return scores.skeletons(
            batch.human_images, people.heads.image, project(joints, k[:, None]), project(people.joints, k[:, None])
        )

    def _told(self, batch: Batch) -> Float[Tensor, "F 3 3"]:
        """Intrinsics in pixels of the square image, their focal length wrong by chance where they are not told."""
        intrinsics = compose(batch.views.human_from_image, batch.true_intrinsics).clone()
        wrong = (GUESS * torch.randn(len(intrinsics), device=intrinsics.device)).exp()
        factor = torch.where(batch.views.intrinsics_known, torch.ones_like(wrong), wrong)
        intrinsics[:, 0, 0] *= factor
        intrinsics[:, 1, 1] *= factor
        return intrinsics


def _offset(batch: Batch) -> Float[Tensor, "P 2"]:
    """Where each head lies in its patch, in patches from the centre."""
    heads: Detections = batch.people.heads
    place = move_pixels(batch.views.human_from_image[heads.image], batch.people.head_pixel) / PATCH
    return place - torch.stack((heads.column, heads.row), -1) - 0.5


def _joint_terms(said: PeopleOutput, batch: Batch) -> dict[str, Tensor]:
    """Body joints from the head, and their pixels with the true head (depth is the distance's business)."""
    people = batch.people
    joints = joints_from_head(said.rotations, said.betas[:, :10])[:, :22]
    true = people.joints[:, :22]
    intrinsics = compose(batch.views.human_from_image, batch.true_intrinsics)[people.heads.image]
    return {
        "joints": losses.mean((joints - (true - people.head[:, None])).abs()),
        "pixels": losses.reprojection(joints + people.head[:, None], true, intrinsics, people.head[:, 2]),
    }
