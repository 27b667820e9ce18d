"""The size of a Multi-HMR from the shapes in its file, and from the arguments that most of the files bring.

Shapes tell everything but the number of attention heads. The backbones are DINOv2's, with 64 channels a head; the people's head has 8 heads
in all published files. Files with arguments say it themselves (xat_num_heads).
"""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from chromm_ros.errors import FileError
from chromm_ros.model.config import PATCH, SIZES, HumanConfig
from chromm_ros.model.config_mapping import LARGEST, rebuild

BACKBONE = "backbone.encoder."
HEAD = "x_attention_head."
LAYER = HEAD + "transformer.transformer.layers."
HEAD_CHANNELS = 64
PEOPLE_HEADS = 8
KNOWN_BACKBONES = {size.human.dim: size.human.heads for size in SIZES.values()}
KNOWN_PEOPLE = {size.human.people_dim: size.human.people_heads for size in SIZES.values()}
"""Heads by width, for our small sizes; the published ones follow the rules above."""
EXPECTED = {"nearness": (True, 1), "person_center": ("head",), "camera_embedding": ("geometric",)}
"""Arguments that our network takes for granted, with their values in the published SMPL-X files."""


def infer_multihmr(
    tensors: Mapping[str, Tensor], arguments: Mapping[str, Any], path: Path
) -> tuple[HumanConfig, tuple[str, ...]]:
    """The size, and remarks on how it was found.

    Raises:
        FileError: if a shape is impossible, or the arguments say something else than the shapes.
    """
    try:
        values = _from_shapes(_Shapes(tensors), arguments)
        config = rebuild(HumanConfig, values)
    except (TypeError, ValueError) as error:
        raise FileError(f"'{path}' looks like Multi-HMR, but {error}: fetch it again") from None
    _check(config, arguments, path)
    return config, () if arguments else (
        f"no arguments in the file: {config.people_heads} heads of attention to people taken as usual",
    )


class _Shapes:
    """Sizes by key, or a ValueError that names the key."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def __call__(self, key: str, axis: int, dims: int) -> int:
        if key not in self.tensors:
            raise ValueError(f"{key} is missing")
        shape = tuple(self.tensors[key].shape)
        if len(shape) != dims or not 1 <= shape[axis] <= LARGEST * LARGEST:
            raise ValueError(f"{key} is {shape}, expected {dims} dimensions")
        return shape[axis]

    def count(self, prefix: str) -> int:
        """How many numbered blocks begin so."""
        return len({key[len(prefix) :].partition(".")[0] for key in self.tensors if key.startswith(prefix)})


def _from_shapes(size: _Shapes, arguments: Mapping[str, Any]) -> dict[str, Any]:
    dim = size(BACKBONE + "cls_token", 2, 3)
    people_dim = size(HEAD + "transformer.pos_embedding", 2, 3)
    inner, rest = divmod(size(LAYER + "0.0.fn.to_qkv.weight", 0, 2), 3)
    heads = arguments.get("xat_num_heads", KNOWN_PEOPLE.get(people_dim, PEOPLE_HEADS))
    if rest or type(heads) is not int or heads < 1 or inner % heads:
        raise ValueError(
            f"{LAYER}0.0.fn.to_qkv.weight has {3 * inner + rest} rows, expected 3 times a multiple of {reprlib.repr(heads)} heads"
        )
    bands, rest = divmod(size(HEAD + "cross_queries_x", 1, 2) - dim - 3, 6)
    if rest or bands < 1:
        raise ValueError(f"{HEAD}cross_queries_x has {dim + 3 + 6 * bands + rest} columns, expected {dim} + 3 + 6 x bands")
    return {
        "dim": dim,
        "heads": KNOWN_BACKBONES.get(dim, max(1, dim // HEAD_CHANNELS)),
        "depth": size.count(BACKBONE + "blocks."),
        "pos_grid": round((size(BACKBONE + "pos_embed", 1, 3) - 1) ** 0.5),
        "image_size": PATCH * size(HEAD + "cross_queries_x", 0, 2),
        "bands": bands,
        "max_resolution": arguments.get("camera_embedding_max_resolution", HumanConfig.max_resolution),
        "people_dim": people_dim,
        "people_mlp": size(LAYER + "0.2.fn.net.0.weight", 0, 2),
        "people_heads": heads,
        "people_head_dim": inner // heads,
        "people_depth": size.count(LAYER),
        "betas": size(HEAD + "decshape.weight", 0, 2),
    }


def _check(config: HumanConfig, arguments: Mapping[str, Any], path: Path) -> None:
    """Arguments that contradict the shapes, or that ask for a network which ours is not."""
    side = arguments.get("img_size", config.image_size)
    side = side[0] if isinstance(side, (list, tuple)) and side else side
    said = {
        "img_size": (side, config.image_size),
        "num_betas": (arguments.get("num_betas", config.betas), config.betas),
        "xat_depth": (arguments.get("xat_depth", config.people_depth), config.people_depth),
        "camera_embedding_num_bands": (arguments.get("camera_embedding_num_bands", config.bands), config.bands),
    }
    for name, (says, is_) in said.items():
        if says != is_:
            raise FileError(
                f"'{path}' contradicts itself: its arguments say {name} {reprlib.repr(says)}, its weights {is_}; fetch it again"
            )
    for name, expected in EXPECTED.items():
        if arguments.get(name, expected[0]) not in expected:
            raise FileError(
                f"'{path}' was made with {name} {reprlib.repr(arguments[name])}, expected {expected[0]!r}: that network is not ours"
            )
