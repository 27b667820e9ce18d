"""Networks that runs begin with."""

from collections.abc import Iterator

import torch
from torch import nn

from chromm_ros.errors import ConfigError
from chromm_ros.model.checkpoint import load_weights, read_card
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import HumanConfig, ModelOptions
from chromm_ros.model.human_heads import PerceptionHead
from chromm_ros.model.initialise import untrained
from chromm_ros.model.load import UNTRAINED, load_network
from chromm_ros.model.people_heads import SmplDecoder
from chromm_ros.model.weight_files import find_weights
from chromm_ros.train.stage import Start

LAST = ("decpose", "decshape", "decexpression")
"""The last maps that the SMPL decoder and Multi-HMR's own head share."""


def composed(start: Start) -> Composed:
    """Both branches with Multi-HMR's own head, from `start.scene` and `start.human`; the rest comes from the seed.

    `start.weights` may stand for one of them, as its card tells, or for both: the whole network, whose SMPL decoder the head starts from.

    Raises:
        ChrommError: if the weights are missing or made for another network.
    """
    given = {"scene": start.scene, "human": start.human}
    if start.weights:
        card = read_card(find_weights(start.weights))
        if card is not None and card.kind == "chromm" and not any(given.values()):
            return _parted(start)
        if card is None or card.kind not in given or given[card.kind]:
            raise ConfigError(
                f"start.weights is '{start.weights}', expected a scene branch or a human branch that start.scene and start.human "
                "do not name, or the whole network where they name none: this stage trains one of the two branches alone"
            )
        given[card.kind] = start.weights
    options = ModelOptions(
        size=start.size,
        seed=start.seed,
        mode="compose",
        scene_weights=given["scene"],
        human_weights=given["human"],
        human_size=start.human_size,
    )
    network = load_network(options).network
    assert isinstance(network, Composed)
    return network


def _parted(start: Start) -> Composed:
    """The branches of a whole network; Multi-HMR's own head, which such a file lacks, is drawn, and its layers are the SMPL decoder's."""
    source = whole(start)
    network = untrained(source.config, start.seed, mode="compose", detector=False)
    assert isinstance(network, Composed)
    network.scene.load_state_dict(source.scene.state_dict())
    network.human.load_state_dict({**network.human.state_dict(), **source.human.state_dict()})
    give_back(network.human.perception, source)
    return network


def whole(start: Start) -> Chromm:
    """CHROMM from weights of the whole network, of its branches, or of the whole with other branches in place of its own.

    Its SMPL decoder comes from Multi-HMR's own head where one is named.

    The decoder has that head's form (`model.people_heads.SmplDecoder`), so its layers and last maps fit; only what embeds a query differs.

    Raises:
        ChrommError: if weights are missing or made for another network.
    """
    branches = {"scene": start.scene, "human": start.human}
    options = ModelOptions(
        size=start.size,
        seed=start.seed,
        checkpoint=start.weights or UNTRAINED,
        scene_weights="" if start.weights else start.scene,
        human_weights="" if start.weights else start.human,
        human_size=start.human_size or _side(start.human),
    )
    network = load_network(options).network
    assert isinstance(network, Chromm)
    for part, named in branches.items():
        if named and start.weights:
            load_weights(network.get_submodule(part), find_weights(named), leave_out=("perception.",))
    if start.head:
        take_over(network, composed(Start(size=start.size, human=start.head, seed=start.seed)).human.perception)
    return network


def _side(human: str) -> int:
    """Of the square image for which a human branch was trained; 0 where none is named, or its file does not tell."""
    card = read_card(find_weights(human)) if human else None
    sizes = card.sizes() if card else None
    return sizes.image_size if isinstance(sizes, HumanConfig) else 0


@torch.no_grad()
def take_over(network: Chromm, head: PerceptionHead) -> None:
    """Fill the SMPL decoder's layers and last maps with those of Multi-HMR's own head.

    What the head adds to its last maps goes along: the mean pose of its file, and its mean shape and expression, which the decoder has in
    its biases. An eleventh beta is left behind.
    """
    smpl = network.smpl
    smpl.transformer.layers.load_state_dict(head.transformer.layers.state_dict())
    smpl.init_body_pose.copy_(head.init_body_pose)
    for (mine, theirs), start in zip(_last_maps(smpl, head), (None, head.init_betas, head.init_expression), strict=True):
        count = mine.out_features
        mine.weight.copy_(theirs.weight[:count])
        mine.bias.copy_(theirs.bias[:count] if start is None else (theirs.bias + start[0])[:count])


@torch.no_grad()
def give_back(head: PerceptionHead, network: Chromm) -> None:
    """The way back, for a head that is drawn: its mean shape and expression are zero, and an eleventh beta stays as it is drawn."""
    smpl = network.smpl
    head.transformer.layers.load_state_dict(smpl.transformer.layers.state_dict())
    head.init_body_pose.copy_(smpl.init_body_pose)
    for mine, theirs in _last_maps(smpl, head):
        theirs.weight[: mine.out_features].copy_(mine.weight)
        theirs.bias[: mine.out_features].copy_(mine.bias)


def _last_maps(smpl: SmplDecoder, head: PerceptionHead) -> Iterator[tuple[nn.Linear, nn.Linear]]:
    for name in LAST:
        mine, theirs = smpl.get_submodule(name), head.get_submodule(name)
        assert isinstance(mine, nn.Linear)
        assert isinstance(theirs, nn.Linear)
        yield mine, theirs
