"""irtt's line for each reply, with the time in front at which it came: what `trace record` writes as it goes.

A packet was sent one RTT before its line came, late by the time that reading the line took; RTTs have irtt's
three digits. A lost packet has no line: it shows as a missing number, its direction is not known.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Series, SeriesName
from testbed.traces.formats import base, ping_numbers
from testbed.traces.formats.irtt_reply import parse_reply

_STAMPED = re.compile(r"(\d{19})(?: (.*))?\Z")
_START = re.compile(r"(?:\d{19} )?(\[Connecting\]|\[.*\] \[Connect|seq=\d+ rtt=)")
_TAIL = re.compile(r"seq=\d+ rtt=\S+(?: \w+=\S+)*(?: \w+=?\S*| \(LATE\))?\Z")
_SENT = re.compile(r"\s*packets sent/received: (\d+)/\d+ ")
_WHOLE = "give the whole recording"


def _recognises(head: base.Head) -> bool:
    return any(_START.match(line) for line in head.lines[:5])


@dataclass
class _Log:
    """What the lines say: columns of one length for replies, in the file's order; ``sent`` by irtt's summary."""

    path: Path
    line: array[int] = field(default_factory=lambda: array("q"))
    number: array[int] = field(default_factory=lambda: array("q"))
    came_ns: array[int] = field(default_factory=lambda: array("q"))
    rtt_ns: array[int] = field(default_factory=lambda: array("q"))
    sent: int | None = None
    ended: bool = False

    def refuse(self, line: int, found: str, expected: str = _WHOLE) -> InputError:
        return InputError(Place(str(self.path), line), found, expected)

    def another(self, line: int, how: str) -> InputError:
        return self.refuse(
            line, f"{how}: a second recording begins here", "split the file there, import each"
        )


def _read(path: Path) -> base.Recording:
    lines, notes = base.finished(path)
    log = _Log(path)
    for at, line in enumerate(lines, 1):
        stamped = _STAMPED.match(line)
        if stamped:
            _take(log, at, int(stamped[1]), stamped[2] or "")
        elif _START.match(line):
            raise log.refuse(
                at, "irtt's lines without times in front", "record with: irtt client -o FILE.json.gz HOST"
            )
        elif line.strip():
            raise log.refuse(at, f"{line[:60]!r} has no time in front")
    if not log.line:
        raise InputError(str(path), "no reply", "record a far end that answers")
    return _recording(log, notes)


def _take(log: _Log, at: int, came_ns: int, text: str) -> None:
    if not text.startswith("seq="):
        _word(log, at, text)
        return
    reply = parse_reply(text) if _TAIL.match(text) else None
    if reply is None or reply[1] > base.MAX_RTT_NS:
        raise log.refuse(at, f"{text[:60]!r} is no reply of irtt's")
    if log.ended:
        raise log.another(at, "it goes on behind irtt's summary")
    last = log.number[-1] if log.line else 0
    if reply[0] > last + base.MAX_PROBES:
        raise log.refuse(at, f"seq is {reply[0]} after {last}")
    log.line.append(at)
    log.number.append(reply[0])
    log.came_ns.append(came_ns)
    log.rtt_ns.append(reply[1])


def _word(log: _Log, at: int, text: str) -> None:
    """Take what irtt says beside replies: on connecting, on duplicates and packets dropped, and its summary."""
    if "seq=" in text and not re.fullmatch(r"DUP! seq=\d+", text):
        raise log.refuse(at, f"{text[:60]!r} is no reply of irtt's")
    if log.line and "[Connect" in text:
        raise log.another(at, "irtt connects again")
    if sent := _SENT.match(text):
        log.sent = int(sent[1])
    if log.line and not text.startswith(("[", "DUP! ")):
        log.ended = True


def _recording(log: _Log, notes: tuple[str, ...]) -> base.Recording:
    number, rtt = np.array(log.number, np.int64), np.array(log.rtt_ns, np.int64)
    sent = np.array(log.came_ns, np.int64) - rtt
    if another := ping_numbers.second(number, sent):
        raise log.another(log.line[another[0]], f"seq {number[another[0]]} {another[1]}")
    order = np.argsort(number)
    number, sent, rtt = number[order], sent[order], rtt[order]
    cadence_ns = ping_numbers.cadence(number, sent)
    if found := base.leap(sent, ping_numbers.accounted(number, sent, cadence_ns)):
        at = log.line[int(order[found[0]])]
        raise log.refuse(
            at, f"seq {number[found[0]]}: {found[1]}", "split the recording where its clock changes"
        )
    if log.sent is not None and log.sent <= number[-1]:
        raise log.refuse(log.line[int(order[-1])], f"seq is {number[-1]} of {log.sent} packets sent")
    first, count = (
        int(number[0]),
        max(int(number[-1]) + 1, log.sent or 0),
    )  # what was lost before the first has no time
    if count > number[-1] + base.MAX_PROBES:
        raise InputError(str(log.path), f"{count} packets sent", _WHOLE)
    t_ns, values, loss = ping_numbers.probes(np.arange(first, count), number, sent, rtt, round(cadence_ns))
    t = base.increasing(t_ns - t_ns[0])
    unknown = "" if log.sent is not None else "probes lost after the last reply are unknown, "
    return base.Recording(
        series={SeriesName.RTT: Series.of(t, values, loss)},
        duration_ns=base.end_of(t),
        start_ns=int(sent[0]),
        notes=(*notes, f"from irtt's lines: {unknown}RTTs have three digits"),
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
