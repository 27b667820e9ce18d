"""An outcome as pictures: errors over time, bars per joint, the ways from above, joints in images, latency."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from chromm_ros.draw.overlay import write_caption
from chromm_ros.draw.palette import color_of
from chromm_ros.errors import require
from chromm_ros.evaluate.joint_names import JOINT_LIMBS, JOINT_NAMES
from chromm_ros.evaluate.outcome import CameraTrack, Outcome, Series, Track, View

DPI = 110
LINES = 10
"""Up to so many people each has a line of errors; of more there are the median and the middle four fifths."""
NAMES = 24
"""Up to so many sequences are named where each has one moment."""
BESIDE = ((7, 7), (7, -14), (-34, 7), (-34, -14))
"""Where names of cameras stand, in turn, so that those of neighbours do not cover one another; points."""
PANELS = 6
"""Sequences that are drawn from above; the others are in the JSON."""
PIXELS = 640
"""Width that a small image is enlarged to at least."""
TRUTH, STRANGER = (255, 255, 255), (150, 150, 150)
FROM_ABOVE = {"z": (0, 1), "-z": (1, 0), "y": (2, 0), "-y": (0, 2), "x": (1, 2), "-x": (2, 1)}
"""By the axis that is up: which axes go to the right and up in a picture from above, right-handed."""


def draw_all(outcome: Outcome, folder: Path) -> list[tuple[str, str]]:
    """Draw what there is something to draw of.

    Returns:
        Names of the files, each with a caption.

    Raises:
        DependencyError: if matplotlib is not installed.
    """
    kinds: tuple[tuple[str, object, Callable[[Outcome, Path], None], str], ...] = (
        ("over_time.png", any(_known(series.values) for series in outcome.series), draw_series, "Errors over time."),
        ("per_joint.png", any(map(_known, outcome.per_joint_mm.values())), draw_joints, "Mean error of each joint."),
        ("from_above.png", outcome.tracks or outcome.cameras, draw_ways, "Ways from above: found in colour, truth dashed."),
        ("latency.png", _known(outcome.latency_ms), draw_latency, "Time of single results; the notes say from when to when."),
    )
    drawn = []
    for name, there, draw, caption in kinds:
        (folder / name).unlink(missing_ok=True)
        if there:
            draw(outcome, folder / name)
            drawn.append((name, caption))
    for old in folder.glob("view[0-9][0-9].png"):
        old.unlink()
    for number, view in enumerate(outcome.views):
        name = f"view{number:02}.png"
        image = write_caption(draw_view(view, outcome.joint_set), view_text(view))
        cv2.imwrite(str(folder / name), image[..., ::-1])
        drawn.append((name, f"{view_text(view)}."))
    return drawn


def _known(values: Float64[np.ndarray, "_"]) -> bool:
    """Whether there is any number to draw."""
    return bool(np.isfinite(values).any())


def draw_series(outcome: Outcome, file: Path) -> None:
    """One panel for each metric; over the sequences instead of over time where each has one moment."""
    metrics = list(dict.fromkeys((series.metric, series.unit) for series in outcome.series))
    figure = _figure(11, 2.9 * len(metrics))
    for place, (metric, unit) in enumerate(metrics):
        axes = figure.add_subplot(len(metrics), 1, place + 1)
        mine = [series for series in outcome.series if (series.metric, series.unit) == (metric, unit)]
        axes.set(title=metric, ylabel=f"error [{unit}]" if unit else "error", xlabel="time since the sequence's first result [s]")
        axes.margins(x=0.01)
        single = max(len(series.values) for series in mine) < 2
        if single:
            _points(axes, mine, named=place == len(metrics) - 1)
        else:
            (_lines if len(mine) <= LINES else _band)(axes, mine)
        axes.set_ylim(0.0, 1.08 * max((float(np.nanmax(s.values)) for s in mine if _known(s.values)), default=1.0) or None)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(file, dpi=DPI)


def _points(axes: Any, series: Sequence[Series], *, named: bool) -> None:
    """A dot for each, with its name below the last panel while there is room."""
    axes.plot([np.nanmean(one.values) if _known(one.values) else np.nan for one in series], "o", ms=5, color="C0")
    axes.set_xlabel("one moment of each sequence" if named else "")
    axes.margins(x=0.05)
    names = [_name(one) if named and len(series) <= NAMES else "" for one in series]
    axes.set_xticks(range(len(series)), names, rotation=30, ha="right", fontsize=8)


def _name(series: Series) -> str:
    return series.sequence if series.person < 0 else f"{series.sequence}, person {series.person}"


def _lines(axes: Any, series: Sequence[Series]) -> None:
    for number, one in enumerate(series):
        mean = f"{np.nanmean(one.values):.3g}" if _known(one.values) else "none"
        axes.plot(
            _seconds(one),
            one.values,
            lw=1.1,
            marker="." if len(one.values) < 60 else "",
            ms=4,
            color=f"C{number}",
            label=f"{_name(one)} (mean {mean})",
        )


def _band(axes: Any, series: Sequence[Series]) -> None:
    """Median of all and where four fifths of them are, in up to 120 parts of the time."""
    seconds = np.concatenate([_seconds(one) for one in series])
    values = np.concatenate([one.values for one in series])
    seconds, values = seconds[np.isfinite(values)], values[np.isfinite(values)]
    if not len(values):
        return
    longest = max(len(one.values) for one in series)
    edges = np.linspace(0.0, max(float(seconds.max()), 1e-3), min(120, longest) + 1)
    part = np.clip(np.digitize(seconds, edges) - 1, 0, len(edges) - 2)
    low, middle, high = np.full((3, len(edges) - 1), np.nan)  # a gap where there is nothing
    for k in np.unique(part):
        low[k], middle[k], high[k] = np.percentile(values[part == k], (10, 50, 90))
    centre = (edges[:-1] + edges[1:]) / 2
    axes.fill_between(centre, low, high, color="C0", alpha=0.2, lw=0, label="middle 80 %")
    axes.plot(centre, middle, color="C0", lw=1.4, label=f"median of {len(series)} people")


def _seconds(series: Series) -> Float64[np.ndarray, "N"]:
    return np.asarray((series.stamps_ns - series.stamps_ns[:1].sum()) / 1e9, np.float64)


def draw_joints(outcome: Outcome, file: Path) -> None:
    """Bars from the left, one group for each joint, the first joint on top."""
    metrics = list(outcome.per_joint_mm.items())
    count = max(len(values) for _, values in metrics)
    names = JOINT_NAMES[outcome.joint_set][:count]
    figure = _figure(8.5, 1.4 + count * max(0.26, 0.15 * len(metrics)))
    axes = figure.add_subplot()
    thick = 0.8 / len(metrics)
    for number, (metric, values) in enumerate(metrics):
        place = np.arange(len(values)) + (number - (len(metrics) - 1) / 2) * thick
        bars = axes.barh(place, np.nan_to_num(values), thick, color=f"C{number}", label=metric)
        texts = [f"{value:.0f}" if np.isfinite(value) else "not known" for value in values]
        axes.bar_label(bars, texts, padding=2, fontsize=7 if len(metrics) < 3 else 5.5)
        if np.isfinite(values).any():
            axes.axvline(np.nanmean(values), color=f"C{number}", lw=1, ls="--", alpha=0.8)
    axes.set_yticks(np.arange(count), [name.replace("_", " ") for name in names], fontsize=8)
    axes.set_ylim(count - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.set(xlabel="mean error [mm]; dashed: mean of all joints", title=f"Error of each joint ({outcome.joint_set})")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(metrics), fontsize="small")
    figure.savefig(file, dpi=DPI)


def draw_ways(outcome: Outcome, file: Path) -> None:
    """One panel for each of the first sequences, the same metre to the right and up."""
    across, up = FROM_ABOVE[outcome.up]
    names = list(dict.fromkeys([t.sequence for t in outcome.tracks] + [c.sequence for c in outcome.cameras]))[:PANELS]
    columns = min(len(names), 2)
    figure = _figure(6.4 * columns, 6.6 * math.ceil(len(names) / columns))
    for place, name in enumerate(names):
        axes = figure.add_subplot(math.ceil(len(names) / columns), columns, place + 1)
        for number, track in enumerate(t for t in outcome.tracks if t.sequence == name):
            _way(axes, track, across, up, first=number == 0)
        for number, camera in enumerate(c for c in outcome.cameras if c.sequence == name):
            _camera(axes, camera, across, up, number)
        axes.margins(0.16)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(title=name, xlabel=f"{'xyz'[across]} [m]", ylabel=f"{'xyz'[up]} [m]")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3)
    figure.savefig(file, dpi=DPI)


def _way(axes: Any, track: Track, across: int, up: int, *, first: bool) -> None:
    color = np.array(color_of(track.person)) / 255.0
    true_way = {"color": "black", "lw": 2.6, "alpha": 0.35, "ls": (0, (3, 1.5)), "label": "true way" if first else None}
    axes.plot(track.truth[:, across], track.truth[:, up], **true_way)
    off = 100.0 * np.linalg.norm(track.found - track.truth, axis=-1)
    text = f"{np.nanmean(off):.0f} cm off" if np.isfinite(off).any() else "never found"
    axes.plot(
        track.found[:, across],
        track.found[:, up],
        color=color,
        lw=1.8,
        label=f"person {track.person}, {text}",
        path_effects=_rim(),
    )
    for way, face, label in ((track.truth, "white", "where true ways begin"), (track.found, color, None)):
        known = np.flatnonzero(np.isfinite(way).all(axis=-1))
        if len(known):
            begin = way[known[0], [across, up]]
            axes.plot(*begin, "o", ms=6, mfc=face, mec="black", mew=0.8, zorder=4, label=label if first else None)


def _rim() -> list[Any]:
    """A thin dark edge, so that light colours show on white."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.8, foreground="0.25")]


def _camera(axes: Any, camera: CameraTrack, across: int, up: int, number: int) -> None:
    """Centres, and at the first one where the camera looks; the name at the true one."""
    for poses, color, label in ((camera.truth, "black", "true camera"), (camera.found, "tab:red", "found camera")):
        good = poses[np.isfinite(poses).all(axis=(-2, -1))]
        if not len(good):
            continue
        centres, look = good[:, :3, 3], good[0, :3, 2]
        if len(good) > 1:
            axes.plot(centres[:, across], centres[:, up], color=color, lw=1, alpha=0.7, ls="--" if color == "black" else "-")
        hollow = {"mfc": "none", "mew": 1.6} if color == "black" else {}
        axes.plot(
            *centres[0, [across, up]],
            "s",
            color=color,
            ms=9 if hollow else 5,
            label=None if number else label,
            zorder=5,
            **hollow,
        )
        axes.plot(*np.stack([centres[0], centres[0] + 0.5 * look])[:, [across, up]].T, color=color, lw=1.6 if hollow else 1)
    known = camera.truth if np.isfinite(camera.truth).all(axis=(-2, -1)).any() else camera.found
    place = known[np.isfinite(known).all(axis=(-2, -1))]
    if len(place):
        axes.annotate(
            camera.name, place[0, [across, up], 3], textcoords="offset points", xytext=BESIDE[number % len(BESIDE)], fontsize=9
        )


def draw_latency(outcome: Outcome, file: Path) -> None:
    """Histogram from zero on with the percentiles that matter; what lies beyond the last is in the last bar."""
    values = outcome.latency_ms[np.isfinite(outcome.latency_ms)]
    figure = _figure(8, 4)
    axes = figure.add_subplot()
    if len(values):
        last = float(np.percentile(values, 99.5)) * 1.05
        axes.hist(np.minimum(values, last), bins=min(60, max(8, len(values) // 4)), range=(0.0, last), color="C0", alpha=0.75)
        for share, style in ((50, "-"), (95, "--"), (99, ":")):
            place = float(np.percentile(values, share))
            axes.axvline(place, color="black", ls=style, lw=1.3, label=f"{share} %: {place:.1f} ms")
        axes.legend(title=f"at most, of {len(values)} results\n(most: {values.max():.1f} ms)")
    axes.set(
        xlabel="time [ms]", ylabel="results", title=f"Time of a result, {outcome.device}, {outcome.precision}, {outcome.weights}"
    )
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(file, dpi=DPI)


def draw_view(view: View, joint_set: str) -> UInt8[np.ndarray, "_ _ 3"]:
    """The image, enlarged where it is small, with the truth in white and everybody found in his colour."""
    factor = max(1, round(PIXELS / view.image.shape[1]))
    image = cv2.resize(view.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    limbs = JOINT_LIMBS[joint_set]
    for person in view.truth:
        _skeleton(image, factor * person, limbs, TRUTH, 5)
    for who, person in zip(view.people.tolist(), view.found, strict=True):
        _skeleton(image, factor * person, limbs, color_of(who) if who >= 0 else STRANGER, 2)
    return np.asarray(image, np.uint8)


def view_text(view: View) -> str:
    """One line about it."""
    strangers = int((view.people < 0).sum())
    more = f", {strangers} of them nobody's (grey)" if strangers else ""
    return f"{view.sequence}, {view.camera}: {len(view.people)} found{more}, {len(view.truth)} there (white)"


def _skeleton(
    image: UInt8[np.ndarray, "H W 3"],
    pixels: Float64[np.ndarray, "J 2"],
    limbs: Sequence[tuple[int, int]],
    color: tuple[int, int, int],
    width: int,
) -> None:
    """Limbs between joints that are known, each with a dark rim; OpenCV counts pixel centres from 0."""
    reach = 4.0 * max(image.shape)
    known = np.isfinite(pixels).all(axis=-1) & (np.abs(np.nan_to_num(pixels)) < reach).all(axis=-1)
    ends = np.round(16.0 * (np.nan_to_num(np.where(known[:, None], pixels, 0.0)) - 0.5)).astype(int)
    for paint, thick in (((0, 0, 0), width + 2), (color, width)):
        for a, b in limbs:
            if max(a, b) < len(pixels) and known[a] and known[b]:
                cv2.line(image, ends[a].tolist(), ends[b].tolist(), paint, thick, cv2.LINE_AA, 4)


def _figure(width: float, height: float) -> Any:
    require("matplotlib", extra="draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
