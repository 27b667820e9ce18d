"""What validations report; not minimised, so in units that people think in."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from chromm_ros.body.skeleton import PARENTS
from chromm_ros.geometry.sim3 import fit_points
from chromm_ros.model.config import PATCH
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.pinhole import compose
from chromm_ros.model.scene_branch import SceneOutput
from chromm_ros.train import losses
from chromm_ros.train.bodies import joints_from_head
from chromm_ros.train.targets import Batch, People

NEAR = 1.5 * PATCH
"""Farthest that a detection may be from a head and still be its own, pixels of the square image."""


def detection(
    found: Detections, pixel: Float[Tensor, "K 2"], heads: Detections, truth: Float[Tensor, "P 2"], open_: Bool[Tensor, "F n n"]
) -> dict[str, float]:
    """F1, precision, recall and distance of matched heads; what is found in open patches counts neither way; NaN of nothing."""
    counts, off = np.zeros(3), []
    for image in range(len(open_)):
        mine, true = found.image == image, heads.image == image
        free = ~open_[image, found.row[mine], found.column[mine]].cpu().numpy()
        cost = torch.cdist(pixel[mine].float(), truth[true].float()).cpu().numpy()
        rows, columns = linear_sum_assignment(np.minimum(cost, NEAR))
        good = cost[rows, columns] < NEAR
        off += cost[rows, columns][good].tolist()
        alone = free.copy()
        alone[rows[good]] = False
        counts += [good.sum(), alone.sum(), len(truth[true]) - good.sum()]
    hit, false, missed = counts.tolist()
    return {
        "F1": _share(2 * hit, 2 * hit + false + missed),
        "precision": _share(hit, hit + false),
        "recall": _share(hit, hit + missed),
        "head px": float(np.mean(off)) if off else float("nan"),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def relative(said: Float[Tensor, "*B"], true: Float[Tensor, "*B"]) -> float:
    """Median relative error, percent; NaN of nothing."""
    return float(100 * ((said - true).abs() / true).median()) if true.numel() else float("nan")


def overlap(logits: Float[Tensor, "F h w"], share: Float[Tensor, "F h w"]) -> float:
    """Intersection over union of the patches that show people, by more than half; NaN where there are none."""
    said, true = logits > 0, share > 0.5
    union = int((said | true).sum())
    return int((said & true).sum()) / union if union else float("nan")


def bodies(rotations: Float[Tensor, "P 53 3 3"], betas: Float[Tensor, "P 10"], people: People) -> dict[str, float]:
    """Root orientation (median), MPJPE with the hips' middle laid on, and PA-MPJPE of 22 joints."""
    if not len(rotations):
        return {"root deg": float("nan"), "MPJPE mm": float("nan"), "PA mm": float("nan")}
    trace = (rotations[:, 0] * people.rotations[:, 0]).sum(dim=(-2, -1))
    angle = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
    said = joints_from_head(rotations, betas)[:, :22].cpu().numpy().astype(np.float64)
    true = people.joints[:, :22].cpu().numpy().astype(np.float64)
    hips = [a - a[:, 1:3].mean(axis=1, keepdims=True) for a in (said, true)]
    return {
        "root deg": float(angle.median()),
        "MPJPE mm": 1000 * float(np.linalg.norm(hips[0] - hips[1], axis=-1).mean()),
        "PA mm": 1000 * float(np.linalg.norm(fit_points(said, true).apply(said) - true, axis=-1).mean()),
    }


def scene(out: SceneOutput, batch: Batch, slopes: Float[Tensor, "F H W 2"]) -> dict[str, float]:
    """Depth in metres (median relative error, share within a factor 1.25), the same up to scale and on people, rays, cameras."""
    z, true = out.local_points[..., 2].flatten(0, 1).float(), batch.depth
    there = true > 0
    ratio = torch.maximum(z / true.clamp(min=1e-3), true / z.clamp(min=1e-3))[there]
    by_scene = [value.unflatten(0, (batch.scenes, -1)).flatten(1) for value in (z, true)]
    scale = losses.scene_scale(*by_scene).repeat_interleave(len(true) // batch.scenes)[:, None, None]
    people = there & (torch.nn.functional.interpolate(batch.mask[:, None], true.shape[1:])[:, 0] > 0.5)
    told = batch.views.pose_known.unflatten(0, (batch.scenes, -1)).all(1)
    values = {
        "depth %": relative(z[there], true[there]),
        "d<1.25": float((ratio < 1.25).float().mean()),
        "depth up to scale %": relative((z * scale)[there], true[there]),
        "people depth %": relative(z[people], true[people]),
        "rays": float(losses.ray_slopes(out.rays.flatten(0, 1), slopes)),
    }
    truth = batch.views.world_from_cam.unflatten(0, (batch.scenes, -1))
    for name, which in (("told", told), ("untold", ~told)):
        if bool(which.any()) and truth.shape[1] > 1:
            values[f"turn deg {name}"] = _turn(out.world_from_cam[which], truth[which])
    return values


def _turn(said: Float[Tensor, "S N 4 4"], true: Float[Tensor, "S N 4 4"]) -> float:
    """Mean angle between said and true relative rotations, degrees."""
    first, second = torch.triu_indices(said.shape[1], said.shape[1], 1, device=said.device)
    a, b = (compose(pose[:, first, :3, :3].mT, pose[:, second, :3, :3]) for pose in (said, true))
    return float(torch.rad2deg((((a * b).sum(dim=(-2, -1)) - 1) / 2).clamp(-1, 1).acos()).mean())


def skeletons(
    images: UInt8[Tensor, "F 3 Q Q"],
    image: Int[Tensor, "P"],
    said: Float[Tensor, "P 55 2"],
    true: Float[Tensor, "P 55 2"],
    most: int = 8,
) -> UInt8[np.ndarray, "H W 3"]:
    """Two rows of images at twice their size: truth in white, estimate in yellow."""
    shown = []
    for index in range(min(most, len(images))):
        picture = cv2.resize(np.ascontiguousarray(images[index].permute(1, 2, 0).cpu().numpy()), None, fx=2, fy=2)
        for joints, color in ((true, (255, 255, 255)), (said, (255, 220, 0))):
            for person in joints[image == index].cpu().numpy().clip(-500, 1000):
                for joint in range(1, 22):
                    a, b = (tuple(np.round(2 * person[k]).astype(int).tolist()) for k in (joint, PARENTS[joint]))
                    cv2.line(picture, a, b, color, 1, cv2.LINE_AA)
        shown.append(picture)
    columns = (len(shown) + 1) // 2
    shown += [np.zeros_like(shown[0])] * (2 * columns - len(shown))
    return np.concatenate([np.concatenate(shown[row * columns : (row + 1) * columns], axis=1) for row in range(2)])
