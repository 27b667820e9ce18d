"""Something small to learn, so that the loop can be tested without any stage: y = f(x), where clip i has its own x and noise."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chromm_ros.train.loop import Ending, Loop, Run
from chromm_ros.train.options import TrainOptions
from chromm_ros.train.parallel import Group
from chromm_ros.train.state import checkpoints, read_checkpoint

OPTIONS = TrainOptions(
    steps=12, batch=4, lr=5e-2, warm_up=3, log_every=1, validate_every=5, validation_clips=4, checkpoint_every=4, accumulate=2
)


@dataclass(frozen=True)
class Pairs:
    """A batch."""

    x: Tensor
    y: Tensor

    def to(self, device: torch.device) -> "Pairs":
        return Pairs(self.x.to(device), self.y.to(device))


class Toy:
    """A frozen layer, a trained one, and a second one that only some batches need, as heads of people are."""

    name = "toy"

    def build(self) -> nn.Module:
        generator = torch.Generator().manual_seed(5)
        network = nn.ModuleDict({"frozen": nn.Linear(4, 8), "out": nn.Linear(8, 2), "seldom": nn.Linear(8, 2)})
        with torch.no_grad():
            for value in network.parameters():
                value.normal_(std=0.5, generator=generator)
        return network

    def trained(self, network: nn.Module) -> list[tuple[str, nn.Parameter]]:
        return [(name, value) for name, value in network.named_parameters() if not name.startswith("frozen")]

    def batch(self, clips: list[Any], rng: np.random.Generator) -> Pairs:
        x = torch.tensor(np.stack(clips)) + torch.tensor(rng.normal(scale=0.1, size=(len(clips), 4)).astype(np.float32))
        return Pairs(x, x[:, :2].square() - x[:, 2:])

    def losses(self, network: nn.Module, batch: Pairs, progress: float) -> dict[str, Tensor]:
        noise = 0.01 * torch.randn_like(batch.x)  # of torch's own generator, as dropout would
        hidden = torch.relu(network["frozen"](batch.x + noise))
        terms = {"out": (network["out"](hidden) - batch.y).square().mean()}
        if batch.x[0, 0] > 0:
            terms["seldom"] = progress * (network["seldom"](hidden) + batch.y).abs().mean()
        return terms

    def measure(self, network: nn.Module, batch: Pairs) -> dict[str, float]:
        return {"x": float(batch.x.mean()), "never": float("nan")}

    def panel(self, network: nn.Module, batch: Pairs) -> np.ndarray:
        return np.zeros((4, 6, 3), np.uint8)


@contextmanager
def clips(numbers: Iterator[int]) -> Iterator[Iterator[Any]]:
    yield (np.random.default_rng(number).normal(size=4).astype(np.float32) for number in numbers)


def toy_run(folder: Path, group: Group | None = None, **options: Any) -> Run:
    with clips(iter(range(1000, 1004))) as validation:
        return Run(
            task=Toy(),
            network=Toy().build(),
            options=replace(OPTIONS, **options),
            folder=folder,
            clips=clips,
            validation=list(validation),
            group=group or Group(),
        )


def train_toy(run: Run) -> Ending:
    """From the newest checkpoint, if there is one."""
    found = checkpoints(run.folder / "checkpoints")
    return Loop(run, read_checkpoint(found[-1]) if found else None)()
