"""The lines that ping prints, whatever stands in front of them, become probes.

A printed time is the one at which a reply came. A lost probe has no reply: its number is missing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import Series, SeriesName, Trait
from testbed.traces.formats import base, ping_words
from testbed.traces.formats.ping_numbers import (
    MODULO,
    Int,
    Summary,
    UncountedError,
    accounted,
    between,
    cadence,
    counts,
    lost,
    probes,
    second,
)
from testbed.traces.formats.ping_stamps import Clock, straightened
from testbed.traces.formats.ping_words import LineKind, Said
from testbed.units import format_duration

_DEFAULT_CADENCE_NS = 10**9
_BACK_NS = 20 * 10**6
"""A clock that seems to go back by more was set."""

Stamp = Callable[[int, str], tuple[int | None, str]]
"""Split line (number, text) into the time in front of it (ns, or None) and ping's own text."""


def _longs() -> array[int]:
    return array("q")


@dataclass
class PingLog:
    """What a ping's output says, line by line: columns of one length, for replies, duplicates and reports.

    ``rtt_ns`` is -1 of a duplicate and -2 of a report (no answer yet, unreachable); ``stamp_ns`` is -1 where
    no time is in front. ``counted_from``: the first number, where the header tells.
    """

    path: Path
    clock: Clock
    line: array[int] = field(default_factory=_longs)
    number: array[int] = field(default_factory=_longs)
    rtt_ns: array[int] = field(default_factory=_longs)
    stamp_ns: array[int] = field(default_factory=_longs)
    header: bool = False
    counted_from: int | None = None
    summary: Summary | None = None
    summary_line: int = 0
    fenced: bool = False
    notes: tuple[str, ...] = ()

    def refuse(self, line: int, found: str, expected: str) -> InputError:
        """Return the error about a line."""
        return InputError(Place(str(self.path), line), found, expected)

    def another(self, line: int, how: str) -> InputError:
        """Return the error about a second recording in one file."""
        return self.refuse(
            line, f"{how}: a second recording begins here", "split the file there, import each"
        )


def parse(path: Path, lines: Iterable[str], stamp: Stamp) -> PingLog:
    """Read ping's output. Raises InputError at the first line that ping would not print."""
    log = PingLog(path, Clock.UTC)
    plain = ping_words.PLAIN.match
    for at, line in enumerate(lines, 1):
        if (reply := plain(line)) and not log.summary:
            log.line.append(at)
            log.number.append(int(reply[3]))
            log.rtt_ns.append(round(float(reply[4]) * 1e6))
            log.stamp_ns.append(int(reply[1]) * 10**9 + int(reply[2]) * 1000 if reply[1] else -1)
            continue
        time_ns, text = stamp(at, line)
        said = ping_words.said(text, fenced=log.fenced)
        if said is None:
            raise log.refuse(at, *ping_words.why_not(text))
        _take(log, at, time_ns, said)
    return log


def _take(log: PingLog, at: int, time_ns: int | None, said: Said) -> None:
    log.fenced = said.kind is LineKind.FENCE
    if said.kind in (LineKind.ASIDE, LineKind.FENCE):
        return
    if log.summary and said.kind is not LineKind.HEADER:
        raise log.another(at, "it goes on behind ping's summary")
    if said.kind is LineKind.HEADER:
        if log.header or log.line or log.summary:
            raise log.another(at, "a second PING header")
        log.header = True
        log.counted_from = None if said.from_0 is None else 0 if said.from_0 else 1
    elif said.kind is LineKind.SUMMARY:
        log.summary, log.summary_line = Summary(said.number, said.received, said.took_ns), at
    else:
        log.line.append(at)
        log.number.append(said.number)
        log.rtt_ns.append({LineKind.DUPLICATE: -1, LineKind.REPORT: -2}.get(said.kind, said.rtt_ns))
        log.stamp_ns.append(-1 if time_ns is None else time_ns)


@dataclass(frozen=True, eq=False)
class _Columns:
    """A log's columns as arrays, each of shape (n,)."""

    line: Int
    number: Int
    rtt_ns: Int
    stamp_ns: Int

    @property
    def replied(self) -> NDArray[np.bool_]:
        return self.rtt_ns >= 0


def recording(log: PingLog, start_ns: int | None = None, zone_ns: int | None = None) -> base.Recording:
    """Return the probes of a ping: send times, losses from missing sequence numbers.

    ``start_ns`` (UTC) is where a recording without any time begins; ``zone_ns`` what local times are ahead of UTC.
    Raises InputError for a recording without probes, for a second one in the file, for numbers that
    cannot be counted, and for a clock that leaps.
    """
    found = _Columns(
        *(np.array(column, np.int64) for column in (log.line, log.number, log.rtt_ns, log.stamp_ns))
    )
    _check(log, found)
    stamped = bool((found.stamp_ns[found.replied] >= 0).any()) or (
        not found.replied.any() and bool((found.stamp_ns >= 0).any())
    )
    spacing = _spacing(found) if stamped else 0.0
    found, log.notes = _straightened(log, found, spacing)
    timed = found.stamp_ns >= 0
    base.check_clock(
        log.path,
        found.stamp_ns[timed],
        found.line[timed].tolist(),
        np.ones(max(0, int(timed.sum()) - 1), bool),
    )
    count = _counted(log, found, spacing if stamped else None)
    _check_repeats(log, found, count)
    first = _first(log, count)
    last = max(int(count.max(initial=first - 1)), first + (log.summary.sent if log.summary else 0) - 1)
    if last < first:
        raise InputError(str(log.path), "the recording has no probes", "record with: ping -D -i 0.01 HOST")
    if last - first >= base.MAX_PROBES:
        raise log.refuse(int(found.line[-1]), f"sequence numbers reach {last}", "give the whole recording")
    t_ns, rtt_ns, loss = _probes(
        log, found, count, np.arange(first, last + 1), spacing if stamped else None, start_ns or 0
    )
    known = (stamped and (log.clock is Clock.UTC or zone_ns is not None)) or start_ns is not None
    origin = int(t_ns[0]) - ((zone_ns or 0) if stamped else 0)
    t_ns = base.increasing(t_ns - t_ns[0])
    return base.Recording(
        series={SeriesName.RTT: Series.of(t_ns, rtt_ns, loss)},
        duration_ns=base.end_of(t_ns),
        start_ns=origin if known else None,
        traits=(Trait.ICMP,) if stamped or start_ns is not None else (Trait.ICMP, Trait.NO_SEND_TIMES),
        notes=_notes(log, found, first, stamped=stamped, zoned=zone_ns is not None),
    )


# --- what a reply cannot be


def _check(log: PingLog, found: _Columns) -> None:
    replied = found.replied
    for at in np.flatnonzero(replied & (found.number >= MODULO))[:1]:
        raise log.refuse(
            int(found.line[at]), f"icmp_seq is {found.number[at]}", "it has 16 bits: at most 65535"
        )
    for at in np.flatnonzero(found.rtt_ns > base.MAX_RTT_NS)[:1]:
        took = f"time is {found.rtt_ns[at] / 1e6:.0f} ms"
        raise log.refuse(int(found.line[at]), took, "a round trip takes less than 10 minutes")
    stamped = found.stamp_ns[replied] >= 0
    for at in np.flatnonzero(stamped != stamped[:1])[:1]:
        which = "one" if stamped[at] else "none"
        words = f"some replies have a time in front and this one has {which}"
        raise log.refuse(int(found.line[replied][at]), words, "give a recording by one tool")
    if replied.any() and not (found.rtt_ns > 0).any():
        raise log.refuse(int(found.line[replied][0]), "no reply has an RTT", "give a recording with times")


def _check_repeats(log: PingLog, found: _Columns, count: Int) -> None:
    """A number comes once, unless ping says (DUP!) of it, and not behind later ones that left before it."""
    replied = found.replied
    replies = count[replied]
    sent = np.where(found.stamp_ns >= 0, found.stamp_ns - found.rtt_ns, -1)[replied]
    if another := second(replies, sent):
        number = found.number[replied][another[0]]
        raise log.another(int(found.line[replied][another[0]]), f"number {number} {another[1]}")
    for at in np.flatnonzero((found.rtt_ns == -1) & ~np.isin(count, replies))[:1]:
        what = f"a duplicate of number {found.number[at]}, of which the file has no reply"
        raise log.refuse(int(found.line[at]), what, "give the whole recording")
    if log.summary and log.summary.received != len(replies):
        what = f"the summary counts {log.summary.received} replies, the file has {len(replies)}"
        raise log.refuse(log.summary_line, what, "give the whole recording")


# --- which probes there were


def _spacing(found: _Columns) -> float:
    """Return the usual distance in ns of probes by the times in front."""
    timed = (found.stamp_ns >= 0) & (found.replied if found.replied.sum() > 1 else found.rtt_ns == -2)
    return cadence(found.number[timed], (found.stamp_ns - np.maximum(found.rtt_ns, 0))[timed])


def _straightened(log: PingLog, found: _Columns, spacing: float) -> tuple[_Columns, tuple[str, ...]]:
    if log.clock not in (Clock.LOCAL, Clock.DAY):
        return found, ()
    timed = found.stamp_ns >= 0
    steps = np.diff(found.number[timed]) % MODULO
    passed = np.where(steps < MODULO // 2, steps, 0) * spacing
    times, notes = straightened(log.clock, found.stamp_ns[timed], passed)
    stamps = found.stamp_ns.copy()
    stamps[timed] = times
    return _Columns(found.line, found.number, found.rtt_ns, stamps), notes


def _counted(log: PingLog, found: _Columns, spacing: float | None) -> Int:
    if not len(found.number):
        return found.number
    sent = None
    if log.summary:
        start = log.counted_from if log.counted_from is not None else int(found.number[0])
        sent = log.summary.sent - (int(found.number[0]) - start)
    times = None
    if spacing:
        behind = np.where(found.rtt_ns == -2, int(spacing), np.maximum(found.rtt_ns, 0))
        times = np.where(found.stamp_ns >= 0, np.maximum(found.stamp_ns - behind, 0), -1)
    try:
        return counts(found.number, times, spacing or 0.0, sent)
    except UncountedError as error:
        raise log.refuse(int(found.line[error.at]), error.found, error.expected) from None


def _first(log: PingLog, count: Int) -> int:
    """Return the number of the first probe. Raises InputError for numbers that the header or the summary denies."""
    first = log.counted_from if log.counted_from is not None else int(count.min()) if len(count) else 1
    if not len(count):
        return first
    lowest, highest = int(count.min()), int(count.max())
    if lowest == 0 or (log.summary and first == 0 and highest == log.summary.sent):
        first = min(lowest, 1)
    if lowest < first:
        at = int(log.line[int(count.argmin())])
        raise log.refuse(at, f"number {lowest} where ping counts from {first}", "give the whole recording")
    if log.summary and first + log.summary.sent - 1 < highest:
        found = f"the summary counts {log.summary.sent} probes, the numbers reach {highest}"
        raise log.refuse(log.summary_line, found, "give the whole recording, and one alone")
    return first


def _probes(
    log: PingLog, found: _Columns, count: Int, all_counts: Int, spacing: float | None, start_ns: int
) -> tuple[Int, Int, NDArray[np.uint8]]:
    """Return send time, RTT and loss of all probes; a reply whose RTT ping set to 0 has its neighbours'."""
    replied = found.replied
    order = np.argsort(count[replied])
    answered, rtt_ns = count[replied][order], found.rtt_ns[replied][order]
    unknown = rtt_ns == 0
    if unknown.any():
        rtt_ns = np.where(unknown, np.interp(answered, answered[~unknown], rtt_ns[~unknown]), rtt_ns).astype(
            np.int64
        )
        log.notes += (
            f"{int(unknown.sum())} replies have no RTT (ping prints 0 where the clock was set back): "
            "taken between those of their neighbours",
        )
    if spacing is None:
        interval_ns = _interval(log, len(all_counts))
        sent = start_ns + (answered - all_counts[0]) * interval_ns
        if not len(answered):
            return start_ns + (all_counts - all_counts[0]) * interval_ns, *lost(len(all_counts))
    elif len(answered):
        sent = found.stamp_ns[replied][order] - rtt_ns
        sent, interval_ns = _checked(log, found, count, answered, sent, spacing), round(spacing)
    else:  # a report comes when the next probe leaves
        timed = found.stamp_ns >= 0
        known, where = np.unique(count[timed], return_index=True)
        sent = found.stamp_ns[timed][where] - int(spacing)
        return between(all_counts, known, sent, round(spacing)), *lost(len(all_counts))
    return probes(all_counts, answered, sent, rtt_ns, interval_ns or _interval(log, len(all_counts)))


def _checked(log: PingLog, found: _Columns, count: Int, answered: Int, sent: Int, spacing: float) -> Int:
    """Return send times without the steps of a clock that was set back. Raises InputError where it leaps."""
    stamps, in_file = found.stamp_ns[found.replied], count[found.replied]
    base.check_clock(
        log.path, stamps, found.line[found.replied].tolist(), accounted(in_file, stamps, spacing)
    )
    steps = np.diff(sent)
    back = steps < -_BACK_NS
    if back.any():
        by = np.where(back, np.diff(answered) * spacing - steps, 0).astype(np.int64)
        sent = sent + np.concatenate((np.zeros(1, np.int64), np.cumsum(by)))
        log.notes += (
            f"the clock was set back {int(back.sum())} times, by {format_duration(int(by.max()))} at most: "
            "the times behind it are moved on",
        )
    return sent


def _interval(log: PingLog, probes: int) -> int:
    if log.summary and log.summary.took_ns and probes > 1:
        return log.summary.took_ns // (probes - 1)
    return _DEFAULT_CADENCE_NS


def _notes(log: PingLog, found: _Columns, first: int, *, stamped: bool, zoned: bool) -> tuple[str, ...]:
    notes = list(log.notes)
    duplicates = int((found.rtt_ns == -1).sum())
    if duplicates:
        notes.append(f"{duplicates} duplicate replies left out: the first of each counts")
    if log.counted_from is None:
        notes.append(
            f"no {'whole ' if log.header else ''}header: probes before sequence number {first} are unknown"
        )
    if log.summary is None:
        notes.append("no summary: probes lost after the last reply are unknown")
    if not stamped and not (log.summary and log.summary.took_ns):
        notes.append(CADENCE_UNKNOWN)
    if stamped and log.clock is not Clock.UTC and not zoned:
        notes.append(f"times are in {log.clock.value}: there is no UTC start")
    return tuple(notes)


CADENCE_UNKNOWN = (
    "the distance of the probes is not in the file: 1 s taken for granted; import --cadence says another"
)
