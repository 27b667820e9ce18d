"""Weights held in bfloat16, where autocast would round them anyway."""

import torch
from torch import nn

from chromm_ros.model.branches import Branches

EXACT = (
    "scene.depth_encoder", "scene.ray_embed", "scene.metric_head",
    "scene.point_head.output_block.0.2", "scene.point_head.output_block.1.2", "scene.conf_head.output_block.0.2", "scene.camera_head.fc_",
    "human.perception.dec", "smpl.dec", "pelvis.coarse.2", "pelvis.fine.2",
)  # fmt: skip  # one list
"""What always runs outside autocast: conditions (see `SceneBranch`) and last layers (`in_float32`)."""
HEADS = ("scene.point_head", "scene.conf_head", "scene.camera_head")
"""What runs there too unless the scene's `half_heads` is set."""


def hold_in_half(network: Branches) -> None:
    """Round the weights of linear and convolutional layers once that follow autocast; under autocast no output changes by a bit.

    autocast keeps its rounded copies only of weights that want gradients. Those of a network for inference it reads in float32 and
    rounds at each call: at full size 8 GB of traffic and as much time as half of one frame's arithmetic on a large GPU (by its data
    sheet, not measured), beside twice the memory.
    """
    exact = EXACT if network.scene.half_heads else EXACT + HEADS
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) and not name.startswith(exact):
            module.to(torch.bfloat16)
