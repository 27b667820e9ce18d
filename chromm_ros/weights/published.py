"""Published files as ours: which network a file holds, its size from the shapes, and every key and shape held against that network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chromm_ros.errors import FileError
from chromm_ros.model.checkpoint import differences, first
from chromm_ros.model.config import SIZES, HumanConfig, SceneConfig
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.scene_branch import SceneBranch
from chromm_ros.model.weight_maps import MULTIHMR, PI3X, rename, restore
from chromm_ros.weights.containers import read_tensors
from chromm_ros.weights.multihmr import infer_multihmr

CONDITIONING = ("depth_encoder.", "depth_emb", "ray_embed.", "pose_inject_blk.")
"""Keys of Pi3X that only its conditioning needs; a file has all of them or none."""
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
MOST_KEYS = 20_000
NAMES = {"scene": "Pi3X", "human": "Multi-HMR"}
Table = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Published:
    """What a published file holds, by our names."""

    kind: str
    """`scene` or `human`."""
    config: SceneConfig | HumanConfig
    """Its size."""
    state: dict[str, Tensor]
    """Parameters by our names, half precision kept as published; mapped from the file, so memory is taken as they are used."""
    remarks: tuple[str, ...] = ()
    """What was left out or concluded."""


def read_published(path: Path) -> Published:
    """Read a published file, strictly; its values are looked at by `not_finite`.

    Raises:
        FileError: if it is damaged, foreign or not the network that it seems to be, naming the first keys that differ.
    """
    return identify(*read_tensors(path), path)


def identify(tensors: Mapping[str, Tensor], arguments: Mapping[str, Any], path: Path) -> Published:
    """Recognise a network by its keys and hold every key, shape and type against it; tensors may be on `meta`.

    Raises:
        FileError: as `read_published`.
    """
    if len(tensors) > MOST_KEYS:
        raise FileError(f"'{path}' has {len(tensors)} tensors, far more than any published file (1873 in Pi3X's)")
    if "register_token" in tensors and "metric_token" in tensors:
        scene = _scene_config(tensors, path)
        remarks: tuple[str, ...] = (
            () if scene.conditioned else ("no conditioning branch: known rays, poses and depths will not be used",)
        )
        return Published("scene", scene, _fitted("scene", tensors, scene, PI3X, path), remarks)
    if any(key.startswith("x_attention_head.") for key in tensors):
        human, remarks = infer_multihmr(tensors, arguments, path)
        return Published("human", human, _fitted("human", tensors, human, MULTIHMR, path), remarks)
    if any(key.startswith("encoder.backbone.") for key in tensors):
        raise FileError(
            f"'{path}' is Multi-HMR's Anny variant, whose people are no SMPL-X bodies: import an SMPL-X one, such as multiHMR_896_L"
        )
    raise FileError(f"'{path}' is neither Pi3X nor Multi-HMR: its keys begin with {first(list(tensors)) or 'nothing'}")


def network_of(config: SceneConfig | HumanConfig) -> nn.Module:
    """The network of a size, on `meta`: names and shapes without memory."""
    with torch.device("meta"):
        return SceneBranch(config) if isinstance(config, SceneConfig) else MultiHmr(config)


def not_finite(state: Mapping[str, Tensor]) -> Iterator[str]:
    """Names, in order, of all tensors: empty text for a good one, a sentence for one with NaN or infinity."""
    for name, value in state.items():
        good = bool(torch.isfinite(value).all())
        yield "" if good else f"{name} holds NaN or infinity"


def _scene_config(tensors: Mapping[str, Tensor], path: Path) -> SceneConfig:
    """Pi3X's size by its width; heads and the places of injection are in no shape."""
    width = tensors["register_token"].shape[-1] if tensors["register_token"].ndim else 0
    sizes = {size.scene.dim: size.scene for size in SIZES.values()}
    if width not in sizes:
        raise FileError(
            f"'{path}' looks like Pi3X, but register_token is {tuple(tensors['register_token'].shape)}, expected (1, 1, 5, 1024)"
        )
    return replace(sizes[width], conditioned=any(key.startswith(CONDITIONING) for key in tensors))


def _fitted(
    kind: str, tensors: Mapping[str, Tensor], config: SceneConfig | HumanConfig, table: Table, path: Path
) -> dict[str, Tensor]:
    """Tensors by our names, after every key, shape and type was compared with the network of that size."""
    state, wrong = {}, []
    for key, value in tensors.items():
        try:
            name = rename(key, table)
        except KeyError:
            wrong.append(f"unknown {key}")
            continue
        if name is not None:
            state[name] = value
            if value.dtype not in FLOATS or value.layout is not torch.strided:
                wrong.append(f"{key} is {value.dtype}, expected {', '.join(map(str, FLOATS))}")
    ours = network_of(config).state_dict()
    shapes = {restore(name, table): tuple(value.shape) for name, value in state.items()}
    wrong += differences({restore(name, table): value for name, value in ours.items()}, shapes)
    if wrong:
        raise FileError(
            f"'{path}' is not {NAMES[kind]} as it is published: {first(wrong)}; fetch it again, or tell us of a new version"
        )
    return {name: state[name] for name in ours}
