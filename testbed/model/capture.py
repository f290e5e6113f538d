"""What packets a run is asked to keep, and what it says of those that it kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SNAP = 128
"""Bytes of a packet that are kept: its headers, and little of what a user sent."""
LIMIT = 10**9
LEAST_SNAP, MOST_SNAP = 64, 262_144


@dataclass(frozen=True)
class CaptureWish:
    """Which emulated links (by name) and ports (``node:port``) are captured; none named: every link.

    ``snap`` bytes of each packet are kept; at ``limit`` bytes in all the capture ends, and the run goes on.
    """

    of: tuple[str, ...] = ()
    snap: int = SNAP
    limit: int = LIMIT


@dataclass(frozen=True)
class Seen:
    """What one interface of the capture holds.

    ``never_left`` are packets at a link's entrance that did not come out, by what the link's own records say of
    that moment; ``in_flight`` those that were on it when the capture ended.
    """

    packets: int = 0
    bytes: int = 0
    never_left: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0


@dataclass(frozen=True)
class Capture:
    """A run's capture: its file below the run's folder, and how whole it is.

    ``dropped`` packets were seen by the kernel and not kept, null: not known, so that what never left is in
    doubt. ``stopped_ns`` and ``reason``: when and why it ended before the scenario did.
    """

    file: str
    snap: int
    limit: int
    interfaces: Mapping[str, Seen] = field(default_factory=dict)
    dropped: int | None = None
    stopped_ns: int | None = None
    reason: str = ""
