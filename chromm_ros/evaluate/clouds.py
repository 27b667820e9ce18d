"""How well a found cloud lies on the true surface: accuracy, completeness, chamfer distance, and their shares within a distance.

Accuracy and completeness as DTU has them (Jensen et al., CVPR 2014), precision, recall and F-score as Tanks and Temples
(Knapitsch et al., 2017). Metres; both clouds in one world, no alignment here.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class CloudScore:
    """NaN in everything where one of the clouds is empty."""

    accuracy_m: float
    """Mean distance of found points to the nearest true one."""
    completeness_m: float
    """Mean distance of true points to the nearest found one."""
    precision: float
    """Share of found points that have a true one within the limit."""
    recall: float
    """Share of true points that have a found one within the limit."""

    @property
    def chamfer_m(self) -> float:
        """Mean of accuracy and completeness."""
        return (self.accuracy_m + self.completeness_m) / 2.0

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        both = self.precision + self.recall
        return 2.0 * self.precision * self.recall / both if both != 0.0 else 0.0


def nearest(source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "M 3"]) -> Float[np.ndarray, "N"]:
    """Distance of every source point to the nearest target point, metres; NaN where either is not known."""
    known = np.isfinite(source).all(axis=-1)
    there = target[np.isfinite(target).all(axis=-1)].astype(np.float64)
    distance = np.full(len(source), np.nan)
    if len(there):
        distance[known] = cKDTree(there).query(source[known].astype(np.float64))[0]
    return distance


def compare_clouds(
    found: Float[np.ndarray, "N 3"], truth: Float[np.ndarray, "M 3"], within_m: float = 0.05, farthest_m: float = np.inf
) -> CloudScore:
    """Both ways.

    Args:
        found: points.
        truth: points on the surface, as dense as the limit asks for.
        within_m: of precision and recall.
        farthest_m: distances count as at most this (DTU cuts outliers like that).
    """
    there, back = nearest(found, truth), nearest(truth, found)
    there, back = there[np.isfinite(there)], back[np.isfinite(back)]
    if not len(there) or not len(back):
        return CloudScore(*[float("nan")] * 4)
    means = (float(np.minimum(way, farthest_m).mean()) for way in (there, back))
    return CloudScore(*means, *(float((way <= within_m).mean()) for way in (there, back)))
