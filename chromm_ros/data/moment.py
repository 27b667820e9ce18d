"""What is true of a picture, in full: what training needs of one moment, from the synthetic world or a dataset."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from chromm_ros.records import BodyParams


@dataclass(frozen=True)
class Moment:
    """One moment of a take or a sequence: V cameras of one size, P people who are there. Conventions as in `records`."""

    stamp_ns: int
    """Time since the take began."""
    images: UInt8[np.ndarray, "V H W 3"]
    """RGB, as the cameras deliver them."""
    depth: Float32[np.ndarray, "V H W"]
    """Metres along z at the centre of the pixel of the delivered image; 0 where nothing is."""
    person: UInt8[np.ndarray, "V H W"]
    """0 for nobody, else 1 + index of the person."""
    intrinsics: Float64[np.ndarray, "V 3 3"]
    """Pixels of the delivered images."""
    distortion: Float64[np.ndarray, "V 5"]
    """`plumb_bob` coefficients k1, k2, p1, p2, k3 of the delivered images; zeros for a pinhole."""
    world_from_cam: Float64[np.ndarray, "V 4 4"]
    """Poses of the cameras, z up; in a take the floor is z = 0."""
    ids: Int64[np.ndarray, "P"]
    """Who it is, the same for the whole take."""
    body: BodyParams
    """Leading shape (P,), in the world; of a take the free body."""
    joints: Float64[np.ndarray, "P 55 3"]
    """In the world, metres."""
    visible: Float32[np.ndarray, "V P"]
    """Share of the surface on the camera's side that the camera sees: 0 hidden or out of the image, 1 all of it."""
    head_visible: Float32[np.ndarray, "V P"]
    """The same of the head alone."""
    pixels: Int64[np.ndarray, "V P"]
    """Pixels that show the person."""
    head_pixel: Float64[np.ndarray, "V P 2"]
    """Joint 15 in the image, maybe beyond its border; NaN behind the camera."""
    pelvis_pixel: Float64[np.ndarray, "V P 2"]
    """Joint 0 in the image, maybe beyond its border; NaN behind the camera."""
