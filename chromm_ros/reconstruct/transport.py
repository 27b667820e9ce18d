"""Entropy-regularised optimal transport with a dustbin, and the matching read off it.

The form is that of SuperGlue (Sarlin et al., CVPR 2020, section 3.2), with the constants that Human3R's tracker uses, whose lineage
CHROMM follows: the paper gives none itself.
"""

import numpy as np
from jaxtyping import Float, Int

DUSTBIN = -10.0
"""Score of staying unmatched (Human3R: alpha)."""
ITERATIONS = 20
"""Of Sinkhorn's algorithm (Human3R)."""
ACCEPT = 0.2
"""Smallest share of the transport that makes a match (Human3R)."""


def log_transport(scores: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M+1 N+1"]:
    """Logarithm of the transport plan between M rows and N columns, each with its dustbin last.

    Every row and column brings the mass one; the dustbins can take everybody of the other side.

    Args:
        scores: not above zero; -inf forbids a pair.
    """
    rows, columns = scores.shape
    kernel = np.full((rows + 1, columns + 1), np.exp(DUSTBIN))
    kernel[:rows, :columns] = np.exp(scores)  # what underflows to 0 has no share; the dustbin keeps every sum above 0
    total = rows + columns
    row_mass = np.append(np.ones(rows), columns) / total
    column_mass = np.append(np.ones(columns), rows) / total
    v = np.ones(columns + 1)
    for _ in range(ITERATIONS):
        u = row_mass / (kernel @ v)
        v = column_mass / (u @ kernel)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(u[:, None] * kernel * v[None, :] * total))


def match(scores: Float[np.ndarray, "M N"]) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Pairs (row, column) that choose each other in the transport plan and carry enough of it."""
    plan = log_transport(scores)[:-1, :-1]
    best_column, best_row = plan.argmax(axis=1), plan.argmax(axis=0)
    rows = np.arange(len(plan))
    mutual = (best_row[best_column] == rows) & (plan[rows, best_column] > np.log(ACCEPT))
    return rows[mutual], best_column[mutual]
