"""A point in space lands on the same spot of the picture, however the camera cut, binned, resized or bent it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from chromm_ros.errors import InputError
from chromm_ros.inputs.calibration import Calibration, calibration_from_info, is_rectified_topic
from chromm_ros.inputs.rectify import Rectifier

K = [800.0, 0, 319.5, 0, 780.0, 239.5, 0, 0, 1]
P = [700.0, 0, 300.0, 0, 0, 690.0, 250.0, 0, 0, 0, 1, 0]


def info(**change: object) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    known = {"width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": K, "p": P}
    return SimpleNamespace(**{**known, "binning_x": 0, "binning_y": 0, "roi": roi, **change})


def calibrated(message: SimpleNamespace, size: tuple[int, int] = (640, 480), *, rectified: bool = False) -> Calibration:
    result = calibration_from_info(message, size, rectified=rectified)
    assert result is not None
    return result


def test_our_pixels_lie_half_a_pixel_beside_those_of_ros() -> None:
    ray = np.array([0.1, -0.2, 1.0])
    in_ros = (np.array(K).reshape(3, 3) @ ray)[:2]
    np.testing.assert_allclose((calibrated(info()).intrinsics @ ray)[:2], in_ros + 0.5, rtol=1e-6)
    centred = calibrated(info()).intrinsics
    np.testing.assert_allclose(centred[:2, 2], [320, 240])  # an ideal camera's centre is half its size


@pytest.mark.parametrize(("scale", "size"), [(0.5, (320, 240)), (2.0, (1280, 960))])
def test_a_resized_image_has_its_pixels_resized(scale: float, size: tuple[int, int]) -> None:
    whole, resized = calibrated(info()).intrinsics, calibrated(info(), size).intrinsics
    np.testing.assert_allclose(resized[:2], whole[:2] * scale, rtol=1e-6)


def test_binning_and_region_are_applied_once() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=400, height=300)
    part = calibrated(info(roi=roi, binning_x=2, binning_y=2), (200, 150)).intrinsics
    whole = calibrated(info()).intrinsics
    ray = np.array([0.05, 0.1, 1.0])
    np.testing.assert_allclose((part @ ray)[:2], ((whole @ ray)[:2] - [100, 60]) / 2, rtol=1e-5)


def test_what_cannot_be_right_is_refused() -> None:
    for message, sentence in (
        (info(k=[-1.0, *K[1:]]), "expected positive"),
        (info(k=[float("nan"), *K[1:]]), "expected positive"),
        (info(k=[*K[:8], 0.0]), "can be inverted"),
        (info(k=[*K[:6], 0.1, 0.0, 1.0]), "can be inverted"),
        (info(k=[800.0, 0, 1e300, *K[3:]]), "can be inverted"),
        (info(k=[800.0, 780.0, 319.5, 800.0, 780.0, 239.5, 0, 0, 1]), "can be inverted"),
        (info(k=[1e-9, *K[1:]]), "can be inverted"),
        (info(roi=SimpleNamespace(x_offset=600, y_offset=0, width=100, height=480)), "lie inside"),
        (info(distortion_model="magic", d=[0.1]), "'magic' with 1 coefficients"),
        (info(d=[0.1, 0.2, 0.3]), "with 3 coefficients"),
    ):
        with pytest.raises(InputError, match=sentence):
            calibration_from_info(message, (640, 480), rectified=False)
    with pytest.raises(InputError, match="can be inverted"):
        calibration_from_info(info(p=[*P[:10], 0.0, 0.0]), (640, 480), rectified=True)
    with pytest.raises(InputError, match="same aspect ratio"):
        calibration_from_info(info(), (640, 360), rectified=False)
    assert calibration_from_info(info(k=[0.0] * 9, p=[0.0] * 12), (640, 480), rectified=False) is None


def test_rectified_images_take_p_and_no_distortion() -> None:
    result = calibrated(info(d=[0.1, 0, 0, 0, 0]), rectified=True)
    assert result.distortion == ()
    np.testing.assert_allclose(result.intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]], [700, 690, 300.5, 250.5])
    without = calibrated(info(p=[0.0] * 12), rectified=True)
    np.testing.assert_allclose(without.intrinsics[0, 0], 800)


def test_the_name_of_a_topic_tells_whether_it_is_rectified() -> None:
    for topic in (
        "/a/image_rect",
        "/a/image_rect_color",
        "/zed/rgb/color/rect/image",
        "/a/image_rectified/compressed",
        "/rect/image",
    ):
        assert is_rectified_topic(topic), topic
    for topic in ("/a/image_raw", "/direct/image", "/a/image", "/rectangle/image_raw"):
        assert not is_rectified_topic(topic), topic


def pattern(rays: np.ndarray) -> np.ndarray:
    """A picture painted on the plane z = 1, with waves of about 25 pixels: half a pixel aside shows."""
    x, y = rays[..., 0], rays[..., 1]
    return 128 + 100 * np.stack([np.sin(x * 160), np.sin(y * 160), np.sin((x + y) * 110)], axis=-1)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("plumb_bob", [-0.25, 0.08, 0.001, -0.002, 0.0]),
        ("plumb_bob", [0.15, 0.0, 0.0, 0.0, 0.0]),
        ("rational_polynomial", [0.2, 0.05, 0.001, 0.0, 0.01, 0.4, 0.02, 0.0]),
        ("equidistant", [0.05, -0.01, 0.003, 0.0]),
    ],
)
def test_a_bent_picture_becomes_straight(model: str, distortion: list[float]) -> None:
    matrix, size = np.array(K).reshape(3, 3), (640, 480)
    pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(480.0)), axis=-1).reshape(-1, 1, 2)  # OpenCV's centres
    undistort = cv2.fisheye.undistortPoints if model == "equidistant" else cv2.undistortPoints
    bent = pattern(undistort(pixels, matrix, np.array(distortion)).reshape(480, 640, 2)).round().astype(np.uint8)
    rectifier = Rectifier(calibrated(info(distortion_model=model, d=distortion), size))
    straight = rectifier(bent)
    ours = np.stack(np.meshgrid(np.arange(640) + 0.5, np.arange(480) + 0.5), axis=-1)  # our centres
    rays = (ours - rectifier.intrinsics[:2, 2]) / rectifier.intrinsics[[0, 1], [0, 1]]
    error = np.abs(straight.astype(float) - pattern(rays))[2:-2, 2:-2]
    assert error.mean() < 2.5, error.mean()  # half a pixel aside would be about 8
    # OpenCV fits a fisheye's new matrix to the middles of the edges, so a few pixels in the corners stay empty.
    assert np.percentile(error, 99 if model == "equidistant" else 99.9) < 15


def test_a_wild_polynomial_keeps_the_old_matrix() -> None:
    wild = Calibration(tuple(K), "plumb_bob", (-3.0, 30.0, 0.0, 0.0, -90.0), (640, 480))
    rectifier = Rectifier(wild)
    assert np.isfinite(rectifier.intrinsics).all()
    assert (rectifier.intrinsics[[0, 1], [0, 1]] > 100).all()
