"""Planted cameras come back from every file format, distortions and units included; what cannot be meant ends in one sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import calibration_files as rig
import cv2
import numpy as np
import pytest

from chromm_ros.convert import formats
from chromm_ros.convert.calibration import Calibration, in_metres, z_up
from chromm_ros.data.bag import BagReader
from chromm_ros.errors import ChrommError

ALL = {
    "qualisys": lambda folder: rig.write_qualisys(folder / "Calib.qca.txt"),
    "toml": lambda folder: rig.write_toml(folder / "Calib.toml", rig.FIVE),
    "yaml": lambda folder: rig.write_opencv(folder / "cameras.yml"),
    "xml": lambda folder: rig.write_opencv(folder / "rig.xml"),
    "json": lambda folder: rig.write_opencv(folder / "rig.json"),
    "easymocap": rig.write_easymocap,
}


def check(calibration: Calibration, ks: tuple[np.ndarray, ...], distortion: np.ndarray, model: str = "plumb_bob") -> None:
    assert list(calibration.cameras) == list(rig.NAMES)
    for camera, k, pose in zip(calibration.cameras.values(), ks, rig.poses(), strict=True):
        assert camera.model == model
        np.testing.assert_allclose(camera.intrinsics, k, atol=1e-6)
        np.testing.assert_allclose(camera.distortion, distortion, atol=1e-9)
        assert camera.world_from_cam is not None
        np.testing.assert_allclose(camera.world_from_cam, pose, atol=1e-6)
        assert camera.size in {None, rig.SIZE}


@pytest.mark.parametrize("write", ALL.values(), ids=ALL)
def test_planted_cameras_come_back(write: Callable[[Path], Path], tmp_path: Path) -> None:
    check(in_metres(formats.read(write(tmp_path)), None), rig.K, rig.FIVE)


def test_tomls_with_four_and_eight_coefficients_and_one_of_fisheyes(tmp_path: Path) -> None:
    four = in_metres(formats.read(rig.write_toml(tmp_path / "a.toml")), None)
    check(four, rig.K, np.array([*rig.FIVE[:4], 0.0]))
    eight = np.array([*rig.FIVE, 0.1, 0.02, 0.003])
    check(in_metres(formats.read(rig.write_toml(tmp_path / "c.toml", eight)), None), rig.K, eight, "rational_polynomial")
    fisheye = rig.write_toml(tmp_path / "b.toml", rig.FOUR_FISHEYE, fisheye=True)
    check(in_metres(formats.read(fisheye), None), rig.K, rig.FOUR_FISHEYE, "equidistant")


F, CX, CY = 500.0, 320.25, 239.5
LENSES = {
    "SIMPLE_PINHOLE": ([F, CX, CY], [0, 0, 0, 0, 0]),
    "PINHOLE": ([F, F, CX, CY], [0, 0, 0, 0, 0]),
    "SIMPLE_RADIAL": ([F, CX, CY, 0.03], [0.03, 0, 0, 0, 0]),
    "RADIAL": ([F, CX, CY, 0.03, -0.01], [0.03, -0.01, 0, 0, 0]),
    "OPENCV": ([F, F, CX, CY, 0.03, -0.01, 0.001, 0.002], [0.03, -0.01, 0.001, 0.002, 0]),
    "OPENCV_FISHEYE": ([F, F, CX, CY, *rig.FOUR_FISHEYE], rig.FOUR_FISHEYE),
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("model", LENSES)
def test_planted_cameras_come_back_from_colmap(model: str, binary: bool, tmp_path: Path) -> None:
    params, distortion = LENSES[model]
    folder = rig.write_colmap(tmp_path / "sparse", model, [float(p) for p in params], binary=binary, unit=4.0, frames=3)
    named = "equidistant" if model == "OPENCV_FISHEYE" else "plumb_bob"
    for path in (folder, folder / f"cameras.{'bin' if binary else 'txt'}"):
        check(in_metres(formats.read(path), 0.25), (rig.COLMAP_K,) * 3, np.array(distortion, float), named)


def test_a_fisheye_without_coefficients_is_no_pinhole(tmp_path: Path) -> None:
    read = formats.read(rig.write_colmap(tmp_path, "OPENCV_FISHEYE", [F, F, CX, CY, 0, 0, 0, 0], binary=True))
    camera = read.cameras["cam_01"]
    assert camera.model == "equidistant" and camera.distortion.any()
    ray = np.array([[[1.0, 0.2]]])
    seen = cv2.fisheye.distortPoints(ray, np.eye(3), camera.distortion)
    radius = np.hypot(1.0, 0.2)
    np.testing.assert_allclose(seen, ray * np.arctan(radius) / radius, atol=1e-9)


def test_a_ros_camera_file_has_no_pose(tmp_path: Path) -> None:
    camera = formats.read(rig.write_ros(tmp_path / "left.yaml")).cameras["cam_01"]
    assert camera.world_from_cam is None and camera.size == rig.SIZE
    np.testing.assert_allclose(camera.intrinsics, rig.K[0])
    np.testing.assert_allclose(camera.distortion, rig.FIVE)


def test_qualisys_poses_are_those_of_the_bundled_clip(tmp_path: Path) -> None:
    """The numbers of its first camera as Qualisys wrote them, against what the clip has on /tf_static."""
    rows = ["0.5536380", "0.8046720", "0.2144479", "-0.4345301", "0.0594649", "0.8986921", "0.7104003", "-0.5907342", "0.3825762"]
    numbers = {f"r{1 + k // 3}{1 + k % 3}": row for k, row in enumerate(rows)} | {
        "x": "1460.2324",
        "y": "-1909.1590",
        "z": "1896.5059",
    }
    path = rig.write_qualisys(tmp_path / "a.qca.txt")
    transform = "<transform " + " ".join(f'{name}="{value}"' for name, value in numbers.items()) + "/>"
    path.write_text(re.sub(r"<transform [^/]*/>", transform, path.read_text()))
    found = in_metres(formats.read(path), 0.001).cameras["cam_01"].world_from_cam
    with BagReader(Path(__file__).resolve().parents[1] / "data" / "pose2sim_clip") as bag:
        true = {transform.child: transform.parent_from_child for transform in bag.static_transforms()}
    np.testing.assert_allclose(found, true["cam01_optical_frame"], atol=1e-5)


def test_units_are_metres_at_the_end_or_refused(tmp_path: Path) -> None:
    millimetres = formats.read(rig.write_toml(tmp_path / "a.toml", unit=1000.0))
    check(in_metres(millimetres, 0.001), rig.K, np.array([*rig.FIVE[:4], 0.0]))
    with pytest.raises(ChrommError, match=r"reach over \d+ m, expected 0.01 to 100 m: .* --scale"):
        in_metres(millimetres, None)
    colmap = formats.read(rig.write_colmap(tmp_path / "c", "PINHOLE", [F, F, CX, CY], binary=False))
    with pytest.raises(ChrommError, match="has no unit of length"):
        in_metres(colmap, None)
    with pytest.raises(ChrommError, match="--scale is 0"):
        in_metres(colmap, 0.0)
    metres = rig.write_qualisys(tmp_path / "m.qca.txt")
    metres.write_text(re.sub(r' ([xyz])="([^"]*)"', lambda m: f' {m[1]}="{float(m[2]) / 1000}"', metres.read_text()))
    with pytest.raises(ChrommError, match=r"reach over 0\.0"):
        in_metres(formats.read(metres), None)


@pytest.mark.parametrize("up", [(0.0, -2.0, 0.0), (0.3, 0.2, -0.9), (0.0, 0.0, -1.0), (0.0, 0.0, 3.0)])
def test_the_world_is_turned_until_up_is_z(up: tuple[float, float, float], tmp_path: Path) -> None:
    before = in_metres(formats.read(rig.write_toml(tmp_path / "a.toml")), None)
    after = z_up(before, np.array(up))
    a, b = (np.array([camera.world_from_cam for camera in c.cameras.values()]) for c in (before, after))
    turn = b[0, :3, :3] @ a[0, :3, :3].T
    np.testing.assert_allclose(turn @ np.array(up) / np.linalg.norm(up), [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.inv(b[0]) @ b[1:], np.linalg.inv(a[0]) @ a[1:], atol=1e-12)
    with pytest.raises(ChrommError, match="expected a direction"):
        z_up(before, np.zeros(3))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: path / "no.toml", "there is no calibration at"),
    "unknown": (lambda path: _text(path / "a.dat", "hello"), "unknown format"),
    "empty folder": (lambda path: path, "holds no calibration"),
    "cut xml": (lambda path: _cut(rig.write_qualisys(path / "a.qca.txt")), "is no XML"),
    "no camera": (lambda path: _text(path / "a.qca.txt", "<calibration/>"), "no active <camera>"),
    "turned": (
        lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('viewrotation="0"', 'viewrotation="90"')),
        "viewrotation 90",
    ),
    "no lens": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=("<intrinsic", "<extrinsic")), "no <intrinsic>"),
    "no number": (
        lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('left="16"', 'left="x"')),
        "left 'x', expected a number",
    ),
    "no left": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('left="16"', "")), "has no left"),
    "pixels": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('top="8"', 'top="400"')), "units of 1/64 pixel"),
    "skew": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('skew="0"', 'skew="2"')), "skewed pixels"),
    "mirrored": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=('r11="-0', 'r11="-7')), "right-handed unit vectors"),
    "twice": (lambda path: rig.write_qualisys(path / "a.qca.txt", edit=("cam_02", "cam_01")), "same serial"),
    "cut toml": (lambda path: _cut(rig.write_toml(path / "a.toml")), "is no TOML"),
    "toml without": (lambda path: _text(path / "a.toml", "[metadata]\nerror = 0\n"), "no table with a matrix"),
    "cut yaml": (lambda path: _cut(rig.write_opencv(path / "a.yml")), "cut"),
    "yaml without": (lambda path: _text(path / "a.yaml", "a: 1\n"), "has the entries a, expected camera_matrix"),
    "three numbers": (lambda path: rig.write_toml(path / "a.toml", np.zeros(3)), "3 distortion coefficients, expected 4, 5, 8"),
    "three of fisheye": (lambda path: rig.write_toml(path / "a.toml", np.zeros(3), fisheye=True), "3 coefficients of a fisheye"),
    "colmap lens": (lambda path: rig.write_colmap(path / "c", "FOV", [F, F, CX, CY, 0.1], binary=True), "model FOV, expected"),
    "colmap count": (lambda path: rig.write_colmap(path / "c", "PINHOLE", [F, F, CX], binary=False), "3 parameters of PINHOLE"),
    "colmap half": (lambda path: _without(rig.write_colmap(path / "c", "PINHOLE", [F, F, CX, CY], binary=False)), "has not both"),
    "colmap cut": (
        lambda path: _cut(rig.write_colmap(path / "c", "PINHOLE", [F, F, CX, CY], binary=True) / "images.bin").parent,
        "in the middle of an entry",
    ),
    "colmap moves": (lambda path: _moving(path / "c"), "moving cameras are not read"),
}


@pytest.mark.parametrize(("make", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_calibration_ends_in_one_sentence(make: Callable[[Path], Path], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ChrommError, match=re.escape(sentence)) as error:
        formats.read(make(tmp_path))
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _cut(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def _without(folder: Path) -> Path:
    (folder / "images.txt").unlink()
    return folder


def _moving(folder: Path) -> Path:
    rig.write_colmap(folder, "PINHOLE", [F, F, CX, CY], binary=False)
    path = folder / "images.txt"
    path.write_text(path.read_text().replace("cam_02/0000", "cam_01/0001"))
    return folder
