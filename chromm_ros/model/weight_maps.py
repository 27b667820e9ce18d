"""What the published files call our parameters: one short table per source, read from top to bottom.

Both directions of a rename are checked by whoever loads: every key of the file and every parameter of ours must be met.
"""

import re

PI3X: tuple[tuple[str, str], ...] = ((r"(.*)", r"\1"),)
"""Pi3X's names are ours."""

_LAYER = r"x_attention_head\.transformer\.transformer\.layers\.(\d+)\."
MULTIHMR: tuple[tuple[str, str | None], ...] = (
    (r"smpl_layer.*", None),  # buffers of the body model, which `body` brings
    (r"backbone\.encoder\.mask_token", None),  # for DINOv2's own training
    (r"x_attention_head\.init_betas_kid", None),  # never read upstream
    (r"backbone\.encoder\.(.*)", r"backbone.\1"),
    (r"mlp_classif\.(.*)", r"classifier.\1"),
    (r"mlp_offset\.(.*)", r"offset.\1"),
    (r"x_attention_head\.transformer\.pos_embedding", r"perception.transformer.position"),
    (r"x_attention_head\.transformer\.to_token_embedding\.(.*)", r"perception.transformer.embed.\1"),
    (_LAYER + r"0\.norm\.(.*)", r"perception.transformer.layers.\1.among.norm.\2"),
    (_LAYER + r"0\.fn\.to_out\.0\.(.*)", r"perception.transformer.layers.\1.among.to_out.\2"),
    (_LAYER + r"1\.norm\.(.*)", r"perception.transformer.layers.\1.across.norm.\2"),
    (_LAYER + r"1\.fn\.to_out\.0\.(.*)", r"perception.transformer.layers.\1.across.to_out.\2"),
    (_LAYER + r"1\.fn\.(to_q|to_kv)\.(.*)", r"perception.transformer.layers.\1.across.\2.\3"),
    (_LAYER + r"0\.fn\.to_qkv\.weight", r"perception.transformer.layers.\1.among.to_qkv.weight"),
    (_LAYER + r"2\.norm\.(.*)", r"perception.transformer.layers.\1.norm.\2"),
    (_LAYER + r"2\.fn\.net\.0\.(.*)", r"perception.transformer.layers.\1.fc1.\2"),
    (_LAYER + r"2\.fn\.net\.3\.(.*)", r"perception.transformer.layers.\1.fc2.\2"),
    (r"x_attention_head\.(.*)", r"perception.\1"),
)
"""naver/multi-hmr, SMPL-X variants; None: dropped on purpose."""


def rename(key: str, table: tuple[tuple[str, str | None], ...]) -> str | None:
    """Our name of a published key, or None where the table drops it.

    Raises:
        KeyError: for a key that no line of the table meets.
    """
    for pattern, name in table:
        match = re.fullmatch(pattern, key)
        if match:
            return None if name is None else match.expand(name)
    raise KeyError(key)
