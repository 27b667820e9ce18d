"""Fusion: what several cameras see of one person at one moment becomes one body in the world.

After CHROMM (arXiv 2603.12789): shape and body pose are averaged over the cameras, the root's rotation is averaged in the world, and the
head is where the rays through its pixels meet (`heads`). Rotations have the chordal mean (`geometry.rotation.mean_rotation`), which is
the quaternion mean without its signs, or the geodesic median, which a camera that sees a pose quite wrong moves little. Every result
says how good it is: the head by its covariance, rotations, shape and joints by how far the cameras lie apart.

The paper's ablation pools the people's tokens over the cameras instead and decodes once (`fusion.mode: maxpool_triangulate`). The
network stands outside this package, so the decoder is handed in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import geodesic_median, is_rotation, nearest_rotation
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.heads import FusionConfig, place
from chromm_ros.reconstruct.people import People
from chromm_ros.records import Prediction

__all__ = ["Bodies", "Decode", "Decoded", "FusionConfig", "fuse"]


@dataclass(frozen=True)
class Decoded:
    """What a token says of a body, for N people."""

    rotations: Float[np.ndarray, "N 53 3 3"]
    """As in `Prediction`: the root's from body to the camera of the person's image."""
    betas: Float[np.ndarray, "N 10"]
    """Shape."""
    expression: Float[np.ndarray, "N 10"]
    """Expression."""


@runtime_checkable
class Decode(Protocol):
    """Reads bodies from human tokens a second time."""

    def __call__(self, prediction: Prediction, person: Int[np.ndarray, "N"], tokens: Float[np.ndarray, "N D"]) -> Decoded:
        """The bodies that the decoder sees if these people of the last prediction had these tokens.

        A decoder reads more than the token: the ray through the head and the features of the image around it. Both stay those of the
        person named, so one place in the prediction is all the context that is asked for.

        Args:
            prediction: the last one of the network, which may keep what belongs to it until the next.
            person: places in it, nobody twice.
            tokens: to be read in place of these people's own.
        """
        ...


@dataclass(frozen=True)
class Bodies:
    """G fused bodies, one per person and frame-set in which anybody saw the person."""

    group: Int[np.ndarray, "G"]
    """Group of the person."""
    step: Int[np.ndarray, "G"]
    """Time step in the window."""
    seen_by: Bool[np.ndarray, "G V"]
    """Cameras that saw the person."""
    used: Bool[np.ndarray, "G V"]
    """Those of them whose sight went into the body; the others' rays went astray."""
    score: Float[np.ndarray, "G"]
    """Best detection score."""
    head: Float[np.ndarray, "G 3"]
    """In the node's world, metres."""
    head_covariance: Float[np.ndarray, "G 3 3"]
    """Of the head, square metres, from the noise stated in the settings."""
    rotations: Float[np.ndarray, "G 53 3 3"]
    """Root (body to world), body, hands, jaw."""
    rotation_spread: Float[np.ndarray, "G 53"]
    """How far the cameras' rotations lie from it (rms angle, radians); NaN where one camera alone was used."""
    betas: Float[np.ndarray, "G 10"]
    """Shape."""
    betas_spread: Float[np.ndarray, "G 10"]
    """Standard deviation of the cameras' shapes about it; NaN where one camera alone was used."""
    joint_spread: Float[np.ndarray, "G J"]
    """How far the cameras' joints, each seen from its own head, lie apart (rms about their mean, metres): what the spread of rotations
    and shape amounts to in space. NaN where one camera alone was used."""
    expression: Float[np.ndarray, "G 10"]
    """Expression."""
    in_view: Float[np.ndarray, "G J"]
    """Best detection score among the cameras in whose image the joint lies; 0 where it lies in none."""
    residual: Float[np.ndarray, "G"]
    """How far the rays pass the head (rms), metres; NaN where depth placed it."""


def fuse(
    cameras: Cameras,
    people: People,
    groups: Int[np.ndarray, "P"],
    views: int,
    config: FusionConfig,
    decode: Callable[[Int[np.ndarray, "N"], Float[np.ndarray, "N D"]], Decoded] | None = None,
) -> Bodies:
    """One body per group and frame-set.

    Args:
        cameras: stitched.
        people: of the window.
        groups: theirs, at most one person of a group per image.
        views: number of cameras of the stream.
        config: how.
        decode: `Decode` of the window's prediction, for `maxpool_triangulate`.
    """
    step, view = cameras.step[people.frame], cameras.view[people.frame]
    steps = step.max(initial=0) + 1
    keys, slot = np.unique(groups * steps + step, return_inverse=True)
    seat = np.full((len(keys), views), -1)
    seat[slot, view] = np.arange(len(people))
    seen = seat >= 0
    weight = np.where(seen, np.maximum(people.score, 1e-6)[seat], 0.0)  # an empty seat (-1) reads the last person, with no weight
    heads = place(cameras, people, seat, weight, config)
    weight = weight * heads.used
    weight = weight / weight.sum(axis=1, keepdims=True)
    alone = heads.used.sum(axis=1, keepdims=True) < 2
    rotations, spread = _rotations(cameras, people, seat, weight, config.rotation)
    betas = _average(people.betas, seat, weight)
    away = people.betas[seat] - betas[:, None]
    deviation = np.sqrt(np.einsum("gv,gvn->gn", weight, away * away))
    expression = _average(people.expression, seat, weight)
    if config.mode == "maxpool_triangulate":
        assert decode is not None, "the Reconstructor refuses this mode without a decoder"
        _pool(cameras, people, seat, weight, decode, (rotations, betas, expression))
    return Bodies(
        group=keys // steps,
        step=keys % steps,
        seen_by=seen,
        used=heads.used,
        score=np.where(seen, people.score[seat], 0.0).max(axis=1, initial=0.0),
        head=heads.point,
        head_covariance=heads.covariance,
        rotations=rotations,
        rotation_spread=np.where(alone, np.nan, spread),
        betas=betas,
        betas_spread=np.where(alone, np.nan, deviation),
        joint_spread=np.where(alone, np.nan, _joint_spread(cameras, people, seat, weight)),
        expression=expression,
        in_view=np.where(seen[..., None], _in_view(cameras, people)[seat], 0.0).max(axis=1, initial=0.0),
        residual=heads.residual,
    )


def _average(
    values: Float[np.ndarray, "P *N"], seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"]
) -> Float[np.ndarray, "G *N"]:
    """Weighted sum over the cameras, one after the other: a table of all would not stay in the cache."""
    total = np.zeros((len(seat), math.prod(values.shape[1:])))
    flat = values.reshape(len(values), total.shape[1])
    for view in np.flatnonzero(weight.any(axis=0)):
        total += weight[:, view, None] * flat[seat[:, view]]
    return total.reshape(len(seat), *values.shape[1:])


def _joint_spread(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"]
) -> Float[np.ndarray, "G J"]:
    """Spread of the joints about the head, in the world."""
    mean = _average(se3.rotate(cameras.world_from_cam[people.frame], people.offsets), seat, weight)
    square = _average(np.einsum("pji,pji->pj", people.offsets, people.offsets), seat, weight)
    return np.asarray(np.sqrt(np.maximum(square - np.einsum("gji,gji->gj", mean, mean), 0.0)))


def _rotations(
    cameras: Cameras, people: People, seat: Int[np.ndarray, "G V"], weight: Float[np.ndarray, "G V"], kind: str
) -> tuple[Float[np.ndarray, "G 53 3 3"], Float[np.ndarray, "G 53"]]:
    """Rotations that stand for all, the root's in the world, and their spread; a body of one camera keeps its own."""
    root = cameras.world_from_cam[people.frame, :3, :3] @ people.rotations[:, 0]
    total = _average(people.rotations, seat, weight)
    total[:, 0] = _average(root, seat, weight)
    fused, several = total.copy(), (weight > 0.0).sum(axis=1) > 1
    if kind == "geodesic_median":
        each = people.rotations[seat[several]]  # G V 53 3 3
        each[:, :, 0] = root[seat[several]]
        each = np.swapaxes(each, 1, 2)
        fused[several] = geodesic_median(each, np.broadcast_to(weight[several, None], each.shape[:3]))
    else:
        fused[several] = nearest_rotation(total[several])  # the chordal mean
    cosine = (np.einsum("gjab,gjab->gj", fused, total) - 1.0) / 2.0  # the mean of the angles' cosines
    return fused, np.arccos(np.clip(cosine, -1.0, 1.0))


def _pool(
    cameras: Cameras,
    people: People,
    seat: Int[np.ndarray, "G V"],
    weight: Float[np.ndarray, "G V"],
    decode: Callable[[Int[np.ndarray, "N"], Float[np.ndarray, "N D"]], Decoded],
    into: tuple[Float[np.ndarray, "G 53 3 3"], Float[np.ndarray, "G 10"], Float[np.ndarray, "G 10"]],
) -> None:
    """Write the bodies decoded from pooled tokens over the averages; where the decoder gives no true body, the average stays.

    Tokens are pooled by their maximum over the cameras used, and decoded in the image of the camera that sees the person best. A body
    of one camera has nothing to pool.
    """
    several = np.flatnonzero((weight > 0.0).sum(axis=1) > 1)
    if not len(several):
        return
    tokens = np.where((weight[several] > 0.0)[..., None], people.token[seat[several]], -np.inf).max(axis=1)
    best = seat[several, weight[several].argmax(axis=1)]
    decoded = decode(people.index[best], tokens)
    parts = [np.array(part, dtype=np.float64) for part in (decoded.rotations, decoded.betas, decoded.expression)]
    true = is_rotation(parts[0], tolerance=0.05).all(axis=-1)
    true &= np.isfinite(parts[1]).all(axis=-1) & np.isfinite(parts[2]).all(axis=-1)
    parts[0][:, 0] = cameras.world_from_cam[people.frame[best], :3, :3] @ parts[0][:, 0]
    for target, part in zip(into, parts, strict=True):
        target[several[true]] = part[true]


def _in_view(cameras: Cameras, people: People) -> Float[np.ndarray, "P J"]:
    """Detection score for joints that lie in the image, else 0."""
    x, y, z = np.moveaxis(people.offsets, -1, 0) + cameras.unit * people.head.T[..., None]  # each P J
    shown = z > 1e-6
    for (a, b, c), size in zip(
        np.moveaxis(cameras.intrinsics[people.frame, :2], 0, -1)[..., None], cameras.size[people.frame].T[..., None], strict=True
    ):
        scaled = a * x + b * y + c * z  # pixel times depth
        shown &= (scaled >= 0.0) & (scaled < size * z)
    return np.asarray(shown * people.score[:, None])
