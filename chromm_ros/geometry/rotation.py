"""Rotations: axis-angle vectors, matrices, angles between them and their mean.

SciPy's `Rotation` does the conversions; here they get leading batch axes of any number.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


def matrix_from_rotvec(rotvec: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """Rotation matrices of axis-angle vectors (radians)."""
    flat = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    return np.asarray(flat.reshape(*rotvec.shape, 3))


def rotvec_from_matrix(matrix: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Axis-angle vectors (radians, length at most pi) of rotation matrices."""
    flat = Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(flat.reshape(matrix.shape[:-1]))


def nearest_rotation(matrix: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """The rotations nearest to any matrices in the Frobenius norm: R = U diag(1, 1, det(U V^T)) V^T (Umeyama 1991, lemma).

    Where it is not unique (rank below two) one of the nearest is returned; the result is always a rotation.
    """
    u, _, vt = np.linalg.svd(matrix)
    flip = np.ones(matrix.shape[:-1])
    flip[..., 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return np.asarray((u * flip[..., None, :]) @ vt)


def mean_rotation(
    matrices: Float[np.ndarray, "*B N 3 3"], weights: Float[np.ndarray, "*B N"] | None = None
) -> Float[np.ndarray, "*B 3 3"]:
    """The weighted chordal mean over the axis N: argmin_R sum_i w_i |R - R_i|_F^2.

    It is the quaternion mean of Markley et al. 2007 ("Averaging Quaternions", eq. 12 and 13) without quaternions, so the sign of a
    quaternion can do no harm.
    """
    total = matrices.sum(axis=-3) if weights is None else np.einsum("...n,...nij->...ij", weights, matrices)
    return nearest_rotation(total)


def geodesic_angle(a: Float[np.ndarray, "*#B 3 3"], b: Float[np.ndarray, "*#B 3 3"]) -> Float[np.ndarray, "..."]:
    """Angle (radians, 0 to pi) of the rotation between a and b: |log(a^T b)|.

    By atan2 of its sine and cosine parts, so that small angles keep their digits (the arc cosine alone loses half of them).
    """
    between = np.swapaxes(a, -1, -2) @ b
    axis = np.stack(
        [
            between[..., 2, 1] - between[..., 1, 2],
            between[..., 0, 2] - between[..., 2, 0],
            between[..., 1, 0] - between[..., 0, 1],
        ],
        axis=-1,
    )
    cosine = np.trace(between, axis1=-2, axis2=-1) - 1.0
    return np.asarray(np.arctan2(np.linalg.norm(axis, axis=-1), cosine))
