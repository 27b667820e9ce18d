"""What the miniatures of all datasets share: tiny body models in SMPL's own formats, and dots in images whose place is known."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import smplx
import torch

from chromm_ros.body.skeleton import PARENTS
from chromm_ros.geometry.camera import pixel_grid

VERTICES = 70
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def _model(joints: int, shapes: int, parents: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    regressor = rng.random((joints, VERTICES)) ** 8
    return {
        "v_template": rng.normal(0.0, 0.5, (VERTICES, 3)),
        "shapedirs": rng.normal(0.0, 0.02, (VERTICES, 3, shapes)),
        "posedirs": rng.normal(0.0, 0.01, (VERTICES, 3, 9 * (joints - 1))),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "weights": rng.dirichlet(np.full(joints, 0.1), VERTICES),
        "kintree_table": np.array([np.where(np.array(parents) < 0, 2**32 - 1, parents), range(joints)], np.uint32),
        "f": np.array([[0, 1, 2], [2, 1, 3]], np.uint32),
    }


def write_smpl(folder: Path, gender: str) -> None:
    """SMPL_<GENDER>.pkl, as a pickle of Python 2's protocol."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"SMPL_{gender.upper()}.pkl").open("wb") as file:
        pickle.dump(_model(24, 10, SMPL_PARENTS, seed=len(gender)), file, protocol=2)


def write_smplx(folder: Path, gender: str) -> None:
    """SMPLX_<GENDER>.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    content = _model(55, 400, PARENTS, seed=10 + len(gender))
    rng = np.random.default_rng(3)
    for side in "lr":
        content[f"hands_components{side}"] = rng.normal(0.0, 0.2, (45, 45))
        content[f"hands_mean{side}"] = rng.normal(0.0, 0.2, 45)
    content["lmk_faces_idx"] = np.zeros(51, np.int64)
    content["lmk_bary_coords"] = np.full((51, 3), 1.0 / 3.0)
    np.savez(folder / f"SMPLX_{gender.upper()}.npz", **content)


def smpl_joints(folder: Path, gender: str, **params: np.ndarray) -> np.ndarray:
    """By the smplx library, N 24 3."""
    count = len(params["transl"])
    model = smplx.SMPL(str(folder / f"SMPL_{gender.upper()}.pkl"), batch_size=count)
    return _joints(model, params)[:, :24]


def smplx_joints(folder: Path, gender: str, **params: np.ndarray) -> np.ndarray:
    """By the smplx library, N 55 3; hands as components where they have fewer than 45 numbers, else flat."""
    return _joints(_smplx(folder, gender, params), params)[:, :55]


def smplx_vertices(folder: Path, gender: str, **params: np.ndarray) -> np.ndarray:
    """By the smplx library, N V 3."""
    return _posed(_smplx(folder, gender, params), params).vertices.numpy().astype(np.float64)


def _smplx(folder: Path, gender: str, params: dict[str, np.ndarray]) -> torch.nn.Module:
    components = params["left_hand_pose"].shape[1]
    hands = (
        {"use_pca": False, "flat_hand_mean": True} if components == 45 else {"num_pca_comps": components, "flat_hand_mean": False}
    )
    path = str(folder / f"SMPLX_{gender.upper()}.npz")
    return smplx.SMPLX(path, batch_size=len(params["transl"]), num_betas=params["betas"].shape[1], **hands)


class _NoMarks(torch.nn.Module):
    """In place of the vertices of nose, toes and fingers, which tiny bodies do not have."""

    def forward(self, _: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        return joints


def _posed(model: torch.nn.Module, params: dict[str, np.ndarray]) -> Any:
    tensors = {name: torch.tensor(value, dtype=torch.float32) for name, value in params.items()}
    model.vertex_joint_selector = _NoMarks()
    with torch.no_grad():
        return model(**tensors)


def _joints(model: torch.nn.Module, params: dict[str, np.ndarray]) -> np.ndarray:
    return _posed(model, params).joints.numpy().astype(np.float64)


def dot(size: tuple[int, int], pixel: np.ndarray) -> np.ndarray:
    """A grey image with a soft dot at a pixel, whose centres are at halves; BGR."""
    distance = ((pixel_grid(*size) - pixel) ** 2).sum(axis=-1)
    grey = np.round(255.0 * np.exp(-distance / (2.0 * 2.0**2))).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def dot_in(image: np.ndarray) -> np.ndarray:
    """Where the dot of an image is."""
    grey = image.astype(np.float64).mean(axis=-1)
    weights = np.where(grey > 60.0, grey, 0.0)
    assert weights.any(), "the dot is not in the image"
    return (weights[..., None] * pixel_grid(image.shape[1], image.shape[0])).sum(axis=(0, 1)) / weights.sum()


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
