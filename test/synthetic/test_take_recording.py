"""A take written as a rosbag2 comes back with its truth."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import body_params, cloud_arrays, matrix_from_pose, stamp_ns
from chromm_ros.data.moment import Moment
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.synthetic.finding import may_be_found, on_image, to_find
from chromm_ros.synthetic.main import main
from chromm_ros.synthetic.making import options
from chromm_ros.synthetic.recording import BEGIN_NS, record
from chromm_ros.synthetic.world.take import Take, TakeOptions

SMALL = TakeOptions(views=2, people_min=2, people_max=3, width=112, height=84, photo=False, rig="room")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Moment]]:
    path = tmp_path_factory.mktemp("take") / "bag"
    return path, list(record(path, Take(5, SMALL), start_s=1.0, seconds=0.2, fps=10.0, quality=95))


def test_bodies_cameras_and_images_come_back(written: tuple[Path, list[Moment]]) -> None:
    path, moments = written
    with BagReader(path) as bag:
        assert [camera.name for camera in bag.camera_topics()] == ["cam1", "cam2"]
        for k, message in enumerate(map(bag.deserialize, bag.messages(["/truth/bodies"]))):
            moment = moments[k]
            assert stamp_ns(message.header.stamp) == BEGIN_NS + k * 100_000_000 and message.header.frame_id == "world"
            assert [body.track_id for body in message.bodies] == moment.ids.tolist()
            for n, body in enumerate(message.bodies):
                params = body_params(body)
                np.testing.assert_array_equal(params.transl, moment.body.transl[n])
                np.testing.assert_array_equal(params.body_pose, moment.body.body_pose[n])
                np.testing.assert_allclose(np.reshape(body.joints, (55, 3)), moment.joints[n], atol=1e-6)
                pelvis = matrix_from_pose(body.pelvis)
                np.testing.assert_allclose(pelvis[:3, 3], moment.joints[n, 0], atol=1e-6)
                axes = matrix_from_rotvec(moment.body.global_orient[n].astype(np.float64))
                np.testing.assert_allclose(pelvis[:3, :3].T, axes[:, [2, 0, 1]].T, atol=1e-6)  # forward, left, up
                assert body.seen_by == [f"cam{v + 1}" for v in range(2) if to_find(moment)[v, n]]
        transforms = {transform.child: transform.parent_from_child for transform in bag.static_transforms()}
        info = bag.deserialize(next(bag.messages(["/cam2/camera_info"])))
        image = bag.deserialize(next(bag.messages(["/cam2/image_raw/compressed"])))
    np.testing.assert_allclose(transforms["cam2_optical_frame"], moments[0].world_from_cam[1], atol=1e-9)
    k = np.add(np.reshape(info.k, (3, 3)), [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(k, moments[0].intrinsics[1])
    decoded = cv2.imdecode(np.asarray(image.data), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - moments[0].images[1]).mean() < 8.0


def test_the_cloud_is_the_room(written: tuple[Path, list[Moment]]) -> None:
    path, _ = written
    take = Take(5, SMALL)
    with BagReader(path) as bag:
        points, colors = cloud_arrays(bag.deserialize(next(bag.messages(["/truth/points"]))))
    assert len(points) == len(colors) > 1000
    high = take.room.size[2]
    assert points[:, 2].min() > -0.01 and points[:, 2].max() < high + 0.01, "nothing is below the floor or above the ceiling"


def test_who_is_to_be_found_is_seen() -> None:
    for seed in range(4):
        moment = Take(seed, SMALL).at(1.0)
        wanted, spare = to_find(moment), may_be_found(moment)
        assert not (wanted & spare).any() and (on_image(moment) | ~(wanted | spare)).all()
        assert (moment.head_visible[wanted] >= 0.35).all() and (moment.pixels[wanted] > 0).all()
        ahead = se3.apply(se3.inverse(moment.world_from_cam), moment.joints[None, :, 15])[..., 2]
        assert (ahead[wanted] > 0.4).all()


def test_the_verb_writes_each_kind_and_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [text for name in ("views=1", "width=56", "height=42", "photo=false") for text in ("--set", name)]
    assert main(["scene", "--out", str(tmp_path / "scene"), "--seconds", "0.1", *small]) == 0
    truth = np.load(tmp_path / "scene" / "0000_truth.npz")
    depth = cv2.imread(str(tmp_path / "scene" / "0000_cam1_depth_mm.png"), cv2.IMREAD_UNCHANGED)
    assert truth["joints"].shape[1:] == (55, 3) and depth.shape == (42, 56) and depth.max() > 500
    assert main(["preview", "--count", "2", "--out", str(tmp_path / "sheet.png"), *small]) == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (84, 56, 3)
    assert main(["bag", "--seconds", "0.1", "--out", str(tmp_path / "bag"), *small]) == 0
    assert "1 cameras" in capsys.readouterr().out
    with pytest.raises(FileError, match="exists already"):
        main(["bag", "--out", str(tmp_path / "bag"), *small])
    with pytest.raises(ConfigError, match="a take lasts 12 s"):
        main(["bag", "--seconds", "20", "--out", str(tmp_path / "long"), *small])
    assert not (tmp_path / "long").exists()
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        options(["views"])


def test_the_world_is_drawn_with_few_packages(tmp_path: Path) -> None:
    out = [str(tmp_path / name) for name in ("take", "takes.png")]
    small = "'--set', 'views=1', '--set', 'width=56', '--set', 'height=42'"
    program = (
        "import sys\n"
        "from chromm_ros.synthetic.main import main\n"
        f"main(['scene', '--out', {out[0]!r}, '--seconds', '0.1', {small}])\n"
        f"main(['preview', '--out', {out[1]!r}, '--count', '1', {small}])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules if name in sys.argv[1:]}))\n"
    )
    heavy = ("torch", "smplx", "rosbags", "matplotlib", "rclpy", "vtk", "moderngl", "trimesh")
    said = subprocess.run([sys.executable, "-c", program, *heavy], check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == "", "numba, numpy, scipy, OpenCV and what pip brings with chromm_ros itself are enough"
