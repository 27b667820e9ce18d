"""What no scene holds goes no farther than the chain's entrance: people, cameras and cloud are finite whatever a prediction holds."""

import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromm_ros.reconstruct.cloud import CloudConfig
from chromm_ros.reconstruct.reconstructor import ReconstructConfig, Reconstructor
from chromm_ros.reconstruct.sound import sound
from chromm_ros.records import Prediction, Reconstruction
from chromm_ros.synthetic.noise import Noise
from chromm_ros.synthetic.oracle import PEOPLE, World
from chromm_ros.synthetic.scene import body

FRAMES = ("intrinsics", "world_from_cam", "image_size")
POINTS = ("points", "confidence", "human_mask")
OF_PEOPLE = tuple(name for name in PEOPLE if name != "person_frame")
HOSTILE = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 5e-324, 1e-300, 1e-30, 1e5, 1e6, -1e30, 1e160, 1e308)
WORLDS = [World(views=2, people=2, noise=Noise(), rig=rig) for rig in (False, True)]


def spoilt(prediction: Prediction, name: str, value: float, share: float, seed: int) -> Prediction:
    """A prediction with a value in that share of a field's entries."""
    if name == "metric_scale":
        return replace(prediction, metric_scale=value)
    said = getattr(prediction, name)
    values = np.where(np.random.default_rng(seed).uniform(size=said.shape) < share, value, said)
    whole = name == "image_size"  # integers, which know no NaN and no infinity
    return replace(prediction, **{name: np.clip(np.nan_to_num(values), -(2**62), 2**62).astype(np.int64) if whole else values})


def assert_finite(result: Reconstruction) -> None:
    """All numbers of a result but those that say by NaN that there is none."""
    for person in result.people:
        body_parts = [getattr(person.body, f.name) for f in fields(person.body)]
        for values in (person.joints, person.joint_scores, person.deviation_m, person.score, *body_parts):
            assert np.isfinite(values).all()
    for camera in result.cameras:
        assert np.isfinite(camera.world_from_cam).all() and np.isfinite(camera.intrinsics).all()
        np.testing.assert_allclose(np.linalg.det(camera.world_from_cam), 1.0, atol=1e-6)
    assert np.isfinite(result.points).all() and np.isfinite(result.metric_scale) and np.isfinite([*result.health.values()]).all()
    assert ((result.confidence >= 0.0) & (result.confidence <= 1.0)).all()


@given(
    name=st.sampled_from([*FRAMES, *POINTS, *OF_PEOPLE, "metric_scale"]),
    value=st.sampled_from(HOSTILE),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    world=st.sampled_from(WORLDS),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_all_is_finite_whatever_a_field_holds(name: str, value: float, share: float, world: World, seed: int) -> None:
    chain = Reconstructor(body(), ReconstructConfig())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index in range(3):
            look = world.look(index, index, 2)
            said = spoilt(look.prediction, name, value, share, seed) if index == 1 else look.prediction
            assert_finite(chain.update(look.window, said))


@pytest.mark.parametrize("name", [*FRAMES, *POINTS, *OF_PEOPLE, "metric_scale"])
def test_each_field_full_of_the_worst(name: str) -> None:
    chain, world = Reconstructor(body(), ReconstructConfig()), WORLDS[0]
    for index, value in enumerate((0.5, np.inf, 1e160)):
        look = world.look(index, index, 2)
        result = chain.update(look.window, spoilt(look.prediction, name, value, 1.0, 0) if index else look.prediction)
        assert_finite(result)
        counts = {kind: result.health[f"{kind}_refused"] for kind in ("frames", "sights", "points", "metric_scale")}
        if not index:
            assert set(counts.values()) == {0.0}
        elif name in FRAMES:
            assert counts["frames"] == 4.0
        elif name in OF_PEOPLE:
            assert counts["sights"] == len(look.person) and counts["frames"] == 0.0
        elif name == "metric_scale":
            assert counts["metric_scale"] == 1.0
        else:
            assert name == "human_mask" or not len(result.points)


def test_one_point_that_is_nowhere_is_left_out_and_counted() -> None:
    look = WORLDS[1].look(steps=1)
    points = look.prediction.points.copy()
    points[0, 0, 0, 2] = np.inf
    good, bad = (
        Reconstructor(body(), ReconstructConfig(cloud=CloudConfig(edges="keep"))).update(
            look.window, replace(look.prediction, points=p)
        )
        for p in (look.prediction.points, points)
    )
    assert bad.health["points_refused"] == 1.0 and good.health["points_refused"] == 0.0
    assert len(bad.points) == len(good.points) - 1


def test_the_bounds_lie_where_they_are_said_to() -> None:
    p = WORLDS[0].look(steps=1).prediction
    frame, person = (
        (lambda q: np.isfinite(sound(q).world_from_cam[0]).all()),
        (lambda q: np.isfinite(sound(q).head_position[0]).all()),
    )

    def changed(name: str, place: tuple[int, ...], value: float) -> Prediction:
        values = np.array(getattr(p, name))
        values[place] = value
        return replace(p, **{name: values})

    for good, name, place, value in (
        (True, "world_from_cam", (0, 0, 3), 0.9e6), (False, "world_from_cam", (0, 0, 3), 1.1e6),
        (True, "intrinsics", (0, 0, 0), 0.65), (False, "intrinsics", (0, 0, 0), 0.6), (False, "intrinsics", (0, 1, 1), -420.0),
        (True, "intrinsics", (0, 1, 1), 6e5), (False, "intrinsics", (0, 1, 1), 7e5), (False, "intrinsics", (0, 2, 2), 2.0),
        (True, "intrinsics", (0, 0, 1), 100.0), (False, "intrinsics", (0, 0, 1), 300.0), (False, "image_size", (0, 1), 0),
    ):  # fmt: skip
        assert frame(changed(name, place, value)) == good, (name, value)
    for good, name, place, value in (
        (True, "head_position", (0, 2), 0.9e6), (False, "head_position", (0, 2), 1.1e6), (False, "person_score", (0,), -0.1),
        (False, "person_score", (0,), 1.1), (True, "betas", (0, 3), 99.0), (False, "betas", (0, 3), -101.0),
        (True, "head_pixel", (0, 0), -1e4), (False, "pelvis_pixel", (0, 0), 1.1e6), (False, "person_token", (0, 0), 2e6),
    ):  # fmt: skip
        assert person(changed(name, place, value)) == good, (name, value)
    kept = sound(p)
    for name in ("world_from_cam", "head_position", "metric_scale"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(p, name))


def test_pooled_guesses_of_odd_lenses_stay_invertible() -> None:
    chain, rng = Reconstructor(body(), ReconstructConfig()), np.random.default_rng(0)
    for index in range(12):
        look = WORLDS[0].look(index, index, 2)
        k = look.prediction.intrinsics * rng.choice([-1.0, 1e-3, 1.0, 1e3], (4, 3, 3))
        k[:, 0, 1], k[:, 1, 0] = rng.choice([-300.0, 0.0, 200.0], (2, 4))
        result = chain.update(look.window, replace(look.prediction, intrinsics=k))
        assert_finite(result)
        assert all(abs(np.linalg.det(camera.intrinsics)) > 1e-3 for camera in result.cameras)
