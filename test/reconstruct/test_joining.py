"""What lasts over many windows: worlds of cameras that stand do not drift, and known poses replace all estimates."""

from dataclasses import dataclass

import numpy as np

from chromm_ros.geometry.sim3 import Similarity, fit_poses
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.stitch import StitchConfig, Stitcher
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

Looks = list[tuple[Cameras, Statics, np.ndarray]]


@dataclass(frozen=True)
class Starting(World):
    """A rig that stands for 30 frame-sets and then drives off, 1 cm per frame-set."""

    def cameras(self, k: int) -> np.ndarray:
        poses = super().cameras(0).copy()
        poses[:, 1, 3] += 0.01 * max(0, k - 30)
        return poses


def looks(world: World, windows: int) -> Looks:
    """What windows show, with the true poses of their newest cameras."""
    found = []
    for index in range(windows):
        window, prediction = world.window(index, first=2 * index, steps=4)
        cameras = Cameras.read(window, prediction)
        found.append((cameras, Statics.read(prediction, cameras, 64), world.cameras(2 * index + 3)))
    return found


def drift(seen: Looks, **settings: float) -> tuple[float, float]:
    """Mean distance of cameras from the truth in the last five windows, and how many cameras were fixed at the end."""
    stitcher, found, health = Stitcher(StitchConfig(**settings)), [], {}
    for cameras, statics, truth in seen:
        tie = stitcher.tie(cameras, statics)
        placed, health = stitcher.place(cameras, tie, tie.scale if np.isfinite(tie.scale) else 1.0, statics)
        found.append(placed.world_from_cam[-len(truth) :])
    true = [truth for _, _, truth in seen]
    back = fit_poses(np.concatenate(found[:3]), np.concatenate(true[:3]))
    off = [np.linalg.norm(back.apply(a[:, :3, 3]) - b[:, :3, 3], axis=-1).mean() for a, b in zip(found, true, strict=True)]
    return float(np.mean(off[-5:])), health["cameras_fixed"]


def test_cameras_that_stand_are_held_and_their_world_drifts_less() -> None:
    seen = looks(World(views=2, people=1, noise=Noise(), seed=5), 20)
    (held, fixed), (free, none) = drift(seen, freeze_after=6), drift(seen, freeze_after=0)
    assert fixed == 2 and none == 0
    assert held < 0.1 and held < free


def test_cameras_that_move_are_not_held() -> None:
    assert drift(looks(World(views=2, people=1, moving=True), 10), freeze_after=4)[1] == 0


def test_a_base_that_moves_with_known_poses_replaces_what_the_network_says() -> None:
    world, chain = (
        World(views=2, people=1, rig=True, moving=True, layout="robot", noise=Noise()),
        Reconstructor(body(), ReconstructConfig()),
    )
    for index in range(4):
        result = chain.update(*world.window(index, first=2 * index))
        for step in range(4):
            np.testing.assert_allclose(result.world_from_cam[step], world.cameras(2 * index + step), atol=1e-6)
        assert 0.0 < result.health["stitch_residual_m"] < 0.2, "how far the network was off"


def test_a_rig_whose_bodies_have_another_size_raises_the_alarm() -> None:
    world, chain = World(views=4, people=3, rig=True), Reconstructor(body(), ReconstructConfig())
    window, prediction = world.window(gauge=Similarity(np.array(0.8), np.eye(3), np.zeros(3)))
    assert chain.update(window, prediction).health["scale_alarm"] == 0.0, "the rig's unit is found, and people agree"
    chain.reset()
    window, prediction = world.window()
    said = Cameras.read(window, prediction)
    assert len(said) == 16
    spoilt = vars(prediction) | {"head_position": 0.8 * prediction.head_position}  # heads too near by themselves
    assert chain.update(window, type(prediction)(**spoilt)).health["scale_alarm"] == 1.0


def test_a_rig_that_drives_off_slowly_is_followed_unless_its_cameras_are_said_to_stand() -> None:
    seen = looks(Starting(views=2, people=1), 26)
    (followed, free), (lost, _) = drift(seen), drift(seen, freeze_after=10)
    assert free == 0 and followed < 1e-3 < lost


def test_places_of_cameras_follow_where_people_correct_the_scale_late() -> None:
    """Nobody is there until all cameras are held at places seen in a wrong unit."""
    world, unit, steps, empty = World(views=3, people=2), 0.8, 2, 4
    chain = Reconstructor(body(), ReconstructConfig(stitch=StitchConfig(freeze_after=3)))
    gauge, sizes, held = Similarity(np.array(unit), np.eye(3), np.zeros(3)), [], []
    for index in range(24):
        hidden = (
            frozenset((k, v, p) for k in (index, index + 1) for v in range(3) for p in range(2)) if index < empty else frozenset()
        )
        result = chain.update(*world.window(index, first=index, steps=steps, gauge=gauge, unseen=hidden))
        centres, true = result.world_from_cam[-1, :, :3, 3], world.cameras(index + steps - 1)[:, :3, 3]
        sizes.append(np.linalg.norm(centres[0] - centres[1]) / np.linalg.norm(true[0] - true[1]))
        held.append(result.health["cameras_fixed"])
    assert held[empty - 1 :] == [3.0] * 21, "held all the time"
    assert abs(sizes[empty - 1] - unit) < 1e-3 and abs(sizes[-1] - 1.0) < 0.03
    assert abs(result.metric_scale * unit - 1.0) < 0.03
