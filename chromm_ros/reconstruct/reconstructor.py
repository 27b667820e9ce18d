"""From what the network says of a window to one world with lasting people: the chain of CHROMM at test time, as a stream.

The paper (arXiv 2603.12789) tracks, associates, fuses, and adjusts the scale last, on one closed set of images. A stream needs one
world for all windows, and thresholds in metres that mean metres. The scale is told by single sights alone, and stitching by cameras
alone, so both come first here; on exact predictions the order changes nothing.
"""

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from chromm_ros.body.skeleton import BODY_JOINTS
from chromm_ros.errors import ConfigError
from chromm_ros.reconstruct.associate import AssociationConfig, Associator
from chromm_ros.reconstruct.cameras import Cameras, estimates, pose_table
from chromm_ros.reconstruct.cloud import CloudConfig, select
from chromm_ros.reconstruct.fuse import Bodies, Decode, FusionConfig, fuse
from chromm_ros.reconstruct.intrinsics import IntrinsicsPool, reprojected
from chromm_ros.reconstruct.kinematics import Skeleton
from chromm_ros.reconstruct.level import upward
from chromm_ros.reconstruct.odd import odd_one
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.posed import pose
from chromm_ros.reconstruct.roster import Roster
from chromm_ros.reconstruct.scale import ScaleConfig, ScaleFilter, head_pelvis_ratio, is_loose, is_tight, shown
from chromm_ros.reconstruct.sound import sound
from chromm_ros.reconstruct.stitch import StitchConfig, Stitcher, only
from chromm_ros.reconstruct.tie import Tie
from chromm_ros.reconstruct.track import Tracker, TrackingConfig
from chromm_ros.records import Prediction, Reconstruction, Window
from chromm_ros.settings import Settings

NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class ReconstructConfig(Settings):
    """The settings of all steps."""

    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """Who is who over time."""
    association: AssociationConfig = field(default_factory=AssociationConfig)
    """Who is who across cameras."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """Many sights to one body."""
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    """How large the scene is."""
    stitch: StitchConfig = field(default_factory=StitchConfig)
    """Windows to one world."""
    cloud: CloudConfig = field(default_factory=CloudConfig)
    """Which points are handed on."""


class Reconstructor:
    """Makes windows whole, one after the other; what it remembers between them is bounded.

    Args:
        body: whose joints are posed.
        config: settings of all steps.
        first_id: id of the first person.
        decode: reads bodies from human tokens again, for `fusion.mode: maxpool_triangulate`; None where the network cannot.

    Raises:
        ConfigError: if the settings ask for such a decoder and there is none.
    """

    def __init__(self, body: Skeleton, config: ReconstructConfig, first_id: int = 1, *, decode: Decode | None = None) -> None:
        if config.fusion.mode == "maxpool_triangulate" and decode is None:
            raise ConfigError(
                "fusion.mode is 'maxpool_triangulate', which decodes pooled tokens again, and this network offers no decoder: "
                "choose average or average_triangulate"
            )
        self._body = body
        self._decode = decode
        self._config = config
        self._scale = ScaleFilter(config.scale)
        self._stitcher = Stitcher(config.stitch)
        self._tight = False  # whether known cameras did not tell the scale
        self._views: tuple[str, ...] | None = None
        self._intrinsics = IntrinsicsPool(config.stitch.pool_intrinsics)
        self._tracker = Tracker(config.tracking)
        self._associator = Associator(config.association)
        self._roster = Roster(config.tracking, first_id)

    def reset(self) -> None:
        """Forget the world and everybody in it; ids go on counting."""
        for part in (self._intrinsics, self._scale, self._stitcher, self._tracker, self._associator, self._roster):
            part.reset()
        self._tight, self._views = False, None

    @property
    def next_id(self) -> int:
        """The id that the next new person gets; whoever follows this reconstructor begins with it."""
        return self._roster.next_id

    def update(self, window: Window, prediction: Prediction) -> Reconstruction:
        """One window in the node's world.

        Args:
            window: frame-sets of the epoch, not older than those of the last call, of the same cameras in the same order.
            prediction: what the network says of it.

        Returns:
            People, cameras and cloud are finite whatever the prediction holds, and empty where it holds nothing.
        """
        config, stamps = self._config, tuple(s.stamp_ns for s in window.sets)
        assert self._views in {None, window.cameras}, f"cameras {window.cameras} after {self._views}: reset() first"
        self._views = window.cameras
        said = sound(prediction)
        cameras = self._intrinsics.update(Cameras.read(window, said))
        people = reprojected(cameras, People.read(said, cameras, self._body))

        # Scale and stitch: where the window's world lies in the node's, and how large it is.
        cameras, people, ratio, health = self._locate(cameras, people, Statics.read(said, cameras, config.stitch.points))
        scale, refused = self._scale.value, health["window_refused"] > 0.0
        joints = people.in_world(cameras)

        # Track: who is who from image to image of one camera.
        tracks = self._tracker.update(cameras, people, joints, max(stamps, default=None))
        alive = list(self._tracker.tracks)

        # Associate: which tracks of different cameras are one person.
        groups = self._associator.update(cameras, people, joints, tracks, alive, stamps)

        # Fuse: all sights of a person at one moment become one body.
        decode = partial(self._decode, prediction) if self._decode is not None else None
        bodies = fuse(cameras, people, groups, len(window.cameras), config.fusion, decode)
        posed = pose(bodies, self._body, stamps)
        persons, left, ids = self._roster.update(stamps, bodies, posed, tracks, cameras.view[people.frame], groups, alive)

        sight_ids = np.full(len(prediction.person_frame), -1, np.int64)
        sight_ids[people.index] = ids
        cloud = select(said, only(cameras, NONE) if refused else cameras, config.cloud)
        return Reconstruction(
            epoch=window.epoch,
            index=window.index,
            stamps_ns=stamps,
            cameras=estimates(cameras, window.cameras, len(stamps)),
            world_from_cam=pose_table(cameras, len(stamps), len(window.cameras)),
            points=cloud.points,
            colors=cloud.colors,
            confidence=cloud.confidence,
            people=persons,
            metric_scale=said.metric_scale * scale,
            scale_ratio=ratio,
            left_ids=left,
            sight_ids=sight_ids,
            health={
                **health,
                **_health(people, bodies),
                "scale": scale,
                "people_over_scale": ratio / scale if ratio > 0.0 else 1.0,
                "people_over_rig": self._scale.watched,
                "scale_alarm": float(self._scale.alarm),
                "frames_refused": float(len(said.step) - len(cameras)),
                "sights_refused": float(len(said.person_frame) - len(people)),
                "points_refused": float(cloud.refused),
                "metric_scale_refused": float(said.metric_scale != float(prediction.metric_scale)),
            },
        )

    def _locate(self, cameras: Cameras, people: People, statics: Statics) -> tuple[Cameras, People, float, dict[str, float]]:
        """The cameras in the node's world, the people with what they say of the scale, and how well all that fits.

        Of a window that cannot be meant (`Tie.absurd`) only cameras with a known or an earlier pose come back, and nobody: for those who
        are tracked it is as if they were hidden.
        """
        ratio = head_pelvis_ratio(cameras, people, self._config.scale)  # s* = r s
        odd, odd_deg = odd_one(cameras)
        upright = partial(upward, cameras, people, statics, ratio if ratio > 0.0 else 1.0)
        tie = self._stitcher.tie(cameras, statics, upright)
        believed = self._stitcher.believes(tie, self._scale.value, self._config.scale.max_ratio)
        if self._stitcher.lost:
            self._stitcher.reset()
            self._scale.reset()
            tie, believed = self._stitcher.tie(cameras, statics, upright), True
        if believed:
            cameras, health = self._stitcher.place(cameras, tie, self._metres(tie, cameras, people, statics, ratio), statics)
        else:
            health = tie.health(self._scale.value) | {"cameras_fixed": float(self._stitcher.fixed)}
            cameras, people, ratio = self._stitcher.stay(cameras), nobody(people), math.nan
        health |= {"rig_tight": float(self._tight), "window_refused": float(not believed)}
        return cameras, people, ratio, health | {"rig_odd_camera": float(odd), "rig_odd_deg": odd_deg}

    def _metres(self, tie: Tie, cameras: Cameras, people: People, statics: Statics, ratio: float) -> float:
        """Metres per unit of a window: by known poses, or by shared images and people.

        The latter where known cameras stand too close together, or the network does not see them where they are.
        """
        centres = tie.world_from_cam[tie.known, :3, 3]
        before, config = self._tight, self._config.scale
        self._tight = len(centres) > 0 and (
            is_tight(centres, people, statics, ratio, config, before=before) or is_loose(tie.strayed, config, before=before)
        )
        rig = math.isfinite(tie.told) and not self._tight
        return self._scale.update(ratio, tie.told if rig else tie.carried, rig=rig, share=shown(cameras, people))


def nobody(people: People) -> People:
    """None of them."""
    return People(**{name: values[NONE] for name, values in vars(people).items()})


def _health(people: People, bodies: Bodies) -> dict[str, float]:
    met = bodies.residual[np.isfinite(bodies.residual)]
    spread = bodies.rotation_spread[np.isfinite(bodies.rotation_spread[:, 0]), :BODY_JOINTS]
    return {
        "sights": float(len(people)),
        "bodies_triangulated": float(len(met)),
        "ray_residual_m": float(met.mean()) if len(met) else 0.0,
        "sights_astray": float((bodies.seen_by & ~bodies.used).sum()),
        "head_deviation_m": float(np.sqrt(np.trace(bodies.head_covariance, axis1=1, axis2=2)).mean())
        if len(bodies.head)
        else 0.0,
        "rotation_spread_deg": float(np.degrees(np.sqrt((spread**2).mean()))) if spread.size else 0.0,
    }
