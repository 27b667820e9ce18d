"""Rotations: axis-angle vectors, matrices, angles between them, their mean and their median.

Everything has leading batch axes of any number.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation


def matrix_from_rotvec(rotvec: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """Rotation matrices of axis-angle vectors (radians)."""
    if not rotvec.size:  # older SciPy refuses none at all
        return np.zeros((*rotvec.shape, 3))
    flat = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    return np.asarray(flat.reshape(*rotvec.shape, 3))


def rotvec_from_matrix(matrix: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3"]:
    """Axis-angle vectors (radians, length at most pi) of rotation matrices.

    By quaternions, of which each row of a symmetric matrix is a multiple; the row with the largest one keeps all digits (Shepperd 1978,
    "Quaternion from rotation matrix"). For the thousands of joints of a window several times as fast as SciPy's.
    """
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(matrix.reshape(-1, 3, 3).astype(np.float64), 0, -1)
    w, x, y, z = h - f, c - g, d - b, np.array((d + b, g + c, h + f))
    rows = np.array(
        (
            (1 + a + e + i, w, x, y),
            (w, 1 + a - e - i, z[0], z[1]),
            (x, z[0], 1 - a + e - i, z[2]),
            (y, z[1], z[2], 1 - a - e + i),
        )
    )
    best = rows[range(4), range(4)].argmax(axis=0)
    quaternion = rows[best, :, np.arange(len(best))].T  # w x y z
    quaternion = np.where(quaternion[0] < 0.0, -quaternion, quaternion)
    sine = np.sqrt((quaternion[1:] ** 2).sum(axis=0))
    # angle / sine, which tends to 2 / cosine where the angle vanishes
    factor = np.where(sine > 0.0, 2.0 * np.arctan2(sine, quaternion[0]) / np.where(sine > 0.0, sine, 1.0), 0.0)
    return np.asarray((factor * quaternion[1:]).T.reshape(matrix.shape[:-1]))


def nearest_rotation(matrix: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """The rotations nearest to any matrices in the Frobenius norm: R = U diag(1, 1, det(U V^T)) V^T (Umeyama 1991, lemma).

    Where the determinant is clearly positive that is the polar factor, which Newton's iteration with Higham's scaling ("Computing the
    polar decomposition", 1986) finds for many matrices at once several times as fast as the decomposition that the others get. Where the
    answer is not unique (rank below two) one of the nearest is returned; the result is always a rotation.
    """
    flat = matrix.reshape(-1, 3, 3).astype(np.float64)
    if len(flat) < _FEW:
        return np.asarray(_by_svd(flat).reshape(matrix.shape))
    result, usual = _polar(flat)
    if not usual.all():
        result[~usual] = _by_svd(flat[~usual])
    return np.asarray(result.reshape(matrix.shape))


_FEW = 16
"""Matrices below which the decomposition of each is quicker than the iteration of all."""


def _polar(matrix: Float[np.ndarray, "N 3 3"]) -> tuple[Float[np.ndarray, "N 3 3"], Bool[np.ndarray, "N"]]:
    """Polar factors, and for which of the matrices they were found."""
    x = np.array(np.moveaxis(matrix, 0, -1), order="C")  # a copy, 3 3 N: all arithmetic runs along N
    determinant = (x[0] * _cross(x[1], x[2])).sum(axis=0)
    usual = determinant > 1e-3 * np.sqrt((x * x).sum(axis=(0, 1))) ** 3  # of a rotation the left is 1, the root's cube 5.2
    x[:, :, ~usual] = np.eye(3)[:, :, None]
    change, cofactor = np.inf, np.empty_like(x)
    while change > 1e-8:  # it doubles the digits in every round: the next error is below rounding
        for i in range(3):  # = det(x) x^-T
            _cross(x[i - 2], x[i - 1], cofactor[i])
        determinant = (x[0] * cofactor[0]).sum(axis=0)
        scale = np.cbrt(determinant) if change > 1e-2 else 1.0  # near the end it is one
        before, x = x, x * (0.5 / scale) + cofactor * (0.5 * scale / determinant)
        before -= x
        change = max(float(before.max(initial=0.0)), -float(before.min(initial=0.0)))
    return np.moveaxis(x, -1, 0), usual


def _cross(
    a: Float[np.ndarray, "3 *N"], b: Float[np.ndarray, "3 *N"], out: Float[np.ndarray, "3 *N"] | None = None
) -> Float[np.ndarray, "3 *N"]:
    result = np.empty_like(a) if out is None else out
    for i in range(3):
        np.subtract(a[i - 2] * b[i - 1], a[i - 1] * b[i - 2], out=result[i, ...])
    return result


def _by_svd(matrix: Float[np.ndarray, "N 3 3"]) -> Float[np.ndarray, "N 3 3"]:
    u, _, vt = np.linalg.svd(matrix)
    u[:, :, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[:, None]
    return np.asarray(u @ vt)


def is_rotation(matrix: Float[np.ndarray, "*B 3 3"], tolerance: float = 1e-3) -> Bool[np.ndarray, "*B"]:
    """Whether matrices are rotations: rows of length one with determinant one are orthogonal (Hadamard's inequality)."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is none
        x = np.ascontiguousarray(np.moveaxis(matrix, (-2, -1), (0, 1)), dtype=np.float32)  # 3 3 *B: all arithmetic runs along B
        lengths = np.sqrt((x * x).sum(axis=1))
        determinant = (x[0] * _cross(x[1], x[2])).sum(axis=0)
    return np.asarray((np.abs(lengths - 1.0) < tolerance).all(axis=0) & (np.abs(determinant - 1.0) < tolerance))


def mean_rotation(
    matrices: Float[np.ndarray, "*B N 3 3"], weights: Float[np.ndarray, "*B N"] | None = None
) -> Float[np.ndarray, "*B 3 3"]:
    """The weighted chordal mean over the axis N: argmin_R sum_i w_i |R - R_i|_F^2.

    It is the quaternion mean of Markley et al. 2007 ("Averaging Quaternions", eq. 12 and 13) without quaternions, so the sign of a
    quaternion can do no harm.
    """
    total = matrices.sum(axis=-3) if weights is None else np.einsum("...n,...nij->...ij", weights, matrices)
    return nearest_rotation(total)


def geodesic_median(
    matrices: Float[np.ndarray, "*B N 3 3"], weights: Float[np.ndarray, "*B N"] | None = None, *, steps: int = 5
) -> Float[np.ndarray, "*B 3 3"]:
    """The weighted geodesic median over the axis N: argmin_R sum_i w_i angle(R, R_i), which fewer than half of them can move little.

    Weiszfeld's algorithm in the tangent space (Hartley, Aftab and Trumpf, "L1 rotation averaging using the Weiszfeld algorithm", CVPR
    2011), a few steps from the mean. Between two of equal weight every rotation on the shortest way is a median; the mean is returned.
    """
    lead, count = matrices.shape[:-3], matrices.shape[-3]
    median = mean_rotation(matrices, weights).reshape(-1, 3, 3)
    each = np.array(np.moveaxis(matrices.reshape(-1, count, 3, 3), 0, -1), order="C")  # N 3 3 M: all arithmetic runs along M
    w = np.ones((count, len(median))) if weights is None else weights.reshape(-1, count).T
    for _ in range(steps):
        sine, cosine = _turns(each, np.moveaxis(median, 0, -1))
        length = np.sqrt((sine * sine).sum(axis=1))
        angle = np.arctan2(length, cosine)
        pull = w / np.maximum(angle, _NEAR)
        total = pull.sum(axis=0)
        step = ((pull * angle / np.maximum(length, 1e-12))[:, None] * sine).sum(axis=0) / np.where(total > 0.0, total, 1.0)
        median = median @ matrix_from_rotvec(step.T)
    return np.asarray(median.reshape(*lead, 3, 3))


_NEAR = 1e-3
"""Angle (radians) below which a rotation pulls the median no harder."""


def _turns(each: Float[np.ndarray, "N 3 3 M"], at: Float[np.ndarray, "3 3 M"]) -> tuple[np.ndarray, np.ndarray]:
    """Axis times sine (N 3 M) and cosine (N M) of the turns at^T each."""
    between = [[sum(at[k, i] * each[:, k, j] for k in range(3)) for j in range(3)] for i in range(3)]
    axis = [between[2][1] - between[1][2], between[0][2] - between[2][0], between[1][0] - between[0][1]]
    return 0.5 * np.stack(axis, axis=1), 0.5 * (between[0][0] + between[1][1] + between[2][2] - 1.0)


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
