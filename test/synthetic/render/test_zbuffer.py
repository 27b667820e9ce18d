"""The z-buffer against rays cast in float64, and what pictures must keep."""

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.camera import pixel_grid
from chromm_ros.geometry.camera import rays as pixel_rays
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.records import BodyParams
from chromm_ros.synthetic.people.puppet import Puppet
from chromm_ros.synthetic.render.draw import Drawn, draw
from chromm_ros.synthetic.render.lights import Lights
from chromm_ros.synthetic.render.material import Material, Materials, linear, srgb
from chromm_ros.synthetic.render.mesh import Mesh, Scene, merge

WIDTH, HEIGHT = 64, 48
K = np.array([[50.0, 0.0, 31.0], [0.0, 52.0, 25.0], [0.0, 0.0, 1.0]])
MATERIALS = Materials.of([Material((0.8, 0.2, 0.2)), Material((0.2, 0.3, 0.9))])
LIGHTS = Lights(
    np.full((2, 3), 0.5, np.float32), np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32), np.zeros(3, np.float32)
)


def soup(seed: int, triangles: int = 60, person: int = 0, size: float = 0.8) -> Mesh:
    """Triangles anywhere around the camera, behind it and through its plane, too."""
    rng = np.random.default_rng(seed)
    middle = np.add(rng.uniform(-3.0, 3.0, (triangles, 1, 3)), [0.0, 0.0, 2.0])
    corners = (middle + rng.uniform(-size, size, (triangles, 3, 3))).reshape(-1, 3).astype(np.float32)
    faces = np.arange(3 * triangles, dtype=np.int32).reshape(-1, 3)
    return Mesh(corners, faces, rng.integers(0, 2, triangles).astype(np.int32), corners, person)


def drawn(scene: Scene, pose: np.ndarray | None = None, supersample: int = 1) -> Drawn:
    pose = np.eye(4) if pose is None else pose
    return draw(scene, MATERIALS, LIGHTS, K[None], pose[None], WIDTH, HEIGHT, supersample)


def cast(scene: Scene, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and face at the centre of every pixel."""
    pixels = pixel_grid(WIDTH, HEIGHT).reshape(-1, 2)
    depth, face = cast_pixels(scene, pose, pixels)
    return depth.reshape(HEIGHT, WIDTH), face.reshape(HEIGHT, WIDTH)


def cast_pixels(scene: Scene, pose: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and face at pixels by brute force (Moeller and Trumbore 1997), float64; 0 and -1 where nothing is.

    Faces of people are seen from outside alone.
    """
    rays = pixel_rays(pixels, K)
    corners = se3.apply(se3.inverse(pose), scene.vertices.astype(np.float64))[scene.faces]
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(ab, ac)
    determinant = -rays @ normal.T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = -rays @ np.cross(ac, a).T / determinant, -rays @ np.cross(a, ab).T / determinant
        t = -(a * normal).sum(-1) / determinant
    outside = (normal * a).sum(-1) < 0.0
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6) & (outside | (scene.person == 0))
    depth = np.where(hit, t, np.inf)
    face = depth.argmin(axis=1)
    nearest = depth[np.arange(len(depth)), face]
    there = np.isfinite(nearest)
    return np.where(there, nearest, 0.0), np.where(there, face, -1)


@pytest.mark.parametrize("seed", range(3))
def test_depth_and_people_are_those_of_cast_rays(seed: int) -> None:
    scene = merge([soup(seed, 90, size=1.6), soup(seed + 10, 60, person=1), soup(seed + 20, 60, person=2)])
    pose = se3.compose(matrix_from_rotvec(0.5 * np.random.default_rng(seed).normal(size=3)), np.array([0.3, -0.2, 0.1]))
    picture, (depth, face) = drawn(scene, pose), cast(scene, pose)
    assert (depth > 0).mean() > 0.3 and (se3.apply(se3.inverse(pose), scene.vertices.astype(float))[:, 2] < 0).any()
    same = (picture.depth[0] > 0) == (depth > 0)
    assert (~same).sum() <= 2, "a pixel centre on an edge may fall either way"
    off = np.abs(picture.depth[0] - depth)[same & (depth > 0)]
    assert np.sort(off)[-3] < 1e-5, "a hundredth of a millimetre; edges as above"
    person = np.append(scene.person, 0)[face]
    assert (picture.person[0] != person).sum() <= 3


def test_depth_of_people_in_a_room_is_that_of_cast_rays() -> None:
    """1000 random pixels; two people in sight, one through whose arm the camera's plane goes, one behind the camera."""
    puppet = Puppet.load()
    bend, still = 0.2 * np.random.default_rng(0).normal(size=(4, 21, 3)), np.zeros((4, 3))
    places = np.array([[0.3, 0.3, 2.0], [-0.5, 0.2, 2.6], [0.8, 0.3, 0.1], [0.0, 0.0, -2.0]])
    upright = np.tile([np.pi, 0.0, 0.0], (4, 1))  # the world of this test has the camera's axes: y down
    people = BodyParams(
        upright, bend, np.zeros((4, 15, 3)), np.zeros((4, 15, 3)), still, still, still,
        np.zeros((4, 10)), np.zeros((4, 10)), places,
    )  # fmt: skip  # root, joints, hands, face, shape, place
    vertices, _ = puppet.pose(people)
    one = np.zeros(len(puppet.faces), np.int32)
    scene = merge([room(), *(puppet.mesh(vertices[k], one, k + 1) for k in range(4))])
    assert vertices[2, :, 2].min() < 0.0 < vertices[2, :, 2].max() and vertices[3, :, 2].max() < 0.0
    picture = drawn(scene)
    rng = np.random.default_rng(1)
    row, column = rng.integers(0, HEIGHT, 1000), rng.integers(0, WIDTH, 1000)
    parts = [cast_pixels(scene, np.eye(4), part + 0.5) for part in np.array_split(np.stack([column, row], -1), 20)]
    depth, face = (np.concatenate(values) for values in zip(*parts, strict=True))
    seen = picture.person[0][row, column]
    np.testing.assert_array_equal(seen, scene.person[face])
    assert all((seen == k).sum() > 20 for k in (0, 1, 2)) and not (seen == 4).any()
    np.testing.assert_allclose(picture.depth[0][row, column], depth, atol=1e-5, rtol=0.0)


def room() -> Mesh:
    """The inside of a box around the camera."""
    corners = np.array([[x, y, z] for x in (-2.0, 2.5) for y in (-1.3, 1.6) for z in (-3.0, 4.0)], np.float32)
    sides = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    faces = np.array([half for a, b, c, d in sides for half in ((a, b, c), (a, c, d))], np.int32)
    return Mesh(corners, faces, np.ones(12, np.int32), corners)


def test_a_wall_through_the_camera_is_cut_at_its_plane() -> None:
    corners = np.array([[-5.0, 0.5, -4.0], [5.0, 0.5, -4.0], [5.0, 0.5, 9.0], [-5.0, 0.5, 9.0]], np.float32)
    wall = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.zeros(2, np.int32), corners)
    depth = drawn(merge([wall])).depth[0]
    row = np.arange(HEIGHT) + 0.5
    truth = np.where(row > K[1, 2], 0.5 * K[1, 1] / np.maximum(row - K[1, 2], 1e-9), 0.0)
    middle = depth[:, WIDTH // 2]
    near = (truth > 0) & (truth < 9.0)
    np.testing.assert_allclose(middle[near], truth[near], rtol=1e-6)
    assert (middle[~near] == 0.0).all()


def test_nobody_behind_the_camera_is_seen_and_no_faces_give_an_empty_picture() -> None:
    behind = soup(1, 20, person=1)
    behind = Mesh(behind.vertices - np.float32([0, 0, 30]), behind.faces, behind.material, behind.rest, 1)
    assert not drawn(merge([behind])).depth.any() and not drawn(merge([behind])).person.any()
    assert not drawn(merge([])).depth.any()


def test_shared_edges_leave_no_hole() -> None:
    """A fan of triangles over all of the image: every pixel is hit, wherever the middle lies."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rim = np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 40, endpoint=False)), np.sin(t), 0 * t], -1) * 9.0
        corners = np.vstack([rng.uniform(-0.5, 0.5, (1, 3)), rim]).astype(np.float32) + np.float32([0, 0, 3])
        k = np.arange(40)
        faces = np.stack([0 * k, 1 + k, 1 + (k + 1) % 40], -1).astype(np.int32)
        fan = Mesh(corners, faces, np.zeros(40, np.int32), corners)
        assert (drawn(merge([fan])).depth > 0).all()


def test_the_same_scene_gives_the_same_bytes_and_more_samples_the_same_depth() -> None:
    scene = merge([soup(4), soup(5, person=1)])
    first, again, fine = drawn(scene), drawn(scene), drawn(scene, supersample=2)
    for name in ("images", "depth", "person"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.depth, fine.depth)
    np.testing.assert_array_equal(first.person, fine.person)
    assert (first.images != fine.images).any()


def test_colours_go_to_linear_light_and_back() -> None:
    values = np.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(srgb(linear(values)), values, atol=1e-12)
    assert linear(np.array([0.5]))[0] == pytest.approx(0.2140, abs=1e-4)
