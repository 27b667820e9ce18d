"""Each loss against a case small enough to work out by hand."""

import math

import pytest
import torch

from chromm_ros.model.human_branch import Detections
from chromm_ros.train import losses


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-5, abs=1e-6)


def turn(degrees: float) -> torch.Tensor:
    """About z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


def pose(degrees: float, x: float) -> torch.Tensor:
    matrix = torch.eye(4)
    matrix[:3, :3], matrix[0, 3] = turn(degrees), x
    return matrix


def test_a_mean_of_nothing_is_zero_and_has_a_gradient() -> None:
    values = torch.tensor((1.0, 2.0, 6.0), requires_grad=True)
    assert float(losses.mean(values).detach()) == near(3.0)
    assert float(losses.mean(values, torch.tensor((True, False, True))).detach()) == near(3.5)
    for nothing in (losses.mean(values, torch.zeros(3, dtype=torch.bool)), losses.mean(values[:0])):
        (gradient,) = torch.autograd.grad(nothing, values)
        assert float(nothing.detach()) == 0.0 and not gradient.any()


def test_what_does_not_count_may_be_anything() -> None:
    assert float(losses.mean(torch.tensor((1.0, math.nan, math.inf)), torch.tensor((True, False, False)))) == 1.0


def test_detection_is_focal_per_head_and_leaves_open_patches_out() -> None:
    heads = Detections(*(torch.tensor((0,)) for _ in range(3)), torch.ones(1))
    open_ = torch.zeros(2, 2, 2, dtype=torch.bool)
    # every score is 1/2, so every patch costs weight x 1/4 x log 2: one head (0.75) and seven others (0.25)
    all_half = losses.detection(torch.zeros(2, 2, 2), heads, open_)
    assert float(all_half) == near((0.75 + 7 * 0.25) / 4 * math.log(2))
    open_[1, 0] = True
    assert float(losses.detection(torch.zeros(2, 2, 2), heads, open_)) == near((0.75 + 5 * 0.25) / 4 * math.log(2))
    nobody = Detections(*(torch.zeros(0, dtype=torch.long) for _ in range(3)), torch.ones(0))
    assert float(losses.detection(torch.zeros(2, 2, 2), nobody, open_)) == near(6 * 0.25 / 4 * math.log(2))
    sure = torch.full((2, 2, 2), -30.0)
    sure[0, 0, 0] = 30.0
    assert float(losses.detection(sure, heads, open_)) == near(0.0)
    assert float(losses.detection(-sure, heads, open_)) > 10.0
    assert float(losses.detection(torch.zeros(2, 2, 2), heads, open_, 0.0)) == near(
        6 * 0.5 * math.log(2)
    )  # plain: all patches alike


def test_the_mask_is_judged_by_shares() -> None:
    share = torch.tensor((((0.25, 1.0),),))
    said = torch.tensor((((0.0, math.log(3.0)),),))  # 1/2 and 3/4
    assert float(losses.mask_entropy(said, share)) == near((math.log(2) - math.log(0.75)) / 2)


def test_rotations_are_compared_entry_by_entry() -> None:
    true = torch.eye(3).expand(2, 53, 3, 3)
    said = true.clone()
    said[0, 0] = turn(90.0)  # four entries differ by 1: 4/9, of one of two people
    said[1, 5] = turn(180.0)  # two entries differ by 2: 4/9, of one of 21 joints of one of two
    said[0, 30] = turn(90.0)  # of one of 31
    root, body, hands = losses.rotation_l1(said, true)
    assert (float(root), float(body), float(hands)) == (near(4 / 18), near(4 / 9 / 42), near(4 / 9 / 62))


def test_depths_are_compared_by_their_ratio_after_the_median_one() -> None:
    assert losses.log_ratio(torch.tensor((2.0, 1.0)), torch.tensor((1.0, 4.0))).tolist() == near([math.log(2), math.log(4)])
    said = torch.tensor(((1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 1.0, 1.0)), requires_grad=True)
    true = torch.tensor(((3.0, 6.0, 90.0, 0.0), (0.0, 0.0, 0.0, 0.0)))
    scale = losses.scene_scale(said, true)  # 3, 3, 30 and one unknown; nothing at all
    assert scale.tolist() == [3.0, 1.0] and not scale.requires_grad


def test_rays_are_slopes() -> None:
    said = torch.tensor(((((2.0, 0.0, 4.0), (0.0, 0.0, 1.0)),),))  # x/z = 1/2; straight ahead; at any distance
    true = torch.tensor(((((0.5, 0.0), (0.0, 0.4)),),))
    assert float(losses.ray_slopes(said, true)) == near(0.4 / 4)


def test_confidence_is_whether_a_depth_is_right_and_teaches_depth_nothing() -> None:
    said = torch.tensor((((1.0, 1.0, 1.0),),), requires_grad=True)
    true = torch.tensor((((1.05, 1.5, 0.0),),))  # within 10 %, beyond, unknown
    logit = torch.full((1, 1, 3), math.log(4.0), requires_grad=True)  # 0.8
    value = losses.confidence(logit, said, true)
    assert float(value.detach()) == near(-(math.log(0.8) + math.log(0.2)) / 2)
    assert torch.autograd.grad(value, said, allow_unused=True)[0] is None


def test_cameras_are_compared_in_pairs_and_no_gauge() -> None:
    true = torch.stack((pose(0.0, 0.0), pose(0.0, 2.0)))[None]
    gauge = pose(70.0, -5.0)
    assert [float(value) for value in losses.relative_poses(gauge @ true, true)] == near([0.0, 0.0])
    said = torch.stack((pose(0.0, 0.0), pose(90.0, 2.2)))[None]
    turned, shifted = losses.relative_poses(said, true)
    # 0.2 m of 2 m along one axis: Huber with 0.2 is half the square, 0.1^2 / 2, mean over three axes
    assert (float(turned), float(shifted)) == (near(4 / 9), near(0.005 / 3))
    far = torch.stack((pose(0.0, 0.0), pose(0.0, 4.0)))[None]  # 1.0: linear, 0.2 (1 - 0.1)
    assert float(losses.relative_poses(far, true)[1]) == near(0.18 / 3)
    near_each_other = torch.stack((pose(0.0, 0.0), pose(0.0, 0.1)))[None]  # counts as half a metre
    assert float(losses.relative_poses(near_each_other, pose(0.0, 0.0).expand(1, 2, 4, 4))[1]) == near(0.02 / 3)
    assert [float(value) for value in losses.relative_poses(said[:, :1], true[:, :1])] == [0.0, 0.0]


def test_reprojection_is_metres_at_the_person_with_any_lens() -> None:
    true = torch.tensor((((0.0, 0.0, 4.0), (0.4, 0.0, 4.0)),))
    said = true + torch.tensor((0.1, 0.0, 0.0))
    for focal in (100.0, 800.0):
        k = torch.tensor((((focal, 0.0, 60.0), (0.0, focal, 50.0), (0.0, 0.0, 1.0)),))
        assert float(losses.reprojection(said, true, k, torch.tensor((4.0,)))) == near(0.1 / 2)  # 0.1 m in x, none in y
        assert float(losses.reprojection(true + 50.0, true, k, torch.tensor((4.0,)))) <= losses.MOST_OFF
    close = true - torch.tensor((0.0, 0.0, 3.9))
    assert float(losses.reprojection(said, close, k, torch.tensor((4.0,)))) == 0.0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
def test_cameras_and_bodies_are_judged_in_full_precision(kind: torch.dtype) -> None:
    from chromm_ros.train.bodies import body_from_head, joints_from_head

    generator = torch.Generator().manual_seed(0)
    turns = torch.linalg.qr(torch.randn(2, 53, 3, 3, generator=generator))[0]
    turns = turns * torch.linalg.det(turns)[..., None, None]
    betas = torch.randn(2, 10, generator=generator)
    poses = torch.eye(4).repeat(1, 2, 1, 1)
    poses[0, :, :3, :3], poses[0, :, :3, 3] = turns[0, :2], torch.randn(2, 3, generator=generator)

    def judged() -> list[torch.Tensor]:
        return [joints_from_head(turns, betas), *body_from_head(turns, betas), *losses.relative_poses(poses, poses.flip(1))]

    with torch.autocast("cpu", kind, enabled=kind is not torch.float32):
        said = judged()
    assert all(torch.equal(a, b) for a, b in zip(said, judged(), strict=True))
