"""Whatever the cameras do, the laws of the synchroniser hold (G2, G3, G4, G7, G12)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from world import MS, START_NS, Event, check_account, check_laws, ended, full, names, play

from chromm_ros.stream.sync import FrameSync, SyncConfig


@st.composite
def unruly(draw: st.DrawFn) -> tuple[int, list[Event]]:
    """Cameras with jitter, losses, delays, doubles and any order of arrival."""
    count = draw(st.integers(1, 5))
    events: list[Event] = []
    for camera in names(count):
        period = draw(st.sampled_from([10, 33, 40, 100])) * MS
        phase = draw(st.integers(0, 99)) * MS
        for k in range(draw(st.integers(0, 25))):
            if draw(st.integers(0, 9)) == 0:
                continue
            stamp = k * period + phase + draw(st.integers(-5, 5)) * MS
            delays = draw(st.lists(st.integers(0, 150), min_size=1, max_size=2))
            events += [(stamp + delay * MS, camera, stamp) for delay in delays]
    return count, sorted(events)


configs = st.builds(
    SyncConfig,
    tolerance_s=st.sampled_from([0.0, 0.003, 0.05]),
    max_wait_s=st.sampled_from([0.0, 0.05, 0.2]),
    depth=st.integers(2, 6),
    stale_after=st.integers(1, 5),
    rate_hz=st.sampled_from([0.0, 12.0]),
    reference=st.sampled_from(["", "", "c0"]),
)


@settings(max_examples=60, deadline=None)
@given(unruly(), configs)
def test_laws_hold_whatever_comes(stream: tuple[int, list[Event]], config: SyncConfig) -> None:
    count, events = stream
    sync = FrameSync(names(count), config)
    sets = ended(sync, events)
    check_laws(sets, tolerance_ns=100 * MS)  # jitter moves the measured period: only the order of magnitude is certain here
    check_account(sync)
    assert sync.next_deadline_ns is None
    assert all(s.ready_ns - s.arrival_ns <= round(config.max_wait_s * 1e9) for s in sets)


@settings(max_examples=40, deadline=None)
@given(unruly(), st.sampled_from([0.002, 0.004]))
def test_spans_stay_within_an_explicit_tolerance(stream: tuple[int, list[Event]], tolerance_s: float) -> None:
    count, events = stream
    sync = FrameSync(names(count), SyncConfig(tolerance_s=tolerance_s))
    check_laws(ended(sync, events), round(tolerance_s * 1e9))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.lists(st.integers(0, 6), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_shuffled_arrivals_of_triggered_cameras_lose_nothing(count: int, jitter_ms: list[int], random: object) -> None:
    """Stamps within 6 ms, arrivals of one moment in any order: always complete."""
    sync = FrameSync(names(count), SyncConfig())
    events: list[Event] = []
    for k, jitter in enumerate(jitter_ms):
        moment = [(40 * k * MS + 7 * MS, c, (40 * k + (jitter * i) % 7) * MS) for i, c in enumerate(names(count))]
        random.shuffle(moment)  # type: ignore[attr-defined]
        events += moment
    sets = play(sync, events)
    assert len(sets) == len(full(sets)) == len(jitter_ms)


@settings(max_examples=25, deadline=None)
@given(unruly(), st.integers(1, 3))
def test_loops_only_start_epochs(stream: tuple[int, list[Event]], rounds: int) -> None:
    count, events = stream
    sync = FrameSync(names(count), SyncConfig())
    length = 10_000 * MS
    sets = ended(sync, [(a + k * length, c, s) for k in range(rounds) for a, c, s in events])
    check_laws(sets, 100 * MS)
    check_account(sync)
    assert all(s.ready_ns >= START_NS for s in sets)
