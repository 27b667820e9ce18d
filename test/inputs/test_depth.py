"""Depth messages become metres where they are known, meet their images, and what cannot be used is refused in one sentence."""

from itertools import pairwise
from struct import pack
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from chromm_ros.errors import InputError
from chromm_ros.inputs.calibration import Calibration
from chromm_ros.inputs.depth import DepthInput
from chromm_ros.inputs.depth_images import is_depth, metres_from_compressed, metres_from_image
from chromm_ros.inputs.rectify import Rectifier
from chromm_ros.records import Frame
from chromm_ros.stream.pairing import DepthPairing

MS = 1_000_000
MILLIMETRES = np.array([[0, 1, 1500, 65535], [2000, 2001, 0, 40]], np.uint16)
METRES = np.array([[0.0, 0.5, np.nan, np.inf], [-np.inf, -1.0, 2.25, 1e-3]], np.float32)


def message(pixels: np.ndarray, encoding: str, *, stamp_ns: int = 0, padding: int = 0, bigendian: int = 0) -> SimpleNamespace:
    wire = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">" if bigendian else "<")))
    rows = np.pad(wire.view(np.uint8).reshape(len(pixels), -1), ((0, 0), (0, padding)), constant_values=99)
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="eye"),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=bigendian,
        step=rows.shape[1],
        data=bytearray(rows.tobytes()),
    )


def compressed(values: np.ndarray, format_: str, *numbers: float) -> SimpleNamespace:
    png = cv2.imencode(".png", values)[1].tobytes()
    return SimpleNamespace(format=format_, data=pack("<iff", 0, *(numbers or (0.0, 0.0))) + png)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("bigendian", [0, 1])
def test_millimetres_and_metres_in_both_byte_orders_and_padded_rows(padding: int, bigendian: int) -> None:
    read = metres_from_image(message(MILLIMETRES, "16UC1", padding=padding, bigendian=bigendian))
    np.testing.assert_allclose(read, MILLIMETRES / 1000, rtol=1e-6)
    read = metres_from_image(message(METRES, "32FC1", padding=padding, bigendian=bigendian))
    assert read.tolist() == [[0, 0.5, 0, 0], [0, 0, 2.25, np.float32(1e-3)]], "what is not finite and positive is unknown"


def test_compressed_depth_of_both_encodings() -> None:
    for form in ("16UC1; compressedDepth png", "16UC1; compressedDepth"):
        read = metres_from_compressed(compressed(MILLIMETRES, form))
        np.testing.assert_allclose(read, MILLIMETRES / 1000, rtol=1e-6)
    scale, offset = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0
    metres = np.array([[0.5, 1.0, 2.5], [9.0, 0.7, 3.0]])
    values = np.where(metres == 3.0, 0, scale / metres + offset).astype(np.uint16)
    read = metres_from_compressed(compressed(values, "32FC1; compressedDepth png", scale, offset))
    np.testing.assert_allclose(read, np.where(metres == 3.0, 0, metres), rtol=2e-3)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (message(METRES.astype(np.float64), "64FC1"), "'64FC1', expected one of 16UC1, 32FC1"),
        (message(np.zeros((2, 4, 3), np.uint8), "rgb8"), "'rgb8'"),
        (SimpleNamespace(**{**vars(message(METRES, "32FC1")), "width": 5}), "holds 32 bytes, expected a step of at least 20"),
        (compressed(MILLIMETRES, "16UC1; compressedDepth rvl"), "compressedDepth rvl"),
        (compressed(MILLIMETRES, "bgr8; jpeg compressed bgr8"), "expected 16UC1 or 32FC1"),
        (compressed(MILLIMETRES.astype(np.uint8), "16UC1; compressedDepth png"), "PNG of 16 bits"),
        (SimpleNamespace(format="16UC1; compressedDepth", data=b"12345"), "5 bytes"),
        (SimpleNamespace(format="16UC1; compressedDepth", data=bytes(40)), "40 bytes"),
    ],
)
def test_what_is_no_depth_is_refused(bad: SimpleNamespace, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        (metres_from_compressed if hasattr(bad, "format") else metres_from_image)(bad)


def test_a_message_says_of_itself_that_it_is_depth() -> None:
    assert is_depth(message(MILLIMETRES, "16UC1"))
    assert is_depth(compressed(MILLIMETRES, "16UC1; compressedDepth png"))
    assert not is_depth(message(MILLIMETRES, "mono16"))
    assert not is_depth(compressed(MILLIMETRES, "bgr8; jpeg compressed bgr8"))


# Together with images


def depth_input(**options: object) -> tuple[DepthInput, list[str]]:
    said: list[str] = []
    pairing = DepthPairing(tolerance_ns=15 * MS, max_wait_ns=50 * MS, jump_limit_ns=200 * MS, keep=5)
    return DepthInput("left", lambda _kind, sentence: said.append(sentence), pairing, **options), said  # type: ignore[arg-type]


def frame(stamp_ns: int, width: int = 64, height: int = 48) -> Frame:
    return Frame("left", stamp_ns, np.zeros((height, width, 3), np.uint8))


def test_depth_takes_the_time_offset_of_its_camera_and_meets_its_image() -> None:
    source, said = depth_input(offset_ns=-300 * MS)
    assert source.on_frame(frame(10**9 - 300 * MS), 0) == []
    (entry,) = source.on_depth(message(np.full((24, 32), 1500, np.uint16), "16UC1", stamp_ns=10**9), 5)
    assert entry.frame.depth is not None
    assert entry.frame.depth.shape == (24, 32), "its own size: who uses it resizes"
    np.testing.assert_allclose(entry.frame.depth, 1.5)
    assert (source.images_with, source.images_without, said) == (1, 0, [])


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (message(np.zeros((24, 32, 3), np.uint8), "rgb8", stamp_ns=10**9), "left: a depth image has the encoding 'rgb8'"),
        (
            message(np.ones((24, 24), np.uint16), "16UC1", stamp_ns=10**9),
            "left: a depth image has 24x24 pixels and its image 64x48",
        ),
        (message(np.ones((24, 32), np.uint16), "16UC1"), "left: a depth image carries no stamp"),
    ],
)
def test_what_is_refused_is_counted_and_costs_the_image_nothing(bad: SimpleNamespace, sentence: str) -> None:
    source, said = depth_input()
    entries = source.on_depth(bad, 0) + source.on_frame(frame(10**9), 1) + source.expire(60 * MS)
    assert [entry.frame.depth for entry in entries] == [None]
    assert (source.received, source.refused, source.images_with, source.images_without) == (1, 1, 0, 1)
    assert len(said) == 1
    assert said[0].startswith(sentence)


def test_depth_that_its_offset_moves_to_before_zero_is_refused() -> None:
    """A message may carry any stamp, as that of a clock which begins with the machine."""
    source, said = depth_input(offset_ns=-(10**9))
    for stamp_ns in (5 * 10**8, 10**9):
        assert source.on_depth(message(np.ones((24, 32), np.uint16), "16UC1", stamp_ns=stamp_ns), 0) == []
    assert source.refused == len(said) == 2
    assert said[0].startswith("left: a depth image was taken at 0.5 s, which left.time_offset_s of -1 s moves to zero or before")


def test_depth_is_rectified_with_its_image_and_no_depth_is_mixed() -> None:
    """A step in depth along a straight line of the world: both pictures show it at the same place, and only the two depths."""
    matrix = (60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0)
    rectifier = Rectifier(Calibration(matrix, "plumb_bob", (-0.3, 0.1, 0.0, 0.0, 0.0), (64, 48)))
    near = np.hypot(*np.meshgrid(np.arange(64) - 40, np.arange(48) - 20)) < 12
    image = np.where(near[..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)
    for scale in (1, 2):
        metres = np.where(near, 1.0, 5.0).astype(np.float32).repeat(scale, axis=0).repeat(scale, axis=1)
        source, _ = depth_input(rectifier=lambda: rectifier)
        source.on_depth(message(metres, "32FC1", stamp_ns=10**9), 0)
        (entry,) = source.on_frame(Frame("left", 10**9, rectifier(image)), 1)
        assert entry.frame.depth is not None
        assert entry.frame.depth.shape == (48, 64)
        assert set(np.unique(entry.frame.depth)) <= {0.0, 1.0, 5.0}
        bright = entry.frame.image[..., 0]
        assert (entry.frame.depth[bright > 250] == 1).mean() > 0.99
        assert (entry.frame.depth[bright < 5] == 5).mean() > 0.99


def trouble(source: DepthInput, publishers: int = 1) -> str:
    return source.report("/left/depth", publishers).trouble


def test_why_no_image_gets_depth_is_told_by_its_cause() -> None:
    def images(source: DepthInput, depth_at: int | None, *, encoding: str = "16UC1", latency: int = 0) -> None:
        """Forty images, 33 ms apart, their depth so far from their stamps and so late."""
        stamps = [10**9 + k * 33 * MS for k in range(41)]
        for stamp, after in pairwise(stamps):
            source.on_frame(frame(stamp), stamp)
            if depth_at is not None:
                depth = message(
                    np.ones((24, 32), np.uint16), encoding, stamp_ns=stamp + depth_at - (latency // (33 * MS)) * 33 * MS
                )
                source.on_depth(depth, stamp + latency % (33 * MS))
            source.expire(after - 1)

    source, _ = depth_input()
    images(source, None)
    assert trouble(source, publishers=0).startswith("nobody publishes its depth images (/left/depth)")
    assert trouble(source).startswith("no depth image arrives on /left/depth")
    source, _ = depth_input()
    images(source, 0, encoding="rgb8")
    assert trouble(source).startswith("its depth images are refused")
    source, _ = depth_input()
    images(source, 16 * MS)
    assert trouble(source).startswith("no depth image has a stamp within 0.015 s of an image's")
    source, _ = depth_input()
    images(source, 0, latency=70 * MS)
    assert trouble(source).startswith("its depth images come too late")
    images(source, 0)
    assert trouble(source) == ""
