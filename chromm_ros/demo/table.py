"""What one run did, as a table."""

from collections.abc import Sequence

import numpy as np

from chromm_ros.demo.results import Results
from chromm_ros.ros.diagnostics import PARTS


def table(results: Results) -> str:
    """Frame-sets in, windows run, people found, latency by part and bytes out, ready to print."""
    lines = [*_counts(results), "", *_latency(results), "", *_topics(results)]
    return "\n".join(lines)


def _counts(results: Results) -> list[str]:
    last = results.statuses[-1]
    people = [status.people for status in results.statuses]
    ids = {body.track_id for message in results.bodies.values() for body in message.bodies}
    complete, partial = last.sets_complete, last.sets_partial
    return [
        *_row("images in", f"{results.images_in}", f"{len(last.cameras)} cameras: {', '.join(last.cameras)}"),
        *_row("frame-sets", f"{complete + partial}", f"{complete} complete, {partial} partial, {last.sets_dropped} dropped"),
        *_row(
            "windows run",
            f"{last.windows_run}",
            f"each of up to {last.steps} sets; {last.windows_dropped} dropped for a newer one",
        ),
        *_row("windows failed", f"{last.windows_failed}", ""),
        *_row("people", f"{np.mean(people):.1f}", f"per window, {len(ids)} ids in all"),
        *_row("points", f"{np.mean([status.points for status in results.statuses]):.0f}", "per cloud"),
        *_row("weights", last.weights, f"on {last.device}"),
    ]


def _latency(results: Results) -> list[str]:
    lines = [f"  {'latency [ms]':<46}{'median':>10}{'95 %':>10}{'largest':>10}"]
    for part in PARTS:
        values = [getattr(status, f"latency_{part}_ms") for status in results.statuses]
        numbers = (np.median(values), np.percentile(values, 95), np.max(values))
        lines.append(f"  {part:<46}" + "".join(f"{number:>10.1f}" for number in numbers))
    return lines


def _topics(results: Results) -> list[str]:
    lines = [f"  {'topic out':<46}{'messages':>10}{'kB':>10}{'kB each':>10}"]
    for topic, sizes in sorted(results.sizes.items()):
        kilobytes = sum(sizes) / 1000
        lines.append(f"  {topic:<46}{len(sizes):>10}{kilobytes:>10.1f}{kilobytes / len(sizes):>10.1f}")
    total = sum(map(sum, results.sizes.values())) / 1000
    lines.append(f"  {'all':<46}{sum(map(len, results.sizes.values())):>10}{total:>10.1f}")
    return lines


def _row(name: str, value: str, remark: str) -> Sequence[str]:
    return [f"  {name:<46}{value:>10}   {remark}".rstrip()]
