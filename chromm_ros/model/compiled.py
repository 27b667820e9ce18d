"""torch.compile for the transformer blocks, where nearly all the time goes."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

GRAPHS = 64
"""Most graphs of one function."""


def compile_blocks(blocks: Iterable[nn.Module], **options: Any) -> None:
    """Compile every block, with options of torch.compile; graphs are made at the first calls.

    All blocks of one shape share their graphs, for they share `Block.forward`. Yet it is compiled anew with and without RoPE, for one
    frame and for several, for fixed and for changing sizes: seven times in one precision as soon as windows differ. torch keeps eight and
    then goes on uncompiled with no more than a warning, so the limit is raised.
    """
    config = torch._dynamo.config  # where torch keeps the setting
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # its name before torch 2.6
    setattr(config, name, max(GRAPHS, getattr(config, name)))
    for block in blocks:
        block.compile(**options)
