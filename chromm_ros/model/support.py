"""Whether a head is one, by more than its own image: what other moments of its camera say of it, and other cameras of its moment.

A detector of single images is unsure of heads that are small, half hidden or blurred. But nobody comes and goes within a tenth of a
second, and where cameras are known, a head in one image lies on a line in every other. So detections too weak to count are asked for
as well (`WEAK`), and the logit l of each becomes

    (l + w m + w c) / (1 + w + w)

with m the mean over the neighbouring moments and c that over the other cameras into whose images the head falls, each of the best logit
there that supports it, `ABSENT` where none does. Who has nothing to say falls away: a moment in which the head may have left the image, a
camera that has something nearer before the head, or one whose heads and ours do not meet at all, as where a pose or the scale is
wrong. A head elsewhere supports at most one of an image, so a second detection of somebody does not gain by the first.

This also makes `score_min` stricter for heads that the others contradict: with the default, 0.3 asks for 0.5 in the own image where the
other moments or the other cameras see nobody, and for 0.69 where both do. From cameras the line of sight is all that counts, and along it a factor:
where cameras stand at the height of heads, a weak detection that is nobody may lie on the line to somebody else.

The paper has no such step, nor have the published networks: `ModelOptions.support` 0 is theirs. All this is asked of detections, before
any body is decoded. With `nano` it takes the F1 of heads from 0.917 to 0.935, that of people from 0.927 to 0.948 (64 held-out takes in
suits, 4 cameras, intrinsics and poses known).
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from chromm_ros.model.human_branch import Detections, places_in_image
from chromm_ros.model.inputs import Views
from chromm_ros.model.pinhole import NEAREST, inside, project
from chromm_ros.model.rope import invert_rigid
from chromm_ros.model.scene_heads import without_autocast

WEAK = 0.1
"""Lowest score by the own image alone: with lower ones more would be found, and decoded in vain, for hardly a better F1."""
SURE = 0.3
"""Score of a detection that is somebody if cameras agree at all."""
ABSENT = -2.5
"""Logit where a head should be and none is found: a score of 0.08."""
REACH_S = 0.25
"""How far in time other moments say something, seconds."""
JITTER = 0.02
"""How far the detection of a head that stays may move, as a share of the image's longer side."""
SPEED_MPS = 1.5
"""How fast a head moves on top of that, and of what the camera does, metres a second."""
GAP_M, GAP_SHARE = 0.1, 0.02
"""Nearest distance of the lines of sight of one head from two cameras, metres, and how it grows with the distance from them."""
FACTOR = 2.0
"""By which the scene's depth may be wrong at a head, up and down."""
PARALLEL = 1e-3
"""Squared sine of the angle (2 degrees) between lines of sight at which the depth says as much of where they meet as the lines do."""
EXACT = "donot_use_mm_for_euclid_dist"
"""How `torch.cdist` measures: by products of matrices, its way with many, pixels would come out rounded."""
LEAN = 0.25
"""By how much a likely head is preferred where one elsewhere may support two: a logit higher by 1 makes up for a quarter of the distance in
the image, or of the gap between lines, that is allowed."""


def supported(
    found: Detections,
    pixel: Float[Tensor, "P 2"],
    head: Float[Tensor, "P 3"],
    depth: Float[Tensor, "F H W"],
    poses: Float[Tensor, "F 4 4"],
    intrinsics: Float[Tensor, "F 3 3"],
    views: Views,
    weight: float,
) -> Float[Tensor, "P"]:
    """Scores in [0, 1] of P heads by their own images, other moments and other cameras.

    Args:
        found: the heads, sorted by image, with the scores by these alone.
        pixel: of the heads in the original images.
        head: of the heads in their cameras, metres by the scene's depth.
        depth: of the scene, metres along z, at its input.
        poses: world_from_cam of the F frames as the network sees them, for cameras that move and are not known.
        intrinsics: of the frames, original pixels.
        views: when and by which camera the frames were seen, and whose poses are known.
        weight: of the other moments, and of the other cameras, beside 1 of the own image.
    """
    if not len(found.score):
        return found.score
    with without_autocast(pixel.device):
        table = _places(found.image, len(views.step))
        own = found.score.float().logit()
        logit = torch.where(table >= 0, own[table], -torch.inf)
        heads = table.clamp(min=0)
        pixels, places = pixel.float()[heads], head.float()[heads]
        total, weights = own, torch.ones_like(own)
        for said, told in (
            _moments(logit, pixels, places, poses.float(), intrinsics, views),
            _cameras(logit, places, depth, intrinsics, views),
        ):
            total = total + weight * said[table >= 0]  # the order of the table is that of the heads
            weights = weights + weight * told[table >= 0]
        return (total / weights).sigmoid()


def _places(image: Int[Tensor, "P"], frames: int) -> Int[Tensor, "F M"]:
    """Index of the heads of each frame, -1 beyond the last."""
    slot, count = places_in_image(image, frames)
    table = torch.full((frames, int(count.max())), -1, device=image.device)
    table[image, slot] = torch.arange(len(image), device=image.device)
    return table


def _moments(
    logit: Float[Tensor, "F M"],
    pixel: Float[Tensor, "F M 2"],
    head: Float[Tensor, "F M 3"],
    poses: Float[Tensor, "F 4 4"],
    intrinsics: Float[Tensor, "F 3 3"],
    views: Views,
) -> tuple[Float[Tensor, "F M"], Bool[Tensor, "F M"]]:
    """What neighbouring moments of the same camera say, and of whom they say anything.

    A head is looked for where it was in the image, and where it comes to lie if the camera moved as its known poses say, or else the
    network's: a network that does not know better makes nothing worse where the camera stands.
    """
    apart = (views.seconds[:, None] - views.seconds).abs()
    same = (views.view[:, None] == views.view) & (views.image_size[:, None] == views.image_size).all(-1)
    mine, other = (same & (apart > 0) & (apart <= REACH_S)).nonzero(as_tuple=True)
    known = (views.pose_known[mine] & views.pose_known[other])[:, None, None]
    other_from_mine = torch.where(known, _between(views.world_from_cam, other, mine), _between(poses, other, mine))
    size, matrix = views.image_size[mine][:, None], intrinsics[mine][:, None]
    moved = project(_turned(other_from_mine, head[mine]) + other_from_mine[:, None, :3, 3], matrix)
    focal = matrix.diagonal(dim1=-2, dim2=-1)[..., :2].mean(-1)
    walked = SPEED_MPS * apart[mine, other][:, None] * focal / head[mine][..., 2].clamp(min=NEAREST)
    reach = JITTER * size.amax(-1) + walked  # (N, M), pixels
    aways = [torch.cdist(at, pixel[other], compute_mode=EXACT) for at in (pixel[mine], moved)]
    away = torch.minimum(*aways) / reach[..., None]
    best = _claimed(torch.where(away < 1.0, away, torch.inf), logit[mine], logit[other])
    stays = [inside(at + s * reach[..., None], size) for at in (pixel[mine], moved) for s in (-1.0, 1.0)]
    return _mean(best, torch.stack(stays).all(0), mine, len(logit))


def _cameras(
    logit: Float[Tensor, "F M"],
    head: Float[Tensor, "F M 3"],
    depth: Float[Tensor, "F H W"],
    intrinsics: Float[Tensor, "F 3 3"],
    views: Views,
) -> tuple[Float[Tensor, "F M"], Bool[Tensor, "F M"]]:
    """What other known cameras of the same moment say, and of whom they say anything.

    Two heads may be one where their lines of sight pass one another nearly, at distances from both cameras that the depths there allow.
    Where the lines are as good as parallel, the depth says where along the first line.
    """
    known = views.pose_known & views.intrinsics_known
    together = (views.step[:, None] == views.step) & (views.view[:, None] != views.view) & known[:, None] & known
    mine, other = together.nonzero(as_tuple=True)
    other_from_mine = _between(views.world_from_cam, other, mine)
    origin, toward = other_from_mine[:, None, :3, 3], _turned(other_from_mine, head[mine])  # (N, 1, 3), (N, M, 3)
    there = origin + toward
    distance, distance_other = toward.norm(dim=-1)[..., None], head[other].norm(dim=-1)[:, None]  # (N, M, 1), (N, 1, M)
    ray, line = toward[:, :, None] / distance[..., None], head[other][:, None] / distance_other[..., None]
    cosine = (ray * line).sum(-1)
    along, across = -(origin[:, None] * ray).sum(-1), -(origin[:, None] * line).sum(-1)
    reach = (along - cosine * across + PARALLEL * distance) / (1.0 - cosine * cosine + PARALLEL)
    point = origin[:, None] + reach[..., None] * ray  # (N, M, M, 3), on the line of sight where it is nearest to the other
    reach_other = (point * line).sum(-1)
    gap = (point - reach_other[..., None] * line).norm(dim=-1) / (GAP_M + GAP_SHARE * distance)
    wrong = [
        (by_lines / by_scene).log() / math.log(FACTOR)
        for by_lines, by_scene in ((reach, distance), (reach_other, distance_other))
    ]
    fits = (gap < 1.0) & (wrong[0].abs() < 1.0) & (wrong[1].abs() < 1.0)  # false behind a camera, where the logarithm is NaN
    best = _claimed(torch.where(fits, gap**2 + wrong[0] ** 2 + wrong[1] ** 2, torch.inf), logit[mine], logit[other])
    seen = best > -torch.inf
    sure = math.log(SURE / (1.0 - SURE))
    meet = seen.any(1) | (logit[mine] < sure).all(1) | (logit[other] < sure).all(1)
    return _mean(best, _in_sight(there, depth, intrinsics, views, other) & meet[:, None], mine, len(logit))


def _in_sight(
    point: Float[Tensor, "N M 3"],
    depth: Float[Tensor, "F H W"],
    intrinsics: Float[Tensor, "F 3 3"],
    views: Views,
    frame: Int[Tensor, "N"],
) -> Bool[Tensor, "N M"]:
    """Whether points in frames' cameras lie in their images, with nothing much nearer before them."""
    pixel, z = project(point, intrinsics[frame][:, None]), point[..., 2]
    size = views.image_size[frame][:, None]
    limit = torch.tensor((depth.shape[2] - 1, depth.shape[1] - 1), device=depth.device)
    column, row = (pixel / size * (limit + 1)).nan_to_num().long().clamp(min=0).minimum(limit).unbind(-1)
    return (z > NEAREST) & inside(pixel, size) & (depth[frame[:, None], row, column] * FACTOR > z)


def _between(poses: Float[Tensor, "F 4 4"], other: Int[Tensor, "N"], mine: Int[Tensor, "N"]) -> Float[Tensor, "N 4 4"]:
    """From the cameras of some frames to those of others; poses are world_from_cam."""
    return invert_rigid(poses[other]) @ poses[mine]


def _turned(pose: Float[Tensor, "N 4 4"], vectors: Float[Tensor, "N M 3"]) -> Float[Tensor, "N M 3"]:
    """Vectors after the rotation of poses."""
    return vectors @ pose[:, :3, :3].mT


def _claimed(cost: Float[Tensor, "N M M"], mine: Float[Tensor, "N M"], other: Float[Tensor, "N M"]) -> Float[Tensor, "N M"]:
    """The best logit of those in another frame that support each head of a frame, over N pairs; -inf where there are none.

    Each supports the one to which it costs least, if any does not cost infinitely much; a likely head costs less by `LEAN`.
    """
    least, whom = (cost - LEAN * mine[:, :, None]).min(1)  # infinite where there is nobody
    said = torch.where(least < torch.inf, other, -torch.inf)
    return torch.full_like(mine, -torch.inf).scatter_reduce(1, whom, said, "amax")


def _mean(
    best: Float[Tensor, "N M"], told: Bool[Tensor, "N M"], frame: Int[Tensor, "N"], frames: int
) -> tuple[Float[Tensor, "F M"], Bool[Tensor, "F M"]]:
    """Mean over the pairs of each frame that tell anything (0 where none does), and whether any does; who supports tells."""
    told = told | (best > -torch.inf)
    total = best.new_zeros(frames, best.shape[1]).index_add(0, frame, torch.where(told, best.clamp(min=ABSENT), 0.0))
    count = best.new_zeros(frames, best.shape[1]).index_add(0, frame, told.to(best.dtype))
    return total / count.clamp(min=1.0), count > 0
