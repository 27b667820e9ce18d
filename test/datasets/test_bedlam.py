"""BEDLAM on a miniature in its own format: Unreal's left-handed centimetres, labels in the camera, depth as OpenEXR, masks by actor."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import smplx_joints, write_image
from scipy.spatial.transform import Rotation

from chromm_ros.data.moment import Moment
from chromm_ros.datasets.bedlam import Bedlam, _camera_poses, sequences
from chromm_ros.datasets.bedlam_clips import BedlamClips
from chromm_ros.datasets.bedlam_moments import moments
from chromm_ros.datasets.catalog import dataset
from chromm_ros.errors import ConfigError, FileError, InputError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project
from chromm_ros.model.config import SIZES
from chromm_ros.train.targets import Knowledge, batch_of

OpenEXR = pytest.importorskip("OpenEXR", reason="depth maps are OpenEXR: pip install 'chromm_ros[bedlam]'")

SCENE, SHORT = "20221024_10_100_batch01handhair_zoom_suburb_d", "seq_000003"
NAME = f"{SCENE}/{SHORT}"
SIZE = (128, 72)
INTRINSICS = np.array([[120.0, 0.0, 64.0], [0.0, 120.0, 36.0], [0.0, 0.0, 1.0]])
NUMBERS = (0, 5)
SUBJECTS = ("rp_aaron_posed_002", "rp_beth_posed_009")
CAMERAS = [(100.0 * k, -50.0, 150.0 + k, 20.0 + k, -5.0, 3.0) for k in range(7)]
"""x, y, z in centimetres, yaw, pitch and roll in degrees."""


def upstream_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """cam_from_world in OpenCV's axes, as BEDLAM's own processing turns."""
    y, _ = cv2.Rodrigues(np.array([0.0, np.deg2rad(-yaw), 0.0]))
    x, _ = cv2.Rodrigues(np.array([np.deg2rad(-pitch), 0.0, 0.0]))
    z, _ = cv2.Rodrigues(np.array([0.0, 0.0, np.deg2rad(-roll)]))
    return z @ x @ y


def world_from_unreal(points: np.ndarray) -> np.ndarray:
    """Metres, z up, right-handed: y is turned round."""
    return points * [0.01, -0.01, 0.01]


def write_scene(root: Path) -> None:
    """What does not depend on bodies."""
    folder = root / SCENE
    (folder / "ground_truth" / "camera").mkdir(parents=True)
    rows = [f"{k:04d},{x},{y},{z},{yaw},{pitch},{roll},50,36,20.25,40" for k, (x, y, z, yaw, pitch, roll) in enumerate(CAMERAS)]
    head = "name,x,y,z,yaw,pitch,roll,focal_length,sensor_width,sensor_height,hfov"
    (folder / "ground_truth" / "camera" / f"{SHORT}_camera.csv").write_text("\n".join([head, *rows]) + "\n")
    lines = ["Index,Type,Body,X,Y,Z,Yaw,Pitch,Roll,Comment", "0,Comment,None,0,0,0,0,0,0,sequence_name=seq_000002;frames=9"]
    lines += ["1,Body,rp_cleo_posed_001_1000,0,0,0,0,0,0,start_frame=3;texture_body=x"]
    lines += [f"2,Comment,None,0,0,0,0,0,0,sequence_name={SHORT};frames=7"]
    lines += [f"{3 + k},Body,{subject}_10{k}0,0,0,0,0,0,0,start_frame=3;x=y" for k, subject in enumerate(SUBJECTS)]
    (folder / "be_seq.csv").write_text("\n".join(lines) + "\n")


def write_pictures(root: Path, number: int, heads: np.ndarray, depths: np.ndarray) -> None:
    """Each person is a square about the head; sky is far off, and actor 1's clothing covers the left half of the body's mask."""
    stem = f"{SHORT}/{SHORT}_{number:04d}"
    depth = np.full((SIZE[1], SIZE[0]), 6.5e9, np.float32)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for actor, (pixel, metres) in enumerate(zip(heads, depths, strict=True)):
        u, v = np.floor(pixel).astype(int)
        square = np.zeros(depth.shape, np.uint8)
        square[v - 6 : v + 7, u - 6 : u + 7] = 255
        depth[square > 0], image[square > 0] = 100.0 * metres, (0, 0, 100 + 50 * actor)
        body = square.copy()
        body[:, :u] = 0
        write_image(root / SCENE / "masks" / f"{stem}_{actor:02d}_body.png", body)
        write_image(root / SCENE / "masks" / f"{stem}_{actor:02d}_clothing.png", square - body)
    write_image(root / SCENE / "masks" / f"{stem}_env.png", np.zeros(depth.shape, np.uint8))
    write_image(root / SCENE / "png" / f"{stem}.png", image)
    path = root / SCENE / "depth" / f"{stem}_depth.exr"
    path.parent.mkdir(parents=True, exist_ok=True)
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, {"Depth": depth}).write(str(path))


def poses(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(0.0, 0.3, (count, 165))


def posed(models: Path, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> np.ndarray:
    names = {
        "global_orient": 3,
        "body_pose": 66,
        "jaw_pose": 69,
        "leye_pose": 72,
        "reye_pose": 75,
        "left_hand_pose": 120,
        "right_hand_pose": 165,
    }
    starts = [0, *list(names.values())[:-1]]
    parts = {name: pose[:, start:end] for (name, end), start in zip(names.items(), starts, strict=True)}
    return smplx_joints(models, "neutral", **parts, betas=betas, transl=transl, expression=np.zeros((len(pose), 10)))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, models: Path) -> tuple[Path, np.ndarray]:
    """Root, joints in the world (image, actor)."""
    root, rng = tmp_path_factory.mktemp("bedlam"), np.random.default_rng(6)
    write_scene(root)
    labels: dict[str, list[np.ndarray | str]] = {
        n: [] for n in ("imgname", "pose_cam", "shape", "trans_cam", "cam_ext", "cam_int", "sub")
    }
    joints = []
    for number in NUMBERS:
        x, y, z, *angles = CAMERAS[number]
        pose, betas = poses(rng, 2), rng.normal(0.0, 1.0, (2, 11))
        transl = np.array([[-0.7, 0.1, 4.0], [0.9, -0.1, 5.0]]) - posed(models, pose, betas, np.zeros((2, 3)))[:, 15]
        in_cam = posed(models, pose, betas, transl)
        turn = upstream_rotation(*angles)
        in_cv = (in_cam @ turn) + [y / 100.0, -z / 100.0, x / 100.0]  # OpenCV's axes: right, down, Unreal's forward
        joints.append(np.stack([in_cv[..., 2], -in_cv[..., 0], -in_cv[..., 1]], axis=-1))
        write_pictures(root, number, project(in_cam[:, 15], INTRINSICS), in_cam[:, 15, 2])
        for actor in (1, 0):  # the order of labels is not that of actors
            ext = se3.compose(upstream_rotation(0.0, *angles[1:]), rng.normal(size=3))  # without yaw, its translation the body's
            row = (f"{SHORT}/{SHORT}_{number:04d}.png", pose[actor], betas[actor], transl[actor] - ext[:3, 3], ext, INTRINSICS)
            for name, value in zip(labels, (*row, SUBJECTS[actor]), strict=True):
                labels[name].append(value)
    (root / "processed_labels").mkdir()
    np.savez(root / "processed_labels" / f"{SCENE}_6fps.npz", **{name: np.array(value) for name, value in labels.items()})
    return root, np.stack(joints)


def test_joints_and_cameras_are_the_planted_ones(planted: tuple[Path, np.ndarray], models: Path) -> None:
    root, joints = planted
    sequence = dataset("bedlam").open(root, NAME, body_models=models)
    truths, frames = list(sequence.truth()), [frame for frame, _ in sequence.frames()]
    assert [t.stamp_ns for t in truths] == [f.stamp_ns for f in frames] == [0, 166666667]
    for frame, truth, expected in zip(frames, truths, joints, strict=True):
        assert truth.ids.tolist() == [0, 1] and truth.joint_set == "smplx"
        np.testing.assert_allclose(truth.joints, expected, atol=1e-4)
        np.testing.assert_array_equal(frame.world_from_cam, truth.world_from_cam[0])
        there = project(se3.apply(se3.inverse(frame.world_from_cam), truth.joints[:, 15]), frame.intrinsics)
        for actor, (u, v) in enumerate(np.floor(there).astype(int)):
            assert frame.image[v, u].tolist() == [100 + 50 * actor, 0, 0], "RGB of the square about the head"


@pytest.mark.parametrize(
    ("angles", "axis", "expected"),
    [
        ((0.0, 0.0, 0.0), 2, (1.0, 0.0, 0.0)),  # forward is Unreal's x
        ((90.0, 0.0, 0.0), 2, (0.0, -1.0, 0.0)),  # yaw turns to the right
        ((0.0, 30.0, 0.0), 2, (np.cos(np.pi / 6), 0.0, 0.5)),  # pitch looks up
        ((0.0, 0.0, 90.0), 0, (0.0, 0.0, -1.0)),  # roll lowers the right side
    ],
)
def test_unreal_s_angles_mean_what_they_mean_there(
    tmp_path: Path, angles: tuple[float, float, float], axis: int, expected: tuple[float, float, float]
) -> None:
    path = tmp_path / "camera.csv"
    path.write_text("x,y,z,yaw,pitch,roll\n" + ",".join(map(str, (300.0, 200.0, 100.0, *angles))) + "\n")
    pose = _camera_poses(path)[0]
    np.testing.assert_allclose(pose[:3, axis], expected, atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], world_from_unreal(np.array([300.0, 200.0, 100.0])))


def test_moments_hold_what_training_needs(planted: tuple[Path, np.ndarray], models: Path) -> None:
    root, joints = planted
    found = list(moments(Bedlam(root, NAME, body_models=models)))
    assert all(isinstance(moment, Moment) for moment in found)
    for moment, expected in zip(found, joints, strict=True):
        Moment(**vars(moment))
        in_cam = se3.apply(se3.inverse(moment.world_from_cam[0]), expected)
        np.testing.assert_allclose(moment.head_pixel[0], project(in_cam[:, 15], INTRINSICS), atol=1e-2)
        assert moment.pixels.tolist() == [[169, 169]] and moment.visible.tolist() == [[1.0, 1.0]]
        assert (moment.head_visible > 0.9).all()
        for actor in range(2):
            np.testing.assert_allclose(moment.depth[0][moment.person[0] == actor + 1], in_cam[actor, 15, 2], rtol=1e-5)
        assert (moment.depth[0][moment.person[0] == 0] == 0.0).all(), "sky has no depth"


def test_training_takes_the_moments(planted: tuple[Path, np.ndarray], models: Path) -> None:
    """What `train.targets` makes of them is what is planted: heads in the camera, who is to be found, depth, and shares of people."""
    root, joints = planted
    clip = [Moment(**vars(moment)) for moment in moments(Bedlam(root, NAME, body_models=models))]
    batch = batch_of([clip], SIZES["nano"], Knowledge(), np.random.default_rng(0))
    in_cam = [se3.apply(se3.inverse(moment.world_from_cam[0]), joints[k]) for k, moment in enumerate(clip)]
    order = np.lexsort((batch.people.head[:, 0], batch.people.heads.image))
    np.testing.assert_allclose(batch.people.head.numpy()[order], np.concatenate(in_cam)[:, 15], atol=1e-4)
    turns = Rotation.from_matrix(batch.people.rotations[:, 0].numpy()[order]).as_rotvec()
    labelled = np.concatenate([Bedlam(root, NAME).bodies(number).pose[:, 0] for number in NUMBERS])
    np.testing.assert_allclose(turns, labelled, atol=1e-5)
    assert float(batch.mask.max()) > 0.5 and 3.0 < float(batch.depth.max()) < 6.0


def test_clips_follow_their_seed(planted: tuple[Path, np.ndarray], models: Path) -> None:
    root = planted[0]
    clips = BedlamClips(root, models, tuple(sequences(root)))
    starts = [clips(seed)[0].stamp_ns for seed in range(8)]
    assert set(starts) == {0, 166666667} and starts == [pickle.loads(pickle.dumps(clips))(seed)[0].stamp_ns for seed in range(8)]
    assert [moment.stamp_ns for moment in replace(clips, steps=2)(5)] == [0, 166666667]
    with pytest.raises(FileError, match=r"none of the 1 sequences in .* has 3 labelled images in a row"):
        replace(clips, steps=3)(0)


def test_bodies_in_the_world_pose_to_the_same_joints(planted: tuple[Path, np.ndarray], models: Path) -> None:
    """Turned about the pelvis, not about `transl`; of eleven betas the record has ten, so those are posed here."""
    sequence = Bedlam(planted[0], NAME, body_models=models)
    moment, model = next(moments(sequence)), sequence.model()
    bodies, world_from_cam = sequence.bodies(0), moment.world_from_cam[0]
    world_pose = bodies.pose.copy()
    world_pose[:, 0] = moment.body.global_orient
    np.testing.assert_allclose(model.joints(world_pose, bodies.betas, moment.body.transl.astype(float)), moment.joints, atol=1e-5)
    np.testing.assert_allclose(moment.body.right_hand_pose, bodies.pose[:, 40:], atol=1e-6)
    np.testing.assert_allclose(Rotation.from_rotvec(moment.body.global_orient).as_matrix(), world_from_cam[:3, :3] @ Rotation.from_rotvec(bodies.pose[:, 0]).as_matrix(), atol=1e-6)  # fmt: skip


def test_a_head_behind_somebody_is_hidden(planted: tuple[Path, np.ndarray], models: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(planted[0], root)
    for part in ("body", "clothing"):
        (root / SCENE / "masks" / SHORT / f"{SHORT}_0000_00_{part}.png").unlink()
    moment = next(moments(Bedlam(root, NAME, body_models=models)))
    assert moment.pixels.tolist() == [[0, 169]] and moment.head_visible[0, 0] == 0.0 and moment.visible.tolist() == [[0.0, 1.0]]


def test_scenes_without_true_depth_are_left_out(planted: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    for scene in ("20221010_3_1000_batch01hand", "20221011_1_250_batch01hand_closeup_suburb_a"):
        (planted[0] / scene / "png").mkdir(parents=True, exist_ok=True)
    assert sequences(planted[0]) == [NAME]
    with pytest.raises(FileError, match="holds no scenes with true depth"):
        sequences(tmp_path)


def test_damage_ends_in_one_sentence(planted: tuple[Path, np.ndarray], models: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(planted[0], root)
    stem, labels = f"{SHORT}/{SHORT}_0005", root / "processed_labels" / f"{SCENE}_6fps.npz"
    with pytest.raises(ConfigError, match=r"register at smpl-x.is.tue.mpg.de"):
        next(Bedlam(root, NAME).truth())
    with pytest.raises(InputError, match="turned by 90 degrees"):
        Bedlam(root, "20221011_1_250_batch01hand_closeup_suburb_a/seq_000000")
    with pytest.raises(FileError, match="has no labels of seq_000009"):
        Bedlam(root, f"{SCENE}/seq_000009")
    with pytest.raises(FileError, match=r"no labels other.npz or other_6fps.npz or other_30fps.npz"):
        Bedlam(root, "other/seq_000000")
    for part, sentence in {
        f"depth/{stem}_depth.exr": "cannot be read as OpenEXR",
        f"masks/{stem}_01_body.png": "cannot be read as an image",
    }.items():
        content = (root / SCENE / part).read_bytes()
        (root / SCENE / part).write_bytes(b"cut")
        with pytest.raises(FileError, match=sentence):
            list(moments(Bedlam(root, NAME, (), models)))
        (root / SCENE / part).write_bytes(content)
    (root / SCENE / "masks" / f"{stem}_env.png").unlink()
    with pytest.raises(FileError, match=r"no mask .*_0005_env.png"):
        list(moments(Bedlam(root, NAME, (), models)))
    cameras = root / SCENE / "ground_truth" / "camera" / f"{SHORT}_camera.csv"
    cameras.write_text("\n".join(cameras.read_text().splitlines()[:4]))
    with pytest.raises(FileError, match="labels image 5 of seq_000003, its cameras are given for 3"):
        Bedlam(root, NAME)
    cameras.write_text("name,x,y\n0,1,2\n")
    with pytest.raises(FileError, match="is no table of cameras"):
        Bedlam(root, NAME)
    other = np.load(labels)
    shorter = root / "processed_labels" / f"{SCENE}.npz"
    np.savez(shorter, **{name: other[name][: 3 if name == "shape" else None] for name in other.files})
    with pytest.raises(FileError, match=r"shape of .* has shape \(3, 11\), expected \(4, -1\): is the file cut"):
        Bedlam(root, NAME)
    np.savez(shorter, imgname=other["imgname"])
    with pytest.raises(FileError, match=r"lacks labels .*pose_cam"):
        Bedlam(root, NAME)
