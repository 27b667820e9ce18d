"""A z-buffer: what cameras see of triangles, with colour, depth and person for every pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from chromm_ros.synthetic.render.lights import Lights
from chromm_ros.synthetic.render.material import Materials
from chromm_ros.synthetic.render.mesh import Scene


@dataclass(frozen=True)
class Drawn:
    """What V cameras of one size see."""

    images: UInt8[np.ndarray, "V H W 3"]
    """sRGB."""
    depth: Float32[np.ndarray, "V H W"]
    """Metres along z at the centre of the pixel; 0 where nothing is."""
    person: UInt8[np.ndarray, "V H W"]
    """0 or 1 + index of the person at the centre of the pixel."""


def draw(
    scene: Scene,
    materials: Materials,
    lights: Lights,
    intrinsics: Float[np.ndarray, "V 3 3"],
    world_from_cam: Float[np.ndarray, "V 4 4"],
    width: int,
    height: int,
    supersample: int = 1,
) -> Drawn:
    """Draw a scene for V cameras (pinholes; OpenCV axes, the centre of the top-left pixel is (0.5, 0.5)).

    Args:
        scene: what there is, from `mesh.merge`.
        materials: table that its faces refer to.
        lights: what lights it.
        intrinsics: in pixels of the images.
        world_from_cam: where the cameras are.
        width: of all images, pixels.
        height: of all images, pixels.
        supersample: colours are the mean of so many samples squared in a pixel; depth and person are always those of its centre.
    """
    raise NotImplementedError
