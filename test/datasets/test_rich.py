"""RICH on a miniature in its own format: scaled copies of images, one of a portrait camera, hands as components."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from miniatures import VERTICES, dot, dot_in, smplx_joints, smplx_vertices, write_image, write_smpl
from scipy import sparse
from scipy.spatial.transform import Rotation

from chromm_ros.datasets.body_models import TRANSFER_FILE
from chromm_ros.datasets.catalog import dataset
from chromm_ros.datasets.rich import Rich, sequences
from chromm_ros.datasets.rich_test import TEST_CAMERAS, gender_of
from chromm_ros.errors import ConfigError, FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project

NAME = "Gym_012_cooking2"
FRAMES = ("00045", "00046")
SIZES = {"cam_03": (188, 257), "cam_04": (257, 188), "cam_05": (257, 188)}
ENDINGS = {"cam_03": "bmp", "cam_04": "png", "cam_05": "jpeg"}
SCALE = 1.0 / 16.0
JOINT = 40
"""A finger, so that the hands' components are in it."""


def matrix(name: str, values: np.ndarray) -> str:
    rows, columns = values.shape
    text = " ".join(f"{value:.9e}" for value in values.ravel())
    head = f'<{name} type_id="opencv-matrix"><rows>{rows}</rows><cols>{columns}</cols><dt>d</dt>'
    return f"{head}<data>\n  {text}</data></{name}>"


def write_camera(root: Path, number: int, extrinsics: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As the scan's calibration has it, of the full size; the intrinsics at the small one."""
    full = np.array([[2400.0, 0.0, size[0] * 8.0 + 20.0], [0.0, 2410.0, size[1] * 8.0 - 10.0], [0.0, 0.0, 1.0]])
    parts = [matrix("CameraMatrix", extrinsics), matrix("Intrinsics", full), matrix("Distortion", np.full((1, 5), 0.01))]
    path = root / "scan_calibration" / "Gym" / "calibration" / f"{number:03d}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0"?>\n<opencv_storage>{"".join(parts)}</opencv_storage>\n')
    full[:2, 2] += 0.5  # OpenCV counts from the centre of the first pixel, we from its corner
    return np.diag([SCALE, SCALE, 1.0]) @ full


def z_up(points: np.ndarray) -> np.ndarray:
    """From the first camera's axes to a world whose z is up."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def body(rng: np.random.Generator) -> dict[str, np.ndarray]:
    sizes = {"global_orient": 3, "body_pose": 63, "betas": 10, "expression": 10, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3}
    sizes |= {"left_hand_pose": 12, "right_hand_pose": 12}
    found = {name: rng.normal(0.0, 0.3, (1, size)).astype(np.float32) for name, size in sizes.items()}
    return {**found, "transl": np.array([[0.2, 0.1, 4.0]], np.float32) + 0.1 * rng.random((1, 3), np.float32)}


@pytest.fixture
def planted(tmp_path: Path, models: Path) -> tuple[Path, np.ndarray, dict[str, np.ndarray]]:
    """Root, joints in the world for each frame, intrinsics of each camera."""
    rng = np.random.default_rng(1)
    turns = Rotation.from_rotvec(rng.normal(0.0, 0.1, (3, 3))).as_matrix()
    cam_from_world = se3.compose(turns, rng.normal(0.0, 0.1, (3, 3)))
    cam_from_world[0] = np.eye(4)
    intrinsics = {
        camera: write_camera(tmp_path, int(camera[4:]), cam_from_world[place, :3], size)
        for place, (camera, size) in enumerate(SIZES.items())
    }
    joints = []
    for frame in FRAMES:
        params = body(rng)
        folder = tmp_path / "bodies" / "test" / NAME / frame
        folder.mkdir(parents=True)
        (folder / "012.pkl").write_bytes(pickle.dumps({**params, "extra": None}))
        joints.append(smplx_joints(models, "female", **params)[0])
        for place, (camera, size) in enumerate(SIZES.items()):
            there = se3.apply(cam_from_world[place], joints[-1][JOINT][None])
            path = tmp_path / "images" / "test" / NAME / camera / f"{frame}_{camera[4:]}.{ENDINGS[camera]}"
            write_image(path, dot(size, project(there, intrinsics[camera])[0]))
    return tmp_path, np.stack(joints), intrinsics


def test_joints_cameras_and_pixels_are_the_planted_ones(
    planted: tuple[Path, np.ndarray, dict[str, np.ndarray]], models: Path
) -> None:
    root, joints, intrinsics = planted
    sequence = dataset("rich").open(root, NAME, body_models=models)
    assert sequence.cameras == tuple(SIZES)
    truths = list(sequence.truth())
    np.testing.assert_allclose(np.concatenate([truth.joints for truth in truths]), z_up(joints), atol=1e-4)
    np.testing.assert_allclose(truths[0].world_from_cam[0, :3, :3] @ [0.0, -1.0, 0.0], [0.0, 0.0, 1.0])  # the first image's up
    assert [truth.stamp_ns for truth in truths] == [0, 33333333]
    assert all(truth.ids.tolist() == [12] and truth.counted.all() and truth.joint_set == "smplx" for truth in truths)
    frames = [frame for frame, _ in sequence.frames()]
    assert [(frame.camera, frame.stamp_ns) for frame in frames] == [(camera, t.stamp_ns) for t in truths for camera in SIZES]
    for place, frame in enumerate(frames):
        truth = truths[place // 3]
        np.testing.assert_allclose(frame.intrinsics, intrinsics[frame.camera])
        np.testing.assert_array_equal(frame.world_from_cam, truth.world_from_cam[place % 3])
        there = project(se3.apply(se3.inverse(frame.world_from_cam), truth.joints[0, JOINT][None]), frame.intrinsics)[0]
        np.testing.assert_allclose(there, dot_in(frame.image), atol=0.2)


def test_with_the_transfer_to_smpl_joints_are_those_of_the_field_s_tables(
    planted: tuple[Path, np.ndarray, dict[str, np.ndarray]], models: Path, tmp_path: Path
) -> None:
    """Vertices of the smplx library through both matrices, of which the second half is for normals and must not count."""
    rng, folder = np.random.default_rng(8), tmp_path / "with_transfer"
    shutil.copytree(models, folder)
    write_smpl(folder, "neutral")
    transfer = rng.random((VERTICES, VERTICES))
    normals = np.ones((VERTICES, VERTICES))
    path = folder / TRANSFER_FILE
    path.write_bytes(pickle.dumps({"mtx": sparse.csc_matrix(np.hstack([transfer, normals]))}, protocol=2))
    regressor = pickle.loads((folder / "SMPL_NEUTRAL.pkl").read_bytes())["J_regressor"]
    for truth, frame in zip(Rich(planted[0], NAME, body_models=folder).truth(), FRAMES, strict=True):
        params = pickle.loads((planted[0] / "bodies" / "test" / NAME / frame / "012.pkl").read_bytes())
        del params["extra"]
        vertices = smplx_vertices(models, "female", **params)[0]
        assert truth.joint_set == "smpl"
        np.testing.assert_allclose(truth.joints[0], z_up(regressor @ transfer @ vertices), rtol=1e-5, atol=1e-4)
    path.write_bytes(pickle.dumps({"mtx": sparse.csc_matrix(transfer)}))
    with pytest.raises(FileError, match=r"takes 35 vertices, the body has 70"):
        next(Rich(planted[0], NAME, body_models=folder).truth())
    path.write_bytes(pickle.dumps({"mtx": sparse.csc_matrix(transfer[:9])}))
    with pytest.raises(FileError, match=r"makes 9 vertices, SMPL_NEUTRAL has 70"):
        next(Rich(planted[0], NAME, body_models=folder).truth())


def test_the_table_of_the_test_split_holds() -> None:
    assert len(TEST_CAMERAS) == 51 and all(len(cameras) in {3, 4} for cameras in TEST_CAMERAS.values())
    assert sum(map(len, TEST_CAMERAS.values())) == 195
    assert (
        TEST_CAMERAS["Gym_011_cooking1"] == ("cam_04", "cam_05", "cam_06")
        and "LectureHall_009_021_reparingprojector1" not in TEST_CAMERAS
    )
    assert [gender_of(subject) for subject in (11, 12, 22)] == ["male", "female", None]


def test_sequences_that_are_there_are_listed(planted: tuple[Path, np.ndarray, dict[str, np.ndarray]], tmp_path: Path) -> None:
    assert sequences(planted[0]) == [NAME]
    with pytest.raises(FileError, match="no sequence of RICH's test split"):
        sequences(tmp_path / "nowhere")


def test_damage_ends_in_one_sentence(planted: tuple[Path, np.ndarray, dict[str, np.ndarray]], models: Path) -> None:
    root = planted[0]
    with pytest.raises(ConfigError, match=r"register at smpl-x.is.tue.mpg.de"):
        next(Rich(root, NAME).truth())
    with pytest.raises(FileError, match=r"no bodies/<split>/Gym_012_cooking9"):
        Rich(root, "Gym_012_cooking9")
    with pytest.raises(FileError, match=r"no calibration .*009.xml of cam_09: a camera that moves"):
        Rich(root, NAME, ["cam_09"])
    with pytest.raises(InputError, match="no camera left"):
        Rich(root, NAME, ["left"])
    path = root / "bodies" / "test" / NAME / FRAMES[1] / "012.pkl"
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**content, "body_pose": np.zeros((1, 69))}))
    with pytest.raises(FileError, match=r"body_pose of .*012.pkl has shape \(1, 69\), expected \(1, 63\)"):
        list(Rich(root, NAME, (), models).truth())
    path.rename(path.with_name("099.pkl"))
    with pytest.raises(FileError, match=r"099.pkl is of no subject"):
        list(Rich(root, NAME, (), models).truth())
    path.with_name("099.pkl").unlink()
    with pytest.raises(FileError, match="holds no body"):
        list(Rich(root, NAME, (), models).truth())
    (root / "images" / "test" / NAME / "cam_05" / f"{FRAMES[1]}_05.jpeg").unlink()
    with pytest.raises(FileError, match=r"cam_05 has no image 00046_05.bmp .* and 1 others"):
        Rich(root, NAME)
    (root / "scan_calibration" / "Gym" / "calibration" / "004.xml").write_text("<opencv_storage><CameraMatrix/></opencv_storage>")
    with pytest.raises(FileError, match=r"CameraMatrix of .*004.xml has 0 numbers, expected 3x4"):
        Rich(root, NAME)
