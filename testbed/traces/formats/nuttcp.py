"""The interval lines of nuttcp as text, with or without a time in front of each line.

nuttcp's intervals are the receiver's, both ways. Its summary stands behind them, and without the name of the
end in front it looks like one more interval: the shares of processor time tell it.
"""

from __future__ import annotations

import re
from pathlib import Path

from testbed.model.trace import Layer, SeriesName
from testbed.traces.formats import base, direction, rate_text
from testbed.traces.formats.rate_text import Intervals, RateLog

_INTERVAL = re.compile(
    r" *\d+\.\d+ [KMGT]?B / +(?P<length>\d+\.\d+) sec = +(?P<rate>\d+(?:\.\d+)?) (?P<unit>[KMGT]?)bps"
    r"(?P<rest>.*)\Z"
)
_CPU = re.compile(r".*%[TR]X\b")
_OTHER = re.compile(r"(\s*|nuttcp(-[rt])?: .*|nohup: .*)\Z")
_UDP = re.compile(r"nuttcp-[rt]: buflen=(\d+),.* udp\b")
_MSS = re.compile(r"nuttcp-[rt]: .*\bmss=(\d+)")
_TOTAL = re.compile(r"nuttcp-(?P<end>[rt]): .* in +(?P<length>\d+\.\d+) real seconds\b")
_BEGINS = re.compile(r"nuttcp-(?P<end>[rt]): v[\d.]+: (?!Error)")


def _recognises(head: base.Head) -> bool:
    return any("nuttcp-" in line or _INTERVAL.match(line) for line in head.lines[:12])


def _read(path: Path) -> base.Recording:
    log, rates, end, summary_s = RateLog(path), Intervals(), "", None
    for number, line in rate_text.body(path, log):
        interval, begins = _INTERVAL.match(line), _BEGINS.match(line)
        if interval and _CPU.match(interval["rest"]) and summary_s is None:
            summary_s = float(interval["length"])
        elif interval and summary_s is None:
            if "drop/pkt" in interval["rest"]:
                log.layer = Layer.UDP
            log.add(number, rates, interval["length"], interval["rate"], f"{interval['unit']}bits")
        elif interval or (begins and begins["end"] == end and rates.rate_bps):
            raise log.refuse(number, "a second test begins", "split the text: one test a file")
        elif not _OTHER.match(line):
            raise log.refuse(number, f"{line[:60]!r} is no line of nuttcp", "give the whole text")
        elif begins and not rates.rate_bps:
            end = end or begins["end"]  # this end's own lines come first
        elif (total := _TOTAL.match(line)) and total["end"] == end and rates.rate_bps:
            summary_s = float(total["length"])
        else:
            _take(log, line)
    log.rates[_direction(log, end)] = rates
    _conclude(log, rates, summary_s)
    return rate_text.recording(log)


def _take(log: RateLog, line: str) -> None:
    if "Error" in line or "error" in line:
        log.notes.append(line.strip())
    elif datagrams := _UDP.match(line):
        log.layer, log.payload_bytes = Layer.UDP, int(datagrams[1])
    elif segments := _MSS.match(line):
        log.payload_bytes = int(segments[1])


def _direction(log: RateLog, end: str) -> SeriesName:
    if end:
        return SeriesName.UP_RATE if end == "t" else SeriesName.DOWN_RATE
    way, why = direction.taken(log.path, direction.Way.UP)  # what nuttcp does unless told -r
    log.notes.append(why)
    return SeriesName.UP_RATE if way is direction.Way.UP else SeriesName.DOWN_RATE


def _conclude(log: RateLog, rates: Intervals, summary_s: float | None) -> None:
    ended = sum(rates.length_ns) / 1e9
    if summary_s is None:
        log.notes.append("no summary: the test did not end in order, or the text is cut short")
    elif rates.length_ns and summary_s - ended > 1.5 * max(rates.length_ns) / 1e9 + 0.5:
        log.notes.append(f"the intervals make {ended:g} s, the summary says {summary_s:g} s")


FORMAT = base.Format(
    "nuttcp",
    "nuttcp as text, also with times in front",
    _recognises,
    _read,
    by_line=True,
    sign="lines that begin with `nuttcp-`, or nuttcp's `MB / sec = Mbps`",
    tool="nuttcp 6.1.2 to 8.1.4",
    record="nuttcp -v -i 0.1 -T 300 -r HOST (down; without -r: up)",
    cannot_tell="the start, unless a time stands in front; the direction where -v was left out",
)
