"""The whole chain under planted errors: what grows grows with its level, and what does not touch geometry leaves it exact."""

from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.bench.planted import Step, errors, id_changes, replay, same_person
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.noise import EXACT, Noise
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

CONFIG = ReconstructConfig()


def run(world: World, windows: int = 4) -> list[Step]:
    return list(replay(world, CONFIG, windows, steps=4))


@pytest.mark.parametrize(
    ("kind", "rig", "views"),
    [
        ("all", True, 4),
        ("all", False, 4),
        ("depth", True, 1),
        ("depth", True, 4),
        ("head_px", True, 4),
        ("joint_deg", True, 4),
        ("root_deg", True, 4),
    ],
)
def test_errors_grow_with_their_level(kind: str, rig: bool, views: int) -> None:
    """At level 1 the bodies are within 0.2 m of the truth, at none within 0.1 mm, and at twice the level well beyond."""
    found = []
    for level in (0.0, 1.0, 2.0):
        grown = Noise().scaled(level)
        sure = replace(grown, missed=0.0, false=0.0, swapped=0.0, occlusion=False)
        noise = sure if kind == "all" else replace(EXACT, **{kind: getattr(grown, kind)})
        world = World(people=3, views=views, noise=noise, rig=rig, walk="eight")
        found.append(errors(run(world, 2), world).joints_mm)
    assert found[0] < 0.1 and found[1] < 200.0
    assert found[2] > 1.3 * found[1]
    one_view_decides = (kind, views) != ("depth", 4)
    assert found[1] > (1.0 if one_view_decides else 0.1), "rays place heads: a depth hardly counts"


def test_a_wrong_depth_counts_in_one_view_and_hardly_in_four() -> None:
    """The same world and draws, seen by one of its cameras or by all."""
    noise = replace(EXACT, depth=Noise().depth)
    one, four = (World(people=3, views=views, noise=noise, rig=True, walk="eight") for views in (1, 4))
    alone, together = (errors(run(world, 1), world).joints_mm for world in (one, four))
    assert alone > 20.0 and together < 0.1 * alone


@pytest.mark.parametrize(
    "kind",
    [{"missed": 0.3}, {"false": 0.3}, {"swapped": 0.1}, {"occlusion": True}, {"token": 1.0}],
    ids=lambda kind: next(iter(kind)),
)
def test_what_leaves_geometry_alone_leaves_people_exact_and_themselves(kind: dict[str, float]) -> None:
    world = World(people=4, noise=replace(EXACT, **kind), walk="eight", moving=True, rig=True)
    steps = run(world, 5)
    found = errors(steps, world)
    assert found.joints_mm < 1.0 and found.missed < 0.02
    assert found.false <= (0.5 if "false" in kind else 0.0)
    assert id_changes(steps, world) == 0
    tp, fp, _, fn = same_person(steps, newest=False)
    assert fp <= 0.02 * tp and fn <= 0.05 * tp


@pytest.mark.parametrize("layout", ["ring", "robot"])
def test_full_noise_with_a_lost_camera_and_a_moving_rig_breaks_nothing(layout: str) -> None:
    world = World(people=5, noise=Noise(), uniform=True, walk="eight", moving=True, layout=layout)
    gone = frozenset((k, 1) for k in range(4, 9)) | frozenset((k, v) for k in range(10, 12) for v in range(4))
    chain, ids = Reconstructor(body(), CONFIG), set()
    for index in range(8):
        look = world.look(index, 2 * index, missing=gone)
        result = chain.update(look.window, look.prediction)
        assert all(np.isfinite(person.joints).all() for person in result.people)
        assert all(np.isfinite(camera.world_from_cam).all() for camera in result.cameras)
        assert 0.7 < result.metric_scale < 1.4
        ids |= {person.track_id for person in result.people if person.state != "tentative"}
    assert 5 <= len(ids) <= 8


def test_a_planted_unit_is_found_by_people_and_better_by_a_rig() -> None:
    for unit in (0.8, 1.25):
        free = World(people=4, noise=replace(Noise(), false=0.0), walk="eight")
        off = [abs(step.result.metric_scale * unit - 1.0) for step in replay(free, CONFIG, 2, steps=4, unit=unit)]
        tied = [abs(s.result.metric_scale * unit - 1.0) for s in replay(replace(free, rig=True), CONFIG, 2, steps=4, unit=unit)]
        assert max(off) < 0.12 and max(tied) < 0.04
