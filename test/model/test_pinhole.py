"""Intrinsics from rays: planted cameras."""

import pytest
import torch
from model.worlds import window

from chromm_ros.model.config import ModelOptions
from chromm_ros.model.pinhole import FOCAL_LIMITS, fit_intrinsics
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


def test_the_option_reaches_the_network() -> None:
    predictor = Predictor(ModelOptions(size="tiny", scene_pixels=1200, device="cpu", intrinsics_fit="free"))
    batch = predictor.prepare(window([(64, 48)], 1))
    free = predictor.infer(batch).intrinsics[0]
    predictor.network.intrinsics_fit = "robust"
    robust = predictor.infer(batch).intrinsics[0]
    torch.testing.assert_close(robust[:2, 2], torch.tensor((32.0, 24.0)))
    assert (free[:2, 2] - robust[:2, 2]).abs().max() > 1e-3
