"""What one run did, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from chromm_ros.demo.results import Results
from chromm_ros.demo.truth import OUT_OF_DOMAIN, out_of_domain
from chromm_ros.evaluate.recording import LIMIT_M, Score, score
from chromm_ros.ros.diagnostics import PARTS


def table(results: Results, truth: Mapping[int, Any]) -> str:
    """Frame-sets in, windows run, people found, how far from the truth, latency by part and bytes out, ready to print.

    Args:
        results: of the run.
        truth: true bodies by stamp in the frame of the results; may be empty.
    """
    lines = [*_counts(results)]
    if out_of_domain(results.statuses[-1].weights, truth):
        lines += _row("bodies", "", OUT_OF_DOMAIN)
    if truth:
        lines += ["", *_accuracy(score(results.bodies, truth))]
    return "\n".join([*lines, "", *_latency(results), "", *_topics(results)])


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


def _accuracy(found: Score) -> list[str]:
    counts, pairs = found.people, found.pairs
    wanted = counts.tp + counts.fn
    of_pairs = f"of {pairs.tp + pairs.fp + pairs.tn + pairs.fn} pairs of sights by two cameras, as far as seen_by tells"
    return [
        f"  {'against the truth':<46}{'mean':>10}{'median':>10}",
        *_error("W-MPJPE [mm]", found.w_mpjpe_mm, "in the world, nothing aligned: the node knew the cameras' poses"),
        *_error("PA-MPJPE [mm]", found.pa_mpjpe_mm, "each body laid on its own by a similarity"),
        *_row("people matched", f"{counts.tp}/{wanted}", f"{found.moments} moments, joints nearer than {LIMIT_M:g} m on average"),
        *_row("people who are nobody", f"{counts.fp}", ""),
        *_row("association accuracy", f"{pairs.accuracy:.3f}", of_pairs),
    ]


def _error(name: str, values: Float[np.ndarray, "N"], remark: str) -> list[str]:
    mean, median = (f"{np.mean(values):.1f}", f"{np.median(values):.1f}") if len(values) else ("-", "-")
    return [f"  {name:<46}{mean:>10}{median:>10}   {remark}"]


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
