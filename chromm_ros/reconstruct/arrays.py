"""From the network's tensors to NumPy, once per window and without importing torch."""

from typing import Any

import numpy as np


def float64(tensor: Any) -> np.ndarray:
    """A tensor (of any device) or array as float64."""
    return np.asarray(numpy_of(tensor), dtype=np.float64)


def integers(tensor: Any) -> np.ndarray:
    """A tensor (of any device) or array as int64."""
    return np.asarray(numpy_of(tensor), dtype=np.int64)


def numpy_of(tensor: Any) -> np.ndarray:
    """A tensor (of any device) or array as an array of its own type; NumPy has no bfloat16, which becomes float32."""
    if not hasattr(tensor, "detach"):
        return np.asarray(tensor)
    tensor = tensor.detach().cpu()
    half = tensor.is_floating_point() and tensor.element_size() < 4
    return np.asarray((tensor.float() if half else tensor).numpy())
