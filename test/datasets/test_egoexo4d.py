"""Ego-Exo4D on a miniature in its own format: fisheye videos, one of them a small copy, and a few labelled frames of 17 points."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from miniatures import dot, dot_in
from scipy.spatial.transform import Rotation

from chromm_ros.datasets.catalog import dataset
from chromm_ros.datasets.egoexo4d import COCO, EgoExo4D, sequences
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project

TAKE, UID = "upenn_0721_Piano_2_5", "23ff1c48"
SIZE = (192, 108)
LENS, DISTORTION = (95.0, 96.0, 95.3, 54.1), (0.05, -0.02, 0.003, -0.001)
"""In Aria's pixels, whose first centre is (0, 0)."""
FRAMES = (2, 5)
SHOWN = 9
"""Left wrist."""


def through_lens(point: np.ndarray) -> np.ndarray:
    """In our pixels, whose first centre is (0.5, 0.5)."""
    flat = point[:2] / point[2]
    theta = np.arctan(np.linalg.norm(flat))
    bent = theta * (1.0 + sum(k * theta ** (2 * power) for power, k in enumerate(DISTORTION, start=1)))
    return np.array(LENS[:2]) * flat / np.tan(theta) * bent + np.array(LENS[2:]) + 0.5


def calibration(camera: str, pose: np.ndarray, quality: float) -> dict[str, Any]:
    quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
    return {
        "cam_uid": camera, "graph_uid": "x", "intrinsics_type": "KANNALABRANDTK3", "image_width": SIZE[0], "image_height": SIZE[1],
        **{f"t{axis}_world_cam": value for axis, value in zip("xyz", pose[:3, 3], strict=True)},
        **{f"q{axis}_world_cam": value for axis, value in zip("xyzw", quaternion, strict=True)},
        **{f"intrinsics_{place}": value for place, value in enumerate((*LENS, *DISTORTION))}, "quality": quality,
    }  # fmt: skip


def write_video(path: Path, shown: dict[int, np.ndarray], size: tuple[int, int], count: int = 7) -> None:
    """Black but for the labelled frames, so that a frame too early or too late has no dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, size)
    for index in range(count):
        video.write(dot(size, shown[index]) if index in shown else np.zeros((size[1], size[0], 3), np.uint8))
    video.release()


def annotation(points: np.ndarray) -> list[dict[str, Any]]:
    """The right ear is not there, the nose was seen by nobody, the left eye by two views."""
    views = dict.fromkeys(COCO, 4) | {"nose": 0, "left-eye": 2}
    there = [(name, point) for name, point in zip(COCO, points, strict=True) if name != "right-ear"]
    labels = {name: {"x": p[0], "y": p[1], "z": p[2], "num_views_for_3d": views[name]} for name, p in there}
    return [{"annotation3D": labels, "annotation2D": {}}]


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """Root, points of each labelled frame, world_from_cam of cam01 and cam02."""
    rng = np.random.default_rng(4)
    eyes = np.array([[4.0, 0.5, 1.5], [-3.5, 1.0, 1.8], [0.0, 5.0, 1.0]])
    poses = se3.look_at(eyes, np.tile([0.8, 1.0, 0.4], (3, 1)), 0.2)
    points = rng.normal([0.0, 0.0, 1.0], 0.4, (len(FRAMES), 17, 3))
    folder = tmp_path / "takes" / TAKE
    (folder / "trajectory").mkdir(parents=True)
    rows = [
        calibration(f"cam0{number + 1}", pose, quality)
        for number, (pose, quality) in enumerate(zip(poses, (1, 1, 0), strict=True))
    ]
    with (folder / "trajectory" / "gopro_calibs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for camera, scale, place in ((0, 1.0, "named/gp.mp4"), (1, 0.5, "frame_aligned_videos/downscaled/448/cam02.mp4")):
        there = se3.apply(se3.inverse(poses[camera]), points[:, SHOWN])
        shown = {index: scale * through_lens(point) for index, point in zip(FRAMES, there, strict=True)}
        write_video(folder / place, shown, (int(SIZE[0] * scale), int(SIZE[1] * scale)))
    take = {"take_uid": UID, "take_name": TAKE, "frame_aligned_videos": {"cam01": {"0": {"relative_path": "named/gp.mp4"}}}}
    others = [
        {"take_uid": f"u{place}", "take_name": name} for place, name in enumerate(("cmu_soccer16_2", "x_covid_1", "y_piano"))
    ]
    (tmp_path / "takes.json").write_text(json.dumps([*others, take]))
    labels = tmp_path / "annotations" / "ego_pose" / "val" / "body" / "annotation"
    labels.mkdir(parents=True)
    for uid in (UID, "u0", "u1"):
        by_frame = {str(index): annotation(points[place]) for place, index in reversed(list(enumerate(FRAMES)))}
        (labels / f"{uid}.json").write_text(json.dumps(by_frame))
    return tmp_path, points, poses[:2]


def test_points_cameras_and_pixels_are_the_planted_ones(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, points, poses = planted
    sequence = dataset("egoexo4d").open(root, TAKE)
    assert sequence.cameras == ("cam01", "cam02"), "cam03 was not localised"
    truths = list(sequence.truth())
    assert [truth.stamp_ns for truth in truths] == [66666667, 166666667]
    for truth, expected in zip(truths, points, strict=True):
        assert truth.joint_set == "coco" and truth.ids.tolist() == [0] and truth.counted.all()
        assert np.flatnonzero(np.isnan(truth.joints[0, :, 0])).tolist() == [0, 4], "seen by nobody, and not there"
        assert truth.seen_by == (("cam01", "cam02"),)
        known = np.isfinite(truth.joints[0])
        np.testing.assert_allclose(truth.joints[0][known], expected[known], atol=1e-9)
        np.testing.assert_allclose(truth.world_from_cam, poses, atol=1e-9)
    frames = [frame for frame, _ in sequence.frames()]
    assert [(frame.camera, frame.stamp_ns) for frame in frames] == [(c, t.stamp_ns) for t in truths for c in sequence.cameras]
    for place, frame in enumerate(frames):
        there = project(se3.apply(se3.inverse(frame.world_from_cam), points[place // 2, SHOWN][None]), frame.intrinsics)[0]
        np.testing.assert_allclose(there, dot_in(frame.image), atol=0.4)


def test_points_that_few_views_saw_can_be_left_out(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    truth = next(EgoExo4D(planted[0], TAKE, least_views=3).truth())
    assert np.flatnonzero(np.isnan(truth.joints[0, :, 0])).tolist() == [0, 1, 4]


def test_takes_with_bad_truth_or_hands_alone_are_left_out(planted: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    assert sequences(planted[0]) == [TAKE]
    for path in (planted[0] / "annotations").rglob(f"{UID}.json"):
        path.unlink()
    with pytest.raises(FileError, match=r"holds no annotations of takes in takes.json"):
        sequences(planted[0])
    with pytest.raises(FileError, match=r"there is no file .*takes.json"):
        sequences(tmp_path / "nowhere")


def test_damage_ends_in_one_sentence(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root = planted[0]
    folder, calibrations = root / "takes" / TAKE, root / "takes" / TAKE / "trajectory" / "gopro_calibs.csv"
    labels = root / "annotations" / "ego_pose" / "val" / "body" / "annotation" / f"{UID}.json"
    with pytest.raises(FileError, match=r"takes.json has no take called other"):
        EgoExo4D(root, "other")
    with pytest.raises(FileError, match=r"no annotation .*, nor in train or test"):
        EgoExo4D(root, "y_piano")
    with pytest.raises(InputError, match="no camera cam03 that was localised, only cam01, cam02"):
        EgoExo4D(root, TAKE, ["cam03"])
    write_video(folder / "named" / "gp.mp4", {}, SIZE, count=4)
    with pytest.raises(FileError, match=r"has 4 frames, expected frame 5: is it cut"):
        list(EgoExo4D(root, TAKE, ["cam01"]).frames())
    write_video(folder / "named" / "gp.mp4", {}, (108, 192))
    with pytest.raises(FileError, match="an image has 108x192 pixels, its calibration is for 192x108"):
        next(EgoExo4D(root, TAKE, ["cam01"]).frames())
    (folder / "named" / "gp.mp4").unlink()
    with pytest.raises(FileError, match=r"no video of cam01 at .*gp.mp4 or .*448/cam01.mp4"):
        EgoExo4D(root, TAKE)
    content = json.loads(labels.read_text())
    del content["5"][0]["annotation3D"]["left-hip"]["z"]
    labels.write_text(json.dumps(content))
    with pytest.raises(FileError, match="has no left-hip/z, only x, y, num_views_for_3d"):
        list(EgoExo4D(root, TAKE, ["cam02"]).truth())
    labels.write_text("{}")
    with pytest.raises(FileError, match="is no table of annotations by frame"):
        EgoExo4D(root, TAKE)
    labels.write_text(json.dumps(content)[:-9])
    with pytest.raises(FileError, match="is no JSON"):
        EgoExo4D(root, TAKE)
    labels.write_text(json.dumps(content))
    text = calibrations.read_text()
    calibrations.write_text(text.replace("KANNALABRANDTK3", "FISHEYE624"))
    with pytest.raises(FileError, match="a lens of type FISHEYE624, expected KANNALABRANDTK3"):
        EgoExo4D(root, TAKE)
    calibrations.write_text(text.replace("qw_world_cam", "qv"))
    with pytest.raises(FileError, match=r"has a row that is no calibration .*qw_world_cam"):
        EgoExo4D(root, TAKE)
    calibrations.write_text(text.splitlines()[0])
    with pytest.raises(FileError, match="has no camera that was localised"):
        EgoExo4D(root, TAKE)
