"""Small results of our own making, for the tests of the outputs with and without ROS."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from chromm_ros.records import BodyParams, CameraEstimate, Frame, FrameSet, Person, Reconstruction, Window

CAMERAS = ("left", "right", "rear")
STEP_NS = 100_000_000
SHAPES = {
    "global_orient": (3,),
    "body_pose": (21, 3),
    "left_hand_pose": (15, 3),
    "right_hand_pose": (15, 3),
    "jaw_pose": (3,),
    "leye_pose": (3,),
    "reye_pose": (3,),
    "betas": (10,),
    "expression": (10,),
    "transl": (3,),
}


class CountingBody:
    """A body of eight vertices that counts how often it is asked for them."""

    kind, gender = "free", "neutral"

    def __init__(self) -> None:
        self.asked = 0
        self.faces = np.array([[i, (i + 1) % 8, (i + 2) % 8] for i in range(8)])
        self.display_faces = self.faces[::4]

    def vertices(self, params: BodyParams) -> np.ndarray:
        self.asked += 1
        return (params.transl[..., None, :] + np.arange(24).reshape(8, 3) / 10).astype(np.float32)


def make_pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


def make_person(track_id: int, state: str = "tracked", steps: int = 2, views: int = len(CAMERAS)) -> Person:
    rng = np.random.default_rng(track_id)
    body = BodyParams(**{name: rng.normal(size=(steps, *shape)).astype(np.float32) for name, shape in SHAPES.items()})
    visible = np.full(steps, state in ("tentative", "tracked"))
    seen_by = visible[:, None] & (np.arange(views) != 1)
    joints = rng.normal(size=(steps, 55, 3)).astype(np.float32)
    scores = rng.uniform(size=(steps, 55)).astype(np.float32)
    deviation = rng.uniform(0.05, 0.5, size=steps)
    return Person(track_id, state, 0.75, visible, seen_by, body, joints, scores, deviation)


def make_cameras(names: Sequence[str] = CAMERAS, stamp_ns: int = 0) -> tuple[CameraEstimate, ...]:
    intrinsics = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
    return tuple(
        CameraEstimate(name, make_pose(index), intrinsics, (640, 480), stamp_ns, present=True) for index, name in enumerate(names)
    )


def make_result(
    index: int = 1, people: Sequence[Person] = (), epoch: int = 0, points: int = 50, stamp_ns: int | None = None
) -> Reconstruction:
    """Result number `index`, STEP_NS after the one before."""
    rng = np.random.default_rng(index)
    newest = STEP_NS * (index + 10) if stamp_ns is None else stamp_ns
    return Reconstruction(
        epoch=epoch,
        index=index,
        stamps_ns=(newest - STEP_NS, newest),
        cameras=make_cameras(stamp_ns=newest),
        world_from_cam=np.tile(np.eye(4), (2, len(CAMERAS), 1, 1)),
        points=rng.uniform(-2, 2, size=(points, 3)).astype(np.float32),
        colors=rng.integers(0, 256, size=(points, 3), dtype=np.uint8),
        confidence=rng.uniform(0.5, 1, size=points).astype(np.float32),
        people=tuple(people),
        metric_scale=1.5,
        scale_ratio=float("nan"),
        timings_ms={"prepare": 1.0, "infer": 2.0, "reconstruct": 3.0},
    )


def make_window(result: Reconstruction, missing: Sequence[str] = (), frame_ids: dict[str, str] | None = None) -> Window:
    """The window of a result; `missing` cameras lack in its newest set."""
    names = {name: f"{name}_optical_frame" for name in CAMERAS} | (frame_ids or {})
    image = np.zeros((2, 3, 3), np.uint8)
    sets = []
    for number, stamp_ns in enumerate(result.stamps_ns):
        newest = number == len(result.stamps_ns) - 1
        frames = tuple(
            None if newest and name in missing else Frame(name, stamp_ns, image, frame_id=names[name]) for name in CAMERAS
        )
        sets.append(FrameSet(result.epoch, number, stamp_ns, 2_000_000, frames, arrival_ns=1_000_000, ready_ns=5_000_000))
    return Window(result.epoch, result.index, CAMERAS, tuple(sets))


def without(person: Person, field: str, value: float = float("nan")) -> Person:
    """The same person with one number of one joint array or body array spoilt."""
    if field in SHAPES:
        array = getattr(person.body, field).copy()
        array[-1].reshape(-1)[-1] = value
        return replace(person, body=replace(person.body, **{field: array}))
    array = getattr(person, field).copy()
    array[-1:].reshape(-1)[-1] = value
    return replace(person, **{field: array})
