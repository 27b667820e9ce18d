"""Starts the two processes of a measurement and gathers what they say."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from chromm_ros.bench.peer import Receiver, Stream, options_of
from chromm_ros.errors import InputError
from chromm_ros.ros.transport import fastdds_environment

_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
_PATIENCE_S = 60.0

Ends = tuple[str, ...]
"""Some of `send` and `receive`."""
BOTH: Ends = ("send", "receive")


def measure(stream: Stream, receiver: Receiver, *, profile: Ends = BOTH) -> dict[str, float | None]:
    """One stream from one process to another.

    Args:
        stream: what is sent.
        receiver: how it is received.
        profile: the ends that get our Fast DDS profile.

    Returns:
        Share lost in percent, latency in milliseconds, CPU milliseconds of the receiver per image.

    Raises:
        InputError: if a process fails.
    """
    options = options_of(stream, receiver)
    module = "chromm_ros.bench.peer"
    sent, got = converse([module, "send", options], [module, "receive", options], profile=profile)
    return {
        "lost %": 100 * (1 - got["received"] / sent["sent"]),
        "p50 ms": got["p50_ms"],
        "p95 ms": got["p95_ms"],
        "CPU ms": got["cpu_ms"],
    }


def converse(sender: Sequence[str], receiver: Sequence[str], *, profile: Ends) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of two processes that start at once; the receiver goes on until the sender has ended.

    Args:
        sender: module and arguments.
        receiver: module and arguments.
        profile: `send` and `receive`, for the ends that get our Fast DDS profile.

    Raises:
        InputError: if one fails.
    """
    with _start(receiver, profile="receive" in profile) as listening, _start(sender, profile="send" in profile) as sending:
        try:
            return _result_of(sending), _result_of(listening)
        finally:
            sending.kill()
            listening.kill()


def _start(command: Sequence[str], *, profile: bool) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", *command],
        env=environment(profile=profile),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _result_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Close the input of a process and read its last line."""
    try:
        output, errors = process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    if process.returncode:
        last = (errors.strip().splitlines() or [f"it did not end within {_PATIENCE_S:.0f} s"])[-1]
        raise InputError(f"a measuring process ended with status {process.returncode}: {last}")
    result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return result


def environment(*, profile: bool, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables of a measuring process: nothing that tunes but what is measured, and a ROS domain of its own."""
    plain = {name: value for name, value in inherited.items() if name not in (*_PROFILES, *_MALLOC)}
    plain.update(ROS_DOMAIN_ID=inherited.get("ROS_DOMAIN_ID", "") or "77", ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    return plain | (fastdds_environment(plain) if profile else {})
