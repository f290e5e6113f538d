"""ping of iputils, BusyBox, macOS and BSD, with -D (receive times in front of the lines) or without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from testbed.traces.formats import base, ping_lines, ping_words
from testbed.traces.formats.ping_stamps import Clock, Stamps

_SIGN = re.compile(
    r"(?:^|[\]: ])PING6?[ (]\S*|(?:^|[\s:,])(?:icmp_)?(?:seq|req)=\d+ (?:ident=\d+ )?(?:ttl|hlim)=\d+"
    r"|^(?:\[\S+\] )?no answer yet for icmp_seq=\d|^Request timeout for icmp_seq \d"
)


def _recognises(head: base.Head) -> bool:
    return any(_SIGN.search(line) for line in head.lines[:50])


def _read(path: Path) -> base.Recording:
    lines, rest, crashed = base.ended(path)
    stamps = Stamps(path)
    notes: tuple[str, ...] = ()
    if rest is not None and not crashed and _is_whole(stamps, rest):
        lines.append(rest)
    elif rest is not None:
        notes = base.unfinished(len(lines) + 1)
    return read(path, lines, stamps, notes)


def read(path: Path, lines: Iterable[str], stamps: Stamps, notes: tuple[str, ...]) -> base.Recording:
    """Return the probes of ping's lines. Raises InputError."""
    log = ping_lines.parse(path, lines, stamps)
    log.clock = stamps.clock if stamps.clock is not Clock.NONE else log.clock
    found = ping_lines.recording(log)
    return replace(found, notes=(*notes, *found.notes))


def _is_whole(stamps: Stamps, line: str) -> bool:
    """Say whether a last line without end lacks nothing but its end: no number in it can have been cut."""
    said = ping_words.said(Stamps(stamps.path)(0, line)[1])
    return said is not None and said.kind is not ping_words.LineKind.REPORT


FORMAT = base.Format(
    "iputils-ping",
    "output of ping (iputils, BusyBox, macOS, BSD), with or without -D, in any language",
    _recognises,
    _read,
    sign="ping's replies, `bytes from ... icmp_seq= ... time=`",
    tool="ping of iputils (also before 2012, in any language), BusyBox, macOS, BSD",
    record="ping -D -O -i 0.01 HOST",
    cannot_tell="the direction of a loss; how TCP and UDP fare, which Starlink queues apart from ICMP; "
    "without -D, when a probe was sent: with macOS and BusyBox not even how far apart (import --cadence)",
)
