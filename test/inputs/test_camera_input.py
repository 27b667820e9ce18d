"""One camera's input: stamps, waiting for the first calibration, changes, refusals."""

from types import SimpleNamespace

import numpy as np

from chromm_ros.inputs.camera import HOLD_MAX, HOLD_NS, CameraInput

K = [100.0, 0, 31.5, 0, 100.0, 23.5, 0, 0, 1]


def image(stamp_ns: int = 5_000_000_007, *, width: int = 64, encoding: str = "rgb8") -> SimpleNamespace:
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="eye"),
        height=48,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * 3,
        data=bytes(48 * width * 3),
    )


def info(focal: float = 100.0, d: tuple[float, ...] = ()) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    k = [focal, 0, 31.5, 0, focal, 23.5, 0, 0, 1]
    return SimpleNamespace(
        width=64, height=48, distortion_model="plumb_bob", d=list(d), k=k, p=[0.0] * 12, binning_x=0, binning_y=0, roi=roi
    )


def camera(**options: object) -> tuple[CameraInput, list[str]]:
    said: list[str] = []
    return CameraInput("left", lambda _kind, sentence: said.append(sentence), **options), said  # type: ignore[arg-type]


def test_a_frame_carries_name_stamp_and_frame() -> None:
    eye, said = camera(offset_ns=-7)
    (frame,) = eye.on_image(image(), 0)
    assert (frame.camera, frame.stamp_ns, frame.frame_id, frame.intrinsics) == ("left", 5_000_000_000, "eye", None)
    assert not said


def test_an_image_without_stamp_stays_without() -> None:
    (frame,) = camera(offset_ns=1000)[0].on_image(image(0), 0)
    assert frame.stamp_ns == 0


def test_first_images_wait_for_the_calibration_that_somebody_publishes() -> None:
    eye, said = camera(expects_info=True)
    assert eye.on_image(image(10**9), 0) == []
    assert eye.on_image(image(2 * 10**9), 10) == []
    frames = eye.on_info(info())
    assert [frame.stamp_ns for frame in frames] == [10**9, 2 * 10**9]
    assert all(frame.intrinsics is not None for frame in frames)
    assert len(eye.on_image(image(3 * 10**9), 20)) == 1
    assert not said


def test_a_calibration_that_does_not_come_is_not_waited_for_for_ever() -> None:
    eye, said = camera(expects_info=True)
    assert eye.on_image(image(10**9), 0) == []
    frames = eye.on_image(image(2 * 10**9), HOLD_NS)
    assert [frame.intrinsics for frame in frames] == [None, None]
    assert len(said) == 1
    assert "no camera_info" in said[0]
    eye.expects_info = True  # the next look at the graph says so again
    assert len(eye.on_image(image(3 * 10**9), HOLD_NS + 1)) == 1


def test_a_fast_camera_does_not_wait_for_ever_and_its_drops_are_counted() -> None:
    eye, said = camera(expects_info=True)
    frames = [frame for index in range(101) for frame in eye.on_image(image(10**9 + index), index * HOLD_NS // 100)]
    assert [frame.stamp_ns for frame in frames] == [10**9 + index for index in range(101 - HOLD_MAX, 101)]
    assert (eye.received, eye.refused) == (101, 101 - HOLD_MAX)
    assert "the oldest are dropped" in said[0]


def test_images_that_wait_do_not_outlive_their_epoch() -> None:
    eye, _ = camera(expects_info=True)
    assert eye.on_image(image(10**9), 0) == []
    eye.drop_held()
    assert eye.on_info(info()) == []
    assert len(eye.on_image(image(2 * 10**9), 10)) == 1


def test_the_slash_of_ros_1_is_no_part_of_a_frame() -> None:
    message = image()
    message.header.frame_id = "/eye"
    (frame,) = camera()[0].on_image(message, 0)
    assert frame.frame_id == "eye"


def test_a_changed_calibration_is_used_and_announced() -> None:
    eye, said = camera()
    eye.on_info(info(100))
    eye.on_info(info(100))
    (before,) = eye.on_image(image(), 0)
    eye.on_info(info(120))
    (after,) = eye.on_image(image(), 0)
    assert before.intrinsics is not None
    assert after.intrinsics is not None
    assert (before.intrinsics[0, 0], after.intrinsics[0, 0]) == (100, 120)
    assert len(said) == 1
    assert "changed" in said[0]


def test_a_bent_lens_is_rectified_unless_told_off_or_done() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for options, straightened in (({}, True), ({"rectify": False}, False), ({"topic": "/left/image_rect"}, False)):
        eye, _ = camera(**options)
        eye.on_info(info(100, (-0.3, 0.1, 0.0, 0.0, 0.0)))
        message = image()
        message.data = pixels.tobytes()
        (frame,) = eye.on_image(message, 0)
        assert np.array_equal(frame.image, pixels) is not straightened, options


def test_refusals_are_counted_and_said_in_one_sentence() -> None:
    eye, said = camera()
    wrong = image()
    wrong.step += 1
    assert eye.on_image(wrong, 0) == []
    eye.on_info(info())
    (frame,) = eye.on_image(image(width=32), 0)
    assert frame.intrinsics is None, "a calibration that does not fit is not used"
    assert (eye.received, eye.refused) == (2, 1)
    assert len(said) == 2
    assert "left: an image of 64x48" in said[0]
    assert "uncalibrated" in said[1]
