"""A dot on a known way, filmed by known cameras, goes video -> recording -> reader -> frame: stamps, pixels, lenses and poses are right."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import calibration_files as rig
import cv2
import numpy as np
import pytest

from chromm_ros.__main__ import main
from chromm_ros.convert import matching
from chromm_ros.convert.images import BEGIN_NS
from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import stamp_ns
from chromm_ros.errors import ChrommError
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.geometry.camera import project

FPS = 20.0
COUNT = 9


def way(time_s: float) -> np.ndarray:
    """Where the dot is, metres."""
    return np.array([0.6 * time_s - 0.2, 0.3 - time_s, 0.2 + 0.5 * time_s])


def pixel(view: int, point: np.ndarray) -> np.ndarray:
    """Where a camera sees it, the centre of the first pixel at (0.5, 0.5), lens and all."""
    cam_from_world = np.linalg.inv(rig.poses()[view])
    turn = cv2.Rodrigues(cam_from_world[:3, :3])[0]
    seen = cv2.projectPoints(point[None], turn, cam_from_world[:3, 3], rig.opencv_k(rig.K[view]), np.append(rig.FIVE[:4], 0.0))[0]
    return seen[0, 0] + 0.5


def picture(view: int, time_s: float) -> np.ndarray:
    """A soft white dot on black, its centre exact to a hundredth of a pixel."""
    return np.repeat(dot(*pixel(view, way(time_s)), 50.0)[..., None], 3, axis=-1)


def dot(u: float, v: float, size: float) -> np.ndarray:
    """Grey, the whole image."""
    x, y = np.arange(rig.SIZE[0]) + 0.5, np.arange(rig.SIZE[1]) + 0.5
    return (250 * np.outer(np.exp(-((y - v) ** 2) / size), np.exp(-((x - u) ** 2) / size))).astype(np.uint8)


def centre(image: np.ndarray) -> np.ndarray:
    """Of what is bright, in pixels."""
    bright = np.where(image[..., 0] < 25, 0, image[..., 0]).astype(np.uint32)
    return np.array([bright.sum(axis=axis) @ (np.arange(bright.shape[1 - axis]) + 0.5) for axis in (0, 1)]) / bright.sum()


def film(path: Path, view: int, offset_s: float = 0.0, fps: float = FPS) -> Path:
    """A video that begins at an offset of the common clock."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, rig.SIZE)
    assert writer.isOpened()
    for k in range(COUNT):
        writer.write(picture(view, offset_s + k / fps))
    writer.release()
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of three cameras; the third begins 0.12 s late. Names do not agree letter by letter."""
    folder = tmp_path_factory.mktemp("films")
    for view, name in enumerate(("walk2-Cam1.avi", "walk2-Cam2.avi", "walk2-Cam3.avi")):
        film(folder / name, view, 0.12 * (view == 2))
    rig.write_toml(folder / "Calib.toml")
    return folder


def convert(films: Path, out: Path, *more: str, videos: list[str] | None = None) -> int:
    found = videos if videos is not None else sorted(map(str, films.glob("*.avi")))
    return main(["convert", "videos", "--calibration", str(films / "Calib.toml"), "--out", str(out), *more, *found])


def frames(recording: Path) -> dict[str, list[tuple[float, np.ndarray, np.ndarray, tuple[float, ...]]]]:
    """By camera: time since the beginning, image, matrix with the first pixel at 0.5, distortion."""
    found: dict[str, list[tuple[float, np.ndarray, np.ndarray, tuple[float, ...]]]] = {}
    with BagReader(recording) as bag:
        for camera in bag.camera_topics():
            assert camera.info is not None
            images = [bag.deserialize(message) for message in bag.messages([camera.image])]
            infos = [bag.deserialize(message) for message in bag.messages([camera.info])]
            for image, info in zip(images, infos, strict=True):
                assert image.header.stamp == info.header.stamp and image.header.frame_id == f"{camera.name}_optical_frame"
                picture = cv2.imdecode(image.data, cv2.IMREAD_UNCHANGED)
                assert (info.width, info.height) == (picture.shape[1], picture.shape[0])
                k = np.array(info.k).reshape(3, 3)
                k[:2, 2] += 0.5
                seconds = (stamp_ns(image.header.stamp) - BEGIN_NS) / 1e9
                found.setdefault(camera.name, []).append((seconds, picture, k, tuple(info.d)))
    return found


def poses(recording: Path) -> dict[str, np.ndarray]:
    with BagReader(recording) as bag:
        assert {transform.parent for transform in bag.static_transforms()} <= {"world"}
        return {transform.child: transform.parent_from_child for transform in bag.static_transforms()}


def check_dot(view: int, time_s: float, image: np.ndarray, scale: float = 1.0) -> None:
    np.testing.assert_allclose(centre(image) / scale, pixel(view, way(time_s)), atol=0.3)


def test_a_dot_comes_through(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(films, tmp_path / "bag", "--offset", "cam_03=0.12") == 0
    told = capsys.readouterr()
    assert "images of cam_01 9, cam_02 9, cam_03 9; poses in 'world'" in told.out and "3 cameras" in told.err
    found = frames(tmp_path / "bag")
    for view, name in enumerate(rig.NAMES):
        times = [time_s for time_s, *_ in found[name]]
        np.testing.assert_allclose(times, 0.12 * (view == 2) + np.arange(COUNT) / FPS, atol=1e-9)
        for time_s, image, k, distortion in found[name]:
            check_dot(view, time_s, image)
            np.testing.assert_allclose(k, rig.K[view], atol=1e-9)
            np.testing.assert_allclose(distortion, [*rig.FIVE[:4], 0.0], atol=1e-9)
        np.testing.assert_allclose(poses(tmp_path / "bag")[f"{name}_optical_frame"], rig.poses()[view], atol=1e-9)
    assert not list(tmp_path.glob(".*"))


def test_a_part_at_another_size_and_rate(films: Path, tmp_path: Path) -> None:
    """Each third frame from 0.2 s on for 0.3 s, at half the size: the late camera gives the frames nearest to the others'."""
    more = ("--start", "0.2", "--seconds", "0.3", "--every", "3", "--width", "320", "--quality", "98", "--offset", "cam_03=0.12")
    assert convert(films, tmp_path / "bag", *more) == 0
    found = frames(tmp_path / "bag")
    for view, name in enumerate(rig.NAMES):
        expected = [0.2, 0.35] if view < 2 else [0.12 + 2 / FPS, 0.12 + 5 / FPS]
        assert [time_s for time_s, *_ in found[name]] == pytest.approx(expected, abs=1e-9)
        for time_s, image, k, _ in found[name]:
            assert image.shape == (240, 320, 3)
            np.testing.assert_allclose(k, rig.K[view] * [[0.5], [0.5], [1.0]], atol=1e-9)
            check_dot(view, time_s, image, 0.5)


def test_images_in_folders_stay_byte_for_byte(films: Path, tmp_path: Path) -> None:
    """JPEG and PNG as they are, in the order of their numbers; a grey 16-bit one becomes a JPEG."""
    for view, name in enumerate(rig.NAMES):
        folder = tmp_path / name
        folder.mkdir()
        for k in (8, 9, 10):
            image = picture(view, k / 50)
            if view == 2:
                image = image[..., 0].astype(np.uint16) * 256
            assert cv2.imwrite(str(folder / f"{k}.{'jpg' if view == 0 else 'png'}"), image)
    folders = [str(tmp_path / name) for name in rig.NAMES]
    assert convert(films, tmp_path / "bag", "--fps", "5", videos=folders) == 0
    with BagReader(tmp_path / "bag") as bag:
        for view, name in enumerate(rig.NAMES):
            images = [bag.deserialize(message) for message in bag.messages([f"/{name}/image_raw/compressed"])]
            assert images[0].format == f"bgr8; {('jpeg', 'png', 'jpeg')[view]} compressed bgr8"
            for k, image in enumerate(images):
                if view < 2:
                    assert bytes(image.data) == (tmp_path / name / f"{8 + k}.{'jpg' if view == 0 else 'png'}").read_bytes()
                decoded = cv2.imdecode(image.data, cv2.IMREAD_UNCHANGED)
                assert decoded.dtype == np.uint8
                check_dot(view, (8 + k) / 50, decoded if decoded.ndim == 3 else decoded[..., None])


def test_a_scaled_video_and_a_lens_without_size(films: Path, tmp_path: Path) -> None:
    """Videos may be resized versions of what was calibrated; where a file has no size its matrix is the video's own."""
    small = tmp_path / "cam_01.avi"
    writer = cv2.VideoWriter(str(small), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (320, 240))
    writer.write(cv2.resize(picture(0, 0.0), (320, 240), interpolation=cv2.INTER_AREA))
    writer.release()
    assert convert(films, tmp_path / "a", "--some", videos=[str(small)]) == 0
    np.testing.assert_allclose(frames(tmp_path / "a")["cam_01"][0][2], rig.K[0] * [[0.5], [0.5], [1.0]], atol=1e-9)
    rig.write_easymocap(tmp_path)
    same = ["--calibration", str(tmp_path), "--out", str(tmp_path / "b"), "--some", str(small)]
    assert main(["convert", "videos", *same]) == 0
    np.testing.assert_allclose(frames(tmp_path / "b")["cam_01"][0][2], rig.K[0], atol=1e-9)


STRONG = {
    "plumb_bob": (np.array([-0.25, 0.08, 0.002, -0.001, 0.0]), False),
    "equidistant": (np.array([-0.05, 0.01, -0.002, 0.0003]), True),
}


@pytest.mark.parametrize(("distortion", "fisheye"), STRONG.values(), ids=STRONG)
def test_who_plays_it_sees_what_a_pinhole_sees(distortion: np.ndarray, fisheye: bool, tmp_path: Path) -> None:
    """A dot through a strong lens, written, read and rectified, lies where the frame's own matrix and pose project it."""
    k, pose = rig.opencv_k(rig.K[0]), rig.poses()[0]
    points = [np.array([0.9, -0.5, 0.6]), np.array([-0.5, 0.9, 1.0]), np.array([0.2, 0.3, 0.1])]
    (tmp_path / "cam_01").mkdir()
    for index, point in enumerate(points):
        seen = (np.linalg.inv(pose) @ [*point, 1.0])[:3].reshape(1, 1, 3)
        lens = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
        u, v = lens(seen, np.zeros(3), np.zeros(3), k, distortion)[0].reshape(2) + 0.5
        cv2.imwrite(str(tmp_path / "cam_01" / f"{index}.png"), dot(u, v, 30.0))
    path = rig.write_toml(tmp_path / "a.toml", distortion, fisheye=fisheye)
    call = ["--calibration", str(path), "--out", str(tmp_path / "bag"), "--some", "--fps", "5", str(tmp_path / "cam_01")]
    assert main(["convert", "videos", *call]) == 0
    played = [frame for frame, _ in BagSequence(tmp_path / "bag").frames()]
    assert len(played) == len(points)
    for frame, point in zip(played, points, strict=True):
        assert frame.intrinsics is not None and frame.world_from_cam is not None
        seen = (np.linalg.inv(frame.world_from_cam) @ [*point, 1.0])[:3]
        np.testing.assert_allclose(centre(frame.image), project(seen, frame.intrinsics.astype(np.float64)), atol=0.15)


def test_a_lens_without_pose_has_no_transform(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = rig.write_ros(tmp_path / "left.yaml")
    video = str(films / "walk2-Cam1.avi")
    assert main(["convert", "videos", "--calibration", str(left), "--out", str(tmp_path / "bag"), video]) == 0
    assert poses(tmp_path / "bag") == {} and "no pose is known of cam_01" in capsys.readouterr().out


CAMERAS = ("cam_01", "cam_02", "cam_11", "26580")


@pytest.mark.parametrize(
    ("video", "camera"),
    [
        ("cam_01.mp4", "cam_01"),
        ("x/trial3_CAM-1.mp4", "cam_01"),
        ("cam11.avi", "cam_11"),
        ("gait_Miqus_3_26580.avi", "26580"),
        ("cam02/video.mp4", "cam_02"),
        ("cam_02=cam_01.mp4", "cam_02"),
    ],
)
def test_names_are_matched_word_by_word(video: str, camera: str) -> None:
    assert list(matching.match(CAMERAS, [video], some=True)) == [camera]


@pytest.mark.parametrize(
    ("videos", "sentence"),
    [
        (["cam1.mp4", "cam_01.avi"], "are both videos of camera cam_01"),
        (["cam_111.mp4"], "is of no camera of the calibration"),
        (["cam1_cam2.mp4"], "may be of the cameras cam_01 and cam_02"),
        (["cam9=cam1.mp4"], "has no camera 'cam9'"),
        (["cam1.mp4", "cam2.mp4"], "has 4 cameras and 2 videos were given, none of cam_11, 26580"),
    ],
)
def test_names_that_do_not_tell_are_refused(videos: list[str], sentence: str) -> None:
    with pytest.raises(ChrommError, match=sentence):
        matching.match(CAMERAS, videos, some=False)


def _damaged(films: Path, tmp_path: Path) -> list[str]:
    bad = tmp_path / "cam1.avi"
    bad.write_bytes(b"no video" * 1000)
    return [str(bad), *map(str, sorted(films.glob("*[23].avi")))]


def _turned(films: Path, tmp_path: Path) -> list[str]:
    writer = cv2.VideoWriter(str(tmp_path / "cam1.avi"), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (480, 640))
    writer.write(np.zeros((640, 480, 3), np.uint8))
    writer.release()
    return [str(tmp_path / "cam1.avi"), *map(str, sorted(films.glob("*[23].avi")))]


def _folder(films: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "cam1").mkdir(exist_ok=True)
    cv2.imwrite(str(tmp_path / "cam1" / "1.png"), picture(0, 0.0))
    return [str(tmp_path / "cam1"), *map(str, sorted(films.glob("*[23].avi")))]


def _all(films: Path, tmp_path: Path) -> list[str]:
    return [str(path) for path in sorted(films.glob("*.avi"))]


BAD: dict[str, tuple[Callable[[Path, Path], list[str]], list[str], str]] = {
    "one video too few": (
        lambda films, _: [str(films / "walk2-Cam1.avi")],
        [],
        "3 cameras and 1 videos were given, none of cam_02, cam_03",
    ),
    "one too many": (lambda films, t: [*_all(films, t), "cam4.avi"], [], "cam4.avi is of no camera"),
    "missing": (lambda films, t: ["cam1.avi", *_all(films, t)[1:]], [], "there is no video at cam1.avi"),
    "damaged": (_damaged, [], "cannot be read as a video"),
    "turned": (_turned, [], "480x640 pixels and its calibration 640x480, expected the same shape, is the video turned?"),
    "no rate": (_folder, [], "name them by --fps"),
    "fps": (_all, ["--fps", "0"], "--fps is 0, expected more than 0"),
    "start": (_all, ["--start", "-1"], "--start is -1, expected 0 or more"),
    "late start": (_all, ["--start", "7"], "has no frame from 7 s on"),
    "seconds": (_all, ["--seconds", "0"], "--seconds is 0"),
    "every": (_all, ["--every", "0"], "--every is 0"),
    "quality": (_all, ["--quality", "101"], "--quality is 101, expected 1 to 100"),
    "wide": (_all, ["--width", "1000"], "they are not enlarged"),
    "offset": (_all, ["--offset", "cam9=1"], "--offset is cam9=1"),
    "offset without": (_all, ["--offset", "cam_01"], "expected CAMERA=SECONDS"),
    "up": (_all, ["--up", "z"], "--up is 'z'"),
    "scale": (_all, ["--scale", "-1"], "--scale is -1"),
}


@pytest.mark.parametrize(("videos", "more", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_ends_in_one_sentence_and_leaves_nothing(
    videos: Callable[[Path, Path], list[str]],
    more: list[str],
    sentence: str,
    films: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = videos(films, tmp_path)
    assert convert(films, tmp_path / "place" / "bag", *more, videos=given) == 1
    lines = capsys.readouterr().err.splitlines()
    assert sentence in lines[-1] and lines[-1].startswith("error: ")
    assert not list(tmp_path.glob("place/*")) and not list(tmp_path.glob("place/.*"))


def test_what_exists_is_left_alone(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "mine").write_text("mine")
    assert convert(films, tmp_path / "bag") == 1
    assert "exists already" in capsys.readouterr().err and (tmp_path / "bag" / "mine").read_text() == "mine"


def test_ctrl_c_leaves_nothing(films: Path, tmp_path: Path) -> None:
    """A process that is interrupted in the middle of its work."""
    folder = tmp_path / "cam1"
    folder.mkdir()
    for k in range(400):
        (folder / f"{k}.jpg").symlink_to(_still(tmp_path))
    # Whoever starts tests in the background has them ignore the signal, and so their children.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from chromm_ros.__main__ import main; "
    )
    call = [
        sys.executable,
        "-c",
        f"{program}sys.exit(main(sys.argv[1:]))",
        "convert",
        "videos",
        "--some",
        "--fps",
        "5",
        "--width",
        "600",
    ]
    call += ["--calibration", str(films / "Calib.toml"), "--out", str(tmp_path / "place" / "bag"), str(folder)]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"1 cameras, 80.0 s ...\n"
        time.sleep(0.1)
        assert list(tmp_path.glob("place/.bag.*/bag/*.mcap"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    # Python dies of the signal itself where it came while a library made code, as rosbags does; a shell says 130 of both
    assert process.returncode in {130, -signal.SIGINT}, said.decode()
    assert list((tmp_path / "place").iterdir()) == []


def _still(folder: Path) -> Path:
    path = folder / "still.jpg"
    if not path.exists():
        cv2.imwrite(str(path), picture(0, 0.0))
    return path
