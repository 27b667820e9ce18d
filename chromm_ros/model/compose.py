"""Compose mode: the two published networks side by side, without CHROMM's own heads.

    images ── scene.encode ── scene.decode ──► points, cameras, scale ── s' ─► the scene in metres that the bodies agree with
       └───── human.encode ── heads found ──── perceive (Multi-HMR's own head, in Pi3X's cameras) ─► bodies in their cameras

For the day when only the published files of Pi3X and Multi-HMR exist. `Composed` is the network; `compose_people` puts what it says
together and needs a body for it, which the caller brings.
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from chromm_ros.model.branches import USUAL, Branches, Features, Output, Picking, Sight
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.human_heads import FARTHEST, MultiHmr, PeopleOutput
from chromm_ros.model.inputs import Views
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.pinhole import NEAREST, back_project, compose, inside, median_depth, project
from chromm_ros.model.scene_branch import SceneOutput

RATIO_LIMIT = 5.0
"""Largest factor, up or down, by which people change the scale of Pi3X. Its own is metric, wrong by tens of percent and seldom by two:
whoever asks for more than five stands on a screen, or is a doll, or is no person."""
THICKNESS = 0.4
"""How far, in metres, the scene may lie before or behind a vertex that it shows: a body's depth, and what both networks err within it."""
TOKEN_LENGTH = 5.0
"""Length of a person's token; see `compose_people`."""
SURE = 8.0
"""Logit of a patch that shows a person, and minus that of one that does not: 0.9997 and 0.0003."""
AT_ONCE = 64
"""Bodies whose vertices are posed at a time: some 200 MB."""
PELVIS, HEAD = 0, 15


@runtime_checkable
class PosableBody(Protocol):
    """What is asked of a body here; `body.smplx_body.SmplxBody` is one. Parameters are rotation matrices, lengths are metres."""

    def to(self, device: torch.device | str) -> "PosableBody":
        """The same on a device."""

    def pose_joints(
        self,
        rotations: Float[Tensor, "B 55 3 3"],
        betas: Float[Tensor, "B 10"],
        expression: Float[Tensor, "B 10"],
        transl: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B 55 3"]:
        """Joints."""

    def pose_vertices(
        self,
        rotations: Float[Tensor, "B 55 3 3"],
        betas: Float[Tensor, "B 10"],
        expression: Float[Tensor, "B 10"],
        transl: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B V 3"]:
        """Vertices."""


@dataclass(frozen=True)
class Apart:
    """What the two networks say of one window, each in its own scale."""

    sight: Sight
    """Pi3X's scene, untouched, and who is in it."""
    people: PeopleOutput
    """Multi-HMR's bodies and their distances."""


class Composed(Branches):
    """Pi3X and the whole of Multi-HMR."""

    human: MultiHmr

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config, MultiHmr(config.human))

    def decode(
        self,
        features: Features,
        views: Views,
        size: tuple[int, int],
        picking: Picking = USUAL,
        heads: Detections | None = None,
    ) -> Apart:
        """The window from its frames' features; arguments as `Branches.look`.

        Multi-HMR sees Pi3X's cameras: known intrinsics, else those fitted to Pi3X's rays, moved to its padded square.
        """
        sight = self.look(features, views, size, picking, heads)
        square: Float[Tensor, "F 3 3"] = compose(views.human_from_image, sight.intrinsics)
        return Apart(sight, self.human.perceive(features.human, sight.found, square))


def compose_people(apart: Apart, views: Views, body: PosableBody) -> Output:
    """One answer from the two networks: the scene in the scale that the bodies ask for, the people in it.

    - The head lies on the ray of its pixel at the depth that Multi-HMR gives, and nothing moves it: the scene comes to the people.
    - The pelvis in the image is the projection of the posed body's. So head-pelvis lengths in the image agree with the bodies, and who
      later measures the scale by them finds nothing left to do.
    - Of 11 betas the first ten stay: they are coefficients of principal components in the order of their variance, each independent of
      those that follow, so the ten are the best body of ten and the eleventh its smallest correction.
    - The token is that of Multi-HMR's last layer, from which pose, shape and distance are read: it has attended to the whole person, and
      two sights of one person who hardly moved are near in it. (The backbone's token at the head knows the head alone, and jumps
      whenever the head crosses into the next patch.) The layer ends without a norm, while tracking compares distances of tokens with a
      dustbin of 10 (`reconstruct/transport.py`). So the token gets the length 5: only opposite tokens are that far apart.
    - Nobody trained a mask: the patches on which the bodies fall, `body_mask`.

    Args:
        apart: what `Composed.decode` gave; must not run under autocast, in which a pixel is worth eight.
        views: as there.
        body: on the same device.
    """
    sight, people = apart.sight, apart.people
    scene, image, cameras = sight.scene, sight.found.image, sight.intrinsics[sight.found.image]
    depth = people.distance.clamp(min=NEAREST)
    seen = median_depth(scene.local_points[0, ..., 2], image, sight.head_scene)
    scale = scene_scale(people.distance, seen)
    head = back_project(sight.head_pixel, depth, cameras)
    params = (in_smplx_order(people.rotations), people.betas[:, :10], people.expression)
    joints = body.pose_joints(*params, torch.zeros_like(head))
    transl = head - joints[:, HEAD]
    own = torch.where(believable(people.distance, seen), depth / seen, scale)
    mask = body_mask(
        body, (*params, transl), image, own, scene.local_points[0, ..., 2], compose(views.scene_from_image[image], cameras)
    )
    return Output(
        scene=rescaled(scene, scale),
        intrinsics=sight.intrinsics,
        mask=torch.where(mask, SURE, -SURE),
        found=sight.found,
        token=TOKEN_LENGTH * nn.functional.normalize(people.token, dim=-1),
        head_pixel=sight.head_pixel,
        pelvis_pixel=project(transl + joints[:, PELVIS], cameras),
        head_position=head,
        bodies=Bodies(people.rotations, params[1], params[2], depth - scale * seen),
    )


def believable(body_depth: Float[Tensor, "P"], scene_depth: Float[Tensor, "P"]) -> Bool[Tensor, "P"]:
    """Whether a pair of depths says something of the scale: not at the ends to which Multi-HMR's distance is clamped."""
    return (body_depth > NEAREST) & (body_depth < FARTHEST) & (scene_depth > 0)


def scene_scale(body_depth: Float[Tensor, "P"], scene_depth: Float[Tensor, "P"]) -> Float[Tensor, ""]:
    """Factor that brings the scene to the people: the median of body depth / scene depth at the heads of all frames.

    The median (of the logarithm, so that far and near count alike) is not moved by a wild person. It is held within `RATIO_LIMIT`, up and
    down. Without anybody the scene keeps Pi3X's own scale, 1. The scene shows the skin and a body's head is the joint in it, some 0.1 m
    behind; so scenes become too deep by that part of their people's distance, 3 % at 3 m.
    """
    known = believable(body_depth, scene_depth)
    if not bool(known.any()):
        return torch.ones((), device=body_depth.device)
    ratio = (body_depth[known] / scene_depth[known]).log().quantile(0.5).exp()
    return ratio.clamp(1 / RATIO_LIMIT, RATIO_LIMIT)


def rescaled(scene: SceneOutput, scale: Float[Tensor, ""]) -> SceneOutput:
    """The scene with everything that has a length multiplied: points, places of the cameras, metric scale."""
    poses = scene.world_from_cam.clone()
    poses[..., :3, 3] *= scale
    return replace(scene, local_points=scene.local_points * scale, world_from_cam=poses, metric=scene.metric * scale)


def body_mask(
    body: PosableBody,
    params: tuple[Tensor, Tensor, Tensor, Tensor],
    image: Int[Tensor, "P"],
    scale: Float[Tensor, "P"],
    depth: Float[Tensor, "F H W"],
    intrinsics: Float[Tensor, "P 3 3"],
) -> Bool[Tensor, "F h w"]:
    """Patches on which a vertex of somebody's body falls, where the scene agrees that it is there.

    Each person is compared with the scene in the scale in which the two agree at the own head, so one whose distance is wrong is masked
    all the same. Then the scene must lie within `THICKNESS` of the vertex: whoever stands behind a table does not mask the table, and a
    body that is posed wrongly does not mask the wall beside the person.

    Args:
        body: to be posed.
        params: rotations, betas, expression and translations of the P bodies in their cameras.
        image: whose image shows each.
        scale: metres of the body's per unit of `depth`, of each person.
        depth: along z, of the scene's input.
        intrinsics: of each person's camera in pixels of the scene's input.
    """
    height, width = depth.shape[1:]
    mask = torch.zeros(len(depth), height // PATCH, width // PATCH, dtype=torch.bool, device=depth.device)
    for some in torch.arange(len(image), device=image.device).split(AT_ONCE):
        vertices = body.pose_vertices(*(value[some] for value in params))  # (B, V, 3)
        pixel = project(vertices, intrinsics[some, None])
        # Comparisons are false for NaN, which stays a person's own trouble: nothing is looked up by it.
        on_image = (vertices[..., 2] > NEAREST) & inside(pixel, torch.tensor((width, height), device=pixel.device))
        person = some[:, None].expand_as(on_image)[on_image]  # of each vertex on the image, (N,)
        column, row = pixel[on_image].long().unbind(-1)
        there = scale[person] * depth[image[person], row, column]
        hit = (vertices[on_image][:, 2] - there).abs() < THICKNESS
        mask[image[person][hit], row[hit] // PATCH, column[hit] // PATCH] = True
    return mask


def in_smplx_order(rotations: Float[Tensor, "P 53 3 3"]) -> Float[Tensor, "P 55 3 3"]:
    """Multi-HMR's rotations as SMPL-X takes them: jaw and eyes, which look ahead, between body and hands.

    `body.placed` has the same under the same name: neither package may import the other, and what both may import knows no torch.
    """
    body, hands, jaw = rotations[:, :22], rotations[:, 22:52], rotations[:, 52:]
    return torch.cat((body, jaw, torch.eye(3, device=jaw.device).expand(len(jaw), 2, 3, 3), hands), 1)
