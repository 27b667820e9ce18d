"""What a recording knows to be true of the people whom it shows, beside what a run said of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chromm_ros.demo.results import Results
from chromm_ros.evaluate.recording import TRUTH, read_bodies
from chromm_ros.ros.diagnostics import untrained

SYNTHETIC_ONLY = ("nano",)
"""Weights that were trained on the synthetic world alone."""
OUT_OF_DOMAIN = "OUT OF DOMAIN: these weights know people of the synthetic world only"


def read_truth(recording: Path, results: Results) -> tuple[Mapping[int, Any], str]:
    """The truth at the stamps of the results, by stamp, as far as it can be held against them; and why it cannot, or nothing.

    A chain that knew where its cameras are answers in the truth's own world. Any other world would have to be laid on it first.
    """
    truth = read_bodies(recording)
    common = {stamp: truth[stamp] for stamp in results.bodies if stamp in truth}
    if not truth:
        return {}, ""
    if not common:
        return {}, f"{TRUTH} has no message with the stamp of a result: they are not compared"
    said = {results.bodies[stamp].header.frame_id for stamp in common}
    true = {message.header.frame_id for message in common.values()}
    if said != true:
        return {}, f"{TRUTH} is in '{', '.join(true)}', the results are in '{', '.join(said)}': they are not compared"
    return common, ""


def out_of_domain(weights: str, truth: Mapping[int, Any]) -> bool:
    """Whether weights look at a world of which they saw nothing: recordings with truth come from the synthetic one."""
    return weights.startswith(SYNTHETIC_ONLY) and not truth and not untrained(weights)
