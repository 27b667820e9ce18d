"""What the published files call our parameters: one short table per source, read from top to bottom.

Both directions of a rename are checked by whoever loads: every key of the file and every parameter of ours must be met.
"""

import re

PI3X: tuple[tuple[str, str | None], ...] = ((r"(.*)", r"\1"),)
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

_ANNY_LAYER = r"decoder\.transformer\.layers\.(\d+)\."
ANNY: tuple[tuple[str, str | None], ...] = (
    (r"(body_model|anchors)\..*", None),  # buffers of the body model
    (r"eye", None),  # the identity
    (r"encoder\.backbone\.mask_token", None),  # for DINOv2's own training
    (r"encoder\.backbone\.(.*)", r"backbone.\1"),
    (r"encoder\.mlp_det\.(.*)", r"classifier.\1"),
    (r"encoder\.mlp_fov_unique\.(.*)", r"field.\1"),
    (r"encoder\.fov_max", r"fov_max"),
    (r"dec_to_token\.(.*)", r"embed.\1"),
    (r"dec_pos_emb", r"position"),
    (r"mlp_(offset|pose|shape)\.(.*)", r"\1.\2"),
    (r"mlp_dist\.(.*)", r"distance.\1"),
    (r"(init_body_pose|useful_rotmat)", r"\1"),
    *(
        (pattern.replace(_LAYER, _ANNY_LAYER), str(name).replace("perception.transformer", "decoder"))
        for pattern, name in MULTIHMR
        if pattern.startswith(_LAYER)
    ),
)
"""naver/multi-hmr, Anny variant: its layers have the names of the SMPL-X variants' layers, elsewhere."""


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


def restore(name: str, table: tuple[tuple[str, str | None], ...]) -> str:
    """The published key of a name of ours, by reading the table backwards; messages speak of the file at hand."""
    for pattern, template in table:
        match = None if template is None else re.fullmatch(_pattern_of(template, pattern), name)
        if match:
            between = re.split(GROUP, pattern.replace(r"\.", "."))
            return match.expand(
                "".join(text + f"\\{number}" for number, text in enumerate(between, 1)).removesuffix(f"\\{len(between)}")
            )
    return name


GROUP = r"\([^)]*\)"


def _pattern_of(template: str, pattern: str) -> str:
    groups = re.findall(GROUP, pattern)
    return re.sub(r"\\(\d)", lambda number: groups[int(number[1]) - 1], template.replace(".", r"\."))
