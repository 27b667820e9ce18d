"""Joints of SMPL and SMPL-X bodies from their model files: shape, then the chain of rotations; no vertex is touched.

The files need registration and are not here. They are read without trust and posed with NumPy in float64: joints depend neither on
pose blend shapes nor on skinning (Loper et al. 2015, eq. 10; Pavlakos et al. 2019, eq. 1), so the smplx library is not needed for them.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from chromm_ros.datasets.pickles import read_pickle
from chromm_ros.errors import ConfigError, FileError
from chromm_ros.geometry.rotation import matrix_from_rotvec

_JOINTS = {"smpl": 24, "smplx": 55}
_PAGE = {"smpl": "smpl.is.tue.mpg.de", "smplx": "smpl-x.is.tue.mpg.de"}

TRANSFER_FILE = "smplx2smpl_deftrafo_setup.pkl"
"""SMPL-X's transfer to SMPL: `mtx`, whose columns are vertices, then normals, which are left out as everywhere."""


@dataclass(frozen=True)
class JointModel:
    """What of a body model places its K joints."""

    rest: Float[np.ndarray, "K 3"]
    """Joints at rest with all betas zero, metres."""
    directions: Float[np.ndarray, "K 3 b"]
    """Their change by each beta."""
    expressions: Float[np.ndarray, "K 3 e"]
    """Their change by each coefficient of the expression; none in SMPL."""
    parents: Int[np.ndarray, "K"]
    """Parent of each joint, before it in order; the root's is not used."""
    hands: tuple[Float[np.ndarray, "2 45"], Float[np.ndarray, "2 45 45"]] | None = None
    """Of SMPL-X: mean pose of the left and right hand, and components (rows) of their PCA."""

    def rest_joints(
        self, betas: Float[np.ndarray, "*#B n"], expression: Float[np.ndarray, "*#B m"] | None = None
    ) -> Float[np.ndarray, "*B K 3"]:
        """J(betas, expression); the pelvis of a posed body is transl + its joint 0.

        Raises:
            FileError: if the model has fewer betas than are given.
        """
        if betas.shape[-1] > self.directions.shape[-1]:
            raise FileError(
                f"a body has {betas.shape[-1]} betas and its model file {self.directions.shape[-1]}: get the file with 300 of them"
            )
        rest = self.rest + np.einsum("...b,kdb->...kd", betas, self.directions[..., : betas.shape[-1]])
        if expression is not None and self.expressions.shape[-1] >= expression.shape[-1]:
            rest = rest + np.einsum("...e,kde->...kd", expression, self.expressions[..., : expression.shape[-1]])
        return np.asarray(rest)

    def joints(
        self,
        pose: Float[np.ndarray, "*B K 3"],
        betas: Float[np.ndarray, "*#B n"],
        transl: Float[np.ndarray, "*B 3"],
        expression: Float[np.ndarray, "*#B m"] | None = None,
    ) -> Float[np.ndarray, "*B K 3"]:
        """Posed joints, metres, from axis-angle rotations relative to the parents, the root's first."""
        rest = np.broadcast_to(self.rest_joints(betas, expression), pose.shape)
        turns = matrix_from_rotvec(pose)
        placed = np.zeros_like(pose)
        placed[..., 0, :] = rest[..., 0, :]
        for joint, parent in enumerate(self.parents[1:], start=1):
            bone = rest[..., joint, :] - rest[..., parent, :]
            placed[..., joint, :] = placed[..., parent, :] + (turns[..., parent, :, :] @ bone[..., None])[..., 0]
            turns[..., joint, :, :] = turns[..., parent, :, :] @ turns[..., joint, :, :]
        return np.asarray(placed + transl[..., None, :])

    def hand_poses(self, left: Float[np.ndarray, "*B c"], right: Float[np.ndarray, "*B c"]) -> Float[np.ndarray, "*B 30 3"]:
        """Axis-angle of both hands from the first c components of their PCA, about the mean pose."""
        assert self.hands is not None
        mean, components = self.hands
        both = [mean[side] + weights @ components[side, : weights.shape[-1]] for side, weights in enumerate((left, right))]
        return np.concatenate(both, axis=-1).reshape(*left.shape[:-1], 30, 3)


def need_models(folder: Path | None, kind: str, dataset: str) -> Path:
    """The folder of body models, where a dataset holds no joints without them.

    Raises:
        ConfigError: if none is given.
    """
    if folder is None:
        raise ConfigError(
            f"{dataset} gives {kind.upper()} parameters, not joints, and no folder of body models is given: register at {_PAGE[kind]} "
            f"and name the folder that holds {kind.upper()}_MALE, {kind.upper()}_FEMALE and {kind.upper()}_NEUTRAL"
        )
    return folder


def load_model(folder: Path, kind: str, gender: str) -> JointModel:
    """`SMPL_<GENDER>.pkl` or `.npz`, `SMPLX_<GENDER>.npz` or `.pkl`, in the folder or in `smpl/` or `smplx/` below it.

    Args:
        folder: of body models, as the smplx library expects it.
        kind: `smpl` or `smplx`.
        gender: `male`, `female` or `neutral`.

    Raises:
        FileError: if there is no such file, or it is no such model.
    """
    return _load(_find(folder, kind, gender), kind)


def load_regressor(folder: Path) -> Float[np.ndarray, "24 V"]:
    """The rows by which neutral SMPL's joints at rest, and by the field's custom posed ones, come from its 6890 vertices.

    Raises:
        FileError: as `load_model`.
    """
    path = _find(folder, "smpl", "neutral")
    content = _content(path)
    if "J_regressor" not in content:
        raise FileError(f"{path} has no J_regressor: download it again")
    return _dense(content["J_regressor"])


def _find(folder: Path, kind: str, gender: str) -> Path:
    name = f"{kind.upper()}_{gender.upper()}"
    places = [place / f"{name}.{ending}" for place in (folder / kind, folder) for ending in ("npz", "pkl")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileError(f"no {name}.npz or {name}.pkl in {folder} or {folder / kind}: register at {_PAGE[kind]} and put it there")
    return found


@lru_cache(maxsize=8)
def _load(path: Path, kind: str) -> JointModel:
    content = _content(path)
    try:
        regressor = _dense(content["J_regressor"])
        template, shapes = _dense(content["v_template"]), _dense(content["shapedirs"])
        parents = np.array(_dense(content["kintree_table"])[0], np.int64)
        directions = np.einsum("kv,vdb->kdb", regressor, shapes)
        betas = directions.shape[-1] if kind == "smpl" else 300 if directions.shape[-1] > 300 else 10  # as SMPL-X's two releases
        model = JointModel(regressor @ template, directions[..., :betas], directions[..., betas:], parents, _hands(content))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise FileError(f"{path} is no {kind.upper()} model ({type(error).__name__}: {error}): download it again") from error
    if len(model.rest) != _JOINTS[kind]:
        raise FileError(
            f"{path} has {len(model.rest)} joints, expected {_JOINTS[kind]}: is it another kind of body than {kind.upper()}?"
        )
    return model


def _content(path: Path) -> Any:
    return _read_npz(path) if path.suffix == ".npz" else read_pickle(path, SMPL_NAMES)


def _hands(content: Any) -> tuple[np.ndarray, np.ndarray] | None:
    if "hands_componentsl" not in content:
        return None
    means, components = ([_dense(content[f"hands_{part}{side}"]) for side in "lr"] for part in ("mean", "components"))
    return np.stack(means), np.stack(components)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in _PARTS}
    except Exception as error:  # zip files fail in many ways
        raise FileError(f"{path} cannot be read as a body model ({error}): download it again") from error


_PARTS = {"J_regressor", "v_template", "shapedirs", "kintree_table"}
_PARTS |= {f"hands_{part}{side}" for part in ("mean", "components") for side in "lr"}


class _Chumpy:
    """An array of chumpy, an abandoned library that SMPL's files were written with: its values are in `x`."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.x = state["x"]


def _blank(kind: type, *_: Any) -> Any:
    """An object before its state is set, as the oldest pickles ask for it."""
    return object.__new__(kind)


SMPL_NAMES = {
    ("chumpy.ch", "Ch"): _Chumpy,
    ("chumpy", "Ch"): _Chumpy,
    ("copy_reg", "_reconstructor"): _blank,
    ("copyreg", "_reconstructor"): _blank,
    **{(f"scipy.sparse.{place}", f"{kind}_matrix"): getattr(sparse, f"{kind}_matrix")
       for kind in ("csc", "csr", "coo") for place in (kind, f"_{kind}")},
}  # fmt: skip  # one rule for all


def _dense(value: Any) -> Float[np.ndarray, "..."]:
    if isinstance(value, _Chumpy):
        value = value.x
    return np.asarray(value.toarray() if sparse.issparse(value) else value, np.float64)
