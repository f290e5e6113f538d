"""irtt's line for each reply, with the time in front at which it came: what `trace record` writes as it goes.

A packet was sent one RTT before its line came, late by the time that reading the line took; RTTs have irtt's
three digits. A lost packet has no line: it shows as a missing number, its direction is not known.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName
from testbed.traces.formats import base
from testbed.traces.formats.irtt_reply import parse_reply

_STAMPED = re.compile(r"(\d{19})(?: (.*))?\Z")
_START = re.compile(r"\d{19} (\[Connecting\]|\[.*\] \[Connected\]|seq=\d+ rtt=)")


def _recognises(head: base.Head) -> bool:
    return any(_START.match(line) for line in head.lines[:5])


def _read(path: Path) -> base.Recording:
    lines, notes = base.finished(path)
    replies: dict[int, tuple[int, int]] = {}
    last = 0
    for number, line in enumerate(lines, 1):
        place = Place(str(path), number)
        stamped = _STAMPED.match(line)
        if not stamped:
            raise InputError(place, f"{line[:60]!r} has no time in front", "give the whole recording")
        text = stamped[2] or ""
        if not text.startswith("seq="):
            continue  # irtt's words on connecting, and its summary
        reply, came_ns = parse_reply(text), int(stamped[1])
        if reply is None or reply[1] > base.MAX_RTT_NS:
            raise InputError(place, f"{text[:60]!r} is no reply of irtt's", "give the whole recording")
        if reply[0] > last + base.MAX_PROBES:
            raise InputError(place, f"seq is {reply[0]} after {last}", "give the whole recording")
        last = reply[0]
        replies.setdefault(reply[0], (came_ns - reply[1], reply[1]))
    if not replies:
        raise InputError(str(path), "no reply", "record a far end that answers")
    return _recording(path, replies, notes)


def _recording(path: Path, replies: dict[int, tuple[int, int]], notes: tuple[str, ...]) -> base.Recording:
    seq = np.array(sorted(replies), np.int64)
    sent, rtt = np.array([replies[number] for number in seq.tolist()], np.int64).T
    if found := base.leap(sent):
        raise InputError(
            str(path), f"seq {seq[found[0]]}: {found[1]}", "split the recording where its clock changes"
        )
    count = int(seq[-1]) + 1
    t = base.increasing(np.interp(np.arange(count), seq, sent - sent[0]).astype(np.int64))
    values, loss = np.zeros(count, np.int64), np.full(count, Loss.UNKNOWN, np.uint8)
    values[seq], loss[seq] = rtt, Loss.NONE
    first = int(seq[0])  # what was lost before the first reply has no time
    return base.Recording(
        series={SeriesName.RTT: Series.of(t[first:] - t[first], values[first:], loss[first:])},
        duration_ns=base.end_of(t[first:] - t[first]),
        start_ns=int(sent[0]),
        notes=(
            *notes,
            "from irtt's lines: probes lost after the last reply are unknown, RTTs have three digits",
        ),
    )


FORMAT = base.Format(
    "irtt-lines",
    "irtt's lines with times in front, as recorded",
    _recognises,
    _read,
    sign="lines of `seq= rtt= rd= sd=` behind a time in ns",
    tool="irtt 0.9 as `testbed trace record` writes its lines",
    record="testbed trace record --prober irtt",
    cannot_tell="the direction of a loss",
)
