"""The interval lines of iperf3 and nuttcp as text, with or without a time in front of each line.

Times in front are those of the flush, many lines at once: the interval column alone counts. Between
`Start time:` and the first interval lies the connection's set-up, whose length the first line tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Framing, Layer, Series, SeriesName, Trait
from testbed.traces.formats import base, prefixed_ping

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass
class RateLog:
    """Intervals of a rate test: length and rate of each, in order."""

    path: Path
    length_ns: list[int] = field(default_factory=list)
    rate_bps: list[int] = field(default_factory=list)
    start_ns: int | None = None
    first_flush_ns: int | None = None
    upload: bool = False
    by_sender: bool = False
    layer: Layer = Layer.TCP
    payload_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, number: int, length_s: str, rate: str, unit: str) -> None:
        """Add one interval. Raises InputError for a length or rate that no test has."""
        length_ns, bps = round(float(length_s) * 1e9), round(float(rate) * UNITS[unit])
        if not 0 < length_ns <= 3600 * 10**9 or bps > 10**13:
            found = f"{length_s} s at {rate} {unit}bit/s"
            raise InputError(Place(str(self.path), number), found, "give the text as the tool wrote it")
        self.length_ns.append(length_ns)
        self.rate_bps.append(bps)


def body(path: Path, log: RateLog) -> list[tuple[int, str]]:
    """Return numbered lines without times in front, Start and End; notes the start in ``log``."""
    lines, found = base.lines(path), []
    wrapped = bool(prefixed_ping.START.match(lines[0]))
    if wrapped:
        log.start_ns = prefixed_ping.start_of(path, lines)
        if not prefixed_ping.END.match(lines[-1]):
            raise InputError(
                Place(str(path), len(lines)), "no 'End time:' line at the end", "give the whole recording"
            )
    for number, line in enumerate(lines, 1):
        if wrapped and number in (1, len(lines)):
            continue
        prefix = prefixed_ping.PREFIX.match(line)
        if prefix and log.start_ns is not None and log.first_flush_ns is None:
            local = prefixed_ping.local_ns(path, number, prefix[1])
            log.first_flush_ns = local - prefixed_ping.zone_ns(log.start_ns, local)
        found.append((number, line[prefix.end() :] if prefix else line))
    return found


def recording(log: RateLog) -> base.Recording:
    """Return the rates as a recording. Raises InputError where there are none."""
    if not log.rate_bps:
        raise InputError(str(log.path), "no reporting intervals", "give the whole recording")
    ends = np.cumsum(log.length_ns)
    t = np.concatenate(([0], ends[:-1]))
    start = None
    if log.first_flush_ns is not None:  # the flush of the first lines ends the first interval
        start = max(log.first_flush_ns - log.length_ns[0], log.start_ns or 0)
    name = SeriesName.UP_RATE if log.upload else SeriesName.DOWN_RATE
    return base.Recording(
        series={name: Series.of(t, log.rate_bps)},
        duration_ns=int(ends[-1]),
        start_ns=start,
        traits=(Trait.SENDER_SIDE,) if log.by_sender else (),
        notes=tuple(log.notes),
        framing={name: framing(log)},
    )


def framing(log: RateLog) -> Framing:
    """Return of what the rate was counted; full frames where the text does not say how large its packets were."""
    most = FRAMINGS[log.layer]
    return Framing(log.layer, min(log.payload_bytes, most.payload_bytes)) if log.payload_bytes else most


_IPERF = re.compile(
    r"\[ *(\d+|SUM)\] +(\d+\.\d+)-(\d+\.\d+) +sec +\S+ [KMGT]?Bytes +(\d+(?:\.\d+)?) ([KMGT]?)bits/sec(.*)\Z"
)
_IPERF_OTHER = re.compile(
    r"(\s*|Connecting to host .*|Reverse mode, .*|Accepted connection .*|Server listening .*|-[ -]*|- - .*"
    r"|\[ *(ID|\d+|SUM)\] +(Interval|local|Sent|\(sender).*|iperf (Done|3).*|iperf3: .*"
    r"|warning: .*|CPU Utilization.*|(snd|rcv)_tcp_congestion .*|Linux .*|Control connection .*|Time: .*"
    r"|\s*Cookie: .*|\s*Target Bitrate: .*|Test Complete.*|Starting Test: .*|\s*TCP MSS: .*)\Z"
)


def _recognises_iperf(head: base.Head) -> bool:
    text = head.text[:8000]
    return "Connecting to host" in text and bool(re.search(r"\[ *(ID|\d+)\] (local|Interval)", text))


def _read_iperf(path: Path) -> base.Recording:
    log = RateLog(path, upload=True, by_sender=True)
    streams, end_s, done = set[str](), 0.0, False
    rows: list[tuple[int, re.Match[str]]] = []
    for number, line in body(path, log):
        done |= line.startswith("iperf Done")
        if line.startswith("Reverse mode"):
            log.upload = log.by_sender = False
        if interval := _IPERF.match(line):
            if not interval[6].rstrip().endswith(("sender", "receiver", "(omitted)")):
                rows.append((number, interval))
                streams.add(interval[1])
        elif line.startswith("iperf3: error"):
            log.notes.append(line)
        elif line.rstrip().endswith("Datagrams"):  # a column's name
            log.layer = Layer.UDP
        elif not _IPERF_OTHER.match(line):
            raise InputError(
                Place(str(path), number), f"{line[:60]!r} is no line of iperf3", "give the whole text"
            )
    wanted = "SUM" if "SUM" in streams else None
    for number, interval in rows:
        if wanted and interval[1] != wanted:
            continue
        begin, end = float(interval[2]), float(interval[3])
        if abs(begin - end_s) > 0.02 or end <= begin:
            found = f"interval {begin:g}-{end:g} s follows {end_s:g} s"
            raise InputError(Place(str(path), number), found, "give the whole recording of one test")
        log.add(number, f"{end - end_s:.6f}", interval[4], interval[5])
        end_s = end
    if not done:
        log.notes.append("no 'iperf Done': the test did not end in order, or the text is cut short")
    return recording(log)


_NUTTCP = re.compile(
    r" *\d+\.\d+ [KMGT]?B / +(\d+\.\d+) sec = +(\d+(?:\.\d+)?) ([KMGT]?)bps( +\d+ (retrans|KB-cwnd))*.*\Z"
)
_NUTTCP_OTHER = re.compile(r"(\s*|nuttcp(-[rt])?: .*)\Z")
_NUTTCP_UDP = re.compile(r"nuttcp-[rt]: buflen=(\d+),.* udp\b")
_NUTTCP_MSS = re.compile(r"nuttcp-[rt]: .*\bmss=(\d+)")


def _recognises_nuttcp(head: base.Head) -> bool:
    return any("nuttcp-" in line or _NUTTCP.match(line) for line in head.lines[:12])


def _read_nuttcp(path: Path) -> base.Recording:
    log, done = RateLog(path), False  # nuttcp's intervals are the receiver's, both ways
    for number, line in body(path, log):
        done |= " real seconds" in line
        if interval := _NUTTCP.match(line):
            log.add(number, interval[1], interval[2], interval[3])
        elif not _NUTTCP_OTHER.match(line):
            raise InputError(
                Place(str(path), number), f"{line[:60]!r} is no line of nuttcp", "give the whole text"
            )
        elif not log.rate_bps and line.startswith("nuttcp-t: v"):
            log.upload = True  # the transmitter's own lines come first: this end sends
        elif "Error" in line:
            log.notes.append(line)
        elif datagrams := _NUTTCP_UDP.match(line):
            log.layer, log.payload_bytes = Layer.UDP, int(datagrams[1])
        elif segments := _NUTTCP_MSS.match(line):
            log.payload_bytes = int(segments[1])
    if not done:
        log.notes.append("no summary: the test did not end in order, or the text is cut short")
    return recording(log)


IPERF3 = base.Format(
    "iperf3-text",
    "iperf3 as text, also with times in front",
    _recognises_iperf,
    _read_iperf,
    by_line=True,
    sign="iperf3's lines `[ ID] Interval` and `connected to`",
    tool="iperf3 3.1 to 3.18 as text, with or without times in front",
    record="iperf3 -J instead: it has the exact figures and the clock",
    cannot_tell="rates finer than three digits; the start, unless a time stands in front; what left in "
    "each interval of an upload as its sender sees it",
)
NUTTCP = base.Format(
    "nuttcp",
    "nuttcp as text, also with times in front",
    _recognises_nuttcp,
    _read_nuttcp,
    by_line=True,
    sign="nuttcp's `MB / sec = Mbps`",
    tool="nuttcp 6.1.2 to 8.1.4",
    record="nuttcp -i 0.1 -T 300 -r HOST (-r: down)",
    cannot_tell="the start, unless a time stands in front; the direction where only the terse lines are kept",
)
