"""The paper's two stages (CHROMM, arXiv 2603.12789): what it adds to the two branches, which stay as they are.

Known of them: stage 1 trains the SMPL decoder and the MLPs of fusion, mask and pelvis with L1 on 3D vertices and joints (weight 5.0), on 2D
projections and parameters, and binary cross-entropy for detection, mask and pelvis; the scale adjustment comes in after half of the epochs.
Stage 2 trains the pelvis MLP alone, by pelvis detection, reprojection and a Chamfer distance between visible vertices and the point map.

Not known, and chosen here: the other weights. Where the scale is adjusted, all depths of a scene are multiplied by r before they are
compared, with gradients through r, for that is how the pelvis is used. It is not where cameras' poses are told, as in the chain, where
they tell the scale: with r everywhere nothing holds the depths themselves, and they drifted to half as much again within 300 steps while
r made up for it. Vertices are some triangles spread over the body, and they and the
joints are compared from the head; the head's place (the paper's translation) has a term of its own, relative to its depth.

Different from the paper: the pelvis is regressed, as `PelvisHead` does, so its loss is L1 in place of cross-entropy, in both stages; the
detector belongs to the frozen encoder, so its cross-entropy has nothing to train and it is measured alone. What is called visible are the
triangles that face the camera within the image: others may hide them, which the Chamfer distance's limit is for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from chromm_ros.model.branches import Features
from chromm_ros.model.chromm import Chromm, ChrommOutput
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.inputs import Views
from chromm_ros.model.pinhole import compose, inside, move_pixels, project, sample_map
from chromm_ros.train import losses, scores
from chromm_ros.train.bodies import body_from_head, facing, joints_from_head
from chromm_ros.train.build import whole
from chromm_ros.train.stage import Defaults, Start
from chromm_ros.train.take_stage import TakeStage
from chromm_ros.train.targets import Batch, People

SHORTEST = 0.05
"""Head-pelvis length in the image below which a person says nothing of the scale, as a share of its height; as `ScaleConfig` has it."""
RATIOS = (0.5, 2.0)
"""r is kept between these."""
MOST_OFF = 2.0
"""Largest error of a pelvis that counts, metres at the person."""
TRUNCATED_M = 0.3
"""Distance at which the Chamfer distance stops to grow: beyond lies something else than the body."""


@dataclass(frozen=True)
class Look:
    """What the network says of one scene, and the truth."""

    out: ChrommOutput
    people: People
    intrinsics: Float[Tensor, "P 3 3"]
    """True ones, of each person's image."""
    scene_from_image: Float[Tensor, "P 3 3"]
    """Original pixels to those of the point map, of each person's image."""
    mask: Float[Tensor, "N h w"]
    """Share of each patch that shows people."""
    ratio: Float[Tensor, ""]
    """By which all depths of the scene are multiplied; 1 where the scale is not adjusted."""

    @property
    def head(self) -> Float[Tensor, "P 3"]:
        """Heads in their cameras, the scale adjusted."""
        return self.out.head_position * self.ratio


@dataclass(frozen=True)
class SmplStage(TakeStage):
    """Stage 1 of the paper."""

    name: str = "smpl"
    defaults: Defaults = field(default_factory=lambda: Defaults(steps=20_000, batch=4, lr=3e-4, warm_up=200))
    weights: tuple[tuple[str, float], ...] = (
        ("joints", 5.0), ("skin", 5.0), ("pixels", 1.0), ("root", 2.0), ("body", 1.0), ("hands", 0.1), ("shape", 0.02), ("place", 1.0),
        ("mask", 0.5), ("pelvis", 0.5),
    )  # fmt: skip  # terms side by side

    def build(self, start: Start) -> nn.Module:
        """The whole network, on the CPU."""
        return whole(start)

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        """All that the paper adds, but the expression, which nobody in the synthetic world has."""
        added = ("fuse.", "smpl.", "mask.", "pelvis.")
        return [(n, value) for n, value in network.named_parameters() if n.startswith(added) and "decexpression" not in n]

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All terms, means over the scenes."""
        told = looks(network, batch, adjust=progress >= 0.5, rigs=False)
        return _mean([self._terms(look) for look in told], dict(self.weights))

    def _terms(self, look: Look) -> dict[str, Tensor]:
        out, people = look.out, look.people
        joints, corners = body_from_head(out.bodies.rotations, out.bodies.betas)
        with torch.no_grad():
            true_joints, true_corners = body_from_head(people.rotations, people.betas)
        root, body, hands = losses.rotation_l1(out.bodies.rotations.float(), people.rotations)
        return {
            "joints": losses.mean((joints - true_joints)[:, :22].abs()),
            "skin": losses.mean((corners - true_corners).abs()),
            "pixels": _reprojection(joints, look),
            "root": root,
            "body": body,
            "hands": hands,
            "shape": losses.mean((out.bodies.betas - people.betas).abs()),
            "place": losses.mean((look.head - people.head).abs() / people.head[:, 2:]),
            "mask": losses.mask_entropy(out.mask, look.mask),
            "pelvis": _pelvis(look),
        }

    @torch.no_grad()
    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Detection by itself, everything else at the true heads; depth with and without the adjusted scale."""
        assert isinstance(network, Chromm)
        told = [self._scores(network, batch, index, look) for index, look in enumerate(looks(network, batch, adjust=True))]
        names = sorted({name for each in told for name in each})
        values = {name: [each[name] for each in told if not np.isnan(each.get(name, np.nan))] for name in names}
        return {name: float(np.mean(known)) if known else float("nan") for name, known in values.items()}

    def _scores(self, network: Chromm, batch: Batch, index: int, look: Look) -> dict[str, float]:
        frames, _ = batch.scene(index)
        out, people = look.out, look.people
        features = network.human.encode(batch.human_images[frames].float() / 255.0)
        found, pixel = network.human.find(features)
        truth = move_pixels(batch.views.human_from_image[people.heads.image], people.head_pixel)
        said = {
            **scores.detection(found, pixel, people.heads, truth, batch.open[frames]),
            "mask IoU": scores.overlap(out.mask, look.mask),
        }
        if not len(people.head):
            return said
        length = (people.pelvis_pixel - people.head_pixel).norm(dim=-1)
        return said | {
            "depth %": scores.relative(out.head_position[:, 2], people.head[:, 2]),
            "adjusted depth %": scores.relative(look.head[:, 2], people.head[:, 2]),
            "ratio": float(look.ratio),
            "pelvis %": float(100 * ((out.pelvis_pixel - people.pelvis_pixel).norm(dim=-1) / length.clamp(min=1)).nanmedian()),
            **scores.bodies(out.bodies.rotations.float(), out.bodies.betas, people),
        }

    @torch.no_grad()
    def panel(self, network: nn.Module, batch: Batch) -> UInt8[np.ndarray, "H W 3"]:
        """Input, truth (white) and estimate (yellow) of the first scene."""
        look, (frames, _) = next(looks(network, batch, adjust=False)), batch.scene(0)
        image = look.people.heads.image
        square = compose(batch.views.human_from_image[frames][image], look.intrinsics)[:, None]
        joints = joints_from_head(look.out.bodies.rotations, look.out.bodies.betas) + look.out.head_position[:, None]
        return scores.skeletons(batch.human_images[frames], image, project(joints, square), project(look.people.joints, square))


@dataclass(frozen=True)
class PelvisStage(SmplStage):
    """Stage 2 of the paper."""

    name: str = "pelvis"
    defaults: Defaults = field(default_factory=lambda: Defaults(steps=5_000, batch=4, lr=1e-4, warm_up=100))
    weights: tuple[tuple[str, float], ...] = (("pelvis", 1.0), ("pixels", 0.5), ("chamfer", 0.5))

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        """The pelvis MLP."""
        return [(name, value) for name, value in network.named_parameters() if name.startswith("pelvis.")]

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All terms, means over the scenes; the scale is always adjusted."""
        del progress
        return _mean([self._terms(look) for look in looks(network, batch, adjust=True)], dict(self.weights))

    def _terms(self, look: Look) -> dict[str, Tensor]:
        out = look.out
        with torch.no_grad():
            joints, corners = body_from_head(out.bodies.rotations, out.bodies.betas)
        return {"pelvis": _pelvis(look), "pixels": _reprojection(joints, look), "chamfer": chamfer(corners, look)}


def looks(network: nn.Module, batch: Batch, *, adjust: bool, rigs: bool = True) -> Iterator[Look]:
    """Scene by scene; the branches are frozen, so only what the paper adds costs memory.

    Args:
        network: CHROMM.
        batch: of scenes.
        adjust: whether people adjust the scale.
        rigs: even where cameras' poses are told.
    """
    assert isinstance(network, Chromm)
    with torch.no_grad():
        features = network.encode(batch.scene_images.float() / 255.0, batch.human_images.float() / 255.0)
    size = (batch.scene_images.shape[2], batch.scene_images.shape[3])
    for index in range(batch.scenes):
        frames, mine = batch.scene(index)
        people = _some(batch.people, mine, frames.start)
        views = _frames(batch.views, frames)
        out = network.decode(Features(features.scene[frames], features.human[frames]), views, size, heads=people.heads)
        intrinsics = batch.true_intrinsics[frames][people.heads.image]
        adjusted = adjust and (rigs or not bool(views.pose_known.any()))
        ratio = scale_ratio(out, views) if adjusted else out.head_position.new_ones(())
        yield Look(out, people, intrinsics, views.scene_from_image[people.heads.image], batch.mask[frames], ratio)


def scale_ratio(out: ChrommOutput, views: Views) -> Float[Tensor, ""]:
    """r: mean over people of the body's head-pelvis length in the image over the measured one; 1 where nobody may measure it.

    The paper's adjustment at test time, `reconstruct.scale.head_pelvis_ratio`, with gradients. A body looks too long where its depth is
    too small: r > 1 then moves everything away.
    """
    image, head = out.found.image, out.head_pixel
    measured: Tensor = (out.pelvis_pixel - head).norm(dim=-1)
    pelvis = joints_from_head(out.bodies.rotations, out.bodies.betas)[:, 0] + out.head_position
    projected: Tensor = (project(pelvis, out.intrinsics[image]) - head).norm(dim=-1)
    size = views.image_size[image]
    shortest = SHORTEST * size[:, 1]
    usable = (measured >= shortest) & (projected >= shortest) & (pelvis[:, 2] > losses.CLOSE) & inside(out.pelvis_pixel, size)
    if not bool(usable.any()):
        return measured.new_ones(())
    ratio: Tensor = (projected[usable] / measured[usable]).mean()
    return ratio.clamp(*RATIOS)


def chamfer(corners: Float[Tensor, "P W 3 3"], look: Look) -> Float[Tensor, ""]:
    """Chamfer distance between the triangles of the skin that the camera may see and what the point map shows at their pixels, metres.

    Both are in the adjusted scale, so a wrong pelvis, by a wrong r, drives them apart: the body keeps its size, the scene does not. Body and
    map are both the network's own, and so is the camera through which they meet.
    """
    image = look.people.heads.image
    placed = corners + look.head[:, None, None]
    middle, outside = placed.mean(-2), facing(placed)
    pixel = project(middle, look.out.intrinsics[image][:, None]).detach()
    terms = []
    for person, frame in enumerate(image.tolist()):
        points = look.out.scene.local_points[:1, frame]
        place = move_pixels(look.scene_from_image[person], pixel[person])
        size = torch.tensor((points.shape[2], points.shape[1]), device=place.device)
        seen = outside[person] & (middle[person, :, 2] > losses.CLOSE) & inside(place, size)
        if bool(seen.any()):
            zero = torch.zeros(int(seen.sum()), dtype=torch.long, device=place.device)
            shown = sample_map(points, zero, place[seen]) * look.ratio
            distance = torch.cdist(middle[person][seen], shown).clamp(max=TRUNCATED_M)
            terms.append(distance.amin(1).mean() + distance.amin(0).mean())
    return torch.stack(terms).mean() if terms else look.head.sum() * 0.0


def _reprojection(joints: Float[Tensor, "P 55 3"], look: Look) -> Float[Tensor, ""]:
    """Body joints through the true camera, in which the true place is; where intrinsics are told, the network's is the same."""
    people = look.people
    said = (joints + look.head[:, None])[:, :22]
    return losses.reprojection(said, people.joints[:, :22], look.intrinsics, people.head[:, 2])


def _pelvis(look: Look) -> Float[Tensor, ""]:
    """L1 of the pelvis' pixels, coarse and fine, in metres at the true head; behind the camera there are none."""
    said = torch.stack((look.out.pelvis_coarse, look.out.pelvis_pixel), 1)
    true = look.people.pelvis_pixel[:, None]
    there = torch.isfinite(true)
    off = torch.where(there, said - torch.where(there, true, 0.0), 0.0).abs().mean(dim=(1, 2))
    values = off / losses.metre(look.intrinsics, look.people.head[:, 2])
    return losses.mean(values.clamp(max=MOST_OFF), there.all(dim=(1, 2)))


def _mean(terms: list[dict[str, Tensor]], weights: dict[str, float]) -> dict[str, Tensor]:
    return {name: weight * torch.stack([each[name] for each in terms]).mean() for name, weight in weights.items()}


def _some(people: People, mine: Tensor, first: int) -> People:
    chosen: dict[str, Any] = {entry.name: getattr(people, entry.name)[mine] for entry in fields(people)}
    heads: Detections = chosen["heads"]
    return People(**{**chosen, "heads": replace(heads, image=heads.image - first)})


def _frames(views: Views, frames: slice) -> Views:
    values: dict[str, Any] = {entry.name: getattr(views, entry.name) for entry in fields(views)}
    chosen: dict[str, Any] = {name: None if value is None else value[frames] for name, value in values.items()}
    return Views(**chosen)
