"""The command that trains on takes trains on BEDLAM as well: on a miniature of it, with the free body in the licensed one's place."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from test_bedlam import SCENE, planted  # noqa: F401 - a fixture, with this module's models

from chromm_ros import __main__ as cli
from chromm_ros.body.smplx_body import FREE_BODY
from chromm_ros.datasets.bedlam import HELD_OUT_SCENES
from chromm_ros.errors import ConfigError, InputError
from chromm_ros.model.checkpoint import read_card
from chromm_ros.synthetic.world.take import TakeOptions
from chromm_ros.train import bodies
from chromm_ros.train.data import DataOptions, maker
from chromm_ros.train.folder import newest

pytest.importorskip("OpenEXR", reason="depth maps are OpenEXR: pip install 'chromm_ros[bedlam]'")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the free body stands for the licensed one, whose format it has."""
    folder = tmp_path_factory.mktemp("bodies")
    shutil.copy(FREE_BODY, folder / "SMPLX_NEUTRAL.npz")
    return folder


@pytest.fixture(scope="module")
def root(planted: tuple[Path, np.ndarray]) -> Path:  # noqa: F811
    """The miniature with a second scene, one of those for validation."""
    folder, other = planted[0], sorted(HELD_OUT_SCENES)[0]
    shutil.copytree(folder / SCENE, folder / other)
    shutil.copy(folder / "processed_labels" / f"{SCENE}_6fps.npz", folder / "processed_labels" / f"{other}_6fps.npz")
    return folder


@pytest.fixture(autouse=True)
def _free_body_afterwards() -> object:
    yield
    bodies.use_body("")


@pytest.mark.parametrize("stage", ["human", "scene", "smpl"])
def test_each_stage_learns_from_bedlam(root: Path, models: Path, tmp_path: Path, stage: str) -> None:
    settings = {"data.bedlam": root, "data.body_models": models, "data.images": 2, "validation_clips": 1, "log_every": 1}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    run = tmp_path / stage
    assert cli.main(["train", stage, "--out", str(run), "--steps", "2", "--batch", "1", "--workers", "0", *words]) == 0
    checkpoint = newest(run)
    assert checkpoint is not None and checkpoint.step == 2
    assert any(float(value.abs().sum()) > 0.0 for value in checkpoint.averaged.values())
    file = tmp_path / "made.safetensors"
    assert cli.main(["train", "export", str(run), "--out", str(file)]) == 0
    card = read_card(file)
    assert card is not None and card.licence == "BEDLAM's and SMPL-X's" and "4 images of BEDLAM" in card.notes


def test_clips_are_chosen_by_number_and_validation_has_scenes_of_its_own(root: Path, models: Path) -> None:
    data = DataOptions(bedlam=str(root), body_models=str(models), images=2)
    for held_out in (False, True):
        make = maker(data, TakeOptions(), moments=1, period_s=0.1, held_out=held_out)
        clip, again = make(3), make(3)
        assert [m.stamp_ns for m in clip] == [m.stamp_ns for m in again] == sorted(m.stamp_ns for m in clip)
        assert len({m.stamp_ns for m in clip}) == 2 and clip[0].images.shape == (1, 72, 128, 3)
        assert {name.partition("/")[0] in HELD_OUT_SCENES for name in make.names} == {held_out}  # type: ignore[attr-defined]


def test_what_is_missing_is_said(root: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs data.body_models"):
        DataOptions(bedlam=str(root))
    (tmp_path / "processed_labels").mkdir()
    shutil.copytree(root / SCENE, tmp_path / SCENE)
    shutil.copy(root / "processed_labels" / f"{SCENE}_6fps.npz", tmp_path / "processed_labels")
    with pytest.raises(InputError, match=r"no such scene of BEDLAM: expected one of .*, for validation"):
        maker(DataOptions(bedlam=str(tmp_path), body_models=str(models)), TakeOptions(), moments=1, period_s=0.1, held_out=True)


def test_losses_pose_the_body_that_was_chosen(tmp_path: Path) -> None:
    content = dict(np.load(FREE_BODY))
    content["v_template"] = 2.0 * content["v_template"]
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **content)
    rest, zero = torch.eye(3).expand(1, 53, 3, 3), torch.zeros(1, 10)
    free = bodies.joints_from_head(rest, zero)
    bodies.use_body(str(tmp_path))
    torch.testing.assert_close(bodies.joints_from_head(rest, zero), 2.0 * free, atol=1e-5, rtol=1e-5)
