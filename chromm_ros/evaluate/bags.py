"""A recording as a labelled sequence: frames as the node makes them, and what it says under `/truth` (`docs/recordings.md`).

Decoding, rectifying and intrinsics are the node's own code (`inputs/`). Poses are looked up at the stamps of the images, as `ros/rig.py`
does; time is the time of recording. Nothing but a few frames is held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from chromm_ros.data.bag import IMAGE_TYPES, BagReader, CameraTopics
from chromm_ros.data.transforms import TransformTree, common_frame, static_tree, transform_topics
from chromm_ros.data.truth import Truth
from chromm_ros.errors import InputError
from chromm_ros.evaluate.in_turn import TRUTH, Eye, FramesOf, TruthsOf, in_turn
from chromm_ros.inputs.camera import CameraInput
from chromm_ros.inputs.depth import DEPTH_TOLERANCE_S, DepthInput, make_pairing
from chromm_ros.records import Frame
from chromm_ros.stream.sync import SyncConfig


class BagSequence:
    """A `data.truth.LabelledSequence` read from a rosbag2.

    Args:
        path: of the recording.
        truth: another recording with the truth; None: it is in the same one, if anywhere.
        cameras: names (as `BagReader.camera_topics` gives them); empty: all.
        rectify: whether images of a distorted lens are rectified.
        intrinsics: whether the frames tell them. Where not, no calibration is used at all: images are as they come, not rectified.
        poses: whether the frames tell them, where the recording does.
        depths: topics of depth images, by camera, as the node's `<camera>.depth_topic`.
        sync: settings of the synchroniser, of which depth takes its times of waiting.
        say: called with a sentence about whatever is refused.

    Raises:
        FileError: if the recording cannot be read.
        InputError: if it has no images, or not those that are named.
    """

    def __init__(
        self,
        path: Path,
        *,
        truth: Path | None = None,
        cameras: Sequence[str] = (),
        rectify: bool = True,
        intrinsics: bool = True,
        poses: bool = True,
        depths: Mapping[str, str] | None = None,
        sync: SyncConfig | None = None,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.path, self.truth_path = path, truth or path
        self._rectify, self._say = rectify, say
        self._sync = sync or SyncConfig()
        with BagReader(path) as bag:
            self.topics = _chosen(bag, cameras)
            self.depths = _depth_topics(bag, self.cameras, depths or {})
            """Topics of depth images by camera."""
            self.images = sum(bag.topics[camera.image].count for camera in self.topics)
            """Messages, of all cameras."""
            self.span_ns = (bag.start_ns, bag.end_ns)
            """Times of the first and the last message."""
            self._frame_ids = [_frame_id(bag, camera.image) for camera in self.topics]
            self.truth_frame = _truth_frame_of(bag) if truth is None else _truth_frame(truth)
            """In which the truth stands; empty where there is none."""
            self.intrinsics = intrinsics
            """Whether the frames may tell them."""
            self.rig_frame = common_frame(bag, self._frame_ids, self.truth_frame) if poses else ""
            """In which the frames' poses are; empty where they tell none."""

    @property
    def name(self) -> str:
        """Of the recording."""
        return _name(self.path)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(camera.name for camera in self.topics)

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Every frame with the time at which its image was recorded; an image waits for the first calibration where there is one."""
        with BagReader(self.path) as bag:
            made = FramesOf([self._eye(bag, camera) for camera in self.topics])
            tree = static_tree(bag) if self.rig_frame else TransformTree()
            yield from in_turn(bag, tree, made, self._posed)

    def truth(self) -> Iterator[Truth]:
        """What is true at each stamp of `/truth/bodies`; nothing where the recording has none.

        Poses of cameras are in the truth's frame. Cameras that are left out see nobody: whom they alone see need not be found.
        """
        if not self.truth_frame:
            return
        with BagReader(self.truth_path) as bag:
            tree = static_tree(bag) if transform_topics(bag) else self._still()
            for truth, _ in in_turn(bag, tree, TruthsOf(len(self.topics)), self._with_cameras):
                yield truth

    def _still(self) -> TransformTree:
        """What stands still in the recording of the images."""
        with BagReader(self.path) as bag:
            return static_tree(bag)

    def _eye(self, bag: BagReader, camera: CameraTopics) -> Eye:
        def say(_kind: str, sentence: str) -> None:
            self._say(sentence)

        info = camera.info if self.intrinsics else None
        source = CameraInput(
            camera.name,
            say,
            rectify=self._rectify,
            topic=camera.image.removesuffix("/compressed"),
            expects_info=info is not None and bag.topics[info].count > 0,
        )
        camera = replace(camera, info=info)
        if camera.name not in self.depths:
            return Eye(camera, source)
        pairing = make_pairing(self._sync, round(DEPTH_TOLERANCE_S * 1e9))
        depth = DepthInput(camera.name, say, pairing, partial(getattr, source, "rectifier"))
        return Eye(camera, source, self.depths[camera.name], depth)

    def _posed(self, frame: Frame, tree: TransformTree) -> tuple[Frame, bool]:
        """The frame with its pose, and whether nothing more is to be known of it."""
        if not self.rig_frame:
            return frame, True
        pose = tree.lookup(self.rig_frame, frame.frame_id, frame.stamp_ns)
        return replace(frame, world_from_cam=pose), pose is not None

    def _with_cameras(self, truth: Truth, tree: TransformTree) -> tuple[Truth, bool]:
        poses = [tree.lookup(self.truth_frame, frame_id, truth.stamp_ns) for frame_id in self._frame_ids]
        world_from_cam: Float64[np.ndarray, "V 4 4"] = np.stack([np.full((4, 4), np.nan) if p is None else p for p in poses])
        seen_by = tuple(tuple(name for name in names if name in self.cameras) for names in truth.seen_by or ())
        return replace(truth, world_from_cam=world_from_cam, seen_by=seen_by), all(pose is not None for pose in poses)


def told(sequence: BagSequence) -> dict[str, Any]:
    """What of a recording was used."""
    return {
        "name": sequence.name,
        "truth": _name(sequence.truth_path) if sequence.truth_frame else "",
        "cameras": list(sequence.cameras),
        "rig_frame": sequence.rig_frame,
        "intrinsics": sequence.intrinsics,
        "depths": dict(sequence.depths),
    }


def _name(path: Path) -> str:
    return path.stem if path.suffix in {".mcap", ".db3"} else path.name


def _chosen(bag: BagReader, cameras: Sequence[str]) -> tuple[CameraTopics, ...]:
    there = {camera.name: camera for camera in bag.camera_topics()}
    for name in cameras:
        if name not in there:
            raise InputError(f"the recording {bag.path} has no camera '{name}', only {', '.join(there)}")
    return tuple(there[name] for name in cameras) if cameras else tuple(there.values())


def _frame_id(bag: BagReader, topic: str) -> str:
    return str(bag.deserialize(next(bag.messages([topic]))).header.frame_id).lstrip("/")


def _truth_frame(path: Path) -> str:
    with BagReader(path) as bag:
        return _truth_frame_of(bag)


def _truth_frame_of(bag: BagReader) -> str:
    first = next(bag.messages([TRUTH]), None) if TRUTH in bag.topics else None
    return str(bag.deserialize(first).header.frame_id) if first is not None else ""


def _depth_topics(bag: BagReader, cameras: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    for name, topic in wanted.items():
        if name not in cameras:
            raise InputError(f"depth is named for the camera '{name}', there are {', '.join(cameras)}")
        if topic not in bag.topics or bag.topics[topic].msgtype not in IMAGE_TYPES:
            raise InputError(f"the recording {bag.path} has no images on {topic}, named as the depth of '{name}'")
    return dict(wanted)
