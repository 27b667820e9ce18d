"""The whole way with the real network at its smallest: finite, deterministic, timed, and epochs kept apart."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.config import ChrommConfig
from chromm_ros.errors import ConfigError
from chromm_ros.model.people_heads import Bodies
from chromm_ros.model.predictor import Predictor
from chromm_ros.pipeline import Pipeline
from chromm_ros.reconstruct.fuse import FusionConfig
from chromm_ros.records import Frame, FrameSet, Prediction, Reconstruction, Window

CAMERAS = ("left", "right")
CONFIG = ChrommConfig.from_mapping({"model": {"checkpoint": "untrained", "device": "cpu", "score_min": 0.0, "max_people": 3}})
"""Untrained heads are unsure of everybody: a score of 0 lets some people through."""


@cache
def predictor() -> Predictor:
    return Predictor(CONFIG.model)


@cache
def body() -> SmplxBody:
    return SmplxBody.load("")


@cache
def frame(view: int, k: int) -> Frame:
    image = np.random.default_rng(10 * k + view).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    return Frame(CAMERAS[view], k * 100_000_000 + view, image)


def window(index: int, first: int, steps: int = 2, epoch: int = 0) -> Window:
    sets = tuple(FrameSet(epoch, k, k * 100_000_000, 1, (frame(0, k), frame(1, k))) for k in range(first, first + steps))
    return Window(epoch, index, CAMERAS, sets)


def pipeline() -> Pipeline:
    return Pipeline(CONFIG, predictor=predictor(), body=body())


def assert_sound(result: Reconstruction) -> None:
    assert np.isfinite(result.points).all() and len(result.points) == len(result.colors) == len(result.confidence) > 0
    assert [camera.name for camera in result.cameras] == list(CAMERAS)
    assert np.isfinite(result.world_from_cam).all()
    for person in result.people:
        for array in (person.joints, person.joint_scores, *vars(person.body).values()):
            assert np.isfinite(array).all()
    assert result.timings_ms.keys() == {"prepare", "infer", "reconstruct"}
    assert all(milliseconds > 0.0 for milliseconds in result.timings_ms.values())


def test_windows_that_overlap_run_end_to_end() -> None:
    run = pipeline()
    results = [run(window(index, first=index)) for index in range(3)]
    for result in results:
        assert_sound(result)
        assert len(result.people) > 0
    known = [{person.track_id for person in result.people} for result in results]
    assert known[0] & known[1] and known[1] & known[2]  # the image in common carries ids


def test_the_same_windows_give_the_same_numbers() -> None:
    one, other = pipeline(), pipeline()
    for index in range(2):
        a, b = one(window(index, first=index)), other(window(index, first=index))
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.world_from_cam, b.world_from_cam)
        for p, q in zip(a.people, b.people, strict=True):
            assert p.track_id == q.track_id
            np.testing.assert_array_equal(p.joints, q.joints)


def test_a_new_epoch_starts_over_without_giving_an_id_again() -> None:
    run = pipeline()
    first = run(window(0, first=0))
    second = run(window(1, first=0, epoch=1))
    np.testing.assert_allclose(second.world_from_cam, first.world_from_cam)  # the same images start the same world
    old, new = ({person.track_id for person in result.people} for result in (first, second))
    assert old and new and max(old) < min(new)


def test_a_frame_that_is_missing_is_missing() -> None:
    whole = window(0, first=0)
    gap = replace(whole, sets=(whole.sets[0], replace(whole.sets[1], frames=(None, whole.sets[1].frames[1]))))
    result = pipeline()(gap)
    assert np.isnan(result.world_from_cam[1, 0]).all() and [camera.present for camera in result.cameras] == [False, True]
    assert all(np.isfinite(person.joints).all() for person in result.people)


def test_warm_up_leaves_no_trace() -> None:
    warm, cold = pipeline(), pipeline()
    warm.warm_up(views=2, width=128, height=96)
    np.testing.assert_array_equal(warm(window(0, first=0)).points, cold(window(0, first=0)).points)


def test_an_error_in_one_window_does_not_spoil_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    run = pipeline()

    def fail(batch: object, *, keep: bool) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(predictor(), "infer", fail)
        with pytest.raises(RuntimeError):
            run(window(0, first=0))
    assert_sound(run(window(1, first=1)))


def test_compose_mode_runs_the_same_way() -> None:
    config = ChrommConfig.from_mapping({"model": {"mode": "compose", "device": "cpu", "scene_pixels": 7840, "max_people": 3}})
    run = Pipeline(config, body=body())
    results = [run(window(index, first=index)) for index in range(2)]
    for result in results:
        assert_sound(result)
        assert len(result.people) > 0
    ids = [{person.track_id for person in result.people} for result in results]
    assert ids[0] & ids[1]
    assert run.predictor.weights == "untrained"


def pooling(monkeypatch: pytest.MonkeyPatch) -> tuple[Pipeline, list[int]]:
    """A pipeline that pools tokens over cameras, and how many bodies it decoded from them in each window."""
    run, decoded = (
        Pipeline(replace(CONFIG, fusion=FusionConfig(mode="maxpool_triangulate")), predictor=predictor(), body=body()),
        [],
    )
    read = predictor().read_again

    def counted(prediction: Prediction, person: np.ndarray, tokens: np.ndarray) -> Bodies:
        decoded.append(len(person))
        return read(prediction, person, tokens)

    monkeypatch.setattr(predictor(), "read_again", counted)
    return run, decoded


def assert_same_people(one: Reconstruction, other: Reconstruction, tolerance: float) -> None:
    assert len(one.people) > 0
    for p, q in zip(one.people, other.people, strict=True):
        assert p.track_id == q.track_id
        np.testing.assert_allclose(p.joints, q.joints, atol=tolerance)
        np.testing.assert_allclose(p.body.betas, q.body.betas, atol=tolerance)


def test_pooled_over_one_camera_or_over_one_image_seen_twice_a_token_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """So pooling says what averaging says, window after window and after a warm-up."""
    run, decoded = pooling(monkeypatch)
    run.warm_up(views=2, width=128, height=96)
    plain = pipeline()
    for index in range(2):
        alone = window(index, first=index)
        alone = replace(alone, sets=tuple(replace(s, frames=(s.frames[0], None)) for s in alone.sets))
        assert_same_people(run(alone), plain(alone), 1e-6)
    assert not decoded, "there is nothing to pool"
    for index in range(2):
        twice = window(index, first=index, epoch=1)
        sets = (replace(s, frames=(s.frames[0], replace(s.frames[0], camera=CAMERAS[1]))) for s in twice.sets)
        twice = replace(twice, sets=tuple(sets))
        assert_same_people(run(twice), plain(twice), 1e-3)
    assert len(decoded) == 2 and min(decoded) > 0


def test_pooling_asks_for_a_decoder_of_pooled_tokens() -> None:
    config = ChrommConfig.from_mapping({"model": {"mode": "compose"}, "fusion": {"mode": "maxpool_triangulate"}})
    with pytest.raises(ConfigError, match=r"only CHROMM's own decoder.*fusion.mode to average.*model.mode to chromm"):
        Pipeline(config)
