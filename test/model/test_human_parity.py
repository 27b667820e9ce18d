"""Multi-HMR up to its SMPL-X parameters, against outputs of upstream's code on the same random weights."""

from dataclasses import replace

import pytest
import torch
from model.reference import arrays, assert_same, golden
from safetensors.torch import load_file

from chromm_ros.model.config import SIZES
from chromm_ros.model.human_branch import Detections, camera_embedding, detect
from chromm_ros.model.human_heads import MultiHmr
from chromm_ros.model.weight_maps import MULTIHMR, rename

IMAGES = {"main": [1, 0, 3, 2, 7, 5], "betas11": [1, 3, 7]}
"""Which of the golden images make each batch; some show nobody."""


def network(case: str) -> MultiHmr:
    weights = load_file(golden(f"multihmr_tiny_{'betas11_' if case == 'betas11' else ''}weights.safetensors"))
    renamed = {rename(key, MULTIHMR): value for key, value in weights.items()}
    renamed.pop(None, None)
    branch = MultiHmr(replace(SIZES["tiny"].human, betas=11 if case == "betas11" else 10))
    branch.load_state_dict({str(key): value for key, value in renamed.items()})
    return branch.eval()


@pytest.mark.parametrize("case", IMAGES)
@torch.inference_mode()
def test_multi_hmr_equals_upstream(case: str) -> None:
    expected = {key.removeprefix(f"{case}/"): value for key, value in arrays(f"multihmr_tiny_{case}.npz").items()}
    inputs = arrays("multihmr_tiny_inputs.npz")
    branch, images, intrinsics = network(case), inputs["x"][IMAGES[case]], inputs["K"][IMAGES[case]]

    features = branch.backbone(images)  # the golden images are normalised already
    found = detect(branch.scores(features), 0.3, 3)
    people = branch.perceive(features, found, intrinsics)

    for name, ours in {
        "idx0": found.image,
        "idx1": found.row,
        "idx2": found.column,
        "scores_det": found.score,
        "loc": branch.locate(features, found),
        "betas": people.betas,
        "expression": people.expression,
        "dist": people.distance[:, None],
        "rotmat_global": people.rotations[:, :1],
        "rotmat_body": people.rotations[:, 1:],
    }.items():
        assert_same(ours, expected[name], f"{case} {name}")
    if case == "main":
        assert_same(features, expected["backbone_tokens"], "backbone")


@torch.inference_mode()
def test_nobody_in_any_image() -> None:
    branch, inputs = network("main"), arrays("multihmr_tiny_inputs.npz")
    features = branch.backbone(inputs["x"][[0, 2]])
    found = detect(branch.scores(features), 0.3, 3)
    assert len(found.score) == 0
    assert branch.perceive(features, found, inputs["K"][[0, 2]]).rotations.shape == (0, 53, 3, 3)


def test_camera_embedding_equals_upstream() -> None:
    reference = arrays("mod_mh_fourier.npz")
    ours = camera_embedding(reference["in.K"], 8, 16, 64).unflatten(1, (8, 8))
    assert_same(ours, reference["out.embedding_b_row_col_99"])


def test_ties_all_survive_and_neighbours_fall() -> None:
    scores = torch.zeros(1, 5, 5)
    scores[0, 1, 1] = scores[0, 1, 2] = 0.9
    scores[0, 2, 2] = 0.8
    found = detect(scores, 0.3, 3)
    assert isinstance(found, Detections)
    assert list(zip(found.row.tolist(), found.column.tolist(), strict=True)) == [(1, 1), (1, 2)]
