"""What flows through the package: frozen data without behaviour.

Conventions, written here once and meant everywhere:

- Camera frames are OpenCV optical frames: x right, y down, z forward. The world is right-handed, in metres, z up where gravity is
  known.
- Poses are 4x4 matrices named by their algebra: `world_from_cam @ point_in_cam = point_in_world`.
- Pixels: (u, v) = (column, row), the centre of the top-left pixel is (0.5, 0.5). `intrinsics` are 3x3 in pixels of the image named.
  (Upstream Pi3X: rays of a pixel go through (column + 0.5, row + 0.5).)
- Time is integer nanoseconds. Rotations are axis-angle vectors (radians) or 3x3 matrices; quaternions live in `ros/` only.
- Bodies are SMPL-X. `transl` is not the pelvis: pelvis = transl + J0(betas). Head and pelvis are joints 15 and 0.
- Letters in shapes: T steps, V views (cameras), F frames that are present (F <= T*V), P people, J joints.
- Arrays are NumPy (float32 unless said); `Prediction` alone holds torch tensors, because it stays on the device.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

Tensor: TypeAlias = Any
"""A torch.Tensor, named without importing torch: whoever only passes images along must not load it."""


@dataclass(frozen=True)
class Frame:
    """One image of one camera, decoded, rectified and with what is known about the camera at that moment."""

    camera: str
    """Name of the camera."""
    stamp_ns: int
    """Time of the exposure, from the message's header and the camera's time offset."""
    image: UInt8[np.ndarray, "H W 3"]
    """RGB."""
    intrinsics: Float[np.ndarray, "3 3"] | None = None
    """Pinhole matrix in pixels of `image`, or None where the camera is not calibrated."""
    depth: Float[np.ndarray, "h w"] | None = None
    """Metres along z, not positive where unknown, over the same view as `image`, maybe of another size; None: no depth image."""
    world_from_cam: Float[np.ndarray, "4 4"] | None = None
    """Known pose of the camera in any common frame (from TF), or None. float64, for the frame's origin may be far off."""
    frame_id: str = ""
    """TF frame of the image, as the message's header names it."""


@dataclass(frozen=True)
class FrameSet:
    """The frames of all cameras that belong to one moment; a camera that is missing is None."""

    epoch: int
    """Counts up whenever time jumped back or the stream was reset; nothing is kept across epochs."""
    index: int
    """Number of the set within the process, counting up."""
    stamp_ns: int
    """Earliest stamp of the frames in it."""
    spread_ns: int
    """Latest stamp minus earliest stamp."""
    frames: tuple[Frame | None, ...]
    """One entry per camera, in the order of the stream's cameras."""
    arrival_ns: int = 0
    """Monotonic time at which its first frame arrived, for the account of latency."""
    ready_ns: int = 0
    """Monotonic time at which the set was released."""


@dataclass(frozen=True)
class Window:
    """The last T frame-sets of one epoch, oldest first: one input of the network."""

    epoch: int
    """Epoch of all its sets."""
    index: int
    """Number of the window within the process, counting up; windows that were dropped leave gaps."""
    cameras: tuple[str, ...]
    """Names of the V cameras."""
    sets: tuple[FrameSet, ...]
    """T frame-sets, oldest first."""


@dataclass(frozen=True)
class Prediction:
    """What the network says of one window, frame by frame: every frame in its own camera, nothing associated yet.

    F frames that are present, P people found in all of them. Tensors lie on the device of the network.
    """

    step: Int[Tensor, "F"]
    """Index of the frame's time step in the window."""
    view: Int[Tensor, "F"]
    """Index of the frame's camera."""
    image_size: Int[Tensor, "F 2"]
    """Width and height in pixels of the original image, to which `intrinsics` and all pixel coordinates refer."""
    intrinsics: Float[Tensor, "F 3 3"]
    """Known, or estimated by the network where unknown."""
    world_from_cam: Float[Tensor, "F 4 4"]
    """Estimated camera poses in the window's own world, metres."""
    points: Float[Tensor, "F H W 3"]
    """Point map in the frame's camera, metres, at the resolution of the network's input."""
    confidence: Float[Tensor, "F H W"]
    """How far a point can be trusted, in [0, 1] (sigmoid of Pi3X's confidence)."""
    colors: UInt8[Tensor, "F H W 3"]
    """RGB of the network's input image, for the cloud."""
    human_mask: Float[Tensor, "F h w"]
    """Probability that a patch shows a person, in [0, 1]; coarser than `points` (one value per patch of the scene's input)."""
    metric_scale: float
    """Factor that the network applied to make the scene metric (Pi3X's metric head); 1 where it has none."""
    person_frame: Int[Tensor, "P"]
    """Index into the frames: whose image shows this person."""
    person_score: Float[Tensor, "P"]
    """Detection score of the head in [0, 1], by its own image and those that support it (`model/support.py`)."""
    person_token: Float[Tensor, "P D"]
    """Fused human token, by which a person is told from others over time."""
    head_pixel: Float[Tensor, "P 2"]
    """Head (joint 15) in pixels of the original image."""
    pelvis_pixel: Float[Tensor, "P 2"]
    """Pelvis (joint 0) in pixels of the original image, detected in the image; may lie outside it."""
    head_position: Float[Tensor, "P 3"]
    """Head (joint 15) in the frame's camera, metres."""
    rotations: Float[Tensor, "P 53 3 3"]
    """Rotation matrices: 0 global (body to camera), 1..21 body, 22..36 left hand, 37..51 right hand, 52 jaw (Multi-HMR's order)."""
    betas: Float[Tensor, "P 10"]
    """Shape coefficients."""
    expression: Float[Tensor, "P 10"]
    """Expression coefficients."""


@dataclass(frozen=True)
class BodyParams:
    """SMPL-X parameters of any number of bodies: leading shape `*B`, axis-angle in radians, full hands (no PCA)."""

    global_orient: Float[np.ndarray, "*B 3"]
    """Rotation of the body (root) into the frame in which the body is given."""
    body_pose: Float[np.ndarray, "*B 21 3"]
    """Body joints 1..21 relative to their parents."""
    left_hand_pose: Float[np.ndarray, "*B 15 3"]
    """Finger joints of the left hand."""
    right_hand_pose: Float[np.ndarray, "*B 15 3"]
    """Finger joints of the right hand."""
    jaw_pose: Float[np.ndarray, "*B 3"]
    """Jaw."""
    leye_pose: Float[np.ndarray, "*B 3"]
    """Left eye; the network leaves it zero."""
    reye_pose: Float[np.ndarray, "*B 3"]
    """Right eye; the network leaves it zero."""
    betas: Float[np.ndarray, "*B 10"]
    """Shape."""
    expression: Float[np.ndarray, "*B 10"]
    """Expression."""
    transl: Float[np.ndarray, "*B 3"]
    """Translation, metres. Not the pelvis: pelvis = transl + J0(betas)."""


@dataclass(frozen=True)
class CameraEstimate:
    """One camera at the newest step of a window."""

    name: str
    """Name of the camera."""
    world_from_cam: Float[np.ndarray, "4 4"]
    """float64. Pose in the node's world, metres."""
    intrinsics: Float[np.ndarray, "3 3"]
    """float64. Pinhole matrix in pixels of the original image."""
    image_size: tuple[int, int]
    """Width and height of the original image."""
    stamp_ns: int
    """Stamp of the frame from which it comes."""
    present: bool
    """Whether the camera took part in the newest step; otherwise this is its last known state in the window."""


@dataclass(frozen=True)
class Person:
    """One person over the T steps of a window, in the world."""

    track_id: int
    """Unique in the process; never given to somebody else."""
    state: str
    """`tentative`, `tracked`, `occluded` or `lost`, at the newest step."""
    score: float
    """How sure it is that this is a person, in [0, 1], at the newest step."""
    visible: Bool[np.ndarray, "T"]
    """Whether any camera saw the person at that step; where not, the body is the last one seen before, else the first after."""
    seen_by: Bool[np.ndarray, "T V"]
    """Which cameras saw the person."""
    body: BodyParams
    """Leading shape (T,), in the world."""
    joints: Float[np.ndarray, "T 55 3"]
    """Posed SMPL-X joints in the world, metres."""
    joint_scores: Float[np.ndarray, "T 55"]
    """How far each joint can be trusted, in [0, 1]: how sure the cameras that have it in their image are of the person, less where they
    put the joint far apart (half at 0.2 m, seen from the head) and less the longer ago the body was seen. The place of the whole body
    is not in it: see `deviation_m`."""
    deviation_m: Float[np.ndarray, "T"]
    """How far the body's place may be off: the standard deviation of the head, over all directions together (the square root of the
    covariance's trace), from the noise that the settings `fusion.*_noise*` state; while nobody sees
    the person, it grows by a metre a second."""


@dataclass(frozen=True)
class Reconstruction:
    """One window made whole: cameras, cloud and people with lasting ids, in the node's world."""

    epoch: int
    """Epoch of the window."""
    index: int
    """Index of the window."""
    stamps_ns: tuple[int, ...]
    """Stamp of each of the T frame-sets; results carry the last one."""
    cameras: tuple[CameraEstimate, ...]
    """Every camera that is present in at least one step of the window, in the order of the stream's cameras."""
    world_from_cam: Float[np.ndarray, "T V 4 4"]
    """float64. All camera poses, NaN where a frame is missing."""
    points: Float[np.ndarray, "N 3"]
    """Scene cloud in the world, metres."""
    colors: UInt8[np.ndarray, "N 3"]
    """RGB of the cloud."""
    confidence: Float[np.ndarray, "N"]
    """Confidence of each point in [0, 1]."""
    people: tuple[Person, ...]
    """Everybody who is known at the newest step, by track id."""
    metric_scale: float
    """Metres per unit of the network's own scale, after the adjustment."""
    scale_ratio: float
    """The head-pelvis ratio r of this window; NaN where nobody allowed to measure it."""
    left_ids: tuple[int, ...] = ()
    """Track ids that were forgotten with this window."""
    sight_ids: Int[np.ndarray, "P"] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Track id that each of the prediction's people was taken for; -1 for those who were left out."""
    health: dict[str, float] = field(default_factory=dict)
    """Residuals, counts and plain ratios for diagnostics, by name; what has a unit has it at the end of its name."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Time spent in each part, milliseconds, by name (`prepare`, `infer`, `reconstruct`)."""
