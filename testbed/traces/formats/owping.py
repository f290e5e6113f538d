"""owping -R: one-way delays of OWAMP (RFC 4656), a line a packet, one session or both (out, then back).

A line is: number, send time, its synchronised bit, its error, receive time (0: lost), bit, error, TTL. Times are
seconds since 1900 times 2^32. What -v and -M print has no send times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName
from testbed.traces.formats import base
from testbed.traces.formats.direction import Way, taken

_LINE = re.compile(r"(\d{1,9}) (\d{18,20}) ([01]) [-.\de+]+ (\d{1,20}) ([01]) [-.\de+]+ \d{1,3}\Z")
_OTHER = re.compile(r"seq_no=\d+ +(?:delay=|\*LOST)|--- owping statistics from |SUMMARY\s+\d")
_ERA_S = 2208988800  # from 1900 to 1970
_NAMES = {Way.UP: (SeriesName.UP_DELAY, Loss.UP), Way.DOWN: (SeriesName.DOWN_DELAY, Loss.DOWN)}


@dataclass(frozen=True)
class _Packet:
    """One line: number, when sent (ns since 1970), one-way delay (ns; None: lost), whether both clocks were set."""

    line: int
    number: int
    sent_ns: int
    delay_ns: int | None
    synchronised: bool


def _recognises(head: base.Head) -> bool:
    return any(_LINE.match(line) or _OTHER.match(line) for line in head.lines[:20])


def _read(path: Path) -> base.Recording:
    lines, rest, _ = base.ended(path)
    notes = () if rest is None else base.unfinished(len(lines) + 1)
    if rest is not None and _LINE.match(rest):
        lines, notes = [*lines, rest], ()
    packets = [_packet(path, at, line) for at, line in enumerate(lines, 1) if line.strip()]
    if not packets:
        raise InputError(str(path), "no packets", "record with owping -R")
    sessions, duplicates = _sessions(path, packets)
    if duplicates:
        notes += (f"{duplicates} duplicates left out: the first of each counts",)
    if not all(packet.synchronised for packet in packets if packet.delay_ns is not None):
        notes += ("a clock was not synchronised: delays hold its offset",)
    return _recording(path, sessions, notes)


def _packet(path: Path, at: int, line: str) -> _Packet:
    place = Place(str(path), at)
    if _OTHER.match(line):
        raise InputError(place, "what owping prints without -R has no send times", "record with owping -R")
    if not (found := _LINE.match(line)):
        raise InputError(
            place, f"{line[:60]!r} is no line of owping -R", "give the recording as it was written"
        )
    sent_ns, came = _ns(int(found[2])), int(found[4])
    delay_ns = _ns(came) - sent_ns if came else None
    if delay_ns is not None and not 0 <= delay_ns <= base.MAX_RTT_NS:
        found_delay = f"a one-way delay of {delay_ns / 1e6:g} ms"
        raise InputError(place, found_delay, "0 to 10 minutes; set both clocks by NTP, PTP or GNSS")
    return _Packet(at, int(found[1]), sent_ns, delay_ns, found[3] == found[5] == "1")


def _ns(owptime: int) -> int:
    return ((owptime * 10**9) >> 32) - _ERA_S * 10**9


def _sessions(path: Path, packets: Iterable[_Packet]) -> tuple[list[dict[int, _Packet]], int]:
    """Return the packets of each session by number, and how many duplicates there were: same number, same send time."""
    sessions: list[dict[int, _Packet]] = [{}]
    duplicates = 0
    for packet in packets:
        before = sessions[-1].get(packet.number)
        if before and before.sent_ns == packet.sent_ns:
            duplicates += 1
            continue
        if before:
            sessions.append({})
        if len(sessions) > len(_NAMES):
            place = Place(str(path), packet.line)
            raise InputError(
                place, f"number {packet.number} comes for the third time", "split the file there"
            )
        sessions[-1][packet.number] = packet
    if len(sessions) == len(_NAMES) and not _beside(*sessions):
        place = Place(str(path), next(iter(sessions[1].values())).line)
        raise InputError(place, "a second recording begins here", "split the file there, import each")
    return sessions, duplicates


def _beside(one: dict[int, _Packet], other: dict[int, _Packet]) -> bool:
    """Say whether two sessions are the two ways of one test: both from the same number on, and at the same time."""
    times = [[packet.sent_ns for packet in session.values()] for session in (one, other)]
    return min(one) == min(other) and max(map(min, times)) < min(map(max, times))


def _recording(path: Path, sessions: list[dict[int, _Packet]], notes: tuple[str, ...]) -> base.Recording:
    way, how = taken(path, Way.UP)
    ways = [way] if len(sessions) == 1 else list(_NAMES)
    notes += (how,) if len(sessions) == 1 else ("two sessions: out, then back, as owping prints them",)
    start = min(packet.sent_ns for session in sessions for packet in session.values())
    series = {}
    for direction, session in zip(ways, sessions, strict=True):
        name, loss = _NAMES[direction]
        ordered = sorted(session.values(), key=lambda packet: packet.number)
        sent = np.array([packet.sent_ns for packet in ordered], np.int64)
        base.check_clock(path, sent, [packet.line for packet in ordered])
        lost = [Loss.NONE if packet.delay_ns is not None else loss for packet in ordered]
        series[name] = Series.of(
            base.increasing(sent - start), [packet.delay_ns or 0 for packet in ordered], lost
        )
    end = base.end_of(*(found.t_ns for found in series.values()))
    return base.Recording(series=series, duration_ns=end, start_ns=start, notes=notes)


FORMAT = base.Format(
    "owping",
    "owping -R: one-way delays by OWAMP",
    _recognises,
    _read,
    by_line=True,
    sign="eight numbers a line, of which two are times of OWAMP",
    tool="owping and powstream of perfSONAR, `-R`",
    record="owping -R -c 10000 -i 0.01f HOST, both hosts' clocks set by GNSS, PTP or NTP",
    cannot_tell="which direction one session alone was (--direction); delays where the clocks are not synchronised",
)
