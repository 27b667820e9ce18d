"""A recording cut into instants, for who plays it in step."""

import struct
from collections import deque
from collections.abc import Iterator

from chromm_ros.data.bag import BagMessage

DEPTH_AHEAD_NS = 100_000_000
"""How far depth images leave before their turn in step: as long as an image waits in a stream, by default."""


def header_stamp_ns(raw: bytes) -> int:
    """The stamp of a serialised message that begins with a Header: after 4 bytes of encapsulation, of which one tells the order."""
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def ahead(messages: Iterator[BagMessage], topics: set[str], by_ns: int) -> Iterator[BagMessage]:
    """The same messages, those of these topics up to so much (in the time of recording) before their turn."""
    held: deque[BagMessage] = deque()
    for message in messages:
        while held and held[0].stamp_ns < message.stamp_ns - by_ns:
            yield held.popleft()
        if message.topic in topics:
            yield message
        else:
            held.append(message)
    yield from held


def instants(messages: Iterator[BagMessage], images: set[str], spread_ns: int) -> Iterator[list[BagMessage]]:
    """Cut a recording into instants: at most one image per topic, with stamps at most so far apart; calibrations come first."""
    group: list[BagMessage] = []
    topics: set[str] = set()
    first_ns = 0
    for message in messages:
        if message.topic in images:
            stamp_ns = header_stamp_ns(message.raw)
            if topics and (message.topic in topics or abs(stamp_ns - first_ns) > spread_ns):
                yield sorted(group, key=lambda m: m.topic in images)
                group, topics = [], set()
            first_ns = first_ns if topics else stamp_ns
            topics.add(message.topic)
        group.append(message)
    if group:
        yield sorted(group, key=lambda m: m.topic in images)
