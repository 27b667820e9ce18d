"""A planted rig of three cameras, and how each program writes it to a file. Programs' own conventions are spelt out here, not imported."""

import struct
from pathlib import Path

import cv2
import numpy as np
import yaml
from scipy.spatial.transform import Rotation

SIZE = (640, 480)
NAMES = ("cam_01", "cam_02", "cam_03")
K = (np.array([[500.0, 0, 320.25], [0, 510.0, 239.5], [0, 0, 1]]), np.array([[480.5, 0, 300.0], [0, 481.5, 250.0], [0, 0, 1]]))
K = (*K, np.array([[530.0, 0, 330.0], [0, 530.0, 245.0], [0, 0, 1]]))
"""With the centre of the first pixel at (0.5, 0.5)."""
FIVE = np.array([-0.05, 0.14, 0.0006, -0.0004, 0.01])
FOUR_FISHEYE = np.array([0.02, -0.003, 0.0007, -0.0001])


def poses() -> list[np.ndarray]:
    """world_from_cam, metres, z up: three cameras around the origin, looking at it, two metres high."""
    found = []
    for angle in (0.1, 1.9, 4.2):
        centre = np.array([3 * np.cos(angle), 3 * np.sin(angle), 2.0])
        forward = -centre / np.linalg.norm(centre)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
        pose[:3, 3] = centre
        found.append(pose)
    return found


def opencv_k(k: np.ndarray) -> np.ndarray:
    """OpenCV puts 0 at the centre of the first pixel."""
    moved = k.copy()
    moved[:2, 2] -= 0.5
    return moved


def write_qualisys(path: Path, distortion: np.ndarray = FIVE, edit: tuple[str, str] = ("", "")) -> Path:
    """1/64 pixel, millimetres, axes x right, y up, z backward in rows; the video shows the sensor from (16, 8) on."""
    parts = []
    for name, k, pose in zip(NAMES, K, poses(), strict=True):
        axes = pose[:3, :3] * [1.0, -1.0, -1.0]
        r = " ".join(f'r{i + 1}{j + 1}="{float(axes[j, i])!r}"' for i in range(3) for j in range(3))
        x, y, z = (float(v) for v in 1000 * pose[:3, 3])
        k1, k2, p1, p2, k3 = distortion
        parts.append(
            f'<camera active="1" serial="{name}" model="Miqus Video" viewrotation="0"><fov_video left="16" top="8" right="655" bottom="487"/>'
            f'<transform x="{x!r}" y="{y!r}" z="{z!r}" {r}/><intrinsic focallength="9" skew="0" sensorMinU="0" sensorMaxU="45055" '
            f'focalLengthU="{64 * k[0, 0]}" focalLengthV="{64 * k[1, 1]}" centerPointU="{64 * (k[0, 2] + 16)}" '
            f'centerPointV="{64 * (k[1, 2] + 8)}" radialDistortion1="{k1}" radialDistortion2="{k2}" radialDistortion3="{k3}" '
            f'tangentalDistortion1="{p1}" tangentalDistortion2="{p2}"/></camera>'
        )
    marker = parts[0].replace('active="1"', 'active="0"').replace(NAMES[0], "off")
    text = f'<?xml version="1.0"?>\n<calibration type="regular"><cameras>{marker}{"".join(parts)}</cameras></calibration>'
    path.write_text(text.replace(*edit) if edit[0] else text)
    return path


def write_toml(path: Path, distortion: np.ndarray = FIVE[:4], *, fisheye: bool = False, unit: float = 1.0) -> Path:
    """Anipose's tables; poses are camera from world."""
    tables = []
    for index, (name, k, pose) in enumerate(zip(NAMES, K, poses(), strict=True)):
        back = np.linalg.inv(pose)
        tables.append(
            f'[cam_{index}]\nname = "{name}"\nsize = [ {SIZE[0]}.0, {SIZE[1]}.0]\nmatrix = {opencv_k(k).tolist()}\n'
            f"distortions = {distortion.tolist()}\nrotation = {Rotation.from_matrix(back[:3, :3]).as_rotvec().tolist()}\n"
            f"translation = {(unit * back[:3, 3]).tolist()}\nfisheye = {str(fisheye).lower()}\n"
        )
    path.write_text("\n".join(tables) + "\n[metadata]\nadjusted = false\nerror = 0.0\n")
    return path


def write_opencv(path: Path) -> Path:
    """One map per camera, by OpenCV's own writer; YAML, XML or JSON by the ending."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, k, pose in zip(NAMES, K, poses(), strict=True):
        back = np.linalg.inv(pose)
        storage.startWriteStruct(name, cv2.FileNode_MAP)
        storage.write("image_width", SIZE[0])
        storage.write("image_height", SIZE[1])
        storage.write("camera_matrix", opencv_k(k))
        storage.write("distortion_coefficients", FIVE.reshape(5, 1))
        storage.write("rotation", back[:3, :3])
        storage.write("translation", back[:3, 3:])
        storage.endWriteStruct()
    storage.release()
    return path


def write_easymocap(folder: Path) -> Path:
    """intri.yml and extri.yml with names in the entries; no sizes."""
    for file, parts in (("intri.yml", ("K", "dist")), ("extri.yml", ("R", "Rot", "T"))):
        storage = cv2.FileStorage(str(folder / file), cv2.FILE_STORAGE_WRITE)
        storage.startWriteStruct("names", cv2.FileNode_SEQ)
        for name in NAMES:
            storage.write("", name)
        storage.endWriteStruct()
        for name, k, pose in zip(NAMES, K, poses(), strict=True):
            back = np.linalg.inv(pose)
            turn = Rotation.from_matrix(back[:3, :3]).as_rotvec().reshape(3, 1)
            values = {
                "K": opencv_k(k),
                "dist": FIVE.reshape(1, 5),
                "R": turn,
                "Rot": back[:3, :3].copy(),
                "T": back[:3, 3:].copy(),
            }
            for part in parts:
                storage.write(f"{part}_{name}", values[part])
        storage.release()
    return folder / "intri.yml"


MODEL_IDS = {"SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4, "OPENCV_FISHEYE": 5, "FOV": 7}
COLMAP_K = np.array([[500.0, 0, 320.25], [0, 500.0, 239.5], [0, 0, 1]])


def write_colmap(folder: Path, model: str, params: list[float], *, binary: bool, unit: float = 1.0, frames: int = 1) -> Path:
    """One lens for all; `frames` images of each camera, of which only the first is exactly at its place."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for name, pose in zip(NAMES, poses(), strict=True):
        for frame in range(frames):
            # the noise of COLMAP, symmetric around the true place, which is the middle then
            moved = pose.copy()
            moved[:3, 3] += (0.0, 0.002, -0.002)[frame]
            back = np.linalg.inv(moved)
            x, y, z, w = Rotation.from_matrix(back[:3, :3]).as_quat()
            images.append((f"{name}/{frame:04d}.jpg", (w, x, y, z, *(unit * back[:3, 3]))))
    if binary:
        lens = struct.pack("<QiiQQ", 1, 7, MODEL_IDS[model], *SIZE) + struct.pack(f"<{len(params)}d", *params)
        (folder / "cameras.bin").write_bytes(lens)
        data = struct.pack("<Q", len(images))
        for number, (image, numbers) in enumerate(images):
            points = struct.pack("<Q", 2) + 2 * struct.pack("<ddq", 1.0, 2.0, -1)
            data += struct.pack("<i7di", number, *numbers, 7) + image.encode() + b"\0" + points
        (folder / "images.bin").write_bytes(data)
    else:
        (folder / "cameras.txt").write_text(f"# list\n7 {model} {SIZE[0]} {SIZE[1]} {' '.join(map(repr, params))}\n")
        lines = [
            f"{k} {' '.join(repr(float(v)) for v in numbers)} 7 {image}\n1.0 2.0 -1\n"
            for k, (image, numbers) in enumerate(images)
        ]
        (folder / "images.txt").write_text("# list\n" + "".join(lines))
    return folder


def write_ros(path: Path) -> Path:
    """ROS's camera YAML of the first camera; it has no pose."""
    k = opencv_k(K[0])
    content = {
        "image_width": SIZE[0], "image_height": SIZE[1], "camera_name": "cam_01", "distortion_model": "plumb_bob",
        "camera_matrix": {"rows": 3, "cols": 3, "data": k.ravel().tolist()},
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": FIVE.tolist()},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path
