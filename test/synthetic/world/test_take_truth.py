"""What a take says of a moment agrees with what its cameras see."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.data.moment import Moment
from chromm_ros.geometry import se3
from chromm_ros.synthetic.people.puppet import Puppet
from chromm_ros.synthetic.world.take import Take, TakeOptions

OPTIONS = TakeOptions(views=4, people_min=2, photo=False, clothes="suits")
SEEDS = (3, 4, 7)


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    return [Take(seed, OPTIONS).at(2.0) for seed in SEEDS]


def in_camera(moment: Moment, view: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of those points that are in the image, as whole pixels, with -1 for the others; depths."""
    there = se3.apply(se3.inverse(moment.world_from_cam[view]), points.reshape(-1, 3))
    pixel = there @ moment.intrinsics[view].T
    place = np.floor(pixel[:, :2] / pixel[:, 2:]).astype(int)
    height, width = moment.depth.shape[1:]
    inside = (there[:, 2] > 0.1) & (place >= 1).all(axis=1) & (place < [width - 1, height - 1]).all(axis=1)
    return np.where(inside[:, None], place, -1), there[:, 2]


def test_a_joint_in_the_image_lies_on_its_person_or_behind_something(moments: list[Moment]) -> None:
    count = 0
    for moment in moments:
        for view, person in np.ndindex(moment.visible.shape):
            pixel, depth = in_camera(moment, view, moment.joints[person, :22])
            for (x, y), z in zip(pixel, depth, strict=True):
                if x < 0:
                    continue
                around = np.s_[view, y - 1 : y + 2, x - 1 : x + 2]
                assert (moment.person[around] == person + 1).any() or moment.depth[around].min() < z
                count += 1
    assert count > 300


def test_nothing_is_seen_behind_a_vertex_and_those_in_sight_have_its_depth(moments: list[Moment]) -> None:
    """The pixel of a vertex shows the vertex or what is before it; at the middle of a body it is the surface itself."""
    for moment in moments:
        vertices, _ = Puppet.load().pose(moment.body)
        for view, person in np.ndindex(moment.visible.shape):
            pixel, depth = in_camera(moment, view, vertices[person].astype(np.float64))
            pixel, depth = pixel[pixel[:, 0] >= 0], depth[pixel[:, 0] >= 0]
            x, y = pixel.T
            around = np.min([moment.depth[view, y + j, x + i] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
            assert (around >= 1.02 * depth).sum() <= 0.01 * len(depth) + 1  # a finger may pass between the middles of pixels
            if moment.visible[view, person] > 0.9 and len(depth) > 500:
                seen = (moment.person[view, y, x] == person + 1) & (np.abs(moment.depth[view, y, x] - depth) < 0.02)
                assert seen.mean() > 0.15  # the other side of the body is hidden by this one


def test_shares_and_pixels_agree_with_the_map_of_people(moments: list[Moment]) -> None:
    for moment in moments:
        for view, person in np.ndindex(moment.visible.shape):
            shown = moment.person[view] == person + 1
            assert moment.pixels[view, person] == shown.sum()
            assert (moment.depth[view][shown] > 0.0).all()
            if moment.visible[view, person] > 0.9:
                assert shown.sum() > 50
            if not shown.any():
                assert moment.visible[view, person] == moment.head_visible[view, person] == 0.0
        assert moment.person.max() <= len(moment.ids)
    assert max(moment.visible.max() for moment in moments) > 0.9


def test_a_person_alone_is_seen_whole_and_one_behind_a_camera_not_at_all() -> None:
    options = TakeOptions(views=3, people_min=1, people_max=1, photo=False, rig="room")
    for seed in range(30):
        moment = Take(seed, options).at(0.0)
        for view in range(3):
            if not len(moment.ids) or np.isnan(moment.head_pixel[view, 0]).any():
                continue
            (x, y), z = moment.head_pixel[view, 0], in_camera(moment, view, moment.joints[0, 15])[1][0]
            inside = 15 < x < 209 and 15 < y < 153
            if inside and moment.visible[view, 0] > 0.95:
                assert moment.person[view, int(y), int(x)] == 1 and moment.head_visible[view, 0] > 0.9
                assert abs(moment.depth[view, int(y), int(x)] - z) < 0.25
                return
    pytest.fail("nobody stands free in thirty takes")


def test_heads_and_pelvises_are_where_cameras_project_them(moments: list[Moment]) -> None:
    for moment in moments:
        for joint, pixels in ((15, moment.head_pixel), (0, moment.pelvis_pixel)):
            for view in range(len(moment.intrinsics)):
                there = se3.apply(se3.inverse(moment.world_from_cam[view]), moment.joints[:, joint])
                pixel = there @ moment.intrinsics[view].T
                ahead = there[:, 2] > 1e-3
                np.testing.assert_allclose(pixels[view][ahead], (pixel[:, :2] / pixel[:, 2:])[ahead], atol=1e-4)
                assert np.isnan(pixels[view][~ahead]).all()


def test_lenses_that_bend_show_people_where_truth_says() -> None:
    """A head's pixel and the map of people are both those of the bent image; some heads lie where a pinhole would not show them."""
    found, bent = 0, 0.0
    for seed in SEEDS:
        moment = Take(seed, replace(OPTIONS, distortion=0.3, fov_min_deg=80.0)).at(2.0)
        height, width = moment.depth.shape[1:]
        straight = np.stack([se3.apply(se3.inverse(pose), moment.joints[:, 15]) for pose in moment.world_from_cam])
        straight = np.einsum("vij,vpj->vpi", moment.intrinsics, straight)
        straight = straight[..., :2] / straight[..., 2:]
        for view, person in np.argwhere(moment.head_visible > 0.9):
            x, y = moment.head_pixel[view, person].astype(int)
            if 0 <= x < width and 0 <= y < height:
                assert (moment.person[view, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] == person + 1).any()
                found += 1
                bent = max(bent, np.linalg.norm(straight[view, person] - moment.head_pixel[view, person]))
    assert found > 5 and bent > 3.0


def test_options_hold() -> None:
    options = TakeOptions(
        views=7, people_min=2, people_max=2, fov_min_deg=45, fov_max_deg=110, width=96, height=72, rig="moving", photo=False
    )
    for seed in range(4):
        take = Take(seed, options)
        first, later = take.at(0.0), take.at(3.0)
        assert first.images.shape == (7, 72, 96, 3) and len(first.ids) <= 2
        assert np.abs(first.world_from_cam - later.world_from_cam).max() > 0.01
        np.testing.assert_array_equal(first.intrinsics, later.intrinsics)
        fov = np.degrees(2.0 * np.arctan(96 / 2.0 / first.intrinsics[:, 0, 0]))
        assert fov.min() > 45 - 1e-6 and fov.max() < 110 + 1e-6
        assert (first.world_from_cam[:, 2, 3] > 0.5).all()  # above the floor
        assert take.room.inside(first.world_from_cam[:, :2, 3]).all()


def test_the_cameras_of_a_room_stand_still_and_see_most_people() -> None:
    options = TakeOptions(rig="room", people_min=1, photo=False, width=112, height=84)
    seen = []
    for seed in range(12):
        take = Take(seed, options)
        moment = take.at(1.0)
        seen += moment.visible.max(axis=0).tolist()
        assert take.rig_kind == "room"
    assert np.mean(np.array(seen) > 0.5) > 0.85
