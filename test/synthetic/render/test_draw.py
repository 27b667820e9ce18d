"""The z-buffer against rays cast in float64, and what pictures must keep."""

import numpy as np
import pytest

from chromm_ros.geometry import se3
from chromm_ros.geometry.rotation import matrix_from_rotvec
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
    """Depth and face at the centre of every pixel by brute force (Moeller and Trumbore 1997), float64; 0 and -1 where nothing is.

    Faces of people are seen from outside alone.
    """
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack([(column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1], np.ones_like(column)], -1).reshape(-1, 1, 3)
    corners = se3.apply(se3.inverse(pose), scene.vertices.astype(np.float64))[scene.faces]
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    cross = np.cross(rays, ac)
    determinant = (ab * cross).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (-a * cross).sum(-1) / determinant
        other = np.cross(-a, ab)
        v = (rays * other).sum(-1) / determinant
        t = (ac * other).sum(-1) / determinant
    outside = (np.cross(ab, ac) * a).sum(-1) < 0.0
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6) & (outside | (scene.person == 0))
    depth = np.where(hit, t, np.inf)
    face = depth.argmin(axis=1)
    nearest = depth[np.arange(len(depth)), face]
    there = np.isfinite(nearest)
    return np.where(there, nearest, 0.0).reshape(HEIGHT, WIDTH), np.where(there, face, -1).reshape(HEIGHT, WIDTH)


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
