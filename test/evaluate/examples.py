"""Outcomes with planted errors."""

import numpy as np

from chromm_ros.evaluate.outcome import CameraTrack, Outcome, Series, Track, View, summary


def planted(
    sequences: int = 2, people: int = 2, frames: int = 250, better_mm: float = 0.0, seed: int = 0, **more: object
) -> Outcome:
    """Errors that drift together over time, lower by `better_mm`; the same noise for the same seed."""
    rng = np.random.default_rng(seed)
    stamps = 10**18 + np.arange(frames, dtype=np.int64) * 33_333_333
    series, tracks = [], []
    for sequence in range(sequences):
        drift = 60.0 + np.cumsum(rng.normal(0.0, 1.0, frames))
        for person in range(people):
            name = f"walk{sequence}"
            values = drift + rng.normal(0.0, 3.0, frames) - better_mm
            values[20:30] = np.nan
            series.append(Series("W-MPJPE", "mm", name, person, stamps, values))
            way = np.cumsum(rng.normal(0.0, 0.02, (frames, 3)), axis=0) + person
            tracks.append(Track(name, person, stamps, way + 0.05, way))
    pose = np.eye(4)[None]
    pixels = rng.uniform(0.0, 60.0, (1, 24, 2))
    view = View("walk0", "cam0", int(stamps[0]), np.full((48, 64, 3), 90, np.uint8), np.array([1]), pixels + 1.0, pixels)
    everything = np.concatenate([entry.values for entry in series])
    given = {
        "title": "planted", "config": {"window": {"length": 8}, "sizes": (3, 4)}, "weights": "nano", "device": "cpu",
        "precision": "float32", "revision": "0", "scores": (summary("W-MPJPE", everything, "mm"), summary("RTE", [np.nan], "%", "nobody moved")),
        "series": tuple(series), "tracks": tuple(tracks), "cameras": (CameraTrack("walk0", "cam0", pose, pose),), "views": (view,),
        "per_joint_mm": {"MPJPE": rng.uniform(20.0, 90.0, 24)}, "latency_ms": rng.gamma(9.0, 6.0, 50), "notes": ("gauge: rotations",),
    }  # fmt: skip  # field by field
    return Outcome(**{**given, **more})  # type: ignore[arg-type]  # by name
