"""What the loop and the command ask of a stage of training; the stages themselves are in `stages.py`."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from chromm_ros.model.config import SIZES, NetworkConfig
from chromm_ros.settings import Settings, setting
from chromm_ros.synthetic.world.take import TakeOptions
from chromm_ros.train.loop import Task


@dataclass(frozen=True)
class Start(Settings):
    """The network that a run begins with."""

    size: str = setting("nano", "of the network", choices=tuple(SIZES))
    weights: str = setting("", "weights to start from, a file or a name; empty: drawn from the seed")
    scene: str = setting(
        "", "weights of the scene branch alone, an imported Pi3X; beside `weights` of the whole network: in place of its own"
    )
    human: str = setting("", "weights of the human branch alone, an imported Multi-HMR; the same")
    head: str = setting("", "a human branch with Multi-HMR's own head, whose layers CHROMM's SMPL decoder starts from")
    human_size: int = setting(
        0,
        "side of the square image of the human branch, a multiple of 14; 0: that of its weights, or the size's own [pixels]",
        at_least=0,
    )
    seed: int = setting(0, "of what no file fills", at_least=0)

    @property
    def begun(self) -> bool:
        """Whether any of the network comes from a file."""
        return bool(self.weights or self.scene or self.human)


@dataclass(frozen=True)
class Defaults:
    """What a stage is trained with unless the user says otherwise."""

    steps: int
    batch: int
    lr: float
    warm_up: int
    takes: TakeOptions = field(default_factory=TakeOptions)
    """What its data are made of."""
    moments: int = 1
    """Of one clip."""
    period_s: float = 0.1
    """Between them."""


@runtime_checkable
class Stage(Task, Protocol):
    """What is learnt, from what, and how it is judged."""

    @property
    def defaults(self) -> Defaults:
        """What it is trained with."""

    def at(self, config: NetworkConfig, *, begun: bool = False) -> "Stage":
        """The same for a network of these sizes, which its batches need, and whether it comes with trained weights."""

    def build(self, start: Start) -> nn.Module:
        """The network, on the CPU; the loop freezes whatever `trained` does not name."""
