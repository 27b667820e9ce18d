"""The averaged weights of one run, or of one for each branch, as a file of the whole network with a card."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chromm_ros.errors import ConfigError, FileError
from chromm_ros.model.branches import Branches
from chromm_ros.model.checkpoint import Card, read_card, save_weights
from chromm_ros.model.config import NetworkConfig
from chromm_ros.model.config_mapping import difference
from chromm_ros.model.initialise import untrained
from chromm_ros.model.load import FREE
from chromm_ros.model.weight_files import find_weights
from chromm_ros.train.begin import Plan, stage_named
from chromm_ros.train.folder import newest
from chromm_ros.train.log import JOURNAL, read_journal
from chromm_ros.train.stage import Start
from chromm_ros.train.state import Checkpoint, fill
from chromm_ros.train.terms import terms

OWN_HEAD = "human.perception."
"""What CHROMM's own heads stand in for."""
AND, UNTRAINED = " and ", " untrained"
"""In a name: `nano, mask and pelvis untrained`."""


@dataclass(frozen=True)
class Trained:
    """What a run has learnt."""

    plan: Plan
    checkpoint: Checkpoint
    config: NetworkConfig
    state: Mapping[str, Tensor]
    """Of its whole network, averaged where it was trained."""
    parts: frozenset[str]
    """Parts of the network of which it trained something, or that it started from."""
    notes: str
    """What it is, in a sentence."""


def export(
    file: Path, *, run: Path | None = None, scene: Path | None = None, human: Path | None = None, name: str = "", note: str = ""
) -> Card:
    """Write the file.

    Args:
        file: where to.
        run: a run whose network is taken as it is; or
        scene: one whose scene branch is taken, and
        human: one from which everything else is.
        name: of the weights; empty: the file's. What is untrained is added.
        note: a sentence more for the card.

    Raises:
        ConfigError: if runs do not fit one another, or none is named.
        FileError: if a run has no checkpoint, or the file cannot be written.
    """
    if (run is None) == (scene is None and human is None):
        raise ConfigError("expected one RUN, or --scene RUN and --human RUN, or one of them")
    chosen = {"": run} if run else {"scene": scene, "human": human}
    runs = {part: trained(folder) for part, folder in chosen.items() if folder is not None}
    config = _joined({part: each.config for part, each in runs.items()})
    state = untrained(config, min(each.plan.start.seed for each in runs.values())).state_dict()
    for part, each in runs.items():
        state.update({key: value for key, value in each.state.items() if key in state and _belongs(key, part)})
    lacking = sorted({key.partition(".")[0] for key in state} - set(_learnt(runs)))
    notes = [each.notes for each in runs.values()] + (
        [f"Untrained, drawn from the seed: {', '.join(lacking)}."] if lacking else []
    )
    if any(key.startswith(OWN_HEAD) for each in runs.values() for key in each.checkpoint.trained):
        notes.append("Left out: Multi-HMR's own head, which mode compose needs (export --only human).")
    name = (name or file.stem) + (f", {AND.join(lacking)}{UNTRAINED}" if lacking else "")
    text = " ".join([*notes, *filter(None, [note])])
    card = Card(name, "chromm", asdict(config), notes=text, **terms(each.plan for each in runs.values()))
    save_weights(file, {key: _half(value) for key, value in state.items()}, card)
    return card


def export_branch(file: Path, folder: Path, kind: str, *, name: str = "", note: str = "") -> Card:
    """Write one branch of a run alone, for mode compose: the scene branch, or the human branch with Multi-HMR's own head.

    Args:
        file: where to.
        folder: of the run.
        kind: `scene` or `human`.
        name: of the weights; empty: the file's.
        note: a sentence more for the card.

    Raises:
        ConfigError: if the run trained nothing of this branch.
        FileError: if the run has no checkpoint, or the file cannot be written.
    """
    run = trained(folder)
    if kind not in run.parts:
        raise ConfigError(f"the run in '{folder}' trained {', '.join(sorted(run.parts))}, nothing of {kind}: name another run")
    start = f"{kind}."
    state = {key.removeprefix(start): _half(value) for key, value in run.state.items() if key.startswith(start)}
    notes = " ".join(filter(None, [run.notes, note]))
    card = Card(name or file.stem, kind, asdict(getattr(run.config, kind)), notes=notes, **terms([run.plan]))
    save_weights(file, state, card)
    return card


def trained(folder: Path) -> Trained:
    """The network of a run with its averaged weights.

    Raises:
        FileError: if there is no checkpoint, or what the run started from is not there any more.
    """
    checkpoint = newest(folder)
    if checkpoint is None:
        raise FileError(f"'{folder}' has no checkpoint yet: wait for one, or name the folder of a run")
    plan = Plan.of(checkpoint.about)
    stage = stage_named(plan.stage)
    network = stage.build(plan.start)
    assert isinstance(network, Branches)
    fill(dict(stage.trained(network)), checkpoint.averaged)
    parts = {key.partition(".")[0] for key in checkpoint.trained} | _known(plan.start, network)
    return Trained(plan, checkpoint, network.config, network.state_dict(), frozenset(parts), _notes(folder, plan, checkpoint))


def _known(start: Start, network: Branches) -> set[str]:
    """Parts that the weights brought along from which the run started: all but those that the name calls untrained."""
    branches = {part for part in ("scene", "human") if getattr(start, part)}
    card = read_card(find_weights(start.weights)) if start.weights else None
    if card is None:
        return branches
    if card.kind != "chromm":
        return branches | {card.kind}
    lacking = card.name.removesuffix(UNTRAINED).rpartition(",")[2].split(AND) if card.name.endswith(UNTRAINED) else []
    return branches | {name for name, _ in network.named_children()} - {name.strip() for name in lacking}


def _joined(configs: Mapping[str, NetworkConfig]) -> NetworkConfig:
    """The scene's sizes of the scene's run, all others of the other; only the sizes of inputs may differ, which no weight depends on."""
    each = list(configs.values())  # of one run, or of the scene's and the other
    first, last = each[0], each[-1]
    for config in each:
        for part in ("scene", "human", "people"):
            differing = difference(getattr(config, part), getattr(last, part), FREE)
            if differing:
                raise ConfigError(f"the runs trained networks of different sizes ({part} {differing}): export them one by one")
    return replace(last, scene=first.scene)


def _belongs(key: str, part: str) -> bool:
    """The scene's run gives the scene branch, the human's everything else."""
    return not part or (key.startswith("scene.") == (part == "scene"))


def _learnt(runs: Mapping[str, Trained]) -> Iterator[str]:
    """Parts of the network that runs trained, of those that are taken from them."""
    for part, each in runs.items():
        yield from (name for name in each.parts if _belongs(f"{name}.", part))


def _half(value: Tensor) -> Tensor:
    return value.to(torch.bfloat16) if value.is_floating_point() else value


def _notes(folder: Path, plan: Plan, checkpoint: Checkpoint) -> str:
    options, about = plan.options, checkpoint.about
    clips = checkpoint.step * options.batch
    taken = f"{clips * plan.takes.views * stage_named(plan.stage).defaults.moments} synthetic views of {plan.takes.width}x"
    taken += f"{plan.takes.height} (clothes {plan.takes.clothes})"
    seen = f"{clips * plan.data.images} images of BEDLAM" if plan.data.bedlam else taken
    code = about.get("revision") or "unknown"
    begun = ", ".join(Path(name).stem for name in map(plan.start.__getattribute__, ("weights", "scene", "human", "head")) if name)
    text = (
        f"Stage {plan.stage}: {checkpoint.step} of {options.steps} steps, {seen}, "
        f"{checkpoint.seconds / 3600:.2f} hours on {about.get('hardware')}, "
        f"seed {options.seed}, {'from ' + begun if begun else 'from scratch'}, "
        f"code {code[:10]}{' with changes' if about.get('dirty') else ''}"
    )
    lines = [line for line in read_journal(folder / JOURNAL) if line["kind"] == "validation" and line["step"] <= checkpoint.step]
    return f"{text}; validation: {_values(lines[-1])}." if lines else f"{text}."


def _values(line: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in line.items() if isinstance(value, float))
