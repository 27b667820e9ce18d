"""Miniature files in the formats of the published ones, made from our own networks with random weights: no reference data is needed."""

from argparse import Namespace
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from chromm_ros.model.config import SIZES
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.initialise import draw
from chromm_ros.model.scene_branch import SceneBranch
from chromm_ros.model.weight_maps import MULTIHMR, restore

SCENE, HUMAN = SIZES["tiny"].scene, SIZES["tiny"].human
IGNORED = {
    "smpl_layer.neutral_10.bm_x.shapedirs": torch.ones(4, 3, 10),
    "smpl_layer.neutral_10.bm_x.parents": torch.arange(5),
    "backbone.encoder.mask_token": torch.ones(1, 48),
    "x_attention_head.init_betas_kid": torch.ones(1, 11),
}
"""Some of what Multi-HMR's files hold for others than us."""


def arguments(**changes: Any) -> Namespace:
    usual = {
        "backbone": "dinov2_vits14", "img_size": [112], "num_betas": 10, "xat_depth": 2, "xat_num_heads": 3, "nearness": 1,
        "camera_embedding": "geometric", "camera_embedding_num_bands": 16, "camera_embedding_max_resolution": 64,
        "person_center": "head", "train_return_type": "smplx", "lr": 1e-5, "name": None,
    }  # fmt: skip
    return Namespace(**usual | changes)


@cache
def pi3x(*, conditioned: bool = True, seed: int = 1) -> dict[str, Tensor]:
    branch = SceneBranch(replace(SCENE, conditioned=conditioned))
    draw(branch, seed)
    return {key: value.contiguous() for key, value in branch.state_dict().items()}


@cache
def multihmr(betas: int = 10, seed: int = 1) -> dict[str, Tensor]:
    branch = MultiHmr(replace(HUMAN, betas=betas))
    draw(branch, seed)
    return {restore(key, MULTIHMR): value.contiguous() for key, value in branch.state_dict().items()}


def write_pi3x(path: Path, **changes: Any) -> Path:
    save_file(pi3x(**changes), path)
    return path


def write_multihmr(path: Path, args: Namespace | None = None, key: str = "model_state_dict", **more: Any) -> Path:
    """As upstream's training writes it; `args=None`: without arguments, as the upload of 2024-07."""
    content = {"epoch": 3, "iter": 9, key: multihmr() | IGNORED} | ({} if args is None else {"args": args}) | more
    torch.save(content, path)
    return path
