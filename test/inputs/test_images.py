"""Every encoding gives back the picture that was put in, and every wrong message is refused with one sentence."""

from struct import pack_into
from types import SimpleNamespace
from zlib import crc32

import cv2
import numpy as np
import pytest

from chromm_ros.errors import InputError
from chromm_ros.inputs.images import CODES, rgb_from_compressed, rgb_from_image

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def message(pixels: np.ndarray, encoding: str, *, padding: int = 0, bigendian: int = 0) -> SimpleNamespace:
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=bigendian,
        step=rows.shape[1],
        data=bytearray(rows.tobytes()),
    )


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.dstack([pixels, np.full(pixels.shape[:2], 7, np.uint8)])


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [("rgb8", RGB), ("bgr8", RGB[..., ::-1]), ("rgba8", with_alpha(RGB)), ("bgra8", with_alpha(RGB[..., ::-1]))],
)
def test_colour_survives_every_order_of_channels_and_padded_rows(encoding: str, pixels: np.ndarray, padding: int) -> None:
    result = rgb_from_image(message(pixels, encoding, padding=padding))
    np.testing.assert_array_equal(result, RGB)
    assert all(stride > 0 for stride in result.strides), "torch and OpenCV do not take reversed views"


@pytest.mark.parametrize("padding", [0, 5])
def test_rgb_is_a_view_of_the_message(padding: int) -> None:
    for encoding, pixels in (("rgb8", RGB), ("rgba8", with_alpha(RGB))):
        source = message(pixels, encoding, padding=padding)
        assert np.shares_memory(rgb_from_image(source), np.frombuffer(source.data, np.uint8)), encoding


def test_grey_is_three_equal_channels() -> None:
    result = rgb_from_image(message(RGB[..., :1], "mono8", padding=3))
    np.testing.assert_array_equal(result, np.repeat(RGB[..., :1], 3, axis=2))


@pytest.mark.parametrize("bigendian", [0, 1])
@pytest.mark.parametrize(("encoding", "channels"), [("mono16", 1), ("rgb16", 3), ("bgr16", 3)])
def test_sixteen_bits_keep_the_upper_eight(encoding: str, channels: int, bigendian: int) -> None:
    upper = RGB[..., ::-1] if encoding == "bgr16" else RGB[..., :channels]
    wide = (upper.astype(np.uint16) << 8 | 0x5A).astype(">u2" if bigendian else "<u2")
    result = rgb_from_image(message(wide, encoding, bigendian=bigendian, padding=2))
    np.testing.assert_array_equal(result, np.broadcast_to(RGB if channels == 3 else RGB[..., :1], RGB.shape))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_mosaic_of_one_colour_gives_that_colour(pattern: str, bits: int) -> None:
    colour = {"r": 200, "g": 120, "b": 40}
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (6, 7))[..., None]
    pixels = mosaic if bits == 8 else mosaic.astype("<u2") << 8
    result = rgb_from_image(message(pixels, f"bayer_{pattern}{bits}"))
    np.testing.assert_array_equal(result, np.broadcast_to([200, 120, 40], (12, 14, 3)))


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", [0, 1, 2, 1]), ("yuv422_yuy2", [1, 0, 1, 2])])
def test_yuv_of_one_colour_gives_that_colour(encoding: str, order: list[int]) -> None:
    red = np.array([90, 81, 240], np.uint8)  # U, Y, V of BT.601 red
    pixels = np.tile(red[order], (4, 3)).reshape(4, 6, 2)
    result = rgb_from_image(message(pixels, encoding))
    assert np.abs(result.astype(int) - [255, 0, 0]).max() <= 2
    with pytest.raises(InputError, match="even width"):
        rgb_from_image(message(pixels[:, :5], encoding))


@pytest.mark.parametrize(
    "change",
    [{"width": 9}, {"height": 7}, {"step": 23}, {"step": 25}, {"data": b"12"}, {"data": b""}, {"height": 0}, {"width": 0}],
)
def test_a_message_that_does_not_fit_its_data_is_refused(change: dict[str, object]) -> None:
    wrong = message(RGB, "rgb8")
    for name, value in change.items():
        setattr(wrong, name, value)
    with pytest.raises(InputError, match="expected a step of"):
        rgb_from_image(wrong)


@pytest.mark.parametrize("encoding", ["", "nonsense", "32FC1"])
def test_an_encoding_that_nobody_reads_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(InputError, match=f"'{encoding}'.*rgb8"):
        rgb_from_image(message(RNG.random((4, 4, 1), np.float32), encoding))


def test_compressed_images() -> None:
    def compressed(extension: str, pixels: np.ndarray, form: str) -> SimpleNamespace:
        return SimpleNamespace(format=form, data=cv2.imencode(extension, pixels)[1].tobytes())

    smooth = cv2.resize(RGB, (64, 48))
    png = rgb_from_compressed(compressed(".png", smooth[..., ::-1], "rgb8; png compressed bgr8"))
    np.testing.assert_array_equal(png, smooth)
    jpeg = rgb_from_compressed(compressed(".jpg", smooth[..., ::-1], "jpeg"))
    assert np.abs(jpeg.astype(int) - smooth).mean() < 8
    grey = rgb_from_compressed(compressed(".png", smooth[..., 0], "mono8; png compressed "))
    np.testing.assert_array_equal(grey, np.repeat(smooth[..., :1], 3, axis=2))
    mosaic = np.tile(np.array([[200, 120], [120, 40]], np.uint8), (5, 5))
    bayer = rgb_from_compressed(compressed(".png", mosaic, "bayer_rggb8; png compressed "))
    np.testing.assert_array_equal(bayer, np.broadcast_to([200, 120, 40], (10, 10, 3)))
    with pytest.raises(InputError, match="16 bits per channel"):
        rgb_from_compressed(compressed(".png", smooth.astype(np.uint16), "16UC1; png compressed"))
    with pytest.raises(InputError, match="cannot be decoded"):
        rgb_from_compressed(SimpleNamespace(format="jpeg", data=b"no picture"))
    with pytest.raises(InputError, match="0 bytes"):
        rgb_from_compressed(SimpleNamespace(format="jpeg", data=b""))
    with pytest.raises(InputError, match="colour topic"):
        rgb_from_compressed(SimpleNamespace(format="16UC1; compressedDepth png", data=b""))


@pytest.mark.parametrize(("extension", "where", "size"), [(".png", 16, ">II"), (".jpg", None, ">HH")])
def test_a_header_that_promises_too_many_pixels_is_refused(extension: str, where: int | None, size: str) -> None:
    data = bytearray(cv2.imencode(extension, RGB)[1].tobytes())
    at = data.index(b"\xff\xc0") + 5 if where is None else where  # the size in JPEG's SOF, in PNG's IHDR
    pack_into(size, data, at, *((65_500, 65_500) if where is None else (100_000, 100_000)))
    if where is not None:
        pack_into(">I", data, 29, crc32(data[12:29]))
    with pytest.raises(InputError, match="cannot be decoded"):
        rgb_from_compressed(SimpleNamespace(format="jpeg", data=bytes(data)))


def test_every_encoding_of_the_table_can_be_read() -> None:
    for encoding, (channels, _) in CODES.items():
        pixels = RNG.integers(0, 256, (8, 10, channels), dtype=np.uint8)
        assert rgb_from_image(message(pixels, encoding)).shape == (8, 10, 3), encoding
