"""What a Starlink dish says about itself: get_history and get_status, by grpcurl or `testbed trace record`.

History: rings of 900 s at 1 Hz, the newest at index (current - 1) mod 900; outages in GPS time.
The dish pings its PoP itself and smooths the latency; throughput is usage, not capacity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import EventKind, Loss, Series, SeriesName, TraceEvent, Trait
from testbed.traces.formats import base, documents, prefixed_ping

S = 10**9
GPS_TO_UTC_S = 315964800 - 18
"""GPS time counts from 1980-01-06 and has no leap seconds: 18 fewer since 2017."""
TRAITS = (Trait.DISH_SMOOTHED, Trait.USAGE)


def path_series(
    t: np.ndarray[Any, np.dtype[np.int64]], latency_ms: list[float], drop: list[float]
) -> dict[SeriesName, Series]:
    """Return RTT and loss series of the dish's own pings; a second without any answer is a lost probe."""
    latency, share = np.array(latency_ms, np.float64), np.array(drop, np.float64)
    silent = np.isnan(latency) | (latency == -1)  # no answer at all, in the words of several firmwares
    latency = np.where(silent & (share > 0), 0, latency)
    if not (np.all(np.isfinite(latency)) and np.all((latency >= 0) & (latency * 1e6 <= base.MAX_RTT_NS))):
        raise ValueError("a latency is no number of ms up to 10 minutes")
    if not np.all((share >= 0) & (share <= 1)):
        raise ValueError("a drop rate lies outside 0 to 1")
    lost = (share >= 1) | ((latency == 0) & (share > 0))
    rtt = (latency * 1e6).round().astype(np.int64)
    return {
        SeriesName.RTT: Series.of(t, rtt, np.where(lost, Loss.UNKNOWN, Loss.NONE)),
        SeriesName.LOSS: Series.of(t, (share * 1e6).round().astype(np.int64)),
    }


def usage(t: np.ndarray[Any, np.dtype[np.int64]], down: list[float], up: list[float]) -> dict[str, Series]:
    """Return what was used, not what there was: context, in thousandths of a bit/s."""
    columns = {"downlink usage bit/s": down, "uplink usage bit/s": up}
    values = {name: np.array(column, np.float64) for name, column in columns.items()}
    if not all(np.all(np.isfinite(v) & (v >= 0) & (v < 1e12)) for v in values.values()):
        raise ValueError("a throughput is no number of bit/s")
    return {name: Series.of(t, (v * 1000).round().astype(np.int64)) for name, v in values.items()}


# --- get_history


def _is_history(head: base.Head) -> bool:
    return '"dishGetHistory"' in head.text[:2000]


def _read_history(path: Path) -> base.Recording:
    lines = base.lines(path)
    wrapped = bool(prefixed_ping.START.match(lines[0]))
    taken_ns = prefixed_ping.start_of(path, lines) if wrapped else None
    if wrapped and not prefixed_ping.END.match(lines[-1]):
        raise InputError(
            Place(str(path), len(lines)), "no 'End time:' line at the end", "give the whole dump"
        )
    document = documents.json_of(path, slice(1, -1) if wrapped else slice(None))
    with documents.shape(path, "a get_history dump"):
        history = document["dishGetHistory"]
        rings = {key: [float(v) for v in history[key]] for key in _RINGS}
        current, size = int(history["current"]), len(rings["popPingLatencyMs"])
        if len({len(ring) for ring in rings.values()}) != 1 or size == 0 or current <= 0:
            raise ValueError("the rings have different lengths, or nothing was recorded")
        order = [i % size for i in range(max(0, current - size), current)]
        latency, drop, down, up = ([rings[key][i] for i in order] for key in _RINGS)
        t = np.arange(len(order), dtype=np.int64) * S
        series, context = path_series(t, latency, drop), usage(t, down, up)
        outages = [_outage(item) for item in history.get("outages", [])]
    start = taken_ns - len(order) * S if taken_ns is not None else None
    events, notes = _inside(outages, start, len(order) * S)
    if start is None:
        notes += ("no 'Start time:' around the dump: its outages cannot be placed",)
    return base.Recording(series, len(order) * S, start, events, context, TRAITS, notes)


_RINGS = ("popPingLatencyMs", "popPingDropRate", "downlinkThroughputBps", "uplinkThroughputBps")


def _outage(item: Mapping[str, Any]) -> tuple[int, int, str]:
    """Return UTC start, duration (ns), cause; 64-bit numbers arrive as text."""
    began, lasted = int(item["startTimestampNs"]), int(item.get("durationNs", 0))
    return began + GPS_TO_UTC_S * S, lasted, str(item.get("cause", "UNKNOWN"))


def _inside(
    outages: list[tuple[int, int, str]], start: int | None, duration: int
) -> tuple[tuple[TraceEvent, ...], tuple[str, ...]]:
    """Return the outages that lie in the ring's time, cut to it, and a note on the others."""
    if start is None:
        return (), ()
    events = []
    for utc, length, cause in sorted(outages):
        begin, end = max(utc - start, 0), min(utc - start + length, duration)
        if begin < end:
            events.append(TraceEvent(begin, EventKind.OUTAGE, end - begin, cause))
    left = len(outages) - len(events)
    return tuple(events), (
        f"{left} of {len(outages)} outages lie outside the recording's time",
    ) if left else ()


# --- get_status


_STATUS = re.compile(r"req: (\S+) \| res: (\S+) \| data: (\{.*\})\s*\Z")


def _is_status(head: base.Head) -> bool:
    return '"dishGetStatus"' in head.text[:8000] and any(line.startswith("req: ") for line in head.lines[:3])


def _read_status(path: Path) -> base.Recording:
    t, latency, drop, down, up, at = [], [], [], [], [], []
    outages: dict[int, tuple[int, int, str]] = {}
    lines = base.lines(path)
    for number, line in enumerate(lines, 1):
        if prefixed_ping.START.match(line) or prefixed_ping.END.match(line) or not line.strip():
            continue
        with documents.shape(path, "a get_status reply", f"line {number}"):
            if not (match := _STATUS.match(line)):
                found = f"{line[:60]!r}"
                raise InputError(
                    Place(str(path), number), found, "write 'req: TIME | res: TIME | data: {JSON}'"
                )
            status = json.loads(match[3])["dishGetStatus"]
            at.append(number)
            t.append(iso_ns(match[2]))
            latency.append(float(status.get("popPingLatencyMs", 0)))
            drop.append(float(status.get("popPingDropRate", 0)))
            down.append(float(status.get("downlinkThroughputBps", 0)))
            up.append(float(status.get("uplinkThroughputBps", 0)))
            if status.get("outage"):  # the last one, which grows while it lasts
                begin, length, cause = _outage(status["outage"])
                outages[begin] = max((begin, length, cause), outages.get(begin, (begin, 0, "")))
    if not t:
        raise InputError(str(path), "no replies", "give a get_status recording")
    base.check_clock(path, t, at)
    times = base.increasing(np.array(t, np.int64) - t[0])
    with documents.shape(path, "a get_status recording"):
        series, context = path_series(times, latency, drop), usage(times, down, up)
    end = base.end_of(times)
    events, notes = _inside(list(outages.values()), t[0], end)
    return base.Recording(series, end, t[0], events, context, TRAITS, notes)


def iso_ns(text: str) -> int:
    """Return an ISO 8601 time with its zone as UTC ns. Raises ValueError where the zone is missing."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


HISTORY = base.Format(
    "dish-history",
    "get_history of a Starlink dish",
    _is_history,
    _read_history,
    sign="`dishGetHistory`",
    tool="get_history of a Starlink dish, by grpcurl",
    record="grpcurl every 15 minutes at least, with `Start time:` in front (epoch, ms)",
    cannot_tell="steps and spikes within a second, which the dish smooths; what the path could carry: "
    "throughput is usage",
)
STATUS = base.Format(
    "dish-status",
    "get_status replies of a Starlink dish",
    _is_status,
    _read_status,
    by_line=True,
    sign='`req: TIME | res: TIME | data: {"dishGetStatus" ...}`',
    tool="get_status of a Starlink dish, by grpcurl or `testbed trace record`",
    record="testbed trace record --dish 192.168.100.1:9200",
    cannot_tell="steps and spikes within a second, which the dish smooths; RTT with firmware 2024.11, "
    "which leaves it out",
)
