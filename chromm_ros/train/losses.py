"""What is minimised: small functions of tensors, each a mean over what there is, 0 (with a gradient) where there is nothing.

The weights of the terms stand with the stages. Sources: CHROMM (arXiv 2603.12789), Multi-HMR (Baradel et al., ECCV 2024, section 3.3), Pi3
(arXiv 2507.13347, section 3.3); what they do not say is said to be ours.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chromm_ros.model.human_branch import Detections
from chromm_ros.model.pinhole import compose, project

MOST_LOG = 1.0
"""Largest error of a logarithm of depth that counts, so that few far pixels do not lead."""
MOST_OFF = 1.0
"""Largest error of a person's pixels that counts, metres at the person."""
CLOSE = 0.3
"""Depth below which pixels say nothing, metres."""
GOOD = 0.1
"""Relative error of depth below which a point deserves confidence."""


def mean(values: Float[Tensor, "*B"], where: Bool[Tensor, "*B"] | None = None) -> Float[Tensor, ""]:
    """Mean of the chosen values; 0 of none, still part of the graph."""
    if where is None:
        return values.sum() / max(values.numel(), 1)
    return torch.where(where, values, 0.0).sum() / where.sum().clamp(min=1)


def detection(
    logits: Float[Tensor, "F n n"], heads: Detections, open_: Bool[Tensor, "F n n"], exponent: float = 2.0
) -> Float[Tensor, ""]:
    """Binary cross-entropy of every patch but the open ones, per head: images without anybody count, too.

    Focal (Lin et al. 2017) where the exponent is above 0, ours: 1 patch in 100 is a head, and plain cross-entropy learns "no head" for
    long. Its scores stay blurred, though: the neighbours of a head keep 0.3 to 0.4, which are worth nothing to it.
    """
    target = torch.zeros_like(logits)
    target[heads.image, heads.row, heads.column] = 1.0
    plain = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    miss = torch.where(target > 0.5, 1.0 - probability, probability)
    weight = 0.5 + (target - 0.5) * exponent / 4.0
    return (weight * miss**exponent * plain * ~open_).sum() / max(len(heads.image), 1)


def mask_entropy(logits: Float[Tensor, "F h w"], share: Float[Tensor, "F h w"]) -> Float[Tensor, ""]:
    """Binary cross-entropy against the share of a patch that shows people."""
    return nn.functional.binary_cross_entropy_with_logits(logits, share)


def rotation_l1(
    said: Float[Tensor, "P 53 3 3"], true: Float[Tensor, "P 53 3 3"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """L1 of rotation matrices: root, body (joints 1 to 21), hands and jaw apart, for they are as many as all others."""
    error = (said - true).abs().mean(dim=(-2, -1))
    return mean(error[:, :1]), mean(error[:, 1:22]), mean(error[:, 22:])


def log_ratio(said: Float[Tensor, "*B"], true: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """|log said - log true|, lengths in metres."""
    return (said.clamp(min=1e-3).log() - true.clamp(min=1e-3).log()).abs()


def scene_scale(said: Float[Tensor, "S K"], true: Float[Tensor, "S K"]) -> Float[Tensor, "S"]:
    """Factor that takes each scene's depths to the true ones: the median ratio, robust as Pi3's own alignment; no gradient.

    Args:
        said: depths of all points of a scene.
        true: the same, 0 where unknown.
    """
    ratio = torch.where(true > 0.0, true / said.clamp(min=1e-6), torch.nan).detach()
    return ratio.nanmedian(dim=1).values.nan_to_num(1.0)


def ray_slopes(said: Float[Tensor, "F H W 3"], true: Float[Tensor, "F H W 2"]) -> Float[Tensor, ""]:
    """L1 between x/z and y/z of said directions, of any length, and of true rays."""
    return mean((said[..., :2] / said[..., 2:].clamp(min=1e-3) - true).abs())


def reprojection(
    said: Float[Tensor, "P J 3"], true: Float[Tensor, "P J 3"], intrinsics: Float[Tensor, "P 3 3"], depth: Float[Tensor, "P"]
) -> Float[Tensor, ""]:
    """L1 of the pixels of points in the camera, in metres at a person's depth, so that a focal length changes nothing.

    At most `MOST_OFF` for a person; whoever truly comes nearer than `CLOSE` to the camera has no pixels to speak of and does not count.
    """
    k = intrinsics[:, None]
    off = (project(said, k) - project(true, k)).abs().mean(dim=(1, 2)) / metre(intrinsics, depth)
    return mean(off.clamp(max=MOST_OFF), (true[..., 2] > CLOSE).all(1))


def metre(intrinsics: Float[Tensor, "P 3 3"], depth: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """Pixels of a metre at a depth."""
    return intrinsics[:, 0, 0] / depth.clamp(min=CLOSE)


def confidence(logits: Float[Tensor, "F H W"], said: Float[Tensor, "F H W"], true: Float[Tensor, "F H W"]) -> Float[Tensor, ""]:
    """Binary cross-entropy against whether a depth is right to `GOOD`."""
    good = (log_ratio(said.detach(), true) < GOOD).float()
    return mean(nn.functional.binary_cross_entropy_with_logits(logits, good, reduction="none"), true > 0.0)


def relative_poses(said: Float[Tensor, "S N 4 4"], true: Float[Tensor, "S N 4 4"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Errors of all pairs' relative poses, in no gauge, as Pi3 compares cameras; Huber of the translations as there.

    Ours: L1 of the rotations' matrices where Pi3 takes the angle, whose gradient is none at 0 and at half a turn; and translations are divided
    by the scene's mean true distance between cameras, and at least half a metre, so that large rooms do not lead.
    """
    views = said.shape[1]
    first, second = torch.triu_indices(views, views, 1, device=said.device)
    (turn, step), (true_turn, true_step) = (_relative(pose[:, first], pose[:, second]) for pose in (said, true))
    size = true_step.norm(dim=-1).mean(dim=1, keepdim=True).clamp(min=0.5) if views > 1 else true_step.new_ones(len(true), 1)
    off = (step - true_step) / size[..., None]
    return (
        mean((turn - true_turn).abs().mean(dim=(-2, -1))),
        mean(nn.functional.huber_loss(off, torch.zeros_like(off), reduction="none", delta=0.2).mean(-1)),
    )


def _relative(
    first: Float[Tensor, "S K 4 4"], second: Float[Tensor, "S K 4 4"]
) -> tuple[Float[Tensor, "S K 3 3"], Float[Tensor, "S K 3"]]:
    """Rotation and place of the second camera in the first; sums of products, which autocast leaves alone."""
    back = first[..., :3, :3].mT
    shift = second[..., :3, 3] - first[..., :3, 3]
    return compose(back, second[..., :3, :3]), (back * shift[..., None, :]).sum(-1)
