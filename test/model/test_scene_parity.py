"""Pi3X, against outputs of upstream's code on the same random weights."""

import json

import pytest
import torch
from model.reference import arrays, assert_same, golden
from safetensors.torch import load_file

from chromm_ros.model.config import SIZES
from chromm_ros.model.scene_branch import SceneBranch, SceneOutput, to_world
from chromm_ros.model.scene_conditions import Conditions

FILES = {
    "A_nocond": "A_nocond",
    "A_rays": "A_cond",
    "A_intr": "A_cond",
    "A_pose": "A_cond",
    "A_depth": "A_cond",
    "A_partial": "A_masks",
    "A_raypose": "A_masks",
    "C_single": "C_single",
}
NAMES = {"mask_add_ray": "ray_mask", "mask_add_pose": "pose_mask", "mask_add_depth": "depth_mask"}


@pytest.fixture(scope="module")
def network() -> SceneBranch:
    branch = SceneBranch(SIZES["tiny"].scene)
    branch.load_state_dict(load_file(golden("pi3x_tiny_weights.safetensors")))
    return branch.eval()


@pytest.fixture(scope="module")
def inputs() -> dict[str, torch.Tensor]:
    return arrays("pi3x_tiny_inputs.npz")


def conditions(case: str, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, Conditions | None]:
    listed = dict(json.loads(golden("pi3x_tiny_config.json").read_text())["cases"][case]["inputs"])
    images = inputs[listed.pop("imgs")]
    known = {NAMES.get(name, name): inputs[key] for name, key in listed.items()}
    return images, Conditions(**known) if known else None


@pytest.mark.parametrize("case", FILES)
@torch.inference_mode()
def test_pi3x_equals_upstream(case: str, network: SceneBranch, inputs: dict[str, torch.Tensor]) -> None:
    reference = arrays(f"pi3x_tiny_{FILES[case]}.npz")
    images, known = conditions(case, inputs)
    output: SceneOutput = network(images, known)
    for name, ours in {
        "points": to_world(output),
        "local_points": output.local_points,
        "rays": output.rays,
        "conf": output.confidence[..., None],
        "camera_poses": output.world_from_cam,
        "metric": output.metric,
    }.items():
        assert_same(ours, reference[f"{case}/out.{name}"], f"{case} {name}")
