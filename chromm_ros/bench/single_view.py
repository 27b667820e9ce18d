"""The planted errors of one camera beside the paper's: what the levels of `synthetic.noise` were fitted to."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from chromm_ros.bench.paired import UNTOLD, Estimate, row
from chromm_ros.bench.table import Row, Table
from chromm_ros.body.skeleton import HEAD
from chromm_ros.geometry import se3
from chromm_ros.geometry.sim3 import fit_points
from chromm_ros.reconstruct.kinematics import posed_joints
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

PAPER = {"PA mm": 48.0, "WA mm": 87.5, "W mm": 138.3}
"""CHROMM's on RICH with one camera; PA is WA by the ratio of GHOST's."""
FRAMES, JOINTS = 100, 24
"""Frames of a chunk and joints of a body, as in WHAM's metrics."""


def single_view(seeds: int) -> Table:
    """PA, WA and W-MPJPE of one person before one camera that stands still, straight from what the oracle says."""
    sure = {"missed": 0.0, "false": 0.0, "swapped": 0.0, "focal": 0.0, "unit": 0.0, "camera_deg": 0.0, "camera_m": 0.0}
    noise = replace(Noise(), occlusion=False, **sure)
    found = np.array([_errors(World(views=1, people=1, seed=seed, noise=noise, map_size=(2, 2))) for seed in range(seeds)])
    samples = dict(zip(PAPER, found.T, strict=True))
    return Table(
        f"The noise: one person, one camera, {FRAMES} frames, {JOINTS} joints; mean ± standard error over seeds",
        "the levels were fitted once, before all else, to six of these seeds",
        "WA mm",
        [Row("CHROMM on RICH (PA: by GHOST's ratio)", PAPER), row(f"the oracle, {seeds} seeds", samples)],
        [resemblance(column, samples[column]) for column in PAPER],
    )


def resemblance(column: str, values: Float[np.ndarray, "S"]) -> str:
    """Whether the paper's number can be told from the oracle's."""
    off = Estimate.of(values - PAPER[column])
    return f"{column}: {'as in the paper within its spread' if off.verdict() == UNTOLD else 'differs from the paper'}, by {off}"


def _errors(world: World) -> tuple[float, float, float]:
    prediction = world.look(0, 0, FRAMES).prediction
    joints = posed_joints(body(), prediction.rotations, prediction.betas, prediction.expression)
    joints += (prediction.head_position - joints[:, HEAD])[:, None]
    said = se3.apply(prediction.world_from_cam[prediction.person_frame], joints)[:, :JOINTS]
    true = np.stack([world.joints(int(k))[0] for k in prediction.step[prediction.person_frame]])[:, :JOINTS]
    every, start = slice(None), slice(2)
    each = fit_points(said, true).apply(said)
    return _mean_mm(each, true), _mean_mm(_fitted(said, true, every), true), _mean_mm(_fitted(said, true, start), true)


def _fitted(said: Float[np.ndarray, "F J 3"], true: Float[np.ndarray, "F J 3"], on: slice) -> Float[np.ndarray, "F J 3"]:
    fit = fit_points(said[on].reshape(-1, 3), true[on].reshape(-1, 3))
    return fit.apply(said.reshape(-1, 3)).reshape(said.shape)


def _mean_mm(said: Float[np.ndarray, "F J 3"], true: Float[np.ndarray, "F J 3"]) -> float:
    return float(1e3 * np.linalg.norm(said - true, axis=-1).mean())
