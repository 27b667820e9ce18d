"""Networks that runs begin with."""

from chromm_ros.model.compose import Composed
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.initialise import untrained
from chromm_ros.train.stage import Start


def composed(start: Start) -> Composed:
    """Both branches with Multi-HMR's own head, drawn from the seed."""
    network = untrained(ModelOptions(size=start.size).network(), start.seed, mode="compose", detector=False)
    assert isinstance(network, Composed)
    return network
