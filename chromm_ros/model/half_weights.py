"""Weights held in bfloat16, where autocast would round them anyway."""

import torch
from torch import nn

EXACT = (
    "scene.depth_encoder", "scene.ray_embed", "scene.point_head", "scene.conf_head", "scene.camera_head", "scene.metric_head",
)  # fmt: skip  # one list
"""What runs outside autocast (see `SceneBranch`)."""


def hold_in_half(network: nn.Module) -> None:
    """Round the weights of linear and convolutional layers once, outside `EXACT`; under autocast no output changes by a bit.

    autocast keeps its rounded copies only of weights that want gradients. Those of a network for inference it reads in float32 and
    rounds at each call: at full size 8 GB of traffic and as much time as half of one frame's arithmetic on a large GPU (by its data
    sheet, not measured), beside twice the memory.
    """
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)) and not name.startswith(EXACT):
            module.to(torch.bfloat16)
