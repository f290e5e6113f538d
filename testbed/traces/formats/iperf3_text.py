"""The interval lines of iperf3 as text, by the client or by the server, with or without times in front.

One line an interval and stream, a [SUM] where there are several; with --bidir each names its role. Totals,
omitted intervals and a last one of 0 s are no intervals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from testbed.model.trace import Layer, SeriesName
from testbed.traces.formats import base, rate_text
from testbed.traces.formats.rate_text import NUMBER, Intervals, RateLog

_TOUCHING_S = 0.02
_INTERVAL = re.compile(
    r"\[ *(?P<stream>\d+|SUM)\](?:\[(?P<role>[TR]X-[CS])\])? +(?P<begin>\d+\.\d+)- *(?P<end>\d+\.\d+) +sec +"
    rf"(?:{NUMBER}) [KMGT]?(?:Bytes|bits) +(?P<rate>{NUMBER}) (?P<unit>[KMGT]?(?:bits|Bytes))/sec(?P<rest>.*)\Z"
)
_OTHER = re.compile(
    r"(\s*|-[ -]*|- - .*"
    r"|Connecting to host .*|Reverse mode, .*|Accepted connection .*|Server listening .*"
    r"|\[ *(ID|\d+|SUM)\](\[[\w-]+\])? +(Interval|local|Sent|\(sender).*"
    r"|\[ *(\d+|SUM)\](\[[\w-]+\])? +[\d.]+- *[\d.]+ +sec +\d+ datagrams received out-of-order\s*"
    r"|iperf (Done|3).*|iperf3: .*|nohup: .*"
    r"|(?i:warning): .*|OUT OF ORDER - .*|CPU Utilization.*|(snd|rcv)_tcp_congestion .*|Control connection .*|Time: .*"
    r"|(Linux|Darwin|FreeBSD|OpenBSD|NetBSD|SunOS|CYGWIN|MSYS|Android)\S* .*"
    r"|\s*Cookie: .*|\s*Target Bitrate: .*|Test Complete.*|Starting Test: .*|\s*TCP MSS: .*)\Z"
)
_SECOND = re.compile(r"Connecting to host |Accepted connection ")
_ORDERED_MSS = re.compile(r"\s*TCP MSS: (\d+)( \(default\))?")
_MET_MSS = re.compile(r"Control connection MSS (\d+)")


@dataclass
class _Test:
    """What the lines around the intervals say of a test."""

    server: bool = False
    reverse: bool = False
    sends: bool | None = None  # of a server: does it send, by its columns or its summary
    done: bool = False
    parted: bool = False  # a dashed line has come
    summed: bool = False  # and the columns' names behind it: what follows is the summary
    summary_s: float | None = None
    rows: list[tuple[int, re.Match[str]]] = field(default_factory=list)
    omitted: list[re.Match[str]] = field(default_factory=list)


def _recognises(head: base.Head) -> bool:
    text = head.text[:8000]
    return bool(
        re.search(r"\[ *(ID|\d+)\](\[\w+(-\w)?\])? +(local .* connected (to|with)|Interval +Transfer)", text)
    )


def _read(path: Path) -> base.Recording:
    log, test = RateLog(path), _Test()
    lines = rate_text.body(path, log)
    for place, (number, line) in enumerate(lines):
        if line.startswith("Server output:"):  # --get-server-output
            log.notes.append("the server's own output is left out")
            test.done = any(after.startswith("iperf Done") for _, after in lines[place:])
            break
        _take(log, test, number, line)
    _check_sums(log, test)
    for number, row in _without_last(test, log):
        _add(log, test, number, row)
    _conclude(log, test)
    return rate_text.recording(log)


def _take(log: RateLog, test: _Test, number: int, line: str) -> None:
    """Take what one line says. Raises InputError for a line that iperf3 does not write, or of a second test."""
    if row := _INTERVAL.match(line):
        word = row["rest"].rsplit(None, 1)[-1] if row["rest"].strip() else ""
        if test.summed or _begins(word, "sender", "receiver"):
            test.summary_s = min(test.summary_s or float(row["end"]), float(row["end"]))
            if test.server and not _begins(word, "sender"):
                test.sends = False
        elif _begins(word, "(omitted)"):
            test.omitted.append(row)
        else:
            test.rows.append((number, row))
        return
    if not _OTHER.match(line):
        raise log.refuse(number, f"{line[:60]!r} is no line of iperf3", "give the whole text")
    if test.rows and _SECOND.match(line):
        raise log.refuse(number, "a second test begins", "split the text: one test a file")
    test.summed |= test.parted and "Interval" in line
    test.parted |= line.startswith("- -")
    test.done |= line.startswith("iperf Done")
    test.reverse |= line.startswith("Reverse mode")
    test.server |= line.startswith("Accepted connection")
    if test.server and "Interval" in line and ("Retr" in line or "Total Datagrams" in line) and not test.rows:
        test.sends = True
    if line.lower().startswith(("iperf3: ", "warning: ")):
        log.notes.append(line.strip())
    _take_payload(log, line)
    if line.startswith("Time: ") and line.rstrip().endswith(("GMT", "UTC")):
        log.start_ns = _start_ns(log, number, line)


def _begins(word: str, *whole: str) -> bool:
    """Return whether a line's last word is one of these; the text may be cut within it."""
    return word != "" and any(one.startswith(word) for one in whole)


def _take_payload(log: RateLog, line: str) -> None:
    if line.rstrip().endswith("Datagrams"):  # a column's name
        log.layer, log.payload_bytes = Layer.UDP, 0
    elif (met := _MET_MSS.match(line)) and log.layer is Layer.TCP:
        log.payload_bytes = int(met[1])
    elif (ordered := _ORDERED_MSS.match(line)) and not ordered[2] and int(ordered[1]) > 12:
        log.payload_bytes = int(ordered[1]) - 12  # time stamps lie within an MSS that was ordered


def _start_ns(log: RateLog, number: int, line: str) -> int:
    try:
        when = datetime.strptime(line.split(", ", 1)[-1].strip()[:20], "%d %b %Y %H:%M:%S")
    except ValueError:
        raise log.refuse(number, f"{line[:60]!r}", "give the text as iperf3 wrote it") from None
    return int(when.replace(tzinfo=UTC).timestamp()) * 10**9


def _check_sums(log: RateLog, test: _Test) -> None:
    """Keep the sums where there are several streams. Raises InputError where one of them is missing."""
    streams = {row["stream"] for _, row in test.rows}
    if "SUM" not in streams:
        return
    spans = {(row["role"], row["begin"], row["end"]) for _, row in test.rows if row["stream"] == "SUM"}
    for number, row in test.rows:
        if (row["role"], row["begin"], row["end"]) not in spans:
            found = f"no [SUM] of {row['begin']}-{row['end']} s"
            raise log.refuse(number, found, "give the whole recording of one test")
    test.rows = [(number, row) for number, row in test.rows if row["stream"] == "SUM"]


def _without_last(test: _Test, log: RateLog) -> list[tuple[int, re.Match[str]]]:
    """Return the intervals without a last one of 0 s, which counts what came in no time."""
    longest = max((float(row["end"]) for _, row in test.rows), default=0.0)
    empty = [row for _, row in test.rows if row["begin"] == row["end"] and float(row["end"]) == longest]
    if not empty or longest == 0:
        return test.rows
    log.notes.append("a last interval of 0 s left out")
    return [(number, row) for number, row in test.rows if row not in empty]


def _add(log: RateLog, test: _Test, number: int, row: re.Match[str]) -> None:
    sends = row["role"].startswith("TX") if row["role"] else _this_end_sends(test)
    name = SeriesName.UP_RATE if sends != test.server else SeriesName.DOWN_RATE
    rates = log.rates.setdefault(name, Intervals(by_sender=sends))
    begin, end, before = float(row["begin"]), float(row["end"]), sum(rates.length_ns) / 1e9
    if abs(begin - before) > _TOUCHING_S or end <= begin:
        found = f"interval {begin:g}-{end:g} s follows {before:g} s"
        raise log.refuse(number, found, "give the whole recording of one test")
    log.add(number, rates, f"{end - before:.6f}", row["rate"], row["unit"])


def _this_end_sends(test: _Test) -> bool:
    return bool(test.sends) if test.server else not test.reverse


def _conclude(log: RateLog, test: _Test) -> None:
    if test.server:
        log.notes.append("written by the server: 'up' is towards it")
    elif not test.done:
        log.notes.append("no 'iperf Done': the test did not end in order, or the text is cut short")
    if test.omitted:
        log.notes.append(f"{len(test.omitted)} lines of omitted intervals left out")
        if log.start_ns is not None:
            log.start_ns += round(max(float(row["end"]) for row in test.omitted) * 1e9)
    ends = [sum(rates.length_ns) / 1e9 for rates in log.rates.values()]
    if ends and test.summary_s and test.summary_s > min(ends) + 0.5:
        log.notes.append(f"the intervals end at {min(ends):g} s, the summary at {test.summary_s:g} s")


FORMAT = base.Format(
    "iperf3-text",
    "iperf3 as text, by the client or the server, also with times in front",
    _recognises,
    _read,
    by_line=True,
    sign="iperf3's lines `[ ID] Interval  Transfer` or `[  5] local ... connected to`",
    tool="iperf3 3.1 to 3.18 as text, with any -f, --bidir, -P, -V, --timestamps or times in front",
    record="iperf3 -J instead: it has the exact figures and the clock",
    cannot_tell="rates finer than three digits; the start, unless -V or an epoch in front tells it; what left "
    "in each interval of an upload as its sender sees it",
)
