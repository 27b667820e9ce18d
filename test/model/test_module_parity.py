"""Single modules, against outputs of upstream's code on the same random weights."""

import json

import pytest
import torch
from model.reference import arrays, assert_same, golden
from safetensors.torch import load_file
from torch import nn

from chromm_ros.geometry.camera import pixel_grid, project
from chromm_ros.geometry.rotation import matrix_from_rotvec, rotvec_from_matrix
from chromm_ros.model.config import MULTIHMR as SIZES_OF_MULTIHMR
from chromm_ros.model.config import PI3X as SIZE_OF_PI3X
from chromm_ros.model.human_branch import fourier
from chromm_ros.model.human_heads import (
    MultiHmr,
    PeopleLayers,
    assumed_focal,
    distance_of,
    rotations_from_6d,
)
from chromm_ros.model.inputs import InputMaker, letterbox, scene_size
from chromm_ros.model.pinhole import back_project, least_squares_pinhole
from chromm_ros.model.rope import (
    grid_positions,
    invert_rigid,
    prope_back,
    prope_keys,
    prope_queries,
    prope_table,
    rope_table,
    rotate,
)
from chromm_ros.model.rope_blocks import CrossBlock, PoseInject
from chromm_ros.model.scene_branch import IMAGE_MEAN, IMAGE_STD, SceneBranch
from chromm_ros.model.scene_conditions import normalise_depths, ray_map
from chromm_ros.model.scene_heads import CameraHead, ConvHead, nearest_rotation, uv_map
from chromm_ros.model.vit import Block, resize_positions
from chromm_ros.model.weight_maps import MULTIHMR, rename
from chromm_ros.reconstruct.edges import depth_jumps, depth_normal_jumps
from chromm_ros.records import Frame, FrameSet, Window

pytestmark = pytest.mark.usefixtures("without_gradients")


@pytest.fixture
def without_gradients():
    with torch.inference_mode():
        yield


def loaded(module: nn.Module, name: str, prefix: str = "") -> nn.Module:
    weights = load_file(golden(name))
    module.load_state_dict({key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)})
    return module.eval()


def results_of(modules: list[nn.Module]) -> list[torch.Tensor]:
    """Fills with what the modules give when they are called."""
    held: list[torch.Tensor] = []
    for module in modules:
        module.register_forward_hook(lambda _, inputs, output: held.append(output))
    return held


@pytest.mark.parametrize("case", ["tall", "wide"])
def test_conv_head(case: str) -> None:
    reference = arrays("mod_conv_head.npz")
    head = loaded(ConvHead(24, (48, 32, 16), 12, (2, 1)), "mod_conv_head.safetensors")
    rows, columns = reference[f"{case}/in.patch_hw"].tolist()
    stages = results_of(list(head.upsample_blocks))
    for index, ours in enumerate(head(reference[f"{case}/in.tokens"], rows, columns)):
        assert_same(ours, reference[f"{case}/out.{index}"])
    for index, ours in enumerate(stages):
        assert_same(ours, reference[f"{case}/mid.up{index}"])
    for name, scale in (("uv_full", 14), ("uv_tokens", 1)):
        uv = uv_map(scale * rows, scale * columns, columns / rows, torch.device("cpu"))
        assert_same(uv.permute(1, 2, 0), reference[f"{case}/mid.{name}"])


def test_camera_head_and_nearest_rotation() -> None:
    reference = arrays("mod_camera_head.npz")
    head = loaded(CameraHead(32), "mod_camera_head.safetensors")
    last = results_of([head.fc_t, head.fc_rot])
    assert_same(head(reference["in.tokens"]), reference["out.pose"])
    for ours in last:
        assert_same(ours, reference["mid.t" if ours.shape[1] == 3 else "mid.rot9"])
    values = reference["so3/mid.singular_values_of_row_normalised"].sort(descending=True).values
    # Where the matrix mirrors, the nearest rotation jumps as the two smallest singular values meet.
    posed = (reference["so3/mid.det_in"] > 0) | (values[:, 1] - values[:, 2] > 1e-2)
    assert posed.sum() > 80
    assert_same(nearest_rotation(reference["so3/in.m9"])[posed], reference["so3/out.R"][posed])


@pytest.mark.parametrize("dim", [64, 16])
def test_rope(dim: int) -> None:
    reference = arrays("mod_rope2d.npz")
    positions = reference["pos_with_specials"]
    assert torch.equal(grid_positions(3, 4, specials=5, device="cpu").expand_as(positions), positions)
    plain = reference["grid_pos_h3_w4"]
    assert torch.equal(grid_positions(3, 4, specials=0, device="cpu").expand_as(plain), plain)
    steps = torch.arange(6)[:, None].expand(-1, 2)
    for name, table in zip(("cos", "sin"), rope_table(steps, dim), strict=True):
        assert_same(table[:, 0].repeat(1, 2), reference[f"d{dim}/{name}_table_0_5"], "upstream writes each angle twice")
    cos, sin = rope_table(positions, dim)
    ours = rotate(reference[f"d{dim}/in.tokens"], (cos[:, None], sin[:, None]))
    assert_same(ours, reference[f"d{dim}/out.tokens"])


def test_rope_far_out() -> None:
    reference = arrays("mod_rope2d.npz")
    cos, sin = rope_table(reference["far/in.pos"], 64)
    assert_same(rotate(reference["far/in.tokens"], (cos[:, None], sin[:, None])), reference["far/out.tokens"])


@pytest.mark.parametrize("dim", [64, 16])
def test_prope(dim: int) -> None:
    reference = arrays("mod_prope.npz")
    rows, columns = reference["in.grid_hw"].tolist()
    x = reference[f"d{dim}/in.x"]
    prope = prope_table(reference["in.cam2world"], rows, columns, dim)
    assert_same(prope.cam_from_world, reference["mid.world2cam"])
    assert_same(prope_queries(x, prope), reference[f"d{dim}/out.q"])
    assert_same(prope_keys(x, prope), reference[f"d{dim}/out.kv"])
    assert_same(prope_back(x, prope), reference[f"d{dim}/out.o"])


def test_prope_of_poses_that_are_not_rigid() -> None:
    """Upstream inverts twice as if they were: of scale s and translation t, that leaves keys with s and s^2 t."""
    pose = torch.diag(torch.tensor((1.1, 1.1, 1.1, 1.0)))
    pose[:3, 3] = torch.tensor((1.0, -2.0, 3.0))
    prope = prope_table(pose[None, None], 1, 2, 16)
    twice = pose.clone()
    twice[:3, 3] *= 1.1**2
    torch.testing.assert_close(prope.world_from_cam[0, 0], twice)
    groups = torch.tensor((0.0, 0.0, 0.0, 1.0)).repeat(4)
    torch.testing.assert_close(prope_keys(groups.expand(1, 1, 2, -1), prope)[0, 0, 0, :4], twice[:, 3])


def test_blocks() -> None:
    reference, file = arrays("mod_pi3_blocks.npz"), "mod_pi3_blocks.safetensors"
    x = reference["in.x"]
    cos, sin = rope_table(reference["in.pos"], 16)
    rope = (cos[:, None], sin[:, None])
    decoder = loaded(Block(32, 2, scale=1.0, qk_norm=True), file, "dec.")
    assert_same(decoder(x, rope), reference["out.dec"], "decoder")
    assert_same(loaded(Block(32, 2, scale=None), file, "head.")(x, rope), reference["out.head"], "head")
    assert_same(loaded(CrossBlock(32, 2), file, "cross.")(reference["in.query"], x, rope), reference["out.cross"], "cross")
    inject = loaded(PoseInject(32, 2), file, "pose.")
    rows, columns = reference["pose/in.grid_hw"].tolist()
    prope = prope_table(reference["pose/in.cam2world"], rows, columns, 16)
    assert isinstance(inject, PoseInject)
    assert_same(inject.inject(reference["pose/in.x"], prope, None), reference["pose/out"], "pose")


def test_positions() -> None:
    reference = arrays("mod_dinov2_posembed.npz")
    grid = reference["in.pos_embed"]
    for key, expected in reference.items():
        kind, _, size = key.partition("/")
        if size:
            rows, columns = (int(part[1:]) for part in size.split("_"))
            assert_same(resize_positions(grid, rows, columns, antialias=kind.startswith("pi3")), expected, key)


def test_geometry_and_depths() -> None:
    reference = arrays("mod_pi3_geometry.npz")
    assert_same(ray_map(reference["in.K"], 6, 8), reference["rays_xy_from_K"])
    assert_same(invert_rigid(reference["se3_in"]), reference["se3_inverse"])
    grid = reference["pixel_grid_HW3_h6_w8"]
    assert_same(ray_map(torch.eye(3)[None], 6, 8)[0], grid[..., :2])
    assert_same(torch.from_numpy(pixel_grid(8, 6)).float(), grid[..., :2])
    reference = arrays("mod_pi3_depthnorm.npz")  # not compared: median/*, a norm that upstream's Pi3X never asks for
    depths, mean = normalise_depths(reference["in.depth"])
    assert_same(depths, reference["mean/normalised"])
    assert_same(mean, reference["mean/factor"])


def test_pinholes_from_rays() -> None:
    reference = arrays("mod_pi3_geometry.npz")
    half = torch.tensor(((0, 0, 0.5), (0, 0, 0.5), (0, 0, 0)))  # upstream counts from the centre of the first pixel
    for name, centred in (("free", False), ("centred", True)):
        ours = least_squares_pinhole(reference["recover_in_rays"], centred=centred)
        assert_same(ours - half, reference[f"recover_K_{name}"], name)


def test_edges_of_depth() -> None:
    reference = arrays("mod_pi3_geometry.npz")
    points, valid = reference["edge/in.points"][0].numpy(), reference["edge/in.mask"][0].numpy()
    assert_same(torch.from_numpy(depth_jumps(points[..., 2]))[None], reference["edge/out.depth_edge_rtol0.03"])
    ours = torch.from_numpy(depth_normal_jumps(points, valid))[None]
    assert_same(ours, reference["edge/out.depth_normal_edge_rtol0.03_tol5"])


def test_rotations() -> None:
    reference = arrays("mod_mh_rot6d.npz")
    ours = rotations_from_6d(reference["in.x6"])
    assert_same(ours, reference["out.R"])
    rotvec, expected = torch.from_numpy(rotvec_from_matrix(ours.double().numpy())), reference["out.rotvec"]
    half_turn = (torch.pi - expected.norm(dim=-1, keepdim=True)).abs() < 1e-6  # either axis is right
    assert_same(torch.where(half_turn, rotvec.abs(), rotvec), torch.where(half_turn, expected.abs(), expected))
    assert_same(torch.from_numpy(matrix_from_rotvec(reference["rv/in"].double().numpy())), reference["rv/R"])
    assert_same(torch.from_numpy(rotvec_from_matrix(reference["rv/R"].double().numpy())), reference["rv/back"])
    degenerate = rotations_from_6d(reference["degenerate/in"])  # the identity's columns of other layouts are none here
    assert torch.equal(degenerate.isnan(), reference["degenerate/out"].isnan())


def test_cameras_of_multi_hmr() -> None:
    reference = arrays("mod_mh_camera.npz")
    intrinsics, points, distance = reference["in.K"], reference["in.points"], reference["in.dist"][..., 0]
    per_point = intrinsics[:, None].expand(-1, points.shape[1], -1, -1)
    there = back_project(points, distance, per_point)
    assert_same(there, reference["inverse_perspective_projection"])
    plane = back_project(points, torch.ones_like(distance), per_point)
    assert_same(plane, reference["inverse_perspective_projection_nodist"])
    assert_same(torch.from_numpy(project(there.numpy(), per_point.numpy())), reference["perspective_projection"])
    focal = [assumed_focal(side) for side in reference["fov60_focal/in.img_size"].tolist()]
    assert_same(torch.tensor(focal, dtype=torch.float64), reference["fov60_focal"])


def test_distances_of_multi_hmr() -> None:
    reference = arrays("mod_mh_camera.npz")
    side, y, focal = int(reference["img_size"]), reference["in.y"][:, 0], reference["in.focal"][:, 0]
    normal = torch.full_like(y, assumed_focal(side))
    assert_same(distance_of(y, normal, side)[:, None], reference["undo_log_depth"])
    assert_same(distance_of(y, focal, side).log()[:, None], reference["undo_focal_norm"])
    assert_same(distance_of(reference["focal_norm"][:, 0], focal, side).log()[:, None], reference["in.y"], "the inverse")
    euclid = distance_of(reference["euclid/in.y"][:, 0], reference["euclid/in.K"][:, 0, 0], side)
    assert_same(euclid[:, None], reference["euclid/out.dist"])


def test_rays_and_their_waves() -> None:
    reference = arrays("mod_mh_fourier.npz")
    rays = reference["raw/in.rays"]
    assert_same(fourier(rays, 16, 64), reference["raw/out"])
    one = fourier(torch.tensor((0.0, 0.0, 1e-3)), 16, 64)  # small angles: sin(pi r f) is pi r f
    assert_same(one[3 + 32 : 3 + 48] / (torch.pi * 1e-3), reference["freq_bands"] * torch.sinc(reference["freq_bands"] * 1e-3))


@pytest.mark.parametrize("case", range(5))
def test_people_of_an_image_share_a_row(case: int) -> None:
    reference = {key[2:]: value for key, value in arrays("mod_mh_rebatch.npz").items() if key.startswith(f"{case}/")}
    layers = PeopleLayers(3, 2, 4, 1, 4, 1)
    held = []
    layers.layers[0].register_forward_pre_hook(lambda _, inputs: held.extend(inputs))
    people = torch.arange(1.0, 2 * len(reference["in"]) + 1).reshape(-1, 2)
    context = torch.randn(10, 5, 3)
    layers(people, reference["in"], context)
    padded, seen, mask = held
    assert_same(padded, reference["padded"])
    assert torch.equal(mask[:, 0, 0], reference["mask"].bool())
    images, row = reference["in"].unique(return_inverse=True)
    assert torch.equal(row, reference["compact_idx"])
    assert torch.equal(mask.sum((1, 2, 3)), reference["counts"])
    assert torch.equal(seen, context[images]), "each row beside its own image, once"


def test_sizes() -> None:
    for width, height, *expected in arrays("mod_pi3_preprocess.npz")["size_table_w_h_W_H_limit255000"].tolist():
        assert list(scene_size(width, height, 255000)) == expected
    for side, width, height, *expected in arrays("mod_mh_preprocess.npz")["letterbox_table_S_w_h_neww_newh_x0_y0"].tolist():
        assert list(letterbox(width, height, side)) == expected


def window_of(*images: torch.Tensor) -> Window:
    frames = tuple(Frame(str(index), 0, image.numpy()) for index, image in enumerate(images))
    return Window(0, 0, tuple(frame.camera for frame in frames), (FrameSet(0, 0, 0, 0, frames),))


@pytest.mark.parametrize("case", ["landscape", "portrait", "upscale"])
def test_pixels_of_the_scene_branch(case: str) -> None:
    reference = arrays("mod_pi3_preprocess.npz")
    images = [reference[f"{case}/in.rgb{index}_u8"] for index in range(2)]  # the second one takes the first one's size
    pixels, expected = int(reference[f"{case}/in.pixel_limit"]), reference[f"{case}/out.imgs"]
    assert_same(InputMaker(pixels, 98, exact=True)(window_of(*images)).scene_images / 255, expected)
    fast = InputMaker(pixels, 98, exact=False)(window_of(*images)).scene_images / 255
    assert float((fast - expected).abs().mean()) < 0.5 / 255, "on average half a grey level from Pillow, on noise"


@pytest.mark.parametrize("case", ["landscape", "portrait", "small", "square"])
def test_pixels_of_the_human_branch(case: str) -> None:
    reference = arrays("mod_mh_preprocess.npz")
    square = InputMaker(196, int(reference["img_size"]), exact=True)(window_of(reference[f"{case}/in.rgb_u8"])).human_images / 255
    mean, std = torch.tensor(IMAGE_MEAN).view(3, 1, 1), torch.tensor(IMAGE_STD).view(3, 1, 1)
    assert_same((square - mean) / std, reference[f"{case}/out.x"])


def listed(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(entry[0]) for key, entry in json.loads(golden(name).read_text())["state_dict"].items()}


def test_every_key_of_pi3x_at_full_size() -> None:
    with torch.device("meta"):
        ours = SceneBranch(SIZE_OF_PI3X).state_dict()
    assert {key: tuple(value.shape) for key, value in ours.items()} == listed("pi3x_state_dict.json")


@pytest.mark.parametrize("name", SIZES_OF_MULTIHMR)
def test_every_key_of_multi_hmr_at_full_size(name: str) -> None:
    with torch.device("meta"):
        ours = MultiHmr(SIZES_OF_MULTIHMR[name]).state_dict()
    theirs = {rename(key, MULTIHMR): shape for key, shape in listed(f"multihmr_multiHMR_{name}_state_dict.json").items()}
    theirs.pop(None)
    assert {key: tuple(value.shape) for key, value in ours.items()} == theirs
