"""fping to one target, with -D (receive times in front) or without; its numbers have no 16 bits to wrap at."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Series, SeriesName, Trait
from testbed.traces.formats import base, ping_lines, ping_numbers
from testbed.traces.formats.ping_numbers import Int

_CADENCE_NS = 10**9

_STAMP = r"(?:\[(\d{9,10})\.(\d{5,6})\] )?"
_PROBE = re.compile(
    _STAMP + r"(\S+) *: \[(\d{1,12})\], (?:(?:\d+ bytes, )?(timed out)|\d+ bytes, (\d{1,12}(?:\.\d+)?) ms) "
    r"\((?:NaN|[\d.e+-]+) avg, \d+% (?:loss|return)\)(?: \([A-Z]+ [^()]*\)|, timestamps: [^:]*| \[<- \S+\])*\Z"
)
_DUPLICATE = re.compile(_STAMP + r"(\S+) *: duplicate for \[(\d{1,12})\], \d+ bytes, [\d.]+ ms[^:]*\Z")
_SUMMARY = re.compile(r"(\S+) *: xmt/rcv/%(?:loss|return) = (\d{1,12})/(\d{1,12})/\d+%(?!.*xmt)")
_ASIDE = re.compile(r"\s*|ICMP .* (?:from|sent to) [^:]*|\S+ *: (?:- |[\d.]+ )*(?:-|[\d.]+) *|\^C|fping: .*")
_SPLIT = re.compile(r"\[\d\d:\d\d:\d\d\]")
_OTHER_TIME = re.compile(r"\[[^\]]*:[^\]]*\] \S+ *: \[\d+\], ")


def _recognises(head: base.Head) -> bool:
    return any(_PROBE.match(line) or _OTHER_TIME.match(line) for line in head.lines[:20])


@dataclass
class _Log:
    """What the lines say: columns of one length, in the file's order; RTT and time are -1 where there is none."""

    path: Path
    line: array[int] = field(default_factory=lambda: array("q"))
    number: array[int] = field(default_factory=lambda: array("q"))
    rtt_ns: array[int] = field(default_factory=lambda: array("q"))
    stamp_ns: array[int] = field(default_factory=lambda: array("q"))
    target: str = ""
    duplicates: int = 0
    counted: tuple[int, int] | None = None
    counted_line: int = 0
    split: bool = False

    def refuse(self, line: int, found: str, expected: str) -> InputError:
        return InputError(Place(str(self.path), line), found, expected)

    def another(self, line: int, how: str) -> InputError:
        return self.refuse(
            line, f"{how}: a second recording begins here", "split the file there, import each"
        )


def _read(path: Path) -> base.Recording:
    lines, rest, _ = base.ended(path)
    notes = () if rest is None else base.unfinished(len(lines) + 1)
    if rest is not None and _PROBE.match(rest):
        lines, notes = [*lines, rest], ()
    log = _Log(path)
    for at, line in enumerate(lines, 1):
        _take(log, at, line)
    if not log.line:
        raise InputError(str(path), "the recording has no probes", "record with: fping -D -l -p 10 HOST")
    return _recording(log, notes)


def _take(log: _Log, at: int, line: str) -> None:
    if probe := _PROBE.match(line):
        _add(log, at, probe)
    elif duplicate := _DUPLICATE.match(line):
        if int(duplicate[4]) not in log.number:
            raise log.refuse(
                at, f"a duplicate of [{duplicate[4]}], which is not there", "give the whole recording"
            )
        log.duplicates += 1
    elif summary := _SUMMARY.match(line):
        if not log.split:  # -Q counts what was sent so far
            if log.counted:
                raise log.another(at, "a second summary")
            log.counted, log.counted_line = (int(summary[2]), int(summary[3])), at
        log.split = False
    elif _SPLIT.fullmatch(line):
        log.split = True
    elif _OTHER_TIME.match(line):
        raise log.refuse(at, f"{line[:40]!r}: whole seconds in front", "record with fping -D alone")
    elif not _ASIDE.fullmatch(line):
        raise log.refuse(
            at, f"{line[:60]!r} is no line of fping's that is known", "give the recording as it was written"
        )


def _add(log: _Log, at: int, probe: re.Match[str]) -> None:
    if log.counted:
        raise log.another(at, "it goes on behind fping's summary")
    if log.target and log.target != probe[3]:
        raise log.refuse(
            at, f"target {probe[3]} beside {log.target}", "record each target into a file of its own"
        )
    rtt_ns = -1 if probe[5] else round(float(probe[6]) * 1e6)
    if rtt_ns > base.MAX_RTT_NS:
        raise log.refuse(at, f"time is {probe[6]} ms", "a round trip takes less than 10 minutes")
    stamped = probe[1] is not None
    if log.line and stamped != (log.stamp_ns[-1] >= 0):
        raise log.refuse(
            at, "some lines have a time in front and others none", "give a recording by one tool"
        )
    log.target = probe[3]
    log.line.append(at)
    log.number.append(int(probe[4]))
    log.rtt_ns.append(rtt_ns)
    log.stamp_ns.append(int(probe[1]) * 10**9 + int(probe[2].ljust(9, "0")) if stamped else -1)


def _recording(log: _Log, notes: tuple[str, ...]) -> base.Recording:
    number, rtt, stamp = (np.array(column, np.int64) for column in (log.number, log.rtt_ns, log.stamp_ns))
    stamped = bool(stamp[0] >= 0)
    count = _count(log, number, rtt, stamp)
    spacing = ping_numbers.cadence(number, stamp - np.maximum(rtt, 0)) if stamped and len(number) > 1 else 0.0
    if stamped:
        line = np.array(log.line, np.int64).tolist()
        base.check_clock(log.path, stamp, line, ping_numbers.accounted(number, stamp, spacing))
    interval_ns = round(spacing) or _CADENCE_NS
    order = np.flatnonzero(rtt >= 0)[np.argsort(number[rtt >= 0])]
    sent = stamp[order] - rtt[order] if stamped else number[order] * interval_ns
    if len(order):
        t_ns, values, loss = ping_numbers.probes(
            np.arange(count), number[order], sent, rtt[order], interval_ns
        )
    else:
        t_ns, (values, loss) = stamp[0] + np.arange(count) * interval_ns, ping_numbers.lost(count)
    t = base.increasing(t_ns - t_ns[0])
    return base.Recording(
        series={SeriesName.RTT: Series.of(t, values, loss)},
        duration_ns=base.end_of(t),
        start_ns=int(t_ns[0]) if stamped else None,
        traits=(Trait.ICMP,) if stamped else (Trait.ICMP, Trait.NO_SEND_TIMES),
        notes=(*notes, *_notes(log, stamped=stamped)),
    )


def _count(log: _Log, number: Int, rtt: Int, stamp: Int) -> int:
    """Return how many probes there were. Raises InputError for a second recording, or a summary that says otherwise."""
    if another := ping_numbers.second(number, np.where((stamp >= 0) & (rtt >= 0), stamp - rtt, -1)):
        raise log.another(log.line[another[0]], f"[{number[another[0]]}] {another[1]}")
    count, received = int(number.max()) + 1, int((rtt >= 0).sum())
    if log.counted and (log.counted[0] < count or log.counted[1] != received):
        told = f"the summary counts {log.counted[0]} sent, {log.counted[1]} received; the file has {count}, {received}"
        raise log.refuse(log.counted_line, told, "give the whole recording, and one alone")
    count = max(count, log.counted[0] if log.counted else 0)
    if count > base.MAX_PROBES:
        raise log.refuse(
            log.line[int(number.argmax())], f"numbers reach {count - 1}", "give the whole recording"
        )
    return count


def _notes(log: _Log, *, stamped: bool) -> tuple[str, ...]:
    notes = (
        [f"{log.duplicates} duplicate replies left out: the first of each counts"] if log.duplicates else []
    )
    if not log.counted:
        notes.append("no summary: probes lost after the last line are unknown")
    return (*notes, *(() if stamped else (ping_lines.CADENCE_UNKNOWN,)))


FORMAT = base.Format(
    "fping",
    "output of fping to one target, with or without -D",
    _recognises,
    _read,
    sign="fping's lines, `HOST : [0], 64 bytes, 30.4 ms (30.4 avg, 0% loss)`",
    tool="fping 3 to 5, `-l` or `-c`",
    record="fping -D -l -p 10 HOST",
    cannot_tell="the direction of a loss; how TCP and UDP fare, which Starlink queues apart from ICMP; "
    "without -D, when a probe was sent or how far apart (import --cadence)",
)
