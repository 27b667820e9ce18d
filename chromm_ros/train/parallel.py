"""The processes of one run: one alone, or those that torchrun started, by torch's own DistributedDataParallel."""

import gc
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from chromm_ros.errors import ConfigError


@dataclass(frozen=True)
class Group:
    """This process among those of its run."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, its gradients averaged over all processes where there are several.

        People are not in every batch, so some heads have no gradient at times: torch looks for them.
        """
        return module if self.world == 1 else DistributedDataParallel(module, find_unused_parameters=True)

    def alone(self, module: nn.Module, *, wanted: bool) -> AbstractContextManager[None]:
        """While it is open and wanted, gradients are gathered in this process only."""
        return module.no_sync() if wanted and isinstance(module, DistributedDataParallel) else nullcontext()

    def any(self, *, here: bool) -> bool:
        """Whether it is so in any process; all have to ask."""
        if self.world == 1:
            return here
        flag: Tensor = torch.tensor(float(here), device=self.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag > 0)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in all of them; plain objects."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """Join the other processes of torchrun, if there are any, and leave them at the end.

    Args:
        device: `auto` (a GPU where there is one), `cpu` or `cuda:N`; under torchrun each process takes the GPU of its number.

    Raises:
        ConfigError: if the device does not exist.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = _device(device, int(os.environ.get("LOCAL_RANK", "0")) if world > 1 else None)
    if world == 1:
        yield Group(device=here)
        return
    if here.type == "cuda":
        torch.cuda.set_device(here)
    distributed.init_process_group("nccl" if here.type == "cuda" else "gloo")
    try:
        yield Group(distributed.get_rank(), world, here)
        distributed.barrier()  # nobody leaves while others still write
    finally:
        # DistributedDataParallel is part of cycles and keeps the group's threads, which abort the process where they meet its end.
        gc.collect()
        distributed.destroy_process_group()


def _device(name: str, local: int | None) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device is '{name}', expected auto, cpu or cuda:N") from None
    if device.type == "cuda":
        number = local if local is not None else device.index or 0
        if number >= torch.cuda.device_count():
            raise ConfigError(f"device is '{name}' and GPU {number} is needed, but torch sees {torch.cuda.device_count()} GPUs")
        return torch.device("cuda", number)
    if device.type != "cpu":
        raise ConfigError(f"device is '{name}', expected auto, cpu or cuda:N")
    return device
