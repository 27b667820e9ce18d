"""Trained weights from a file of our own kind: safetensors with our parameters' names."""

from pathlib import Path

from torch import nn

from chromm_ros.errors import FileError, require

SHOWN = 3
"""How many wrong names a message lists."""


def load_weights(network: nn.Module, path: str) -> str:
    """Fill the network, strictly: every name and shape must fit both ways.

    Returns:
        The name of the weights, which is the file's without its ending.

    Raises:
        DependencyError: if safetensors is not installed.
        FileError: if the file is missing, no safetensors file, or made for another network.
    """
    safetensors = require("safetensors.torch", extra="model")
    if not Path(path).is_file():
        raise FileError(f"checkpoint '{path}' does not exist")
    try:
        weights = safetensors.load_file(path)
    except (OSError, ValueError, require("safetensors", extra="model").SafetensorError) as error:
        raise FileError(f"checkpoint '{path}' is not a whole safetensors file ({error}); fetch or export it again") from None
    ours = network.state_dict()
    wrong = [f"missing {name}" for name in ours if name not in weights]
    wrong += [f"unknown {name}" for name in weights if name not in ours]
    wrong += [
        f"{name} is {tuple(weights[name].shape)}, expected {tuple(value.shape)}"
        for name, value in ours.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise FileError(
            f"checkpoint '{path}' was made for another network: {'; '.join(wrong[:SHOWN])}{more}; "
            "set model.size and model.human_size to those it was trained with"
        )
    network.load_state_dict(weights)
    return Path(path).stem
