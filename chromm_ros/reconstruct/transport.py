"""Entropy-regularised optimal transport with a dustbin, and the matching read off it.

The form is that of SuperGlue (Sarlin et al., CVPR 2020, section 3.2), with the constants that Human3R's tracker uses, whose lineage
CHROMM follows: the paper gives none itself. The plan is a logarithm, so that no score is too low to be told from a lower one.
"""

import numpy as np
from jaxtyping import Bool, Float

DUSTBIN = -10.0
"""Score of staying unmatched (Human3R: alpha)."""
ITERATIONS = 20
"""Of Sinkhorn's algorithm, at most (Human3R)."""
CONVERGED = 1e-9
"""Relative change of the scalings below which further iterations change nothing."""
ACCEPT = 0.2
"""Smallest share of the transport that makes a match (Human3R)."""


def log_transport(scores: Float[np.ndarray, "*B M N"]) -> Float[np.ndarray, "*B M+1 N+1"]:
    """Logarithm of the transport plans between M rows and N columns, each with its dustbin last.

    Every row and column brings the mass one; the dustbins can take everybody of the other side. Problems of different sizes go
    together when the smaller ones are filled up with -inf: who fits nobody goes to the dustbin and is in nobody's way.

    Args:
        scores: not above zero, M and N at least 1; -inf forbids a pair.
    """
    *batch, rows, columns = scores.shape
    kernel = np.full((*batch, rows + 1, columns + 1), DUSTBIN)
    kernel[..., :rows, :columns] = scores
    # No sum is below that of the dustbin, so scores that vanish here change none; in the plan they are told apart again.
    weight = np.exp(kernel)
    across = np.swapaxes(weight, -1, -2)
    row_mass, column_mass = np.ones((rows + 1, 1)), np.ones((columns + 1, 1))
    row_mass[-1], column_mass[-1] = columns, rows
    u, v = np.ones((*batch, rows + 1, 1)), np.ones((*batch, columns + 1, 1))
    for _ in range(ITERATIONS):
        before = u
        u = row_mass / (weight @ v)
        v = column_mass / (across @ u)
        if (np.abs(u - before) <= CONVERGED * before).all():
            break
    return np.asarray(kernel + np.log(u) + np.swapaxes(np.log(v), -1, -2))


def match(scores: Float[np.ndarray, "*B M N"]) -> Bool[np.ndarray, "*B M N"]:
    """Which pairs (row, column) choose each other in the transport plan and carry enough of it."""
    if not scores.size:
        return np.zeros(scores.shape, dtype=bool)
    plan = log_transport(scores)[..., :-1, :-1]
    rows, columns = np.arange(plan.shape[-2]), np.arange(plan.shape[-1])
    best_of_row = plan.argmax(axis=-1)[..., None] == columns
    best_of_column = plan.argmax(axis=-2)[..., None, :] == rows[:, None]
    return np.asarray(best_of_row & best_of_column & (plan > np.log(ACCEPT)))
