"""ping, with -D (receive times in front of the lines) or without."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.traces.formats import base, ping_lines

_STAMP = re.compile(r"\[(\d{1,10})\.(\d{6})\] ")


def _stamp(number: int, line: str) -> tuple[int | None, str]:
    found = _STAMP.match(line)
    if found is None:
        return None, line
    return int(found[1]) * 10**9 + int(found[2]) * 1000, line[found.end() :]


def _recognises(head: base.Head) -> bool:
    return any(
        ping_lines.REPLY.match(_stamp(0, line)[1]) or line.startswith("PING ") for line in head.lines[:50]
    )


def _read(path: Path) -> base.Recording:
    return ping_lines.recording(ping_lines.parse(path, base.lines(path), _stamp))


FORMAT = base.Format(
    "iputils-ping",
    "output of ping, with or without -D",
    _recognises,
    _read,
    by_line=True,
    sign="ping's replies, `bytes from ... icmp_seq= ... time=`",
    tool="ping of iputils",
    record="ping -D -O -i 0.01 HOST",
    cannot_tell="the direction of a loss; how TCP and UDP fare, which Starlink queues apart from ICMP; "
    "without -D, when a probe was sent",
)
