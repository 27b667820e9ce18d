"""A network with its weights, from what a user named: the one way in for everything that runs the network."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.branches import Branches
from chromm_ros.model.checkpoint import KINDS, Card, check_fit, load_weights, opened, read_card
from chromm_ros.model.chromm import Chromm
from chromm_ros.model.compose import Composed
from chromm_ros.model.config import SIZES, HumanConfig, ModelOptions, NetworkConfig, SceneConfig
from chromm_ros.model.config_mapping import difference
from chromm_ros.model.human_branch import HumanBranch
from chromm_ros.model.initialise import build, untrained
from chromm_ros.model.scene_branch import IMAGE_MEAN, IMAGE_STD
from chromm_ros.model.weight_files import find_weights, shipped

UNTRAINED = "untrained"
DEFAULT = "nano"
"""The weights that ship, and the size that they were made for."""
WHAT = {"chromm": "the whole network", "scene": "a scene branch (Pi3X)", "human": "a human branch (Multi-HMR)"}
FREE = ("pixels", "image_size")
"""Sizes of inputs, which may differ from those of training: positions are interpolated."""
CONSTANTS = {"image_mean": IMAGE_MEAN, "image_std": IMAGE_STD}
"""Buffers that files do not hold."""


@dataclass(frozen=True)
class Loaded:
    """A network, ready to run."""

    network: Chromm | Composed
    """On the device, for inference."""
    config: NetworkConfig
    """Its sizes, those of the inputs as the user wants them."""
    weights: str
    """Name of the weights; holds the word `untrained` wherever a part of them was drawn."""


@dataclass(frozen=True)
class Source:
    """A file of weights that a user named."""

    path: Path
    card: Card | None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.card.name if self.card else self.path.stem


def load_network(options: ModelOptions, device: torch.device | str = "cpu") -> Loaded:
    """Find the weights that the options name, build the network that they need and fill it.

    What no file fills is drawn from the seed, and the name of the weights says so.

    Raises:
        ConfigError: if options contradict one another or a card.
        DependencyError: if safetensors is not installed.
        FileError: if a file is missing, damaged or made for another network.
    """
    options = settled(options)
    whole = _source(options, "checkpoint", "chromm")
    scene, human = _source(options, "scene_weights", "scene"), _source(options, "human_weights", "human")
    config = _sizes(options, whole, scene, human)
    if whole:
        network = _unfilled(config, "chromm", device, {"": whole.path})
        return Loaded(network, config, load_weights(network, whole.path))
    files = {part: source.path for part, source in (("scene", scene), ("human", human)) if source}
    if options.mode == "compose" and scene and human:
        network = _unfilled(config, "compose", device, files)
    else:
        network = untrained(config, options.seed, device, options.mode, detector=human is None)
    for part, path in files.items():
        load_weights(network.get_submodule(part), path, leave_out=_left_out(network, part))
    return Loaded(network, config, _name(options.mode, scene, human))


def settled(options: ModelOptions) -> ModelOptions:
    """The options with a checkpoint that says what is meant: a file, a name, or nothing, for weights that are drawn.

    Nothing said means the weights that ship, where nothing else asks for another network and they are there.

    Raises:
        ConfigError: if a checkpoint is named beside what excludes it.
    """
    if options.checkpoint == UNTRAINED:
        return replace(options, checkpoint="")
    if options.checkpoint:
        _check_mode(options)
        return options
    other = options.mode != "chromm" or options.size not in {"auto", DEFAULT} or options.scene_weights or options.human_weights
    file = None if other else shipped(DEFAULT)
    return replace(options, checkpoint=str(file)) if file else options


def _check_mode(options: ModelOptions) -> None:
    if options.mode == "compose":
        raise ConfigError(
            f"checkpoint is '{options.checkpoint}', but mode compose runs scene_weights and human_weights: empty it or set mode to chromm"
        )
    if options.scene_weights or options.human_weights:
        raise ConfigError(
            f"checkpoint is '{options.checkpoint}', which holds the whole network: empty it, or scene_weights and human_weights"
        )


def _source(options: ModelOptions, setting: str, kind: str) -> Source | None:
    """The file that a setting names, its card checked against the place; a checkpoint may lack a card, then the options tell its size."""
    named = str(getattr(options, setting))
    if not named:
        return None
    path = find_weights(named)
    card = read_card(path)
    if card is None and kind != "chromm":
        raise FileError(
            f"{setting} is '{path}', which has no card: import the published file, `python -m chromm_ros weights import {path}`"
        )
    if card is not None and card.kind != kind:
        raise ConfigError(f"{setting} is '{path}', which holds {WHAT[card.kind]}, expected {WHAT[kind]}")
    return Source(path, card)


def _sizes(options: ModelOptions, whole: Source | None, scene: Source | None, human: Source | None) -> NetworkConfig:
    """Those of the cards, then the options' for what has none; the inputs' sizes as the options want them."""
    named = SIZES["nano" if options.size == "auto" else options.size]
    config = named
    for source in (whole, scene, human):
        sizes = source.card.sizes() if source and source.card else None
        if isinstance(sizes, NetworkConfig):
            config = sizes
        elif isinstance(sizes, SceneConfig):
            config = replace(config, scene=sizes)
        elif isinstance(sizes, HumanConfig):
            config = replace(config, human=sizes)
        if source and options.size != "auto":
            _check_size(options.size, source, config, named)
    if options.mode == "compose" and human and options.human_size not in {0, config.human.image_size}:
        raise ConfigError(
            f"human_size is {options.human_size}, but the people's head of '{human.name}' belongs to images of "
            f"{config.human.image_size}: set human_size to 0 (mode chromm can change it)"
        )
    return replace(
        config,
        scene=replace(config.scene, pixels=options.scene_pixels or config.scene.pixels),
        human=replace(config.human, image_size=options.human_size or config.human.image_size),
    )


def _check_size(size: str, source: Source, config: NetworkConfig, named: NetworkConfig) -> None:
    for part in ("scene", "human", "people"):
        differing = difference(getattr(config, part), getattr(named, part), (*FREE, "conditioned"))
        if differing:
            raise ConfigError(f"size is {size}, but '{source.name}' was made for another: {part} {differing}; set size to auto")


def _unfilled(config: NetworkConfig, mode: str, device: torch.device | str, files: dict[str, Path]) -> Chromm | Composed:
    """A network whose memory is there and not yet filled, after its files were compared with it: a wrong one costs no memory."""
    with torch.device("meta"):
        network = build(config, mode)
    for part, path in files.items():
        with opened(path) as file:
            check_fit(network.get_submodule(part), file, path, carded=read_card(path) is not None)
    network.to_empty(device=device)
    kept = network.state_dict()
    for name, buffer in network.named_buffers():
        if name not in kept:
            buffer.copy_(torch.tensor(CONSTANTS[name.rpartition(".")[2]]).view_as(buffer))
    return network


def _left_out(network: Branches, part: str) -> tuple[str, ...]:
    """CHROMM's own heads stand in for Multi-HMR's, whose weights are left in the file on purpose."""
    return ("perception.",) if part == "human" and type(network.human) is HumanBranch else ()


def _name(mode: str, scene: Source | None, human: Source | None) -> str:
    trained = " + ".join(source.name for source in (scene, human) if source)
    if not trained:
        return UNTRAINED
    lacking = ([] if scene else ["scene"]) + ([] if human else ["people"])
    if mode == "chromm" and human:
        lacking.append("heads")
    return f"{trained}, {' and '.join(lacking)} {UNTRAINED}" if lacking else trained


assert set(WHAT) == set(KINDS)
