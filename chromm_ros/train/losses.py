"""What is minimised: small functions of tensors, each a mean over what there is, 0 (with a gradient) where there is nothing.

The weights of the terms stand with the stages. Sources: CHROMM (arXiv 2603.12789), Multi-HMR (Baradel et al., ECCV 2024, section 3.3), Pi3
(arXiv 2507.13347, section 3.3); what they do not say is said to be ours.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from chromm_ros.model.human_branch import Detections

MOST_LOG = 1.0
"""Largest error of a logarithm of depth that counts, so that few far pixels do not lead."""
GOOD = 0.1
"""Relative error of depth below which a point deserves confidence."""


def mean(values: Float[Tensor, "*B"], where: Bool[Tensor, "*B"] | None = None) -> Float[Tensor, ""]:
    """Mean of the chosen values; 0 of none, still part of the graph."""
    if where is None:
        return values.sum() / max(values.numel(), 1)
    return (values * where).sum() / where.sum().clamp(min=1)


def detection(logits: Float[Tensor, "F n n"], heads: Detections, open_: Bool[Tensor, "F n n"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of every patch but the open ones, per head: images without anybody count, too.

    Focal with exponent 2 (Lin et al. 2017), ours: 1 patch in 100 is a head, and plain cross-entropy learns "no head" for long.
    """
    target = torch.zeros_like(logits)
    target[heads.image, heads.row, heads.column] = 1.0
    plain = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    miss = torch.where(target > 0.5, 1.0 - probability, probability)
    weight = torch.where(target > 0.5, 0.75, 0.25)
    return (weight * miss.square() * plain * ~open_).sum() / max(len(heads.image), 1)


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


def depth_log(said: Float[Tensor, "F H W"], true: Float[Tensor, "F H W"]) -> Float[Tensor, ""]:
    """Error of the logarithm of depth where depth is known."""
    return mean(log_ratio(said, true).clamp(max=MOST_LOG), true > 0.0)


def ray_slopes(said: Float[Tensor, "F H W 3"], true: Float[Tensor, "F H W 2"]) -> Float[Tensor, ""]:
    """L1 between x/z and y/z of said points and of true rays."""
    return mean((said[..., :2] / said[..., 2:].clamp(min=1e-3) - true).abs())


def confidence(logits: Float[Tensor, "F H W"], said: Float[Tensor, "F H W"], true: Float[Tensor, "F H W"]) -> Float[Tensor, ""]:
    """Binary cross-entropy against whether a depth is right to `GOOD`."""
    good = (log_ratio(said.detach(), true) < GOOD).float()
    return mean(nn.functional.binary_cross_entropy_with_logits(logits, good, reduction="none"), true > 0.0)


def relative_poses(said: Float[Tensor, "S N 4 4"], true: Float[Tensor, "S N 4 4"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Errors of all pairs' relative poses, in no gauge: L1 of the rotations' matrices, Huber of the translations (Pi3, eq. 6 and 7).

    Translations are divided by the scene's mean true distance between cameras, and at least half a metre.
    """
    views = said.shape[1]
    first, second = torch.triu_indices(views, views, 1, device=said.device)
    a, b = (_inverse(pose[:, first]) @ pose[:, second] for pose in (said, true))
    turn = (a[..., :3, :3] - b[..., :3, :3]).abs().mean(dim=(-2, -1))
    size = b[..., :3, 3].norm(dim=-1).mean(dim=1, keepdim=True).clamp(min=0.5) if views > 1 else b.new_ones(len(b), 1)
    step = (a[..., :3, 3] - b[..., :3, 3]) / size[..., None]
    return mean(turn), mean(nn.functional.huber_loss(step, torch.zeros_like(step), reduction="none", delta=0.2).mean(-1))


def _inverse(poses: Float[Tensor, "S K 4 4"]) -> Float[Tensor, "S K 4 4"]:
    turn = poses[..., :3, :3].mT
    shift = -(turn @ poses[..., :3, 3:])
    return torch.cat((torch.cat((turn, shift), -1), poses[..., 3:, :]), -2)
