"""EgoHumans on a miniature in its own format: fisheye lenses, a similarity between COLMAP and the world, files that count from 1."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from miniatures import dot, dot_in, write_image
from scipy.spatial.transform import Rotation

from chromm_ros.datasets.catalog import dataset
from chromm_ros.datasets.egohumans import EgoHumans, sequences
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project

NAME = "06_badminton/001_badminton"
CAMERAS = ("cam01", "cam02", "cam05", "cam07")
SIZE = (192, 108)
LENS = (90.0, 91.0, 95.0, 55.0)
DISTORTION = (0.06, -0.02, 0.004, -0.001)
FRAMES = (1, 3)
SCALE = 7.0
"""COLMAP's units in a metre."""
JOINT = 21


def through_lens(point: np.ndarray) -> np.ndarray:
    """Kannala and Brandt's model by hand."""
    flat = point[:2] / point[2]
    theta = np.arctan(np.linalg.norm(flat))
    bent = theta * (1.0 + sum(k * theta ** (2 * power) for power, k in enumerate(DISTORTION, start=1)))
    return np.array(LENS[:2]) * flat / np.tan(theta) * bent + np.array(LENS[2:])


def pose_line(number: int, cam_from_colmap: np.ndarray, camera_id: int, name: str) -> str:
    x, y, z, w = Rotation.from_matrix(cam_from_colmap[:3, :3]).as_quat()
    numbers = " ".join(f"{value:.12f}" for value in (w, x, y, z, *cam_from_colmap[:3, 3]))
    return f"{number} {numbers} {camera_id} {name}\n"


def write_colmap(folder: Path, poses: dict[str, np.ndarray], colmap_from_world: np.ndarray) -> None:
    """The text model: comments, then lenses; pose lines each with a line of points, which may be empty. cam05 was placed by hand."""
    folder.mkdir(parents=True)
    lens = " ".join(map(str, (*LENS, *DISTORTION)))
    cameras = ["1 FULL_OPENCV 1408 1408 600 600 704 704 0 0 0 0 0 0 0 0\n", f"2 OPENCV_FISHEYE {SIZE[0]} {SIZE[1]} {lens}\n"]
    (folder / "cameras.txt").write_text("# list\n# of\n# cameras\n" + "".join(cameras))
    lines = [pose_line(1, np.eye(4), 1, "aria01/rgb/00001.jpg"), "1.5 2.5 -1 3.0 4.0 7\n"]
    for number, (camera, pose) in enumerate(poses.items(), start=2):
        if camera != "cam05":
            lines += [pose_line(number, pose, 2, f"{camera}/00001.jpg"), "\n" if number % 2 else "9.0 9.0 -1\n"]
    (folder / "images.txt").write_text("# list\n# of\n# images\n# with points\n" + "".join(lines))
    np.save(folder / "cam05.npy", poses["cam05"][:3])
    transforms = {"aria01": colmap_from_world, "aria02": np.eye(4)}
    (folder / "colmap_from_aria_transforms.pkl").write_bytes(pickle.dumps(transforms))


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """Root, joints (frame, person, 45), world_from_cam of each camera."""
    rng = np.random.default_rng(2)
    folder = tmp_path / NAME
    eyes = np.array([[4.0, 0.5, 1.5], [-3.5, 1.0, 1.8], [0.3, 4.2, 1.2], [1.0, -4.0, 2.0]])
    world_from_cam = se3.look_at(eyes, eyes[::-1] * 0.1 + [1.3, 1.0, 1.0], 0.1)
    colmap_from_world = se3.compose(Rotation.random(random_state=1).as_matrix(), np.array([3.0, -2.0, 5.0]))
    colmap_from_world[:3, :3] *= SCALE
    poses = {}
    for camera, pose in zip(CAMERAS, world_from_cam, strict=True):
        metres = se3.inverse(pose) @ np.linalg.inv(colmap_from_world)  # its rotation is shrunk
        poses[camera] = se3.compose(metres[:3, :3] * SCALE, metres[:3, 3] * SCALE)
    write_colmap(folder / "colmap" / "workplace", poses, colmap_from_world)
    joints = rng.normal([0.0, 0.0, 1.0], 0.4, (len(FRAMES), 2, 45, 3))
    for number, people in zip(FRAMES, joints, strict=True):
        labels = {
            f"aria0{who}": {"joints": people[who - 1], "transl": np.zeros(3), "vertices": np.zeros((9, 3))} for who in (2, 1)
        }
        (folder / "processed_data" / "smpl").mkdir(parents=True, exist_ok=True)
        np.save(folder / "processed_data" / "smpl" / f"{number:05d}.npy", np.array(labels, dtype=object), allow_pickle=True)
    for camera, pose in zip(CAMERAS, world_from_cam, strict=True):
        for number in (1, 2, 3):
            people = joints[FRAMES.index(number)] if number in FRAMES else joints[0]
            there = se3.apply(se3.inverse(pose), people[1, JOINT][None])[0]
            write_image(folder / "exo" / camera / "images" / f"{number:05d}.jpg", dot(SIZE, through_lens(there)))
    return tmp_path, joints, world_from_cam


def test_joints_cameras_and_pixels_are_the_planted_ones(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, joints, world_from_cam = planted
    sequence = dataset("egohumans").open(root, NAME)
    assert sequence.cameras == CAMERAS
    truths = list(sequence.truth())
    assert [truth.stamp_ns for truth in truths] == [0, 100_000_000] and truths[0].ids.tolist() == [1, 2]
    np.testing.assert_allclose(np.stack([truth.joints for truth in truths]), joints[:, :, :24], atol=1e-9)
    for truth in truths:
        np.testing.assert_allclose(truth.world_from_cam, world_from_cam, atol=1e-6)
    for place, (frame, _) in enumerate(sequence.frames()):
        truth = truths[place // 4]
        assert (frame.camera, frame.stamp_ns) == (CAMERAS[place % 4], truth.stamp_ns)
        there = project(se3.apply(se3.inverse(frame.world_from_cam), truth.joints[1, JOINT][None]), frame.intrinsics)[0]
        np.testing.assert_allclose(there, dot_in(frame.image), atol=0.35)


def test_who_is_out_of_the_image_is_not_said_to_be_seen(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, joints, world_from_cam = planted
    behind = world_from_cam[0, :3, 3] - 3.0 * world_from_cam[0, :3, 2]
    labels = {"aria01": {"joints": joints[0, 0]}, "aria02": {"joints": behind + 0.1 * joints[0, 1]}}
    path = root / NAME / "processed_data" / "smpl" / "00001.npy"
    np.save(path, np.array(labels, dtype=object), allow_pickle=True)
    first, second = EgoHumans(root, NAME).truth()
    assert first.seen_by is not None and first.seen_by[0] == CAMERAS and "cam01" not in first.seen_by[1]
    assert second.seen_by == (CAMERAS, CAMERAS)


def test_frames_that_are_not_asked_for_need_no_image(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root, _, _ = planted
    (root / NAME / "exo" / "cam01" / "images" / "00003.jpg").unlink()
    sequence = EgoHumans(root, NAME, every=2)
    assert [truth.stamp_ns for truth in sequence.truth()] == [0] and len(list(sequence.frames())) == 4


def test_the_lens_matters(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    """So that the test above would see a lens that was left out."""
    root, joints, world_from_cam = planted
    frame = next(EgoHumans(root, NAME).frames())[0]
    there = se3.apply(se3.inverse(world_from_cam[0]), joints[0, 1, JOINT][None])
    assert np.abs(project(there, frame.intrinsics)[0] - through_lens(there[0])).max() > 1.0


def test_broken_sequences_are_left_out(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root = planted[0]
    (root / "06_badminton" / "051_badminton").mkdir()
    (root / "01_tagging" / "014_tagging").mkdir(parents=True)
    assert sequences(root) == ["01_tagging/014_tagging", NAME]
    with pytest.raises(FileError, match="holds no sequences"):
        sequences(root / "01_tagging")


def test_damage_ends_in_one_sentence(planted: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root = planted[0]
    folder, workplace = root / NAME, root / NAME / "colmap" / "workplace"
    with pytest.raises(InputError, match="no cameras are known for the sequence 08_golf/001_golf"):
        EgoHumans(root, "08_golf/001_golf")
    with pytest.raises(FileError, match="smpl holds no bodies"):
        EgoHumans(root, "06_badminton/002_badminton")
    with pytest.raises(FileError, match=r"cam08/images lacks 2 of the 2 images that have bodies, 00001.jpg first"):
        EgoHumans(root, NAME, ["cam08"])
    (folder / "exo" / "cam07" / "images" / "00003.jpg").unlink()
    with pytest.raises(FileError, match=r"lacks 1 of the 2 images that have bodies, 00003.jpg first"):
        EgoHumans(root, NAME)
    np.save(
        folder / "processed_data" / "smpl" / "00003.npy", np.array({"aria01": {"vertices": 0}}, dtype=object), allow_pickle=True
    )
    with pytest.raises(FileError, match="has no aria01/joints, only vertices"):
        list(EgoHumans(root, NAME, CAMERAS[:2]).truth())
    (workplace / "cam05.npy").unlink()
    with pytest.raises(FileError, match=r"has no pose of cam05, and there is no cam05.npy"):
        EgoHumans(root, NAME, ["cam05"])
    (workplace / "cameras.txt").write_text("2 SIMPLE_PINHOLE 192 108 90 96 54\n")
    with pytest.raises(FileError, match="the lens SIMPLE_PINHOLE with 3 numbers, expected OPENCV_FISHEYE with 8"):
        EgoHumans(root, NAME, ["cam01"])
    (workplace / "images.txt").write_text("2 1.0 0.0\n")
    with pytest.raises(FileError, match=r"has the line '2 1.0 0.0', which is no line of COLMAP"):
        EgoHumans(root, NAME, ["cam01"])
    (workplace / "colmap_from_aria_transforms.pkl").write_bytes(pickle.dumps({"aria02": np.eye(4)}))
    with pytest.raises(FileError, match="has no aria01, only aria02"):
        EgoHumans(root, NAME, ["cam01"])
