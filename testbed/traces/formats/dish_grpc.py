"""What a Starlink dish says about itself: get_history and get_status, by grpcurl or `testbed trace record`.

History: rings of 900 s at 1 Hz, the newest at index (current - 1) mod 900; outages in GPS time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import EventKind, TraceEvent
from testbed.traces.formats import base, clock, dish_series, documents, prefixed_ping

S = 10**9
GPS_TO_UTC_S = 315964800 - 18
"""GPS time counts from 1980-01-06 and has no leap seconds: 18 fewer since 2017."""
_SMOOTHED = (
    "steps and spikes within a second, which the dish smooths; what the path could carry: throughput is usage"
)


@dataclass(frozen=True)
class _Outage:
    """What the dish tells of an outage: UTC start and length (ns), and its cause."""

    start_ns: int
    length_ns: int
    cause: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> _Outage:
        """Read it from JSON, where 64-bit numbers are text."""
        began, lasted = int(item["startTimestampNs"]), int(item.get("durationNs", 0))
        return cls(began + GPS_TO_UTC_S * S, lasted, str(item.get("cause", "UNKNOWN")))


def _inside(
    outages: Sequence[_Outage], start: int, duration: int
) -> tuple[tuple[TraceEvent, ...], tuple[str, ...]]:
    """Return the outages that lie in a recording's time, cut to it, and a note on the others."""
    events = []
    for outage in sorted(outages, key=lambda o: (o.start_ns, o.length_ns)):
        begin = max(outage.start_ns - start, 0)
        end = min(outage.start_ns - start + outage.length_ns, duration)
        if begin < end:
            events.append(TraceEvent(begin, EventKind.OUTAGE, end - begin, outage.cause))
    left = len(outages) - len(events)
    note = f"{left} of {len(outages)} outages lie outside the recording's time"
    return tuple(events), (note,) if left else ()


# --- get_history

_RINGS = ("popPingLatencyMs", "popPingDropRate", "downlinkThroughputBps", "uplinkThroughputBps")


def _read_history(path: Path) -> base.Recording:
    lines = base.lines(path)
    taken_ns = None
    if prefixed_ping.START.match(lines[0]):
        taken_ns = prefixed_ping.start_of(path, lines)
        if not prefixed_ping.END.match(lines[-1]):
            raise InputError(
                Place(str(path), len(lines)), "no 'End time:' line at the end", "give the whole dump"
            )
        lines = ["", *lines[1:-1], ""]
    with documents.shape(path, "a get_history dump"):
        history = documents.only(path, lines, "answer")["dishGetHistory"]
        rings = {key: [None if v is None else float(v) for v in history[key]] for key in _RINGS}
        current, size = int(history["current"]), len(rings["popPingLatencyMs"])
        if len({len(ring) for ring in rings.values()}) != 1 or size == 0 or current <= 0:
            raise ValueError("the rings have different lengths, or nothing was recorded")
        order = [i % size for i in range(max(0, current - size), current)]
        latency, drop, down, up = ([rings[key][i] for i in order] for key in _RINGS)
        t = np.arange(len(order), dtype=np.int64) * S
        series, notes = dish_series.path_series(t, latency, drop)
        context = dish_series.usage(t, down, up)
        outages = [_Outage.of(item) for item in history.get("outages") or []]
    duration = len(order) * S
    if taken_ns is None:
        events, more = (), ("no 'Start time:' around the dump: its outages cannot be placed",)
        return base.Recording(series, duration, None, events, context, dish_series.TRAITS, notes + more)
    placed, left = _inside(outages, taken_ns - duration, duration)
    return base.Recording(
        series, duration, taken_ns - duration, placed, context, dish_series.TRAITS, notes + left
    )


# --- get_status

_STATUS = re.compile(r"req: (\S+) \| res: (\S+) \| data: (\{.*\})\s*\Z")


@dataclass
class _Replies:
    """Replies in order: when each came (UTC ns), in which line, and what it says."""

    t_ns: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rings: dict[str, list[float | None]] = field(default_factory=lambda: {key: [] for key in _RINGS})
    outages: dict[int, _Outage] = field(default_factory=dict)
    dishes: set[str] = field(default_factory=set)

    def add(self, path: Path, line: int, t_ns: int, status: Mapping[str, Any]) -> None:
        """Add one. Raises InputError for a second dish."""
        self.dishes |= {str((status.get("deviceInfo") or {}).get("id", ""))} - {""}
        if len(self.dishes) > 1:
            found = f"a second dish: {' and '.join(sorted(self.dishes))}"
            raise InputError(Place(str(path), line), found, "give the replies of one")
        self.lines.append(line)
        self.t_ns.append(t_ns)
        for key in _RINGS:  # a number that is 0 is left out of JSON
            value = status.get(key, 0)
            self.rings[key].append(None if value is None else float(value))
        if status.get("outage"):  # the last one, which grows while it lasts
            outage = _Outage.of(status["outage"])
            known = self.outages.get(outage.start_ns)
            if known is None or known.length_ns < outage.length_ns:
                self.outages[outage.start_ns] = outage


def _read_status(path: Path) -> base.Recording:
    lines, rest, _ = base.ended(path)
    cut = rest is not None and not _STATUS.match(rest)
    lines += [rest] if rest is not None and not cut else []
    if not any(line.startswith("req: ") for line in lines):
        raise _readings_alone(path, base.lines(path))
    replies = _Replies()
    for number, line in enumerate(lines, 1):
        if prefixed_ping.START.match(line) or prefixed_ping.END.match(line) or not line.strip():
            continue
        with documents.shape(path, "a get_status reply", f"line {number}"):
            if not (match := _STATUS.match(line)):
                expected = "write 'req: TIME | res: TIME | data: {JSON}'"
                raise InputError(Place(str(path), number), f"{line[:60]!r}", expected)
            replies.add(path, number, iso_ns(match[2]), json.loads(match[3])["dishGetStatus"])
    if len(replies.t_ns) < 2:
        raise _readings_alone(path, ["{}"])
    stamp = np.array(replies.t_ns, np.int64)
    notes = clock.checked(path, stamp, replies.lines) + (base.unfinished(len(lines) + 1) if cut else ())
    t = base.increasing(stamp - stamp[0])
    latency, drop, down, up = (replies.rings[key] for key in _RINGS)
    with documents.shape(path, "a get_status recording"):
        series, unsaid = dish_series.path_series(t, latency, drop)
        context = dish_series.usage(t, down, up)
    end, start = base.end_of(t), int(stamp[0])
    events, left = _inside(list(replies.outages.values()), start, end)
    return base.Recording(series, end, start, events, context, dish_series.TRAITS, notes + unsaid + left)


def _readings_alone(path: Path, lines: Sequence[str]) -> InputError:
    found, _ = documents.documents(path, lines)
    if len(found) == 1:
        return InputError(str(path), "one reading is no recording", "poll it, or use get_history")
    expected = "write 'req: TIME | res: TIME | data: {JSON}', as `testbed trace record` does"
    return InputError(str(path), f"{len(found)} readings without their times", expected)


def iso_ns(text: str) -> int:
    """Return an ISO 8601 time with its zone as UTC ns. Raises ValueError where the zone is missing."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    found = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if abs(found) >= 2**63:
        raise ValueError(f"time {text!r} is none of our time")
    return found


HISTORY = base.Format(
    "dish-history",
    "get_history of a Starlink dish",
    lambda head: '"dishGetHistory"' in head.text[:2000],
    _read_history,
    sign="`dishGetHistory`",
    tool="get_history of a Starlink dish, by grpcurl",
    record="grpcurl every 15 minutes, each answer a file, between lines `Start time:` and `End time:` (epoch, ms)",
    cannot_tell=_SMOOTHED,
)
STATUS = base.Format(
    "dish-status",
    "get_status replies of a Starlink dish",
    lambda head: '"dishGetStatus"' in head.text[:8000],
    _read_status,
    by_line=True,
    sign='`req: TIME | res: TIME | data: {"dishGetStatus" ...}`',
    tool="get_status of a Starlink dish, by grpcurl or `testbed trace record`",
    record="testbed trace record --dish 192.168.100.1:9200, which polls it twice a second",
    cannot_tell=f"{_SMOOTHED}; RTT with firmware 2024.11, which leaves it out",
)
