"""The network as a whole, at nano size with weights of a seed."""

from dataclasses import replace
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest
import torch
from model.worlds import image, window, with_frame, without

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.config import ModelOptions
from chromm_ros.model.initialise import untrained
from chromm_ros.model.predictor import Predictor
from chromm_ros.model.scene_conditions import prepare_conditions
from chromm_ros.records import Prediction, Window

SMALL = ModelOptions(checkpoint="untrained", scene_pixels=7840, device="cpu", cache_features=False)
VGA = (64, 48)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(SMALL)


def run(predictor: Predictor, source: Window) -> Prediction:
    return predictor.infer(predictor.prepare(source))


def per_frame(prediction: Prediction) -> dict[str, torch.Tensor]:
    names = ("intrinsics", "points", "confidence", "human_mask", "colors")
    return {name: getattr(prediction, name) for name in names}


def assert_close(ours: torch.Tensor, other: torch.Tensor, what: str = "") -> None:
    assert ours.shape == other.shape, what
    worst = float((ours.double() - other.double()).abs().max()) if ours.numel() else 0.0
    assert worst <= 1e-4 * max(1.0, float(other.double().abs().max()) if other.numel() else 0.0), f"{what}: {worst}"


@pytest.mark.parametrize("sizes", [[(64, 48)], [(48, 64)], [(192, 48)], [(64, 48), (48, 64), (50, 50)]])
def test_predictions_are_legal_for_any_aspect(predictor: Predictor, sizes: list[tuple[int, int]]) -> None:
    result = run(predictor, window(sizes, 2))
    frames, people = 2 * len(sizes), len(result.person_frame)
    height, width = result.points.shape[1:3]
    assert result.points.shape == (frames, height, width, 3)
    assert result.colors.shape == (frames, height, width, 3)
    assert result.human_mask.shape == (frames, height // 14, width // 14)
    assert result.image_size.tolist() == [list(size) for _ in range(2) for size in sizes]
    for name in vars(result):
        value = getattr(result, name)
        assert not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.isfinite().all(), name
    assert float(result.points[..., 2].min()) > 0.5
    assert float(result.points[..., 2].max()) < 10
    assert ((result.confidence >= 0) & (result.confidence <= 1)).all()
    assert 0.5 < result.metric_scale < 2
    for rotations in (result.rotations.flatten(0, 1), result.world_from_cam[:, :3, :3]):
        assert_close(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), "orthogonal")
        assert_close(torch.linalg.det(rotations), torch.ones(len(rotations)), "right-handed")
    assert frames <= people <= 4 * frames, "the untrained detector finds a few heads in every image"
    size = result.image_size[result.person_frame]
    assert ((result.head_pixel >= 0) & (result.head_pixel < size)).all(), "no head on a border"
    projected = (result.intrinsics[result.person_frame] @ result.head_position[..., None])[..., 0]
    assert_close(projected[:, :2] / projected[:, 2:], result.head_pixel, "the head lies behind its pixel")


def test_order_of_the_frames_does_not_matter(predictor: Predictor) -> None:
    batch = predictor.prepare(window([VGA] * 3, 2))
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    views = replace(batch.views, **{name: value[order] for name, value in vars(batch.views).items() if value is not None})
    shuffled = replace(
        batch, frames=tuple(batch.frames[i] for i in order),
        scene_images=batch.scene_images[order], human_images=batch.human_images[order], views=views,
    )  # fmt: skip  # five fields
    straight, mixed = predictor.infer(batch), predictor.infer(shuffled)
    for name, value in per_frame(straight).items():
        assert_close(per_frame(mixed)[name], value[order], name)
    assert_close(mixed.world_from_cam, straight.world_from_cam[order], "poses")
    people = torch.cat([(straight.person_frame == frame).nonzero()[:, 0] for frame in order.tolist()])
    assert_close(mixed.head_position, straight.head_position[people], "heads")
    assert_close(mixed.rotations, straight.rotations[people], "rotations")


def test_people_of_one_image_do_not_depend_on_other_images(predictor: Predictor) -> None:
    """Detection, intrinsics of the crop and attention among people stay within an image; the scene's share is held still."""
    network, batch = predictor.network, predictor.prepare(window([VGA] * 3, 1))
    images = batch.human_images.float() / 255
    together = network.human.encode(images)
    for index in range(3):
        assert_close(network.human.encode(images[index : index + 1])[0], together[index], "backbone")
    everybody = network.pick(together, batch.views, predictor._picking)
    tokens = torch.randn(len(everybody.image), network.config.people.dim, generator=torch.Generator().manual_seed(1))
    intrinsics = torch.tensor(((200.0, 0, 112), (0, 200, 112), (0, 0, 1))).expand(3, 3, 3)
    bodies = network.smpl(tokens, everybody, together, intrinsics)
    for index in range(3):
        mine = everybody.image == index
        alone = network.smpl(tokens[mine], everybody[mine], together, intrinsics)
        assert_close(alone.rotations, bodies.rotations[mine], "rotations")
        assert_close(alone.depth_residual, bodies.depth_residual[mine], "depth")


def test_missing_frames_equal_a_window_of_the_others(predictor: Predictor) -> None:
    whole = window([VGA] * 2, 2)
    partial = run(predictor, without(whole, (0, 1), (1, 1)))
    only = run(predictor, window([VGA], 2))
    for name, value in per_frame(only).items():
        assert_close(per_frame(partial)[name], value, name)
    assert partial.view.tolist() == [0, 0]


@pytest.mark.parametrize("half", [False, True])
@torch.inference_mode()
def test_the_scene_is_pi3x_alone_to_the_last_bit(predictor: Predictor, half: bool) -> None:
    batch = predictor.prepare(window([VGA] * 2, 2))
    images = batch.scene_images.float() / 255
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        alone = predictor.network.scene(images[None], batch.views.conditions())
        joined = predictor.network(images, batch.human_images.float() / 255, batch.views)
    assert len(joined.found.image) > 0, "the heads have somebody to describe"
    for name, value in vars(alone).items():
        assert torch.equal(getattr(joined.scene, name), value), name


@pytest.mark.parametrize(("patches", "kept"), [(0.0, False), (50.0, True), (-50.0, True)])
@torch.inference_mode()
def test_a_coarse_pelvis_outside_the_image_is_kept(predictor: Predictor, patches: float, kept: bool) -> None:
    batch, coarse = predictor.prepare(window([VGA], 1)), predictor.network.pelvis.coarse[-1]
    before = coarse.bias.clone()
    coarse.bias[1] = patches  # from the head downwards
    output = predictor.network(batch.scene_images.float() / 255, batch.human_images.float() / 255, batch.views)
    coarse.bias.copy_(before)
    outside = (output.pelvis_coarse[:, 1] < 0) | (output.pelvis_coarse[:, 1] >= VGA[1])
    assert len(outside) > 0
    assert bool(outside.all()) is kept
    assert torch.equal(output.pelvis_pixel, output.pelvis_coarse) is kept


@pytest.mark.parametrize(("row", "kept"), [(20.0, True), (180.0, True), (40.0, False)])
@torch.inference_mode()
def test_a_coarse_pelvis_on_the_border_is_kept(predictor: Predictor, monkeypatch, row: float, kept: bool) -> None:
    """The square of the human branch shows the image in its rows 24 to 171; the borders above and below hold nothing to look at."""
    network, batch = predictor.network, predictor.prepare(window([VGA], 1))
    monkeypatch.setattr(network.pelvis, "first", lambda _, head: torch.tensor((112.0, row)).expand(len(head), 2))
    output = network(batch.scene_images.float() / 255, batch.human_images.float() / 255, batch.views)
    assert len(output.pelvis_pixel) > 0
    assert torch.equal(output.pelvis_pixel, output.pelvis_coarse) is kept


@torch.inference_mode()
def test_no_head_lies_in_or_behind_the_camera(predictor: Predictor) -> None:
    batch, residual = predictor.prepare(window([VGA], 1)), predictor.network.smpl.decdepth.bias
    before = residual.clone()
    residual[0] = -100.0  # metres
    output = predictor.network(batch.scene_images.float() / 255, batch.human_images.float() / 255, batch.views)
    residual.copy_(before)
    assert len(output.head_position) > 0
    torch.testing.assert_close(output.head_position[:, 2], torch.full((len(output.head_position),), 0.1))


def test_features_kept_while_windows_overlap_change_nothing(predictor: Predictor) -> None:
    cached = Predictor(replace(SMALL, cache_features=True))
    sets = window([VGA] * 2, 5).sets
    looked = []
    look = cached._look
    cached._look = lambda batch, which: (looked.append(len(which)), look(batch, which))[1]  # type: ignore[method-assign]
    for start in range(3):
        source = Window(0, start, ("cam0", "cam1"), sets[start : start + 3])
        ours, fresh = run(cached, source), run(predictor, source)
        assert_close(ours.points, fresh.points, "points")
        assert_close(ours.head_position, fresh.head_position, "heads")
        assert torch.equal(ours.person_frame, fresh.person_frame)
    assert looked == [6, 2, 2], "only new frames are looked at"
    assert cached._cache is not None
    assert len(cached._cache._kept) == 6, "nothing of older windows is kept"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_encoding_and_decoding_apart_equal_one_call(precision: str) -> None:
    """To the last bit: the whole network's own call, that of the predictor, and its two halves, called where gradients are on."""
    parts = Predictor(replace(SMALL, precision=precision))
    source = window([VGA], 2)
    batch = parts.prepare(source)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        whole = parts.network(batch.scene_images.float() / 255, batch.human_images.float() / 255, batch.views)
    features = parts.encode(batch)
    apart, once = parts.decode(features, batch), parts.infer(batch)
    assert len(once.person_frame) > 0
    for name, value in vars(once).items():
        other = getattr(apart, name)
        assert torch.equal(other, value) if isinstance(value, torch.Tensor) else other == value, name
    for value, other in ((whole.scene.local_points[0], apart.points), (whole.bodies.rotations, apart.rotations)):
        assert torch.equal(value, other)
    assert not apart.points.requires_grad
    one_by_one = [parts.encode(parts.prepare(replace(source, sets=(entry,)))) for entry in source.sets]
    for name in ("scene", "human"):
        value = torch.cat([getattr(entry, name) for entry in one_by_one])
        tolerance = 1e-5 if precision == "float32" else 0.03  # sums in another order; a bfloat16 has 8 bits
        torch.testing.assert_close(value, getattr(features, name), rtol=tolerance, atol=tolerance)


def test_features_of_an_old_frame_at_the_same_address_are_not_taken(predictor: Predictor) -> None:
    cached = Predictor(replace(SMALL, cache_features=True))
    old, new = window([VGA], 1), window([VGA], 1, start=1)
    run(cached, old)
    assert cached._cache is not None
    ((_, *size), entry) = cached._cache._kept.popitem()
    cached._cache._kept[(id(new.sets[0].frames[0]), size[0], size[1])] = entry
    assert_close(run(cached, new).points, run(predictor, new).points)


def test_known_intrinsics_go_through_and_unknown_ones_are_estimated(predictor: Predictor) -> None:
    known = np.array(((70.0, 0, 30), (0, 71, 25), (0, 0, 1)), np.float32)
    result = run(predictor, with_frame(window([VGA] * 2, 1), 0, 0, intrinsics=known))
    assert torch.equal(result.intrinsics[0], torch.from_numpy(known))
    estimated = result.intrinsics[1]
    assert estimated[0, 0] == estimated[1, 1]
    assert estimated[:2, 2].tolist() == [32, 24]
    half_diagonal = 40 / float(estimated[0, 0])
    assert 0.6 < half_diagonal < 0.9, "untrained weights start as a lens of about 74 degrees over the diagonal"


@pytest.mark.parametrize("known", ["intrinsics", "world_from_cam", "depth"])
def test_what_is_known_reaches_the_scene(predictor: Predictor, known: str) -> None:
    values = {
        "intrinsics": np.array(((90.0, 0, 32), (0, 90, 24), (0, 0, 1)), np.float32),
        "world_from_cam": np.eye(4, dtype=np.float32),
        "depth": np.full((48, 64), 2.0, np.float32),
    }
    source = told = window([VGA] * 3, 1)
    for view in range(2):
        value = values[known].copy()
        if known == "world_from_cam":
            value[0, 3] = view
        told = with_frame(told, 0, view, **{known: value})
    plain, informed = run(predictor, source), run(predictor, told)
    assert float((plain.points - informed.points).abs().max()) > 1e-5
    assert informed.points.isfinite().all()


def test_a_single_known_pose_says_nothing(predictor: Predictor) -> None:
    source = window([VGA] * 2, 1)
    pose = np.eye(4, dtype=np.float32)
    pose[:3, 3] = (5, 6, 7)
    plain, informed = run(predictor, source), run(predictor, with_frame(source, 0, 1, world_from_cam=pose))
    assert torch.equal(plain.points, informed.points)


def partly_known() -> Window:
    """Three cameras, two steps; of six frames two each have intrinsics, a pose or a depth image, not the same two."""
    source = window([VGA] * 3, 2)
    for number, (step, view) in enumerate([(0, 1), (1, 0)]):
        lens = np.array(((60.0 + number, 0, 32), (0, 60, 24), (0, 0, 1)), np.float32)
        source = with_frame(source, step, view, intrinsics=lens)
    for number, (step, view) in enumerate([(0, 0), (1, 2)]):
        pose = np.eye(4, dtype=np.float32)
        pose[0, 3] = number
        source = with_frame(source, step, view, world_from_cam=pose)
    for step, view in [(0, 2), (1, 0)]:
        source = with_frame(source, step, view, depth=np.full((48, 64), 2.0 + step, np.float32))
    return source


def test_masks_say_exactly_what_is_known(predictor: Predictor) -> None:
    """By step, then by camera; what a depth image knows is told pixel by pixel on top."""
    source = partly_known()
    holes = source.sets[0].frames[2].depth.copy()
    holes[:24], holes[30, 40] = 0, np.nan
    told = predictor.prepare(with_frame(source, 0, 2, depth=holes)).views.conditions()
    assert told.ray_mask.int().tolist() == [[0, 1, 0, 1, 0, 0]]
    assert told.pose_mask.int().tolist() == [[1, 0, 0, 0, 0, 1]]
    assert told.depth_mask.int().tolist() == [[0, 0, 1, 1, 0, 0]]
    assert told.depths.isfinite().all()
    assert told.depths.amax((2, 3)).tolist() == [[0, 0, 2, 3, 0, 0]]
    assert 0.3 < float((told.depths[0, 2] > 0).float().mean()) < 0.6, "the upper half is unknown"
    known = prepare_conditions(told, 1, 6, *told.depths.shape[2:], torch.device("cpu"))
    for ours, theirs in ((known.ray_mask, told.ray_mask), (known.pose_mask, told.pose_mask), (known.depth_mask, told.depth_mask)):
        assert torch.equal(ours, theirs)
    lone = predictor.prepare(
        with_frame(window([VGA] * 3, 2), 1, 1, world_from_cam=np.eye(4, dtype=np.float32))
    ).views.conditions()
    assert lone.pose_mask.int().tolist() == [[0, 0, 0, 0, 1, 0]]
    dropped = prepare_conditions(lone, 1, 6, 28, 42, torch.device("cpu"))
    assert dropped.poses is None
    assert not dropped.pose_mask.any(), "one pose relates to nothing"


def test_what_is_unknown_has_no_influence(predictor: Predictor) -> None:
    """Other fillers, the same bits. (Without any depth, upstream's normalisation sees how far an unknown camera is said to be.)"""
    batch = predictor.prepare(partly_known())
    views, noise = batch.views, torch.Generator().manual_seed(0)
    assert views.depth is not None

    def filled(values: torch.Tensor, known: torch.Tensor, filler: torch.Tensor) -> torch.Tensor:
        return torch.where(known.view(-1, *[1] * (values.ndim - 1)), values, filler)

    lenses = torch.eye(3) + torch.rand(6, 3, 3, generator=noise)
    poses = torch.eye(4).repeat(6, 1, 1)
    poses[:, :3, 3] = torch.rand(6, 3, generator=noise) * 9
    other = replace(
        views,
        intrinsics=filled(views.intrinsics, views.intrinsics_known, lenses),
        world_from_cam=filled(views.world_from_cam, views.pose_known, poses),
    )
    one, two = predictor.infer(batch), predictor.infer(replace(batch, views=other))
    for name, value in vars(one).items():
        same = torch.equal(value, getattr(two, name)) if isinstance(value, torch.Tensor) else value == getattr(two, name)
        assert same, name


def test_nobody_and_not_too_many(predictor: Predictor) -> None:
    nobody = run(Predictor(replace(SMALL, score_min=1.0)), window([VGA], 1))
    assert nobody.rotations.shape == (0, 53, 3, 3)
    assert nobody.head_position.shape == (0, 3)
    few = run(Predictor(replace(SMALL, max_people=1)), window([VGA] * 2, 1))
    many = run(predictor, window([VGA] * 2, 1))
    assert few.person_frame.tolist() == [0, 1]
    for frame in range(2):
        assert few.person_score[frame] == many.person_score[many.person_frame == frame].max(), "the strongest stays"


def test_weights_come_from_the_seed_alone() -> None:
    config = SMALL.network()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = untrained(config, 3).state_dict()
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers are left alone"
    torch.manual_seed(2)
    second, other = untrained(config, 3).state_dict(), untrained(config, 4).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_bfloat16_stays_near_and_keeps_pixels_exact(predictor: Predictor) -> None:
    known = np.array(((533.3, 0, 320.4), (0, 533.3, 240.6), (0, 0, 1)), np.float32)
    source = window([(640, 480)] * 2, 1, intrinsics=known)
    half, full = run(Predictor(replace(SMALL, precision="bfloat16")), source), run(predictor, source)
    assert torch.equal(half.intrinsics, full.intrinsics)
    assert float((half.points - full.points).abs().max()) < 0.1
    assert torch.equal(half.person_frame, full.person_frame)
    projected = (half.intrinsics[half.person_frame] @ half.head_position[..., None])[..., 0]
    assert float((projected[:, :2] / projected[:, 2:] - half.head_pixel).abs().max()) < 0.01


def test_checkpoints_come_back_or_say_what_is_wrong(tmp_path, predictor: Predictor) -> None:
    from safetensors.torch import save_file

    weights = {name: value.contiguous() for name, value in untrained(SMALL.network(), 9).state_dict().items()}
    save_file(weights, tmp_path / "mine.safetensors")
    restored = Predictor(replace(SMALL, checkpoint=str(tmp_path / "mine.safetensors")))
    assert restored.weights == "mine"
    assert predictor.weights == "untrained"
    assert all(torch.equal(value, weights[name]) for name, value in restored.network.state_dict().items())

    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "mine.safetensors").read_bytes()[:1000])
    weights.pop("scene.metric_token")
    save_file(weights | {"stranger": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name, sentence in {
        "none": "does not exist",
        "cut": "not a whole safetensors file",
        "other": r"missing scene.metric_token; unknown stranger",
    }.items():
        with pytest.raises(FileError, match=sentence):
            Predictor(replace(SMALL, checkpoint=str(tmp_path / f"{name}.safetensors")))


def test_devices_and_sizes_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'cuda:99', expected auto or one of those of this machine: cpu"):
        Predictor(replace(SMALL, device="cuda:99"))
    with pytest.raises(ConfigError, match="multiple of 14"):
        ModelOptions(human_size=225)
    with pytest.raises(ConfigError, match="at least 112"):
        ModelOptions(human_size=56)


def test_warm_up_and_what_the_node_reports(predictor: Predictor) -> None:
    predictor.warm_up(2, 2, 64, 48)
    assert predictor.device == "cpu"
    assert predictor.gpu_mb() == 0.0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_are_held_in_the_precision_asked_for(precision: str) -> None:
    network = Predictor(ModelOptions(size="tiny", device="cpu", precision=precision)).network
    assert network.scene.decoder[0].mlp.fc1.weight.dtype == getattr(torch, precision)
    assert network.scene.point_head.output_block[0][0].weight.dtype == torch.float32


@pytest.mark.parametrize("asked", [False, True])
def test_blocks_are_compiled_where_asked(monkeypatch, asked: bool) -> None:
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr("chromm_ros.model.predictor.compile_blocks", compiled.extend)
    network = Predictor(ModelOptions(size="tiny", device="cpu", compile=asked)).network
    assert compiled == (list(network.blocks()) if asked else [])


def test_weights_that_take_no_conditions_say_so_once() -> None:
    lens = np.array(((60.0, 0, 32), (0, 60, 24), (0, 0, 1)), np.float32)
    source = window([VGA], 1)
    told = with_frame(source, 0, 0, intrinsics=lens, depth=np.ones((48, 64), np.float32))
    predictor = Predictor(ModelOptions(size="tiny", device="cpu"))
    with catch_warnings():
        simplefilter("error")
        predictor.prepare(told)
        predictor.network.scene.config = replace(predictor.network.scene.config, conditioned=False)
        predictor.prepare(source)
    with pytest.warns(UserWarning, match="without the known intrinsics, depths: weights 'untrained' have no conditioning"):
        predictor.prepare(told)
    with catch_warnings():
        simplefilter("error")
        predictor.prepare(told)


def test_images_that_cannot_be_written_to(predictor: Predictor) -> None:
    frozen = image(64, 48, 1)
    frozen.setflags(write=False)
    assert run(predictor, with_frame(window([VGA], 1), 0, 0, image=frozen)).points.isfinite().all()
