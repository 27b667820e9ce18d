"""What cameras do to a picture: lenses that bend, exposure, colour cast, blur, noise, JPEG."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from chromm_ros.settings import Settings
from chromm_ros.synthetic.render.draw import Drawn


@dataclass(frozen=True)
class PhotoOptions(Settings):
    """How strong the effects are; every camera of a call draws its own within these limits. All zero: no change."""


def expose(images: UInt8[np.ndarray, "V H W 3"], rng: np.random.Generator, options: PhotoOptions) -> UInt8[np.ndarray, "V H W 3"]:
    """Photographs of what was drawn: vignette, exposure, white balance, defocus, motion blur, noise, JPEG, in this order.

    A camera keeps its exposure, colour cast and defocus if `rng` starts alike; pass the camera's own for a whole take and the
    noise of a moment changes with what `rng` gave before.
    """
    raise NotImplementedError


def pinhole_for(
    intrinsics: Float[np.ndarray, "V 3 3"], distortion: Float[np.ndarray, "V 5"], width: int, height: int
) -> tuple[Float[np.ndarray, "V 3 3"], int, int]:
    """Pinholes whose images, all of one size, hold all that the distorted ones show: intrinsics, width, height to `draw` with."""
    raise NotImplementedError


def distort(
    drawn: Drawn,
    pinhole: Float[np.ndarray, "V 3 3"],
    intrinsics: Float[np.ndarray, "V 3 3"],
    distortion: Float[np.ndarray, "V 5"],
    width: int,
    height: int,
) -> Drawn:
    """Pinhole images as lenses with `plumb_bob` distortion (k1, k2, p1, p2, k3) show them; depth and person are those of the nearest pixel."""
    raise NotImplementedError
