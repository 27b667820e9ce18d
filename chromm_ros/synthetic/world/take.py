"""A take: one room, its people and its cameras, at any moment; everything follows from one seed."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from chromm_ros.body.skeleton import HEAD
from chromm_ros.data.moment import Moment
from chromm_ros.geometry import se3
from chromm_ros.records import BodyParams
from chromm_ros.settings import Settings, setting
from chromm_ros.synthetic import held_out
from chromm_ros.synthetic.people.clothes import MODES, dress
from chromm_ros.synthetic.people.puppet import Part, Puppet
from chromm_ros.synthetic.render.draw import Drawn, draw
from chromm_ros.synthetic.render.lens import PhotoOptions, distort, expose, pinhole_for
from chromm_ros.synthetic.render.material import Materials
from chromm_ros.synthetic.render.mesh import Mesh, Scene, merge
from chromm_ros.synthetic.world.crowd import Crowd, gather
from chromm_ros.synthetic.world.rig import KINDS, mounted
from chromm_ros.synthetic.world.room import Room, decorated, lit
from chromm_ros.synthetic.world.visibility import seen_shares

UNIFORMS = 0.25
"""Share of uniforms among `mixed` clothes that are no suits."""


@dataclass(frozen=True)
class TakeOptions(Settings):
    """What takes are made of."""

    views: int = setting(4, "cameras", at_least=1, at_most=16)
    people_min: int = setting(1, "fewest people", at_least=0, at_most=6)
    people_max: int = setting(6, "most people", at_least=0, at_most=6)
    width: int = setting(224, "of all images [pixels]", at_least=16)
    height: int = setting(168, "of all images [pixels]", at_least=16)
    supersample: int = setting(1, "samples of a pixel's colour along each side", at_least=1, at_most=4)
    clothes: str = setting("mixed", "what people wear", choices=("mixed", *MODES))
    suits: float = setting(0.6, "share of takes in suits where clothes are mixed", at_least=0.0, at_most=1.0)
    rig: str = setting("mixed", "where cameras are", choices=("mixed", *KINDS))
    fov_min_deg: float = setting(45.0, "smallest angle over the width [degrees]", at_least=20.0, at_most=120.0)
    fov_max_deg: float = setting(110.0, "largest angle over the width [degrees]", at_least=20.0, at_most=120.0)
    distortion: float = setting(0.0, "largest k1 of the lenses, without sign; 0: pinholes", at_least=0.0, at_most=0.4)
    photo: bool = setting(default=True, doc="exposure, colour cast, blur, noise and JPEG as real cameras have them")
    effects: PhotoOptions = field(default_factory=PhotoOptions)
    """How strong."""


class Take:
    """One take.

    Args:
        seed: of everything; from `held_out.FIRST` on it is a test's.
        options: what it is made of.
    """

    def __init__(self, seed: int, options: TakeOptions) -> None:
        self.seed, self.options = seed, options
        rng = np.random.default_rng([seed, 70])
        self._puppet = Puppet.load()
        room = Room.arranged(held_out.arrangement(seed, rng))
        things = 1 + max((box.thing for box in room.boxes), default=-1)
        count = int(rng.integers(options.people_min, max(options.people_min, options.people_max) + 1))
        betas = rng.normal(0.0, 0.8, (count, 10)).clip(-2.0, 2.0)
        rests, soles = self._at_rest(betas)
        self.crowd: Crowd = gather(seed, room, count, rests, soles, betas, rng, things)
        self.room = replace(room, boxes=room.boxes + self.crowd.seats)
        people = len(self.crowd.walkers)
        mode = options.clothes
        if mode == "mixed":
            suits, rest = options.suits, 1.0 - options.suits
            mode = str(rng.choice(["suits", "uniforms", "naturalistic"], p=[suits, UNIFORMS * rest, (1.0 - UNIFORMS) * rest]))
        self.clothes = mode
        """One of `clothes.MODES`."""
        self._outfits = dress(mode, people, rng, self._puppet)
        decoration = decorated(things + len(self.crowd.seats) // 2, rng)
        self._materials = Materials.of(decoration, *(outfit.materials for outfit in self._outfits))
        self._first = np.cumsum([len(decoration), *(len(outfit.materials) for outfit in self._outfits)])
        self._room_meshes: list[Mesh] = self.room.meshes()
        self._lights = lit(room.size, rng)
        places = self.crowd.tracks[:, ::10].reshape(-1, 2)
        places = places[room.inside(places)]
        self.rig_kind = str(rng.choice(KINDS, p=[0.6, 0.25, 0.15])) if options.rig == "mixed" else options.rig
        """One of `rig.KINDS`."""
        self._rig = mounted(self.rig_kind, options.views, self.room, places, rng)
        middle = places.mean(axis=0) if len(places) else np.zeros(2)
        away = np.linalg.norm(self._rig.at(0.0)[:, :2, 3] - middle, axis=-1)
        self.intrinsics, self.distortion = _lenses(options, away, rng)
        """Of all cameras, for the whole take."""

    @property
    def moves(self) -> bool:
        """Whether the cameras move."""
        return bool(self._rig.velocity.any()) or self._rig.turn != 0.0

    def at(self, t: float) -> Moment:
        """What is true, and seen, after `t` seconds; ways are free of one another for `crowd.LASTS_S`."""
        world_from_cam = self._rig.at(t)
        body = self.bodies(t)
        present = ~self.room.behind(body.transl[:, :2].astype(np.float64))
        body = BodyParams(**{name: value[present] for name, value in vars(body).items()})
        ids = np.flatnonzero(present)
        vertices, joints = self._puppet.pose(body)
        people = [
            self._puppet.mesh(vertices[k], self._outfits[i].face + np.int32(self._first[i]), k + 1) for k, i in enumerate(ids)
        ]
        drawn = self._drawn(merge([*self._room_meshes, *people]), world_from_cam)
        images = drawn.images
        if self.options.photo:
            moment = np.random.default_rng([self.seed, 74, round(t * 1e6)])
            images = expose(images, np.random.default_rng([self.seed, 73]), moment, self.options.effects)
        cam_from_world = np.ascontiguousarray(se3.inverse(world_from_cam))
        pixels = self._project(joints[:, [HEAD, 0]].astype(np.float64), cam_from_world)
        head = self._puppet.part == Part.HEAD
        visible, head_visible = seen_shares(
            vertices, self._puppet.faces, head, cam_from_world, self.intrinsics, self.distortion, drawn.person
        )
        counts = np.stack([np.bincount(view.ravel(), minlength=len(ids) + 1)[1:] for view in drawn.person])
        return Moment(
            stamp_ns=round(t * 1e9),
            images=images,
            depth=drawn.depth,
            person=drawn.person,
            intrinsics=self.intrinsics,
            distortion=self.distortion,
            world_from_cam=world_from_cam,
            ids=ids.astype(np.int64),
            body=body,
            joints=joints.astype(np.float64),
            visible=visible,
            head_visible=head_visible,
            pixels=counts.astype(np.int64).reshape(len(drawn.person), len(ids)),
            head_pixel=pixels[:, :, 0],
            pelvis_pixel=pixels[:, :, 1],
        )

    def _at_rest(self, betas: Float64[np.ndarray, "P 10"]) -> tuple[Float64[np.ndarray, "P 55 3"], Float64[np.ndarray, "P"]]:
        """Joints at rest, and how high the ankles are over the lowest point of the feet."""
        vertices, joints = self._puppet.pose(_params(np.zeros((len(betas), 55, 3)), betas, np.zeros((len(betas), 3))))
        return joints.astype(np.float64), joints[:, 7, 1].astype(np.float64) - vertices[..., 1].min(axis=1, initial=np.inf)

    def bodies(self, t: float) -> BodyParams:
        """Everybody of the take, in the corridor or not."""
        poses = [walker.pose(t) for walker in self.crowd.walkers]
        turns = np.array([turn for turn, _ in poses]).reshape(-1, 55, 3)
        pelvis = np.array([place for _, place in poses]).reshape(-1, 3)
        roots = np.array([walker.rest[0] for walker in self.crowd.walkers]).reshape(-1, 3)
        return _params(turns, self.crowd.betas, pelvis - roots)

    def _drawn(self, scene: Scene, world_from_cam: Float64[np.ndarray, "V 4 4"]) -> Drawn:
        options = self.options
        size = (options.width, options.height)
        if not self.distortion.any():
            return draw(scene, self._materials, self._lights, self.intrinsics, world_from_cam, *size, options.supersample)
        pinhole, width, height = pinhole_for(self.intrinsics, self.distortion, *size)
        wide = draw(scene, self._materials, self._lights, pinhole, world_from_cam, width, height, options.supersample)
        return distort(wide, pinhole, self.intrinsics, self.distortion, *size)

    def _project(
        self, points: Float64[np.ndarray, "P N 3"], cam_from_world: Float64[np.ndarray, "V 4 4"]
    ) -> Float64[np.ndarray, "V P N 2"]:
        """Pixels of points, lenses included; NaN behind the camera."""
        there = se3.apply(cam_from_world, points.reshape(1, -1, 3)).reshape(len(cam_from_world), *points.shape)
        ahead = there[..., 2] > 1e-3
        xy = there[..., :2] / np.where(ahead, there[..., 2], np.nan)[..., None]
        xy = bend(xy, self.distortion[:, None, None])
        k = self.intrinsics[:, None, None]
        return np.stack([k[..., 0, 0] * xy[..., 0] + k[..., 0, 2], k[..., 1, 1] * xy[..., 1] + k[..., 1, 2]], axis=-1)


def bend(xy: Float64[np.ndarray, "*B 2"], distortion: Float64[np.ndarray, "*#B 5"]) -> Float64[np.ndarray, "*B 2"]:
    """Where a `plumb_bob` lens puts normalised image points (OpenCV's model)."""
    k1, k2, p1, p2, k3 = (distortion[..., i] for i in range(5))
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x), y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y], -1
    )


def _params(
    turns: Float64[np.ndarray, "P 55 3"], betas: Float64[np.ndarray, "P 10"], transl: Float64[np.ndarray, "P 3"]
) -> BodyParams:
    """Parameters from axis-angle vectors in SMPL-X's order."""
    pose = turns.astype(np.float32)
    return BodyParams(
        global_orient=pose[:, 0], body_pose=pose[:, 1:22], jaw_pose=pose[:, 22], leye_pose=pose[:, 23], reye_pose=pose[:, 24],
        left_hand_pose=pose[:, 25:40], right_hand_pose=pose[:, 40:55], betas=betas.astype(np.float32),
        expression=np.zeros((len(pose), 10), np.float32), transl=transl.astype(np.float32),
    )  # fmt: skip  # SMPL-X's own order


def _lenses(
    options: TakeOptions, away: Float64[np.ndarray, "V"], rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 5"]]:
    """Lenses that show a person `away` metres off a third to nine tenths of the image high, as far as the limits allow.

    Half of the takes have one kind of camera, the others one each.
    """
    views = options.views
    tall = rng.uniform(0.33, 0.9, views)
    focal = tall * options.height * np.maximum(away, 1.0) / 1.7
    if rng.random() < 0.5:
        focal = np.full(views, np.median(focal))
    widest, narrowest = (
        options.width / 2.0 / np.tan(np.radians(fov) / 2.0) for fov in (options.fov_max_deg, options.fov_min_deg)
    )
    k = np.tile(np.eye(3), (views, 1, 1))
    k[:, 0, 0] = k[:, 1, 1] = np.clip(focal, widest, max(widest, narrowest))
    k[:, :2, 2] = np.array([options.width, options.height]) * (0.5 + rng.normal(0.0, 0.01, (views, 2)))
    distortion = np.zeros((views, 5))
    distortion[:, 0] = rng.uniform(-1.0, 0.5, views) * options.distortion
    distortion[:, 1] = -0.2 * distortion[:, 0]
    return k, distortion
