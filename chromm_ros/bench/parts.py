"""The parts of the network, each as a call of its own: to be counted on the meta device or timed on a real one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from chromm_ros.bench.flops import SPECIALS, Load
from chromm_ros.model.branches import Features
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.config import PATCH, NetworkConfig
from chromm_ros.model.human_branch import Detections, HumanBranch, at_patch
from chromm_ros.model.human_heads import MultiHmr, PeopleTransformer
from chromm_ros.model.initialise import Undrawn, aim_scene, draw
from chromm_ros.model.inputs import Views, human_from_image, scene_from_image
from chromm_ros.model.pinhole import compose
from chromm_ros.model.rope import grid_positions, prope_table, rope_table
from chromm_ros.model.rope_blocks import repeat_rope
from chromm_ros.model.scene_branch import SceneBranch
from chromm_ros.model.scene_conditions import ray_map
from chromm_ros.model.scene_heads import without_autocast

Part: TypeAlias = Callable[[], object]
N = TypeVar("N", bound=nn.Module)


def random_network(make: Callable[[], N], device: torch.device) -> N:
    """A network with drawn weights; its scene is plausible, people it does not know: loads bring their own.

    On the meta device it has no weights.
    """
    with Undrawn(), torch.device("meta" if device.type == "meta" else "cpu"):
        network = make().eval().requires_grad_(requires_grad=False)
    if device.type == "meta":
        for module in network.modules():
            if isinstance(module, PeopleTransformer):
                vars(module)["forward"] = partial(_people_in_rows, module)
        return network
    draw(network, 0)
    for module in network.modules():
        if isinstance(module, SceneBranch):
            aim_scene(module)
    return network.to(device)


def _people_in_rows(transformer: PeopleTransformer, queries: Tensor, _image: Tensor, context: Tensor) -> Tensor:
    """The same work where every frame shows as many people; who is where is data, which the meta device has not."""
    x: Tensor = transformer.embed(queries.unflatten(0, (len(context), -1))) + transformer.position
    mask = torch.ones(len(x), 1, 1, x.shape[1], dtype=torch.bool, device=x.device)
    for layer in transformer.layers:
        x = layer(x, context, mask)
    return x.flatten(0, 1)


def autocast(device: torch.device, *, half: bool) -> AbstractContextManager[object]:
    """To bfloat16 where asked."""
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


class Inputs:
    """What the parts read: images and features of noise, and people in the places that the load says."""

    def __init__(self, config: NetworkConfig, load: Load, device: torch.device) -> None:
        torch.manual_seed(0)
        noise = partial(torch.randn, device=device)
        frames, side, scene = load.frames, config.human.image_size, config.scene
        self.device, self.load = device, load
        self.size = (load.rows * PATCH, load.columns * PATCH)
        self.scene_images = noise(frames, 3, *self.size).sigmoid()
        self.human_images = noise(frames, 3, side, side).sigmoid()
        self.features = Features(noise(frames, load.patches, scene.dim), noise(frames, (side // PATCH) ** 2, config.human.dim))
        self.hidden = noise(frames, load.patches + SPECIALS, 2 * scene.dim)
        self.tokens = noise(frames, load.patches, scene.dim)
        self.camera_tokens = noise(frames, load.patches, scene.camera_dim)
        self.people_tokens = noise(frames * load.people, 2 * scene.dim)
        self.found = standing_people(load, side // PATCH, device)
        self.views = _views(load, side).to(device)
        focal = 0.8 * max(self.size)
        camera = torch.tensor(((focal, 0.0, self.size[1] / 2), (0.0, focal, self.size[0] / 2), (0.0, 0.0, 1.0)), device=device)
        self.intrinsics = camera.expand(frames, 3, 3)


def window_parts(network: Chromm, inputs: Inputs) -> dict[str, Part]:
    """All parts of a window, by the names of `flops.window_flops`."""
    return scene_parts(network.scene, inputs) | human_parts(network.human, inputs) | people_parts(network, inputs)


def scene_parts(scene: SceneBranch, inputs: Inputs) -> dict[str, Part]:
    """Pi3X; heads in the precision that the branch gives them."""
    load, hidden = inputs.load, inputs.hidden
    grid = (load.rows, load.columns)
    rope = rope_table(grid_positions(*grid, specials=SPECIALS, device=inputs.device), scene.config.dim // scene.config.heads)
    query, tokens = scene.metric_token, hidden.flatten(0, 1)[None]

    def head(module: nn.Module, *args: object) -> Part:
        def run() -> None:
            with nullcontext() if scene.half_heads else without_autocast(inputs.device):
                module(*args)

        return run

    parts: dict[str, Part] = {
        "encode scene": partial(scene.encode, inputs.scene_images),
        "decoder": partial(scene.decode_tokens, inputs.features.scene[None], *grid, None),
        "point decoder": partial(scene.point_decoder, hidden, rope),
        "confidence decoder": partial(scene.conf_decoder, hidden, rope),
        "camera decoder": partial(scene.camera_decoder, hidden, rope),
        "metric decoder": lambda: scene.metric_head(scene.metric_decoder(query, tokens, repeat_rope(rope, load.frames)).float()),
        "point head": head(scene.point_head, inputs.tokens, *grid),
        "confidence head": head(scene.conf_head, inputs.tokens, *grid),
        "camera head": head(scene.camera_head, inputs.camera_tokens),
    }
    if scene.config.conditioned:
        parts["rays, depths and poses"] = partial(_conditions, scene, inputs)
    return parts


def _conditions(scene: SceneBranch, inputs: Inputs) -> None:
    """What everything known costs in addition, normalisation aside."""
    load, size = inputs.load, inputs.size
    with without_autocast(inputs.device):
        rays = ray_map(inputs.intrinsics, *size).permute(0, 3, 1, 2)
        scene.depth_encoder(rays.abs())
        scene.ray_embed(rays)
    poses = torch.eye(4, device=inputs.device).expand(1, load.frames, 4, 4)
    prope = prope_table(poses, load.rows, load.columns, scene.config.dim // scene.config.heads)
    for block in scene.pose_inject_blk:
        block.inject(inputs.tokens.flatten(0, 1)[None], prope, None)  # type: ignore[operator]  # ModuleList forgets the class


def human_parts(human: HumanBranch, inputs: Inputs) -> dict[str, Part]:
    """Multi-HMR up to its detections."""
    features, found = inputs.features.human, inputs.found
    return {
        "encode human": partial(human.encode, inputs.human_images),
        "detect": lambda: (human.scores(features), human.locate(features, found)),
    }


def perception_parts(network: MultiHmr, inputs: Inputs) -> dict[str, Part]:
    """Multi-HMR's own head of SMPL-X."""
    return {"perceive": partial(network.perceive, inputs.features.human, inputs.found, inputs.intrinsics)}


def people_parts(network: Chromm, inputs: Inputs) -> dict[str, Part]:
    """CHROMM's own heads."""
    features, found, views, load = inputs.features.human, inputs.found, inputs.views, inputs.load
    grid = inputs.hidden[:, SPECIALS:].unflatten(1, (load.rows, load.columns))
    inside = torch.ones(len(found.image), dtype=torch.bool, device=inputs.device)

    def people() -> None:
        token = network.fuse(inputs.people_tokens, at_patch(features, found))
        network.smpl(token, found, features, compose(views.human_from_image, inputs.intrinsics))
        coarse = network.pelvis.first(token, torch.stack((found.column, found.row), -1) * float(PATCH))
        network.pelvis.again(token, coarse, found, features, inside)

    return {"people": people, "mask": lambda: network.human_mask(features, grid, views)}


def standing_people(load: Load, side: int, device: torch.device) -> Detections:
    """As many in each frame, side by side in its middle row."""
    image = torch.arange(load.frames).repeat_interleave(load.people)
    column = (torch.arange(load.people) * side // max(1, load.people)).repeat(load.frames)
    row = torch.full_like(column, side // 2)
    return Detections(image.to(device), row.to(device), column.to(device), torch.ones(len(image), device=device))


def _views(load: Load, side: int) -> Views:
    """Nothing is known of the cameras; images have the size of the scene branch's input."""
    width, height, frames = load.columns * PATCH, load.rows * PATCH, load.frames
    same = torch.tensor(scene_from_image(width, height, width, height), dtype=torch.float32)
    square = torch.tensor(human_from_image(width, height, side), dtype=torch.float32)
    nothing = torch.zeros(frames, dtype=torch.bool)
    return Views(
        step=torch.arange(frames),
        view=torch.zeros(frames, dtype=torch.long),
        seconds=torch.zeros(frames),
        image_size=torch.tensor((width, height), dtype=torch.float32).expand(frames, -1),
        scene_from_image=same.expand(frames, 3, 3),
        human_from_image=square.expand(frames, 3, 3),
        intrinsics=torch.eye(3).expand(frames, 3, 3),
        intrinsics_known=nothing,
        world_from_cam=torch.eye(4).expand(frames, 4, 4),
        pose_known=nothing,
        depth=None,
        depth_known=nothing,
    )
