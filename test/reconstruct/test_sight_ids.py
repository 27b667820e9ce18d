"""Every one of the prediction's people tells whose track it became."""

from dataclasses import replace

import numpy as np

from chromm_ros.bench.planted import window_world
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body


def test_sights_of_one_person_carry_one_id_through_windows_and_those_left_out_carry_none() -> None:
    world = World(views=3, people=3, seed=4)
    chain = Reconstructor(body(), ReconstructConfig())
    seen: dict[int, set[int]] = {}
    for index in range(3):
        look = world.look(index, 2 * index, 4, window_world(world.seed, index, 1.0))
        heads = np.array(look.prediction.head_position, copy=True)
        heads[0] = np.nan
        result = chain.update(look.window, replace(look.prediction, head_position=heads))
        assert result.sight_ids.shape == look.person.shape and result.sight_ids[0] == -1
        for person, track in zip(look.person[1:].tolist(), result.sight_ids[1:].tolist(), strict=True):
            seen.setdefault(person, set()).add(track)
        assert {p.track_id for p in result.people} == set(result.sight_ids[1:].tolist())
    assert sorted(map(len, seen.values())) == [1, 1, 1] and len(set.union(*seen.values())) == 3
