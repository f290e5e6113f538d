"""What the texts of rate tests share: intervals by direction, and the times in front of their lines.

Times in front are those of the flush, many lines at once: the interval column alone counts. Between
`Start time:` and the first interval lies the connection's set-up, whose length the first line tells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Framing, Layer, Series, SeriesName, Trait
from testbed.traces.formats import base, prefixed_ping

NUMBER = r"-?nan|-?inf|\d+(?:\.\d+)?"
UNITS = {
    **{f"{prefix}bits": 10 ** (3 * n) for n, prefix in enumerate(("", "K", "M", "G", "T"))},
    **{f"{prefix}Bytes": 8 * 2 ** (10 * n) for n, prefix in enumerate(("", "K", "M", "G", "T"))},
}
"""bit/s in each unit of a rate: iperf3 counts bits by thousands and bytes (-f K, M ...) by 1,024."""
_FRONTS = (
    re.compile(r"\[?(?P<epoch>\d{9,10}(?:\.\d{1,9})?)\]?:? "),
    re.compile(
        r"\[?[^\[\]]{0,30}?(?<!\d)\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)?"
        r"(?: [A-Z]{3,5})?(?: \d{4})?(?: [A-Z]{3,5})?\]?:?(?: |\Z)"
    ),
)
"""Times in front of a line: an epoch (s), or anything with a time of day (iperf3 --timestamps, ts, date)."""


@dataclass
class Intervals:
    """The intervals of one direction: length and rate of each, in order, and whether their sender counted."""

    by_sender: bool = False
    length_ns: list[int] = field(default_factory=list)
    rate_bps: list[int] = field(default_factory=list)


@dataclass
class RateLog:
    """A rate test as it is read: its intervals by direction, and what was counted."""

    path: Path
    rates: dict[SeriesName, Intervals] = field(default_factory=dict)
    start_ns: int | None = None
    first_flush_ns: int | None = None
    layer: Layer = Layer.TCP
    payload_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def refuse(self, number: int, found: str, expected: str) -> InputError:
        """Return the error for one line."""
        return InputError(Place(str(self.path), number), found, expected)

    def add(self, number: int, rates: Intervals, length_s: str, rate: str, unit: str) -> None:
        """Add one interval. Raises InputError for a length or rate that no test has."""
        length_ns, bps = round(float(length_s) * 1e9), float(rate) * UNITS[unit]
        if not 0 < length_ns <= 3600 * 10**9 or not (math.isfinite(bps) and bps <= 10**13):
            found = f"{length_s} s at {rate} {unit.replace('bits', 'bit')}/s"
            raise self.refuse(number, found, "give the text as the tool wrote it")
        rates.length_ns.append(length_ns)
        rates.rate_bps.append(round(bps))


def body(path: Path, log: RateLog) -> list[tuple[int, str]]:
    """Return numbered lines without times in front, Start and End; notes the start in ``log``."""
    lines = [line.removeprefix("^C") for line in base.lines(path)]  # as a terminal echoes it
    if prefixed_ping.START.match(lines[0]):
        return _wrapped(path, log, lines)
    written = [line for line in lines if line.strip()]
    front = next(
        (front for front in _FRONTS if 2 * sum(map(bool, map(front.match, written))) > len(written)), None
    )
    if front is None:
        return list(enumerate(lines, 1))
    found = []
    for number, line in enumerate(lines, 1):
        match = front.match(line)
        found.append((number, line[match.end() :] if match else line))
        if match and match.groupdict().get("epoch") and log.first_flush_ns is None and " sec " in line:
            log.first_flush_ns = round(float(match["epoch"]) * 1e9)
    if log.first_flush_ns is None:
        log.notes.append("times in front without a zone: not read, the interval column counts")
    return found


def _wrapped(path: Path, log: RateLog, lines: list[str]) -> list[tuple[int, str]]:
    log.start_ns = prefixed_ping.start_of(path, lines)
    found = []
    if not prefixed_ping.END.match(lines[-1]):
        raise log.refuse(len(lines), "no 'End time:' line at the end", "give the whole recording")
    if not any(line.strip() for line in lines[1:-1]):
        raise InputError(str(path), "nothing stands between 'Start time:' and 'End time:'", "record again")
    for number, line in enumerate(lines[1:-1], 2):
        prefix = prefixed_ping.PREFIX.match(line)
        if prefix and log.first_flush_ns is None:
            local = prefixed_ping.local_ns(path, number, prefix[1])
            log.first_flush_ns = local - prefixed_ping.zone_ns(log.start_ns, local)
        found.append((number, line[prefix.end() :] if prefix else line))
    return found


def recording(log: RateLog) -> base.Recording:
    """Return the rates as a recording. Raises InputError where there are none."""
    rates = {name: found for name, found in log.rates.items() if found.rate_bps}
    if not rates:
        raise InputError(str(log.path), "no reporting intervals", "give the whole recording")
    start = log.start_ns
    if log.first_flush_ns is not None:  # the flush of the first lines ends the first interval
        start = max(log.first_flush_ns - next(iter(rates.values())).length_ns[0], log.start_ns or 0)
    return base.Recording(
        series={name: _series(found) for name, found in rates.items()},
        duration_ns=max(sum(found.length_ns) for found in rates.values()),
        start_ns=start,
        traits=(Trait.SENDER_SIDE,) if any(found.by_sender for found in rates.values()) else (),
        notes=tuple(log.notes),
        framing=_framing(log, rates),
    )


def _series(rates: Intervals) -> Series:
    return Series.of(np.concatenate(([0], np.cumsum(rates.length_ns)[:-1])), rates.rate_bps)


def _framing(log: RateLog, rates: Mapping[SeriesName, Intervals]) -> dict[SeriesName, Framing]:
    """Return of what the rates were counted; full frames where the text does not say how large its packets were."""
    most = FRAMINGS[log.layer]
    payload = min(log.payload_bytes, most.payload_bytes) or most.payload_bytes
    return dict.fromkeys(rates, Framing(log.layer, payload))
