"""Multi-HMR from pixels to SMPL-X people, against outputs of upstream's code on the same random weights."""

import json
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from model.reference import arrays, assert_same, golden
from safetensors.torch import load_file

from chromm_ros.body.network_params import params_from_rotations
from chromm_ros.body.placed import PosedBodies, place_bodies
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.geometry.camera import project
from chromm_ros.model.config import SIZES
from chromm_ros.model.human_branch import Detections, camera_embedding, detect, suppress
from chromm_ros.model.human_heads import MultiHmr, PeopleOutput
from chromm_ros.model.pinhole import back_project
from chromm_ros.model.weight_maps import MULTIHMR, rename

CASES = ("main", "betas11")


@dataclass(frozen=True)
class Seen:
    """What ours says of a batch of images."""

    found: Detections
    location: torch.Tensor
    people: PeopleOutput
    transl: torch.Tensor
    bodies: PosedBodies


@cache
def facts() -> dict:
    return json.loads(golden("multihmr_tiny_config.json").read_text())


@cache
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    held = arrays("multihmr_tiny_inputs.npz")
    return held["x"], held["K"]


@cache
def small_body() -> SmplxBody:
    """80 vertices with pose blend shapes and 300 betas."""
    return SmplxBody(golden("synthetic_smplx_body.npz"), "smplx", vertex_ids=facts()["smplx_vertex_ids_for_extra_joints"])


@cache
def network(case: str) -> MultiHmr:
    weights = load_file(golden(f"multihmr_tiny_{'betas11_' if case == 'betas11' else ''}weights.safetensors"))
    renamed = {rename(key, MULTIHMR): value for key, value in weights.items()}
    renamed.pop(None, None)
    branch = MultiHmr(replace(SIZES["tiny"].human, betas=11 if case == "betas11" else 10))
    branch.load_state_dict({str(key): value for key, value in renamed.items()})
    return branch.eval()


def expected(case: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(f"{case}/"): value for key, value in arrays(f"multihmr_tiny_{case}.npz").items()}


def see(case: str, which: list[int], score_min: float = 0.3, nms: int = 3) -> Seen:
    branch, images, intrinsics = network(case), inputs()[0][which], inputs()[1][which]
    features = branch.backbone(images)  # the golden images are normalised already
    found = detect(branch.scores(features), score_min, nms)
    people = branch.perceive(features, found, intrinsics)
    location = branch.locate(features, found)
    transl = back_project(location, people.distance, intrinsics[found.image])
    bodies = place_bodies(small_body(), people.rotations, people.betas, people.expression, transl)
    return Seen(found, location, people, transl, bodies)


def pixels(points: torch.Tensor, intrinsics: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(project(points.numpy(), intrinsics[:, None].numpy()))


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_multi_hmr_equals_upstream(case: str) -> None:
    reference, entry = expected(case), facts()["cases"][case]
    seen = see(case, entry["images"], entry["det_thresh"], entry["nms"])
    people, bodies, intrinsics = seen.people, seen.bodies, inputs()[1][entry["images"]][seen.found.image]
    params = params_from_rotations(people.rotations.numpy(), people.betas[:, :10].numpy(), people.expression.numpy())
    hands = (params.left_hand_pose, params.right_hand_pose, params.jaw_pose[:, None])
    rotvec = torch.from_numpy(np.concatenate((params.global_orient[:, None], params.body_pose, *hands), 1))
    ours = {
        "idx0": seen.found.image,
        "idx1": seen.found.row,
        "idx2": seen.found.column,
        "scores_det": seen.found.score,
        "person_scores": seen.found.score,
        "loc": seen.location,
        "person_loc": seen.location,
        "offset": seen.location / 14 - 0.5 - torch.stack((seen.found.column, seen.found.row), -1),
        "betas": people.betas,
        "expression": people.expression,
        "dist": people.distance[:, None],
        "rotmat_global": people.rotations[:, :1],
        "rotmat_body": people.rotations[:, 1:],
        "K_det": intrinsics,
    }
    for kind in ("smpl", "person", "train"):
        ours |= {
            f"{kind}_v3d": bodies.vertices,
            f"{kind}_j3d": bodies.joints,
            f"{kind}_v2d": pixels(bodies.vertices, intrinsics),
            f"{kind}_j2d": pixels(bodies.joints, intrinsics),
            f"{kind}_transl": seen.transl,
            f"{kind}_transl_pelvis": bodies.joints[:, :1],
            f"{kind}_rotvec": rotvec,
            f"{kind}_shape": people.betas,
            f"{kind}_expression": people.expression,
            f"{kind}_loc": seen.location,
            f"{kind}_dist": people.distance[:, None],
            f"{kind}_rotmat": people.rotations,
        }
    ours["train_offset"] = ours["offset"]
    compared = ours.keys() & reference.keys()
    assert {"person_j3d", "person_j2d", "person_transl_pelvis", "person_rotvec", "smpl_v3d"} <= compared
    for name in compared:
        assert_same(ours[name].to(reference[name].dtype), reference[name], f"{case} {name}")
    assert reference["persons_count"] == len(seen.found.score)


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_every_step_of_multi_hmr_equals_upstream(case: str) -> None:
    reference, which = expected(case), facts()["cases"][case]["images"]
    branch, held = network(case), {}
    transformer = branch.perception.transformer

    def keep(name: str):
        return lambda _, given, result: held.update({f"{name} in": given, f"{name} out": result})

    kept = [
        (transformer.embed, "embed"), (transformer.layers[0].across, "across"),
        (branch.perception.decpose, "pose"), (branch.perception.deccam, "camera"),
    ]  # fmt: skip  # a table
    hooks = [module.register_forward_hook(keep(name)) for module, name in kept]
    features = branch.backbone(inputs()[0][which])
    scores = branch.scores(features)
    branch.perceive(features, detect(scores, 0.3, 3), inputs()[1][which])
    for hook in hooks:
        hook.remove()
    steps = {
        "scores_map_after_nms": suppress(scores, 3)[..., None],
        "train_scores": scores[..., None],
        "backbone_tokens": features,
        "camera_embedding": camera_embedding(inputs()[1][which], 8, 16, 64).unflatten(1, (8, 8)),
        "hph_in_token": held["embed in"][0],
        "hph_token_embedded_before_pos": held["embed out"],
        "hph_in_context": held["across in"][1],
        "hph_token_out": held["pose in"][0],
        "decpose_delta": held["pose out"],
        "cam": held["camera out"] + branch.perception.init_cam,
    }
    steps["train_dist_postprocessed"] = steps["cam"][:, :1]  # upstream's name; it is the number before the distance
    for name in steps.keys() & reference.keys():
        masked = name.startswith("hph") and "token" in name  # padding holds anything
        target = reference[name][reference["hph_mask"].bool()] if masked else reference[name]
        assert_same(steps[name], target, f"{case} {name}")


@pytest.mark.parametrize("which", [[0, 2], [0]])
@torch.inference_mode()
def test_nobody_in_any_image(which: list[int]) -> None:
    seen = see("main", which)
    assert len(seen.found.score) == 0
    assert seen.people.rotations.shape == (0, 53, 3, 3)
    assert seen.bodies.joints.shape == (0, 127, 3)


@cache
def alone(image: int) -> Seen:
    return see("main", [image])


@pytest.mark.parametrize(
    "which", [[3, 0, 2, 5], [0, 5, 1], [0, 2, 1, 7], [1, 0], [5, 0, 2, 0, 7, 1, 2], [7, 7, 3], [0, 2, 0, 4]], ids=str
)
@torch.inference_mode()
def test_images_are_seen_together_as_one_by_one(which: list[int]) -> None:
    """Empty images first, twice in the middle, last; an image twice; upstream's padding over the batch changes nothing either."""
    together, place = see("main", which), 0
    for index, image in enumerate(which):
        single = alone(image)
        part = slice(place, place := place + len(single.found.score))
        assert together.found.image[part].tolist() == [index] * len(single.found.score)
        for ours, reference in (
            (together.found.row, single.found.row),
            (together.found.column, single.found.column),
            (together.bodies.vertices, single.bodies.vertices),
            (together.bodies.joints, single.bodies.joints),
            (together.location, single.location),
        ):
            if len(reference):
                assert_same(ours[part], reference, f"image {image} of {which}")
    assert place == len(together.found.score)


def heads_by_hand(scores: np.ndarray, score_min: float, nms: int) -> list[tuple[int, int]]:
    """The rule in words: a score stays that nothing in its window exceeds; the window of an even side reaches one further up and left."""
    side, before = len(scores), nms // 2 if nms in (2, 4) else (nms - 1) // 2
    kept = []
    for row, column in product(range(side), repeat=2):
        rows = range(max(0, row - before), min(side, row - before + nms))
        columns = range(max(0, column - before), min(side, column - before + nms))
        if scores[row, column] >= max(scores[r, c] for r in rows for c in columns) and scores[row, column] >= score_min:
            kept.append((row, column))
    return kept


@pytest.mark.parametrize("nms", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("score_min", [0.05, 0.3, 0.6])
def test_suppression_is_the_rule_in_words(nms: int, score_min: float) -> None:
    rng = np.random.default_rng(nms)
    scores = rng.integers(0, 20, (3, 8, 8)).astype(np.float32) / 20  # coarse: many ties, at borders too
    found = detect(torch.from_numpy(scores), score_min, nms)
    by_hand = [(image, *place) for image in range(3) for place in heads_by_hand(scores[image], score_min, nms)]
    assert list(zip(found.image.tolist(), found.row.tolist(), found.column.tolist(), strict=True)) == by_hand
    assert by_hand


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
