"""The two published networks put together: planted people give their scale and places back, and nothing is lost where nobody is."""

from dataclasses import replace
from operator import attrgetter

import pytest
import torch
from model.worlds import window, with_frame

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.errors import ConfigError
from chromm_ros.model import compose
from chromm_ros.model.branches import Output, Sight
from chromm_ros.model.compose import (
    PATCH,
    RATIO_LIMIT,
    TOKEN_LENGTH,
    Apart,
    Composed,
    compose_people,
    in_smplx_order,
    scene_scale,
)
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.human_heads import PeopleOutput, mean_pose, rotations_from_6d
from chromm_ros.model.inputs import Views
from chromm_ros.model.pinhole import project
from chromm_ros.model.predictor import Predictor
from chromm_ros.model.scene_branch import SceneOutput
from chromm_ros.reconstruct.track import TrackingConfig
from chromm_ros.reconstruct.transport import DUSTBIN
from chromm_ros.records import Prediction, Window

SIDE = 84
"""Of the planted images: six patches."""
K = torch.tensor(((80.0, 0, 42), (0, 80, 42), (0, 0, 1)))
OPTIONS = ModelOptions(mode="compose", scene_pixels=7840, device="cpu", cache_features=False)


@pytest.fixture(scope="module")
def body() -> SmplxBody:
    return SmplxBody.load("")


@pytest.fixture(scope="module")
def predictor(body: SmplxBody) -> Predictor:
    return Predictor(OPTIONS, body)


def run(predictor: Predictor, source: Window) -> Prediction:
    return predictor.infer(predictor.prepare(source))


def views(frames: int) -> Views:
    """Images that both branches take as they are, known cameras."""
    same, yes = torch.eye(3).expand(frames, 3, 3), torch.ones(frames, dtype=torch.bool)
    return Views(
        step=torch.zeros(frames, dtype=torch.long), view=torch.arange(frames), seconds=torch.zeros(frames),
        image_size=torch.full((frames, 2), float(SIDE)), scene_from_image=same, human_from_image=same, intrinsics=K.expand(frames, 3, 3),
        intrinsics_known=yes, world_from_cam=torch.eye(4).expand(frames, 4, 4), pose_known=~yes, depth=None, depth_known=~yes,
    )  # fmt: skip  # one field after the other


def planted(scene_depth: torch.Tensor, image: list[int], distance: list[float], betas: int = 10) -> Apart:
    """Standing people whose heads are above the middle of images that show a wall; `scene_depth` is F H W."""
    frames, people = len(scene_depth), len(image)
    v, u = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    rays = torch.stack(((u - 42) / 80, (v - 42) / 80, torch.ones_like(u)), -1)
    poses = torch.eye(4).repeat(frames, 1, 1)
    poses[:, 0, 3] = torch.arange(frames) + 1.0
    scene = SceneOutput(
        local_points=(rays * scene_depth[..., None])[None], rays=rays.expand(1, frames, -1, -1, -1),
        confidence=torch.zeros(1, frames, SIDE, SIDE), world_from_cam=poses[None], metric=torch.tensor([1.5]),
        tokens=torch.zeros(1, frames, 36, 4),
    )  # fmt: skip  # one field after the other
    head = torch.tensor((42.0, 22.0)).expand(people, 2)
    patch = torch.full((people,), 3)
    found = Detections(torch.tensor(image, dtype=torch.long), patch, patch, torch.full((people,), 0.9))
    sight = Sight(scene, K.expand(frames, 3, 3), found, head, head, head)
    pose = rotations_from_6d(mean_pose().reshape(53, 6)).expand(people, 53, 3, 3)
    shape = torch.arange(people * betas).reshape(people, betas) * 0.01
    token = torch.arange(8.0).expand(people, 8) + 1
    return Apart(sight, PeopleOutput(pose, shape, torch.zeros(people, 10), torch.tensor(distance), token))


def test_planted_people_give_scale_and_places_back(body: SmplxBody) -> None:
    """A scene half as large as it should be; one person of five is far too near and moves nothing."""
    depth = torch.full((3, SIDE, SIDE), 1.5)
    apart = planted(depth, [0, 0, 1, 2, 2], [3.0, 3.0, 3.0, 0.4, 3.0], betas=11)
    output, raw = compose_people(apart, views(3), body), apart.sight.scene
    for ours, theirs in (
        (output.scene.local_points, 2 * raw.local_points),
        (output.scene.metric, 2 * raw.metric),
        (output.scene.world_from_cam[..., :3, 3], 2 * raw.world_from_cam[..., :3, 3]),
        (output.head_position, apart.people.distance[:, None] * torch.tensor((0.0, -0.25, 1.0))),
        (output.bodies.depth_residual, torch.tensor((0, 0, 0, -2.6, 0))),
        (output.token.norm(dim=-1), torch.full((5,), TOKEN_LENGTH)),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    for name in ("rays", "confidence", "tokens"):
        assert torch.equal(getattr(output.scene, name), getattr(raw, name)), name
    assert torch.equal(output.scene.world_from_cam[..., :3, :3], raw.world_from_cam[..., :3, :3])
    assert torch.equal(output.bodies.betas, apart.people.betas[:, :10]), "ten of eleven"
    assert 2 * TOKEN_LENGTH / TrackingConfig().token_scale == -DUSTBIN, "opposite tokens alone are as far apart as nobody is"
    joints = body.pose_joints(
        in_smplx_order(apart.people.rotations), output.bodies.betas, output.bodies.expression, torch.zeros(5, 3)
    )
    pelvis = output.head_position + joints[:, 0] - joints[:, 15]
    torch.testing.assert_close(output.pelvis_pixel, pelvis[:, :2] / pelvis[:, 2:] * 80 + 42)
    assert output.pelvis_pixel[0, 1] > 30, "someone who stands has the pelvis below the head"


def test_the_median_is_of_ratios_and_stays_sane() -> None:
    def scale(body: list[float], scene: list[float]) -> float:
        return float(scene_scale(torch.tensor(body), torch.tensor(scene)))

    assert scale([2.0, 8.0, 100.0], [1.0, 2.0, 1.0]) == pytest.approx(8**0.5), "beyond 50 m nobody counts; two meet half way"
    assert scale([4.0, 2.0, 0.2], [2.0, 1.0, 4.0]) == pytest.approx(2)
    assert scale([], []) == scale([50.0, 0.0, 3.0], [1.0, 1.0, 0.0]) == 1.0
    assert scale([40.0], [0.1]) == pytest.approx(RATIO_LIMIT)
    assert scale([0.2], [40.0]) == pytest.approx(1 / RATIO_LIMIT)


def test_the_mask_is_where_bodies_are_seen(body: SmplxBody) -> None:
    depth = torch.full((3, SIDE, SIDE), 9.0)
    depth[:2, 14:, 28:56] = 3.0  # the person
    depth[1, 42:] = 1.0  # a table before the legs
    output = compose_people(planted(depth, [0, 1], [3.0, 3.0]), views(3), body)
    mask = output.mask.sigmoid() > 0.5
    assert not mask[2].any(), "nobody there"
    assert mask[0, 1:4, 2:4].any(1).all(), "head, chest, hips"
    assert not mask[0, :, [0, 5]].any(), "the walls beside"
    assert torch.equal(mask[0, :3], mask[1, :3])
    assert mask[0, 3:].any()
    assert not mask[1, 3:].any(), "the table is no person"
    crowd = compose_people(planted(depth, [0, 0, 0, 0, 1], [6.0, 6.0, 6.0, 6.0, 3.0]), views(3), body)
    assert torch.equal(crowd.mask[1], output.mask[1]), "whoever's distance is wrong is masked by the own scale"


def test_a_broken_body_is_alone_in_its_trouble(body: SmplxBody) -> None:
    """NaN in a rotation, a shape or a distance: nothing is raised, and the others are what they would be without."""
    depth = torch.full((1, SIDE, SIDE), 3.0)
    alone, apart = planted(depth, [0], [3.0]), planted(depth, [0] * 4, [3.0, 3.0, 3.0, torch.nan])
    rotations, betas = apart.people.rotations.clone(), apart.people.betas.clone()
    rotations[1, 5], betas[2, 0] = torch.nan, torch.inf
    people = replace(apart.people, rotations=rotations, betas=betas)
    output, without = compose_people(replace(apart, people=people), views(1), body), compose_people(alone, views(1), body)
    for name in ("mask", "scene.local_points", "scene.metric"):
        ours, theirs = (attrgetter(name)(value) for value in (output, without))
        assert torch.equal(ours, theirs), name
    for name in ("pelvis_pixel", "head_position"):
        assert torch.equal(getattr(output, name)[0], getattr(without, name)[0]), name
    assert (output.mask > 0).any()


@pytest.mark.parametrize(("behind", "seen"), [(0.3, True), (-0.3, True), (0.7, False), (-0.7, False)])
def test_the_scene_shows_a_body_within_its_thickness(body: SmplxBody, behind: float, seen: bool) -> None:
    """The head tells the scale; from the neck down the scene lies before or behind the body."""
    depth = torch.full((1, SIDE, SIDE), 3.0)
    depth[:, 42:] += behind
    output = compose_people(planted(depth, [0], [3.0]), views(1), body)
    assert bool((output.mask[0, 3] > 0).any()) is seen
    assert (output.mask.abs().sigmoid() > 0.999).all(), "patches are sure of it"


def test_bodies_posed_some_at_a_time_are_all_masked(body: SmplxBody, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five people of three images two at a time, each in the own image at the own depth."""
    apart = planted(
        torch.tensor((3.0, 2.0, 4.0))[:, None, None].expand(3, SIDE, SIDE), [0, 0, 1, 2, 2], [3.0, 6.0, 2.0, 4.0, 2.0]
    )
    whole = compose_people(apart, views(3), body).mask
    monkeypatch.setattr(compose, "AT_ONCE", 2)
    assert torch.equal(compose_people(apart, views(3), body).mask, whole)
    assert (whole > 0).flatten(1).any(1).all()
    assert len({int((image > 0).sum()) for image in whole}) > 1, "images differ"


def test_the_mask_has_the_pixels_of_the_scene(body: SmplxBody) -> None:
    """The same scene and person, where images are twice as large as the scene branch's input."""
    depth = torch.full((1, SIDE, SIDE), 3.0)
    apart, same = planted(depth, [0], [3.0]), views(1)
    large = torch.diag(torch.tensor((2.0, 2, 1)))
    sight = replace(apart.sight, intrinsics=large @ apart.sight.intrinsics, head_pixel=2 * apart.sight.head_pixel)
    half = replace(same, scene_from_image=torch.linalg.inv(large)[None], image_size=2 * same.image_size)
    output = compose_people(replace(apart, sight=sight), half, body)
    assert torch.equal(output.mask, compose_people(apart, same, body).mask)
    assert (output.mask > 0).any()


def test_rotations_reach_the_joints_that_they_name() -> None:
    """Every rotation has its own number: body 0..21, jaw, two eyes, left hand, right hand."""
    order = in_smplx_order(torch.arange(53.0)[None, :, None, None].expand(1, 53, 3, 3))[0, :, 0, 1]
    assert order.tolist() == [*range(22), 52, 0, 0, *range(22, 52)]


@pytest.mark.parametrize("distance", [0.0, 0.3, 50.0])
def test_people_in_or_behind_the_camera_stay_finite(body: SmplxBody, distance: float) -> None:
    apart = planted(torch.full((1, SIDE, SIDE), 1.0), [0], [distance])
    quarter = torch.tensor(((1.0, 0, 0), (0, 0, -1), (0, 1, 0)))  # feet towards the camera, and beyond it
    turned = torch.cat((apart.people.rotations[:, :1] @ quarter.mT, apart.people.rotations[:, 1:]), 1)
    output = compose_people(replace(apart, people=replace(apart.people, rotations=turned)), views(1), body)
    assert float(output.head_position[0, 2]) == pytest.approx(max(distance, 0.1)), "in front of the camera"
    for value in (output.head_position, output.pelvis_pixel, output.mask, output.scene.local_points, output.token):
        assert value.isfinite().all()
    assert project(torch.tensor((1.0, 0.0, -3.0)), K).tolist() == [842, 42], "far outside, on the side where it is"


def test_an_image_with_nobody_keeps_the_scene_to_the_last_bit(body: SmplxBody) -> None:
    apart = planted(torch.full((2, SIDE, SIDE), 1.5), [], [])
    output = compose_people(apart, views(2), body)
    for name, value in vars(apart.sight.scene).items():
        assert torch.equal(getattr(output.scene, name), value), name
    assert output.bodies.rotations.shape == (0, 53, 3, 3)
    assert (output.mask < 0).all()
    assert output.mask.shape == (2, SIDE // PATCH, SIDE // PATCH)


def test_predictions_without_weights_are_legal(predictor: Predictor) -> None:
    """Cameras of two sizes, intrinsics known for one."""
    known = K.numpy()
    source = with_frame(window([(64, 48), (48, 64)], 1), 0, 1, intrinsics=known)
    result = run(predictor, source)
    assert predictor.weights == "untrained"
    people = len(result.person_frame)
    assert 2 <= people <= 8
    for name, value in vars(result).items():
        assert not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.isfinite().all(), name
    assert result.betas.shape == (people, 10)
    assert torch.equal(result.intrinsics[1], K)
    assert not torch.equal(result.intrinsics[0], K)
    assert 0.5 < result.metric_scale < 2
    for depth in (result.head_position[:, 2], result.points[..., 2]):
        assert 0.5 < float(depth.min()) <= float(depth.max()) < 20
    pixel = project(result.head_position, result.intrinsics[result.person_frame])
    torch.testing.assert_close(pixel, result.head_pixel, rtol=1e-4, atol=1e-3)
    assert result.human_mask.unique().numel() == 2
    nobody = Predictor(replace(OPTIONS, score_min=1.0), predictor._body)
    assert len(run(nobody, source).person_frame) == 0


@torch.inference_mode()
def test_multi_hmr_looks_through_pi3x_cameras(predictor: Predictor) -> None:
    """The camera that Multi-HMR is told is the known or fitted one, moved to the padded square."""
    batch = predictor.prepare(with_frame(window([(64, 48), (48, 64)], 1), 0, 1, intrinsics=K.numpy()))
    network = predictor.network
    assert isinstance(network, Composed)
    features = network.encode(batch.scene_images.float() / 255, batch.human_images.float() / 255)
    apart = network.decode(features, batch.views, (batch.scene_images.shape[2], batch.scene_images.shape[3]))
    square = batch.views.human_from_image @ apart.sight.intrinsics
    assert torch.equal(square[1], batch.views.human_from_image[1] @ K)
    told = network.human.perceive(features.human, apart.sight.found, square)
    torch.testing.assert_close(apart.people.distance, told.distance)
    other = network.human.perceive(features.human, apart.sight.found, square * torch.tensor((2.0, 2.0, 1.0)).diag())
    assert not torch.allclose(other.distance, told.distance), "another lens, another distance"


@pytest.mark.parametrize("half", [False, True])
@torch.inference_mode()
def test_before_the_scale_the_scene_is_pi3x_alone_to_the_last_bit(predictor: Predictor, half: bool) -> None:
    batch = predictor.prepare(with_frame(window([(64, 48)] * 2, 1), 0, 1, intrinsics=K.numpy()))
    images, size = batch.scene_images.float() / 255, (batch.scene_images.shape[2], batch.scene_images.shape[3])
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        alone = predictor.network.scene(images[None], batch.views.conditions())
        features = predictor.network.encode(images, batch.human_images.float() / 255)
        apart = predictor.network.decode(features, batch.views, size)
    assert isinstance(apart, Apart)
    assert not isinstance(apart, Output)
    for name, value in vars(alone).items():
        assert torch.equal(getattr(apart.sight.scene, name), value), name


def test_without_a_body_one_sentence() -> None:
    with pytest.raises(ConfigError, match="mode is compose, which needs a body"):
        Predictor(OPTIONS)
