"""What training needs of BEDLAM beside frames and joints: depth, who is where in the image, and how much of them is seen.

The rendered world knows all that exactly, BEDLAM's files nearly: of a body there are masks and no surface. So `Moment.visible` is 1 where
any pixel shows the person, else 0, and `head_visible` the share of a disc about the head's joint. There is one view; ids are actors'
numbers; bodies are the licensed SMPL-X, of whose 11 betas the record leaves the last out while the joints are of all of them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from chromm_ros.body.skeleton import HEAD, PELVIS
from chromm_ros.data.moment import Moment
from chromm_ros.datasets.bedlam import RATE, Bedlam
from chromm_ros.datasets.images import read_depth, read_image, read_mask, stamp_ns
from chromm_ros.errors import FileError
from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import project
from chromm_ros.geometry.rotation import matrix_from_rotvec, rotvec_from_matrix
from chromm_ros.records import BodyParams

_FARTHEST = 1000.0
"""Depth beyond which there is only sky, metres."""
_HEAD_RADIUS = 0.06
"""Of the disc about the head's joint that lies within the head from every side, metres."""
_PARTS = ("body", "clothing", "hair")


def moments(sequence: Bedlam) -> Iterator[Moment]:
    """Every labelled image of a sequence, read when it is asked for.

    Raises:
        ConfigError: if the sequence was opened without a folder of body models.
        FileError: if an image, its depth or its masks are missing or damaged.
        DependencyError: if OpenEXR is not installed.
    """
    for number in sequence.numbers():
        yield moment(sequence, number)


def moment(sequence: Bedlam, number: int) -> Moment:
    """One labelled image of `sequence.numbers()`; raises as `moments`."""
    model, bodies = sequence.model(), sequence.bodies(number)
    intrinsics, world_from_cam = sequence.camera(number)
    stem = f"{sequence.short}/{sequence.short}_{number:04d}"
    image = read_image(sequence.folder / "png" / f"{stem}.png")
    person = _person_map(sequence.folder / "masks", stem, bodies.ids, image.shape[:2])
    joints = model.joints(bodies.pose, bodies.betas, bodies.transl)
    pixels = project(joints, intrinsics)
    counts = np.array([np.count_nonzero(person == place) for place in range(1, len(joints) + 1)], np.int64)
    heads = [
        _head_share(person == place + 1, pixels[place, HEAD], joints[place, HEAD, 2], intrinsics) for place in range(len(joints))
    ]
    return Moment(
        stamp_ns=stamp_ns(number, RATE),
        images=image[None],
        depth=_depth(sequence.folder / "depth" / f"{stem}_depth.exr", image.shape[:2])[None],
        person=person[None],
        intrinsics=intrinsics[None],
        distortion=np.zeros((1, 5)),
        world_from_cam=world_from_cam[None],
        ids=bodies.ids,
        body=_in_world(bodies.pose, bodies.betas, joints[:, PELVIS], model.rest_joints(bodies.betas)[:, PELVIS], world_from_cam),
        joints=se3.apply(world_from_cam, joints),
        visible=(counts > 0).astype(np.float32)[None],
        head_visible=np.array([heads], np.float32),
        pixels=counts[None],
        head_pixel=pixels[None, :, HEAD],
        pelvis_pixel=pixels[None, :, PELVIS],
    )


def _depth(path: Path, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    depth = read_depth(path) / np.float32(100.0)
    if depth.shape != size:
        raise FileError(f"{path} has {depth.shape[1]}x{depth.shape[0]} pixels, its image {size[1]}x{size[0]}")
    return np.where(np.isfinite(depth) & (depth < _FARTHEST), depth, np.float32(0.0))


def _person_map(folder: Path, stem: str, ids: Int64[np.ndarray, "P"], size: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """Of masks there are only those of what is in the image, but the surroundings' is always there."""
    if not (folder / f"{stem}_env.png").is_file():
        raise FileError(f"there is no mask {folder / stem}_env.png: download the scene's masks")
    person = np.zeros(size, np.uint8)
    for place, actor in enumerate(ids):
        for path in (folder / f"{stem}_{actor:02d}_{part}.png" for part in _PARTS):
            if path.is_file():
                mask = read_mask(path)
                if mask.shape != size:
                    raise FileError(f"{path} has {mask.shape[1]}x{mask.shape[0]} pixels, its image {size[1]}x{size[0]}")
                person[mask > 0] = place + 1
    return person


def _head_share(
    mask: Bool[np.ndarray, "H W"], pixel: Float[np.ndarray, "2"], depth: float, intrinsics: Float[np.ndarray, "3 3"]
) -> float:
    """Share of the disc's pixels that show the person; what is beyond the image does not."""
    if not np.isfinite(pixel).all():
        return 0.0
    radius = max(1.0, _HEAD_RADIUS * intrinsics[0, 0] / depth)
    low = np.clip(np.floor(pixel - radius), 0, [mask.shape[1], mask.shape[0]]).astype(int)
    high = np.clip(np.ceil(pixel + radius), 0, [mask.shape[1], mask.shape[0]]).astype(int)
    v, u = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
    inside = (u - pixel[0]) ** 2 + (v - pixel[1]) ** 2 <= radius**2
    seen = np.count_nonzero(mask[low[1] : high[1], low[0] : high[0]] & inside)
    return min(1.0, float(seen) / float(np.pi * radius**2))


def _in_world(
    pose: Float[np.ndarray, "P 55 3"],
    betas: Float[np.ndarray, "P b"],
    pelvis: Float[np.ndarray, "P 3"],
    rest_pelvis: Float[np.ndarray, "P 3"],
    world_from_cam: Float[np.ndarray, "4 4"],
) -> BodyParams:
    """The bodies as records have them: turned about the pelvis, which is transl + J0(betas), not about transl."""
    f = np.float32
    return BodyParams(
        global_orient=rotvec_from_matrix(world_from_cam[:3, :3] @ matrix_from_rotvec(pose[:, 0])).astype(f),
        body_pose=pose[:, 1:22].astype(f),
        left_hand_pose=pose[:, 25:40].astype(f),
        right_hand_pose=pose[:, 40:55].astype(f),
        jaw_pose=pose[:, 22].astype(f),
        leye_pose=pose[:, 23].astype(f),
        reye_pose=pose[:, 24].astype(f),
        betas=betas[:, :10].astype(f),
        expression=np.zeros((len(pose), 10), f),
        transl=(se3.apply(world_from_cam, pelvis) - rest_pelvis).astype(f),
    )
