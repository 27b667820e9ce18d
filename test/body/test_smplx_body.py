"""The body by laws: it is what the smplx library says it is, it turns the right limb the right way, and it moves rigidly."""

import json
import os
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import smplx
import smplx.joint_names
import torch
from scipy.spatial.transform import Rotation

from chromm_ros.body.decimate import coarse_faces
from chromm_ros.body.network_params import params_from_rotations, place_head, rigid
from chromm_ros.body.placed import in_smplx_order, place_bodies
from chromm_ros.body.skeleton import HEAD, LANDMARKS, LIMBS, NAMES, PARENTS, PELVIS
from chromm_ros.body.smplx_body import FREE_BODY, SmplxBody, in_blocks
from chromm_ros.errors import FileError, InputError
from chromm_ros.geometry.camera import project
from chromm_ros.geometry.se3 import apply, compose
from chromm_ros.records import BodyParams

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("CHROMM_REFERENCE", ROOT.parent / "shared" / "reference")) / "network"


@pytest.fixture(scope="module")
def body() -> SmplxBody:
    return SmplxBody.load()


def at_rest(*lead: int) -> BodyParams:
    def zero(*shape: int) -> np.ndarray:
        return np.zeros((*lead, *shape), np.float32)

    return BodyParams(zero(3), zero(21, 3), zero(15, 3), zero(15, 3), zero(3), zero(3), zero(3), zero(10), zero(10), zero(3))


def drawn(rng: np.random.Generator, *lead: int, sigma: float = 0.4) -> BodyParams:
    rest = at_rest(*lead)
    return BodyParams(**{name: (sigma * rng.normal(size=value.shape)).astype(np.float32) for name, value in vars(rest).items()})


def bent(joint: str, rotvec: tuple[float, float, float]) -> BodyParams:
    rest = at_rest(1)
    pose = rest.body_pose.copy()
    pose[0, NAMES.index(joint) - 1] = rotvec
    return replace(rest, body_pose=pose)


def test_it_is_what_the_smplx_library_makes_of_the_same_file(body: SmplxBody) -> None:
    params = drawn(np.random.default_rng(1), 3)
    model = smplx.create(str(FREE_BODY), "smplx", use_pca=False, flat_hand_mean=True, num_betas=10, batch_size=3)
    theirs = model(**{name: torch.tensor(value).flatten(1) for name, value in vars(params).items()})
    np.testing.assert_allclose(body.vertices(params), theirs.vertices.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(body.joints(params), theirs.joints[:, :55].detach().numpy(), atol=1e-5)


def test_leading_axes_are_any_number_and_nobody_is_no_case_of_its_own(body: SmplxBody) -> None:
    params = drawn(np.random.default_rng(2), 2, 3)
    flat = BodyParams(**{name: value.reshape(6, *value.shape[2:]) for name, value in vars(params).items()})
    np.testing.assert_allclose(body.joints(params).reshape(6, 55, 3), body.joints(flat), atol=1e-6)
    assert body.joints(at_rest()).shape == (55, 3)
    assert body.vertices(at_rest(0)).shape == (0, len(body.template), 3)


def test_rest_joints_are_the_joints_of_the_rest_pose_for_every_shape(body: SmplxBody) -> None:
    rng = np.random.default_rng(3)
    params = replace(at_rest(4), betas=rng.normal(size=(4, 10)).astype(np.float32))
    np.testing.assert_allclose(body.rest_joints(params.betas), body.joints(params), atol=1e-6)


def test_weights_sum_to_one_and_the_regressor_keeps_translations(body: SmplxBody) -> None:
    data = np.load(FREE_BODY)
    np.testing.assert_allclose(data["weights"].sum(1), 1, atol=1e-5)
    assert data["weights"].min() >= 0
    np.testing.assert_allclose(data["J_regressor"].sum(1), 1, atol=1e-4)
    assert len(data["v_template"]) == 10475, "as many as SMPL-X has"
    assert np.array_equal(np.unique(data["f"]), np.arange(10475)), "every vertex has a triangle"


def test_the_regressor_finds_the_joints_in_single_precision(body: SmplxBody) -> None:
    data = np.load(FREE_BODY)
    betas = np.random.default_rng(7).normal(size=(5, 10)).astype(np.float32)
    shaped = data["v_template"] + np.einsum("vdk,bk->bvd", data["shapedirs"][..., :10], betas)
    exact = np.einsum("jv,bvd->bjd", data["J_regressor"].astype(np.float64), shaped.astype(np.float64))
    np.testing.assert_allclose(body.rest_joints(betas), exact, atol=1e-5)
    smiling = body.rest_joints(betas, np.ones((5, 10), np.float32))
    np.testing.assert_allclose(smiling, exact, atol=2e-5)  # a face moves no joint


@pytest.mark.parametrize(
    ("joint", "rotvec", "moves", "axis", "sign"),
    [
        ("left_shoulder", (0, 0, 1), "left_wrist", 1, 1),  # the left arm rises
        ("right_shoulder", (0, 0, 1), "right_wrist", 1, -1),  # the right one sinks
        ("left_elbow", (0, -1, 0), "left_wrist", 2, 1),  # the forearm comes to the front
        ("right_elbow", (0, 1, 0), "right_wrist", 2, 1),
        ("left_hip", (-1, 0, 0), "left_knee", 2, 1),  # the thigh is lifted to the front
        ("right_knee", (1, 0, 0), "right_ankle", 2, -1),  # the calf goes back
        ("neck", (1, 0, 0), "head", 2, 1),  # a nod
        ("spine1", (0, 1, 0), "left_shoulder", 2, -1),  # a turn to the left
    ],
)
def test_a_rotation_turns_the_right_limb_the_right_way(
    body: SmplxBody, joint: str, rotvec: tuple[float, float, float], moves: str, axis: int, sign: int
) -> None:
    rest, posed = body.joints(at_rest(1))[0], body.joints(bent(joint, rotvec))[0]
    assert sign * (posed - rest)[NAMES.index(moves), axis] > 0.03
    below = {NAMES.index(joint)}
    for index in range(55):
        if PARENTS[index] in below:
            below.add(index)
    still = [index for index in range(55) if index not in below] + [NAMES.index(joint)]
    np.testing.assert_allclose(posed[still], rest[still], atol=1e-6)
    moved = np.linalg.norm(body.vertices(bent(joint, rotvec))[0] - body.vertices(at_rest(1))[0], axis=-1) > 0.02
    owners = np.asarray(body._weights)[moved].sum(0)
    assert owners[list(below)].sum() / owners.sum() > 0.8


def test_left_is_plus_x_the_feet_stand_on_one_floor_and_both_sides_are_alike(body: SmplxBody) -> None:
    joints, vertices = body.joints(at_rest(1))[0], body.vertices(at_rest(1))[0]
    assert joints[NAMES.index("left_wrist"), 0] > 0.5 > -0.5 > joints[NAMES.index("right_wrist"), 0]
    assert joints[HEAD, 1] > joints[PELVIS, 1] > joints[NAMES.index("left_knee"), 1] > joints[NAMES.index("left_ankle"), 1]
    assert joints[NAMES.index("left_foot"), 2] > joints[NAMES.index("left_ankle"), 2] + 0.05
    left, right = vertices[vertices[:, 0] > 0], vertices[vertices[:, 0] < 0]
    assert abs(left[:, 1].min() - right[:, 1].min()) < 0.002
    for index, name in enumerate(NAMES):
        if name.startswith("left_"):
            mirrored = joints[NAMES.index(name.replace("left_", "right_"))] * [-1, 1, 1]
            np.testing.assert_allclose(joints[index], mirrored, atol=0.003)
    assert 1.6 < np.ptp(vertices[:, 1]) < 1.8
    assert np.linalg.norm(joints[PELVIS]) > 0.2, "a pelvis at the origin would hide who takes transl for it"


def test_the_first_beta_makes_taller_and_the_jaw_opens_downwards(body: SmplxBody) -> None:
    def height(beta: float) -> float:
        betas = np.zeros((1, 10), np.float32)
        betas[0, 0] = beta
        return float(np.ptp(body.vertices(replace(at_rest(1), betas=betas))[0, :, 1]))

    assert height(-2) + 0.1 < height(0) < height(2) - 0.1
    everybody = np.random.default_rng(8).normal(size=(200, 10)).astype(np.float32)
    heights = np.concatenate(
        [np.ptp(body.vertices(replace(at_rest(50), betas=part))[..., 1], axis=1) for part in np.split(everybody, 4)]
    )
    assert 1.68 < heights.mean() < 1.75 and 0.07 < heights.std() < 0.11, "adults, when betas are drawn with deviation one"
    rest = body.vertices(at_rest(1))[0]
    opened = body.vertices(replace(at_rest(1), jaw_pose=np.array([[0.3, 0, 0]], np.float32)))[0]
    moved = np.linalg.norm(opened - rest, axis=-1) > 0.005
    assert 50 < moved.sum() < 3000
    assert (opened - rest)[moved, 1].mean() < -0.005
    assert rest[moved, 1].max() < body.joints(at_rest(1))[0, NAMES.index("left_eye"), 1]


def test_the_vertices_that_smplx_picks_are_where_their_names_say(body: SmplxBody) -> None:
    rest, joints = body.vertices(at_rest(1))[0], body.joints(at_rest(1))[0]
    nose, right_eye, left_eye, right_ear, left_ear = rest[[9120, 9929, 9448, 616, 6]]
    assert nose[2] == rest[rest[:, 1] > joints[15, 1]].max(0)[2]
    assert left_eye[0] > 0.02 > -0.02 > right_eye[0]
    assert left_ear[0] > 0.05 > -0.05 > right_ear[0]
    for index, joint in ((5361, "left_thumb3"), (4933, "left_index3"), (8022, "right_pinky3"), (5770, "left_foot")):
        assert np.linalg.norm(rest[index] - joints[NAMES.index(joint)]) < 0.1
    assert rest[8846, 2] < joints[NAMES.index("left_ankle"), 2]  # the heel


def test_the_display_mesh_is_coarse_closed_and_of_the_same_size(body: SmplxBody) -> None:
    assert 1990 < len(body.display_faces) <= 2000
    sides = np.concatenate([body.display_faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    assert len(np.unique(sides, axis=0)) == len(sides), "no side twice"
    assert {tuple(side) for side in sides.tolist()} == {tuple(side) for side in sides[:, ::-1].tolist()}, "closed"
    used = body.vertices(at_rest(1))[0][np.unique(body.display_faces)]
    full = body.vertices(at_rest(1))[0]
    np.testing.assert_allclose(np.ptp(used, axis=0), np.ptp(full, axis=0), atol=0.015)
    corners = full[body.display_faces].astype(np.float64)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    fine = full[body.faces].astype(np.float64)
    exact = np.einsum("ij,ij->i", fine[:, 0], np.cross(fine[:, 1], fine[:, 2])).sum() / 6
    assert 0.97 < volume / exact < 1.03  # faces look outwards, and no part is missing


def test_a_coarser_mesh_keeps_its_open_edges_and_few_faces_stay_as_they_are(body: SmplxBody) -> None:
    vertices = body.template.numpy().astype(np.float64)
    half = body.faces[(vertices[body.faces][:, :, 0] > 0).all(1)]

    def open_edges(faces: np.ndarray) -> set[tuple[int, int]]:
        sides = {tuple(side) for pair in ([0, 1], [1, 2], [2, 0]) for side in faces[:, pair].tolist()}
        return {side for side in sides if side[::-1] not in sides}

    coarse = coarse_faces(vertices, half, 2000)
    assert len(open_edges(half)) > 50
    assert len(coarse) <= 2000 and open_edges(coarse) == open_edges(half)
    assert np.array_equal(coarse_faces(vertices, half[:100], 100), half[:100])


def test_a_rigid_motion_moves_every_vertex_rigidly(body: SmplxBody) -> None:
    rng = np.random.default_rng(4)
    params = drawn(rng, 5)
    a_from_b = compose(Rotation.random(5, random_state=0).as_matrix(), rng.normal(size=(5, 3)))
    moved = rigid(body, params, a_from_b)
    np.testing.assert_allclose(body.vertices(moved), apply(a_from_b, body.vertices(params)), atol=1e-5)
    np.testing.assert_allclose(body.joints(moved), apply(a_from_b, body.joints(params)), atol=1e-5)


def test_a_head_is_placed_where_it_is_wanted(body: SmplxBody) -> None:
    rng = np.random.default_rng(5)
    head = rng.normal(size=(4, 3))
    placed = place_head(body, drawn(rng, 4), head)
    np.testing.assert_allclose(body.joints(placed)[:, HEAD], head, atol=1e-5)


def test_the_networks_rotations_reach_their_joints(body: SmplxBody) -> None:
    rng = np.random.default_rng(6)
    rotvecs = 0.5 * rng.normal(size=(2, 53, 3))
    matrices = Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix().reshape(2, 53, 3, 3)
    params = params_from_rotations(matrices, np.zeros((2, 10)), np.zeros((2, 10)))
    np.testing.assert_allclose(params.global_orient, rotvecs[:, 0], atol=1e-5)
    np.testing.assert_allclose(params.body_pose, rotvecs[:, 1:22], atol=1e-5)
    np.testing.assert_allclose(params.left_hand_pose, rotvecs[:, 22:37], atol=1e-5)
    np.testing.assert_allclose(params.right_hand_pose, rotvecs[:, 37:52], atol=1e-5)
    np.testing.assert_allclose(params.jaw_pose, rotvecs[:, 52], atol=1e-5)
    assert not params.leye_pose.any() and not params.transl.any()
    assert params_from_rotations(matrices[:0], np.zeros((0, 10)), np.zeros((0, 10))).body_pose.shape == (0, 21, 3)


def test_gradients_reach_pose_and_shape(body: SmplxBody) -> None:
    rotations = torch.eye(3).repeat(1, 55, 1, 1).requires_grad_()
    betas, rest = torch.zeros(1, 10, requires_grad=True), torch.zeros(1, 10)
    body.pose_vertices(rotations, betas, rest, torch.zeros(1, 3)).square().sum().backward()
    assert rotations.grad is not None and rotations.grad.abs().sum() > 0
    assert betas.grad is not None and betas.grad.abs().min() > 0


@pytest.mark.parametrize("columns", [240, 256, 700])
def test_pose_blend_shapes_in_blocks_are_those_in_one_matrix(columns: int) -> None:
    feature, directions = torch.randn(3, 20, dtype=torch.float64), torch.randn(20, columns, dtype=torch.float64)
    ours = (feature @ in_blocks(directions)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(ours[:, :columns], feature @ directions)
    assert ours.shape[1] - columns < 256


@pytest.mark.parametrize("blend", [False, True])
def test_gradients_are_the_finite_differences(body: SmplxBody, blend: bool) -> None:
    """Of joints and vertices by rotations, betas, expression and translation, each by itself, in double precision and along drawn directions.

    The free body has no pose blend shapes and its face moves no joint; so directions are drawn for both.
    """
    rng, double = torch.Generator().manual_seed(0), copy(body)
    for name, value in vars(body).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            setattr(double, name, value.double())
    if blend:
        blocks = -(-body.template.numel() // 256)
        double._pose_dirs = 0.01 * torch.randn(1, 486, 256, generator=rng, dtype=torch.float64).expand(blocks, -1, -1)
        double._joint_dirs = double._joint_dirs + 0.01 * torch.randn(double._joint_dirs.shape, generator=rng, dtype=torch.float64)

    rotvecs, betas, expression, transl = (
        0.5 * torch.randn(2, *shape, generator=rng, dtype=torch.float64) for shape in ((55, 3), (10,), (10,), (3,))
    )
    rotations = torch.from_numpy(Rotation.from_rotvec(rotvecs.flatten(0, 1)).as_matrix()).unflatten(0, (2, 55))
    inputs = [rotations, betas, expression, transl]
    for of in (double.pose_joints, double.pose_vertices):
        values = [value.clone().requires_grad_() for value in inputs]
        weight = torch.randn(of(*inputs).shape, generator=rng, dtype=torch.float64)
        slopes = torch.autograd.grad((of(*values) * weight).sum(), values)
        for place, (value, slope) in enumerate(zip(inputs, slopes, strict=True)):
            along = 1e-5 * torch.randn(value.shape, generator=rng, dtype=torch.float64)
            ahead, behind = ((of(*inputs[:place], value + way, *inputs[place + 1 :]) * weight).sum() for way in (along, -along))
            torch.testing.assert_close((slope * along).sum(), (ahead - behind) / 2, rtol=1e-6, atol=1e-9)


def test_on_another_device_nothing_stays_behind(body: SmplxBody) -> None:
    moved = body.to("meta")
    inputs = (torch.empty(2, 55, 3, 3, device="meta"), *(torch.empty(2, size, device="meta") for size in (10, 10, 3)))
    assert moved.pose_vertices(*inputs).shape == (2, 10475, 3)
    assert moved.pose_joints(*inputs).device.type == "meta"
    assert body.template.device.type == "cpu"


def test_all_joints_are_the_smplx_librarys_own(body: SmplxBody) -> None:
    rng = np.random.default_rng(9)
    params = drawn(rng, 3)
    model = smplx.create(str(FREE_BODY), "smplx", use_pca=False, flat_hand_mean=True, num_betas=10, batch_size=3)
    theirs = model(**{name: torch.tensor(value).flatten(1) for name, value in vars(params).items()}).joints.detach()
    rotations, betas, expression, transl = body._tensors(params)
    joints, vertices = body.pose(rotations, betas, expression, transl)
    ours = torch.cat((joints, body.landmarks(vertices)), 1)
    assert ours.shape == (3, len(NAMES) + len(LANDMARKS), 3)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert tuple(smplx.joint_names.JOINT_NAMES[55:127]) == LANDMARKS


def seen(rng: np.random.Generator, count: int) -> tuple[torch.Tensor, ...]:
    """Rotations, betas, expression and points, as a network gives them."""
    turns = Rotation.from_rotvec(0.5 * rng.normal(size=(count * 53, 3))).as_matrix().reshape(count, 53, 3, 3)
    rest = [rng.normal(size=(count, size)) for size in (10, 10, 3)]
    return tuple(torch.tensor(value, dtype=torch.float32) for value in (turns, *rest))


def test_bodies_are_placed_by_any_joint_as_by_their_parameters(body: SmplxBody) -> None:
    rotations, betas, expression, points = seen(np.random.default_rng(10), 3)
    params = params_from_rotations(rotations.numpy(), betas.numpy(), expression.numpy())
    for joint in (HEAD, PELVIS, NAMES.index("left_wrist")):
        placed = place_bodies(body, rotations, betas, expression, points, joint)
        torch.testing.assert_close(placed.joints[:, joint], points, atol=1e-5, rtol=0)
        shift = (points.numpy() - body.joints(params)[:, joint])[:, None]
        np.testing.assert_allclose(placed.joints[:, :55], body.joints(params) + shift, atol=2e-5)
        np.testing.assert_allclose(placed.vertices, body.vertices(params) + shift, atol=2e-5)
    assert place_bodies(body, rotations[:0], betas[:0], expression[:0], points[:0]).joints.shape == (0, 127, 3)


def test_gradients_reach_everything_that_places_a_body(body: SmplxBody) -> None:
    values = [value.requires_grad_() for value in seen(np.random.default_rng(11), 2)]
    placed = place_bodies(body, *values)
    (placed.joints.square().sum() + placed.vertices.square().mean()).backward()
    for value in values:
        assert value.grad is not None and value.grad.isfinite().all()
        assert value.grad.flatten(1).abs().amax(1).min() > 0


def test_betas_that_are_not_given_are_zero_and_too_many_are_refused(body: SmplxBody) -> None:
    rotations, betas, expression, points = seen(np.random.default_rng(12), 2)
    eleven = torch.cat((betas, torch.zeros(2, 1)), 1)
    short = place_bodies(body, rotations, betas, expression, points)
    assert torch.equal(short.vertices, place_bodies(body, rotations, eleven, expression, points).vertices)
    with pytest.raises(InputError, match=r"gives 12 betas and this body model has 11: set smplx_dir"):
        place_bodies(body, rotations, torch.zeros(2, 12), expression, points)


def test_a_file_of_ten_betas_keeps_its_expressions(body: SmplxBody, tmp_path: Path) -> None:
    held = dict(np.load(FREE_BODY))
    held["shapedirs"] = np.concatenate((held["shapedirs"][..., :10], held["shapedirs"][..., 300:310]), -1)  # the old layout
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **held)
    old, values = SmplxBody.load(str(tmp_path)), seen(np.random.default_rng(13), 2)
    torch.testing.assert_close(place_bodies(old, *values).vertices, place_bodies(body, *values).vertices, atol=1e-6, rtol=0)
    with pytest.raises(InputError, match=r"gives 11 betas and this body model has 10"):
        old.pose_joints(torch.eye(3).repeat(1, 55, 1, 1), torch.zeros(1, 11), torch.zeros(1, 10), torch.zeros(1, 3))


def golden(name: str) -> Path:
    if not (REFERENCE / name).is_file():
        pytest.skip(f"no reference data: set CHROMM_REFERENCE to the folder with network/{name}")
    return REFERENCE / name


@pytest.fixture(scope="module")
def layer() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(golden("mod_mh_smpl_layer.npz")).items()}


@pytest.fixture(scope="module")
def small() -> SmplxBody:
    facts = json.loads(golden("multihmr_tiny_config.json").read_text())
    return SmplxBody(golden("synthetic_smplx_body.npz"), "smplx", vertex_ids=facts["smplx_vertex_ids_for_extra_joints"])


def assert_same(ours: np.ndarray, reference: torch.Tensor) -> None:
    assert np.shape(ours) == np.shape(reference)
    assert np.abs(np.asarray(ours) - reference.numpy()).max() <= 1e-4 * float(reference.abs().max())


def rotations_of(layer: dict[str, torch.Tensor]) -> torch.Tensor:
    flat = layer["in.rotvec"].reshape(-1, 3).double()
    return torch.from_numpy(Rotation.from_rotvec(flat.numpy()).as_matrix().reshape(-1, 53, 3, 3)).float()


@pytest.mark.parametrize(("case", "joint"), [("nb10/head", HEAD), ("nb10/pelvis", PELVIS), ("nb11/head", HEAD)])
def test_bodies_are_those_of_multi_hmr(case: str, joint: int, layer: dict[str, torch.Tensor], small: SmplxBody) -> None:
    """Multi-HMR's SMPL layer on a body of 80 vertices with pose blend shapes; `person_center` is the head or the pelvis."""
    reference = {key.removeprefix(f"{case}/"): value for key, value in layer.items() if key.startswith(case)}
    rays = torch.cat((layer["in.loc"], torch.ones(4, 1)), 1)[..., None]
    transl = layer["in.dist"] * (torch.linalg.inv(layer["in.K"]) @ rays)[..., 0]
    betas = layer["in.betas11" if case.startswith("nb11") else "in.betas10"]
    placed = place_bodies(small, rotations_of(layer), betas, layer["in.expression"], transl, joint)
    ours = {"transl": transl, "transl_pelvis": placed.joints[:, :1], "v3d": placed.vertices, "j3d": placed.joints}
    intrinsics = layer["in.K"][:, None].numpy()
    ours |= {"v2d": project(placed.vertices.numpy(), intrinsics), "j2d": project(placed.joints.numpy(), intrinsics)}
    for name, expected in reference.items():
        assert_same(ours[name], expected)


def test_a_body_without_a_centre_is_moved_by_transl_alone(layer: dict[str, torch.Tensor], small: SmplxBody) -> None:
    """`person_center` None: transl is SMPL-X's own then, as in our records; and a body upright turns about its pelvis."""
    rotations, betas, expression = in_smplx_order(rotations_of(layer)), layer["in.betas10"], layer["in.expression"]
    joints, vertices = small.pose(rotations, betas, expression, layer["nb10/None/transl"])
    assert_same(vertices, layer["nb10/None/v3d"])
    assert_same(torch.cat((joints, small.landmarks(vertices)), 1), layer["nb10/None/j3d"])
    assert_same(joints[:, :1], layer["nb10/None/transl_pelvis"])
    upright = torch.cat((torch.eye(3).expand(4, 1, 3, 3), rotations[:, 1:]), 1)
    joints, vertices = small.pose(upright, betas, expression, torch.zeros(4, 3))
    assert_same(vertices, layer["body/vertices_zero_orient"])
    assert_same(torch.cat((joints, small.landmarks(vertices)), 1), layer["body/joints_zero_orient"])


def test_names_and_order_are_multi_hmrs() -> None:
    names = json.loads(golden("mod_mh_joint_names.json").read_text())
    ours = [f"{name}_smplhf" if name in {"left_eye", "right_eye"} else name for name in NAMES]  # theirs tells it from the skin's
    assert names["joint_names_127"] == [*ours, *LANDMARKS]
    assert names["smplx_full_pose_order_55"] == ours
    assert names["smplx_parents"] == list(PARENTS)
    assert names["head_idx"] == HEAD
    order = names["multihmr_rotation_order_53"]
    marked = torch.arange(53.0)[:, None, None].expand(53, 3, 3)[None]
    for joint, rotation in zip(ours, in_smplx_order(marked)[0], strict=True):
        if joint.endswith("_smplhf"):
            assert torch.equal(rotation, torch.eye(3))
        else:
            assert order[int(rotation[0, 0])] == ("global_orient" if joint == "pelvis" else joint)


def test_a_licensed_file_is_found_in_any_of_its_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, opened = tmp_path / "smplx" / "SMPLX_MALE.npz", []
    place.parent.mkdir()
    place.touch()
    monkeypatch.setattr(SmplxBody, "__init__", lambda _, *arguments: opened.append(arguments))  # a second each, else
    for given in (tmp_path, place.parent, place):
        SmplxBody.load(str(given), "male")
    assert opened == 3 * [(place, "smplx", "male")]
    SmplxBody.load()
    assert opened[3] == (FREE_BODY, "free")


def test_a_missing_or_foreign_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no SMPL-X model at .*SMPLX_NEUTRAL.npz.*leave model.smplx_dir empty"):
        SmplxBody.load(str(tmp_path))
    foreign = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(foreign, something=np.zeros(3))
    with pytest.raises(FileError, match=r"cannot be read as an SMPL-X model .*v_template"):
        SmplxBody.load(str(tmp_path))
    foreign.write_bytes(FREE_BODY.read_bytes()[:10_000])
    with pytest.raises(FileError, match="cannot be read as an SMPL-X model"):
        SmplxBody.load(str(tmp_path))


def test_the_skeleton_is_a_tree_in_order() -> None:
    assert len(NAMES) == len(PARENTS) == 55 and len(LIMBS) == 54
    assert PARENTS[0] == -1 and all(parent < joint for joint, parent in enumerate(PARENTS))
    assert np.array_equal(np.load(FREE_BODY)["kintree_table"][0], PARENTS)
