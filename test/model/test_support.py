"""What other images say of a head: by hand, by what must not matter, and by planted people whom one image hardly shows."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from chromm_ros.model.branches import Picking
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.inputs import Views
from chromm_ros.model.pinhole import project
from chromm_ros.model.support import ABSENT, FACTOR, GAP_M, REACH_S, STRAY, WEAK, supported

SIZE = (640.0, 480.0)
K = torch.tensor(((500.0, 0.0, 320.0), (0.0, 500.0, 240.0), (0.0, 0.0, 1.0)))
HALF = 0.5


def views(step: list[int], view: list[int], seconds: list[float], poses: Tensor | None = None) -> Views:
    """Frames seen by these cameras then; places known where poses are given."""
    frames, same = len(step), torch.eye(3).expand(len(step), 3, 3)
    yes = torch.ones(frames, dtype=torch.bool)
    return Views(
        step=torch.tensor(step), view=torch.tensor(view), seconds=torch.tensor(seconds), image_size=torch.tensor(SIZE).expand(frames, 2),
        scene_from_image=same, human_from_image=same, intrinsics=K.expand(frames, 3, 3), intrinsics_known=yes,
        world_from_cam=torch.eye(4).repeat(frames, 1, 1) if poses is None else poses,
        pose_known=yes if poses is not None else ~yes, depth=None, depth_known=~yes,
    )  # fmt: skip  # one field after the other


def around(count: int, distance: float = 4.0) -> Tensor:
    """Cameras in a circle that look at its centre, from the side."""
    poses = []
    for k in range(count):
        angle = 2 * math.pi * k / count
        z = torch.tensor((-math.cos(angle), 0.0, -math.sin(angle)))
        x = torch.linalg.cross(torch.tensor((0.0, 1.0, 0.0)), z)
        pose = torch.eye(4)
        pose[:3, :3], pose[:3, 3] = torch.stack((x, torch.tensor((0.0, 1.0, 0.0)), z), 1), -distance * z
        poses.append(pose)
    return torch.stack(poses)


def seen(place: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels and places in their cameras of a point of the world."""
    head = (poses[:, :3, :3].mT * (place - poses[:, :3, 3])[:, None]).sum(-1)
    return project(head, K.expand(len(poses), 3, 3)), head


def ask(views: Views, image: list[int], score: list[float], pixel: Tensor, head: Tensor, weight: float = HALF) -> Tensor:
    nowhere = torch.zeros(len(image), dtype=torch.long)
    found = Detections(torch.tensor(image, dtype=torch.long), nowhere, nowhere, torch.tensor(score))
    return supported(found, pixel, head, views.intrinsics, views, weight)


def averaged(own: float, *others: float) -> float:
    """The score from logits, all others counting half."""
    return 1.0 / (1.0 + math.exp(-(own + HALF * sum(others)) / (1.0 + HALF * len(others))))


def logit(score: float) -> float:
    return math.log(score / (1.0 - score))


def test_an_image_alone_keeps_its_scores() -> None:
    alone = views([0], [0], [0.0], around(1))
    pixel, head = torch.tensor([[100.0, 100.0], [400.0, 200.0]]), torch.tensor([[-1.0, -1.0, 4.0], [1.0, 0.0, 4.0]])
    torch.testing.assert_close(ask(alone, [0, 0], [0.2, 0.9], pixel, head), torch.tensor([0.2, 0.9]))
    assert len(ask(alone, [], [], pixel[:0], head[:0])) == 0


def test_moments_by_hand() -> None:
    """Three moments of one camera: a head that stays, and one that is there once."""
    three = views([0, 1, 2], [0, 0, 0], [0.0, 0.1, 0.2])
    pixel = torch.tensor([[100.0, 100.0], [500.0, 300.0], [105.0, 100.0], [112.0, 100.0]])
    score = ask(three, [0, 0, 1, 2], [0.9, 0.4, 0.15, 0.8], pixel, torch.ones(4, 3))
    by_hand = [
        averaged(logit(0.9), (logit(0.15) + logit(0.8)) / 2),
        averaged(logit(0.4), ABSENT),
        averaged(logit(0.15), (logit(0.9) + logit(0.8)) / 2),
        averaged(logit(0.8), (logit(0.9) + logit(0.15)) / 2),
    ]
    torch.testing.assert_close(score, torch.tensor(by_hand))
    assert score[2] > 0.3 > score[1], "one is believed, the other no more"


@pytest.mark.parametrize(
    ("away", "seconds", "near"), [(0.9, 0.1, True), (1.1, 0.1, False), (1.35, 0.2, True), (0.9, 0.05, False)]
)
def test_a_head_may_move_with_the_root_of_the_time(away: float, seconds: float, near: bool) -> None:
    two = views([0, 1], [0, 0], [0.0, seconds])
    pixel = torch.tensor([[100.0, 100.0], [100.0 + away * STRAY * SIZE[0], 100.0]])
    score = ask(two, [0, 1], [0.5, 0.9], pixel, torch.ones(2, 3))
    torch.testing.assert_close(score[0], torch.tensor(averaged(0.0, logit(0.9) if near else ABSENT)))


def test_moments_far_off_or_of_other_cameras_say_nothing() -> None:
    pixel = torch.tensor([[100.0, 100.0], [100.0, 100.0]])
    for case in (
        views([0, 1], [0, 0], [0.0, REACH_S + 0.01]),
        views([0, 1], [0, 1], [0.0, 0.1]),
        views([0, 0], [0, 1], [0.0, 0.0]),
    ):
        torch.testing.assert_close(ask(case, [0, 1], [0.5, 0.9], pixel, torch.ones(2, 3)), torch.tensor([0.5, 0.9]))


def test_cameras_by_hand() -> None:
    """Three cameras in a circle see a head; one of them hardly. A fourth sees nobody where it should, a fifth looks away."""
    poses = around(5)
    poses[4, :3, :3] = poses[4, :3, :3] @ torch.diag(torch.tensor((-1.0, 1.0, -1.0)))
    pixel, head = seen(torch.tensor((0.3, -0.2, 0.1)), poses)
    scores = [0.9, 0.15, 0.7]
    score = ask(views([0] * 5, [0, 1, 2, 3, 4], [0.0] * 5, poses), [0, 1, 2], scores, pixel[:3], head[:3])
    others = [sum(logit(scores[j]) for j in range(3) if j != i) + ABSENT for i in range(3)]
    torch.testing.assert_close(score, torch.tensor([averaged(logit(scores[i]), others[i] / 3) for i in range(3)]))


def test_unknown_cameras_say_nothing() -> None:
    poses = around(2)
    pixel, head = seen(torch.zeros(3), poses)
    case = views([0, 0], [0, 1], [0.0, 0.0], poses)
    no = torch.tensor([True, False])
    for unknown in (replace(case, pose_known=no), replace(case, intrinsics_known=no), replace(case, step=torch.tensor([0, 1]))):
        torch.testing.assert_close(ask(unknown, [0, 1], [0.5, 0.9], pixel, head), torch.tensor([0.5, 0.9]))


@pytest.mark.parametrize(("wrong", "same"), [(1.0, True), (FACTOR * 0.95, True), (1.05 / FACTOR, True), (FACTOR * 1.1, False)])
def test_depths_may_be_wrong_by_a_factor(wrong: float, same: bool) -> None:
    poses = around(4)[:2]
    pixel, head = seen(torch.tensor((0.2, 0.1, -0.1)), poses)
    score = ask(views([0, 0], [0, 1], [0.0, 0.0], poses), [0, 1], [0.5, 0.9], pixel, torch.stack((head[0], wrong * head[1])))
    torch.testing.assert_close(score[0], torch.tensor(averaged(0.0, logit(0.9) if same else ABSENT)))


@pytest.mark.parametrize(("off", "same"), [(0.8, True), (1.2, False)])
def test_lines_of_sight_must_meet(off: float, same: bool) -> None:
    poses = around(4)[:2]
    _, head = seen(torch.tensor((0.2, 0.1, -0.1)), poses)
    head[1, 1] += off * GAP_M  # up or down is across both lines
    pixel = project(head, K.expand(2, 3, 3))
    score = ask(views([0, 0], [0, 1], [0.0, 0.0], poses), [0, 1], [0.5, 0.9], pixel, head)
    torch.testing.assert_close(score[0], torch.tensor(averaged(0.0, logit(0.9) if same else ABSENT)))


@pytest.mark.parametrize("baseline", [0.0, 0.02, 0.1])
def test_cameras_side_by_side_support_one_another(baseline: float) -> None:
    """Their lines of sight are as good as parallel, and a pixel's error would put the head anywhere along them."""
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = baseline
    pixel, head = seen(torch.tensor((0.5, 0.2, 5.0)), poses)
    pixel = pixel + torch.tensor([[0.0, 0.0], [3.0, 2.0]])
    head[1] = head[1, 2] * torch.tensor([(pixel[1, 0] - 320) / 500, (pixel[1, 1] - 240) / 500, 1.0])
    score = ask(views([0, 0], [0, 1], [0.0, 0.0], poses), [0, 1], [0.5, 0.9], pixel, head)
    torch.testing.assert_close(score, torch.tensor([averaged(0.0, logit(0.9)), averaged(logit(0.9), 0.0)]))


def test_a_head_supports_the_nearest_alone() -> None:
    """A second detection beside somebody gains nothing by him."""
    two = views([0, 1], [0, 0], [0.0, 0.1])
    pixel = torch.tensor([[100.0, 100.0], [112.0, 100.0], [102.0, 100.0]])
    score = ask(two, [0, 0, 1], [0.6, 0.4, 0.9], pixel, torch.ones(3, 3))
    torch.testing.assert_close(score[:2], torch.tensor([averaged(logit(0.6), logit(0.9)), averaged(logit(0.4), ABSENT)]))


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


def test_what_is_not_finite_stays_with_its_head() -> None:
    """A point map may hold anything; heads of other images keep what others say of them."""
    poses = around(3)
    pixel, head = seen(torch.tensor((0.3, -0.2, 0.1)), poses)
    head[2] = torch.nan
    score = ask(views([0] * 3, [0, 1, 2], [0.0] * 3, poses), [0, 1, 2], [0.9, 0.2, 0.7], pixel, head)
    others = [(logit(0.2) + ABSENT) / 2, (logit(0.9) + ABSENT) / 2]
    torch.testing.assert_close(score, torch.tensor([averaged(logit(0.9), others[0]), averaged(logit(0.2), others[1]), 0.7]))


def test_weak_heads_are_asked_for_where_others_may_support_them() -> None:
    assert Picking().support == 0.0 and Picking().lowest == 0.3, "the published detector's own way"
    assert Picking(support=0.5).lowest == WEAK and Picking(0.05, support=0.5).lowest == 0.05


def test_many_heads_take_little_memory() -> None:
    """16 cameras, 8 moments and 30 people: pairs of frames, never of all heads."""
    poses = around(16).repeat(8, 1, 1)
    case = views(
        [t for t in range(8) for _ in range(16)], list(range(16)) * 8, [0.1 * t for t in range(8) for _ in range(16)], poses
    )
    image = [frame for frame in range(128) for _ in range(30)]
    generator = torch.Generator().manual_seed(0)
    pixel = torch.rand(3840, 2, generator=generator) * torch.tensor(SIZE)
    head = torch.cat((((pixel - K[:2, 2]) / 500), torch.ones(3840, 1)), 1) * (2 + 4 * torch.rand(3840, 1, generator=generator))
    score = ask(case, image, [0.5] * 3840, pixel, head)
    assert torch.isfinite(score).all() and len(score) == 3840
