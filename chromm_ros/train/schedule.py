"""What changes with the step, as pure functions of it: nothing of this has a state that a checkpoint could lose."""

import math
from collections.abc import Iterable
from typing import Any

from torch import nn

from chromm_ros.train.options import TrainOptions


def rate(step: int, options: TrainOptions) -> float:
    """Learning rate of a step that is counted from 0: a line up to `lr`, then half a cosine down to `floor` of it.

    Loshchilov & Hutter, SGDR (ICLR 2017), eq. 5 without restarts.
    """
    if step < options.warm_up:
        return options.lr * (step + 1) / options.warm_up
    done = (step - options.warm_up) / max(1, options.steps - options.warm_up)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return options.lr * (options.floor + (1 - options.floor) * cosine)


def keep_share(step: int, options: TrainOptions) -> float:
    """What the averaged weights keep at a step counted from 0: little at first, so that the start is forgotten.

    The ramp is that of TensorFlow's ExponentialMovingAverage (`num_updates`).
    """
    return min(options.ema, (1 + step) / (10 + step))


def groups(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for AdamW: matrices and convolutions decay; norms, biases, scales, tokens and positions do not."""
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, value in parameters:
        is_matrix = value.ndim >= 2 and name.rpartition(".")[2] == "weight"
        (decaying if is_matrix else others).append(value)
    both = ({"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0})
    return [group for group in both if group["params"]]
