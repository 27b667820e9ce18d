"""Tokens read a second time: the same ones give the same bodies, others change the people named and nothing is kept for longer."""

import gc
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
import torch
from model.worlds import window

from chromm_ros.model.config import ModelOptions
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.predictor import Predictor
from chromm_ros.records import Prediction

OPTIONS = ModelOptions(checkpoint="untrained", scene_pixels=7840, device="cpu", max_people=3, score_min=0.0)
PARTS = ("rotations", "betas", "expression")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(OPTIONS)


def seen(predictor: Predictor, views: int = 2, start: int = 0) -> Prediction:
    prediction = predictor.infer(predictor.prepare(window([(64, 48)] * views, 1, start=start)), keep=True)
    assert len(prediction.person_frame) == 3 * views
    return prediction


def assert_same(bodies: Bodies, prediction: Prediction, person: np.ndarray, tolerance: float = 1e-5) -> None:
    for name in PARTS:
        torch.testing.assert_close(getattr(bodies, name), getattr(prediction, name)[person], atol=tolerance, rtol=0.0)


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_their_own_tokens_give_the_bodies_again(predictor: Predictor, precision: str) -> None:
    used = predictor if precision == "auto" else Predictor(replace(OPTIONS, precision=precision))
    prediction = seen(used)
    for person in ([4], [5, 0, 3], list(range(6))):
        where = np.array(person)
        assert_same(used.read_again(prediction, where, prediction.person_token[where].numpy()), prediction, where)


def test_a_token_of_a_twin_is_as_good(predictor: Predictor) -> None:
    """One image seen by two cameras: pooled over both, a token stays what it is, whichever of the two it is read for."""
    one = window([(64, 48)] * 2, 1)
    frames = one.sets[0].frames
    twins = replace(one, sets=(replace(one.sets[0], frames=(frames[0], replace(frames[1], image=frames[0].image))),))
    prediction = predictor.infer(predictor.prepare(twins), keep=True)
    pooled = prediction.person_token.unflatten(0, (2, 3)).amax(0).numpy()
    assert_same(predictor.read_again(prediction, np.arange(3), pooled), prediction, np.arange(3, 6), 1e-4)
    assert_same(predictor.read_again(prediction, np.arange(3, 6), pooled), prediction, np.arange(3), 1e-4)


def test_another_token_makes_another_body_and_is_seen_by_the_people_of_its_image_alone(predictor: Predictor) -> None:
    prediction = seen(predictor)
    tokens = prediction.person_token.numpy().copy()
    tokens[0] = tokens[4][::-1]
    bodies, everybody = predictor.read_again(prediction, np.arange(6), tokens), prediction
    moved = (bodies.rotations - everybody.rotations).flatten(1).abs().amax(1)
    assert moved[0] > 1e-3
    assert_same(Bodies(**{n: v[3:] for n, v in vars(bodies).items()}), prediction, np.arange(3, 6))
    alone = predictor.read_again(prediction, np.array([0]), tokens[:1])
    assert_same(alone, replace(prediction, **{name: getattr(bodies, name) for name in PARTS}), np.array([0]))


def test_double_precision_tokens_are_read_as_they_are_meant(predictor: Predictor) -> None:
    prediction = seen(predictor)
    where = np.array([1, 2])
    tokens = prediction.person_token[where].numpy().astype(np.float64)  # reconstruct counts in these
    bodies = predictor.read_again(prediction, where, tokens)
    assert_same(bodies, prediction, where)
    assert bodies.rotations.dtype == torch.float32


def test_it_is_kept_until_the_next_window_and_only_where_asked(predictor: Predictor) -> None:
    first = seen(predictor)
    assert predictor._kept is not None
    old = ref(predictor._kept.human)
    second = seen(predictor, start=1)
    gc.collect()
    assert old() is None, "the features of the first window are freed"
    with pytest.raises(AssertionError, match="not the last prediction"):
        predictor.read_again(first, np.array([0]), first.person_token[:1].numpy())
    where = np.array([2])
    assert_same(predictor.read_again(second, where, second.person_token[where].numpy()), second, where)
    predictor.warm_up(2, 1, 64, 48)
    assert predictor._kept is None
    with pytest.raises(AssertionError, match="not kept"):
        predictor.read_again(second, where, second.person_token[where].numpy())


def test_nobody_is_read_from_two_tokens_at_once(predictor: Predictor) -> None:
    prediction = seen(predictor)
    with pytest.raises(AssertionError, match="two tokens"):
        predictor.read_again(prediction, np.array([1, 1]), prediction.person_token[:2].numpy())
