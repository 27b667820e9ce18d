"""What /diagnostics says of a camera, for every way in which one can be unwell."""

from dataclasses import replace

import pytest

from chromm_ros.ros.diagnostics import ERROR, OK, STALE, WARN, camera_status, judged, model_status
from chromm_ros.ros.intake import CameraReport
from chromm_ros.ros.options import DiagnosticsConfig
from chromm_ros.stream.counters import CameraCounters

WELL = CameraReport(
    camera="left",
    topic="/left/image_raw",
    publishers=1,
    reliability="reliable",
    hz=30.0,
    lost=0.0,
    age_s=0.1,
    stamp_ns=10**18,
    behind_ms=0.0,
    received=1000,
    refused=7,
    info=True,
    calibrated=True,
    poses_missing=0,
    counters=CameraCounters(late=70),
    recent=(100, 0, 5),
)


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        ({}, OK, "30.0 Hz"),
        ({"publishers": 0}, STALE, "nobody publishes its images"),
        ({"age_s": None}, ERROR, "silent"),
        ({"age_s": 7.0}, ERROR, "silent for 7 s"),
        ({"lost": 0.06}, WARN, "6% of the images get lost"),
        ({"recent": (100, 0, 6)}, WARN, "6 of 100 images came too late for their frame-set: raise sync.max_wait_s"),
        ({"recent": (100, 1, 0)}, WARN, "1 of 100 images were refused, the log says why"),
        ({"calibrated": False}, WARN, "its camera_info cannot be used"),
        ({"calibrated": False, "info": False}, OK, "30.0 Hz"),
    ],
)
def test_a_camera_is_judged_by_what_happened_lately(change: dict[str, object], level: bytes, message: str) -> None:
    entry = camera_status(replace(WELL, **change), DiagnosticsConfig())  # type: ignore[arg-type]  # a table of changes
    assert (entry.level, entry.name) == (level, "chromm: camera left")
    assert entry.message.startswith(message)


@pytest.mark.parametrize(
    ("weights", "level"), [("untrained", WARN), ("pi3x + 672_S, heads untrained", WARN), ("pi3x + 672_S", OK), ("mine", OK)]
)
def test_weights_that_are_untrained_in_part_are_a_warning_too(weights: str, level: bytes) -> None:
    assert model_status(weights, "cpu").level == level


@pytest.mark.parametrize(
    ("health", "level", "message"),
    [
        ({}, OK, "2 people"),
        ({"rig_odd_deg": 0.0, "rig_odd_camera": -1.0}, OK, "2 people"),
        ({"rig_odd_deg": 90.0, "rig_odd_camera": 2.0}, WARN, "camera number 3 of `cameras` looks 90 degrees away"),
        ({"window_refused": 1.0, "rig_odd_deg": 90.0}, WARN, "the last window could not be meant"),
    ],
)
def test_a_reconstruction_is_judged_by_its_health(health: dict[str, float], level: bytes, message: str) -> None:
    found, text = judged(health, 2)
    assert found == level and text.startswith(message)
