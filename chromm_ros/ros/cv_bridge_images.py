"""Images of encodings that our own table (`inputs/images.py`) does not know."""

from __future__ import annotations

import cv2
import numpy as np

from chromm_ros.errors import InputError
from chromm_ros.inputs.images import CODES, ImageMessage, Rgb


def through_cv_bridge(message: ImageMessage) -> Rgb:
    """The pixels of a sensor_msgs/Image, by cv_bridge.

    Raises:
        InputError: if it is not installed, or cannot convert this.
    """
    names = ", ".join(sorted(CODES))
    try:
        from cv_bridge import CvBridge  # here, because few encodings need it and it is optional
    except ImportError as error:
        raise InputError(
            f"encoding {message.encoding!r} needs cv_bridge, which is not installed; known without it: {names}"
        ) from error
    try:
        image = np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"))
    # cv_bridge raises CvBridgeError, KeyError, AttributeError, TypeError or cv2.error for one reason: it cannot convert this.
    except (KeyError, AttributeError, TypeError, ValueError, RuntimeError, cv2.error) as error:
        raise InputError(
            f"cv_bridge cannot make rgb8 of encoding {message.encoding!r} ({error}), expected one of {names}"
        ) from error
    if image.shape != (message.height, message.width, 3) or image.dtype != np.uint8:
        raise InputError(f"cv_bridge made {image.shape} {image.dtype} of encoding {message.encoding!r}, expected 8-bit RGB")
    return image
