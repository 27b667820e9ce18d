"""Pictures: what is drawn lies where the geometry says, and what should not be drawn is not."""

from pathlib import Path

import cv2
import numpy as np

from chromm_ros.draw.overlay import DrawnMesh, draw_meshes, write_caption
from chromm_ros.draw.palette import color_of
from chromm_ros.draw.scene import DrawnBody, DrawnCamera, draw_scene

K = np.array([[100.0, 0, 80], [0, 100, 60], [0, 0, 1]])
BLACK = np.zeros((120, 160, 3), np.uint8)


def facing_square(x: float, y: float, z: float, half: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A square that looks at the camera."""
    corners = np.array([[-1, -1, 0], [-1, 1, 0], [1, 1, 0], [1, -1, 0]], np.float64) * half + [x, y, z]
    return corners, np.array([[0, 1, 2], [0, 2, 3]])


def test_a_mesh_covers_the_pixels_that_it_projects_to() -> None:
    mesh = DrawnMesh(*facing_square(0.2, -0.1, 2.0), (255, 255, 255))
    covered = draw_meshes(BLACK, [mesh], K, opacity=1.0).any(-1)
    rows, columns = np.nonzero(covered)
    assert abs(columns.mean() + 0.5 - 90) < 0.6 and abs(rows.mean() + 0.5 - 55) < 0.6
    assert abs(np.ptp(columns) - 10) <= 1 and abs(np.ptp(rows) - 10) <= 1


def test_the_nearer_mesh_hides_the_farther_whatever_the_order() -> None:
    near = DrawnMesh(*facing_square(0, 0, 1.0), (255, 0, 0))
    far = DrawnMesh(*facing_square(0, 0, 2.0, half=0.4), (0, 0, 255))
    one, other = draw_meshes(BLACK, [near, far], K, 1.0), draw_meshes(BLACK, [far, near], K, 1.0)
    assert np.array_equal(one, other)
    assert one[60, 80, 0] > 0 and one[60, 80, 2] == 0
    assert one[60, 98, 2] > 0 and one[60, 98, 0] == 0


def test_what_is_behind_the_camera_or_turned_away_is_not_drawn() -> None:
    vertices, faces = facing_square(0, 0, 2.0)
    behind = DrawnMesh(vertices * [1, 1, -1], faces, (255, 255, 255), "behind")
    away = DrawnMesh(vertices, faces[:, ::-1], (255, 255, 255))
    assert not draw_meshes(BLACK, [behind, away], K).any()
    assert np.array_equal(draw_meshes(BLACK, [], K), BLACK)


def test_the_input_image_is_left_alone() -> None:
    image = BLACK.copy()
    draw_meshes(image, [DrawnMesh(*facing_square(0, 0, 1), (255, 255, 255), "id 1")], K)
    assert not image.any()


def test_a_caption_is_added_below_in_as_many_lines_as_it_takes() -> None:
    short = write_caption(BLACK, "short")
    long = write_caption(BLACK, "a long caption that needs more than one line below an image that is not wide")
    assert short.shape[0] < long.shape[0] and short.shape[1] == long.shape[1] == 160
    assert np.array_equal(long[:120], BLACK)
    assert not long[120:, -4:].max() > 100, "no letter is cut off"
    assert long[120:].max() > 100


def test_neighbouring_people_have_colors_apart() -> None:
    colors = np.array([color_of(track) for track in range(1, 9)], np.float64)
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=-1) + 1e9 * np.eye(len(colors))
    assert apart.min() > 40


def test_the_scene_is_drawn_with_and_without_content(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vertices, faces = facing_square(0, 0, 0, half=0.5)
    camera = DrawnCamera("front", np.eye(4), K, (160, 120))
    body = DrawnBody(vertices, faces, (200, 50, 50), "1")
    points = rng.uniform(-2, 2, (500, 3)).astype(np.float32)
    full, empty = tmp_path / "pictures" / "full.png", tmp_path / "empty.png"
    draw_scene(full, points, rng.integers(0, 255, (500, 3), np.uint8), [camera], [body], "title")
    draw_scene(empty, points[:0], np.zeros((0, 3), np.uint8), [], [], "nothing")
    assert cv2.imread(str(full)).std() > cv2.imread(str(empty)).std() > 0


def test_an_outline_leaves_what_lies_below_it_to_be_seen(tmp_path: Path) -> None:
    vertices, faces = facing_square(0, 0, 0, half=0.5)
    faces = np.concatenate([faces, faces[:, ::-1]])  # to be seen from both sides
    body, camera = DrawnBody(vertices, faces, (200, 50, 50), ""), DrawnCamera("front", np.eye(4), K, (160, 120))
    true = DrawnBody(vertices, faces, (0, 0, 255), "", outline=True)
    red, blue = [], []
    for k, bodies in enumerate(([body], [true, body])):
        draw_scene(tmp_path / f"{k}.png", np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), [camera], bodies, "")
        picture = cv2.imread(str(tmp_path / f"{k}.png")).astype(int)
        red.append(int((picture[..., 2] > picture[..., 0] + 60).sum()))
        blue.append(int((picture[..., 0] > picture[..., 2] + 150).sum()))
    assert blue[0] == 0 < blue[1] and 0.9 * red[0] < red[1] < red[0]
