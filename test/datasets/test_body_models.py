"""Joints from model files are those that the smplx library poses, whatever the file was written with."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from miniatures import smpl_joints, smplx_joints
from scipy import sparse

from chromm_ros.datasets.body_models import load_model, need_models
from chromm_ros.errors import ConfigError, FileError


def test_smpl_is_posed_as_by_its_library(models: Path) -> None:
    rng = np.random.default_rng(0)
    pose, betas, transl = rng.normal(0.0, 0.6, (5, 24, 3)), rng.normal(0.0, 2.0, (5, 10)), rng.normal(0.0, 3.0, (5, 3))
    expected = smpl_joints(
        models, "male", global_orient=pose[:, 0], body_pose=pose[:, 1:].reshape(5, 69), betas=betas, transl=transl
    )
    model = load_model(models, "smpl", "male")
    np.testing.assert_allclose(model.joints(pose, betas, transl), expected, atol=2e-6)
    np.testing.assert_allclose(expected[:, 0], transl + model.rest_joints(betas)[:, 0], atol=2e-6)  # pelvis = transl + J0(betas)


def test_smplx_is_posed_with_hands_and_expression(models: Path) -> None:
    rng = np.random.default_rng(1)
    sizes = {
        "global_orient": 3,
        "body_pose": 63,
        "jaw_pose": 3,
        "leye_pose": 3,
        "reye_pose": 3,
        "left_hand_pose": 12,
        "right_hand_pose": 12,
    }
    part = {
        name: rng.normal(0.0, 0.4, (4, size)) for name, size in (sizes | {"betas": 10, "expression": 10, "transl": 3}).items()
    }
    model = load_model(models, "smplx", "neutral")
    hands = model.hand_poses(part["left_hand_pose"], part["right_hand_pose"])
    body = np.concatenate([part[name] for name in list(sizes)[:5]], axis=1).reshape(4, 25, 3)
    found = model.joints(np.concatenate([body, hands], axis=1), part["betas"], part["transl"], part["expression"])
    np.testing.assert_allclose(found, smplx_joints(models, "neutral", **part), atol=5e-6)


def test_a_file_of_chumpy_and_scipy_is_read_without_chumpy(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SMPL is distributed: arrays of a library that is no longer maintained, and a sparse regressor, by Python 2."""
    content = pickle.loads((models / "SMPL_MALE.pkl").read_bytes())
    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch"})  # type: ignore[attr-defined]  # of a stand-in
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    for name in ("shapedirs", "v_template"):
        wrapped = module.Ch()
        wrapped.__dict__.update(x=content[name], _dirty_vars=set())
        content[name] = wrapped
    content["J_regressor"] = sparse.csc_matrix(content["J_regressor"])
    for protocol in (0, 2):
        path = tmp_path / str(protocol) / "smpl" / "SMPL_MALE.pkl"
        path.parent.mkdir(parents=True)
        path.write_bytes(pickle.dumps(content, protocol))
        monkeypatch.delitem(sys.modules, "chumpy.ch", raising=False)
        found = load_model(path.parents[1], "smpl", "male")
        np.testing.assert_allclose(found.rest, load_model(models, "smpl", "male").rest, atol=1e-12)
        monkeypatch.setitem(sys.modules, "chumpy.ch", module)


def test_what_is_wrong_with_models_is_told(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"RICH gives SMPLX parameters, not joints, .* register at smpl-x.is.tue.mpg.de"):
        need_models(None, "smplx", "RICH")
    with pytest.raises(FileError, match=r"no SMPLX_MALE.npz or SMPLX_MALE.pkl in .* register at smpl-x"):
        load_model(models, "smplx", "male")
    with pytest.raises(FileError, match=r"a body has 11 betas and its model file 10"):
        load_model(models, "smpl", "male").rest_joints(np.zeros((1, 11)))
    path = tmp_path / "SMPL_MALE.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(FileError, match="cannot be read as a body model"):
        load_model(tmp_path, "smpl", "male")
    np.savez(path, v_template=np.zeros((3, 3)))
    with pytest.raises(FileError, match=r"is no SMPL model \(KeyError: 'J_regressor'\)"):
        load_model(tmp_path, "smpl", "male")
    path.write_bytes((models / "SMPLX_NEUTRAL.npz").read_bytes())
    with pytest.raises(FileError, match="has 55 joints, expected 24: is it another kind of body"):
        load_model(tmp_path, "smpl", "male")
