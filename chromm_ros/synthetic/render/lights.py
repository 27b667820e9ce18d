"""What lights a scene: light from everywhere, a sun or lamps. They cast no shadows but those of a face turned away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class Lights:
    """All light of a scene, linear; 1 on a white face gives white."""

    ambient: Float32[np.ndarray, "2 3"]
    """From above (on faces that look up) and from below; between them by the normal."""
    places: Float32[np.ndarray, "L 4"]
    """(x, y, z, 1): a lamp there, metres. (x, y, z, 0): a sun in that direction, of unit length."""
    colors: Float32[np.ndarray, "L 3"]
    """A sun's light; a lamp's at one metre's distance, falling as 1 / (1 + d^2 / 4)."""
    background: Float32[np.ndarray, "3"]
    """Where nothing is."""
