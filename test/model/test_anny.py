"""The Anny variant of Multi-HMR: its names, its count, and laws that hold for any weights."""

import copy
from collections.abc import Iterator

import pytest
import torch

from chromm_ros.model.anny import BONES, SHAPES, AnnyOutput, AnnyPeople, MultiHmrAnny, sine_positions
from chromm_ros.model.config import AnnyConfig
from chromm_ros.model.human_branch import Detections, detect
from chromm_ros.model.weight_maps import ANNY, rename, restore

SIZE = 112
TINY = AnnyConfig(
    dim=24, heads=3, depth=1, pos_grid=5, image_size=SIZE,
    people_dim=16, people_mlp=20, people_heads=2, people_head_dim=4, people_depth=2,
)  # fmt: skip  # sizes side by side
FULL = AnnyConfig()
PUBLISHED_PARAMETERS = 342_662_798
"""Of upstream's class at full size, without the body's buffers; measured on upstream's code."""

Keys = Iterator[tuple[str, tuple[int, ...]]]


@pytest.fixture(scope="module")
def network() -> MultiHmrAnny:
    generator = torch.Generator().manual_seed(3)
    network = MultiHmrAnny(TINY).eval().requires_grad_(requires_grad=False)
    for value in network.parameters():
        value.copy_(torch.randn(value.shape, generator=generator) * (value[0].numel() ** -0.5 if value.ndim > 1 else 0.2))
    network.backbone.pos_embed.mul_(20.0)
    network.classifier[2].weight.mul_(6.0)
    return network


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Five images; the detector below sees nobody in some of them."""
    return torch.rand(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * torch.linspace(0, 3, 5)[:, None, None, None]


@pytest.fixture(scope="module")
def threshold(network: MultiHmrAnny, images: torch.Tensor) -> float:
    """Between the best scores of the images, so that two images have nobody and three have somebody."""
    best = network.scores(network.encode(images)).flatten(1).amax(1).sort().values
    return float(best[1] + best[2]) / 2


@pytest.fixture(scope="module")
def seen(network: MultiHmrAnny, images: torch.Tensor, threshold: float) -> AnnyOutput:
    return network(images, score_min=threshold)


def assert_near(ours: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(ours, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


def test_a_batch_equals_its_images_one_by_one(
    network: MultiHmrAnny, images: torch.Tensor, threshold: float, seen: AnnyOutput
) -> None:
    assert len(seen.people.image.unique()) == 3
    assert len(seen.people.image) > 3
    for index in range(len(images)):
        alone = network(images[index : index + 1], score_min=threshold)
        here = seen.people[seen.people.image == index]
        assert_near(alone.field_of_view[0], seen.field_of_view[index])
        assert len(here.score) == len(alone.people.score)
        for name in ("score", "location", "rotations", "shape", "distance", "translation"):
            if len(here.score):
                assert_near(getattr(alone.people, name), getattr(here, name))


def test_nobody_gives_empty_people_and_still_a_camera(network: MultiHmrAnny, images: torch.Tensor) -> None:
    nobody = network(images, score_min=1.1)
    assert nobody.people.rotations.shape == (0, BONES, 3, 3)
    assert nobody.people.translation.shape == (0, 3)
    assert nobody.intrinsics.shape == (len(images), 3, 3)


def test_a_camera_given_replaces_the_regressed_one(
    network: MultiHmrAnny, images: torch.Tensor, threshold: float, seen: AnnyOutput
) -> None:
    matrix = torch.tensor(((150.0, 2.0, 50.0), (0.0, 160.0, 60.0), (0.0, 0.0, 1.0))).expand(len(images), 3, 3)
    given = network(images, matrix, score_min=threshold)
    assert torch.equal(given.regressed, seen.regressed)
    assert torch.equal(given.intrinsics, matrix)
    features = network.encode(images)
    found = detect(network.scores(features), threshold, 3)
    with_given, with_own = (network.perceive(features, found, used) for used in (matrix, seen.regressed))
    assert torch.equal(with_given.location, with_own.location)
    assert torch.equal(with_given.rotations, with_own.rotations)
    # The distance is proportional to the focal length, and the head projects onto its pixel.
    assert_near(with_given.distance / 150.0, with_own.distance / seen.regressed[found.image, 0, 0])
    pixel = (matrix[found.image] @ with_given.translation[..., None])[..., 0]
    assert_near(pixel[:, :2] / pixel[:, 2:], with_given.location)
    assert_near(pixel[:, 2], with_given.distance)


def test_the_camera_has_the_regressed_angle(seen: AnnyOutput) -> None:
    assert ((seen.field_of_view > 0) & (seen.field_of_view < torch.pi)).all()
    focal = seen.regressed[:, 0, 0]
    assert_near(2 * (SIZE / 2 / focal).atan(), seen.field_of_view)
    assert torch.equal(seen.regressed[:, 1, 1], focal)
    assert (seen.regressed[:, :2, 2] == SIZE / 2).all()
    assert seen.field_of_view.unique().numel() > 1, "read from the image"


def test_the_angle_comes_from_the_class_token_alone(network: MultiHmrAnny, images: torch.Tensor) -> None:
    features = network.encode(images)
    without = features.clone()
    without[:, 1:] = 0
    assert torch.equal(network.field_of_view(without), network.field_of_view(features))


def test_without_an_offset_heads_lie_at_the_centres_of_their_patches(network: MultiHmrAnny) -> None:
    altered = copy.deepcopy(network)
    altered.offset[2].weight.zero_()
    altered.offset[2].bias.zero_()
    assert torch.equal(perceive_two(altered).location, torch.tensor(((35.0, 21.0), (7.0, 63.0))))


def test_people_know_their_place(network: MultiHmrAnny) -> None:
    """Where all patches look alike, only the table of positions tells two people apart."""
    rotations = perceive_two(network).rotations
    assert (rotations[0] - rotations[1]).abs().max() > 1e-2


def perceive_two(network: MultiHmrAnny) -> AnnyPeople:
    """Two people, at (row, column) (1, 2) and (4, 0), in an image whose patches all look alike."""
    two = Detections(torch.tensor((0, 0)), torch.tensor((1, 4)), torch.tensor((2, 0)), torch.ones(2))
    return network.perceive(torch.ones(1, 65, TINY.dim), two, 100 * torch.eye(3)[None])


def test_people_come_nearest_first_whatever_their_image(seen: AnnyOutput) -> None:
    depth = seen.people.translation[:, 2]
    assert (depth[1:] >= depth[:-1]).all()
    assert not (seen.people.image[1:] >= seen.people.image[:-1]).all(), "or the images' order would do"


def test_rotations_are_rotations_and_still_bones_do_not_turn(network: MultiHmrAnny, seen: AnnyOutput) -> None:
    rotations, eye = seen.people.rotations, torch.eye(3)
    assert_near(rotations @ rotations.mT, eye.expand_as(rotations))
    assert_near(torch.linalg.det(rotations), torch.ones(rotations.shape[:2]))
    still = network.useful_rotmat[0] == 0
    assert still.sum() == 163 - 75
    assert (rotations[:, still] == eye).all()
    assert (rotations[:, ~still] - eye).abs().amax((2, 3)).min() > 1e-3


def test_poses_start_upright(network: MultiHmrAnny) -> None:
    """Without a learned correction: the body, which stands along z, gets a quarter turn about x, and every bone rests."""
    altered = copy.deepcopy(network)
    altered.pose[2].weight.zero_()
    altered.pose[2].bias.zero_()
    rotations = altered.rotations(torch.randn(1, TINY.people_dim))[0]
    assert_near(rotations[0] @ torch.tensor((0.0, 0.0, 1.0)), torch.tensor((0.0, -1.0, 0.0)))  # up is -y in a camera
    assert_near(rotations[1:], torch.eye(3).expand(BONES - 1, 3, 3))


def test_shapes_and_distances_stay_in_their_ranges(network: MultiHmrAnny, seen: AnnyOutput) -> None:
    assert seen.people.shape.shape[1] == len(SHAPES) == 11
    assert ((seen.people.shape > 0) & (seen.people.shape < 1)).all()
    altered = copy.deepcopy(network)
    altered.distance[2].bias.fill_(-1e4)  # an exponential that underflows
    assert_near(perceive_two(altered).distance, torch.full((2,), 100 / 1e-5))


def test_positions_by_their_formula() -> None:
    side, dim = 7, 32
    table = sine_positions(side, dim)
    for row, column, channel in ((0, 0, 0), (2, 5, 3), (6, 1, 7), (4, 4, 1)):
        rate = 10000 ** (-channel / (dim / 4))
        ours = table[row * side + column, channel :: dim // 4]
        expected = torch.tensor((column * rate, column * rate, row * rate, row * rate))
        assert_near(ours, torch.stack((expected[0].sin(), expected[1].cos(), expected[2].sin(), expected[3].cos())))


def test_every_key_of_the_published_file_at_full_size() -> None:
    with torch.device("meta"):
        network = MultiHmrAnny(FULL)
    published = dict(published_keys())
    assert len(published) == 518
    renamed = {rename(key, ANNY): shape for key, shape in published.items()}
    dropped = [key for key in published if rename(key, ANNY) is None]
    assert len(renamed) == len(published) - len(dropped) + 1, "no two keys of the file have one name"
    renamed.pop(None)
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == renamed
    assert {restore(str(name), ANNY) for name in renamed} == set(published) - set(dropped)
    with pytest.raises(KeyError):
        rename("mlp_expression.0.weight", ANNY)


def test_as_many_parameters_as_upstream() -> None:
    with torch.device("meta"):
        network = MultiHmrAnny(FULL)
    # Upstream's count holds DINOv2's mask token, an identity matrix and the mask of useful bones, which is a buffer of ours.
    assert count(network) + FULL.dim + 9 + BONES == PUBLISHED_PARAMETERS
    assert count(network.decoder) == 33_607_680
    assert count(network.backbone) + FULL.dim == 304_368_640


def count(module: torch.nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def published_keys() -> Keys:
    """Names and shapes of multiHMR_672_L_anny, as upstream's class gives them."""
    yield from (("eye", (1, 3, 3)), ("useful_rotmat", (1, 163)), ("dec_pos_emb", (48 * 48, 512)), ("init_body_pose", (1, 978)))
    anchors = {"age": 5, "gender": 2, "muscle": 3, "weight": 3, "height": 2, "proportions": 2, "cupsize": 3, "firmness": 3}
    yield from ((f"body_model.anchors.{name}", (length,)) for name, length in anchors.items())
    yield "encoder.fov_max", (1,)
    yield from _backbone("encoder.backbone.")
    for name, sizes in {
        "encoder.mlp_det": (1024, 1024, 1), "encoder.mlp_fov_unique": (1024, 1024, 1), "mlp_offset": (512, 512, 2),
        "mlp_pose": (512 + 978, 512, 978), "mlp_shape": (512, 512, 11), "mlp_dist": (512, 512, 1),
    }.items():  # fmt: skip  # a table
        yield from _linear(f"{name}.0", sizes[0], sizes[1])
        yield from _linear(f"{name}.2", sizes[1], sizes[2])
    yield from _linear("dec_to_token", 1024, 512)
    for layer in range(8):
        at = f"decoder.transformer.layers.{layer}."
        for part in range(3):
            yield from ((f"{at}{part}.norm.{key}", (512,)) for key in ("weight", "bias"))
        yield f"{at}0.fn.to_qkv.weight", (3 * 512, 512)
        yield f"{at}1.fn.to_q.weight", (512, 512)
        yield f"{at}1.fn.to_kv.weight", (2 * 512, 512)
        yield from _linear(f"{at}0.fn.to_out.0", 512, 512)
        yield from _linear(f"{at}1.fn.to_out.0", 512, 512)
        yield from _linear(f"{at}2.fn.net.0", 512, 2048)
        yield from _linear(f"{at}2.fn.net.3", 2048, 512)


def _backbone(at: str) -> Keys:
    yield from ((at + "cls_token", (1, 1, 1024)), (at + "mask_token", (1, 1024)), (at + "pos_embed", (1, 37 * 37 + 1, 1024)))
    yield from ((at + "patch_embed.proj.weight", (1024, 3, 14, 14)), (at + "patch_embed.proj.bias", (1024,)))
    yield from ((f"{at}norm.{key}", (1024,)) for key in ("weight", "bias"))
    for block in range(24):
        for name in ("norm1.weight", "norm1.bias", "ls1.gamma", "norm2.weight", "norm2.bias", "ls2.gamma"):
            yield f"{at}blocks.{block}.{name}", (1024,)
        for name, width, out in (
            ("attn.qkv", 1024, 3072), ("attn.proj", 1024, 1024), ("mlp.fc1", 1024, 4096), ("mlp.fc2", 4096, 1024),
        ):  # fmt: skip  # a table
            yield from _linear(f"{at}blocks.{block}.{name}", width, out)


def _linear(name: str, width: int, out: int) -> Keys:
    yield f"{name}.weight", (out, width)
    yield f"{name}.bias", (out,)
