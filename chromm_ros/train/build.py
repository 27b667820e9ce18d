"""Networks that runs begin with."""

from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.human_heads import PerceptionHead
from chromm_ros.model.load import load_network
from chromm_ros.train.stage import Start


def composed(start: Start) -> Composed:
    """Both branches with Multi-HMR's own head; `start.weights` may be a human branch, what else is needed comes from the seed.

    Raises:
        ChrommError: if the weights are missing or made for another network.
    """
    options = ModelOptions(size=start.size, seed=start.seed, mode="compose", human_weights=start.weights)
    network = load_network(options).network
    assert isinstance(network, Composed)
    return network


def whole(start: Start) -> Chromm:
    """CHROMM with the weights of the whole network, and its SMPL decoder from Multi-HMR's own head where one is named.

    The decoder has that head's form (`model.people_heads.SmplDecoder`), so its layers and last maps fit; only what embeds a query differs.

    Raises:
        ChrommError: if weights are missing or made for another network.
    """
    network = load_network(ModelOptions(size=start.size, seed=start.seed, checkpoint=start.weights)).network
    assert isinstance(network, Chromm)
    if start.head:
        take_over(network, composed(Start(size=start.size, weights=start.head, seed=start.seed)).human.perception)
    return network


def take_over(network: Chromm, head: PerceptionHead) -> None:
    """Fill the SMPL decoder's layers and last maps with those of Multi-HMR's own head."""
    smpl = network.smpl
    smpl.transformer.layers.load_state_dict(head.transformer.layers.state_dict())
    for name in ("decpose", "decshape", "decexpression"):
        getattr(smpl, name).load_state_dict(getattr(head, name).state_dict())
