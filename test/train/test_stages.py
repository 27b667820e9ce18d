"""The stages: truth is their minimum, gradients reach what they train and nothing else, and the scale goes the right way."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from chromm_ros.data.moment import Moment
from chromm_ros.errors import ConfigError
from chromm_ros.geometry import se3
from chromm_ros.model.checkpoint import Card, save_weights
from chromm_ros.model.chromm import Chromm, ChrommOutput
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import SIZES
from chromm_ros.model.human_branch import Detections
from chromm_ros.model.human_heads import MultiHmr, PeopleOutput
from chromm_ros.model.initialise import DEPTH, draw, untrained
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.scene_branch import SceneBranch, SceneOutput
from chromm_ros.model.scene_conditions import ray_map
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People as Found
from chromm_ros.reconstruct.scale import ScaleConfig, head_pelvis_ratio
from chromm_ros.train import begin, chromm_stage
from chromm_ros.train.bodies import joints_from_head
from chromm_ros.train.build import composed, whole
from chromm_ros.train.export import trained
from chromm_ros.train.human_stage import HumanStage
from chromm_ros.train.scene_stage import SceneStage
from chromm_ros.train.stage import Stage, Start
from chromm_ros.train.stages import STAGES
from chromm_ros.train.targets import Batch, Knowledge

TINY, START = SIZES["tiny"], Start(size="tiny")
ALL, NOTHING = Knowledge(1.0, 1.0, 1.0, 0.0), Knowledge(0.0, 0.0, 0.0, 1.0)
SURE = 30.0
Clip = tuple[Moment, ...]


def stage_of(name: str, knowledge: Knowledge = ALL) -> Any:
    return replace(STAGES[name], knowledge=knowledge).at(TINY)  # type: ignore[type-var]


def batch_for(stage: Any, clips: list[Clip]) -> Batch:
    batch: Batch = stage.batch(clips, np.random.default_rng(0))
    return batch


def network_for(stage: Stage) -> tuple[nn.Module, dict[str, nn.Parameter]]:
    """With only what it trains to be trained, as the loop does it."""
    network = stage.build(START).eval()
    for value in network.parameters():
        value.requires_grad = False
    parameters = dict(stage.trained(network))
    for value in parameters.values():
        value.requires_grad = True
    return network, parameters


class Say(nn.Module):
    """Some channels of what it is given."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.channels = list(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x[..., self.channels]


def planted_features(batch: Batch) -> Tensor:
    """Features of the human branch that hold a sure score and the offset of each head, from the take alone (112 pixels of 224)."""
    features = torch.zeros(len(batch.human_images), 64, 48)
    features[..., 0] = -SURE
    heads = batch.people.heads
    for image, row, column, pixel in zip(heads.image, heads.row, heads.column, batch.people.head_pixel, strict=True):
        place = (pixel / 2 + torch.tensor((0.0, 14.0))) / 14
        features[image, row * 8 + column, 0] = SURE
        features[image, row * 8 + column, 1:3] = place - torch.stack((column, row)) - 0.5
    return features


def human_oracle(batch: Batch) -> Composed:
    network = composed(START)
    people, count = batch.people, len(batch.people.head)

    def perceive(features: Tensor, found: Detections, intrinsics: Tensor) -> PeopleOutput:
        return PeopleOutput(people.rotations, people.betas, torch.zeros(count, 10), people.head[:, 2], torch.zeros(count, 64))

    plant_human(network, batch)
    network.human.perceive = perceive  # type: ignore[method-assign]
    return network


def plant_human(network: Composed | Chromm, batch: Batch) -> None:
    features, human = planted_features(batch), network.human
    human.encode = lambda images: features if len(images) == len(features) else _of(features, batch, images)  # type: ignore[method-assign]
    human.classifier, human.offset = nn.Sequential(Say(0)), nn.Sequential(Say(1, 2))


def _of(features: Tensor, batch: Batch, images: Tensor) -> Tensor:
    """Features of some of the images."""
    all_images = batch.human_images.float() / 255.0
    return features[[next(k for k, one in enumerate(all_images) if torch.equal(one, image)) for image in images]]


def true_scene(batch: Batch, metric: Tensor | None = None) -> SceneOutput:
    """What a perfect scene branch says of all scenes, in another world of its own."""
    rays = ray_map(batch.views.scene_from_image @ batch.true_intrinsics, *batch.depth.shape[1:])
    plane = torch.cat((rays, torch.ones_like(rays[..., :1])), -1)
    world = torch.from_numpy(se3.compose(np.array(((0.0, -1, 0), (1, 0, 0), (0, 0, 1))), np.array((3.0, 1, 2)))).float()

    def scenes(values: Tensor) -> Tensor:
        return torch.unflatten(values, 0, (batch.scenes, -1))

    return SceneOutput(
        local_points=scenes(plane * batch.depth[..., None]),
        rays=scenes(nn.functional.normalize(plane, dim=-1)),
        confidence=torch.full_like(scenes(batch.depth), SURE),
        world_from_cam=scenes(world @ batch.views.world_from_cam),
        metric=torch.ones(batch.scenes) if metric is None else metric,
        tokens=torch.zeros(batch.scenes, len(batch.depth) // batch.scenes, 12, 96),
    )


def test_the_human_stage_is_content_with_the_truth(clips: list[Clip]) -> None:
    stage: HumanStage = stage_of("human", Knowledge(1.0, 0.0, 0.0, 0.0))
    batch = batch_for(stage, clips)
    network = human_oracle(batch)
    terms = stage.losses(network, batch, 0.0)
    assert max(float(value) for value in terms.values()) < 5e-3  # metres: the world's puppet against SMPL-X's code, times 5
    assert float(terms["offset"]) < 1e-5 and float(terms["detection"]) < 1e-8 and float(terms["distance"]) == 0.0
    told = stage.measure(network, batch)
    assert told["F1"] == told["precision"] == told["recall"] == 1.0
    assert told["head px"] < 1e-3 and told["distance %"] == 0.0 and told["root deg"] < 0.1
    assert told["MPJPE mm"] < 1.0 and told["PA mm"] < 1.0
    assert stage.panel(network, batch).dtype == np.uint8


def test_the_scene_stage_is_content_with_the_truth_in_any_world(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    stage: SceneStage = stage_of("scene")
    batch = batch_for(stage, clips)
    known = batch.depth > 0
    logs = [each[there].log().mean() for each, there in zip(batch.depth.split(2), known.split(2), strict=True)]
    metric = torch.stack(logs).exp() / DEPTH
    monkeypatch.setattr(SceneStage, "_look", lambda *_: true_scene(batch, metric))
    terms = stage.losses(composed(START), batch, 0.0)
    assert max(float(value) for value in terms.values()) < 1e-4
    told = stage.measure(composed(START), batch)
    assert told["depth %"] < 1e-3 and told["depth up to scale %"] < 1e-3 and told["people depth %"] < 1e-3 and told["rays"] < 1e-5
    assert told["d<1.25"] == 1.0 and told["turn deg told"] < 0.1
    # Metres that are wrong by a fifth are the metric head's fault alone, which scales all that it says.
    wrong = replace(true_scene(batch, metric * 1.2), local_points=true_scene(batch).local_points * 1.2)
    wrong.world_from_cam[..., :3, 3] *= 1.2
    monkeypatch.setattr(SceneStage, "_look", lambda *_: wrong)
    again = stage.losses(composed(START), batch, 0.0)
    assert float(again["metric"]) == pytest.approx(0.5 * np.log(1.2), rel=1e-3)
    assert max(float(value) for name, value in again.items() if name != "metric") < 1e-4
    assert stage.measure(composed(START), batch)["depth %"] == pytest.approx(20.0, rel=1e-2)


def true_output(batch: Batch, index: int) -> ChrommOutput:
    """What a perfect network says of one scene."""
    frames, mine = batch.scene(index)
    people, scene = batch.people, true_scene(batch)
    found, count = people.heads[mine], int(mine.sum())
    one = {name: getattr(scene, name)[index : index + 1] for name in vars(scene)}
    return ChrommOutput(
        scene=SceneOutput(**one),
        intrinsics=batch.true_intrinsics[frames],
        mask=torch.logit(batch.mask[frames].round(), eps=1e-9),
        found=replace(found, image=found.image - frames.start),
        token=torch.zeros(count, 64),
        head_pixel=people.head_pixel[mine],
        pelvis_pixel=people.pelvis_pixel[mine],
        head_position=people.head[mine],
        bodies=Bodies(people.rotations[mine], people.betas[mine], torch.zeros(count, 10), torch.zeros(count)),
        pelvis_coarse=people.pelvis_pixel[mine],
    )


def oracle(batch: Batch, change: Any = lambda out: out) -> Chromm:
    network = whole(START)
    plant_human(network, batch)
    turn: Iterator[int] = iter(list(range(batch.scenes)) * 9)
    network.decode = lambda *_, **__: change(true_output(batch, next(turn)))  # type: ignore[method-assign]
    return network


def nearer(factor: float) -> Any:
    """The scene and the heads in it, nearer by a factor: what a wrong scale makes of them."""

    def change(out: ChrommOutput) -> ChrommOutput:
        scene = replace(out.scene, local_points=out.scene.local_points * factor)
        return replace(out, scene=scene, head_position=out.head_position * factor)

    return change


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_the_stages_of_the_paper_are_content_with_the_truth(clips: list[Clip], progress: float) -> None:
    stage = stage_of("smpl")
    batch = batch_for(stage, clips)
    batch = replace(batch, mask=batch.mask.round())  # of a share, cross-entropy leaves the entropy
    terms = stage.losses(oracle(batch), batch, progress)
    assert max(float(value) for value in terms.values()) < 5e-3, terms
    told = stage.measure(oracle(batch), batch)
    assert told["F1"] == told["mask IoU"] == 1.0 and told["ratio"] == pytest.approx(1.0, abs=1e-3)
    assert told["depth %"] < 1e-3 and told["adjusted depth %"] < 0.1 and told["pelvis %"] < 1e-3
    assert told["root deg"] < 0.1 and told["MPJPE mm"] < 1.0 and told["PA mm"] < 1.0 and told["head px"] < 1e-3


def test_the_scale_goes_the_way_that_the_reconstruction_goes(clips: list[Clip]) -> None:
    """r of a scene that is too near is larger than 1, takes most of the error away, and is that of `reconstruct.scale`."""
    stage = stage_of("smpl")
    batch = batch_for(stage, clips)
    for factor in (0.8, 1.0, 1.25):
        off = 0.0
        for index in range(batch.scenes):
            out, views = nearer(factor)(true_output(batch, index)), chromm_stage._frames(batch.views, batch.scene(index)[0])
            ratio = float(chromm_stage.scale_ratio(out, views))
            assert ratio == pytest.approx(reconstructed(out, views), rel=1e-3)
            off = max(off, abs(np.log(ratio * factor)))
        assert off <= 0.35 * abs(np.log(factor)) + 1e-3, factor
    told = stage.measure(oracle(batch, nearer(0.8)), batch)
    assert told["depth %"] == pytest.approx(20.0, abs=0.1) and told["adjusted depth %"] < 7.0 and told["ratio"] > 1.15


def reconstructed(out: ChrommOutput, views: Any) -> float:
    """The same by the robot's own code."""
    count, frames = len(out.head_pixel), len(out.intrinsics)
    order, poses = np.arange(frames), np.tile(np.eye(4), (frames, 1, 1))
    intrinsics = out.intrinsics.double().numpy()
    cameras = Cameras(order, order * 0, order, order, views.image_size.double().numpy(), intrinsics, poses, poses, order >= 0)
    offsets = joints_from_head(out.bodies.rotations, out.bodies.betas).double().numpy()
    pixels = (out.head_pixel.double().numpy(), out.pelvis_pixel.double().numpy())
    people = Found(
        out.found.image.numpy(), np.ones(count), np.zeros((count, 1)), *pixels, out.head_position.double().numpy(),
        out.bodies.rotations.double().numpy(), np.zeros((count, 10)), np.zeros((count, 10)), offsets, np.arange(count),
    )  # fmt: skip
    return head_pelvis_ratio(cameras, people, ScaleConfig())


def test_chamfer_is_the_way_from_a_plane_to_triangles_in_it(clips: list[Clip]) -> None:
    """A wall at 2 m, seen through a lens of 60 pixels, and triangles in it that face the camera."""
    batch = batch_for(stage_of("pelvis"), clips)
    out = true_output(batch, 0)
    first = {name: getattr(out, name)[:1] for name in ("token", "head_pixel", "pelvis_pixel", "pelvis_coarse")}
    bodies = Bodies(*(getattr(out.bodies, name)[:1] for name in vars(out.bodies)))
    out = replace(out, found=out.found[torch.tensor([0])], head_position=out.head_position[:1], bodies=bodies, **first)
    k = torch.tensor(((60.0, 0.0, 28.0), (0.0, 60.0, 21.0), (0.0, 0.0, 1.0)))
    rays = ray_map(k, 42, 56)
    wall = torch.cat((rays, torch.ones_like(rays[..., :1])), -1) * 2.0
    place = torch.tensor([(x, y, 0.0) for x in (-0.5, 0.0, 0.4) for y in (-0.3, 0.2)])
    corners = place[:, None] + 0.05 * torch.tensor(((0.0, -1.0, 0.0), (-1.0, 1.0, 0.0), (1.0, 1.0, 0.0)))
    head = torch.tensor(((0.0, 0.0, 2.0),))

    def look(shift: float, points: Tensor = wall, ratio: float = 1.0, image: int = 0) -> chromm_stage.Look:
        heads = Detections(*(torch.tensor((value,)) for value in (image, 0, 0)), torch.ones(1))
        said = replace(
            out, scene=replace(out.scene, local_points=points.expand(1, 2, -1, -1, -1)), intrinsics=k.expand(2, 3, 3),
            head_position=(head + torch.tensor((0.0, 0.0, shift))).requires_grad_(),
        )  # fmt: skip
        people = replace(batch.people, heads=heads)
        return chromm_stage.Look(said, people, k[None], torch.eye(3)[None], out.mask, torch.tensor(ratio))

    skin = corners[None]
    assert float(chromm_stage.chamfer(skin, look(0.0)).detach()) == pytest.approx(0.0, abs=1e-3)
    assert float(chromm_stage.chamfer(skin, look(0.1)).detach()) == pytest.approx(0.2, rel=0.05)  # 0.1 each way
    assert float(chromm_stage.chamfer(skin, look(0.0, wall * 3)).detach()) == pytest.approx(2 * chromm_stage.TRUNCATED_M)
    assert float(chromm_stage.chamfer(skin, look(-0.2, wall * 0.9, 1.0)).detach()) == pytest.approx(0.0, abs=1e-3)
    assert float(chromm_stage.chamfer(skin, look(-1.0, wall * 0.5, 2.0)).detach()) == pytest.approx(0.0, abs=1e-3)
    away = skin.flip(2)  # turned away from the camera, nothing of it is seen
    assert float(chromm_stage.chamfer(away, look(0.1)).detach()) == 0.0
    aside = skin + torch.tensor((9.0, 0.0, 0.0))  # beyond the image's border
    assert float(chromm_stage.chamfer(aside, look(0.1)).detach()) == 0.0


def test_chamfer_is_least_at_the_true_scale(clips: list[Clip]) -> None:
    stage = stage_of("pelvis")
    batch = batch_for(stage, clips)
    terms = {factor: stage.losses(oracle(batch, far(factor)), batch, 0.0) for factor in (0.85, 1.0, 1.15)}
    assert all(terms[1.0][name] < terms[other][name] for name in ("chamfer", "pixels", "pelvis") for other in (0.85, 1.15))


def far(factor: float) -> Any:
    """A pelvis that is said too far from or too near to the head."""

    def change(out: ChrommOutput) -> ChrommOutput:
        pelvis = out.head_pixel + factor * (out.pelvis_pixel - out.head_pixel)
        return replace(out, pelvis_pixel=pelvis, pelvis_coarse=pelvis)

    return change


@pytest.mark.parametrize("name", list(STAGES))
def test_gradients_reach_what_a_stage_trains_and_nothing_else(name: str, clips: list[Clip], empty: Clip) -> None:
    stage = stage_of(name)
    network, parameters = network_for(stage)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for batch in (batch_for(stage, clips), batch_for(stage, [empty]), batch_for(stage, clips[:1])):
        terms = stage.losses(network, batch, 0.7)
        assert all(torch.isfinite(value) for value in terms.values())
        torch.stack(list(terms.values())).sum().backward()
    reached = {key for key, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    # Where the world begins is nobody's affair: cameras are compared with one another.
    assert reached == set(parameters) - {"scene.camera_head.fc_t.bias"}
    assert all(value.grad is not None for value in parameters.values())
    assert all(torch.isfinite(value.grad).all() for value in parameters.values() if value.grad is not None)
    parts = {"human": {"human"}, "scene": {"scene"}, "smpl": {"fuse", "smpl", "mask", "pelvis"}, "pelvis": {"pelvis"}}
    assert {key.partition(".")[0] for key in parameters} == parts[name]
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", list(STAGES))
def test_one_view_one_scene_nobody_and_nothing_known(name: str, clips: list[Clip], empty: Clip) -> None:
    stage = stage_of(name, NOTHING)
    network, _ = network_for(stage)
    for clip in (clips[0], empty):
        moment = clip[0]
        seen = ("images", "depth", "person", "intrinsics", "distortion", "world_from_cam", "visible", "head_visible", "pixels")
        one = replace(moment, **{key: getattr(moment, key)[:1] for key in (*seen, "head_pixel", "pelvis_pixel")})
        batch = batch_for(stage, [(one,)])
        assert all(torch.isfinite(value) for value in stage.losses(network, batch, 0.7).values())
        stage.measure(network, batch)
        assert stage.panel(network, batch).ndim == 3


def test_a_pelvis_behind_the_camera_spoils_nothing(clips: list[Clip]) -> None:
    stage = stage_of("smpl")
    batch = batch_for(stage, clips)
    pelvis = batch.people.pelvis_pixel.clone()
    pelvis[0] = torch.nan
    batch = replace(batch, people=replace(batch.people, pelvis_pixel=pelvis))
    network, parameters = network_for(stage)
    torch.stack(list(stage.losses(network, batch, 0.7).values())).sum().backward()
    assert all(value.grad is not None and torch.isfinite(value.grad).all() for value in parameters.values())
    assert np.isfinite(stage.measure(network, batch)["pelvis %"])


def test_the_network_sees_what_it_is_told_and_nothing_else(clips: list[Clip]) -> None:
    network = composed(START).eval()
    looks = {}
    with torch.no_grad():
        for name, knowledge in (("all", ALL), ("nothing", NOTHING), ("rays", Knowledge(1.0, 0.0, 0.0, 0.0))):
            stage = stage_of("scene", knowledge)
            batch = batch_for(stage, clips)
            looks[name] = stage._look(network, batch).local_points
            moved = replace(
                batch.views, intrinsics=batch.views.intrinsics * 1.1, world_from_cam=batch.views.world_from_cam.flip(0),
                depth=None if batch.views.depth is None else batch.views.depth * torch.rand_like(batch.views.depth),
            )  # fmt: skip
            other = stage._look(network, replace(batch, views=moved)).local_points
            assert torch.equal(looks[name], other) == (name == "nothing")
        features = network.scene.encode(batch.scene_images.float() / 255.0).unflatten(0, (2, -1))
        assert torch.allclose(looks["nothing"], network.scene.decode(features, (42, 56)).local_points, atol=1e-5)
    assert not torch.allclose(looks["all"], looks["rays"]) and not torch.allclose(looks["rays"], looks["nothing"])


def test_the_scale_comes_in_after_half_of_the_steps(clips: list[Clip]) -> None:
    stage = stage_of("smpl")
    told = batch_for(stage, clips)
    batch = replace(told, views=replace(told.views, pose_known=torch.zeros_like(told.views.pose_known)))
    place = [float(stage.losses(oracle(batch, nearer(0.8)), batch, progress)["place"]) for progress in (0.0, 0.49, 0.5, 1.0)]
    assert place[0] == place[1] and place[2] == place[3] and place[2] < 0.5 * place[0]
    known = replace(told, views=replace(told.views, pose_known=torch.ones_like(told.views.pose_known)))
    early, late = (float(stage.losses(oracle(known, nearer(0.8)), known, progress)["place"]) for progress in (0.0, 1.0))
    assert early == late, "known cameras tell the scale"


def published(folder: Path) -> dict[str, str]:
    """Files as `weights import` writes them, of branches of their own."""
    files = {}
    for kind, branch, config in (("scene", SceneBranch(TINY.scene), TINY.scene), ("human", MultiHmr(TINY.human), TINY.human)):
        draw(branch, 7)
        if isinstance(branch, MultiHmr):
            branch.perception.init_betas += 0.25
            branch.perception.init_body_pose += 0.01
        files[kind] = str(folder / f"{kind}.safetensors")
        save_weights(files[kind], branch.state_dict(), Card(f"my {kind}", kind, asdict(config)))
    return files


def test_published_encoders_are_what_the_papers_stages_start_from(tmp_path: Path) -> None:
    files = published(tmp_path)
    options = {"steps": 1, "batch": 1, "validation_clips": 1}
    settings = ["takes.views=2", "takes.photo=false", "takes.people_max=2"]
    start = {"size": "tiny", **files, "head": files["human"]}
    process = begin.Process(device="cpu")
    assert begin.train("smpl", tmp_path / "run", settings=settings, given=options, start=start, process=process).step == 1
    run = trained(tmp_path / "run")
    assert {"scene", "human", "smpl", "fuse", "mask", "pelvis"} == run.parts and "from " in run.notes
    scene, human = (Start(size="tiny", **{kind: files[kind]}) for kind in files)
    for part, theirs in (("scene", composed(scene)), ("human", composed(human))):
        state = {key: value for key, value in theirs.state_dict().items() if key.startswith(part) and key in run.state}
        assert len(state) > 20 and all(torch.equal(run.state[key], value) for key, value in state.items())
    # the pelvis goes on from the whole network of such a run as from any file of one
    assert all(key.split(".")[0] in {"fuse", "smpl", "mask", "pelvis"} for key in run.checkpoint.trained)


def test_a_head_that_is_taken_over_says_the_same_bodies_of_the_same_token(tmp_path: Path) -> None:
    files = published(tmp_path)
    theirs = composed(Start(size="tiny", human=files["human"])).human.perception
    network = whole(Start(size="tiny", **files, head=files["human"]))
    token = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    mine = network.smpl
    assert torch.allclose(mine.decshape(token), theirs.decshape(token) + theirs.init_betas, atol=1e-6)
    assert torch.allclose(mine.decpose(token) + mine.init_body_pose, theirs.decpose(token) + theirs.init_body_pose, atol=1e-6)
    context = torch.randn(1, 9, mine.human.dim + 99)
    layers = [transformer.layers for transformer in (mine.transformer, theirs.transformer)]
    said = [stack[0](token[None], context, torch.ones(1, 1, 1, 5, dtype=torch.bool)) for stack in layers]
    assert torch.equal(*said)


def test_a_branch_goes_on_from_the_whole_network_and_its_own_head_from_the_smpl_decoder(tmp_path: Path) -> None:
    source = untrained(TINY, 5)
    assert isinstance(source, Chromm)
    file = tmp_path / "all.safetensors"
    save_weights(file, source.state_dict(), Card("all", "chromm", asdict(TINY)))
    start = Start(size="tiny", weights=str(file), human_size=140)
    network = composed(start)
    assert start.begun and network.config.human.image_size == 140 and len(network.human.perception.cross_queries_x) == 10
    mine, theirs = network.state_dict(), source.state_dict()
    shared = [key for key in theirs if key.startswith(("scene.", "human."))]
    assert len(shared) > 40 and all(torch.equal(mine[key], theirs[key]) for key in shared)
    token = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    head, smpl = network.human.perception, source.smpl
    assert torch.equal(head.decpose(token) + head.init_body_pose, smpl.decpose(token) + smpl.init_body_pose)
    assert torch.equal(head.decshape(token)[:, :10], smpl.decshape(token))
    assert all(
        torch.equal(a, b) for a, b in zip(head.transformer.layers.parameters(), smpl.transformer.layers.parameters(), strict=True)
    )
    with pytest.raises(ConfigError, match="where they name none"):
        composed(replace(start, human=published(tmp_path)["human"]))


def test_other_branches_take_the_place_of_a_whole_networks_own(tmp_path: Path) -> None:
    source, other = untrained(TINY, 5), replace(TINY.human, image_size=140)
    file, files = tmp_path / "all.safetensors", published(tmp_path)
    save_weights(file, source.state_dict(), Card("all", "chromm", asdict(TINY)))
    branch = MultiHmr(other)
    draw(branch, 8)
    save_weights(tmp_path / "wide.safetensors", branch.state_dict(), Card("wide", "human", asdict(other)))
    network = whole(Start(size="tiny", weights=str(file), scene=files["scene"], human=str(tmp_path / "wide.safetensors")))
    assert network.config.human.image_size == 140
    mine, theirs = network.state_dict(), source.state_dict()
    expected = composed(Start(size="tiny", scene=files["scene"])).state_dict() | {
        f"human.{k}": v for k, v in branch.state_dict().items()
    }
    for key, value in mine.items():
        assert torch.equal(value, (expected if key.startswith(("scene.", "human.")) else theirs)[key]), key


@torch.no_grad()
def test_a_detector_that_was_trained_goes_on_with_plain_entropy(clips: list[Clip]) -> None:
    drawn = stage_of("human")
    begun = drawn.at(TINY, begun=True)
    batch, (network, _) = batch_for(drawn, clips), network_for(drawn)
    early, late = (float(drawn.losses(network, batch, progress)["detection"]) for progress in (0.0, 1.0))
    assert early != late, "focal at first, plain at the end"
    assert all(float(begun.losses(network, batch, progress)["detection"]) == late for progress in (0.0, 0.4, 1.0))
