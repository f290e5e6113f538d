"""The lines that iputils and busybox ping print, whatever stands in front of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base

REPLY = re.compile(r"\d+ bytes from .+?: (?:icmp_)?seq=(\d+) (?:ttl|hlim)=\d+ time=(\d+(?:\.\d+)?) ms(.*)\Z")
_LOST = re.compile(r"(?:no answer yet for|From .+) icmp_seq=(\d+)\b.*\Z")
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received,.*?(?:time (\d+) ?ms)?\Z")
_OTHER = re.compile(
    r"(\s*|\^C.*|PING .*|ping\d?: .*|--- .* ---|(rtt|round-trip) min/.*|\d+ packets trans.*|pipe \d.*)\Z"
)
_SEQ_MODULO = 65536
_DEFAULT_INTERVAL_NS = 10**9


@dataclass
class PingLog:
    """What a ping's output says; ``stamp_ns`` is the receive time of each reply, where printed."""

    path: Path
    line: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    rtt_ns: list[int] = field(default_factory=list)
    stamp_ns: list[int] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)  # lost, and said so: last received seq + distance
    duplicates: int = 0
    header: bool = False
    sent: int | None = None
    took_ns: int | None = None
    epoch: int = 0  # how often the 16-bit sequence number has wrapped, times 65536

    def unwrapped(self, seq: int) -> int:
        """Return a 16-bit sequence number as a count that never wraps."""
        last = self.seq[-1] if self.seq else seq
        return last + (seq - last + _SEQ_MODULO // 2) % _SEQ_MODULO - _SEQ_MODULO // 2


Stamp = Callable[[int, str], tuple[int | None, str]]
"""Split line (number, text) into the time in front of it (ns, or None) and ping's own text."""


def parse(path: Path, lines: Sequence[str], stamp: Stamp) -> PingLog:
    """Read ping's output. Raises InputError at the first line that ping would not print."""
    log = PingLog(path)
    seen: set[int] = set()
    for number, line in enumerate(lines, 1):
        time_ns, text = stamp(number, line)
        if reply := REPLY.match(text):
            _add(log, seen, number, time_ns, reply)
        elif lost := _LOST.match(text):
            log.reported.append(log.unwrapped(int(lost[1])))
        elif _OTHER.match(text):
            log.header |= text.startswith("PING ")
            _summary(log, number, text)
        else:
            found = f"{text[:60]!r} is not a line that ping prints"
            raise InputError(
                Place(str(path), number),
                found,
                "remove it if the recording was cut short here",
            )
    return log


def _add(log: PingLog, seen: set[int], number: int, time_ns: int | None, reply: re.Match[str]) -> None:
    place = Place(str(log.path), number)
    seq, rtt_ns = int(reply[1]), round(float(reply[2]) * 1e6)
    if seq >= _SEQ_MODULO:
        raise InputError(place, f"icmp_seq is {seq}", "it has 16 bits: at most 65535")
    if rtt_ns > base.MAX_RTT_NS:
        raise InputError(place, f"time is {reply[2]} ms", "a round trip takes less than 10 minutes")
    if (time_ns is None) != (not log.stamp_ns) and log.seq:
        found = "some replies have a time in front and this one has " + ("none" if time_ns is None else "one")
        raise InputError(place, found, "give a recording by one tool")
    count = log.unwrapped(seq)
    if count in seen:
        log.duplicates += 1
        return
    seen.add(count)
    log.line.append(number)
    log.seq.append(count)
    log.rtt_ns.append(rtt_ns)
    if time_ns is not None:
        log.stamp_ns.append(time_ns)


def _summary(log: PingLog, number: int, text: str) -> None:
    if not (summary := _SUMMARY.match(text)):
        return
    sent, received = int(summary[1]), int(summary[2])
    if received != len(log.seq):
        found = f"the summary counts {received} replies, the file has {len(log.seq)}"
        raise InputError(Place(str(log.path), number), found, "give the whole recording")
    log.sent = sent
    log.took_ns = int(summary[3]) * 10**6 if summary[3] else None


def recording(log: PingLog, start_ns: int | None = None) -> base.Recording:
    """Return the probes of a ping: send times, losses from missing sequence numbers.

    ``start_ns`` (UTC) is where a recording without any reply begins.
    Raises InputError for a recording without probes, and for a clock that leaps.
    """
    first = (0 if 0 in log.seq else 1) if log.header else min(log.seq + log.reported, default=1)
    last = max([*log.seq, *log.reported, first + (log.sent or 0) - 1])
    if last < first or last - first >= base.MAX_PROBES:
        raise InputError(
            str(log.path),
            "the recording has no probes",
            "record with: ping -D -i 0.01 HOST",
        )
    count = np.arange(first, last + 1)
    order = np.argsort(log.seq)
    seq = np.array(log.seq, np.int64)[order]
    rtt, loss = (
        np.zeros(len(count), np.int64),
        np.full(len(count), Loss.UNKNOWN, np.uint8),
    )
    rtt[seq - first] = np.array(log.rtt_ns, np.int64)[order]
    loss[seq - first] = Loss.NONE
    sent_ns = _send_times(log, count, seq, order, start_ns)
    origin = int(sent_ns[0])
    t_ns = base.increasing(sent_ns - origin)
    stamped = bool(log.stamp_ns) or start_ns is not None
    return base.Recording(
        series={SeriesName.RTT: Series.of(t_ns, rtt, loss)},
        duration_ns=base.end_of(t_ns),
        start_ns=origin if stamped else None,
        traits=(Trait.ICMP,) if stamped else (Trait.ICMP, Trait.NO_SEND_TIMES),
        notes=_notes(log, first),
    )


def _send_times(
    log: PingLog,
    count: NDArray[np.int64],
    seq: NDArray[np.int64],
    order: NDArray[np.intp],
    start_ns: int | None,
) -> NDArray[np.int64]:
    """A printed time is the RECEIVE time: a probe was sent its RTT earlier; lost ones in between."""
    if not log.stamp_ns:
        interval = log.took_ns // (len(count) - 1) if log.took_ns and len(count) > 1 else _DEFAULT_INTERVAL_NS
        return np.asarray((start_ns or 0) + (count - count[0]) * interval, np.int64)
    stamps = np.array(log.stamp_ns, np.int64)
    base.check_clock(log.path, stamps, log.line)
    sent = (stamps - np.array(log.rtt_ns, np.int64))[order]
    slope = np.diff(sent) / np.diff(seq)
    interval = round(float(np.median(slope))) if len(slope) else _DEFAULT_INTERVAL_NS
    inside = np.interp(count, seq, sent - sent[0]).round().astype(np.int64) + sent[0]
    before = np.minimum(count - seq[0], 0) * interval
    after = np.maximum(count - seq[-1], 0) * interval
    return np.asarray(inside + before + after, np.int64)


def _notes(log: PingLog, first: int) -> tuple[str, ...]:
    notes = []
    if log.duplicates:
        notes.append(f"{log.duplicates} duplicate replies left out: the first of each counts")
    if not log.header:
        notes.append(f"no header: probes before sequence number {first} are unknown")
    if log.sent is None:
        notes.append("no summary: probes lost after the last reply are unknown")
    return tuple(notes)
