"""Which known camera looks where the network does not see it look, while the others agree: its pose in TF is likely wrong.

Directions are compared pair by pair, so no fit is needed that the wrong one would draw along.
"""

import numpy as np

from chromm_ros.geometry.rotation import geodesic_angle
from chromm_ros.reconstruct.cameras import Cameras

FEWEST = 3
"""Cameras from which one can be told from the others."""
ODD_DEG, ODD = 20.0, 3.0
"""Angle, and how many times that of the others, from which a camera is odd: known poses tell `nano` directions to some 5 degrees."""


def odd_one(cameras: Cameras) -> tuple[int, float]:
    """The view of the odd camera among the known ones of the newest step and by how many degrees it is off; -1 and 0 where there is none.

    Args:
        cameras: of a window, in any world.
    """
    known = np.isfinite(cameras.known).all(axis=(1, 2)) & (cameras.step == cameras.step.max(initial=-1))
    rows = np.flatnonzero(known)
    if len(rows) < FEWEST:
        return -1, 0.0
    said, told = cameras.world_from_cam[rows, :3, :3], cameras.known[rows, :3, :3]
    between = [np.swapaxes(turns, -1, -2)[:, None] @ turns for turns in (said, told)]
    angle = np.degrees(geodesic_angle(*between))
    np.fill_diagonal(angle, np.nan)
    typical = np.nanmedian(angle, axis=1)
    worst = int(typical.argmax())
    others = np.delete(np.delete(angle, worst, 0), worst, 1)
    if typical[worst] < max(ODD_DEG, ODD * float(np.nanmedian(others))):
        return -1, 0.0
    return int(cameras.view[rows[worst]]), float(typical[worst])
