"""Depth messages to metres (REP-118). Nothing here imports ROS, so a bag that was read without it takes the same way.

Raw depth of 1280x720 costs 1 ms, a PNG of it some ten (56 measured where it is noisy, on a busy core): raw is taken where both are.
"""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import Float

from chromm_ros.errors import InputError
from chromm_ros.inputs.images import CompressedMessage, ImageMessage, decoded, image_rows

Metres = Float[np.ndarray, "h w"]

ENCODINGS = {"16UC1": ("u2", 0.001), "32FC1": ("f4", 1.0)}
"""Encoding -> type of a pixel in NumPy's words and metres per unit."""
_HEADER = struct.Struct("<iff")
"""What stands before the PNG: the kind of compression and the two numbers of `_from_inverse`."""


def is_depth(message: ImageMessage | CompressedMessage) -> bool:
    """Whether an image message says of itself that it holds depth."""
    if isinstance(message, CompressedMessage):
        return "compressedDepth" in message.format
    return message.encoding in ENCODINGS


def metres_from_image(message: ImageMessage) -> Metres:
    """The depth of a sensor_msgs/Image, 0 where it is not finite or not positive, which is how REP-118 says unknown.

    Raises:
        InputError: if the encoding is neither 16UC1 nor 32FC1, or size and step do not fit the data.
    """
    if message.encoding not in ENCODINGS:
        raise InputError(
            f"a depth image has the encoding {message.encoding!r}, expected one of {', '.join(ENCODINGS)}: name the topic of depth images"
        )
    kind, unit = ENCODINGS[message.encoding]
    rows = np.ascontiguousarray(image_rows(message, int(kind[1])))
    return _sound(rows.view((">" if message.is_bigendian else "<") + kind).astype(np.float32) * np.float32(unit))


def metres_from_compressed(message: CompressedMessage) -> Metres:
    """The depth of a sensor_msgs/CompressedImage of the transport `compressedDepth`, a PNG after a short header; else as above.

    Raises:
        InputError: if it is of another format (`rvl` too) or cannot be decoded.
    """
    encoding, _, transport = message.format.partition(";")
    if encoding not in ENCODINGS or transport.strip() not in {"compressedDepth", "compressedDepth png"}:
        raise InputError(
            f"a compressed depth image has the format {message.format!r}, expected {' or '.join(ENCODINGS)} with compressedDepth png: "
            "set this in its driver, or name the raw topic"
        )
    data = np.frombuffer(message.data, np.uint8)
    image = decoded(data[_HEADER.size :]) if data.size > _HEADER.size else None
    if image is None or image.ndim != 2 or image.dtype != np.uint16:
        raise InputError(f"a compressed depth image of {data.size} bytes does not hold a PNG of 16 bits after its header")
    if encoding == "16UC1":
        return _sound(image.astype(np.float32) * np.float32(ENCODINGS[encoding][1]))
    return _sound(_from_inverse(image, *_HEADER.unpack_from(data.tobytes()[: _HEADER.size])[1:]))


def fits(depth: Metres, size: tuple[int, int]) -> bool:
    """Whether a depth image has the aspect ratio of an image of this width and height, but for rounding by a pixel."""
    height, width = depth.shape
    return bool(abs(height * size[0] / width - size[1]) <= max(1.0, size[0] / width))


def _from_inverse(values: np.ndarray, scale: float, offset: float) -> Metres:
    """Undo the quantised inverse depth of compressed_depth_image_transport (its codec.cpp): scale / (value - offset), 0 is unknown."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        metres = np.float32(scale) / (values.astype(np.float32) - np.float32(offset))
    return np.where(values > 0, metres, np.float32(0))


def _sound(metres: Metres) -> Metres:
    """The same with 0 for whatever is no depth."""
    with np.errstate(invalid="ignore"):
        return np.where((metres > 0) & (metres < np.inf), metres, np.float32(0))
