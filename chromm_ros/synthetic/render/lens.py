"""What cameras do to a picture: lenses that bend, exposure, colour cast, blur, noise, JPEG."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from chromm_ros.settings import Settings, setting
from chromm_ros.synthetic.render.compiled import compiled
from chromm_ros.synthetic.render.draw import Drawn


@dataclass(frozen=True)
class PhotoOptions(Settings):
    """How strong the effects are; every camera of a call draws its own within these limits. All zero: no change."""

    exposure: float = setting(0.3, "largest change of brightness, in octaves", at_least=0.0, at_most=2.0)
    cast: float = setting(0.08, "largest change of a colour channel, as a share", at_least=0.0, at_most=0.5)
    vignette: float = setting(0.25, "largest share of light that is missing in the corners", at_least=0.0, at_most=0.9)
    blur: float = setting(0.7, "largest standard deviation of defocus [pixels]", at_least=0.0, at_most=5.0)
    motion: float = setting(2.0, "longest streak of motion blur [pixels]", at_least=0.0, at_most=20.0)
    noise: float = setting(0.02, "largest standard deviation of noise, as a share of white", at_least=0.0, at_most=0.3)
    jpeg: int = setting(60, "worst quality of JPEG, the best being 95; 0: none", at_least=0, at_most=95)


JPEGS = 0.7
"""Share of cameras that deliver JPEG."""
LEAST_BLUR = 0.2
"""Standard deviation of defocus below which a pixel keeps its light, pixels."""

ROUNDS, SETTLED = 40, 1e-13
"""Of the iteration that undoes a lens, at most; and the change after which no more is needed."""


def expose(
    images: UInt8[np.ndarray, "V H W 3"], lasting: np.random.Generator, passing: np.random.Generator, options: PhotoOptions
) -> UInt8[np.ndarray, "V H W 3"]:
    """Photographs of what was drawn: exposure, white balance, vignette, defocus, motion blur, noise, JPEG, in this order.

    Args:
        images: of V cameras.
        lasting: for what a camera keeps (exposure, colour cast, vignette, defocus, quality); starts alike for all moments of a take.
        passing: for what every moment has anew (motion blur, noise).
        options: how strong.
    """
    return np.stack([_photograph(image, lasting, passing, options) for image in images]) if len(images) else images


def _photograph(
    image: UInt8[np.ndarray, "H W 3"], lasting: np.random.Generator, passing: np.random.Generator, options: PhotoOptions
) -> UInt8[np.ndarray, "H W 3"]:
    height, width = image.shape[:2]
    gain = 2.0 ** lasting.uniform(-options.exposure, options.exposure) * (1.0 + lasting.uniform(-options.cast, options.cast, 3))
    dark, sigma, strength = (lasting.uniform(0.0, most) for most in (options.vignette, options.blur, options.noise))
    quality = int(lasting.integers(options.jpeg, 96)) if options.jpeg and lasting.random() < JPEGS else 0
    length, angle = passing.uniform(0.0, options.motion), passing.uniform(0.0, np.pi)
    picture = cv2.multiply(image, (*gain, 0.0), dtype=cv2.CV_32F)
    if dark > 0.0:
        x, y = np.linspace(-1.0, 1.0, width, dtype=np.float32), np.linspace(-1.0, 1.0, height, dtype=np.float32)
        picture *= (1.0 - np.float32(dark) * 0.5 * (x[None] ** 2 + y[:, None] ** 2))[..., None]
    if sigma > LEAST_BLUR:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if length > 1.0:
        picture = cv2.filter2D(picture, -1, _streak(length, angle), borderType=cv2.BORDER_REPLICATE)
    if strength > 0.0:
        picture = cv2.scaleAdd(_grain(picture.shape, passing), 255.0 * strength, picture)
    taken = np.asarray(cv2.multiply(picture, 1.0, dtype=cv2.CV_8U))  # rounds and saturates in one pass
    if quality:
        taken = np.asarray(cv2.imdecode(cv2.imencode(".jpg", taken, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR))
    return np.asarray(taken)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Float32[np.ndarray, "H W 3"]:
    """Normal noise: a stretch of a long one that is drawn once, from wherever `rng` says.

    To draw each image its own takes as long as to do all the rest to it.
    """
    count, drawn = math.prod(shape), _noise()
    if 2 * count > len(drawn):
        return np.asarray(rng.standard_normal(shape, np.float32))
    start = int(rng.integers(len(drawn) - count))
    return drawn[start : start + count].reshape(shape)


@lru_cache(maxsize=1)
def _noise() -> Float32[np.ndarray, "N"]:
    return np.random.default_rng(0).standard_normal(2**21, np.float32)


def _streak(length: float, angle: float) -> Float[np.ndarray, "k k"]:
    """Kernel of a straight motion, its light in all one."""
    half = int(np.ceil(length / 2.0))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for step in np.linspace(-length / 2.0, length / 2.0, 4 * half + 1):
        kernel[round(half + step * np.sin(angle)), round(half + step * np.cos(angle))] += 1.0
    return np.asarray(kernel / kernel.sum())


def pinhole_for(
    intrinsics: Float[np.ndarray, "V 3 3"], distortion: Float[np.ndarray, "V 5"], width: int, height: int
) -> tuple[Float[np.ndarray, "V 3 3"], int, int]:
    """Pinholes whose images, all of one size, hold all that the distorted ones show: intrinsics, width, height to `draw` with."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for k, d in zip(intrinsics, distortion, strict=True):
        straight = _undistorted(_border(width, height), k, d) * [k[0, 0], k[1, 1]] + k[:2, 2]  # where they lie for a pinhole
        low, high = np.minimum(low, straight.min(axis=0)), np.maximum(high, straight.max(axis=0))
    before = np.maximum(np.ceil(-low), 0.0) + 1.0
    after = np.maximum(np.ceil(high - [width, height]), 0.0) + 1.0
    shifted = intrinsics.astype(np.float64).copy()
    shifted[:, :2, 2] += before
    size = (np.array([width, height]) + before + after).astype(int)
    return shifted, int(size[0]), int(size[1])


def distort(
    drawn: Drawn,
    pinhole: Float[np.ndarray, "V 3 3"],
    intrinsics: Float[np.ndarray, "V 3 3"],
    distortion: Float[np.ndarray, "V 5"],
    width: int,
    height: int,
) -> Drawn:
    """Pinhole images as lenses with `plumb_bob` distortion (k1, k2, p1, p2, k3) show them; depth and person are those of the nearest pixel."""
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([column, row], axis=-1).reshape(-1, 2)
    images, depths, people = [], [], []
    for view, (p, k, d) in enumerate(zip(pinhole, intrinsics, distortion, strict=True)):
        ray = _undistorted(pixels, k, d)
        source = (
            (ray * [p[0, 0], p[1, 1]] + p[:2, 2] - 0.5).astype(np.float32).reshape(height, width, 2)
        )  # cv2 counts centres from 0
        images.append(cv2.remap(drawn.images[view], source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        nearest = np.rint(source).astype(int)
        x, y = np.clip(nearest[..., 0], 0, drawn.depth.shape[2] - 1), np.clip(nearest[..., 1], 0, drawn.depth.shape[1] - 1)
        depths.append(drawn.depth[view][y, x])
        people.append(drawn.person[view][y, x])
    return Drawn(np.stack(images), np.stack(depths), np.stack(people))


def _undistorted(
    pixels: Float[np.ndarray, "N 2"], k: Float[np.ndarray, "3 3"], d: Float[np.ndarray, "5"]
) -> Float[np.ndarray, "N 2"]:
    """Rays (x/z, y/z) of distorted pixels: OpenCV's iteration, of which its own function does five rounds only."""
    rays = _rays(pixels.astype(np.float64), k.astype(np.float64), d.astype(np.float64))
    return np.asarray(rays)


@compiled
def _rays(
    pixels: Float64[np.ndarray, "N 2"], k: Float64[np.ndarray, "3 3"], d: Float64[np.ndarray, "5"]
) -> Float64[np.ndarray, "N 2"]:
    """The iteration, pixel by pixel: most settle soon."""
    rays = np.empty(pixels.shape)
    for n in range(len(pixels)):
        bx, by = (pixels[n, 0] - k[0, 2]) / k[0, 0], (pixels[n, 1] - k[1, 2]) / k[1, 1]
        x, y = bx, by
        for _ in range(ROUNDS):
            r2 = x * x + y * y
            radial = 1.0 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))
            u = (bx - 2.0 * d[2] * x * y - d[3] * (r2 + 2.0 * x * x)) / radial
            v = (by - d[2] * (r2 + 2.0 * y * y) - 2.0 * d[3] * x * y) / radial
            change = abs(u - x) + abs(v - y)
            x, y = u, v
            if change < SETTLED:
                break
        rays[n, 0], rays[n, 1] = x, y
    return rays


def _border(width: int, height: int) -> Float[np.ndarray, "N 2"]:
    """Points along the image's border, a few pixels apart."""
    x, y = np.linspace(0.0, width, 33), np.linspace(0.0, height, 33)
    sides = [
        np.stack([x, 0 * x], -1),
        np.stack([x, 0 * x + height], -1),
        np.stack([0 * y, y], -1),
        np.stack([0 * y + width, y], -1),
    ]
    return np.concatenate(sides)
