"""What training shows the network is what the node shows it, and what it asks for is what is true."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.data.moment import Moment
from chromm_ros.errors import InputError
from chromm_ros.geometry import se3
from chromm_ros.model.config import PATCH, SIZES
from chromm_ros.model.inputs import InputMaker
from chromm_ros.model.pinhole import compose, project
from chromm_ros.records import Frame, FrameSet, Window
from chromm_ros.train.bodies import joints_from_head
from chromm_ros.train.targets import Batch, Knowledge, batch_of

TINY = SIZES["tiny"]
ALL, NOTHING = Knowledge(1.0, 1.0, 1.0, 0.0), Knowledge(0.0, 0.0, 0.0, 1.0)
Clip = tuple[Moment, ...]


def made(clips: list[Clip], knowledge: Knowledge = ALL, config: object = TINY) -> Batch:
    return batch_of(clips, config, knowledge, np.random.default_rng(0))  # type: ignore[arg-type]


def seen(moment: Moment, *, told: bool) -> tuple[Frame, ...]:
    """As the node has it."""
    known = zip(moment.intrinsics, moment.depth, moment.world_from_cam, strict=True)
    return tuple(Frame("", 0, image, *(more if told else ())) for image, more in zip(moment.images, known, strict=True))


@pytest.mark.parametrize("size", ["tiny", "nano"])
@pytest.mark.parametrize("told", [True, False])
def test_images_and_views_are_those_of_the_node(clips: list[Clip], size: str, told: bool) -> None:
    config = SIZES[size]
    sets = tuple(FrameSet(0, step, 0, 0, seen(moment, told=told)) for step, (moment,) in enumerate(clips))
    maker = InputMaker(config.scene.pixels, config.human.image_size, exact=False)
    node = maker(Window(0, 0, ("0", "1"), sets))
    # both scenes as two moments of one, for that is what a window is
    ours = made([(clips[0][0], clips[1][0])], ALL if told else NOTHING, config)
    assert torch.equal(ours.scene_images, node.scene_images) and torch.equal(ours.human_images, node.human_images)
    for name in (
        "image_size",
        "scene_from_image",
        "human_from_image",
        "intrinsics",
        "intrinsics_known",
        "pose_known",
        "depth_known",
    ):
        assert torch.equal(getattr(ours.views, name), getattr(node.views, name)), name
    if told:
        assert torch.allclose(ours.views.world_from_cam, node.views.world_from_cam, atol=1e-6)
        assert ours.views.depth is not None and node.views.depth is not None and torch.equal(ours.views.depth, node.views.depth)
    else:
        assert ours.views.depth is None and node.views.depth is None


def test_people_in_the_camera_are_those_of_the_world(clips: list[Clip]) -> None:
    batch = made(clips)
    people, image = batch.people, batch.people.heads.image
    assert len(image) > 4
    joints = joints_from_head(people.rotations, people.betas) + people.head[:, None]
    assert torch.allclose(joints, people.joints, atol=1e-3)  # the world's own puppet against SMPL-X's code
    k = batch.true_intrinsics[image]
    assert torch.allclose(project(people.joints[:, 15], k), people.head_pixel, atol=1e-2)
    ahead = torch.isfinite(people.pelvis_pixel).all(1) & (people.joints[:, 0, 2] > 0.2)
    assert ahead.any() and torch.allclose(project(people.joints[:, 0], k)[ahead], people.pelvis_pixel[ahead], atol=2e-2)
    # Back in the world, by the pose of the first camera, they stand where the take says.
    body = SmplxBody.load("")
    for scene, (moment,) in enumerate(clips):
        world = body.joints(moment.body)
        frames, mine = batch.scene(scene)
        there = batch.views.world_from_cam[image[mine]].double().numpy()
        first = se3.apply(moment.world_from_cam[0] @ there, people.joints[mine].double().numpy())
        for found in first:
            assert np.linalg.norm(world - found, axis=-1).mean(axis=-1).min() < 2e-3
        assert frames == slice(2 * scene, 2 * scene + 2)


def test_a_head_lies_in_its_patch_and_shows_the_person(clips: list[Clip]) -> None:
    batch = made(clips, config=SIZES["nano"])
    people, heads = batch.people, batch.people.heads
    side = SIZES["nano"].human.image_size
    place = people.head_pixel * side / 224 + torch.tensor((0.0, (side - side * 168 / 224) / 2))
    corner = torch.stack((heads.column, heads.row), -1) * PATCH
    assert bool(((place - corner > -0.51) & (place - corner < PATCH + 0.51)).all())  # borders are whole pixels
    shown = [
        clips[int(image) // 2][0].person[int(image) % 2, int(pixel[1]), int(pixel[0])]
        for image, pixel in zip(heads.image, people.head_pixel, strict=True)
    ]
    assert np.mean(np.array(shown) > 0) > 0.7
    assert (heads.image.diff() >= 0).all() and (heads.score == 1).all()


def test_depth_and_mask_are_the_takes(clips: list[Clip]) -> None:
    batch = made(clips)
    depth = np.concatenate([moment.depth for (moment,) in clips])
    height, width = batch.depth.shape[1:]
    assert (height, width) == (42, 56)
    # 224 / 56 = 168 / 42 = 4: the pixel whose centre is nearest to the middle of four, right and below of it
    assert np.array_equal(batch.depth.numpy(), depth[:, 2::4, 2::4])
    person = np.concatenate([moment.person for (moment,) in clips]) > 0
    shares = person.reshape(4, 3, 56, 4, 56).mean(axis=(2, 4))
    assert np.allclose(batch.mask.numpy(), shares, atol=1e-5)


def changed(clip: Clip, **values: object) -> Clip:
    return (replace(clip[0], **values),)  # type: ignore[type-var]


def test_who_is_hidden_outside_or_too_near_is_not_asked_for(clips: list[Clip]) -> None:
    """One person in the middle of an image, described in all ways."""
    moment = clips[0][0]
    middle = np.full((2, 3, 2), (112.0, 84.0))
    middle[:, 1:] = np.nan  # the others are behind the cameras
    middle[1] = np.nan
    pixels = np.full((2, 3), 5000)
    ahead = replace(moment, head_pixel=middle, pixels=pixels)

    def asked(
        seen: float, *, depth: float = 3.0, many: int = 5000, pixel: tuple[float, float] = (112.0, 84.0)
    ) -> tuple[int, int]:
        joints = moment.joints.copy()
        joints[0] += se3.apply(moment.world_from_cam[0], np.array([(0.0, 0.0, depth)]))[0] - joints[0, 15]
        at = middle.copy()
        at[0, 0] = pixel
        batch = made(
            [(replace(ahead, joints=joints, head_visible=np.full((2, 3), seen, np.float32), pixels=np.full((2, 3), many), head_pixel=at),)]
        )  # fmt: skip
        return len(batch.people.head), int(batch.open.sum())

    assert asked(0.9) == (1, 0)
    assert asked(0.2) == (0, 1)  # partly behind a cupboard: nobody says whether it is to be found
    assert asked(0.05) == (0, 0)  # behind it
    assert asked(0.9, many=20) == (0, 1)
    assert asked(0.9, depth=0.2) == (0, 1)
    for outside in ((-0.1, 84.0), (224.0, 84.0), (112.0, 168.0), (np.nan, np.nan)):
        assert asked(0.9, pixel=outside) == (0, 0)
    assert asked(0.9, pixel=(223.99, 167.99)) == (1, 0)


def test_of_two_heads_in_one_patch_the_nearer_is_asked_for(clips: list[Clip]) -> None:
    moment = clips[0][0]
    at = np.full((2, 3, 2), np.nan)
    at[0, :2] = (112.0, 84.0), (113.0, 85.0)
    joints = moment.joints.copy()
    for person, depth in ((0, 4.0), (1, 2.0)):
        joints[person] += se3.apply(moment.world_from_cam[0], np.array([(0.0, 0.0, depth)]))[0] - joints[person, 15]
    batch = made(
        [changed((moment,), head_pixel=at, joints=joints, head_visible=np.ones((2, 3), np.float32), pixels=np.full((2, 3), 900))]
    )
    assert batch.people.head[:, 2].tolist() == pytest.approx([2.0]) and not batch.open.any()


def test_nobody_at_all(empty: Clip) -> None:
    batch = made([empty, empty])
    assert (
        len(batch.people.head) == 0 and batch.people.joints.shape == (0, 55, 3) and not batch.mask.any() and not batch.open.any()
    )


def test_what_is_not_told_is_not_there(clips: list[Clip]) -> None:
    batch = next(
        batch
        for seed in range(100)
        if (batch := batch_of(clips, TINY, Knowledge(0.5, 0.5, 0.5, 0.5), np.random.default_rng(seed))).views.depth_known.sum()
        == 2
    )
    views = batch.views
    assert views.depth is not None and not views.depth[~views.depth_known].any()
    assert torch.equal(views.depth[views.depth_known], batch.depth[views.depth_known])
    assert torch.equal(views.intrinsics[~views.intrinsics_known], torch.eye(3).expand(2, 3, 3))
    assert torch.equal(views.intrinsics_known[:2], views.intrinsics_known[:1].expand(2))


def test_shares_of_what_is_told_are_those_that_are_said() -> None:
    rng = np.random.default_rng(0)
    told = np.array([Knowledge(0.8, 0.6, 0.1, 0.1).told(rng) for _ in range(8000)])
    assert told.mean(axis=0) == pytest.approx([0.8, 0.6, 0.1], abs=0.015)
    assert (~told.any(axis=1)).mean() == pytest.approx(0.1 + 0.1 * (0.9 - 0.1) / 0.9, abs=0.015)  # intrinsics alone may lack, too
    assert not (told[:, 1] & ~told[:, 0]).any()
    assert {ALL.told(rng) for _ in range(50)} == {(True, True, True)} and {NOTHING.told(rng) for _ in range(50)} == {(False,) * 3}


def test_lenses_that_are_no_pinholes_are_refused(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match=r"set takes.distortion to 0"):
        made([changed(clips[0], distortion=np.full((2, 5), 0.1))])


def test_the_two_intrinsics_fit_the_two_inputs(clips: list[Clip]) -> None:
    batch = made(clips)
    people, image = batch.people, batch.people.heads.image
    for matrix, border in ((batch.views.scene_from_image, 0.0), (batch.views.human_from_image, 14.0)):
        k = compose(matrix, batch.true_intrinsics)[image]
        there = project(people.head, k)
        # a quarter and a half of the original size
        scale = 0.25 if border == 0.0 else 0.5
        assert torch.allclose(there, people.head_pixel * scale + torch.tensor((0.0, border)), atol=1e-2)
