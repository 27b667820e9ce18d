"""The main job in one command, over real DDS, and what a newcomer can get wrong."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from chromm_ros.data.bag import BagReader
from chromm_ros.demo.main import BUNDLED, rig_frame
from chromm_ros.demo.results import Results
from chromm_ros.demo.table import table
from chromm_ros.demo.truth import read_truth
from chromm_ros.evaluate.recording import read_bodies, score
from chromm_ros.model.weight_files import shipped
from chromm_ros.ros.diagnostics import PARTS

CAMERAS = ("cam1", "cam2", "cam3", "cam4")
LENGTH, STRIDE = 4, 14
WINDOWS = (60 - LENGTH) // STRIDE + 1
"""The last of them ends with the last set, for which the demo waits."""


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chromm_ros", "demo", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ.copy(), capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run in step with the node, so that every image is used: of the bundled recording, five windows."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(101 - os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        done = demo("--step", "-p", f"window.min_length:={LENGTH}", "-p", f"window.stride:={STRIDE}", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout


def test_the_table_tells_what_went_in_and_out(run: tuple[Path, str]) -> None:
    rows = {line[:48].strip(): line[48:].split() for line in run[1].splitlines() if line.startswith("  ")}
    assert rows["images in"][0] == "240"
    assert rows["frame-sets"] == ["60", "60", "complete,", "0", "partial,", "0", "dropped"]
    assert rows["windows run"][0] == str(WINDOWS) and rows["windows failed"][0] == "0"
    assert rows["weights"][0] == ("nano" if shipped("nano") else "untrained")
    assert float(rows["infer"][0]) > 0 and float(rows["total"][0]) >= float(rows["infer"][0])
    assert rows["/chromm/bodies"][0] == str(WINDOWS)


def test_the_table_holds_the_people_against_the_truth(run: tuple[Path, str]) -> None:
    rows = {line[:48].strip(): line[48:].split() for line in run[1].splitlines() if line.startswith("  ")}
    matched, wanted = map(int, rows["people matched"][0].split("/"))
    done = score(read_bodies(run[0] / "results", "/chromm/bodies"), read_bodies(BUNDLED["synthetic"]))
    assert done.moments == WINDOWS and (matched, matched + done.people.fn) == (done.people.tp, wanted)
    assert 2.5 * WINDOWS <= wanted <= 3 * WINDOWS, "three people whom at least one camera sees nearly always"
    if matched:
        assert rows["W-MPJPE [mm]"][:2] == [f"{done.w_mpjpe_mm.mean():.1f}", f"{np.median(done.w_mpjpe_mm):.1f}"]
    assert "OUT OF DOMAIN" not in run[1]


def test_every_output_is_in_a_recording_that_others_can_read(run: tuple[Path, str]) -> None:
    wanted = {"bodies", "status", "scene/points", "markers/mesh", "markers/skeleton"}
    wanted |= {f"cameras/{camera}/{kind}" for camera in CAMERAS for kind in ("pose", "camera_info_estimated")}
    with BagReader(run[0] / "results") as bag:
        assert {f"/chromm/{name}" for name in wanted} | {"/tf", "/diagnostics"} <= set(bag.topics)
        bodies = [bag.deserialize(message) for message in bag.messages(["/chromm/bodies"])]
    with BagReader(BUNDLED["synthetic"]) as clip:
        images = [clip.deserialize(message) for message in clip.messages(["/cam1/image_raw/compressed"])]
    stamps = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in bodies]
    assert stamps == [(image.header.stamp.sec, image.header.stamp.nanosec) for image in images[LENGTH - 1 :: STRIDE]]
    assert {message.header.frame_id for message in bodies} == {"world"}
    numbers = [getattr(body, name) for message in bodies for body in message.bodies for name in ("joints", "betas", "body_pose")]
    assert all(np.isfinite(values).all() for values in numbers)


def test_the_pictures_show_something(run: tuple[Path, str]) -> None:
    for name in ("scene", *CAMERAS):
        picture = cv2.imread(str(run[0] / f"{name}.png"))
        assert picture is not None and picture.std() > 10, name


def planted(frame: str = "world", weights: str = "nano", shift: float = 0.0) -> Results:
    """Results that are the truth of the bundled recording, with an error that is known."""
    truth = read_bodies(BUNDLED["synthetic"])
    for message in truth.values():
        message.header.frame_id = frame
        for body in message.bodies:
            body.joints = body.joints + np.tile(np.float32([shift, 0.0, 0.0]), 55)
    status = SimpleNamespace(
        cameras=CAMERAS, people=3, points=9, weights=weights, device="cpu", steps=2, sets_complete=60, sets_partial=0, sets_dropped=0,
        windows_run=60, windows_dropped=0, windows_failed=0, **{f"latency_{part}_ms": 1.0 for part in PARTS},
    )  # fmt: skip  # what the table reads
    return Results(240, {}, [status], truth, set(), {}, {})


def test_a_planted_error_stands_in_the_table() -> None:
    results = planted(shift=0.25)
    truth, remark = read_truth(BUNDLED["synthetic"], results)
    rows = {line[:48].strip(): line[48:].split() for line in table(results, truth).splitlines()}
    assert remark == "" and len(truth) == 60
    assert rows["W-MPJPE [mm]"][:2] == ["250.0", "250.0"] and rows["PA-MPJPE [mm]"][:2] == ["0.0", "0.0"]
    matched, wanted = rows["people matched"][0].split("/")
    assert matched == wanted and rows["people who are nobody"][0] == "0" and rows["association accuracy"][0] == "1.000"
    assert "bodies" not in rows


def test_a_world_of_its_own_is_not_held_against_the_truth() -> None:
    truth, remark = read_truth(BUNDLED["synthetic"], planted(frame="chromm_world"))
    assert truth == {} and "/truth/bodies is in 'world', the results are in 'chromm_world'" in remark


def test_what_the_weights_never_saw_is_marked() -> None:
    results = planted()
    truth, remark = read_truth(BUNDLED["real"], results)
    assert (truth, remark) == ({}, "")
    assert "OUT OF DOMAIN" in table(results, truth) and "against the truth" not in table(results, truth)
    assert "OUT OF DOMAIN" not in table(planted(weights="untrained"), truth)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "there is no recording at nowhere"),
        (["-p", "model.device:=cuda:9"], "device is 'cuda:9', expected auto or one of those of this machine: cpu"),
        (["-p", "no.such.thing:=1"], "no.such.thing"),
    ],
)
def test_a_mistake_ends_in_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = demo(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = demo("--out", "file/out", cwd=tmp_path)
    assert done.returncode == 1
    assert "choose another folder by --out" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_signal_ends_it_with_its_children_and_a_second_one_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chromm_ros", "demo", "--out", str(tmp_path / "first")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    while "starting the node" not in first.stdout.readline():
        pass
    time.sleep(0.2)  # its own node is there; that of its child comes seconds later
    children = subprocess.run(["pgrep", "-P", str(first.pid)], capture_output=True, text=True, check=True).stdout.split()
    second = demo("--out", "second", cwd=tmp_path)
    assert second.returncode == 1 and "runs in ROS_DOMAIN_ID" in second.stderr
    first.terminate()
    assert first.wait(30) == 130
    assert children and not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.mark.parametrize(("frame", "root"), [("left_optical", ""), ("cam", "base")])
def test_a_rig_is_known_only_where_tf_reaches_the_cameras(tmp_path: Path, frame: str, root: str) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    kinds, stamp = store.types, store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=0)

    def header(name: str) -> Any:
        return kinds["std_msgs/msg/Header"](stamp=stamp, frame_id=name)

    still = kinds["geometry_msgs/msg/Transform"](
        translation=kinds["geometry_msgs/msg/Vector3"](x=0.0, y=0.0, z=0.0),
        rotation=kinds["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    edges = [("base", "mast"), ("mast", "cam")]
    tree = [
        kinds["geometry_msgs/msg/TransformStamped"](header=header(parent), child_frame_id=child, transform=still)
        for parent, child in edges
    ]
    image = kinds["sensor_msgs/msg/CompressedImage"](header=header(frame), format="png", data=np.zeros(4, np.uint8))
    messages = {
        "/tf_static": ("tf2_msgs/msg/TFMessage", kinds["tf2_msgs/msg/TFMessage"](transforms=tree)),
        "/left/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", image),
    }
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, (kind, message) in messages.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 1_000_000_000, store.serialize_cdr(message, kind))
    with BagReader(tmp_path / "bag") as bag:
        assert rig_frame(bag, bag.camera_topics()) == root


def test_a_bag_without_images_is_told_apart(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    text = store.types["std_msgs/msg/String"]
    with Writer(tmp_path / "talk", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/talk", "std_msgs/msg/String", typestore=store)
        writer.write(topic, 1, store.serialize_cdr(text(data="hello"), "std_msgs/msg/String"))
    done = demo("talk", cwd=tmp_path)
    assert done.returncode == 1
    assert "has no images" in done.stderr and "/talk (std_msgs/msg/String)" in done.stderr


def test_results_that_are_none_of_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "results").mkdir(parents=True)
    (tmp_path / "out" / "results" / "thesis.txt").write_text("years of work")
    done = demo(cwd=tmp_path)
    assert done.returncode == 1 and "move it away" in done.stderr
    assert (tmp_path / "out" / "results" / "thesis.txt").exists()
