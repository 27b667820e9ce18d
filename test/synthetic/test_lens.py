"""What lenses and sensors do: undone where it can be, strong as stated, and the same from the same seed."""

import cv2
import numpy as np
import pytest

from chromm_ros.synthetic.render.draw import Drawn
from chromm_ros.synthetic.render.lens import PhotoOptions, distort, expose, pinhole_for

NOTHING = PhotoOptions(exposure=0.0, cast=0.0, vignette=0.0, blur=0.0, motion=0.0, noise=0.0, jpeg=0)
WIDTH, HEIGHT = 96, 72
K = np.array([[[60.0, 0.0, 49.0], [0.0, 62.0, 35.0], [0.0, 0.0, 1.0]]])


def rngs(moment: int = 0) -> tuple[np.random.Generator, np.random.Generator]:
    return np.random.default_rng(1), np.random.default_rng([2, moment])


def grey(level: int = 120) -> np.ndarray:
    return np.full((2, HEIGHT, WIDTH, 3), level, np.uint8)


def test_no_effects_change_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    np.testing.assert_array_equal(expose(image, *rngs(), NOTHING), image)


def test_a_camera_keeps_its_exposure_and_its_noise_changes() -> None:
    options = PhotoOptions(motion=0.0, blur=0.0, jpeg=0)
    first, again, later = (expose(grey(), *rngs(moment), options) for moment in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()
    np.testing.assert_allclose(first.mean(axis=(1, 2)), later.mean(axis=(1, 2)), atol=0.5)
    assert abs(first[0].mean() - first[1].mean()) > 0.5, "every camera has its own"


@pytest.mark.parametrize(("name", "most"), [("exposure", 1.0), ("cast", 0.3), ("noise", 0.1)])
def test_effects_stay_within_their_limits(name: str, most: float) -> None:
    options = PhotoOptions(**{**vars(NOTHING), name: most})
    for seed in range(20):
        taken = expose(grey(), np.random.default_rng(seed), np.random.default_rng(seed), options).astype(float)
        level, spread = taken.mean(axis=(1, 2)), taken.std(axis=(1, 2))
        if name == "noise":
            assert (spread <= 1.05 * 255 * most).all() and np.abs(level - 120).max() < 1.0
        else:
            low, high = (2**-most, 2**most) if name == "exposure" else (1 - most, 1 + most)
            assert (level >= 120 * low - 1).all() and (level <= 120 * high + 1).all() and spread.max() < 1.0


@pytest.mark.parametrize("k1", [-0.25, 0.2])
def test_undistorting_what_was_distorted_gives_it_back(k1: float) -> None:
    distortion = np.array([[k1, -0.2 * k1, 0.002, -0.001, 0.0]])
    pinhole, width, height = pinhole_for(K, distortion, WIDTH, HEIGHT)
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = (column - pinhole[0, 0, 2]) / 60.0, (row - pinhole[0, 1, 2]) / 62.0
    smooth = np.stack([128 + 60 * np.sin(4 * x), 128 + 60 * np.cos(3 * y), 128 + 50 * np.sin(2 * (x + y))], -1)
    drawn = Drawn(np.rint(smooth).astype(np.uint8)[None], (2 + x + y).astype(np.float32)[None], (x > 0).astype(np.uint8)[None])
    bent = distort(drawn, pinhole, K, distortion, WIDTH, HEIGHT)
    ros = K[0] - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]  # OpenCV counts the centres of pixels from 0
    maps = cv2.initUndistortRectifyMap(ros, distortion[0], None, ros, (WIDTH, HEIGHT), cv2.CV_32FC1)
    back = cv2.remap(bent.images[0], *maps, cv2.INTER_LINEAR)
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    x, y = (column - 49.0) / 60.0, (row - 35.0) / 62.0
    truth = np.stack([128 + 60 * np.sin(4 * x), 128 + 60 * np.cos(3 * y), 128 + 50 * np.sin(2 * (x + y))], -1)
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(back[inner] - truth[inner]).max() < 4.0
    depth = cv2.remap(bent.depth[0], *maps, cv2.INTER_NEAREST)
    assert np.abs(depth[inner] - (2 + x + y)[inner]).max() < 0.04, "within two pixels of slope 1/60"


def test_pinholes_hold_all_that_lenses_show() -> None:
    distortion = np.array([[-0.3, 0.06, 0.0, 0.0, 0.0]])
    pinhole, width, height = pinhole_for(K, distortion, WIDTH, HEIGHT)
    corners = np.array([[0.0, 0.0], [WIDTH, 0.0], [0.0, HEIGHT], [WIDTH, HEIGHT]])
    rays = cv2.undistortPoints(corners.reshape(-1, 1, 2), K[0], distortion[0]).reshape(-1, 2)
    pixels = rays * [60.0, 62.0] + pinhole[0, :2, 2]
    assert (pixels >= 0.0).all() and (pixels <= [width, height]).all()
