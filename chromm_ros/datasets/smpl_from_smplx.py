"""SMPL's 24 joints of an SMPL-X surface, as the field's tables have them for RICH.

Vertices of SMPL-X go to SMPL's by the transfer matrix that comes with SMPL-X, and its neutral regressor takes joints from those (WHAM's
and GVHMR's evaluation). The two matrices are one.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import sparse

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.datasets.body_models import SMPL_NAMES, TRANSFER_FILE, load_regressor
from chromm_ros.datasets.pickles import entry, read_pickle
from chromm_ros.errors import FileError
from chromm_ros.records import BodyParams


class SmplFromSmplx:
    """Takes SMPL's joints from SMPL-X bodies of the licensed models."""

    def __init__(self, body_models: Path) -> None:
        """Read the matrices.

        Args:
            body_models: folder with the transfer file, SMPL_NEUTRAL and SMPL-X's models of the genders that are asked for.

        Raises:
            FileError: if one is missing or they do not fit each other.
        """
        path = body_models / TRANSFER_FILE
        regressor = load_regressor(body_models)
        matrix = sparse.csr_matrix(entry(read_pickle(path, SMPL_NAMES), path, "mtx"))
        if matrix.shape[0] != regressor.shape[1]:
            raise FileError(
                f"{path} makes {matrix.shape[0]} vertices, SMPL_NEUTRAL has {regressor.shape[1]}: is it of another body?"
            )
        self._matrix: Float[np.ndarray, "24 W"] = np.asarray((matrix.T @ regressor.T).T)
        self._folder, self._path = body_models, path
        self._bodies: dict[str, SmplxBody] = {}

    def joints(self, vertices: Float[np.ndarray, "*B V 3"]) -> Float[np.ndarray, "*B 24 3"]:
        """Of surfaces of SMPL-X with the licensed mesh, metres.

        Raises:
            FileError: if they have another count of vertices than the transfer.
        """
        count = vertices.shape[-2]
        if self._matrix.shape[1] != 2 * count:
            raise FileError(
                f"{self._path} takes {self._matrix.shape[1] // 2} vertices, the body has {count}: is it not the licensed SMPL-X?"
            )
        return np.asarray(self._matrix[:, :count] @ vertices)

    def pose(self, body: BodyParams, gender: str) -> Float[np.ndarray, "*B 24 3"]:
        """Of bodies of a gender, metres.

        Raises:
            FileError: if the model of that gender is missing.
        """
        if gender not in self._bodies:
            self._bodies[gender] = SmplxBody.load(str(self._folder), gender)
        return self.joints(self._bodies[gender].vertices(body).astype(np.float64))
