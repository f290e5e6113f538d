"""iperf3 -J and --json-stream: one rate a reporting interval and direction.

The sender's intervals of an upload are write() batches, not what left: zeros there are no outages. Which
direction an interval counts is said by `sender` (since 3.7) and by which end wrote the file.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Framing, Layer, Series, SeriesName, Trait
from testbed.traces.formats import base, documents

_TOUCHING_NS = 20 * 10**6
NOTHING_NS = 5 * 10**6
"""A last interval shorter than this, which iperf3 prints as 0.00 s, counts what came in no time: it is left out."""
TIMESTAMP_BYTES = 12
"""TCP's time stamps take these from the payload of an MSS that was ordered by -M."""
SUMS = ("sum", "sum#2", "sum_bidir_reverse")
"""Where an interval's totals lie; from 3.7 to 3.10 --bidir wrote the key twice."""
_AROUND = re.compile(r"(iperf3: |warning: |nohup: )")


@dataclass(frozen=True)
class Interval:
    """One total: from when to when (ns), its rate, and whether iperf3 left it out (-O)."""

    begin_ns: int
    end_ns: int
    rate_bps: int
    omitted: bool

    @property
    def is_nothing(self) -> bool:
        """Whether it is too short to have a rate."""
        return self.end_ns - self.begin_ns < NOTHING_NS


def _recognises(head: base.Head) -> bool:
    text = head.text
    if re.search(r'^\s*\{"event": *"start"', text, re.MULTILINE):
        return True
    begun = re.search(r"^\s*\[?\s*\{", text, re.MULTILINE)
    return (
        begun is not None
        and '"start"' in text[begun.start() : begun.start() + 40]
        and '"connected"' in text[:8000]
    )


def _read(path: Path) -> base.Recording:
    lines, notes = _finished(path)
    streamed = any(re.match(r'\s*\{"event": *"', line) for line in lines[:20])
    found, around = documents.documents(path, lines if streamed else base.lines(path))
    if len(found) == 1 and isinstance(found[0].value, list):
        found = [documents.Document(found[0].line, value) for value in found[0].value]
    notes = (notes if streamed else ()) + _said(path, around)
    if streamed:
        result, more = _of_stream(path, found)
        notes += more
    elif len(found) != 1:
        raise _several(path, found)
    else:
        result = found[0].value
    with documents.shape(path, "an iperf3 result"):
        return _recording(path, result, notes)


def _finished(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return a stream's lines, without a last one that was cut short, and a note on it."""
    lines, rest, _ = base.ended(path)
    if rest is None or not rest.strip():
        return lines, ()
    try:
        json.loads(rest)
    except ValueError:
        return lines, base.unfinished(len(lines) + 1)
    return [*lines, rest], ()


def _said(path: Path, around: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Return what stands before and behind the JSON. Raises InputError where iperf3 did not write it."""
    for line, text in around:
        if not _AROUND.match(text):
            raise InputError(Place(str(path), line), f"{text[:60]!r} is no JSON", "give iperf3's JSON alone")
    return tuple(text for _, text in around if text.startswith("iperf3: "))


def _several(path: Path, found: Sequence[documents.Document]) -> InputError:
    place = Place(str(path), found[1].line if found[1:] else 0)
    return InputError(place, f"{len(found)} results in one file", "split them: one result a file")


def _of_stream(path: Path, found: Sequence[documents.Document]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the events of --json-stream as the result that -J would have written."""
    result: dict[str, Any] = {"intervals": []}
    starts = [item for item in found if _event(item) == "start"]
    if len(starts) != 1:
        raise _several(path, starts)
    with documents.shape(path, "a stream of iperf3's events"):
        for item in found:
            kind = _event(item)
            if kind == "interval":
                result["intervals"].append(item.value["data"])
            elif kind in ("start", "end", "error"):
                result[kind] = item.value["data"]
    return result, () if "end" in result else (
        "no 'end' event: the test did not end in order, or is cut short",
    )


def _event(item: documents.Document) -> str:
    return str(item.value.get("event", "")) if isinstance(item.value, dict) else ""


def _recording(path: Path, result: Mapping[str, Any], notes: tuple[str, ...]) -> base.Recording:
    error = str(result.get("error") or "").removeprefix("error - ")
    if not result.get("intervals"):
        found = f"iperf3 failed: {error}" if error else "no reporting intervals"
        raise InputError(str(path), found, "record again with: iperf3 -J -i 0.1 -R -c HOST")
    start = result["start"]
    totals = _by_direction(path, result["intervals"], start)
    kept = {key: _kept(path, intervals) for key, intervals in totals.items()}
    origin = min(intervals[0].begin_ns for intervals in kept.values())
    one = next(iter(totals.values()))
    late_ns = _omitted_ns(one, next(iter(kept.values())))
    framing, more = _framing(start)
    return base.Recording(
        series={name: _series(intervals, origin) for (name, _), intervals in kept.items()},
        duration_ns=max(max(i[-1].end_ns, i[-1].begin_ns + 1) for i in kept.values()) - origin,
        start_ns=_begin_ns(start) + late_ns + origin,
        traits=(Trait.SENDER_SIDE,) if any(sender for _, sender in kept) else (),
        notes=notes + _left_out(totals) + _ended(start, error) + more,
        framing={name: framing for name, _ in kept},
    )


def _by_direction(
    path: Path, items: Sequence[Mapping[str, Any]], start: Mapping[str, Any]
) -> dict[tuple[SeriesName, bool], list[Interval]]:
    """Return the totals by series, and by whether the end that wrote the file sent them.

    Raises ValueError where an interval has other directions than those before.
    """
    server = _by_server(start)
    totals: dict[tuple[SeriesName, bool], list[Interval]] = {}
    for number, item in enumerate(items):
        for sender, interval in _totals(path, number, item, start):
            name = SeriesName.UP_RATE if sender != server else SeriesName.DOWN_RATE
            totals.setdefault((name, sender), []).append(interval)
        if {len(intervals) for intervals in totals.values()} != {number + 1}:
            raise ValueError(f"interval {number} has other directions than those before")
    if len({name for name, _ in totals}) != len(totals):
        raise ValueError("intervals of a sender and of a receiver of one direction")
    return totals


def _by_server(start: Mapping[str, Any]) -> bool:
    return "accepted_connection" in start


def _begin_ns(start: Mapping[str, Any]) -> int:
    begin = start["timestamp"]
    found = int(begin.get("timemillisecs", begin["timesecs"] * 1000)) * 10**6
    if not 0 <= found < 2**62:
        raise ValueError(f"a test that began {begin['timesecs']} s after 1970")
    return found


def _left_out(totals: Mapping[tuple[SeriesName, bool], Sequence[Interval]]) -> tuple[str, ...]:
    omitted = sum(interval.omitted for interval in next(iter(totals.values())))
    notes = (f"{omitted} omitted intervals left out",) if omitted else ()
    empty = any(intervals[-1].is_nothing for intervals in totals.values())
    return (*notes, "a last interval of 0 s left out") if empty else notes


def _ended(start: Mapping[str, Any], error: str) -> tuple[str, ...]:
    notes = (f"iperf3 ended with: {error}",) if error else ()
    return (*notes, "written by the server: 'up' is towards it") if _by_server(start) else notes


def _totals(
    path: Path, number: int, item: Mapping[str, Any], start: Mapping[str, Any]
) -> Iterator[tuple[bool, Interval]]:
    """Yield an interval's totals, each with whether the end that wrote the file sent it."""
    sums = [item[name] for name in SUMS if name in item]
    if not sums:
        raise KeyError("sum")
    reverse = bool(start["test_start"].get("reverse"))
    for place, total in enumerate(sums):
        unsaid = (reverse == _by_server(start)) != bool(place)  # before 3.7 nothing says it but the order
        yield bool(total.get("sender", unsaid)), _interval(path, number, total)


def _kept(path: Path, intervals: Sequence[Interval]) -> list[Interval]:
    """Return the intervals that count. Raises InputError where one is missing between them."""
    kept = [i for i in intervals if not i.omitted]
    if kept and kept[-1].is_nothing:
        kept.pop()
    if not kept:
        raise InputError(str(path), "no reporting intervals", "record with: iperf3 -J -i 0.1 -R -c HOST")
    for number, interval in enumerate(kept):
        if interval.is_nothing:
            found = f"interval {number}: {interval.begin_ns / 1e9:g} to {interval.end_ns / 1e9:g} s"
            raise InputError(str(path), found, "give the result as iperf3 wrote it")
    for number, (one, other) in enumerate(itertools.pairwise(kept), 1):
        if abs(other.begin_ns - one.end_ns) > _TOUCHING_NS:
            found = f"interval {number}: begins at {other.begin_ns / 1e9:g} s, the one before ends at "
            found += f"{one.end_ns / 1e9:g} s"
            raise InputError(str(path), found, "give the whole result of one test")
    return kept


def _omitted_ns(intervals: Sequence[Interval], kept: Sequence[Interval]) -> int:
    """Return how long the omitted intervals took where the kept ones count from 0 again."""
    end = max((i.end_ns for i in intervals if i.omitted), default=0)
    return end if kept[0].begin_ns < end - _TOUCHING_NS else 0


def _series(kept: Sequence[Interval], origin: int) -> Series:
    t = base.increasing([i.begin_ns for i in kept])
    return Series.of(t - origin, [i.rate_bps for i in kept])


def _framing(start: Mapping[str, Any]) -> tuple[Framing, tuple[str, ...]]:
    """Return of what the rate was counted: TCP segments of the MSS that was met, or datagrams as ordered.

    An MSS that was ordered (-M, `tcp_mss`) has room for the time stamps in it, one that was met
    (`tcp_mss_default`) is what remained beside them.
    """
    test = start["test_start"]
    if test.get("protocol") == "UDP":
        return Framing(Layer.UDP, min(int(test["blksize"]), FRAMINGS[Layer.UDP].payload_bytes)), ()
    if ordered := int(start.get("tcp_mss") or 0):
        note = f"-M {ordered}: {ordered - TIMESTAMP_BYTES} bytes a segment beside {TIMESTAMP_BYTES} of time stamps"
        return Framing(Layer.TCP, ordered - TIMESTAMP_BYTES), (note,)
    return Framing(Layer.TCP, int(start.get("tcp_mss_default") or 0) or FRAMINGS[Layer.TCP].payload_bytes), ()


def _interval(path: Path, number: int, item: Mapping[str, Any]) -> Interval:
    if twice := [key for key in item if "#" in key]:
        found = f"interval {number}: {twice[0].split('#')[0]} twice in one sum"
        raise InputError(str(path), found, "give the result as iperf3 wrote it")
    begin, end, rate = (item[name] for name in ("start", "end", "bits_per_second"))
    if begin is None or end is None:  # nan
        raise InputError(
            str(path), f"interval {number}: no start or end", "give the result as iperf3 wrote it"
        )
    begin, end = float(begin), float(end)
    short = 0 <= end - begin < NOTHING_NS / 1e9
    if short:
        rate = 0.0  # nan, or anything: it is left out or refused
    elif rate is None and item.get("bytes") is None:
        raise InputError(str(path), f"interval {number}: no rate", "give the result as iperf3 wrote it")
    else:
        rate = float(item["bytes"]) * 8 / (end - begin) if rate is None else float(rate)
    if not (0 <= begin <= end < 10**7 and 0 <= rate < 10**13 and math.isfinite(rate)):
        found = f"interval {number}: {begin:g} to {end:g} s at {rate:g} bit/s"
        raise InputError(str(path), found, "give the result as iperf3 wrote it")
    return Interval(round(begin * 1e9), round(end * 1e9), round(rate), bool(item.get("omitted")))


FORMAT = base.Format(
    "iperf3-json",
    "iperf3 -J and --json-stream",
    _recognises,
    _read,
    sign="a JSON object that begins with iperf3's `start` and `connected`, or with its event `start`",
    tool="iperf3 3.1 to 3.18, `-J` and `--json-stream`, by the client or the server",
    record="iperf3 -J -i 0.1 -t 300 -R -c HOST (down); --bidir for both directions; for an upload the server's -J",
    cannot_tell="what left in each interval of an upload as its sender sees it; what the path could carry "
    "where the test sends less",
)
