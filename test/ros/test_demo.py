"""The main job in one command, over real DDS, and what a newcomer can get wrong."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from chromm_ros.data.bag import BagReader

CLIP = Path(__file__).resolve().parents[1] / "data" / "pose2sim_clip"
CAMERAS = ("cam01", "cam02", "cam03", "cam04")


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chromm_ros", "demo", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ.copy(), capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run in step with the node, so that every image is used."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(101 - os.getpid() % 50))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        done = demo("--step", "-p", "window.length:=2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout


def test_the_table_tells_what_went_in_and_out(run: tuple[Path, str]) -> None:
    rows = {line[:48].strip(): line[48:].split() for line in run[1].splitlines() if line.startswith("  ")}
    assert rows["images in"][0] == "68"
    assert rows["frame-sets"] == ["17", "17", "complete,", "0", "partial,", "0", "dropped"]
    assert rows["windows run"][0] == "17" and rows["windows failed"][0] == "0"
    assert rows["weights"][0] == "untrained"
    assert float(rows["infer"][0]) > 0 and float(rows["total"][0]) >= float(rows["infer"][0])
    assert rows["/chromm/bodies"][0] == "17"


def test_every_output_is_in_a_recording_that_others_can_read(run: tuple[Path, str]) -> None:
    wanted = {"bodies", "status", "scene/points", "markers/mesh", "markers/skeleton"}
    wanted |= {f"cameras/{camera}/{kind}" for camera in CAMERAS for kind in ("pose", "camera_info_estimated")}
    with BagReader(run[0] / "results") as bag:
        assert {f"/chromm/{name}" for name in wanted} | {"/tf", "/diagnostics"} <= set(bag.topics)
        bodies = [bag.deserialize(message) for message in bag.messages(["/chromm/bodies"])]
    with BagReader(CLIP) as clip:
        images = [clip.deserialize(message) for message in clip.messages(["/cam01/image_raw/compressed"])]
    stamps = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in bodies]
    assert stamps == [(image.header.stamp.sec, image.header.stamp.nanosec) for image in images]
    assert {message.header.frame_id for message in bodies} == {"map"}
    numbers = [getattr(body, name) for message in bodies for body in message.bodies for name in ("joints", "betas", "body_pose")]
    assert all(np.isfinite(values).all() for values in numbers)


def test_the_pictures_show_something(run: tuple[Path, str]) -> None:
    for name in ("scene", *CAMERAS):
        picture = cv2.imread(str(run[0] / f"{name}.png"))
        assert picture is not None and picture.std() > 10, name


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
