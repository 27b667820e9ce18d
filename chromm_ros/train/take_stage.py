"""What all our stages share: they learn from takes of the synthetic world, in the sizes of the network that they train."""

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from chromm_ros.data.moment import Moment
from chromm_ros.model.config import SIZES, NetworkConfig
from chromm_ros.train.targets import Batch, Knowledge, batch_of

S = TypeVar("S", bound="TakeStage")


@dataclass(frozen=True)
class TakeStage:
    """A stage whose clips are moments of a take."""

    knowledge: Knowledge = field(default_factory=Knowledge)
    """What the network is told how often."""
    config: NetworkConfig = field(default_factory=lambda: SIZES["nano"])
    """Sizes of its inputs."""
    begun: bool = False
    """Whether the network comes with weights that were trained."""

    def at(self: S, config: NetworkConfig, *, begun: bool = False) -> S:
        """The same for a network of these sizes."""
        return replace(self, config=config, begun=begun)

    def batch(self, clips: list[tuple[Moment, ...]], rng: np.random.Generator) -> Batch:
        """Inputs and targets."""
        return batch_of(clips, self.config, self.knowledge, rng)
