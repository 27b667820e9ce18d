"""The sliding window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromm_ros.records import FrameSet, Window
from chromm_ros.stream.window import SlidingWindow, WindowConfig

SECOND = 1_000_000_000


def moment(index: int, epoch: int = 0, period_s: float = 0.1) -> FrameSet:
    return FrameSet(epoch, index, SECOND + round(index * period_s * SECOND), 0, (None,))


def run(config: WindowConfig, sets: list[FrameSet]) -> list[Window | None]:
    window = SlidingWindow(("c0",), config)
    return [window.push(s) for s in sets]


def indices(windows: list[Window | None]) -> list[list[int] | None]:
    return [w and [s.index for s in w.sets] for w in windows]


def test_windows_grow_and_then_slide() -> None:
    got = indices(run(WindowConfig(length=3), [moment(k) for k in range(5)]))
    assert got == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_full_windows_only() -> None:
    got = indices(run(WindowConfig(length=3, min_length=3), [moment(k) for k in range(5)]))
    assert got == [None, None, [0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_stride() -> None:
    got = indices(run(WindowConfig(length=4, min_length=2, stride=3), [moment(k) for k in range(9)]))
    assert [g for g in got if g] == [[0, 1], [1, 2, 3, 4], [4, 5, 6, 7]]


def test_stride_longer_than_the_window_leaves_sets_out() -> None:
    got = indices(run(WindowConfig(length=2, min_length=2, stride=5), [moment(k) for k in range(12)]))
    assert [g for g in got if g] == [[0, 1], [5, 6], [10, 11]]


def test_a_new_epoch_empties_the_window() -> None:
    sets = [moment(0), moment(1), moment(2, epoch=1), moment(3, epoch=1)]
    windows = run(WindowConfig(length=4), sets)
    assert indices(windows) == [[0], [0, 1], [2], [2, 3]]
    assert [w.epoch for w in windows if w] == [0, 0, 1, 1]


def test_a_new_epoch_starts_early_again_whatever_the_stride() -> None:
    sets = [moment(k) for k in range(4)] + [moment(4 + k, epoch=1) for k in range(2)]
    assert [g is not None for g in indices(run(WindowConfig(length=4, stride=3), sets))] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_old_sets_leave() -> None:
    sets = [moment(0), moment(1), moment(60), moment(61)]
    assert indices(run(WindowConfig(length=4, max_age_s=5.0), sets)) == [[0], [0, 1], [60], [60, 61]]
    assert indices(run(WindowConfig(length=4, max_age_s=0.0), sets))[-1] == [0, 1, 60, 61]


def test_reset_and_reconfigure() -> None:
    window = SlidingWindow(("c0",), WindowConfig(length=4))
    for k in range(4):
        window.push(moment(k))
    window.reconfigure(WindowConfig(length=2))
    assert indices([window.push(moment(4))]) == [[3, 4]]
    window.reset()
    assert indices([window.push(moment(5))]) == [[5]]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(0, 40))
def test_windows_are_consecutive_sets_every_stride(length: int, stride: int, least: int, count: int) -> None:
    windows = run(WindowConfig(length=length, stride=stride, min_length=least), [moment(k) for k in range(count)])
    made = [(k, w) for k, w in enumerate(windows) if w]
    assert [w.index for _, w in made] == list(range(len(made)))
    for k, w in made:
        assert w.cameras == ("c0",)
        assert [s.index for s in w.sets] == list(range(max(0, k + 1 - length), k + 1))
        assert len(w.sets) >= min(least, length)
    ends = [k for k, _ in made]
    assert ends == list(range(min(least, length) - 1, count, stride))


def test_limits_are_checked() -> None:
    with pytest.raises(Exception, match="length is 0"):
        WindowConfig(length=0)
