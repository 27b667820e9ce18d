"""The last cloud of results against the true surface of a recording, where both stand in one world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from chromm_ros.evaluate.clouds import compare_clouds
from chromm_ros.evaluate.outcome import Score1

NAMES = ("cloud accuracy", "cloud completeness", "cloud chamfer")
"""Mean distance of found points to the nearest true one, the same the other way round, and the mean of both; metres."""


VOXEL_M = 0.02
"""Edge of the voxels of which one point each counts, as the node thins its clouds by default: near walls have no more say than far ones."""


def evenly(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "M 3"]:
    """The first finite point of each voxel, in their order."""
    there = points[np.isfinite(points).all(axis=-1)]
    _, first = np.unique(np.floor(there / VOXEL_M), axis=0, return_index=True)
    kept: Float[np.ndarray, "M 3"] = there[np.sort(first)]
    return kept


def scores(found: Float[np.ndarray, "N 3"] | None, truth: Float[np.ndarray, "M 3"] | None, *, same_world: bool) -> list[Score1]:
    """Three rows of a table.

    Args:
        found: points of the last cloud; None where none was recorded.
        truth: points of the scene without people; None where the recording has none.
        same_world: whether both are in one world: one that is laid on the truth's moment by moment has no place for a cloud.
    """
    reason = (
        "the truth has no points of the scene"
        if truth is None
        else "the results hold no cloud"
        if found is None
        else "the results are in a world of their own"
        if not same_world
        else ""
    )
    if reason or found is None or truth is None:
        return [Score1(name, None, "m", 0, reason) for name in NAMES]
    found, truth = evenly(found), evenly(truth)
    score = compare_clouds(found, truth)
    values = (score.accuracy_m, score.completeness_m, score.chamfer_m)
    counts = (len(found), len(truth), len(found) + len(truth))
    return [
        Score1(name, value, "m", count) if np.isfinite(value) else Score1(name, None, "m", 0, "one of the clouds is empty")
        for name, value, count in zip(NAMES, values, counts, strict=True)
    ]
