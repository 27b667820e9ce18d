"""Stage 0 of the scene branch: depth, rays, cameras, confidence and metric scale, from images and whatever is told of the cameras.

Ours, since no encoder of nano's size can be downloaded; the losses follow Pi3 (arXiv 2507.13347, section 3.3) with these differences. A point
is a depth on a ray: the two are judged apart, depth by its logarithm (Pi3 divides a point's error by its depth, which is the same for
small errors), so that a wrong focal length is not blamed on depth. Normals are left out: nano's maps are coarse. The metric scale is
judged against the factor that fits the scene's own unit to metres; depth, rays and cameras in that fitted unit.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from chromm_ros.model.compose import Composed
from chromm_ros.model.initialise import DEPTH
from chromm_ros.model.pinhole import compose
from chromm_ros.model.scene_branch import SceneOutput
from chromm_ros.model.scene_conditions import Conditions, ray_map
from chromm_ros.model.scene_heads import without_autocast
from chromm_ros.train import losses, scores
from chromm_ros.train.build import composed
from chromm_ros.train.stage import Defaults, Start
from chromm_ros.train.take_stage import TakeStage
from chromm_ros.train.targets import Batch

WEIGHTS = {"depth": 1.0, "people": 0.5, "rays": 1.0, "metric": 0.5, "unit": 0.5, "turn": 0.3, "step": 0.3, "confidence": 0.05}
"""Depth leads; where people are it counts half again, since their place hangs on it. Cameras count less: from images alone a network of
nano's size hardly learns them, and where they are told it only copies. `unit` keeps the network's own scale where it began, at a mean
depth of `initialise.DEPTH`: nothing else holds it, and it ran away once, poses with it."""


@dataclass(frozen=True)
class SceneStage(TakeStage):
    """Trains `scene.*` of a composed network."""

    name: str = "scene"
    defaults: Defaults = field(default_factory=lambda: Defaults(steps=20_000, batch=4, lr=4e-4, warm_up=300))

    def build(self, start: Start) -> nn.Module:
        """Both branches side by side, on the CPU."""
        return composed(start)

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        """All of the scene branch."""
        return [(name, value) for name, value in network.named_parameters() if name.startswith("scene.")]

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All terms of `WEIGHTS`."""
        del progress  # all of them count from the beginning
        out = self._look(network, batch)
        # In the network's own scale, which the metric head turns into metres: the two are judged apart.
        own = (out.local_points / out.metric[:, None, None, None, None]).flatten(0, 1)
        true = batch.depth
        scale = losses.scene_scale(
            own[..., 2].unflatten(0, (batch.scenes, -1)).flatten(1), true.unflatten(0, (batch.scenes, -1)).flatten(1)
        )
        count = len(true) // batch.scenes
        z = own[..., 2] * scale.repeat_interleave(count)[:, None, None]
        error = losses.log_ratio(z, true).clamp(max=losses.MOST_LOG)
        people = nn.functional.interpolate(batch.mask[:, None], true.shape[1:])[:, 0] > 0.3
        poses = out.world_from_cam.clone()
        poses[..., :3, 3] = out.world_from_cam[..., :3, 3] * (scale / out.metric)[:, None, None]
        turn, step = losses.relative_poses(poses, batch.views.world_from_cam.unflatten(0, (batch.scenes, -1)))
        terms = {
            "depth": losses.mean(error, true > 0.0),
            "people": losses.mean(error, (true > 0.0) & people),
            "rays": losses.ray_slopes(out.rays.flatten(0, 1), self._slopes(batch)),
            "metric": losses.mean(losses.log_ratio(out.metric, scale)),
            "unit": losses.mean((_mean_log(own[..., 2], true, batch.scenes) - math.log(DEPTH)).abs()),
            "turn": turn,
            "step": step,
            "confidence": losses.confidence(out.confidence.flatten(0, 1), z, true),
        }
        return {name: WEIGHTS[name] * value for name, value in terms.items()}

    @torch.no_grad()
    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Depth in metres and up to scale, rays, cameras; poses that are told are copied, so they are judged where they are not."""
        out = self._look(network, batch)
        return scores.scene(out, batch, self._slopes(batch))

    @torch.no_grad()
    def panel(self, network: nn.Module, batch: Batch) -> UInt8[np.ndarray, "H W 3"]:
        """Images, true and said depth of the first scene, in one colour scale."""
        out = self._look(network, batch)
        frames, _ = batch.scene(0)
        top = batch.scene_images[frames].permute(0, 2, 3, 1).cpu().numpy()
        rows = [np.concatenate(list(top), axis=1)]
        farthest = max(float(batch.depth[frames].max()), 1e-3)
        for depth in (batch.depth[frames], out.local_points[0, ..., 2]):
            grey = (255.0 * (depth.float() / farthest).clamp(0.0, 1.0)).byte().cpu().numpy()
            rows.append(np.concatenate([cv2.applyColorMap(each, cv2.COLORMAP_TURBO)[..., ::-1] for each in grey], axis=1))
        return np.concatenate(rows)

    def _look(self, network: nn.Module, batch: Batch) -> SceneOutput:
        assert isinstance(network, Composed)
        features = network.scene.encode(batch.scene_images.float() / 255.0).unflatten(0, (batch.scenes, -1))
        size = (batch.scene_images.shape[2], batch.scene_images.shape[3])
        return network.scene.decode(features, size, conditions(batch))

    def _slopes(self, batch: Batch) -> Float[Tensor, "F H W 2"]:
        """x/z and y/z of every pixel's true ray."""
        height, width = batch.scene_images.shape[2:]
        with without_autocast(batch.depth.device):
            return ray_map(compose(batch.views.scene_from_image, batch.true_intrinsics), height, width)


def _mean_log(depth: Float[Tensor, "F H W"], true: Float[Tensor, "F H W"], scenes: int) -> Float[Tensor, "S"]:
    """Mean logarithm of depth in each scene, where a true depth is known."""
    there = (true > 0.0).float().unflatten(0, (scenes, -1)).flatten(1)
    logs = depth.clamp(min=1e-3).log().unflatten(0, (scenes, -1)).flatten(1)
    mean: Tensor = (logs * there).sum(1) / there.sum(1).clamp(min=1)
    return mean


def conditions(batch: Batch) -> Conditions:
    """What is told, as S scenes of N views."""

    def scenes(values: Tensor) -> Tensor:
        by_scene: Tensor = values.unflatten(0, (batch.scenes, -1))
        return by_scene

    views = batch.views
    return Conditions(
        intrinsics=scenes(compose(views.scene_from_image, views.intrinsics)),
        ray_mask=scenes(views.intrinsics_known),
        poses=scenes(views.world_from_cam),
        pose_mask=scenes(views.pose_known),
        depths=None if views.depth is None else scenes(views.depth),
        depth_mask=None if views.depth is None else scenes(views.depth_known),
    )
