"""A recording gives the frames that the node would make, in the order of its time, and holds none of them longer than a window needs."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from chromm_ros.config import ChrommConfig
from chromm_ros.data.bag import BagReader
from chromm_ros.data.bag_writer import BagWriter
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.truth import LabelledSequence
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.evaluate.bags import BagSequence
from chromm_ros.evaluate.replayed import windows
from chromm_ros.geometry import se3
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.records import Frame

BUNDLED = Path(__file__).resolve().parents[1] / "data"
BEGIN, STEP = 1_700_000_000 * 10**9, 10**8
SIZE = (64, 48)
INTRINSICS = np.array([[60.0, 0.0, 32.0], [0.0, 60.0, 24.0], [0.0, 0.0, 1.0]])
STRAIGHT, BENT = (0.0,) * 5, (-0.3, 0.1, 0.0, 0.0, 0.0)


def way(at_ns: int) -> np.ndarray:
    """Pose of a camera that goes straight and turns evenly, a radian in ten seconds."""
    t = (at_ns - BEGIN) / 1e10
    return se3.compose(Rotation.from_rotvec([0.0, 0.0, t]).as_matrix(), np.array([t, 2.0, 1.0]))


def image(k: int) -> bytes:
    pixels = np.random.default_rng(k).integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".png", cv2.resize(pixels, SIZE, interpolation=cv2.INTER_CUBIC))[1].tobytes())


@dataclass(frozen=True)
class Recorded:
    """What is written."""

    cameras: tuple[str, ...] = ("left", "right")
    moments: int = 12
    tf_late_ns: int = 0
    """How long after the images transforms are recorded."""
    tf_every: int = 1
    distortion: tuple[float, ...] = STRAIGHT
    lost: tuple[tuple[int, str], ...] = ()
    """Images that are missing: moment and camera."""


def record(path: Path, what: Recorded) -> Path:
    with BagWriter(path) as bag:
        events: list[tuple[int, Callable[[], None]]] = []
        for k in range(what.moments):
            at = BEGIN + k * STEP
            if k % what.tf_every == 0:
                poses = {f"{name}_eye": way(at) for name in what.cameras}
                events.append((at + what.tf_late_ns, lambda at=at, poses=poses: tell(bag, at + what.tf_late_ns, at, poses)))
            for view, name in enumerate(what.cameras):
                if (k, name) not in what.lost:
                    events.append((at, lambda at=at, k=k, view=view, name=name: show(bag, what, at, k, view, name)))
        for _, event in sorted(events, key=lambda entry: entry[0]):
            event()
    return path


def tell(bag: BagWriter, recorded_ns: int, at_ns: int, poses: dict[str, np.ndarray]) -> None:
    """Transforms whose stamp is older than the moment of their recording."""
    stamped = [
        bag._make("geometry_msgs/msg/TransformStamped", bag._header(at_ns, "world"), child, bag._transform(pose))
        for child, pose in poses.items()
    ]
    bag._write("/tf", "tf2_msgs/msg/TFMessage", recorded_ns, bag._make("tf2_msgs/msg/TFMessage", stamped))


def show(bag: BagWriter, what: Recorded, at: int, k: int, view: int, name: str) -> None:
    bag.camera_info(f"/{name}/camera_info", at, f"{name}_eye", SIZE, INTRINSICS, np.array(what.distortion))
    bag.jpeg(f"/{name}/image_raw/compressed", at, f"{name}_eye", image(10 * k + view))


def frames(sequence: BagSequence) -> list[Frame]:
    return [frame for frame, _ in sequence.frames()]


@pytest.mark.parametrize("name", ["synthetic_take", "pose2sim_clip"])
def test_frames_are_those_that_the_nodes_input_makes(name: str) -> None:
    with BagReader(BUNDLED / name) as bag:
        second = bag.camera_topics()[1].name
    sequence = BagSequence(BUNDLED / name, cameras=[second])
    assert isinstance(sequence, LabelledSequence)
    with BagReader(BUNDLED / name) as bag:
        topics = {camera.name: camera for camera in bag.camera_topics()}
        camera = topics[second]
        node = CameraInput(camera.name, say=pytest.fail, topic=camera.image.removesuffix("/compressed"), expects_info=True)
        made: list[Frame] = []
        for message in bag.messages([camera.image, str(camera.info)]):
            content = bag.deserialize(message)
            made += node.on_info(content) if message.topic == camera.info else node.on_image(content, message.stamp_ns)
    mine = frames(sequence)
    assert len(mine) == len(made) == bag.topics[camera.image].count
    for one, other in zip(mine, made, strict=True):
        assert (one.stamp_ns, one.frame_id) == (other.stamp_ns, other.frame_id)
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.intrinsics, other.intrinsics)
        assert one.world_from_cam is not None, "both recordings tell where their cameras stand"


def test_lenses_are_taken_out_unless_told_otherwise(tmp_path: Path) -> None:
    path = record(tmp_path / "bag", Recorded(moments=1, distortion=BENT))
    straight, bent = frames(BagSequence(path))[0], frames(BagSequence(path, rectify=False))[0]
    assert straight.intrinsics is not None and bent.intrinsics is not None
    np.testing.assert_allclose(bent.intrinsics, INTRINSICS, rtol=1e-6)
    assert abs(straight.intrinsics - INTRINSICS).max() > 1.0 and abs(straight.image.astype(int) - bent.image).max() > 20


def test_poses_are_those_of_the_moment_between_two_transforms_and_of_late_ones(tmp_path: Path) -> None:
    for number, what in enumerate((Recorded(tf_every=11), Recorded(tf_late_ns=60_000_000))):
        sequence = BagSequence(record(tmp_path / str(number), what))
        assert sequence.rig_frame == "world"
        told = frames(sequence)
        assert len(told) == 24
        known = [frame for frame in told if frame.world_from_cam is not None]
        assert len(known) == (6 if number == 0 else 24), "of what lies between, the newest is still waiting when the next is told"
        for frame in known:
            np.testing.assert_allclose(frame.world_from_cam, way(frame.stamp_ns), atol=1e-9)


def test_a_pose_between_two_transforms_is_interpolated(tmp_path: Path) -> None:
    told = frames(BagSequence(record(tmp_path / "bag", Recorded(tf_every=2, moments=11))))
    assert len(told) == 22
    for frame in told[:-2]:  # every second one waits 0.1 s for the next transform
        np.testing.assert_allclose(frame.world_from_cam, way(frame.stamp_ns), atol=1e-9)


def test_a_transform_that_comes_too_late_is_not_waited_for(tmp_path: Path) -> None:
    sequence = BagSequence(record(tmp_path / "bag", Recorded(tf_late_ns=250_000_000)))
    told = list(sequence.frames())
    assert len(told) == 24 and all(frame.world_from_cam is None for frame, _ in told)
    assert [frame.stamp_ns for frame, _ in told] == [arrival for _, arrival in told] == sorted(arrival for _, arrival in told)


def metres(bag: BagWriter, recorded_ns: int, at_ns: int, millimetres: int) -> None:
    name = "sensor_msgs/msg/Image"
    data = np.full((SIZE[1], SIZE[0]), millimetres, "<u2").view(np.uint8).reshape(-1)
    message = bag._make(name, bag._header(at_ns, "left_eye"), SIZE[1], SIZE[0], "16UC1", 0, 2 * SIZE[0], data)
    bag._write("/left/depth", name, recorded_ns, message)


def test_depth_goes_to_the_image_of_its_stamp_though_it_is_recorded_after_it(tmp_path: Path) -> None:
    what, late = Recorded(cameras=("left",), moments=6), 80_000_000
    with BagWriter(tmp_path / "bag") as bag:
        for k in range(what.moments):
            at = BEGIN + k * STEP
            show(bag, what, at, k, 0, "left")
            if k != 3:
                metres(bag, at + late, at, 1000 + k)
    sequence = BagSequence(tmp_path / "bag", depths={"left": "/left/depth"})
    told = frames(sequence)
    assert [frame.stamp_ns for frame in told] == [BEGIN + k * STEP for k in range(6)]
    assert [None if frame.depth is None else float(frame.depth[0, 0]) for frame in told] == pytest.approx(
        [1.0, 1.001, 1.002, None, 1.004, 1.005]
    )
    assert all(frame.depth is None for frame in frames(BagSequence(tmp_path / "bag", cameras=["left"])))
    for depths, reason in (({"right": "/left/depth"}, "there are left"), ({"left": "/top/depth"}, "no images on /top/depth")):
        with pytest.raises(InputError, match=reason):
            BagSequence(tmp_path / "bag", depths=depths)


def test_what_is_known_can_be_withheld(tmp_path: Path) -> None:
    path = record(tmp_path / "bag", Recorded(moments=2, distortion=BENT))
    recorded, _ = frames(BagSequence(path, cameras=["left"], rectify=False))
    for intrinsics, poses in ((True, False), (False, False)):
        sequence = BagSequence(path, intrinsics=intrinsics, poses=poses)
        assert sequence.rig_frame == ""
        for frame in frames(sequence):
            assert frame.world_from_cam is None and (frame.intrinsics is not None) == intrinsics
        same = np.array_equal(
            frames(BagSequence(path, cameras=["left"], intrinsics=intrinsics, poses=poses))[0].image, recorded.image
        )
        assert same != intrinsics, "without a calibration nothing is rectified"
    only = BagSequence(path, cameras=["right"])
    assert only.cameras == ("right",) and {frame.camera for frame in frames(only)} == {"right"}
    with pytest.raises(InputError, match="no camera 'top', only left, right"):
        BagSequence(path, cameras=["top"])


def test_every_frame_set_makes_its_window_in_order(tmp_path: Path) -> None:
    config = ChrommConfig.from_mapping({"window": {"length": 3}})
    sequence = BagSequence(record(tmp_path / "bag", Recorded(lost=((0, "right"), (5, "left"), (11, "right")))))
    made = list(windows(sequence.frames(), sequence.cameras, config))
    assert [len(window.sets) for window in made] == [1, 2, *[3] * 10]
    assert [window.sets[-1].stamp_ns for window in made] == [BEGIN + k * STEP for k in range(12)]
    present = [[frame is not None for frame in window.sets[-1].frames] for window in made]
    assert [k for k, both in enumerate(present) if not all(both)] == [0, 5, 11] and present[5] == [False, True]
    last = made[-1].sets[-1]
    assert last.ready_ns == last.arrival_ns + STEP, "it waits for the other camera until its deadline, in the time of recording"
    with pytest.raises(ConfigError, match="a package of ROS"):
        next(windows(sequence.frames(), sequence.cameras, ChrommConfig.from_mapping({"sync": {"policy": "message_filters"}})))


def test_the_truth_comes_by_stamp_with_the_cameras(tmp_path: Path) -> None:
    sequence = BagSequence(BUNDLED / "synthetic_take")
    truths = list(sequence.truth())
    assert len(truths) == 60 and sequence.truth_frame == sequence.rig_frame == "world"
    first = next(frame for frame, _ in sequence.frames())
    np.testing.assert_allclose(truths[0].world_from_cam[0], first.world_from_cam)
    with BagReader(sequence.path) as bag:
        messages = [bag.deserialize(message) for message in bag.messages(["/truth/bodies"])]
    for truth, message in zip(truths, messages, strict=True):
        assert truth.stamp_ns == stamp_ns(message.header.stamp) and truth.joint_set == "smplx" and truth.counted.all()
        assert truth.ids.tolist() == [body.track_id for body in message.bodies]
        assert truth.seen_by == tuple(tuple(body.seen_by) for body in message.bodies)
        np.testing.assert_array_equal(truth.joints.reshape(-1), np.concatenate([body.joints for body in message.bodies]))
    assert list(BagSequence(BUNDLED / "pose2sim_clip").truth()) == []


def test_a_truth_may_stand_in_another_recording(tmp_path: Path) -> None:
    plain = record(tmp_path / "bag", Recorded(cameras=("cam1", "cam2")))
    assert BagSequence(plain).truth_frame == ""
    sequence = BagSequence(plain, truth=BUNDLED / "synthetic_take")
    assert len(list(sequence.truth())) == 60 and sequence.truth_frame == "world"


def test_memory_is_that_of_a_window_however_long_the_recording(tmp_path: Path) -> None:
    wide, high = 320, 240
    grey = cv2.imencode(".png", np.full((high, wide, 3), 90, np.uint8))[1].tobytes()  # 1 kB each: what is read ahead is little
    config = ChrommConfig.from_mapping({"window": {"length": 4}})

    def peak(moments: int) -> int:
        """Bytes allocated at most, on the way through all windows."""
        path = tmp_path / str(moments)
        with BagWriter(path) as bag:
            for k in range(moments):
                for name in ("left", "right"):
                    bag.jpeg(f"/{name}/image_raw/compressed", BEGIN + k * STEP, f"{name}_eye", grey)
        sequence = BagSequence(path)
        tracemalloc.start()
        assert sum(1 for _ in windows(sequence.frames(), sequence.cameras, config)) == moments
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    window = 4 * 2 * 3 * wide * high
    short, long = peak(8), peak(80)
    # The reader's index of messages is what grows; the images of the 72 more moments have 33 MB.
    assert window < short < 2 * window and long < short + window / 4, (
        f"{short} bytes for 8 moments, {long} for 80, {window} a window"
    )
