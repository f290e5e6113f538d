"""What led to what: events, the hub's own log lines, route changes and first packets on one clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.metrics.decomposition import Decomposition
from testbed.result.record import Record
from testbed.result.store import Result

AFTER_NS = 60_000_000_000  # after an event's end: what a hub does later is another story
BEFORE_NS = 200_000_000
LINES = 60  # of daemons, of one event
_QUARTER_NS = 900 * 10**9
_KEEPALIVED = re.compile(r"^\w{3} (\w{3} +\d+ \d\d:\d\d:\d\d(?:\.\d+)? \d{4}): (.*)$")
_FRR = re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (.*)$")
_ANCHOR = re.compile(r"^(\d{19}) session=\S+ (moved .*)$")
_DAEMONS = ("keepalived.log", "frr.log", "bird.log")


@dataclass(frozen=True)
class Occurrence:
    """One thing that happened: when (ns since the start), how exactly that is known, who says so, and what."""

    t_ns: int
    source: str
    what: str
    kind: str
    within_ns: int = 0


@dataclass(frozen=True)
class Chain:
    """What followed one event, in the order of time; ``left_out`` daemons' lines had no room."""

    title: str
    start_ns: int
    occurrences: tuple[Occurrence, ...]
    left_out: int = 0


def chains(result: Result) -> tuple[Chain, ...]:
    """Return the chain of every event that touched the hub's traffic, or of all events where none did."""
    record = result.record
    if record.started_ns is None:
        return ()
    said = heard(result)
    found = {(d.impairment_ns, d.uplink, d.kind): d for d in record.decomposition}
    events = sorted(record.facts.events, key=lambda event: event.start_ns)
    made = []
    for event in events:
        moments = found.get((event.start_ns, event.uplink, event.kind))
        if found and moments is None:
            continue
        later = [e.start_ns for e in events if e.start_ns > event.start_ns]
        until = min([event.end_ns + AFTER_NS, *(t - BEFORE_NS for t in later if t > event.end_ns)])
        title = event.title or f"{event.uplink} {event.kind}".strip()
        near = [each for each in said if event.start_ns - BEFORE_NS <= each.t_ns < until]
        seen = [
            Occurrence(event.start_ns, "event", f"{title} begins", "event"),
            Occurrence(event.end_ns, "event", f"{title} is over", "event"),
            *(_moments(moments) if moments else ()),
        ]
        # A line with whole seconds was written at or after its time, so that it stands before what has more digits.
        ordered = sorted([*seen, *near[:LINES]], key=lambda each: each.t_ns)
        made.append(Chain(title, event.start_ns, tuple(ordered), len(near) - len(near[:LINES])))
    return tuple(made)


def heard(result: Result) -> list[Occurrence]:
    """Return all that the hub's daemons, its uplink manager and the tenant's end said, in the order of time."""
    return sorted(_said(result.folder / "logs", result.record), key=lambda each: each.t_ns)


def _moments(found: Decomposition) -> Iterator[Occurrence]:
    told = (
        (found.first_lost_ns, "heartbeat", "the first lost heartbeat is sent"),
        (found.first_backup_ns, "links", f"first packet of the heartbeat on {found.backup}"),
        (found.first_good_ns, "heartbeat", "the first answered heartbeat after the gap is sent"),
        (found.service_lost_ns, "requests", "the first request has gone wrong"),
        (found.service_back_ns, "requests", "first whole answer from the tenant"),
        (found.returned_ns, "links", f"the heartbeat is back on {found.uplink}"),
        (found.new_returned_ns, "links", f"new flows are back on {found.uplink}"),
    )
    for t_ns, source, what in told:
        if t_ns is not None:
            yield Occurrence(t_ns, source, what, "packet")


def _said(logs: Path, record: Record) -> Iterator[Occurrence]:
    """Yield what the hub's daemons, its uplink manager and the tenant's end said, in ns since the start."""
    origin = record.started_ns or 0
    for path in sorted(logs.rglob("*")):
        if not path.is_file():
            continue
        if path.name == "uplinks.jsonl":
            for entry in _json_lines(path):
                what = f"{entry.get('uplink')} {entry.get('state')}"
                yield Occurrence(entry["at_ns"] - origin, "hub's routes", what, "route")
        elif path.name == "overflow.jsonl":
            for entry in _json_lines(path):
                yield Occurrence(
                    entry["at_ns"] - origin,
                    "hub's overflow",
                    f"overflow {'on' if entry.get('overflow') else 'off'}, queueing {entry.get('queueing_ms')} ms",
                    "route",
                )
        elif path.name in _DAEMONS:
            yield from _daemon(path, record)
        elif path.name.endswith("-anchor.log"):
            for line in _lines(path):
                if match := _ANCHOR.match(line):
                    yield Occurrence(int(match[1]) - origin, path.stem, match[2], "packet")


def _daemon(path: Path, record: Record) -> Iterator[Occurrence]:
    """Yield a daemon's lines; its time of day is local, so that the zone is told from the run's own start."""
    origin, zone_ns = record.started_ns or 0, None
    for line in _lines(path):
        when, text, formats = "", "", ("", "")
        if match := _KEEPALIVED.match(line):
            when, text, formats = match[1], match[2], ("%b %d %H:%M:%S %Y", "%b %d %H:%M:%S.%f %Y")
        elif match := _FRR.match(line):
            when, text, formats = match[1], match[2], ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f")
        if not when:
            continue
        exact = "." in when
        try:
            local = datetime.strptime(" ".join(when.split()), formats[exact]).replace(tzinfo=UTC)
        except ValueError:
            continue
        local_ns = int(local.timestamp()) * 10**9 + local.microsecond * 1000
        if zone_ns is None:
            zone_ns = round((local_ns - record.created_ns) / _QUARTER_NS) * _QUARTER_NS
        yield Occurrence(local_ns - zone_ns - origin, path.stem, text, "daemon", 0 if exact else 10**9)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in _lines(path):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last one of a killed run
        if isinstance(entry, dict) and isinstance(entry.get("at_ns"), int):
            yield entry
