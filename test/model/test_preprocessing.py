"""Resizing and padding carry pixels, intrinsics and depths along."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model.worlds import image, window, with_frame, without

from chromm_ros.model.inputs import InputMaker, human_from_image, letterbox, resize, scene_from_image, scene_size

SIDES = st.integers(20, 3000)


@given(SIDES, SIDES, st.integers(196, 300000))
def test_scene_size_is_a_multiple_of_14_within_the_limit(width: int, height: int, pixels: int) -> None:
    new_width, new_height = scene_size(width, height, pixels)
    assert new_width % 14 == new_height % 14 == 0
    assert new_width > 0
    assert new_height > 0
    longest = max(new_width, new_height)
    assert new_width * new_height <= pixels or min(new_width, new_height) == 14, (longest, pixels)


@given(SIDES, SIDES, st.sampled_from([98, 224, 896]))
def test_letterbox_fills_the_square_in_one_direction(width: int, height: int, side: int) -> None:
    new_width, new_height, left, top = letterbox(width, height, side)
    assert max(new_width, new_height) == side
    assert 0 <= left <= left + new_width <= side
    assert 0 <= top <= top + new_height <= side
    assert abs(2 * left + new_width - side) <= 1
    assert abs(2 * top + new_height - side) <= 1


@pytest.mark.parametrize(("width", "height"), [(640, 480), (272, 480), (1920, 1080), (301, 300)])
@pytest.mark.parametrize("kind", ["scene", "human"])
@pytest.mark.parametrize("exact", [True, False])
def test_a_spot_lands_where_the_matrix_says(width: int, height: int, kind: str, exact: bool) -> None:
    """A bright blob is drawn in the original; its centre of mass in the input must be its centre moved by the matrix."""
    centre = np.array((0.7 * width, 0.3 * height))
    v, u = np.mgrid[:height, :width] + 0.5
    blob = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * (width / 20) ** 2))
    picture = torch.from_numpy(np.repeat((255 * blob)[None], 3, 0).astype(np.uint8))
    if kind == "scene":
        new_width, new_height = scene_size(width, height, 21168)
        matrix, left, top = scene_from_image(width, height, new_width, new_height), 0, 0
        moved = resize(picture, new_width, new_height, "lanczos", exact=exact)
    else:
        new_width, new_height, left, top = letterbox(width, height, 224)
        matrix = human_from_image(width, height, 224)
        moved = resize(picture, new_width, new_height, "bicubic", exact=exact)
    weight = moved[0].double().numpy()
    row, column = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    found = np.array(((column * weight).sum(), (row * weight).sum())) / weight.sum() + (left, top)
    assert np.allclose(found, matrix[:2, :2] @ centre + matrix[:2, 2], atol=0.1)


@settings(max_examples=30, deadline=None)
@given(st.tuples(SIDES, SIDES), st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(1, 9)))
def test_intrinsics_go_with_the_pixels(size: tuple[int, int], point: tuple[float, float, float]) -> None:
    intrinsics = np.array(((900.0, 0, size[0] / 2 + 3), (0, 880.0, size[1] / 2 - 5), (0, 0, 1)))
    pixel = intrinsics @ np.array(point) / point[2]
    for matrix in (scene_from_image(*size, 168, 126), human_from_image(*size, 224)):
        directly = matrix @ intrinsics @ np.array(point) / point[2]
        assert np.allclose(directly, matrix @ pixel)


def test_only_frames_that_are_present_by_step_then_camera() -> None:
    batch = InputMaker(21168, 224, exact=False)(without(window([(64, 48)] * 3, 2), (0, 1), (1, 2)))
    assert batch.views.step.tolist() == [0, 0, 1, 1]
    assert batch.views.view.tolist() == [0, 2, 0, 1]
    assert [frame.camera for frame in batch.frames] == ["cam0", "cam2", "cam0", "cam1"]


def test_the_first_camera_that_is_present_sets_the_size() -> None:
    make = InputMaker(21168, 224, exact=False)
    mixed = window([(640, 480), (270, 480)], 2)
    assert make(mixed).scene_images.shape[2:] == (126, 168)
    assert make(without(mixed, (0, 0))).scene_images.shape[2:] == (126, 168), "a hole in the first step changes nothing"
    assert make(without(mixed, (0, 0), (1, 0))).scene_images.shape[2:] == (196, 98)


def test_borders_are_black_and_images_in_the_middle() -> None:
    human = InputMaker(21168, 224, exact=False)(window([(640, 480)], 1)).human_images[0]
    assert not human[:, :28].any()
    assert not human[:, -28:].any()
    assert human[:, 28:-28].float().mean() > 50


def test_what_is_known_is_marked_and_the_rest_is_harmless() -> None:
    intrinsics = np.array(((500.0, 0, 32), (0, 500, 24), (0, 0, 1)), np.float32)
    pose = np.eye(4, dtype=np.float32)
    pose[:3, 3] = (100, 200, 5)
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, :32] = np.nan
    source = with_frame(window([(64, 48)] * 2, 1), 0, 1, intrinsics=intrinsics, world_from_cam=pose, depth=depth)
    views = InputMaker(21168, 224, exact=False)(source).views
    for mask in (views.intrinsics_known, views.pose_known, views.depth_known):
        assert mask.tolist() == [False, True]
    assert torch.equal(views.world_from_cam[0], views.world_from_cam[1]), "an unknown pose must not stretch the scene"
    assert views.depth is not None
    assert not views.depth[0].any()
    assert not views.depth[1, :, :80].any()
    assert (views.depth[1, :, 90:] == 2).all()
    conditions = views.conditions()
    assert conditions.intrinsics is not None
    scale = views.scene_from_image[1].diagonal()
    assert torch.allclose(conditions.intrinsics[0, 1], scale[:, None] * torch.from_numpy(intrinsics))


def made_depth(depth: np.ndarray) -> np.ndarray:
    """As the scene branch gets it, at 42 x 28."""
    source = window([(126, 84)], 1, depth=depth.astype(np.float32))
    made = InputMaker(42 * 28, 112, exact=False)(source).views.depth
    assert made is not None
    return made[0].numpy()


@pytest.mark.parametrize("times", [1 / 3, 1, 5 / 3, 3, 4, 5])
@pytest.mark.parametrize("axis", [0, 1])
def test_depth_lies_where_the_rays_go(times: float, axis: int) -> None:
    """Each pixel takes the source pixel that its centre falls in, so a ramp is off by half a source pixel at most."""
    shape = (round(28 * times), round(42 * times))
    ramp = np.indices(shape)[1 - axis] + 0.5
    expected = (np.indices((28, 42))[1 - axis] + 0.5) * shape[1 - axis] / (28, 42)[1 - axis]
    error = made_depth(ramp) - expected
    assert np.abs(error).max() <= 0.5 + 1e-5
    if times in {1, 3, 5}:
        assert not error.any(), "a centre falls on a centre"


def test_depth_is_never_mixed_across_a_step() -> None:
    step = np.where(np.indices((101, 151))[1] < 76, 1.0, 9.0)
    assert np.unique(made_depth(step)).tolist() == [1, 9]


def test_far_from_the_origin_poses_keep_their_baseline() -> None:
    """UTM: half a metre would be one step of float32."""
    utm, told = np.eye(4), window([(64, 48)] * 3, 1)
    utm[:2, 3] = 691_607.123, 5_334_760.377
    cam0_from_cam1 = np.eye(4)
    cam0_from_cam1[:3, 3] = 0.37, 0.11, -0.02
    world_from_cam0 = utm @ np.array(((0.0, 0, 1, 0), (-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, 0, 1)))
    for view, pose in ((1, world_from_cam0), (2, world_from_cam0 @ cam0_from_cam1)):
        told = with_frame(told, 0, view, world_from_cam=pose)
    poses = InputMaker(21168, 224, exact=False)(told).views.conditions().poses
    assert poses is not None
    np.testing.assert_allclose(poses[0, 2].inverse(), np.linalg.inv(cam0_from_cam1), atol=1e-6)
    assert torch.equal(poses[0, :2], torch.eye(4).expand(2, 4, 4)), "relative to the first that is known; unknown ones lie there"


def test_a_frame_is_resized_once_while_it_stays_in_the_window() -> None:
    make = InputMaker(21168, 224, exact=False)
    whole = window([(64, 48)], 3)
    first = make(whole)
    kept = {id(entry.scene): entry for entry in make._ready.values()}
    again = make(whole)
    assert {id(entry.scene) for entry in make._ready.values()} == set(kept)
    assert torch.equal(first.scene_images, again.scene_images)


def test_what_was_made_of_a_frame_goes_with_it() -> None:
    make, source = InputMaker(21168, 224, exact=False), window([(64, 48)], 3)
    make(source)
    source = replace(source, sets=source.sets[1:])
    assert len(make._ready) == 2
    del source
    assert not make._ready


def test_a_new_frame_at_the_address_of_an_old_one_is_seen_anew() -> None:
    make = InputMaker(21168, 224, exact=False)
    old, new = (with_frame(window([(64, 48)], 1), 0, 0, image=image(64, 48, seed)) for seed in (1, 2))
    make(old)
    frame = new.sets[0].frames[0]
    ((_, *size), entry) = make._ready.popitem()
    make._ready[(id(frame), size[0], size[1])] = entry  # as if the new frame had been given the old one's address
    fresh = InputMaker(21168, 224, exact=False)(new).scene_images
    assert torch.equal(make(new).scene_images, fresh)


def test_the_same_frame_twice_in_a_window() -> None:
    source = window([(64, 48)], 1)
    frame = source.sets[0].frames[0]
    twice = with_frame(window([(64, 48)] * 2, 1), 0, 0)
    object.__setattr__(twice.sets[0], "frames", (frame, frame))
    assert len(InputMaker(21168, 224, exact=False)(twice).scene_images) == 2
