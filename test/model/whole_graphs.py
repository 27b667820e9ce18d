"""`python whole_graphs.py`: compiles the blocks of a small scene branch, each as one graph, and compares with no compilation.

A program of its own, for torch.compile cannot look through the checks of shapes that the tests put around every function.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from chromm_ros.model.compiled import GRAPHS, compile_blocks
from chromm_ros.model.config import SIZES
from chromm_ros.model.initialise import draw
from chromm_ros.model.scene_branch import SceneBranch

scene = SceneBranch(replace(SIZES["tiny"].scene, encoder_depth=2, decoder_depth=4, inject_after=(1,))).eval()
draw(scene, 0)
images = torch.rand(2, 3, 28, 42)
graphs = []


def as_it_is(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
    graphs.append(graph)
    return graph.forward


def run() -> Tensor:
    hidden, _ = scene.decode_tokens(scene.encode(images)[None], 2, 3, None)
    return hidden


with torch.inference_mode():
    plain = run()
    blocks = (*scene.encoder.blocks, *scene.decoder)
    compile_blocks(blocks, fullgraph=True, backend=as_it_is)  # a break is an error
    compiled = run()
limit = getattr(torch._dynamo.config, "recompile_limit", 0) or torch._dynamo.config.cache_size_limit
assert limit >= GRAPHS, "torch would go on uncompiled where windows differ"
assert torch.equal(plain, compiled), "the graphs compute something else"
assert 2 <= len(graphs) <= 4, (
    f"{len(graphs)} graphs for six blocks, expected one per kind: encoder, within a frame, across frames"
)
