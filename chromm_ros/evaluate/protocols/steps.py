"""Single moments of several cameras, each a closed set: EgoHumans and EgoExo4D by the protocol of HSfM (arXiv 2412.17806).

W-MPJPE-dagger is given in both gauges (`evaluate.scenes`): by the cameras' centres, as HSfM has it, which means nothing where those that
were found and whose true pose is known stand on a line, and by their rotations. People are matched as `matching.in_world` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float64, Int64

from chromm_ros.data.truth import LabelledSequence
from chromm_ros.evaluate import bodies, scenes
from chromm_ros.evaluate.identity import DetectionCounts
from chromm_ros.evaluate.outcome import View
from chromm_ros.evaluate.protocols.closed import Labelled, Runner, Said, moments
from chromm_ros.evaluate.protocols.joints import Joints, Ours
from chromm_ros.evaluate.protocols.matching import counts, in_world
from chromm_ros.evaluate.protocols.pictured import views
from chromm_ros.evaluate.protocols.segments import by_cameras
from chromm_ros.geometry.sim3 import Similarity

DEGREES, PERCENT = (10.0, 15.0), (10.0, 15.0)
"""Limits of RRA and of CCA."""


@dataclass(frozen=True, eq=False)
class Step:
    """One moment in its own world beside the truth; P people who had to be found."""

    sequence: str
    cameras: tuple[str, ...]
    stamp_ns: int
    ids: Int64[np.ndarray, "P"]
    """True people."""
    said: Float64[np.ndarray, "P J 3"]
    """Found joints, NaN where not found."""
    true: Float64[np.ndarray, "P K 3"]
    """True ones, NaN where not labelled."""
    found_cameras: Float64[np.ndarray, "V 4 4"]
    """world_from_cam."""
    true_cameras: Float64[np.ndarray, "V 4 4"]
    """The same."""
    counts: DetectionCounts
    joint_set: str
    """Of the truth."""
    sets: tuple[Joints, ...]
    """What can be compared, that of the tables first."""
    to_truth: Similarity
    """By which people were matched; for pictures, too."""
    unknown: int = 0
    """People who would have had to be found if the truth knew a joint of them."""
    views: tuple[View, ...] = ()
    """Its images, where they are to be shown."""

    def errors(self, joints: Joints) -> dict[tuple[str, str], Float64[np.ndarray, "P"]]:
        """Of people, in metres by the protocol's habit."""
        said, true = self.said[:, joints.found], self.true[:, joints.truth]
        nobody = np.full(len(said), np.nan)
        by = {gauge: scenes.w_mpjpe_dagger(self.found_cameras, self.true_cameras, said, true, gauge) for gauge in scenes.GAUGES}
        several = np.isfinite(said).all(axis=(-2, -1)).sum() > 1
        values = {
            "W-MPJPE-dagger by centres": nobody if scenes.turn_is_free(self.found_cameras, self.true_cameras) else by["centres"],
            "W-MPJPE-dagger by rotations": by["rotations"],
            "GA-MPJPE": scenes.ga_mpjpe(said, true) if several else nobody,
            "PA-MPJPE": bodies.pa_mpjpe(said, true),
        }
        return {(name, "m"): scenes.metres(errors) for name, errors in values.items()}

    def camera_errors(self) -> dict[tuple[str, str], Float64[np.ndarray, "N"]]:
        """Of cameras and their pairs; shares are one number for each moment.

        There is no error of centres of one camera alone, nor one with scale of two (Kineo's rule). A share counts cameras, or pairs of
        them, whose true poses are known; whoever of them was not found is wrong.
        """
        a, b = self.found_cameras, self.true_cameras
        angles, pairs = scenes.angle_error(a, b), scenes.true_pairs(b)
        shape = scenes.of_many(scenes.translation_error(a, b, with_scale=True), bodies.LEAST)
        several, told = pairs.any(), np.isfinite(shape).any()
        values: dict[tuple[str, str], Float64[np.ndarray, "N"]] = {
            ("TE", "m"): scenes.of_many(scenes.translation_error(a, b), 2),
            ("s-TE", "m"): shape,
            ("AE", "deg"): angles,
        }
        values |= {(f"RRA@{limit:g}", ""): np.array([scenes.share_below(angles, limit, pairs)]) for limit in DEGREES}
        for share in PERCENT:
            values[f"CCA@{share:g}", ""] = np.array([scenes.camera_centre_accuracy(a, b, share) if several else np.nan])
            values[f"s-CCA@{share:g}", ""] = np.array(
                [scenes.camera_centre_accuracy(a, b, share, with_scale=True) if told else np.nan]
            )
        return values


def steps(sequence: LabelledSequence, run: Runner, most: int | None = None, *, shown: bool = False) -> Iterator[Step]:
    """Moments of a sequence, each a closed set.

    Args:
        sequence: with several cameras.
        run: the chain.
        most: how many, from the first on; None: all.
        shown: whether the first one keeps its images.
    """
    for number, moment in enumerate(islice(moments(sequence), most)):
        yield _step(sequence, run([moment], sequence.cameras)[0], moment, run.ours, shown=shown and number == 0)


def _step(sequence: LabelledSequence, said: Said, moment: Labelled, ours: Ours, *, shown: bool) -> Step:
    known, truth = moment.known, moment.known.truth
    sets = ours.sets(truth.joint_set)
    to_truth = by_cameras(said.cameras[None], truth.world_from_cam[None])
    owner = in_world(said, known, sets[0], to_truth)
    found = np.full((len(truth.ids), *said.joints.shape[1:]), np.nan)
    found[owner[owner >= 0]] = said.joints[owner >= 0]
    mine = known.wanted
    return Step(
        sequence.name, sequence.cameras, truth.stamp_ns, truth.ids[mine], found[mine], truth.joints[mine], said.cameras, truth.world_from_cam,
        counts(owner, known), truth.joint_set, sets, to_truth, known.unknown,
        views(sequence.name, moment, said, owner, sets[0]) if shown else (),
    )  # fmt: skip  # one line each for found and told
