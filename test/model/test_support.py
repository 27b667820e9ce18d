"""What other images say of a head: by hand, by what must not matter, and by planted people whom one image hardly shows."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from chromm_ros.model.branches import Picking, Sight
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.inputs import Views
from chromm_ros.model.pinhole import project
from chromm_ros.model.scene_branch import SceneOutput
from chromm_ros.model.support import ABSENT, FACTOR, GAP_M, GAP_SHARE, JITTER, REACH_S, SPEED_MPS, WEAK, supported

SIZE = (640.0, 480.0)
K = torch.tensor(((500.0, 0.0, 320.0), (0.0, 500.0, 240.0), (0.0, 0.0, 1.0)))
WIDE = torch.tensor(((250.0, 0.0, 320.0), (0.0, 250.0, 240.0), (0.0, 0.0, 1.0)))
HALF = 0.5
FAR = 100.0


def views(step: list[int], view: list[int], seconds: list[float], poses: Tensor | None = None, intrinsics: Tensor = K) -> Views:
    """Frames seen by these cameras then; places known where poses are given."""
    frames, same = len(step), torch.eye(3).expand(len(step), 3, 3)
    yes = torch.ones(frames, dtype=torch.bool)
    return Views(
        step=torch.tensor(step), view=torch.tensor(view), seconds=torch.tensor(seconds), image_size=torch.tensor(SIZE).repeat(frames, 1),
        scene_from_image=same, human_from_image=same, intrinsics=intrinsics.expand(frames, 3, 3).clone(), intrinsics_known=yes,
        world_from_cam=torch.eye(4).repeat(frames, 1, 1) if poses is None else poses,
        pose_known=yes if poses is not None else ~yes, depth=None, depth_known=~yes,
    )  # fmt: skip  # one field after the other


def moment(poses: Tensor) -> Views:
    """Known cameras at one moment."""
    count = len(poses)
    return views([0] * count, list(range(count)), [0.0] * count, poses)


def film(seconds: list[float], poses: Tensor | None = None) -> Views:
    """One camera's images."""
    return views(list(range(len(seconds))), [0] * len(seconds), seconds, poses)


def yaw(degrees: float) -> Tensor:
    pose, angle = torch.eye(4), math.radians(degrees)
    pose[0, 0] = pose[2, 2] = math.cos(angle)
    pose[0, 2] = math.sin(angle)
    pose[2, 0] = -pose[0, 2]
    return pose


def around(count: int, distance: float = 4.0) -> Tensor:
    """Cameras in a circle that look at its centre, from the side."""
    poses = torch.stack([yaw(360.0 * k / count) for k in range(count)])
    poses[:, :3, 3] = -distance * poses[:, :3, 2]
    return poses


def seen(place: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels and places in their cameras of a point of the world."""
    head = (poses[:, :3, :3].mT * (place - poses[:, :3, 3])[:, None]).sum(-1)
    return project(head, K.expand(len(poses), 3, 3)), head


def ask(
    views: Views,
    image: list[int],
    score: list[float],
    pixel: Tensor,
    head: Tensor,
    depth: Tensor | None = None,
    poses: Tensor | None = None,
) -> Tensor:
    nowhere = torch.zeros(len(image), dtype=torch.long)
    found = Detections(torch.tensor(image, dtype=torch.long), nowhere, nowhere, torch.tensor(score))
    depth = torch.full((len(views.step), 48, 64), FAR) if depth is None else depth
    return supported(found, pixel, head, depth, views.world_from_cam if poses is None else poses, views.intrinsics, views, HALF)


def logit(score: float) -> float:
    return math.log(score / (1.0 - score))


def averaged(own: float, *others: float) -> float:
    """The score from a score and logits, all others counting half."""
    return 1.0 / (1.0 + math.exp(-(logit(own) + HALF * sum(others)) / (1.0 + HALF * len(others))))


def check(score: Tensor, *wanted: float) -> None:
    torch.testing.assert_close(score, torch.tensor(wanted))


def test_an_image_alone_keeps_its_scores() -> None:
    alone = moment(around(1))
    pixel, head = torch.tensor([[100.0, 100.0], [400.0, 200.0]]), torch.tensor([[-1.0, -1.0, 4.0], [1.0, 0.0, 4.0]])
    check(ask(alone, [0, 0], [0.2, 0.9], pixel, head), 0.2, 0.9)
    assert len(ask(alone, [], [], pixel[:0], head[:0])) == 0


def ahead(pixel: Tensor, depth: float = 5.0) -> Tensor:
    """Heads in their cameras behind these pixels."""
    return torch.cat(((pixel - K[:2, 2]) / 500.0, torch.ones(len(pixel), 1)), 1) * depth


def test_moments_by_hand() -> None:
    """Three moments of one camera: a head that stays, and one that is there once."""
    pixel = torch.tensor([[100.0, 100.0], [500.0, 300.0], [105.0, 100.0], [112.0, 100.0]])
    score = ask(film([0.0, 0.1, 0.2]), [0, 0, 1, 2], [0.9, 0.4, 0.15, 0.8], pixel, ahead(pixel))
    check(
        score,
        averaged(0.9, (logit(0.15) + logit(0.8)) / 2),
        averaged(0.4, ABSENT),
        averaged(0.15, (logit(0.9) + logit(0.8)) / 2),
        averaged(0.8, (logit(0.9) + logit(0.15)) / 2),
    )
    assert score[2] > 0.3 > score[1], "one is believed, the other no more"


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("depth", [2.0, 5.0])
@pytest.mark.parametrize(("share", "near"), [(0.97, True), (1.03, False)])
def test_a_head_may_move_as_fast_as_people(seconds: float, depth: float, share: float, near: bool) -> None:
    reach = JITTER * SIZE[0] + SPEED_MPS * seconds * 500.0 / depth
    pixel = torch.tensor([[200.0, 200.0], [200.0 + share * reach, 200.0]])
    score = ask(film([0.0, seconds]), [0, 1], [0.5, 0.9], pixel, ahead(pixel, depth))
    check(score[:1], averaged(0.5, logit(0.9) if near else ABSENT))


@pytest.mark.parametrize(("seconds", "says"), [(REACH_S - 0.01, True), (REACH_S + 0.01, False)])
def test_moments_far_off_say_nothing(seconds: float, says: bool) -> None:
    pixel = torch.tensor([[100.0, 100.0], [100.0, 100.0]])
    check(ask(film([0.0, seconds]), [0, 1], [0.5, 0.9], pixel, ahead(pixel))[:1], averaged(0.5, logit(0.9)) if says else 0.5)


def test_other_cameras_and_sizes_are_no_moments() -> None:
    pixel = torch.tensor([[100.0, 100.0], [100.0, 100.0]])
    resized = film([0.0, 0.1])
    resized.image_size[1] *= 2
    for case in (views([0, 1], [0, 1], [0.0, 0.1]), views([0, 0], [0, 1], [0.0, 0.0]), resized):
        check(ask(case, [0, 1], [0.5, 0.9], pixel, ahead(pixel)), 0.5, 0.9)


def test_who_may_have_left_the_image_is_not_doubted() -> None:
    for x, doubted in ((8.0, False), (60.0, True), (635.0, False)):
        pixel = torch.tensor([[x, 200.0]])
        check(ask(film([0.0, 0.1]), [0], [0.45], pixel, ahead(pixel)), averaged(0.45, ABSENT) if doubted else 0.45)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rate_deg", [0.0, 30.0, 90.0])
def test_a_camera_that_turns_keeps_its_people(known: bool, rate_deg: float) -> None:
    """By its known poses, or by those that the network gives; in metres, a wrong depth does no harm where it only turns."""
    seconds = [0.0, 0.1, 0.2]
    poses = torch.stack([yaw(rate_deg * (t - 0.1)) for t in seconds])
    pixel, head = seen(torch.tensor((0.2, 0.1, 4.0)), poses)
    case = film(seconds, poses) if known else film(seconds)
    score = ask(case, [0, 1, 2], [0.45] * 3, pixel, 1.4 * head, poses=torch.eye(4).repeat(3, 1, 1) if known else poses)
    check(score, *[averaged(0.45, logit(0.45))] * 3)


def test_a_network_that_sees_a_standing_camera_move_does_no_harm() -> None:
    pixel = torch.tensor([[200.0, 200.0], [203.0, 200.0]])
    wild = torch.stack((yaw(0.0), yaw(40.0)))
    check(ask(film([0.0, 0.1]), [0, 1], [0.5, 0.9], pixel, ahead(pixel), poses=wild)[:1], averaged(0.5, logit(0.9)))


def test_cameras_by_hand() -> None:
    """Five cameras around a head. One of three hardly sees it; one sees nobody where it should; one looks away."""
    poses = around(5)
    poses[4] = poses[4] @ yaw(180.0)
    pixel, head = seen(torch.tensor((0.3, -0.2, 0.1)), poses)
    scores = [0.9, 0.15, 0.7]
    score = ask(moment(poses), [0, 1, 2], scores, pixel[:3], head[:3])
    others = [sum(logit(scores[j]) for j in range(3) if j != i) + ABSENT for i in range(3)]
    check(score, *(averaged(scores[i], others[i] / 3) for i in range(3)))


def test_every_camera_has_its_own_lens_and_size() -> None:
    """A head that lies in the second image by its own lens alone; and one beyond a second image that is smaller."""
    poses = around(4)[:2]
    pixel, head = seen(torch.tensor((0.0, 0.0, 2.9)), poses)
    assert pixel[1, 0] < 0 or pixel[1, 0] > SIZE[0], "beside what the usual lens sees"
    wide = moment(poses)
    wide.intrinsics[1] = WIDE
    check(ask(wide, [0], [0.5], pixel[:1], head[:1]), averaged(0.5, ABSENT))
    check(ask(moment(poses), [0], [0.5], pixel[:1], head[:1]), 0.5)
    small = moment(poses)
    pixel, head = seen(torch.tensor((0.0, 0.0, 1.0)), poses)
    small.image_size[1] = torch.tensor((200.0, 150.0))
    check(ask(small, [0], [0.5], pixel[:1], head[:1]), 0.5)


def test_unknown_cameras_say_nothing() -> None:
    poses = around(4)[:2]
    pixel, head = seen(torch.zeros(3), poses)
    case, no = moment(poses), torch.tensor([True, False])
    check(ask(case, [0, 1], [0.5, 0.9], pixel, head), averaged(0.5, logit(0.9)), averaged(0.9, 0.0))
    for unknown in (replace(case, pose_known=no), replace(case, intrinsics_known=no), replace(case, step=torch.tensor([0, 1]))):
        check(ask(unknown, [0, 1], [0.5, 0.9], pixel, head), 0.5, 0.9)


@pytest.mark.parametrize("whose", [0, 1])
@pytest.mark.parametrize(
    ("wrong", "same"), [(1.0, True), (FACTOR * 0.95, True), (1.05 / FACTOR, True), (FACTOR * 1.1, False), (0.9 / FACTOR, False)]
)
def test_depths_may_be_wrong_by_a_factor(whose: int, wrong: float, same: bool) -> None:
    """Of either head; somebody unsure is doubted by cameras that look there, somebody sure is not, whatever the depths."""
    poses = around(4)[:2]
    pixel, head = seen(torch.tensor((0.2, 0.1, -0.1)), poses)
    head[whose] *= wrong
    score = ask(moment(poses), [0, 1], [0.25, 0.9], pixel, head)
    in_view = whose == 1 or wrong < FACTOR
    check(score[:1], averaged(0.25, logit(0.9)) if same else averaged(0.25, ABSENT) if in_view else score[0].item())


@pytest.mark.parametrize("distance", [2.0, 4.0, 8.0])
@pytest.mark.parametrize(("share", "same"), [(0.93, True), (1.07, False)])
def test_lines_of_sight_must_meet(distance: float, share: float, same: bool) -> None:
    poses = around(4, distance)[:2]
    _, head = seen(torch.zeros(3), poses)
    head[1, 1] += share * (GAP_M + GAP_SHARE * distance)  # up or down is across both lines
    score = ask(moment(poses), [0, 1], [0.25, 0.9], project(head, K.expand(2, 3, 3)), head)
    check(score[:1], averaged(0.25, logit(0.9) if same else ABSENT))


def test_cameras_whose_people_do_not_meet_at_all_say_nothing() -> None:
    """As where a pose is wrong: two see somebody surely, and neither sees the other's."""
    poses = around(4)[:2]
    pixel, head = seen(torch.tensor((0.2, 0.1, -0.1)), poses)
    wrong = poses.clone()
    wrong[1, :3, :3] = wrong[1, :3, :3] @ yaw(10.0)[:3, :3][[1, 0, 2]][:, [1, 0, 2]].mT  # up or down
    check(ask(moment(wrong), [0, 1], [0.5, 0.9], pixel, head), 0.5, 0.9)


def test_a_camera_behind_a_wall_says_nothing() -> None:
    poses = around(4)[:2]
    pixel, head = seen(torch.tensor((0.2, 0.1, -0.1)), poses)
    depth = torch.full((2, 48, 64), FAR)
    check(ask(moment(poses), [0], [0.5], pixel[:1], head[:1], depth), averaged(0.5, ABSENT))
    column, row = (pixel[1] / 10).long()
    depth[1, row, column] = 0.9 * head[1, 2] / FACTOR
    check(ask(moment(poses), [0], [0.5], pixel[:1], head[:1], depth), 0.5)
    check(ask(moment(poses), [0, 1], [0.5, 0.9], pixel, head, depth)[:1], averaged(0.5, logit(0.9)))


@pytest.mark.parametrize("baseline", [0.0, 0.02, 0.1])
def test_cameras_side_by_side_support_one_another(baseline: float) -> None:
    """Their lines of sight are as good as parallel, and a pixel's error would put the head anywhere along them."""
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = baseline
    pixel, head = seen(torch.tensor((0.5, 0.2, 5.0)), poses)
    pixel = pixel + torch.tensor([[0.0, 0.0], [3.0, 2.0]])
    head[1] = ahead(pixel[1:])[0]
    check(ask(moment(poses), [0, 1], [0.5, 0.9], pixel, head), averaged(0.5, logit(0.9)), averaged(0.9, 0.0))


def test_lines_decide_where_they_can() -> None:
    """Cameras 15 degrees apart, and a depth that is off: the lines meet where the head is, not where the depth says."""
    poses = around(24)[:2]
    pixel, head = seen(torch.zeros(3), poses)
    score = ask(moment(poses), [0, 1], [0.25, 0.9], pixel, torch.stack((1.6 * head[0], head[1])))
    check(score[:1], averaged(0.25, logit(0.9)))


def test_the_head_at_the_right_depth_is_supported() -> None:
    """Two heads of one image on the line of sight of another's: it supports that which lies where the lines meet."""
    poses = around(4)[:2]
    pixel, head = seen(torch.zeros(3), poses)
    heads = torch.stack((1.5 * head[0], head[0], head[1]))
    score = ask(moment(poses), [0, 0, 1], [0.25, 0.25, 0.9], pixel[[0, 0, 1]], heads)
    check(score[1:2], averaged(0.25, logit(0.9)))
    assert score[0] < 0.25


@pytest.mark.parametrize("before", [102.0, 106.0, 108.0])
def test_a_second_detection_of_somebody_gains_nothing(before: float) -> None:
    """Also where it trails somebody who moves, nearer to where he was."""
    pixel = torch.tensor([[100.0, 100.0], [112.0, 100.0], [before, 100.0]])
    score = ask(film([0.0, 0.1]), [0, 0, 1], [0.9, 0.15, 0.9], pixel, ahead(pixel))
    check(score[:2], averaged(0.9, logit(0.9)), averaged(0.15, ABSENT))


def test_more_support_is_never_less() -> None:
    pixel = torch.tensor([[100.0, 100.0], [100.0, 100.0]])
    scores = [
        ask(film([0.0, 0.1]), [0, 1], [0.5, other], pixel, ahead(pixel))[0].item() for other in (0.001, 0.05, 0.2, 0.6, 0.99)
    ]
    assert scores == sorted(scores) and scores[0] == pytest.approx(averaged(0.5, ABSENT))


def crowd(seed: int) -> tuple[Views, list[int], list[float], Tensor, Tensor]:
    """Four known cameras, three moments, up to five heads in an image, some of them anywhere."""
    generator = torch.Generator().manual_seed(seed)
    poses = around(4).repeat(3, 1, 1)
    case = views(
        [t for t in range(3) for _ in range(4)], list(range(4)) * 3, [0.1 * t for t in range(3) for _ in range(4)], poses
    )
    places = 1.5 * torch.rand(5, 3, generator=generator) - 0.75
    image, pixels, heads = [], [], []
    for frame in range(12):
        for place in places[torch.rand(5, generator=generator) < 0.7]:
            pixel, head = seen(place + 0.05 * torch.randn(3, generator=generator), poses[frame : frame + 1])
            image, pixels, heads = [*image, frame], [*pixels, pixel[0]], [*heads, head[0]]
    return (
        case,
        image,
        (0.1 + 0.85 * torch.rand(len(image), generator=generator)).tolist(),
        torch.stack(pixels),
        torch.stack(heads),
    )


@pytest.mark.parametrize("seed", range(3))
def test_order_of_frames_and_place_of_the_world_do_not_matter(seed: int) -> None:
    case, image, scores, pixel, head = crowd(seed)
    straight = ask(case, image, scores, pixel, head)
    assert ((straight > 0) & (straight < 1)).all() and (straight - torch.tensor(scores)).abs().max() > 0.1
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    mixed = replace(case, **{name: value[order] for name, value in vars(case).items() if value is not None})
    new = torch.argsort(order)[torch.tensor(image)]
    people = torch.argsort(new, stable=True)
    again = ask(mixed, new[people].tolist(), torch.tensor(scores)[people].tolist(), pixel[people], head[people])
    torch.testing.assert_close(again, straight[people])
    moved = around(7)[3] @ case.world_from_cam
    torch.testing.assert_close(ask(replace(case, world_from_cam=moved), image, scores, pixel, head), straight, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_around_it_changes_nothing(dtype: torch.dtype) -> None:
    """Autocast would round pixels to eights."""
    case, image, scores, pixel, head = crowd(0)
    straight = ask(case, image, scores, pixel, head)
    with torch.autocast("cpu", dtype):
        torch.testing.assert_close(ask(case, image, scores, pixel, head), straight, rtol=0, atol=0)


def test_what_is_not_finite_stays_with_its_head() -> None:
    """A point map may hold anything; heads of other images keep what others say of them."""
    poses = around(3)
    pixel, head = seen(torch.tensor((0.3, -0.2, 0.1)), poses)
    head[2] = torch.nan
    score = ask(moment(poses), [0, 1, 2], [0.9, 0.2, 0.7], pixel, head)
    assert torch.isfinite(score).all() and score[2] == pytest.approx(0.7)
    assert score[0] < 0.9 and score[1] > 0.2


def test_weak_heads_are_asked_for_where_others_may_support_them() -> None:
    assert (Picking().support, Picking().lowest, Picking().most) == (0.0, 0.3, 16), "the published detector's own way"
    assert Picking(support=0.5).lowest == WEAK and Picking(0.05, support=0.5).lowest == 0.05 and Picking(support=0.5).most == 32


@dataclass(frozen=True)
class Case:
    """A sight of three moments of one camera, and how its heads are to come out."""

    sight: Sight
    views: Views
    stay: list[int]
    score: list[float]


def case() -> Case:
    """A head that stays, weak in the middle, and one that is there once."""
    pixel = torch.tensor([[100.0, 100.0], [500.0, 300.0], [105.0, 100.0], [112.0, 100.0]])
    depth = torch.full((3, 48, 64), 5.0)
    points = torch.stack((torch.zeros_like(depth), torch.zeros_like(depth), depth), -1)[None]
    scene = SceneOutput(
        local_points=points, rays=points, confidence=torch.zeros(1, 3, 48, 64), world_from_cam=torch.eye(4).repeat(1, 3, 1, 1),
        metric=torch.ones(1), tokens=torch.zeros(1, 3, 1, 1),
    )  # fmt: skip  # one field after the other
    number = torch.arange(4)
    found = Detections(torch.tensor([0, 0, 1, 2]), number, number, torch.tensor([0.9, 0.4, 0.15, 0.8]))
    sight = Sight(scene, K.expand(3, 3, 3), found, pixel + 1, pixel, pixel / 10)
    others = [(logit(0.15) + logit(0.8)) / 2, (logit(0.9) + logit(0.8)) / 2, (logit(0.9) + logit(0.15)) / 2]
    scores = [averaged(own, other) for own, other in zip((0.9, 0.15, 0.8), others, strict=True)]
    return Case(sight, film([0.0, 0.1, 0.2]), [0, 2, 3], scores)


def test_only_who_is_strong_enough_by_all_images_stays() -> None:
    one = case()
    left = one.sight.supported(one.views, Picking(support=HALF))
    check(left.found.score, *one.score)
    assert left.found.row.tolist() == one.stay
    for name in ("head_human", "head_pixel", "head_scene"):
        torch.testing.assert_close(getattr(left, name), getattr(one.sight, name)[one.stay])
    most = one.sight.supported(one.views, Picking(score_min=0.0, max_people=1, support=HALF))
    assert most.found.row.tolist() == [0, 2, 3], "the strongest of each image"
