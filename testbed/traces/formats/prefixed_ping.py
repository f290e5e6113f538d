"""ping with a local time in front of each line and `Start time:` / `End time:` around it (nuwins `*.out`).

The local time has no zone: it is told by `Start time:` (epoch, ms), rounded to a quarter of an hour.
The .csv beside such a file leaves lost probes out: import the .out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from testbed.errors import InputError, Place
from testbed.traces.formats import base, ping_lines, ping_stamps

PREFIX = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\] ?")
START = re.compile(r"Start time: (\d{1,13})\s*\Z")
END = re.compile(r"End time: (\d{1,13})\s*\Z")
_QUARTER_NS = 900 * 10**9


def local_ns(path: Path, number: int, text: str) -> int:
    """Return a local time as if it were UTC, in ns. Raises InputError for a date that does not exist."""
    return ping_stamps.date_ns(path, number, text)


def start_of(path: Path, lines: Sequence[str]) -> int:
    """Return `Start time:` in ns. Raises InputError where the first line has none."""
    if not (start := START.match(lines[0])):
        raise InputError(Place(str(path), 1), f"{lines[0][:60]!r}", "begin with 'Start time: <epoch in ms>'")
    return int(start[1]) * 10**6


def zone_ns(start_ns: int, first_local_ns: int) -> int:
    """Return local time minus UTC, to the nearest quarter of an hour."""
    return round((first_local_ns - start_ns) / _QUARTER_NS) * _QUARTER_NS


def _recognises(head: base.Head) -> bool:
    lines = head.lines[:3]
    if not lines or not START.match(lines[0]):
        return False
    return len(lines) > 1 and (
        bool(END.match(lines[1])) or bool(re.match(PREFIX.pattern + "PING ", lines[1]))
    )


def _read(path: Path) -> base.Recording:
    lines = base.lines(path)
    start_ns = start_of(path, lines)
    if not END.match(lines[-1]):
        raise InputError(
            Place(str(path), len(lines)), "no 'End time:' line at the end", "give the whole recording"
        )
    zone = 0
    if len(lines) > 2 and (first := PREFIX.match(lines[1])):
        zone = zone_ns(start_ns, local_ns(path, 2, first[1]))

    def stamp(number: int, line: str) -> tuple[int | None, str]:
        if number in (1, len(lines)):
            return None, ""
        found = PREFIX.match(line)
        if found is None and (START.match(line) or END.match(line)):
            raise InputError(
                Place(str(path), number),
                f"{line[:60]!r}: a second recording in one file",
                "split the file there, import each",
            )
        return (local_ns(path, number, found[1]), line[found.end() :]) if found else (None, line)

    log = ping_lines.parse(path, lines, stamp)
    log.clock = ping_stamps.Clock.LOCAL
    return ping_lines.recording(log, start_ns, zone)


FORMAT = base.Format(
    "prefixed-ping",
    "ping with local times and Start/End lines (nuwins *.out)",
    _recognises,
    _read,
    sign="`Start time:` in front of ping's lines with local times",
    tool="ping inside the scripts of the nuwins data sets (`*.out`)",
    record="the .out, not the .csv beside it, which leaves losses out",
    cannot_tell="the direction of a loss; how TCP and UDP fare, which Starlink queues apart from ICMP",
)
