"""The scale: measured from people, carried by cameras, bounded whatever they say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chromm_ros.body.skeleton import PELVIS
from chromm_ros.reconstruct.cameras import Cameras
from chromm_ros.reconstruct.people import People
from chromm_ros.reconstruct.scale import ScaleConfig, ScaleFilter, head_pelvis_ratio
from chromm_ros.synthetic.oracle import World
from chromm_ros.synthetic.scene import body

CONFIG = ScaleConfig(gain=0.1, max_ratio=3.0, max_step=0.2)


def sights() -> tuple[Cameras, People]:
    window, prediction = World(views=4, people=3).window()
    cameras = Cameras.read(window, prediction)
    return cameras, People.read(prediction, cameras, body())


def test_true_depths_have_the_ratio_one() -> None:
    assert head_pelvis_ratio(*sights(), CONFIG) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_a_scene_too_near_makes_bodies_too_long(factor: float) -> None:
    cameras, people = sights()
    assert head_pelvis_ratio(cameras, replace(people, head=people.head / factor), CONFIG) == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("spoil", ["short", "outside", "behind", "nobody"])
def test_who_cannot_measure_does_not(spoil: str) -> None:
    cameras, people = sights()
    changed = {
        "short": replace(people, pelvis_pixel=people.head_pixel + 1.0),
        "outside": replace(people, pelvis_pixel=people.pelvis_pixel + 1e4),
        "behind": replace(people, head=-people.head),
        "nobody": People.read(World(people=0).window()[1], cameras, body()),
    }[spoil]
    assert math.isnan(head_pelvis_ratio(cameras, changed, CONFIG))


def test_who_is_foreshortened_as_projected_takes_no_part_however_long_he_was_detected() -> None:
    cameras, people = sights()
    offsets = people.offsets.copy()
    offsets[::3, PELVIS] = 0.1 * people.head[::3] + 0.05 * offsets[::3, PELVIS]  # almost behind the head
    assert head_pelvis_ratio(cameras, replace(people, offsets=offsets), CONFIG) == pytest.approx(1.0, abs=1e-5)


def test_nobody_and_nothing_leave_the_scale_alone() -> None:
    scale = ScaleFilter(CONFIG)
    assert [scale.update(math.nan, math.nan, rig=False) for _ in range(3)] == [1.0] * 3


def test_the_first_measurements_count_alike_and_later_ones_slowly() -> None:
    scale = ScaleFilter(CONFIG)
    assert scale.update(2.0, math.nan, rig=False) == pytest.approx(2.0)
    assert scale.update(1.0, math.nan, rig=False) == pytest.approx(2.0**0.5), "at the start all count alike"
    for _ in range(200):
        value = scale.update(1.0, math.nan, rig=False)
    assert value == pytest.approx(1.0, abs=1e-6)


def test_shared_cameras_carry_the_scale_within_a_step() -> None:
    scale = ScaleFilter(CONFIG)
    scale.update(2.0, math.nan, rig=False)
    assert scale.update(math.nan, 2.2, rig=False) == pytest.approx(2.2)
    assert scale.update(math.nan, 2.9, rig=False) == pytest.approx(2.2 * 1.2)


def test_a_rig_is_believed_at_once_and_people_do_not_touch_it() -> None:
    assert ScaleFilter(CONFIG).update(1.0, 2.5, rig=True) == pytest.approx(2.5)
    assert ScaleFilter(CONFIG).update(1.5, math.nan, rig=True) == pytest.approx(1.5)  # a single known camera tells no scale
    assert ScaleFilter(CONFIG).update(1.2, 1e9, rig=True) == pytest.approx(1.2)  # the network has not seen this rig


@pytest.mark.parametrize("ratio", [1e-9, 1e9])
def test_it_cannot_explode(ratio: float) -> None:
    scale = ScaleFilter(CONFIG)
    for carried in (math.nan, 1e-9, 1e9):
        assert 1.0 / 3.0 - 1e-9 <= scale.update(ratio, carried, rig=False) <= 3.0 + 1e-9


def test_reset_forgets() -> None:
    scale = ScaleFilter(CONFIG)
    scale.update(2.0, math.nan, rig=False)
    scale.reset()
    assert scale.update(math.nan, math.nan, rig=False) == 1.0
    assert scale.update(1.5, math.nan, rig=False) == pytest.approx(1.5)


def test_sizes_of_people_do_not_depend_on_their_order() -> None:
    cameras, people = sights()
    order = np.random.default_rng(0).permutation(len(people))
    mixed = People(**{name: value[order] for name, value in vars(people).items()})
    assert head_pelvis_ratio(cameras, mixed, CONFIG) == pytest.approx(head_pelvis_ratio(cameras, people, CONFIG))


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_iterated_it_is_exact(factor: float) -> None:
    cameras, people = sights()
    config = replace(CONFIG, statistic="iterated")
    assert head_pelvis_ratio(cameras, replace(people, head=people.head / factor), config) == pytest.approx(factor, rel=2e-3)


def test_the_median_does_not_care_for_a_few_who_are_quite_wrong() -> None:
    cameras, people = sights()
    pixel = people.pelvis_pixel.copy()
    pixel[: len(people) // 5] = people.head_pixel[: len(people) // 5] + np.array(
        [0.0, 25.0]
    )  # a bag at the chest, not the pelvis
    spoilt = replace(people, pelvis_pixel=pixel)
    mean, median, iterated = (
        head_pelvis_ratio(cameras, spoilt, replace(CONFIG, statistic=name)) for name in ("mean", "median", "iterated")
    )
    assert mean > 1.2
    assert abs(median - 1.0) < 1e-5 and abs(iterated - 1.0) < 1e-5


def test_without_adjustment_people_change_nothing() -> None:
    scale = ScaleFilter(replace(CONFIG, adjust=False))
    assert scale.update(1.5, math.nan, rig=False) == 1.0
    assert scale.update(1.5, 1.1, rig=False) == pytest.approx(1.1)


def test_people_who_disagree_with_a_known_rig_raise_the_alarm_in_the_long_run() -> None:
    scale = ScaleFilter(CONFIG)
    scale.update(1.0, 1.0, rig=True)
    assert scale.update(1.5, 1.0, rig=True) == 1.0 and not scale.alarm, "one window is noise"
    for _ in range(10):
        scale.update(1.5, 1.0, rig=True)
    assert scale.alarm and 1.1 < scale.watched < 1.5
    assert scale.update(1.5, 1.0, rig=False) != 1.0 and not scale.alarm, "no rig, nothing to watch"


def test_alarms_need_somebody_who_measures() -> None:
    scale = ScaleFilter(CONFIG)
    scale.update(math.nan, 1.0, rig=True)
    assert scale.watched == 1.0 and not scale.alarm


@pytest.mark.parametrize("factor", [0.5, 6.0])
def test_the_resolution_of_the_image_does_not_decide_who_counts(factor: float) -> None:
    """Some of these people are long enough at VGA and some are not; the same at half of it and at 4K."""
    cameras, people = sights()
    lengths = np.linalg.norm(people.head_pixel - people.pelvis_pixel, axis=-1) / cameras.size[people.frame, 1]
    pixel = people.pelvis_pixel + 1.2 * (people.pelvis_pixel - people.head_pixel) * (lengths > np.median(lengths))[:, None]
    config = replace(CONFIG, min_length_share=float(np.median(lengths)))
    intrinsics = cameras.intrinsics.copy()
    intrinsics[:, :2] *= factor
    larger = replace(cameras, size=factor * cameras.size, intrinsics=intrinsics)
    scaled = replace(people, head_pixel=factor * people.head_pixel, pelvis_pixel=factor * pixel)
    found = head_pelvis_ratio(cameras, replace(people, pelvis_pixel=pixel), config)
    everybody = head_pelvis_ratio(cameras, replace(people, pelvis_pixel=pixel), CONFIG)
    assert abs(found - everybody) > 0.01, "the gate decides here"
    assert head_pelvis_ratio(larger, scaled, config) == pytest.approx(found)


def test_one_bad_window_at_the_start_is_halved_by_the_next_and_gone_soon() -> None:
    scale = ScaleFilter(CONFIG)
    assert scale.update(2.0, math.nan, rig=False) == pytest.approx(2.0)
    after = [scale.update(1.0, math.nan, rig=False) for _ in range(9)]
    assert after[0] == pytest.approx(2.0**0.5) and after[-1] == pytest.approx(2.0**0.1), "the mean of all"
    assert scale.update(1.0, math.nan, rig=False) == pytest.approx(2.0 ** (0.1 * 0.9)), "then the gain rules"


@pytest.mark.parametrize("carried", [1e-4, 1e4, 3.1, 0.3])
def test_a_unit_that_jumps_beyond_all_sense_is_not_carried(carried: float) -> None:
    scale = ScaleFilter(CONFIG)
    scale.update(1.0, math.nan, rig=False)
    assert scale.update(math.nan, carried, rig=False) == pytest.approx(1.0)


def test_a_head_outside_the_image_says_nothing_of_the_scale() -> None:
    cameras, people = sights()
    pixel = people.head_pixel.copy()
    pixel[0] = 1e5
    everybody, others = (
        head_pelvis_ratio(cameras, people, CONFIG),
        head_pelvis_ratio(cameras, replace(people, head_pixel=pixel), CONFIG),
    )
    assert others == pytest.approx(everybody, abs=0.02)


def test_few_sights_move_the_scale_little_and_absurd_ones_not_at_all() -> None:
    lonely, seen = ScaleFilter(CONFIG), ScaleFilter(CONFIG)
    assert lonely.update(0.6, math.nan, rig=False, share=0.1) == pytest.approx(0.6**0.1)
    assert seen.update(0.6, math.nan, rig=False) == pytest.approx(0.6)
    assert seen.update(1e3, math.nan, rig=False) == pytest.approx(0.6), "left out once something was measured"
    assert lonely.update(1.0, math.nan, rig=False) > 0.98, "somebody who is there outweighs a false detection at once"
