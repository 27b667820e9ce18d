"""Intrinsics from rays: planted cameras."""

import pytest
import torch
from model.worlds import window

from chromm_ros.model.config import ModelOptions
from chromm_ros.model.pinhole import FOCAL_LIMITS, fit_intrinsics, intrinsics_from_rays, median_depth, sample_map
from chromm_ros.model.predictor import Predictor

SIZE = torch.tensor(((640.0, 480.0), (300.0, 500.0)))
RESIZE = torch.stack([torch.diag(torch.tensor((42 / w, 28 / h, 1.0))) for w, h in SIZE.tolist()])  # the aspect changes


def camera(fx: float, fy: float, cx: float, cy: float) -> torch.Tensor:
    return torch.tensor(((fx, 0.0, cx), (0.0, fy, cy), (0.0, 0.0, 1.0)))


def rays_of(cameras: torch.Tensor) -> torch.Tensor:
    """Unit rays through the centres of 42 x 28 pixels of the resized images."""
    v, u = torch.meshgrid(torch.arange(28) + 0.5, torch.arange(42) + 0.5, indexing="ij")
    seen = torch.stack((u, v, torch.ones_like(u)), -1) @ torch.linalg.inv(RESIZE @ cameras).mT[:, None]
    return seen / seen.norm(dim=-1, keepdim=True)


def test_a_free_fit_finds_any_pinhole_camera() -> None:
    planted = torch.stack((camera(500, 520, 250, 300), camera(700, 640, -60, 540)))  # a crop's principal point may lie outside
    found = fit_intrinsics(rays_of(planted), RESIZE, SIZE, "free")
    torch.testing.assert_close(found, planted, rtol=1e-4, atol=0.01)


@pytest.mark.parametrize(("fit", "fy"), [("robust", (500, 400)), ("centred", (520, 380)), ("free", (520, 380))])
def test_all_fits_agree_on_a_camera_that_they_can_describe(fit: str, fy: tuple[float, float]) -> None:
    planted = torch.stack((camera(500, fy[0], 320, 240), camera(400, fy[1], 150, 250)))
    found = fit_intrinsics(rays_of(planted), RESIZE, SIZE, fit)
    torch.testing.assert_close(found, planted, rtol=1e-4, atol=0.02)


@pytest.mark.parametrize("fit", ["robust", "centred", "free"])
@pytest.mark.parametrize("kind", ["noise", "mirrored", "all alike"])
def test_wild_rays_give_a_usable_camera(fit: str, kind: str) -> None:
    torch.manual_seed(0)
    wild = torch.nn.functional.normalize(torch.randn(2, 28, 42, 3), dim=-1)
    if kind == "mirrored":
        wild = rays_of(torch.stack((camera(50, 50, 320, 240),) * 2)) * torch.tensor((-1, -1, 1))
    elif kind == "all alike":
        wild = torch.tensor((0.6, 0.0, 0.8)).expand(2, 28, 42, 3)
    found = fit_intrinsics(wild, RESIZE, SIZE, fit)
    focal = found[:, (0, 1), (0, 1)] / SIZE.amax(-1, keepdim=True)
    assert (focal > 0.99 * FOCAL_LIMITS[0]).all()
    assert (focal < 1.01 * FOCAL_LIMITS[1]).all()
    assert ((found[:, :2, 2] >= -SIZE) & (found[:, :2, 2] <= 2 * SIZE)).all()


@pytest.mark.parametrize("place", [(-3.0, 0.5), (0.5, 3.5)])
def test_a_principal_point_stays_within_one_image_of_the_image(place: tuple[float, float]) -> None:
    """In images; exact rays of such a camera, which nobody built."""
    planted = torch.stack([camera(500, 500, place[0] * w, place[1] * h) for w, h in SIZE.tolist()])
    found = fit_intrinsics(rays_of(planted), RESIZE, SIZE, "free")
    bounded = torch.tensor(place).clamp(-1, 2) * SIZE
    torch.testing.assert_close(found[:, :2, 2], bounded, rtol=1e-4, atol=0.5)


def test_rays_near_the_centre_say_nothing_of_the_focal_length() -> None:
    """Within a quarter of the half diagonal all are wild, and so many of the others that all together are the majority."""
    planted, other = (torch.stack((camera(f, f, 320, 240), camera(f, f, 150, 250))) for f in (500, 250))
    rays, wrong = rays_of(planted), rays_of(other)
    v, u = torch.meshgrid(torch.arange(28) + 0.5, torch.arange(42) + 0.5, indexing="ij")
    for index, (width, height) in enumerate(SIZE.tolist()):
        away = torch.hypot((u / 42 - 0.5) * width, (v / 28 - 0.5) * height)
        order = away.flatten().argsort()
        inner = int((away <= 0.25 * (width**2 + height**2) ** 0.5 / 2).sum())
        outer = order[inner:]
        wild = torch.cat((order[:inner], outer[: int(0.48 * len(outer))]))
        assert len(wild) > 0.52 * len(order)
        rays[index].view(-1, 3)[wild] = wrong[index].view(-1, 3)[wild]
    torch.testing.assert_close(intrinsics_from_rays(rays, RESIZE, SIZE), planted, rtol=1e-4, atol=0.02)


def test_maps_are_read_between_the_centres_of_their_cells() -> None:
    """A plane is given back wherever four centres surround the place, and the border beyond them."""
    row, column = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing="ij")
    maps = torch.stack((column + 0.5, row + 0.5), -1)[None] * torch.tensor((1.0, -2.0))[:, None, None, None]  # two images
    place = torch.tensor(((0.5, 0.5), (2.0, 1.75), (4.4, 3.5), (0.0, 9.0)))
    centre = place.clamp(min=0.5).minimum(torch.tensor((4.5, 3.5)))
    for image, factor in enumerate((1.0, -2.0)):
        read = sample_map(maps, torch.full((4,), image), place)
        torch.testing.assert_close(read, factor * centre)


def test_one_wild_depth_does_not_decide() -> None:
    depth = torch.arange(80.0).reshape(2, 5, 8)
    depth[1, 2, 3] = 1e6
    found = median_depth(depth, torch.tensor((0, 1, 0)), torch.tensor(((3.9, 2.1), (3.5, 2.5), (-4.0, 2.5))))
    assert found.tolist() == [19, 60, 16], "the middle of nine; without the wild one the next; at the border what is there"


def test_the_option_reaches_the_network() -> None:
    predictor = Predictor(ModelOptions(size="tiny", scene_pixels=1200, device="cpu", intrinsics_fit="free"))
    batch = predictor.prepare(window([(64, 48)], 1))
    free = predictor.infer(batch).intrinsics[0]
    predictor.network.intrinsics_fit = "robust"
    robust = predictor.infer(batch).intrinsics[0]
    torch.testing.assert_close(robust[:2, 2], torch.tensor((32.0, 24.0)))
    assert (free[:2, 2] - robust[:2, 2]).abs().max() > 1e-3
