"""Pi3X, against outputs of upstream's code on the same random weights, and by the laws that cases without such outputs follow."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from model.reference import arrays, assert_same, golden, in_the_world
from safetensors.torch import load_file

from chromm_ros.model.config import SIZES
from chromm_ros.model.rope import grid_positions
from chromm_ros.model.scene_branch import SPECIALS, SceneBranch, SceneOutput
from chromm_ros.model.scene_conditions import Conditions, prepare_conditions, ray_map
from chromm_ros.model.scene_heads import uv_map

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


def steps_of(network: SceneBranch, images: torch.Tensor, known: Conditions | None) -> tuple[SceneOutput, dict[str, torch.Tensor]]:
    """The output, and what went through the network on the way, by upstream's names."""
    held: dict[str, torch.Tensor] = {}

    def given(name: str):
        return lambda _, inputs: held.update({name: inputs[0]})

    def result(name: str):
        return lambda _, inputs, output: held.update({name: output})

    hooks = [network.decoder[0].register_forward_pre_hook(given("enc_hidden"))]
    hooks += [network.point_decoder.register_forward_pre_hook(given("dec_hidden"))]
    kept = {
        "enc_patchtokens": network.encoder, "point_tokens": network.point_decoder, "conf_tokens": network.conf_decoder,
        "camera_tokens": network.camera_decoder, "maps": network.point_head, "metric_token_out": network.metric_decoder,
        "metric_raw": network.metric_head, "cam_t_raw": network.camera_head.fc_t, "cam_rot9_raw": network.camera_head.fc_rot,
        "camera_poses_unscaled": network.camera_head,
        **{f"dec_block{index:02}_out": network.decoder[index] for index in (0, 1, 9, 10, 11)},
    }  # fmt: skip  # a table
    hooks += [module.register_forward_hook(result(name)) for name, module in kept.items()]
    output = network(images, known)
    for hook in hooks:
        hook.remove()
    held["enc_hidden"] = held["enc_hidden"][:, SPECIALS:]
    held["xy_raw"], held["z_raw"] = held.pop("maps")
    scenes, views, (height, width) = *images.shape[:2], images.shape[-2:]
    prepared = prepare_conditions(known or Conditions(), scenes, views, height, width, images.device)
    unknown = torch.eye(4).expand(scenes, views, 4, 4)
    held["used_depth_mask"], held["used_pose_mask"], held["norm_factor"] = prepared.depth_mask, prepared.pose_mask, prepared.scale
    # Poses that nobody looks at are dropped; upstream goes on computing them.
    held["poses_normalised"] = prepared.poses if prepared.poses is not None else unknown
    held["dec_pos"] = grid_positions(height // 14, width // 14, specials=SPECIALS, device="cpu").expand(scenes * views, -1, -1)
    return output, held


@pytest.mark.parametrize("case", FILES)
@torch.inference_mode()
def test_pi3x_equals_upstream(case: str, network: SceneBranch, inputs: dict[str, torch.Tensor]) -> None:
    reference = arrays(f"pi3x_tiny_{FILES[case]}.npz")
    images, known = conditions(case, inputs)
    output, steps = steps_of(network, images, known)
    told = known is not None and known.poses is not None
    for name, ours in steps.items():
        target = reference.get(f"{case}/mid.{name}")
        dropped = name == "poses_normalised" and told and not steps["used_pose_mask"].any()
        if target is not None and not dropped:
            assert_same(ours.reshape(target.shape), target, f"{case} {name}")
    assert {key.partition("/mid.")[2] for key in reference if key.startswith(f"{case}/mid.")} <= steps.keys(), "all are compared"
    for name, ours in {
        "points": in_the_world(output.world_from_cam, output.local_points),
        "local_points": output.local_points,
        "rays": output.rays,
        "conf": output.confidence[..., None],
        "camera_poses": output.world_from_cam,
        "metric": output.metric,
    }.items():
        assert_same(ours, reference[f"{case}/out.{name}"], f"{case} {name}")


def everything(inputs: dict[str, torch.Tensor], letter: str = "A") -> Conditions:
    return Conditions(**{name: inputs[f"{letter}/{name}"] for name in ("intrinsics", "poses", "depths")})


def pick(known: Conditions, which: object) -> Conditions:
    """Some scenes or views of conditions, by an index of their first axes."""
    values = {entry.name: getattr(known, entry.name) for entry in fields(known)}
    return Conditions(**{name: None if value is None else value[which] for name, value in values.items()})


def assert_alike(ours: SceneOutput, reference: SceneOutput, which: object = ...) -> None:
    for name in ("local_points", "rays", "confidence", "world_from_cam"):
        assert_same(getattr(ours, name), getattr(reference, name)[which], name)


def masks(inputs: dict[str, torch.Tensor], letter: str) -> dict[str, torch.Tensor]:
    """Different ones for the scenes of a batch: a lone pose, no depth, no ray in one of them."""
    assert inputs[f"{letter}/imgs"].shape[:2] == (2, 3)
    return {
        "pose_mask": torch.tensor([[True, False, True], [False, True, False]]),
        "depth_mask": torch.tensor([[False, False, False], [True, True, False]]),
        "ray_mask": torch.tensor([[False, True, True], [False, False, False]]),
    }


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("masked", [False, True])
@torch.inference_mode()
def test_all_that_is_known_at_once_scene_by_scene_by_rays_and_in_another_world(
    letter: str, masked: bool, network: SceneBranch, inputs: dict[str, torch.Tensor]
) -> None:
    images, known = inputs[f"{letter}/imgs"], everything(inputs, letter)
    if masked:
        known = replace(known, **masks(inputs, letter))
    together = network(images, known)
    for scene in range(2):
        part = slice(scene, scene + 1)
        assert_alike(network(images[part], pick(known, part)), together, part)
    # The same cameras told as rays of any length.
    flat = ray_map(known.intrinsics, *images.shape[-2:])
    rays = torch.cat((flat, torch.ones_like(flat[..., :1])), -1)
    unit = rays / rays.norm(dim=-1, keepdim=True)
    assert_alike(network(images, replace(known, intrinsics=None, rays=unit)), together)
    # Rays go before intrinsics.
    assert_alike(network(images, replace(known, intrinsics=known.intrinsics * 3, rays=unit)), together)
    # Another world and another unit of length, for poses and depths alike.
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]
    turn = turn * torch.linalg.det(turn)
    world = torch.eye(4)
    world[:3, :3], world[:3, 3] = turn, torch.tensor((3.0, -2.0, 1.0))
    moved = world @ known.poses
    moved[..., :3, 3] *= 5
    assert_alike(network(images, replace(known, poses=moved, depths=5 * known.depths)), together)


@pytest.mark.parametrize("letter", ["A", "B"])
@torch.inference_mode()
def test_the_order_of_views_does_not_matter(letter: str, network: SceneBranch, inputs: dict[str, torch.Tensor]) -> None:
    """Without poses for every order; with poses for those that keep the first view, to which poses are relative."""
    images, known = inputs[f"{letter}/imgs"], everything(inputs, letter)
    cameras = replace(known, poses=None, **{name: mask for name, mask in masks(inputs, letter).items() if name != "pose_mask"})
    for order, told in (([2, 0, 1], None), ([1, 2, 0], cameras), ([0, 2, 1], known)):
        which = (slice(None), order)
        shuffled = network(images[:, order], None if told is None else pick(told, which))
        plain = network(images, told)
        for name in ("local_points", "rays", "confidence"):
            assert_same(getattr(shuffled, name), getattr(plain, name)[which], f"{order} {name}")
        assert_same(shuffled.metric, plain.metric)


@torch.inference_mode()
def test_what_masks_leave_out_is_not_there(network: SceneBranch, inputs: dict[str, torch.Tensor]) -> None:
    images, known = inputs["A/imgs"], everything(inputs)
    off = torch.zeros(2, 3, dtype=torch.bool)
    silent = replace(known, ray_mask=off, pose_mask=off, depth_mask=off)
    assert_alike(network(images, silent), network(images))
    lone = off.clone()
    lone[:, 1] = True
    assert_alike(network(images, replace(silent, pose_mask=lone)), network(images))
    one = replace(known, **masks(inputs, "A"))
    other = replace(one, intrinsics=torch.where(one.ray_mask[..., None, None], known.intrinsics, torch.eye(3)))
    assert_alike(network(images, other), network(images, one))


def prepared_by_hand(known: Conditions, scene: int) -> tuple[np.ndarray | None, np.ndarray | None, float, np.ndarray]:
    """SPEC 1.3 in loops and float64: depths, poses, scale and the pose mask of one scene."""
    depths = None if known.depths is None else known.depths[scene].double().numpy()
    poses = None if known.poses is None else known.poses[scene].double().numpy()
    views = len(depths if poses is None else poses)
    on = np.zeros(views, bool) if poses is None else np.ones(views, bool)
    if poses is not None and known.pose_mask is not None:
        on = known.pose_mask[scene].numpy()
    if on.sum() == 1:
        on = np.zeros(views, bool)
    depth_on = depths is not None and (known.depth_mask is None or bool(known.depth_mask[scene].any()))
    mean = 1.0
    if depths is not None:
        valid = depths[depths > 0]
        mean = float(valid.mean()) if len(valid) else 1.0
        depths = depths / (mean + 1e-8)
    if poses is not None:
        poses = np.stack([np.linalg.inv(poses[0]) @ pose for pose in poses])
        poses[:, :3, 3] /= mean
        distances = [float(np.linalg.norm(pose[:3, 3])) for pose in poses[1:]]
        if not depth_on and views > 1 and max(distances) >= 2e-2:
            spread = sum(distances) / len(distances) + 1e-8
            poses[:, :3, 3] /= spread
            depths = None if depths is None else depths / spread
            mean *= spread
    return depths, poses, mean, on


@pytest.mark.parametrize("seed", range(12))
def test_conditions_are_prepared_by_the_rule_in_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenes, views, size = 3, int(rng.integers(1, 5)), (28, 42)
    turns = torch.linalg.qr(torch.tensor(rng.normal(size=(scenes, views, 3, 3)), dtype=torch.float32))[0]
    poses = torch.eye(4).repeat(scenes, views, 1, 1)
    poses[..., :3, :3] = turns * torch.linalg.det(turns)[..., None, None]
    poses[..., :3, 3] = torch.tensor(rng.normal(size=(scenes, views, 3)) * (1e-3, 0.5, 40)[seed % 3], dtype=torch.float32)
    depths = torch.tensor(rng.uniform(-1, 6, (scenes, views, *size)), dtype=torch.float32)
    depths[0] = -1.0  # a scene in which no depth is valid

    def mask() -> torch.Tensor | None:
        return None if rng.random() < 0.2 else torch.tensor(rng.random((scenes, views)) < 0.5)

    known = Conditions(
        poses=poses if rng.random() < 0.8 else None, depths=depths, pose_mask=mask(), depth_mask=mask(),
    )  # fmt: skip  # side by side
    ours = prepare_conditions(known, scenes, views, *size, torch.device("cpu"))
    for scene in range(scenes):
        by_hand, relative, scale, on = prepared_by_hand(known, scene)
        np.testing.assert_allclose(float(ours.scale[scene]), scale, rtol=1e-5)
        assert ours.pose_mask[scene].tolist() == on.tolist()
        if ours.depths is not None:
            assert by_hand is not None
            np.testing.assert_allclose(ours.depths[scene, :, 0], by_hand, rtol=1e-4, atol=1e-5)
            assert np.array_equal(ours.depths[scene, :, 1].numpy(), by_hand > 0)
        if ours.poses is not None:
            np.testing.assert_allclose(ours.poses[scene], relative, atol=1e-4 * max(1.0, float(np.abs(relative).max())))


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (6, 3), (2, 9), (1, 5), (7, 1), (27, 48), (5, 5)])
def test_places_in_frames_of_any_aspect(rows: int, columns: int) -> None:
    positions = grid_positions(rows, columns, specials=SPECIALS, device="cpu").tolist()
    assert positions == [[0, 0]] * SPECIALS + [[row + 1, column + 1] for row in range(rows) for column in range(columns)]
    assert grid_positions(rows, columns, specials=0, device="cpu").tolist() == [
        [row, column] for row in range(rows) for column in range(columns)
    ]
    aspect = columns / rows
    for scale in (1, 2, 14):
        height, width = scale * rows, scale * columns
        u, v = uv_map(height, width, aspect, torch.device("cpu"))
        diagonal = (aspect**2 + 1) ** 0.5
        # The centre of a cell, from the middle of the image, in half diagonals.
        column = [(2 * index + 1 - width) / width * aspect / diagonal for index in range(width)]
        row = [(2 * index + 1 - height) / height / diagonal for index in range(height)]
        np.testing.assert_allclose(u, np.broadcast_to(column, (height, width)), atol=1e-6)
        np.testing.assert_allclose(v, np.broadcast_to(np.array(row)[:, None], (height, width)), atol=1e-6)
