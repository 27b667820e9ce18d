"""The paper's ablations on planted worlds, and those of rules of our own: one table each, all ways on the same worlds."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from chromm_ros.bench.paired import measured, order, ranking, row
from chromm_ros.bench.planted import Step, errors, id_changes, rates, replay, same_person
from chromm_ros.bench.table import Table
from chromm_ros.reconstruct.associate import AssociationConfig
from chromm_ros.reconstruct.fuse import FusionConfig
from chromm_ros.reconstruct.reconstructor import ReconstructConfig
from chromm_ros.reconstruct.scale import ScaleConfig
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import World

NOISY = World(views=4, noise=Noise(), uniform=True, walk="eight")
PEOPLE = (3, 4, 5, 6)
UNITS = (0.85, 1.18)
"""Planted errors of scale."""
MEMORIES = (1.0, 2.0, 4.0, 8.0)
"""Of votes, frame-sets."""


def worlds(seeds: int, base: World = NOISY) -> list[World]:
    """Worlds of 3 to 6 people, several of each."""
    return [replace(base, people=people, seed=10 * seed + people) for people in PEOPLE for seed in range(seeds)]


def association(seeds: int, windows: int, steps: int, level: float) -> Table:
    """What people of two cameras are compared by."""
    paper = {
        "position + pose": ("both", 91.3, None),
        "position only": ("position", 91.1, None),
        "pose only": ("pose", 70.6, 48.5),
    }

    def measure(world: World, cost: str) -> dict[str, float]:
        config = ReconstructConfig(association=AssociationConfig(cost=cost))
        return rates(same_person(replay(world, config, windows, steps=steps)))

    ways = {name: cost for name, (cost, *_) in paper.items()}
    found = measured(worlds(seeds, replace(NOISY, noise=Noise().scaled(level))), ways, measure)
    told = {
        name: {"paper's accuracy": accuracy, "paper's precision": precision} for name, (_, accuracy, precision) in paper.items()
    }
    span = f"windows of {steps} steps" if steps > 1 else "one frame-set alone"
    return Table(
        f"Association, 4 views, 3 to 6 people in one uniform, {level:g} x the noise, {span}: pairs of detections in two views at one "
        "time; mean ± standard error over worlds",
        "accuracy (TP + TN) / all, precision TP / (TP + FP), recall TP / (TP + FN), F1 2 TP / (2 TP + FP + FN)",
        "accuracy %",
        [row(name, found[name], told[name]) for name in ways],
        [*order(found, list(ways), "accuracy %", more_is_better=True), *order(found, list(ways), "F1 %", more_is_better=True)],
    )


def votes(seeds: int, windows: int, level: float, lasting: float = Noise().lasting) -> Table:
    """Whether votes on pairs of tracks last, and how long; for errors that last, and for ones that pass with the image."""

    def measure(world: World, config: AssociationConfig) -> dict[str, float]:
        steps = list(replay(world, ReconstructConfig(association=config), windows))
        return rates(same_person(steps)) | {"id changes per person": id_changes(steps, world) / world.people}

    ways = {"each frame-set alone": forgetful()} | {f"memory {m:g}": AssociationConfig(memory=m) for m in MEMORIES}
    noise = replace(Noise().scaled(level), lasting=lasting)
    found = measured(worlds(seeds, replace(NOISY, noise=noise)), ways, measure)
    verdicts = [
        *ranking(found, "F1 %", more_is_better=True),
        *ranking(found, "id changes per person", more_is_better=False),
    ]
    return Table(
        f"Votes over time, 4 views, 3 to 6 people in one uniform, {level:g} x the noise, {100 * lasting:g} % of its variance lasts, "
        "windows of 8 steps; mean ± standard error over worlds",
        f"votes that last ignore one bad frame-set, and follow a track that changes over late; the default is {AssociationConfig().memory:g}",
        "F1 %",
        [row(name, found[name]) for name in ways],
        verdicts,
    )


def forgetful() -> AssociationConfig:
    """Only the newest frame-set that both tracks share has a vote; no setting allows that, it is here to be compared with."""
    config = AssociationConfig()
    object.__setattr__(config, "memory", 1e-9)
    return config


def fusion(seeds: int, windows: int, *, rig: bool, depths: tuple[float, ...]) -> Table:
    """Whether rays place the heads, against how wrong a depth is: the paper's errors of one camera do not tell that."""
    paper = {"average + triangulate": 53.1, "average": 69.3}
    ways = {name: ReconstructConfig(fusion=FusionConfig(mode=name.replace(" + ", "_"))) for name in paper}
    samples: dict[str, dict[str, np.ndarray]] = {name: {} for name in ways}
    verdicts = []
    for depth in depths:
        noise = replace(Noise(), depth=depth)
        found = measured(
            worlds(seeds, replace(NOISY, rig=rig, noise=noise)), ways, lambda w, c: _errors(replay(w, c, windows), w)
        )
        for name in ways:
            samples[name] |= {f"{column}, depth {100 * depth:g} %": found[name][column] for column in ("WA mm", "head mm")}
        verdicts += order(samples, list(paper), f"WA mm, depth {100 * depth:g} %", more_is_better=False)
    return Table(
        f"Fusion, 4 views, 3 to 6 people, poses of the cameras {'known' if rig else 'estimated'}, by the error of a person's depth; mean ± "
        "standard error over worlds",
        "max-pool + triangulate (in the paper WA 63.2) needs a trained decoder, and is not here",
        f"WA mm, depth {100 * depths[0]:g} %",
        [row(name, samples[name], {"paper's WA on RICH": paper[name]}) for name in reversed(list(paper))],
        verdicts,
    )


def rotation_means(seeds: int, windows: int) -> Table:
    """How rotations of several views are averaged."""
    ways = {name: ReconstructConfig(fusion=FusionConfig(rotation=name.replace(" ", "_"))) for name in ("mean", "geodesic median")}
    found = measured(worlds(seeds), ways, lambda w, c: _errors(replay(w, c, windows), w))
    return Table(
        "Rotations of 4 views, 3 to 6 people; mean ± standard error over worlds",
        "the planted errors are Gaussian, for which a mean is best; the paper has no such rows",
        "PA mm",
        [row(name, found[name]) for name in ways],
        ranking(found, "PA mm", more_is_better=False),
    )


def scale(seeds: int, windows: int, views: int) -> Table:
    """Whether people set the scale, and how their ratios become one."""
    ways: Mapping[str, ScaleConfig] = {
        "not adjusted": ScaleConfig(adjust=False),
        "mean (the paper's)": ScaleConfig(statistic="mean"),
        "median": ScaleConfig(statistic="median"),
        "iterated": ScaleConfig(statistic="iterated"),
    }

    def measure(world: World, config: ScaleConfig) -> dict[str, float]:
        values: dict[str, float] = {}
        for unit in UNITS:
            steps = list(replay(world, ReconstructConfig(scale=config), windows, unit=unit))
            off = float(np.mean([abs(step.result.metric_scale * unit - 1.0) for step in steps]))
            values |= {f"scale off %, unit {unit:g}": 100.0 * off, f"W mm, unit {unit:g}": errors(steps, world).joints_mm}
        return values | {"W mm": float(np.mean([values[f"W mm, unit {unit:g}"] for unit in UNITS]))}

    found = measured(worlds(seeds, replace(NOISY, views=views)), ways, measure)
    adjusted = {name: found[name] for name in ways if name != "not adjusted"}
    return Table(
        f"Scale, {views} view{'s' if views > 1 else ''}, 3 to 6 people, the network's unit is not the metre; mean ± standard error over worlds",
        f"the paper has W 447.9 without and 255.0 with its mean, on EMDB-2; the default here is {ScaleConfig().statistic}",
        "W mm",
        [row(name, found[name]) for name in ways],
        [
            *order(found, ["mean (the paper's)", "not adjusted"], "W mm", more_is_better=False),
            *ranking(adjusted, "W mm", more_is_better=False),
        ],
    )


def _errors(steps: Iterator[Step], world: World) -> dict[str, float]:
    found = errors(steps, world)
    names = {"wa_mm": "WA mm", "joints_mm": "W mm", "head_mm": "head mm", "pa_mm": "PA mm"}
    shares = {f"{name} %": 100.0 * getattr(found, name) for name in ("missed", "false")}
    return {label: getattr(found, name) for name, label in names.items()} | shares
