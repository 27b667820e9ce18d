"""EMDB-2 on a miniature in its own format."""

import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import dot, dot_in, smpl_joints, write_image
from scipy.spatial.transform import Rotation

from chromm_ros.datasets.catalog import dataset
from chromm_ros.datasets.emdb import Emdb, sequences
from chromm_ros.errors import ConfigError, FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project

NAME = "P0_09_outdoor_walk"
COUNT = 3
SIZE = (90, 120)
INTRINSICS = np.array([[150.0, 0.0, 44.0], [0.0, 152.0, 61.0], [0.0, 0.0, 1.0]])
JOINT = 15


def labels(models: Path, rng: np.random.Generator) -> tuple[dict[str, Any], np.ndarray]:
    """As EMDB's pickle has them; joints in its world, which is y up."""
    smpl = {
        "poses_root": rng.normal(0.0, 1.0, (COUNT, 3)),
        "poses_body": rng.normal(0.0, 0.3, (COUNT, 69)),
        "trans": rng.normal(0.0, 1.0, (COUNT, 3)),
        "betas": rng.normal(0.0, 1.0, 10),
    }
    joints = smpl_joints(
        models, "female", global_orient=smpl["poses_root"], body_pose=smpl["poses_body"], transl=smpl["trans"],
        betas=np.tile(smpl["betas"], (COUNT, 1)),
    )  # fmt: skip
    turns = Rotation.random(COUNT, random_state=5).as_matrix()
    away = np.array([0.1, -0.1, 4.0]) - np.einsum("nij,nj->ni", turns, joints[:, JOINT])
    content = {
        "name": NAME, "gender": "female", "emdb1": False, "emdb2": True, "n_frames": COUNT,
        "good_frames_mask": np.array([True, False, True]), "smpl": smpl,
        "camera": {"intrinsics": INTRINSICS, "extrinsics": se3.compose(turns, away), "width": SIZE[0], "height": SIZE[1]},
    }  # fmt: skip
    return content, joints


def write(root: Path, content: dict[str, Any], joints: np.ndarray) -> None:
    folder = root / "P0" / "09_outdoor_walk"
    for index in range(COUNT):
        place = se3.apply(content["camera"]["extrinsics"][index], joints[index, JOINT][None])
        write_image(folder / "images" / f"{index:05d}.jpg", dot(SIZE, project(place, INTRINSICS)[0]))
    (folder / f"{NAME}_data.pkl").write_bytes(pickle.dumps(content))


@pytest.fixture
def planted(tmp_path: Path, models: Path) -> tuple[Path, dict[str, Any], np.ndarray]:
    content, joints = labels(models, np.random.default_rng(0))
    write(tmp_path, content, joints)
    return tmp_path, content, joints


def test_joints_cameras_and_pixels_are_the_planted_ones(planted: tuple[Path, dict[str, Any], np.ndarray], models: Path) -> None:
    root, _, joints = planted
    sequence = dataset("emdb2").open(root, NAME, body_models=models)
    frames, truths = list(sequence.frames()), list(sequence.truth())
    assert sequence.name == NAME and sequence.cameras == ("camera",)
    assert [frame.stamp_ns for frame, _ in frames] == [truth.stamp_ns for truth in truths] == [0, 33333333, 66666667]
    for (frame, arrival), truth, expected in zip(frames, truths, joints, strict=True):
        assert arrival == frame.stamp_ns and truth.joint_set == "smpl" and truth.ids.tolist() == [0]
        z_up = expected[:, [0, 2, 1]] * [1.0, -1.0, 1.0]
        np.testing.assert_allclose(truth.joints[0], z_up, atol=1e-4)
        np.testing.assert_array_equal(frame.world_from_cam, truth.world_from_cam[0])
        there = project(se3.apply(se3.inverse(truth.world_from_cam[0]), truth.joints[0, JOINT][None]), frame.intrinsics)[0]
        np.testing.assert_allclose(there, dot_in(frame.image), atol=0.2)


def test_bad_frames_are_not_counted(planted: tuple[Path, dict[str, Any], np.ndarray], models: Path) -> None:
    assert [truth.counted.tolist() for truth in Emdb(planted[0], NAME, (), models).truth()] == [[True], [False], [True]]


def test_only_emdb_2_is_listed(planted: tuple[Path, dict[str, Any], np.ndarray]) -> None:
    root, content, _ = planted
    other = root / "P1" / "14_outdoor_climb"
    other.mkdir(parents=True)
    (other / "P1_14_outdoor_climb_data.pkl").write_bytes(pickle.dumps({**content, "emdb2": False}))
    assert sequences(root) == [NAME]
    with pytest.raises(FileError, match="holds no sequence of EMDB-2"):
        sequences(root / "P1")


def test_images_are_read_one_by_one(planted: tuple[Path, dict[str, Any], np.ndarray]) -> None:
    sequence = Emdb(planted[0], NAME)
    frames = sequence.frames()
    next(frames)
    (planted[0] / "P0" / "09_outdoor_walk" / "images" / "00001.jpg").write_bytes(b"cut")
    with pytest.raises(FileError, match=r"00001.jpg cannot be read as an image"):
        next(frames)


def test_no_image_is_kept(planted: tuple[Path, dict[str, Any], np.ndarray]) -> None:
    """What evaluation holds does not grow with a sequence."""
    images: list[weakref.ref[np.ndarray]] = []
    for frame, _ in Emdb(planted[0], NAME).frames():
        images.append(weakref.ref(frame.image))
        del frame
        assert sum(image() is not None for image in images) <= 2
    assert len(images) == COUNT


def test_without_body_models_there_are_frames_and_one_sentence(
    planted: tuple[Path, dict[str, Any], np.ndarray], tmp_path: Path
) -> None:
    sequence = Emdb(planted[0], NAME)
    assert len(list(sequence.frames())) == COUNT
    with pytest.raises(ConfigError, match=r"register at smpl.is.tue.mpg.de"):
        next(sequence.truth())
    with pytest.raises(FileError, match=r"no SMPL_FEMALE.npz or SMPL_FEMALE.pkl"):
        next(Emdb(planted[0], NAME, body_models=tmp_path).truth())


def test_damage_ends_in_one_sentence(planted: tuple[Path, dict[str, Any], np.ndarray]) -> None:
    root, content, _ = planted
    path = root / "P0" / "09_outdoor_walk" / f"{NAME}_data.pkl"
    with pytest.raises(InputError, match="one camera, called camera, not left"):
        Emdb(root, NAME, ["left"])
    with pytest.raises(FileError, match=r"P9_79_data.pkl"):
        Emdb(root, "P9_79")
    del content["camera"]["extrinsics"]
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(FileError, match="has no camera/extrinsics, only intrinsics, width, height"):
        Emdb(root, NAME)
    content["camera"]["extrinsics"] = np.tile(np.eye(4), (COUNT - 1, 1, 1))
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(FileError, match=r"has shape \(2, 4, 4\), expected \(3, 4, 4\)"):
        Emdb(root, NAME)
    content["camera"]["extrinsics"] = np.tile(np.eye(4), (COUNT, 1, 1))
    path.write_bytes(pickle.dumps(content))
    (path.parent / "images" / "00002.jpg").unlink()
    with pytest.raises(FileError, match="holds 2 images, the labels have 3"):
        Emdb(root, NAME)
