"""Who is to be found in a picture: training asks it, and tests count by it."""

import numpy as np
from jaxtyping import Bool

from chromm_ros.body.skeleton import HEAD
from chromm_ros.data.moment import Moment
from chromm_ros.geometry import se3

SEEN = 0.35
"""Share of a head's surface that must be seen for it to be looked for."""
HIDDEN = 0.1
"""Share below which it is not to be found; between the two nobody says."""
FEWEST_PIXELS = 60 / (224 * 168)
"""Of a person who is to be found, as a share of the image."""
NEAREST = 0.4
"""Depth of a head below which nobody is asked to be found, metres."""


def in_image(moment: Moment) -> Bool[np.ndarray, "V P"]:
    """Whose head lies in the image, however near; False for the NaN behind the camera."""
    height, width = moment.images.shape[1:3]
    pixel = moment.head_pixel
    return np.asarray(((pixel >= 0.0) & (pixel < [width, height])).all(axis=-1))


def on_image(moment: Moment) -> Bool[np.ndarray, "V P"]:
    """Whose head lies in the image, and not in the camera's face."""
    depth = se3.apply(se3.inverse(moment.world_from_cam), moment.joints[None, :, HEAD])[..., 2]
    return np.asarray(in_image(moment) & (depth > NEAREST))


def to_find(moment: Moment) -> Bool[np.ndarray, "V P"]:
    """Who is to be found in each image."""
    enough = moment.pixels >= FEWEST_PIXELS * moment.images[0, :, :, 0].size
    return np.asarray(on_image(moment) & (moment.head_visible >= SEEN) & enough)


def may_be_found(moment: Moment) -> Bool[np.ndarray, "V P"]:
    """Who counts neither way: heads of which too little is seen to ask for them, and too much to call them wrong."""
    return np.asarray(on_image(moment) & (moment.head_visible >= HIDDEN) & ~to_find(moment))
