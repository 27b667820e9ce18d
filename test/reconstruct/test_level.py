"""Up, as people and the floor tell it."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import geodesic_angle, matrix_from_rotvec
from chromm_ros.geometry.sim3 import Similarity
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.level import TILT, by_floor, by_people, upward, world_from_first
from chromm_ros.reconstruct.overlap import Statics
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

GAUGE = Similarity(np.array(0.5), matrix_from_rotvec(np.array([0.3, -1.0, 0.5])), np.array([3.0, -2.0, 1.0]))
UP = GAUGE.rotation @ [0.0, 0.0, 1.0]


def sights(world: World) -> tuple[Cameras, People, Statics]:
    window, prediction = world.window(gauge=GAUGE)
    cameras = Cameras.read(window, prediction)
    return cameras, People.read(prediction, cameras, body()), Statics.read(prediction, cameras, 64)


def degrees(a: np.ndarray | None, b: np.ndarray) -> float:
    assert a is not None
    return float(np.degrees(np.arccos(np.clip(a @ b, -1.0, 1.0))))


def nobody(people: People) -> People:
    return People(**{name: value[:0] for name, value in vars(people).items()})


def test_people_are_upright_and_the_floor_is_flat() -> None:
    cameras, people, statics = sights(World(people=4))
    assert degrees(by_people(cameras, people), UP) < 18.0  # four people who lean as they like
    assert degrees(upward(cameras, people, statics, 2.0), UP) < 0.5


def test_one_who_lies_and_one_upside_down_do_not_tilt_the_world() -> None:
    cameras, people, _ = sights(World(people=5))
    offsets = people.offsets.copy()
    offsets[::5] = -offsets[::5]
    assert degrees(by_people(cameras, replace(people, offsets=offsets)), UP) < 18.0


def test_people_who_sit_do_not_tell() -> None:
    cameras, people, _ = sights(World(people=2))
    offsets = people.offsets.copy()
    offsets[:, [4, 5, 7, 8]] += 0.5 * np.linalg.norm(offsets[:, 0], axis=-1)[:, None, None] * [0.0, 0.0, 3.0]  # knees far forward
    assert by_people(cameras, replace(people, offsets=offsets)) is None


def test_a_lonely_level_camera_is_corrected_by_the_floor() -> None:
    cameras, people, statics = sights(World(people=0))
    assert by_people(cameras, people) is None
    assert degrees(upward(cameras, people, statics, 2.0), UP) < 0.5


def test_nothing_tells_nothing() -> None:
    cameras, people, statics = sights(World(people=1))
    empty = replace(statics, weight=0.0 * statics.weight)
    assert upward(cameras, nobody(people), empty, 1.0) is None
    none = Cameras.read(*World(views=1).window(missing=frozenset((k, 0) for k in range(4))))
    assert upward(none, nobody(people), Statics(np.zeros((0, 4, 3)), np.zeros((0, 4))), 1.0) is None


@pytest.mark.parametrize(("told", "most"), [("people", 20.0), ("camera", 30.0)])
def test_a_slope_is_a_floor_only_as_long_as_it_lies_about_across_what_is_told(told: str, most: float) -> None:
    """A ramp is not the floor: people bound its slope more narrowly than a camera that is only taken to stand level."""
    cameras, people, statics = sights(World(people=4))
    people = people if told == "people" else nobody(people)
    guess = by_people(cameras, people) if told == "people" else -cameras.world_from_cam[0, :3, 1]
    assert guess is not None
    side = np.cross(guess, np.eye(3)[np.abs(guess).argmin()])
    flat = np.random.default_rng(0).uniform(-3.0, 3.0, statics.points.shape)
    for angle in (most - 2.0, most + 2.0):
        normal = matrix_from_rotvec(np.radians(angle) * side / np.linalg.norm(side)) @ guess
        plane = flat - (flat @ normal)[..., None] * normal
        sloped = replace(
            statics,
            points=se3.apply(se3.inverse(cameras.world_from_cam), plane),
            weight=np.ones_like(statics.weight),
        )
        up = upward(cameras, people, sloped, 1.0)
        if angle < most:
            assert degrees(up, normal) < 0.1
        else:
            assert (up is None) if told == "camera" else degrees(up, guess) < 1e-3
    assert TILT["people"] == pytest.approx(np.cos(np.radians(20.0))) and TILT["camera"] == pytest.approx(np.cos(np.radians(30.0)))


@pytest.mark.parametrize("kind", ["wall", "ball", "line", "one point"])
def test_what_is_no_floor_is_refused(kind: str) -> None:
    rng = np.random.default_rng(0)
    points = {
        "wall": rng.uniform(-3.0, 3.0, (400, 3)) * [1.0, 0.01, 1.0],
        "ball": 2.0 * rng.normal(size=(400, 3)),
        "line": rng.uniform(-3.0, 3.0, (400, 1)) * [1.0, 0.0, 0.0],
        "one point": np.zeros((400, 3)),
    }[kind]
    assert by_floor(points, np.array([0.0, 0.0, 1.0]), 0.95) is None


def test_a_camera_that_looks_straight_down_or_up_begins_a_world_too() -> None:
    for down in (1.0, -1.0):
        pose = np.eye(4)
        up = np.array([0.0, 0.0, -down])
        start = world_from_first(pose, up)
        np.testing.assert_allclose(start[:3, :3] @ up, [0.0, 0.0, 1.0], atol=1e-12)
        assert np.linalg.det(start[:3, :3]) == pytest.approx(1.0) and not start[:3, 3].any()


def test_a_world_begins_upright_and_does_not_wobble() -> None:
    world, ups = World(people=4), []
    chain = Reconstructor(body(), ReconstructConfig())
    for index in range(3):
        result = chain.update(*world.window(index, first=index, gauge=GAUGE))
        ups.append(result.world_from_cam[0, 0, :3, :3] @ world.camera(0, index)[:3, :3].T @ [0.0, 0.0, 1.0])
        assert degrees(ups[-1], np.array([0.0, 0.0, 1.0])) < 0.5
    assert max(degrees(up, ups[0]) for up in ups) < 1e-3
    ahead = result.world_from_cam[0, 0, :3, 2]
    assert ahead[0] == pytest.approx(0.0, abs=1e-6) and ahead[1] > 0.5, "it begins looking along y"


def test_a_level_camera_gets_the_level_pose() -> None:
    pose = Cameras.read(*World().window()).world_from_cam[0]
    start = world_from_first(pose, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(start[2, :3], pose[2, :3], atol=1e-9)
    assert geodesic_angle(start[:3, :3], pose[:3, :3]) <= np.pi
